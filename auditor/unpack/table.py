"""The table of functions that are understood, their other names, and constants of libraries.

`TABLE` maps a dotted name to a function of our own that takes the machine and the call's arguments. A
function missing from it gives an unknown value; nothing is ever looked up by reflection.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable

from auditor.unpack.values import Value

TABLE: dict[str, Callable[..., Value]] = {}

# Other names of the same thing.
_SAME = {
    "posixpath": "os.path",
    "ntpath": "os.path",
    "backports.lzma": "lzma",
    "_lzma": "lzma",
    "_bz2": "bz2",
    "_codecs": "codecs",
    "compression.zlib": "zlib",
    "compression.lzma": "lzma",
    "compression.bz2": "bz2",
    "compression.gzip": "gzip",
    "compression.zstd": "zstandard",
    "backports.zstd": "zstandard",
    "pyzstd": "zstandard",
    "zstd": "zstandard",
    "brotlicffi": "brotli",
    "_brotli": "brotli",
    "brotlipy": "brotli",
    "io.open": "builtins.open",
    "_io.open": "builtins.open",
    "codecs.open": "builtins.open",
    "builtins.bytes.fromhex": "bytes.fromhex",
    "bytearray.fromhex": "bytes.fromhex",
    "builtins.bytearray.fromhex": "bytes.fromhex",
    "importlib.__import__": "builtins.__import__",
    "zstandard.uncompress": "zstandard.decompress",
    "simplejson": "json",
    "ujson": "json",
    "orjson": "json",
    "imp.load_source": "importlib.load_source",
}

CONSTANTS: dict[str, Value] = {
    **{f"lzma.{n}": v for n, v in vars(lzma).items() if n.isupper() and isinstance(v, int)},
    **{f"zlib.{n}": v for n, v in vars(zlib).items() if n.isupper() and isinstance(v, int)},
    "builtins.None": None,
    "os.sep": "/",
    "os.path.sep": "/",
    "os.linesep": "\n",
    "os.name": "posix",
    "sys.platform": "linux",
    "sys.byteorder": "little",
    "sys.maxsize": 2**63 - 1,
    "sys.executable": "/usr/bin/python3",
    "string.ascii_letters": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "string.ascii_lowercase": "abcdefghijklmnopqrstuvwxyz",
    "string.ascii_uppercase": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "string.digits": "0123456789",
    "string.hexdigits": "0123456789abcdefABCDEF",
    "string.punctuation": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
}


def canonical(name: str) -> str:
    """One name for functions that go by several."""
    if name in _SAME:
        return _SAME[name]
    head, _, last = name.rpartition(".")
    return f"{_SAME[head]}.{last}" if head in _SAME else name


def op(*names: str) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    def register(f: Callable[..., Value]) -> Callable[..., Value]:
        TABLE.update(dict.fromkeys(names, f))
        return f

    return register
