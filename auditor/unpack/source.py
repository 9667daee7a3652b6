"""From the bytes of a Python file to its text, by the rules Python itself applies (PEP 263, BOM, NUL)."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass

_COOKIE = re.compile(rb"^[ \t\f]*#.{0,200}?coding[:=][ \t]*([-\w.]{1,40})")
_BLANK = re.compile(rb"^[ \t\f]*(?:#[^\r\n]*)?(?:\r?\n|\r|$)")
# Python source may be written in these; punycode and idna take quadratic time and name no source.
_UNFIT = frozenset({"punycode", "idna", "mbcs", "oem", "undefined"})


@dataclass(frozen=True, slots=True)
class Source:
    """Decoded text, the encoding's name, and one sentence fragment on what is wrong ("" if nothing)."""

    text: str
    encoding: str
    problem: str = ""


def text_codec(name: str) -> str | None:
    """The normal name of a text encoding, or None for an unknown, byte-to-byte or unfit one."""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError, TypeError):
        return None
    if info.name in _UNFIT or not getattr(info, "_is_text_encoding", True):
        return None
    return info.name


def read_source(data: bytes) -> Source:
    """Decode a source file the way the interpreter does, and say what the interpreter would refuse."""
    bom = data.startswith(codecs.BOM_UTF8)
    body = data[3:] if bom else data
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Source(body.decode("utf-16", "replace"), "utf-16", "is UTF-16 text, which Python does not run")
    if looks_compiled(body):
        return Source("", "", "is compiled code, which cannot be read as text")
    declared = _declared(body)
    name = text_codec(declared) if declared else "utf-8"
    if name is None:
        problem = f"declares the encoding {declared!r}, which is no text encoding"
        return Source(body.decode("utf-8", "replace"), "utf-8", problem)
    if bom and name not in ("utf-8", "utf-8-sig"):
        return Source(body.decode("utf-8", "replace"), "utf-8", f"has a UTF-8 mark but declares {declared!r}")
    try:
        text = body.decode(name)
    except (UnicodeError, ValueError) as e:
        at = getattr(e, "start", 0)
        line = body.count(b"\n", 0, at) + 1
        return Source(body.decode("utf-8", "replace"), name, f"is not valid {name} text (line {line})")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        return Source(text.replace("\0", " "), name, f"holds NUL bytes (line {line}), which Python refuses")
    return Source(text.removeprefix("\ufeff"), "utf-8" if name == "utf-8-sig" else name)


def looks_compiled(data: bytes) -> bool:
    """True for the magic number of a .pyc file, which Python also honours under the name .py."""
    return len(data) >= 16 and data[2:4] == b"\r\n" and 3000 <= int.from_bytes(data[:2], "little") <= 3999


def _declared(data: bytes) -> str:
    """The encoding named in the first two lines, "" if none. The first must be blank or a comment to go on."""
    stream = io.BytesIO(data[:2000])
    for _ in range(2):
        line = stream.readline()
        if m := _COOKIE.match(line):
            return m[1].decode("ascii", "replace")
        if not _BLANK.match(line):
            break
    return ""
