"""Packages that a script may import and this machine may lack, as far as scripts use them."""

from __future__ import annotations

import importlib.util
import sys
import zlib
from types import ModuleType


def install() -> None:
    for name, make in (("zstandard", _zstandard), ("brotli", _brotli)):
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = make(name)


def _zstandard(name: str) -> ModuleType:
    """The same calls, packed by zlib."""
    m = ModuleType(name)

    class Compressor:
        def __init__(self, level: int = 3, **kwargs: object) -> None: ...

        def compress(self, data: bytes) -> bytes:
            return zlib.compress(data, 9)

    class Decompressor:
        def __init__(self, **kwargs: object) -> None: ...

        def decompress(self, data: bytes, **kwargs: object) -> bytes:
            return zlib.decompress(data)

    m.ZstdCompressor, m.ZstdDecompressor = Compressor, Decompressor  # type: ignore[attr-defined]
    return m


def _brotli(name: str) -> ModuleType:
    m = ModuleType(name)
    m.compress = lambda data, **k: zlib.compress(data, 9)  # type: ignore[attr-defined]
    m.decompress = zlib.decompress  # type: ignore[attr-defined]
    m.MODE_GENERIC, m.MODE_TEXT = 0, 1  # type: ignore[attr-defined]
    return m
