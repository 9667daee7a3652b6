"""What a log says in passing: single settings in the midst of other words, and how its lines begin.

A dump of hyper-parameters stands in `Run.settings`. Many scripts print no dump, but lines such as
`ttt:start chunks=1893 ttt_lr=0.002` when a phase begins. Their pairs are kept apart from the dump,
since a measured figure looks the same: a name that shows two values in one log is no setting and is
dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from auditor.claims.logs.figures import place
from rules.evidence import Words

MAX_FACTS = 300
MAX_STARTS = 400
_ROOM = 1_200  # distinct beginnings kept while reading; the first and the last ones stay
_LINES = 4_000  # lines in which single settings are looked for
_START = 48  # characters of a beginning
_DIGITS = str.maketrans("", "", "0123456789")

_PAIR = re.compile(r"(?<![\w.\-])([A-Za-z_]\w{1,60})[:=][ ]?([^\s,;()\[\]{}=]{1,80})")
_PREFIX = re.compile(r"\W{0,8}([A-Za-z][A-Za-z0-9_]{1,40}):[ ]?")
_SWITCH = re.compile(r"(?i)\W{0,8}([A-Za-z][A-Za-z0-9_]{1,40})[:=] ?(enabled|disabled)\b")
_VALUE = re.compile(
    r"(?i)[-+]?\d[\d_]{0,20}(?:\.\d{0,20})?(?:e[-+]?\d{1,3})?|true|false|[A-Za-z][A-Za-z0-9_.+/-]{0,60}"
)
_PROGRESS = re.compile(r"\d\s?/\s?\d|\d%")
_MEASURED = re.compile(r"(?:loss|bpb|time|elapsed|seconds|_ms|_s|bytes|eta|step|avg|mean|delta|gain|norm|ppl|acc)$")
_ADVICE = re.compile(
    r"(?i)\b(?:set|hint|try|pass|unless|requires?|should|must|instead|recommend\w*|consider|warning)\b"
)
_TYPES = frozenset(("int", "float", "bool", "str", "None", "Tensor", "self", "list", "tuple", "dict"))


def line_start(line: str) -> str:
    """How a line begins, so that it can be compared with a text in a program: lower case, no digits.

    >>> line_start("TTT:start chunks=1893")
    'ttt:start chunks='
    """
    return line[: 2 * _START].translate(_DIGITS).strip().lower()[:_START].rstrip()


def pairs(line: str) -> Iterator[tuple[str, str]]:
    """(name, value) of what one line states beside other words, names in lower case.

    In a line that begins with `word:` a short name also counts with that word before it
    (`ngram:order=7` gives `ngram_order`); `word:enabled` gives `word_enabled`.
    """
    if len(line) > 2_000 or _PROGRESS.search(line) or _ADVICE.search(line):
        return
    line = line[:600]
    switch = _SWITCH.match(line)
    if switch:
        yield f"{switch[1].lower()}_enabled", str(switch[2].lower() == "enabled")
    prefix = _PREFIX.match(line)
    word, begin = (prefix[1].lower(), prefix.end()) if prefix else ("", 0)
    for m in _PAIR.finditer(line, begin):
        name, value = m[1].lower(), m[2].rstrip(".")
        if _MEASURED.search(name) or not _VALUE.fullmatch(value) or value in _TYPES:
            continue
        if "_" in name:
            yield name, value
        if word:
            yield f"{word}_{name}", value


@dataclass(slots=True)
class Passing:
    """Single settings and beginnings of lines of one run, as they are read."""

    file: str
    found: dict[str, Words | None] = field(default_factory=dict)  # None: two values were seen
    begun: dict[str, None] = field(default_factory=dict)
    lines: int = 0

    def begin(self, line: str) -> None:
        """Note how a line begins. `line` is bare of time stamps."""
        start = line_start(line)
        if start and start not in self.begun:
            if len(self.begun) >= _ROOM:
                self.begun.pop(list(self.begun)[MAX_STARTS // 2])  # rare: a log full of ever new words
            self.begun[start] = None

    def read(self, line: str, raw: str, number: int) -> None:
        """Note the single settings of a line."""
        if self.lines >= _LINES:
            return
        self.lines += 1
        for name, value in pairs(line):
            before = self.found.get(name)
            if name not in self.found:
                if len(self.found) < MAX_FACTS:
                    self.found[name] = Words(value, place(self.file, number, raw))
            elif before is not None and not same_value(before.value, value):
                self.found[name] = None

    def absorb(self, other: Passing) -> None:
        """Add what a later piece of the same run said."""
        for name, words in other.found.items():
            mine = self.found.setdefault(name, words)
            if mine is not None and (words is None or not same_value(mine.value, words.value)):
                self.found[name] = None
        self.begun |= other.begun

    @property
    def facts(self) -> dict[str, Words]:
        return {name: words for name, words in self.found.items() if words is not None}

    @property
    def starts(self) -> tuple[str, ...]:
        """At most `MAX_STARTS`: the first and the last half, since phases stand at both ends."""
        every = tuple(self.begun)
        half = MAX_STARTS // 2
        return every if len(every) <= MAX_STARTS else every[:half] + every[-half:]


_TRUE = {"true": "1", "yes": "1", "on": "1", "enabled": "1", "false": "0", "no": "0", "off": "0", "disabled": "0"}


def same_value(a: str, b: str) -> bool:
    """Whether two written values are one setting: `1` and `True`, `5e-4` and `0.0005`."""
    a, b = a.strip().strip("\"'").lower(), b.strip().strip("\"'").lower()
    if a == b:
        return True
    try:
        return float(_TRUE.get(a, a)) == float(_TRUE.get(b, b))
    except ValueError:
        return False
