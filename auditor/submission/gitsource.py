"""The record folders of one commit in a clone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from auditor.submission.base import MAX_FILE, MAX_FILES, MAX_OUTSIDE, NothingToAudit, Submission, Unreadable, UsageError
from auditor.submission.folders import (
    MAX_EDITED,
    Found,
    OnMain,
    Touched,
    choose,
    is_container,
    not_its_own,
    owns,
    track,
    workshop,
)
from auditor.submission.git import Commit, Entry, Repo
from auditor.submission.history import History, Span, iso
from auditor.submission.listing import MAX_LINK, POINTER_SIZES, clashes, follow, not_at_hand, pointer_size, refuse
from auditor.submission.names import show, unshow
from auditor.submission.target import Target
from auditor.submission.trees import Change, diff, walk
from rules.evidence import FileFact, FileKind, Gap, Package

_SHELF_FILES = 2_000  # enough of a folder to see what it is


def submissions(repo: Repo, history: History, head: str, target: Target, pr: int | None = None) -> Iterator[Submission]:
    """Each record folder that `head` adds to (or changes on) the history's main branch.

    Raises NothingToAudit, saying what was changed, when there is none; UsageError when the clone
    lacks what is needed to tell.
    """
    commit = repo.commit(head)
    if commit is None:
        raise UsageError(f"{repo.path} names commit {head} but does not hold it: fetch it first")
    source, folder = target.source, target.folder
    # Who names a base wants base..head as it is; who names a pull request wants what it brought.
    span = history.span(head, look_back=pr is not None or not target.base)
    gaps: list[Gap] = []
    unseen: list[str] = []
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
        unseen.append(f"{show(path) or 'the change'}: {why}")

    before = repo.commit(span.against) if span.against else None
    changes = diff(repo, before.tree if before else "", commit.tree, report)
    touched = [Touched(c.path, c.letter in "AR") for c in changes if c.letter != "D"]
    view = _View(repo, history, span, before, commit)
    found = choose(touched, view)
    edited = [f for f in found if f.modified]
    few = found if len(edited) <= MAX_EDITED else tuple(f for f in found if not f.modified)
    if few != found:
        gaps.append(
            Gap(
                "edited folders",
                f"{len(edited)} record folders of the base are edited; they were not audited: name one with --folder",
            )
        )
    wanted = _pick(folder, found, view) if folder else few
    if not wanted and unseen and not folder:
        raise UsageError(f"{repo.path} does not hold enough to tell what {source} submits ({unseen[0]})")
    if not wanted:
        raise NothingToAudit(_nothing(source, changes, touched, view, folder, found))
    inside = {*found, *wanted}
    outside = [
        show(c.path) for c in changes if not view.came_in(c.path) and not any(owns(f.path, c.path) for f in inside)
    ]
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
            created=iso(history.began(span, one.path)),
            modified=one.modified,
        )
        yield _submission(repo, commit, package, one.path, changes, gaps)


class _View:
    """`folders.View` over two commits."""

    def __init__(self, repo: Repo, history: History, span: Span, before: Commit | None, head: Commit) -> None:
        self.repo, self.history, self.span, self.committed = repo, history, span, head.committed
        self.before, self.after = before.tree if before else "", head.tree

    def files(self, folder: str) -> Iterable[str]:
        here = self.repo.find(self.after, folder)
        if here is None or not here.is_tree:
            return ()
        # What stands in the folder itself comes first, so that a large directory beside it cannot hide it.
        direct = [e.name for e in self.repo.tree(here.oid) or () if not e.is_tree]
        return (*direct, *(path for path, _ in walk(self.repo, here.oid, _ignore, _SHELF_FILES)))

    def existed(self, folder: str) -> bool:
        here = self.repo.find(self.before, folder) if self.before else None
        return here is not None and here.is_tree

    def on_main(self, folder: str) -> OnMain:
        here = self.repo.find(self.after, folder)
        when = self.history.landed(here.oid, self.span.limit) if here else None
        if when is None:
            return OnMain.NEVER
        return OnMain.AFTER if when >= self.committed else OnMain.BEFORE

    def came_in(self, path: str) -> bool:
        """True for a file of a record folder that main has in the same state."""
        parts = path.split("/")
        return len(parts) > 3 and parts[0] == "records" and self.on_main("/".join(parts[:3])) is not OnMain.NEVER

    def is_folder(self, folder: str) -> bool:
        here = self.repo.find(self.after, folder)
        return here is not None and here.is_tree


def _ignore(path: str, why: str) -> None:
    """Gaps of a first look are reported when the folder is listed for good."""


def _pick(folder: str, found: Sequence[Found], view: _View) -> tuple[Found, ...]:
    raw = unshow(folder).strip("/")
    raw = "" if raw == "." else raw
    among = tuple(f for f in found if f.path == raw or (raw and f.path.endswith(f"/{raw}")))
    if among or not view.is_folder(raw):
        return among
    return (
        Found(
            raw, modified=not is_container(raw) and view.existed(raw), inherited=view.on_main(raw) is not OnMain.NEVER
        ),
    )


def _submission(
    repo: Repo, commit: Commit, package: Package, folder: str, changes: Sequence[Change], gaps: Sequence[Gap]
) -> Submission:
    own: list[Gap] = []

    def report(path: str, why: str) -> None:
        own.append(Gap("files", why, show(path)))

    here = repo.find(commit.tree, folder)
    listed = list(walk(repo, here.oid, report, MAX_FILES, not_its_own(folder))) if here else []
    letters = {c.path: c.letter for c in changes if c.letter != "D"}
    prefix = f"{folder}/" if folder else ""
    facts = dict(_facts(repo, listed))
    files = tuple(
        replace(f, path=show(path), change=letters.get(prefix + path, "")) for path, f in sorted(facts.items())
    )
    own += clashes(files)
    own += not_at_hand(files)
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
            declared = _declared_size(repo, e.oid) if size in POINTER_SIZES else None
            kind = FileKind.FILE if declared is None else FileKind.LFS_POINTER
        yield path, FileFact(path, kind, size if declared is None else declared, e.oid, "", declared is not None)


def _declared_size(repo: Repo, oid: str) -> int | None:
    try:
        return pointer_size(repo.blob(oid))
    except Unreadable:  # said again, with its reason, to whoever reads the file
        return None


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
    if folder or found:
        there = ", ".join(show(f.path) or "." for f in found[:5]) + (", …" if len(found) > 5 else "")
        if folder:
            return f"{source} has no folder {folder}; record folders that it adds or changes: {there or 'none'}"
        return f"{source} edits {len(found)} record folders and adds none; name one with --folder ({there})"
    if not changes:
        return f"{source} changes nothing: main already has it"
    paths = [c.path for c in sorted(changes, key=lambda c: c.letter == "D")]
    names = ", ".join(map(show, paths[:5])) + (f" and {len(paths) - 5:,} more" if len(paths) > 5 else "")
    return f"{source} adds or changes no record folder: {_why(touched, view)} ({names})"


def _why(touched: Sequence[Touched], view: _View) -> str:
    paths = [t.path for t in touched]
    places, loose = workshop(touched), [p for p in paths if is_container(p.rpartition("/")[0]) and "/" in p]
    scripts = [p for p in paths if p.startswith("train_gpt") and p.endswith(".py") and "/" not in p]
    if not touched:
        return "it only deletes files"
    if any(view.came_in(p) for p in paths):
        return "the record folders in it are those that main has already"
    if places:
        return f"{len(places)} directories outside records/ hold programs and logs, none a submission.json; name one with --folder"
    if any(p.endswith(".py") for p in loose):
        place = loose[0].rpartition("/")[0]
        return f"a program lies loose in {show(place)} instead of a folder of its own; to audit it, use --folder {show(place)}"
    if scripts:
        only = (
            "only the root training script is changed"
            if len(scripts) == len(paths)
            else "beside other files the root training script is changed"
        )
        return f"{only}; to audit that, use --folder ."
    if all(p.lower().endswith((".md", ".txt")) or p.startswith(".git") for p in paths):
        return "it only touches documents"
    return "no record folder, no submission.json, no training script beside a README or log"
