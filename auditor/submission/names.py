"""File names in a form that can be printed, stored as JSON and turned back into the exact name.

Git allows any bytes but NUL and `/` in a name. A name is held as text decoded with
`surrogateescape` ("raw"); everything the auditor hands out uses the shown form instead.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\\(\\|x[0-9a-f]{2})")


def show(raw: str) -> str:
    r"""The shown form of a raw name: a backslash doubled, whatever does not print as `\xNN` per UTF-8 byte.

    >>> show("a\nb")
    'a\\x0ab'
    """
    if raw.isprintable() and "\\" not in raw:
        return raw
    return "".join("\\\\" if c == "\\" else c if c.isprintable() else _bytes(c) for c in raw)


def unshow(text: str) -> str:
    """The raw name of a shown one; `unshow(show(raw)) == raw`."""
    if "\\" not in text:
        return text
    encoded = text.encode("utf-8", "surrogateescape")
    plain = _ESCAPE.sub(lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1][1:], 16)]), encoded)
    return plain.decode("utf-8", "surrogateescape")


def is_safe(component: str) -> bool:
    """False for a path component that git would never check out: `..`, `.git`, or one with a slash in it."""
    return component not in ("", ".", "..") and component.casefold() != ".git" and not {"/", "\0"} & set(component)


def _bytes(c: str) -> str:
    return "".join(f"\\x{b:02x}" for b in c.encode("utf-8", "surrogateescape"))
