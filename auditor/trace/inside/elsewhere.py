"""Places of a rented machine that are not here: writing to them works, and what was written is found again.

Scripts keep logs and checkpoints below /workspace, /root, /dev/shm and the like. Where the sandbox refuses to write,
the file goes to a place below the work directory that stands for the whole file system, and every later call
that names it is sent there. Data folders are found by their end: `../../data/datasets/fineweb10B_sp1024` is the
one that was made for this run, wherever the script expects it.
"""

from __future__ import annotations

import builtins
import ctypes
import errno
import io
import os
import os.path
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

PLACE = ".cache/root"
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT)
SHARED = re.compile(r"fineweb\w*\Z|(?:datasets|tokenizers|data)\Z", re.I)

READS = ("stat", "lstat", "listdir", "scandir", "access", "chdir", "readlink", "statvfs", "utime", "chmod")
WRITES = ("mkdir", "mkfifo", "truncate")
REMOVES = ("unlink", "remove", "rmdir")
PAIRS = ("rename", "replace", "link")


class Elsewhere:
    """`root`: the work directory. `data`: the folders of the made-up data that paths may end in."""

    def __init__(self, root: str, data: Sequence[str] = ()) -> None:
        self.root = os.path.join(root, PLACE)
        self.own = tuple(os.path.realpath(p) for p in (root, os.environ.get("HOME"), os.environ.get("TMPDIR")) if p)
        self.data = [os.path.abspath(p) for p in data]
        self.stat, self.mkdir = os.stat, os.mkdir

    def exists(self, path: str) -> bool:
        try:
            self.stat(path)
        except (OSError, ValueError):
            return False
        return True

    def below(self, path: Any) -> str:
        """Where a path of another machine is kept here; "" for a place of the run's own."""
        full = os.path.abspath(os.fsdecode(os.fspath(path)))
        if full.startswith(("/proc/", "/sys/", self.root)) or (
            full.startswith("/dev/") and not full.startswith("/dev/shm")
        ):
            return ""
        if any(full == own or full.startswith(own + os.sep) for own in self.own):
            return ""
        return self.root + full

    def reading(self, path: Any) -> str:
        """Where a path that does not exist is to be found; "" if nowhere."""
        kept = self.below(path)
        if kept and self.exists(kept):
            return kept
        return self.folder(os.fsdecode(os.fspath(path)))

    def folder(self, path: str) -> str:
        """The data folder that a path means."""
        parts = [p for p in path.split(os.sep) if p not in ("", ".", "..")]
        if not parts or not SHARED.match(parts[-1]):
            return ""
        if not parts[-1].lower().startswith("fineweb") and not self.below(path):
            return ""
        for made in self.data:
            mine = made.split(os.sep)
            if any(mine[-n:] == parts[-n:] for n in range(1, len(parts) + 1)):
                return made
        return next((m for m in self.data if "datasets" in m), "") if parts[-1].lower().startswith("fineweb") else ""

    def writing(self, path: Any) -> str:
        """Where to write instead; the folders above are there already. "" if the refusal stands."""
        kept = self.below(path)
        if kept:
            self.folders(os.path.dirname(kept))
            return kept
        parent = os.path.dirname(os.path.abspath(os.fsdecode(os.fspath(path))))
        found = "" if self.exists(parent) else self.reading(parent)
        return os.path.join(found, os.path.basename(os.fsdecode(path))) if found else ""

    def folders(self, path: str) -> None:
        if not self.exists(path):
            self.folders(os.path.dirname(path))
            self.mkdir(path)


def is_path(x: Any) -> bool:
    return isinstance(x, str | bytes | os.PathLike)


def install(away: Elsewhere) -> None:
    for name in READS:
        setattr(os, name, _read(getattr(os, name), away))
    for name in REMOVES:
        setattr(os, name, _read(getattr(os, name), away))
    for name in WRITES:
        setattr(os, name, _write(getattr(os, name), away))
    for name in PAIRS:
        setattr(os, name, _pair(getattr(os, name), away))
    os.open = _opened(os.open, away)
    builtins.open = io.open = _opened(builtins.open, away)
    _torch(away)
    _usage(away)
    _commands(away)


def _read(real: Callable[..., Any], away: Elsewhere) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not args or not is_path(args[0]) or kwargs.get("dir_fd") is not None:
            return real(*args, **kwargs)
        try:
            out = real(*args, **kwargs)
            if out is not False:  # os.access
                return out
        except OSError as e:
            other = away.reading(args[0]) if e.errno in REFUSED else ""
            if not other:
                raise
            return real(other, *args[1:], **kwargs)
        other = "" if away.exists(os.fsdecode(args[0])) else away.reading(args[0])
        return real(other, *args[1:], **kwargs) if other else out

    return _named(call, real)


def _write(real: Callable[..., Any], away: Elsewhere) -> Callable[..., Any]:
    def call(path: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_path(path) or kwargs.get("dir_fd") is not None:
            return real(path, *args, **kwargs)
        try:
            return real(path, *args, **kwargs)
        except OSError as e:
            other = away.writing(path) if e.errno in REFUSED else ""
            if not other:
                raise
        return real(other, *args, **kwargs)

    return _named(call, real)


def _opened(real: Callable[..., Any], away: Elsewhere) -> Callable[..., Any]:
    def call(file: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_path(file) or kwargs.get("dir_fd") is not None:
            return real(file, *args, **kwargs)
        try:
            return real(file, *args, **kwargs)
        except OSError as e:
            if e.errno not in REFUSED:
                raise
            mode = args[0] if args else kwargs.get("mode", kwargs.get("flags", "r"))
            writes = (
                bool(mode & (os.O_CREAT | os.O_WRONLY | os.O_RDWR))
                if isinstance(mode, int)
                else set(mode) & set("wax+")
            )
            other = away.writing(file) if writes and mode not in ("r+", "rb+", "r+b") else away.reading(file)
            if not other:
                raise
        return real(other, *args, **kwargs)

    return _named(call, real)


def _pair(real: Callable[..., Any], away: Elsewhere) -> Callable[..., Any]:
    def call(a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
        if any(kwargs.values()):
            return real(a, b, *args, **kwargs)
        try:
            return real(a, b, *args, **kwargs)
        except OSError as e:
            if e.errno not in (*REFUSED, errno.EXDEV):
                raise
            first = a if away.exists(os.fsdecode(a)) else away.reading(a)
            second = away.writing(b) or b
            if not first or (first, second) == (a, b):
                raise
        return real(first, second, *args, **kwargs)

    return _named(call, real)


def _torch(away: Elsewhere) -> None:
    """`torch.save` hands paths to C++."""
    import torch

    save = torch.save

    def saving(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
        if is_path(f) and away.below(f):
            with open(f, "wb") as out:
                return save(obj, out, *args, **kwargs)
        return save(obj, f, *args, **kwargs)

    torch.save = _named(saving, save)


def _usage(away: Elsewhere) -> None:
    real = shutil.disk_usage

    def disk_usage(path: Any) -> Any:
        try:
            return real(path)
        except OSError:
            return real(away.own[0])

    shutil.disk_usage = disk_usage


def _commands(away: Elsewhere) -> None:
    """Compilers and other programs that are started with such paths."""
    start = subprocess.Popen.__init__

    def moved(word: Any) -> Any:
        if not isinstance(word, str) or not word.startswith("/") or away.exists(word):
            return word
        kept = away.below(word)
        if not kept or (away.exists(os.path.dirname(word)) and os.access(os.path.dirname(word), os.W_OK)):
            return word
        away.folders(os.path.dirname(kept))
        return kept

    def init(self: Any, args: Any, *rest: Any, **kwargs: Any) -> None:
        if isinstance(args, list | tuple) and args:
            args = [args[0], *(moved(a) for a in args[1:])]
        start(self, args, *rest, **kwargs)

    subprocess.Popen.__init__ = init  # type: ignore[method-assign]
    load = ctypes.CDLL.__init__

    def loaded(self: Any, name: Any = None, *rest: Any, **kwargs: Any) -> None:
        load(self, moved(name), *rest, **kwargs)

    ctypes.CDLL.__init__ = loaded  # type: ignore[method-assign]


def _named(call: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    call.__name__ = call.__qualname__ = getattr(real, "__name__", "call")
    call.__doc__ = real.__doc__
    return call
