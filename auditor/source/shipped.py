"""Where the text inside a packed script stands in the file as shipped."""

from __future__ import annotations

import re

from auditor.unpack.lexer import literals
from rules.evidence import Script
from rules.place import Location

LONG = 200  # characters; a shorter literal is no payload
SHOWN = 120  # characters of the line; a payload says nothing to a reader
_OPENS = re.compile(r"\b(?:exec|decompress|b85decode|a85decode|b64decode|runpy|loads|compile)\b")


def payload(script: Script) -> Location | None:
    """The line of the shipped file on which the payload begins; None for a plain script.

    That is the longest string literal, or, when the payload lies in another file, the line that opens it.
    """
    if not script.packed or not script.shipped_text:
        return None
    text = script.shipped_text
    longest = max(literals(text), key=lambda x: x.end - x.start, default=None)
    at = 0
    if longest and longest.end - longest.start >= LONG:
        at = longest.start
    elif found := _OPENS.search(text):
        at = found.start()
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", begin, begin + SHOWN)
    return Location(script.path, text.count("\n", 0, at) + 1, text[begin : end if end >= 0 else begin + SHOWN].strip())
