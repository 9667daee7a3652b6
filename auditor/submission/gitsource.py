"""The record folders of one commit in a clone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from auditor.submission.base import MAX_FILE, MAX_FILES, MAX_OUTSIDE, NothingToAudit, Submission, Unreadable, UsageError
from auditor.submission.folders import Found, Touched, choose, is_container, not_its_own, owns, track, workshop
from auditor.submission.git import Commit, Entry, Repo
from auditor.submission.history import History, Span, iso
from auditor.submission.listing import MAX_LINK, POINTER_SIZES, clashes, follow, pointer_size, refuse
from auditor.submission.names import show, unshow
from auditor.submission.trees import Change, diff, find, walk
from rules.evidence import FileFact, FileKind, Gap, Package

_SHELF_FILES = 2_000  # enough of a folder to see what it is


def submissions(
    repo: Repo, history: History, head: str, source: str, pr: int | None = None, folder: str = ""
) -> Iterator[Submission]:
    """Each record folder that `head` adds to (or changes on) the history's main branch.

    Raises NothingToAudit, saying what was changed, when there is none; UsageError when the clone
    lacks what is needed to tell.
    """
    commit = repo.commit(head)
    if commit is None:
        raise UsageError(f"{repo.path} names commit {head} but does not hold it: fetch it first")
    span = history.span(head)
    gaps: list[Gap] = []
    if not span.complete:
        gaps.append(
            Gap(
                "history",
                "the clone is shallow: some commits of the change are missing, so its base and first date may be wrong",
            )
        )
    elif not span.base and span.against:
        gaps.append(Gap("history", "no common ancestor with the main branch: compared with its tip instead"))

    def report(path: str, why: str) -> None:
        gaps.append(Gap("changed files", why, show(path)))

    before = repo.commit(span.against) if span.against else None
    changes = diff(repo, before.tree if before else "", commit.tree, report)
    touched = [Touched(c.path, c.letter in "AR") for c in changes if c.letter != "D"]
    view = _View(repo, history, span, before.tree if before else "", commit.tree)
    found = choose(touched, view)
    wanted = _pick(folder, found, view) if folder else found
    if not wanted:
        raise NothingToAudit(_nothing(source, changes, touched, view, folder, found))
    inside = (*found, *wanted)
    outside = [show(c.path) for c in changes if not _accounted(c.path, inside, view)]
    for one in wanted:
        package = Package(
            folder=show(one.path) or ".",
            head=head,
            base=span.against,
            pr=pr,
            source=source,
            date=iso(commit.committed),
            track=track(one.path),
            other_folders=tuple(show(f.path) or "." for f in found if f != one),
            outside=tuple(outside[:MAX_OUTSIDE]),
            inherited=one.inherited,
            created=iso(span.oldest),
            modified=one.modified,
        )
        yield _submission(repo, commit, package, one.path, changes, gaps)


class _View:
    """`folders.View` over two commits."""

    def __init__(self, repo: Repo, history: History, span: Span, before: str, after: str) -> None:
        self.repo, self.history, self.span, self.before, self.after = repo, history, span, before, after

    def files(self, folder: str) -> Iterable[str]:
        here = find(self.repo, self.after, folder)
        if here is None or not here.is_tree:
            return ()
        return (path for path, _ in walk(self.repo, here.oid, _ignore, _SHELF_FILES))

    def existed(self, folder: str) -> bool:
        here = find(self.repo, self.before, folder) if self.before else None
        return here is not None and here.is_tree

    def landed(self, folder: str) -> bool:
        here = find(self.repo, self.after, folder)
        return here is not None and self.history.landed(here.oid, self.span.limit)

    def is_folder(self, folder: str) -> bool:
        here = find(self.repo, self.after, folder)
        return here is not None and here.is_tree


def _ignore(path: str, why: str) -> None:
    """Gaps of a first look are reported when the folder is listed for good."""


def _pick(folder: str, found: Sequence[Found], view: _View) -> tuple[Found, ...]:
    raw = unshow(folder).strip("/")
    raw = "" if raw == "." else raw
    among = tuple(f for f in found if f.path == raw or (raw and f.path.endswith(f"/{raw}")))
    if among or not view.is_folder(raw):
        return among
    return (Found(raw, modified=not is_container(raw) and view.existed(raw), inherited=view.landed(raw)),)


def _accounted(path: str, inside: Sequence[Found], view: _View) -> bool:
    """True for a file of a record folder of this change, or of one that came in from main."""
    parts = path.split("/")
    came_in = len(parts) > 3 and parts[0] == "records" and view.landed("/".join(parts[:3]))
    return came_in or any(owns(f.path, path) for f in inside)


def _submission(
    repo: Repo, commit: Commit, package: Package, folder: str, changes: Sequence[Change], gaps: Sequence[Gap]
) -> Submission:
    own: list[Gap] = []

    def report(path: str, why: str) -> None:
        own.append(Gap("files", why, show(path)))

    here = find(repo, commit.tree, folder)
    listed = list(walk(repo, here.oid, report, MAX_FILES, not_its_own(folder))) if here else []
    letters = {c.path: c.letter for c in changes if c.letter != "D"}
    prefix = f"{folder}/" if folder else ""
    facts = dict(_facts(repo, listed))
    files = tuple(
        replace(f, path=show(path), change=letters.get(prefix + path, "")) for path, f in sorted(facts.items())
    )
    own += clashes(files)
    read = _Reader(repo, facts).read
    return Submission(replace(package, files=files), read, (*gaps, *own))


def _facts(repo: Repo, listed: Sequence[tuple[str, Entry]]) -> Iterator[tuple[str, FileFact]]:
    blobs = [(path, e) for path, e in listed if e.mode >> 12 != 0o16]
    for path, e in listed:
        if e.mode >> 12 == 0o16:
            yield path, FileFact(path, FileKind.SUBMODULE, None, e.oid)
    for (path, e), size in zip(blobs, repo.sizes([e.oid for _, e in blobs]), strict=True):
        declared = None
        if size is None:
            kind = FileKind.ABSENT
        elif e.mode >> 12 == 0o12:
            kind = FileKind.SYMLINK
        else:
            declared = pointer_size(repo.blob(e.oid)) if size in POINTER_SIZES else None
            kind = FileKind.FILE if declared is None else FileKind.LFS_POINTER
        yield path, FileFact(path, kind, size if declared is None else declared, e.oid, "", declared is not None)


class _Reader:
    """Gives out the files of one folder, by shown path, links resolved inside the folder."""

    def __init__(self, repo: Repo, facts: Mapping[str, FileFact]) -> None:
        self.repo, self.facts = repo, facts
        self.kinds = {path: f.kind for path, f in facts.items()}

    @cached_property
    def targets(self) -> dict[str, str]:
        links = (path for path, kind in self.kinds.items() if kind is FileKind.SYMLINK)
        return {
            path: self.repo.blob(self.facts[path].blob, MAX_LINK).decode("utf-8", "surrogateescape") for path in links
        }

    def read(self, path: str) -> bytes:
        raw = unshow(path)
        links = self.targets if FileKind.SYMLINK in self.kinds.values() else {}
        fact = self.facts[follow(raw, self.kinds, links)]
        refuse(fact.path, fact.kind)
        if fact.size is None or fact.size > MAX_FILE:
            raise Unreadable(f"{path} has {fact.size or 0:,} bytes; files above {MAX_FILE:,} are not read")
        return self.repo.blob(fact.blob)


def _nothing(
    source: str, changes: Sequence[Change], touched: Sequence[Touched], view: _View, folder: str, found: Sequence[Found]
) -> str:
    if folder:
        there = ", ".join(show(f.path) or "." for f in found[:5]) or "none"
        return f"{source} has no folder {folder}; record folders that it adds or changes: {there}"
    if not changes:
        return f"{source} changes nothing: main already has it"
    names = ", ".join(show(c.path) for c in changes[:5]) + (
        f" and {len(changes) - 5:,} more" if len(changes) > 5 else ""
    )
    places = workshop(touched, view)
    if not touched:
        why = "it only deletes files"
    elif places:
        why = f"{len(places)} directories outside records/ hold programs and logs, none with a submission.json; name one with --folder"
    elif all(c.path.startswith("train_gpt") and c.path.endswith(".py") for c in changes):
        why = "it only edits the root training script; to audit that, use --folder ."
    elif all(c.path.lower().endswith((".md", ".txt")) or c.path.startswith(".git") for c in changes):
        why = "it only touches documents"
    else:
        why = "no record folder, no submission.json, no training script beside a README or log"
    return f"{source} adds or changes no record folder: {why} ({names})"
