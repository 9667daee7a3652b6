"""Walking and comparing directories that git stores, lazily and with limits.

Two directories with the same hash are the same, so a comparison opens only what differs. A
hostile tree can name itself ten times on every level; therefore every walk counts what it opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from auditor.submission.base import MAX_DEPTH
from auditor.submission.git import Entry, Repo
from auditor.submission.names import is_safe

MAX_CHANGED = 100_000  # changed files of one comparison
_EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"

Report = Callable[[str, str], None]  # (raw path, why it was not looked at)


@dataclass(frozen=True, slots=True)
class Change:
    """One changed file: git's letter (A, M, D, R, T), its raw path, and its mode and object at the head."""

    letter: str
    path: str
    mode: int = 0
    oid: str = ""
    old: str = ""  # the object on the base


def walk(
    repo: Repo, root: str, report: Report, limit: int, skip: Callable[[str], bool] = lambda _: False
) -> Iterator[tuple[str, Entry]]:
    """Every file below a directory as (raw path, entry), at most `limit`, depth first.

    Directories for which `skip(path)` holds are left out. What cannot be listed is reported.
    """
    left = [limit]
    yield from _walk(repo, root, "", report, left, 0, skip)
    if left[0] < 0:
        report("", f"more than {limit:,} files; the rest was not looked at")


def _walk(
    repo: Repo, root: str, prefix: str, report: Report, left: list[int], depth: int, skip: Callable[[str], bool]
) -> Iterator[tuple[str, Entry]]:
    for entry in _children(repo, root, prefix, report, depth).values():
        path = prefix + entry.name
        if not entry.is_tree or not skip(path):
            left[0] -= 1  # directories count too: an empty one can be named a million times
        if left[0] < 0:
            return
        if not entry.is_tree:
            yield path, entry
        elif not skip(path):
            yield from _walk(repo, entry.oid, f"{path}/", report, left, depth + 1, skip)


def diff(repo: Repo, old: str, new: str, report: Report, limit: int = MAX_CHANGED) -> list[Change]:
    """Changed files between two directories ("" is an empty one), sorted by path.

    A file that stands elsewhere with the same bytes, and is gone from there, counts as renamed
    (R). Files that are renamed and edited show as one A and one D.
    """
    left = [limit]
    found = list(_diff(repo, old, new, "", report, left, 0))
    if left[0] < 0:
        report("", f"more than {limit:,} changed files; the rest was not looked at")
    gone: dict[str, int] = {}
    for c in found:
        if c.letter == "D" and c.old != _EMPTY_BLOB:
            gone[c.old] = gone.get(c.old, 0) + 1
    for i, c in enumerate(found):
        if c.letter == "A" and gone.get(c.oid, 0):
            gone[c.oid] -= 1
            found[i] = replace(c, letter="R", old=c.oid)
    return sorted(found, key=lambda c: (c.path, c.letter))


def _diff(repo: Repo, old: str, new: str, prefix: str, report: Report, left: list[int], depth: int) -> Iterator[Change]:
    before = _children(repo, old, prefix, report, depth)
    after = _children(repo, new, prefix, report, depth)
    for name in {**before, **after}:
        a, b, path = before.get(name), after.get(name), prefix + name
        if a and b and a.oid == b.oid and a.mode == b.mode:
            continue
        left[0] -= 1
        if left[0] < 0:
            return
        a_tree, b_tree = bool(a and a.is_tree), bool(b and b.is_tree)
        if a_tree or b_tree:
            yield from _diff(
                repo, a.oid if a and a_tree else "", b.oid if b and b_tree else "", f"{path}/", report, left, depth + 1
            )
        a, b = (None if a_tree else a), (None if b_tree else b)
        if a and b:
            yield Change("M" if a.mode >> 12 == b.mode >> 12 else "T", path, b.mode, b.oid, a.oid)
        elif b:
            yield Change("A", path, b.mode, b.oid)
        elif a:
            yield Change("D", path, old=a.oid)


def _children(repo: Repo, oid: str, prefix: str, report: Report, depth: int) -> dict[str, Entry]:
    """The entries of a directory by name; of two entries with one name git sees the first."""
    if not oid:
        return {}
    if depth > MAX_DEPTH:
        report(prefix, f"nested deeper than {MAX_DEPTH} directories")
        return {}
    entries = repo.tree(oid)
    if entries is None:
        report(prefix, "the clone does not hold this directory, or it is too large")
        return {}
    named: dict[str, Entry] = {}
    for e in entries:
        if not is_safe(e.name):
            report(prefix + e.name, "a name that git refuses to check out")
        elif e.name in named:
            report(prefix + e.name, "named twice in one directory; only the first was looked at")
        else:
            named[e.name] = e
    return named
