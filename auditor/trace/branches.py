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


def beginning(feeds: Sequence[Record], group: Sequence[Record], record: Record, at: int) -> int:
    """Where a branch has to begin for the token at `at` to be what this record of a group scores: before it first goes into the network.

    A score may be made of several passes. Those count that were made behind the group's last score, by the same call of a function.
    """
    since = max((r.n for r in group if r.n < record.n), default=0)
    call = record.where[0][3] if record.where else None
    near = [f for f in feeds if f.n < record.n and f.positions is not None and np.isin((at - 1, at), f.positions).any()]
    same = [f for f in near if f.n > since and call in {c for _, _, _, c in f.where}]
    first = same[0] if same else near[-1] if near else record
    return max(1, first.n - 1)
