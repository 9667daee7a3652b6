"""Questions that branches of one run answer: how is a position scored if another token stands there?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.trace.ledger import Record

EACH_S = 30.0  # the most that one branch may take


@dataclass(frozen=True)
class Question:
    """Asked of one `record` of the headline: the token at `at` is `token`. The branch begins behind record `after`."""

    record: Record
    after: int
    at: int
    token: int

    def written(self, q: int) -> dict[str, int]:
        return {"q": q, "after": self.after, "until": self.record.n, "at": self.at, "to": self.token}


@dataclass(frozen=True)
class Answer:
    """What a branch made of the question's record: its values, shape (N,)."""

    question: Question
    values: np.ndarray


def plan(questions: Sequence[Question], seconds: float, workers: int) -> dict[str, object]:
    """The order to the run: as many of the questions as there are `seconds` for."""
    asked = [a.written(q) for q, a in enumerate(questions)]
    return {"asked": asked, "seconds": seconds, "each_s": EACH_S, "workers": workers}


def answers(questions: Sequence[Question], branches: Mapping[int, Sequence[Record]]) -> Iterator[Answer]:
    """The questions that were answered in the way they were asked: the same record, the same positions."""
    for q, a in enumerate(questions):
        for r in branches.get(q, ()):
            same = r.n == a.record.n and r.where[:1] and r.where[0][:3] == a.record.where[0][:3]
            if same and r.values is not None and alike(r, a.record):
                yield Answer(a, r.values)


def alike(a: Record, b: Record) -> bool:
    """Whether two records score the same positions in the same order."""
    return a.positions is not None and b.positions is not None and np.array_equal(a.positions, b.positions)


def beginning(feeds: Sequence[Record], record: Record) -> int:
    """Where a branch has to begin for its tokens to be what this record scores: before they go into the network."""
    assert record.positions is not None
    for f in reversed(feeds):
        if f.n < record.n and f.positions is not None and np.isin(record.positions, f.positions).any():
            return max(1, f.n - 1)
    return max(1, record.n - 1)
