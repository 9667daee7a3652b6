"""Makes text of a submission fit to be shown: one line, nothing invisible, nothing that steers.

Whatever a submission wrote may hold terminal escapes, characters that reverse the reading
direction, or characters of no width. They are not dropped but spelled out (`\\x1b`, `\\u202e`):
a reviewer should see that something was hidden there.
"""

from __future__ import annotations

import re
import unicodedata

# Blanks and colour codes that may stand before a command; `\n` cannot match, so a line is one try.
_LED = re.compile(r"^((?:[^\S\n]|\x1b\[[0-9;]{0,12}m)*)::", re.M)
_ODD = re.compile(r"[^\x20-\x7e]+")
MAX_MARKS = 3  # accents on one letter; more of them only serve to paint over the neighbours


def plain(text: str, limit: int = 0) -> str:
    """One printable line of text; cut to `limit` characters and marked with "…" when longer.

    >>> plain("a\\tb\\x1b[31m\\u202ec")
    'a    b\\\\x1b[31m\\\\u202ec'
    """
    if limit and len(text) > 8 * limit:  # do not walk through megabytes to show a line
        text = text[: 8 * limit]
    if not (text.isascii() and text.isprintable()):
        text = _ODD.sub(lambda m: "".join(_visible(m[0])), text)
    return shorten(text, limit) if limit else text


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, the last of them "…" if some were cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _visible(text: str) -> list[str]:
    out: list[str] = []
    marks = 0
    for c in text:
        category = unicodedata.category(c)
        marks = marks + 1 if category[0] == "M" else 0
        if c == "\t":
            out.append("    ")
        elif c in "\r\n\v\f\x85\u2028\u2029" or category == "Zs":
            out.append(" ")
        elif marks > MAX_MARKS or not c.isprintable():
            out.append(spell(c))
        else:
            out.append(c)
    return out


def spell(c: str) -> str:
    """A character as Python would write it: `\\x1b`, `\\u202e`, `\\U000e0041`."""
    n = ord(c)
    return f"\\x{n:02x}" if n < 0x100 else f"\\u{n:04x}" if n < 0x10000 else f"\\U{n:08x}"


def quiet(report: str) -> str:
    """A report that a CI runner prints without obeying it.

    GitHub's runner reads `::command::` at the start of a printed line (after blanks) and
    `##[command]` anywhere in it. A quoted log line could so hide our own annotations.
    """
    return _LED.sub(r"\1: :", report.replace("##[", "## ["))


def number(value: float, digits: int = 0) -> str:
    """A number with thousands separators, for people; "—" for infinities and NaN.

    >>> number(16012345), number(1.08123, 4)
    ('16,012,345', '1.0812')
    """
    if value != value or abs(value) == float("inf"):
        return "—"
    return f"{value:,.{digits}f}"
