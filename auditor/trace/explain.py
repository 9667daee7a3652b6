"""Which scores a printed number is made of: every number is derived from the book again, or called unexplained."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.trace.groups import Group, groups
from auditor.trace.ledger import Record

NATS = "mean loss in nats"
BITS = "mean loss in bits"
BPB = "bits per byte"
NUMBER = re.compile(r"(?<![\w.])(-?\d+\.\d{3,})(?:[eE]([-+]?\d+))?(?![\w.])")
CALLED = re.compile(
    r"(?:bpb|bits[ _]?per[ _]?byte|bits/byte)(?:[^\d,;|]|(?<=[a-z_])\d+)*$", re.I
)  # right before a number
OTHERS = re.compile(r"(?:target|baseline|sota|goal|delta|gain|diff|improvement)[ _-]?(?:val_?|ttt_?)?$", re.I)
NAME = 120  # characters before a number that may name it
FLOAT32 = 4e-6  # relative: totals that a program adds up in float32


@dataclass(frozen=True)
class Explained:
    """A printed number and the scores it is made of; `group` None: no sum of scores gives it.

    `right`: the bits per byte of the scores whose mean loss stands beside a number that is called bits per byte and is not.
    `unit`: how many nats of loss one unit of a score is; below zero where the scores are log-probabilities.
    """

    text: str
    value: float
    at: int  # number of the print's record
    what: str = ""
    group: Group | None = None
    error: float = 0.0
    right: float = 0.0
    unit: float = 1.0

    def nats(self, score: float) -> float:
        return score * self.unit


def explain(records: Sequence[Record], bytes_at: np.ndarray) -> list[Explained]:
    """Each number that is printed with three decimals or more. `bytes_at`: UTF-8 bytes of each position, shape (N,)."""
    sums = [(g, *_totals(g, bytes_at)) for g in groups(records)]
    out = []
    for r in records:
        if r.kind != "print":
            continue
        text = str(r["text"])
        numbers = list(NUMBER.finditer(text))
        ways = [list(_ways(Explained(text.strip(), float(m[0]), r.n), _rounding(m), sums)) for m in numbers]
        gives = Counter(g for some in ways for g in {id(x.group) for x in some})
        line: list[Explained] = []
        after = 0
        for m, some in zip(numbers, ways, strict=True):
            # The scores that give more numbers of the line: others may give one of them by accident.
            found = max(some, key=lambda x: gives[id(x.group)], default=Explained(text.strip(), float(m[0]), r.n))
            if not found.what and called(text[max(after, m.start() - NAME) : m.start()]):
                found = replace(found, right=_right(line, bytes_at))
            line.append(found)
            after = m.end()
        out += line
    return out


def called(text: str) -> bool:
    """Whether a number that stands after the text is said to be this run's bits per byte: not a goal, or another run's."""
    m = CALLED.search(text)
    return m is not None and not OTHERS.search(text, 0, m.start())


def unbooked(records: Sequence[Record], stdout: str) -> list[Record]:
    """The lines of stdout where no line with a number is in the book: written past `sys.stdout`. The book ends before them."""
    if any(r.kind == "print" and NUMBER.search(str(r["text"])) for r in records):
        return []
    last = max((r.n for r in records), default=0) + 1
    return [Record(last, "print", fields={"text": line}) for line in stdout.splitlines() if NUMBER.search(line)]


def _right(line: Sequence[Explained], bytes_at: np.ndarray) -> float:
    """What stands beside a mean loss as its bits per byte, where what is printed is something else; 0 if no loss does.

    A line that gives them, too, has been right: what else it prints is of other scores.
    """
    for x in reversed(line):
        if x.what == BPB:
            return 0.0
        if x.group is not None and x.what == NATS:
            total, _, size = _totals(x.group, bytes_at)
            return abs(total) / math.log(2) / size if size else 0.0
    return 0.0


def _totals(g: Group, bytes_at: np.ndarray) -> tuple[float, int, float]:
    inside = g.positions < len(bytes_at)
    return float(g.values.sum()), len(g.values), float(bytes_at[g.positions[inside]].sum())


def _rounding(m: re.Match[str]) -> float:
    """Half of the last digit that was printed, and a little."""
    return 0.51 * 10.0 ** (int(m[2] or 0) - len(m[1].split(".")[1]))


def _ways(it: Explained, rounding: float, sums: list[tuple[Group, float, int, float]]) -> Iterator[Explained]:
    """How groups before the print give the number, the latest first; a mean before what is rarer."""
    for g, total, n, size in reversed(sums):
        if g.records[-1].n > it.at or not n:
            continue
        sign, total = math.copysign(1.0, total), abs(total)  # sums of log-probabilities are below zero
        ways = [(NATS, total / n, 1.0), (BITS, total / n / math.log(2), 1.0)]
        if size:
            ways[:0] = [
                (BPB, total / math.log(2) / size, 1.0),
                (BPB, total / size, math.log(2)),
            ]  # the second: what is added up is in bits
        for what, value, unit in ways:
            error = abs(value - it.value)
            if error <= rounding + abs(value) * FLOAT32:
                yield Explained(it.text, it.value, it.at, what, g, error, unit=unit * sign)
