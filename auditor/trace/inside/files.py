"""Data where a script looks for it: shards and tokenizers under names that it has built in.

Most scripts take the places of their data from variables. Others have a path of their author's machine in
them; what does not exist there is looked up among the data made for this run, by the kind of its name.
"""

from __future__ import annotations

import builtins
import glob as globs
import io
import os
import os.path
import pathlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np

KINDS = (
    (re.compile(r"val[^/]*bytes[^/]*\.(?:bin|npy)$"), "validation_bytes"),
    (re.compile(r"train[^/]*bytes[^/]*\.(?:bin|npy)$"), "training_bytes"),
    (re.compile(r"val[^/]*\.bin$"), "validation"),
    (re.compile(r"train[^/]*\.bin$"), "training"),
    (re.compile(r"\.model$"), "tokenizer"),
)


class Files:
    """Paths of the made-up data by kind: {"validation": …, "training": …, "tokenizer": …}."""

    def __init__(self, places: dict[str, str], kept: Callable[[str], str]) -> None:
        self.places = {kind: os.path.abspath(path) for kind, path in places.items()}
        self.kept = kept  # finds what was written at a place that is not here
        self.stat = os.stat
        self.missed: set[str] = set()

    def instead(self, path: Any) -> Any:
        """The file to open for `path`."""
        if isinstance(path, int) or not isinstance(path, str | bytes | os.PathLike):
            return path
        text = os.fsdecode(os.fspath(path))
        try:
            self.stat(text)
        except (OSError, ValueError):
            return self.kept(text) or self.by_name(text) or path
        return path

    def by_name(self, text: str) -> str:
        for pattern, kind in KINDS:
            if pattern.search(text) and kind in self.places:
                self.missed.add(text)
                return self.places[kind]
        return ""

    def found(self, pattern: Any) -> list[str]:
        """What a glob that matches nothing stands for."""
        text = os.fsdecode(os.fspath(pattern)).replace("*", "0").replace("?", "0")
        place = self.by_name(text)
        return [place] if place else []


def install(files: Files) -> None:
    _first(builtins, "open", files)
    _first(io, "open", files)
    _first(os, "stat", files)
    _first(os, "open", files)
    _first(os.path, "exists", files)
    _first(os.path, "isfile", files)
    _first(os.path, "getsize", files)
    _first(np, "fromfile", files)
    os.path.samefile = lambda a, b: os.path.samestat(files.stat(a), files.stat(b))  # what is not there is no other file
    memmap = np.memmap

    class Memmap(memmap):  # type: ignore[misc, type-arg]
        def __new__(cls, filename: Any, *args: Any, **kwargs: Any) -> Any:
            return memmap(files.instead(filename), *args, **kwargs)

    np.memmap = Memmap  # type: ignore[misc]
    glob, iglob, path_glob = globs.glob, globs.iglob, pathlib.Path.glob
    globs.glob = lambda pattern, *a, **k: glob(pattern, *a, **k) or files.found(pattern)
    globs.iglob = lambda pattern, *a, **k: iter(list(iglob(pattern, *a, **k)) or files.found(pattern))

    def in_folder(self: pathlib.Path, pattern: str, *args: Any, **kwargs: Any) -> Any:
        found = list(path_glob(self, pattern, *args, **kwargs))
        return iter(found or [pathlib.Path(p) for p in files.found(os.path.join(str(self), pattern))])

    pathlib.Path.glob = in_folder  # type: ignore[method-assign, assignment]
    for name in ("exists", "is_file"):
        real = getattr(pathlib.Path, name)
        setattr(pathlib.Path, name, _on_path(real, files))
    _sentencepiece(files)


def _first(module: Any, name: str, files: Files) -> None:
    """The first argument of a function is a path."""
    real: Callable[..., Any] = getattr(module, name)

    def call(path: Any, *args: Any, **kwargs: Any) -> Any:
        mode = args[0] if args else kwargs.get("mode", "r")
        writes = name == "open" and (bool(mode & 3) if isinstance(mode, int) else set(str(mode)) & set("wax+"))
        return real(path if writes else files.instead(path), *args, **kwargs)

    call.__name__ = name
    setattr(module, name, call)


def _on_path(real: Callable[..., Any], files: Files) -> Callable[..., Any]:
    def call(self: pathlib.Path, *args: Any, **kwargs: Any) -> Any:
        return real(pathlib.Path(files.instead(self)), *args, **kwargs)

    return call


def _sentencepiece(files: Files) -> None:
    try:
        import sentencepiece
    except ImportError:
        return
    load = sentencepiece.SentencePieceProcessor.LoadFromFile

    def from_file(self: Any, path: Any) -> Any:
        return load(self, files.instead(path))

    sentencepiece.SentencePieceProcessor.LoadFromFile = from_file
