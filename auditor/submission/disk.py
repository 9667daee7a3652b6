"""Record folders on disk: no git, and nothing outside the folder is ever opened.

A file is opened component by component without following links and without blocking (a FIFO would
wait for ever), and is read only if it turns out to be a regular file of bearable size.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from auditor.submission.base import MAX_DEPTH, MAX_FILE, MAX_FILES, NothingToAudit, Submission, Unreadable, UsageError
from auditor.submission.folders import Found, OnMain, Touched, choose, is_below, not_its_own, track
from auditor.submission.listing import MAX_LINK, POINTER_SIZES, clashes, follow, not_at_hand, pointer_size, refuse
from auditor.submission.names import is_safe, show, unshow
from auditor.submission.trees import Report
from rules.evidence import FileFact, FileKind, Gap, Package

MAX_SCAN = 50_000  # entries looked at when a checkout is searched for record folders
_SKIPPED = ("__pycache__", "node_modules")
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_SPECIAL = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def submissions(path: Path, source: str, folder: str = "") -> Iterator[Submission]:
    """The directory itself when it is a record folder, else each record folder inside it.

    Nothing here says what is new: a checkout gives every record folder that it holds, and folders in
    odd places only when there is none under records/.

    Raises UsageError when `path` is no directory, NothingToAudit when no record folder is found.
    """
    if not path.is_dir():
        raise UsageError(f"{path} is no directory" + (": name the folder that it is in" if path.exists() else ""))
    root = path.resolve()
    # Where the path itself runs through records/, names are given from there on.
    at = max((i for i, part in enumerate(root.parts) if part == "records"), default=-1)
    prefix = "/".join(root.parts[at:]) if at >= 0 else ""
    gaps: list[Gap] = []
    below = [p for p, _ in _walk(root, (), lambda p, why: gaps.append(Gap("files", why, show(p))), MAX_SCAN, _is_aside)]
    if _is_record(below):
        found: tuple[Found, ...] = (Found(prefix),)
    else:
        inside = [Touched(f"{prefix}/{p}" if prefix else p, True) for p in below]
        found = choose(inside, _View(t.path for t in inside))
        if not found and any(p.endswith(".py") and "/" not in p for p in below):
            found = (Found(prefix),)
    wanted = [f for f in found if not folder or _is_named(f.path, unshow(folder).strip("/"))]
    if not wanted:
        there = (
            f"; it holds {', '.join(show(f.path) for f in found[:5])}"
            if found
            else ": no submission.json and no training script"
        )
        raise NothingToAudit(f"{path} holds no record folder{f' {folder}' if folder else ''}{there}")
    for one in wanted:
        package = Package(
            folder=show(one.path or root.name),
            source=source,
            track=track(one.path),
            other_folders=tuple(show(f.path or root.name) for f in found if f != one),
        )
        inner = one.path.removeprefix(prefix).strip("/")
        yield _submission(root, tuple(inner.split("/")) if inner else (), one.path, package, gaps)


def _submission(root: Path, at: tuple[str, ...], path: str, package: Package, gaps: Iterable[Gap]) -> Submission:
    own = [g for g in gaps if not g.file]  # only what concerns the whole search, such as its limit

    def report(name: str, why: str) -> None:
        own.append(Gap("files", why, show(name)))

    reader = _Reader(root, at)
    # A container (records/ itself) leaves other people's folders out; a record folder is listed whole.
    skip = not_its_own(path) if path else lambda _: False
    for name, status in sorted(_walk(root, at, report, MAX_FILES, lambda p: skip(p) or p == ".git")):
        reader.add(name, status, report)
    files = tuple(FileFact(show(p), f.kind, f.size, f.blob, f.change, f.declared) for p, f in reader.facts.items())
    own += clashes(files)
    own += not_at_hand(files)
    return Submission(replace(package, files=files), reader.read, tuple(own))


class _Reader:
    """Lists and gives out the files of one directory, by shown path, links resolved inside it."""

    def __init__(self, root: Path, at: tuple[str, ...]) -> None:
        self.root, self.at = root, at
        self.facts: dict[str, FileFact] = {}
        self.targets: dict[str, str] = {}

    def add(self, path: str, status: os.stat_result, report: Report) -> None:
        kind, size, declared = FileKind.FILE, status.st_size, None
        if stat.S_ISLNK(status.st_mode):
            kind = FileKind.SYMLINK
            self.targets[path] = self._target(path)
        elif not stat.S_ISREG(status.st_mode):
            report(path, f"{_SPECIAL.get(stat.S_IFMT(status.st_mode), 'no regular file')}: not opened")
            return
        elif size in POINTER_SIZES:
            try:
                declared = pointer_size(self._bytes(path))
            except Unreadable as e:
                report(path, str(e))
        if declared is not None:
            kind, size = FileKind.LFS_POINTER, declared
        self.facts[path] = FileFact(path, kind, size, declared=declared is not None)

    def read(self, path: str) -> bytes:
        kinds = {p: f.kind for p, f in self.facts.items()}
        actual = follow(unshow(path), kinds, self.targets)
        refuse(actual, kinds[actual])
        return self._bytes(actual)

    def _bytes(self, path: str) -> bytes:
        try:
            with _opened(self.root, (*self.at, *path.split("/")), _FILE) as fd:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise Unreadable(f"{show(path)} is no regular file")
                with open(fd, "rb", closefd=False) as f:
                    data = f.read(MAX_FILE + 1)
        except OSError as e:
            raise Unreadable(f"{show(path)} cannot be read ({e.strerror})") from None
        if len(data) > MAX_FILE:
            raise Unreadable(f"{show(path)} is larger than the {MAX_FILE:,} bytes that are read of one file")
        return data

    def _target(self, path: str) -> str:
        parts = (*self.at, *path.split("/"))
        try:
            with _opened(self.root, parts[:-1], _DIRECTORY) as fd:
                return os.readlink(parts[-1], dir_fd=fd)[:MAX_LINK]
        except OSError:
            return ""


class _View:
    """`folders.View` without a base: everything is new."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = sorted(paths)

    def files(self, folder: str) -> Iterable[str]:
        return [p[len(folder) + 1 :] for p in self.paths if p != folder and is_below(p, folder)]

    def existed(self, folder: str) -> bool:
        return False

    def on_main(self, folder: str) -> OnMain:
        return OnMain.NEVER


def _is_named(path: str, wanted: str) -> bool:
    return path == wanted or path.endswith(f"/{wanted}") or (wanted == "." and not path)


def _is_aside(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(".") or name in _SKIPPED


def _is_record(below: Iterable[str]) -> bool:
    """True for a directory with a submission.json or training script of its own that is no whole checkout."""
    own, checkout = False, False
    for p in below:
        checkout = checkout or p.startswith("records/track_")
        own = own or p == "submission.json" or ("/" not in p and p.startswith("train_gpt") and p.endswith(".py"))
    return own and not checkout


@contextmanager
def _opened(root: Path, parts: tuple[str, ...], flags: int) -> Iterator[int]:
    """A descriptor of the file or directory at `parts` below `root`; no component may be a link."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for i, part in enumerate(parts):
            below = os.open(part, flags if i == len(parts) - 1 else _DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


def _walk(
    root: Path, at: tuple[str, ...], report: Report, limit: int, skip: Callable[[str], bool]
) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below a directory as (raw path, status), at most `limit`; no link is followed."""
    left = [limit]
    with _opened(root, at, _DIRECTORY) as fd:
        yield from _below(fd, "", report, left, 0, skip)
    if left[0] < 0:
        report("", f"more than {limit:,} files; the rest was not looked at")


def _below(
    fd: int, prefix: str, report: Report, left: list[int], depth: int, skip: Callable[[str], bool]
) -> Iterator[tuple[str, os.stat_result]]:
    here: list[tuple[str, os.stat_result]] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            left[0] -= 1
            if left[0] < 0:
                break
            try:
                here.append((entry.name, entry.stat(follow_symlinks=False)))
            except OSError as e:
                report(prefix + entry.name, f"cannot be looked at ({e.strerror})")
    for name, status in sorted(here):
        path = prefix + name
        if not stat.S_ISDIR(status.st_mode):
            yield path, status
        elif skip(path):
            continue
        elif depth >= MAX_DEPTH or not is_safe(name):
            report(path, f"nested deeper than {MAX_DEPTH} directories" if depth >= MAX_DEPTH else "git's own directory")
        else:
            try:
                inner = os.open(name, _DIRECTORY, dir_fd=fd)
            except OSError as e:
                report(path, f"cannot be opened ({e.strerror})")
                continue
            try:
                yield from _below(inner, f"{path}/", report, left, depth + 1, skip)
            finally:
                os.close(inner)
