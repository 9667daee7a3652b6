"""Shows the text inside a self-extracting script of a folder or a clone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from auditor.submission.base import MAX_FILE, Unreadable, UsageError
from auditor.unpack import unpack


def unpack_file(
    path: str, *, repo: Path | None = None, ref: str | None = None, pr: int | None = None, layers: bool = False
) -> str:
    """The innermost text of a script, or its layers as lines. Raises UsageError when it cannot be read."""
    if repo is not None:
        from auditor.submission import Repo

        if (ref is None) == (pr is None):
            raise UsageError("--repo needs --ref REF or --pr N")
        with Repo(repo) as clone:
            name = ref or f"refs/pull/{pr}/head"

            def read(p: str) -> bytes | None:
                return clone.read_path(name, p)

            return _show(path, read, layers)
    if Path(path).is_dir():
        raise UsageError(f"{path} is a folder: name the script in it")
    folder = Path(path).resolve().parent

    def read_near(p: str) -> bytes | None:
        file = folder / PurePosixPath(p).name
        if file.is_symlink() or not file.is_file() or file.stat().st_size > MAX_FILE:
            return None
        return file.read_bytes()

    return _show(path, read_near, layers)


def _show(path: str, read: Callable[[str], bytes | None], layers: bool) -> str:
    data = read(path)
    if data is None:
        raise UsageError(f"{path}: no such file, or it is a link or larger than {MAX_FILE:,} bytes")
    parent = PurePosixPath(path).parent
    found = unpack(data, path, lambda name: _quiet(read, str(parent / name)))
    if found.problem:
        raise UsageError(found.problem)
    if not layers:
        return found.text
    if not found.layers:
        return f"{path}: plain source, {len(data):,} bytes\n"
    lines = [f"{path}: {len(data):,} bytes as shipped"]
    lines += [f"  {' → '.join(layer.steps)}: {layer.size:,} bytes, sha256 {layer.sha256}" for layer in found.layers]
    return "\n".join(lines) + "\n"


def _quiet(read: Callable[[str], bytes | None], path: str) -> bytes | None:
    try:
        return read(path)
    except Unreadable:
        return None
