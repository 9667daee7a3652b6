"""A flat scan of Python text: where string literals and f-strings start and end, without a parser.

It works on text that the running Python cannot parse, does not recurse and needs linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"(?P<comment>#[^\r\n]*)"
    r"|(?:\b(?P<prefix>[bB][rR]|[rR][bB]|[fFtT][rR]|[rR][fFtT]|[rRbBuUfFtT]))?(?P<quote>\"\"\"|'''|\"|')"
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<newline>\r\n|\r|\n)|(?P<colon>:)"
)
_ESCAPE = r"\\(?:\r\n|[\s\S])"
_BODY = {
    "'": re.compile(rf"(?:[^\\'\r\n]++|{_ESCAPE})*+"),
    '"': re.compile(rf'(?:[^\\"\r\n]++|{_ESCAPE})*+'),
    "'''": re.compile(rf"(?:[^\\']++|{_ESCAPE}|'(?!''))*+"),
    '"""': re.compile(rf'(?:[^\\"]++|{_ESCAPE}|"(?!""))*+'),
}
# What matters in the text part of an f-string. A backslash does not take a brace with it.
_FTEXT = re.compile(r"\{\{|\}\}|[{}]|\\N\{[^}\r\n]{0,120}\}|\\(?:\r\n|[^{}])|'''|\"\"\"|['\"\r\n]")
_SPEC = -1


@dataclass(slots=True)
class Literal:
    """One string literal, `text[start:end]`. `inner` are the literals between an f-string's braces."""

    start: int
    end: int
    prefix: str
    quote: str
    inner: list[Literal] = field(default_factory=list)
    closed: bool = True
    broken: bool = False  # the code between the braces holds a line break
    escaped: bool = False  # the code between the braces holds a backslash or a comment

    @property
    def formatted(self) -> bool:
        return any(c in "fFtT" for c in self.prefix)

    @property
    def opening(self) -> int:
        """Length of prefix and opening quote."""
        return len(self.prefix) + len(self.quote)


def literals(text: str) -> Iterator[Literal]:
    """The outermost string literals of `text` in order. A literal that never closes ends the scan."""
    pos = 0
    while m := _TOKEN.search(text, pos):
        pos = m.end()
        if not m["quote"]:
            continue
        lit = Literal(m.start(), m.end(), m["prefix"] or "", m["quote"])
        if lit.formatted:
            _close_formatted(text, lit)
        else:
            _close_plain(text, lit)
        yield lit
        if not lit.closed:
            return
        pos = lit.end


def _close_plain(text: str, lit: Literal) -> None:
    body = _BODY[lit.quote].match(text, lit.end)
    lit.end = body.end() if body else lit.end
    lit.closed = text.startswith(lit.quote, lit.end)
    lit.end += len(lit.quote) * lit.closed


def _close_formatted(text: str, first: Literal) -> None:
    """Find the end of an f-string, looking through its braces as Python 3.12 does."""
    open_: list[Literal] = [first]  # f-strings not yet closed, outermost first
    braces: list[list[int]] = [[]]  # for each, its open braces: bracket depth inside, or _SPEC
    pos = first.end
    while open_:
        lit, inside = open_[-1], braces[-1]
        if inside and inside[-1] != _SPEC:
            t = _TOKEN.search(text, pos)
            if t is None or len(open_) > 100:
                break
            if "\\" in text[pos : t.start()]:
                lit.escaped = True
            pos = t.end()
            if t["quote"]:
                child = Literal(t.start(), t.end(), t["prefix"] or "", t["quote"])
                lit.inner.append(child)
                if child.formatted:
                    open_.append(child)
                    braces.append([])
                else:
                    _close_plain(text, child)
                    pos = child.end
                    if not child.closed:
                        break
            else:
                _bracket(t, lit, inside)
            continue
        f = _FTEXT.search(text, pos)
        if f is None:
            break
        word, pos = f[0], f.end()
        if word in ("{{", "}}") and inside:  # in a format part, braces are not doubled
            word, pos = word[0], f.start() + 1
        if word == "{":
            inside.append(0)
        elif word == "}" and inside:
            inside.pop()
        elif word[0] == lit.quote[0] and (word == lit.quote or len(lit.quote) == 1):
            lit.end = pos = f.start() + len(lit.quote)
            open_.pop()
            braces.pop()
        elif word in "\r\n" and len(lit.quote) == 1 and not inside:
            break
    first.closed = not open_
    if open_:
        first.end = pos


def _bracket(t: re.Match[str], lit: Literal, inside: list[int]) -> None:
    """Account for a bracket, line break or colon in the code between an f-string's braces."""
    if t["open"]:
        inside[-1] += 1
    elif t["close"]:
        if inside[-1]:
            inside[-1] -= 1
        else:
            inside.pop()
    elif t["newline"]:
        lit.broken = True
    elif t["comment"]:
        lit.escaped = True
    elif t["colon"] and not inside[-1]:
        inside[-1] = _SPEC
