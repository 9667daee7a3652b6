"""What git and disk sources share: pointer files, links inside the folder, and names that clash."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from auditor.submission.base import Unreadable
from auditor.submission.names import is_safe, show
from rules.evidence import FileFact, FileKind, Gap

POINTER_SIZES = range(60, 1025)  # the format's own upper limit is 1,024 bytes
MAX_LINK = 4096
MAX_NAMED = 20  # files without content that are named one by one
_MAX_HOPS = 16
_WITHOUT = {
    FileKind.SUBMODULE: "is a submodule: its files are not part of the repository",
    FileKind.LFS_POINTER: "is a Git LFS pointer: the content is not in the repository",
    FileKind.ABSENT: "is absent from the clone: git names it, the object is not there",
}
_POINTER = re.compile(rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\n(?:[^\n]{1,200}\n){0,8}")
_POINTER_SIZE = re.compile(rb"^size ([0-9]{1,15})$", re.MULTILINE)


def pointer_size(data: bytes) -> int | None:
    """The size that a Git LFS pointer declares; None when the bytes are no pointer."""
    if len(data) not in POINTER_SIZES or not _POINTER.fullmatch(data):
        return None
    size = _POINTER_SIZE.search(data)
    return int(size[1]) if size and b"\noid sha256:" in data else None


def follow(path: str, files: Mapping[str, FileKind], target: Mapping[str, str]) -> str:
    """The file that a raw path means after links, all of it looked up inside the folder.

    `target` gives the text of each link. Raises Unreadable for a link that leaves the folder,
    leads nowhere or runs in circles; nothing is ever opened to find out.
    """
    at = path
    for _ in range(_MAX_HOPS):
        parts = at.split("/")
        if not all(map(is_safe, parts)):
            raise Unreadable(f"{show(path)} is no path inside the record folder")
        heads = ("/".join(parts[: i + 1]) for i in range(len(parts)))
        link = next((h for h in heads if files.get(h) is FileKind.SYMLINK), None)
        if link is None:
            if at not in files:
                raise Unreadable(
                    f"{show(path)} is not in the record folder" + (f" (it points to {show(at)})" if at != path else "")
                )
            return at
        rest = at[len(link) :]
        at = posixpath.normpath(posixpath.join(posixpath.dirname(link), target.get(link, "") + rest))
        if posixpath.isabs(at) or at == ".." or at.startswith("../"):
            raise Unreadable(
                f"{show(path)} is a link that leaves the record folder ({show(target.get(link, ''))[:200]})"
            )
    raise Unreadable(f"{show(path)} is a link that runs in circles")


def refuse(path: str, kind: FileKind) -> None:
    """Raise Unreadable for a file whose content the source does not have."""
    if kind in _WITHOUT:
        raise Unreadable(f"{show(path)} {_WITHOUT[kind]}")


def not_at_hand(files: Iterable[FileFact]) -> Iterator[Gap]:
    """A gap for each file whose content the source does not have, at most `MAX_NAMED` of them."""
    without = [f for f in files if f.kind in _WITHOUT]
    yield from (Gap("file", _WITHOUT[f.kind], f.path) for f in without[:MAX_NAMED])
    if len(without) > MAX_NAMED:
        yield Gap("file", f"{len(without) - MAX_NAMED:,} more files are pointers, submodules or absent from the clone")


def clashes(files: Iterable[FileFact]) -> Iterator[Gap]:
    """A gap for each pair of names that one file system would take for the same."""
    seen: dict[str, str] = {}
    for f in files:
        other = seen.setdefault(f.path.casefold(), f.path)
        if other != f.path:
            yield Gap(
                "case clash",
                f"differs from {other} only in case: a checkout on macOS or Windows keeps one of the two",
                f.path,
            )
