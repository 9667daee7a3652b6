"""Questions that branches of one run answer: what do scores know of the tokens behind them, and do they add up to one?

*reveal*: at positions all over the run the tokens from a cut on become others, right before their batch is scored. A
score before the cut that moves is a suspicion: whole runs (probes.py) then prove it or clear it. *mass*: one token becomes
every token of the vocabulary in turn; what its scores say of all of them must add up to a probability of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.trace.ledger import Record

CUT, TOKEN = "cut", "token"
EACH_S = 30.0  # the most that one branch may take


@dataclass(frozen=True)
class Question:
    """Asked of one `record` of the headline. CUT: tokens from `at` on are others; TOKEN: the one at `at` is `token`."""

    kind: str
    record: Record
    after: int  # the branch begins behind this record of the book
    at: int
    token: int = -1

    def written(self, q: int) -> dict[str, object]:
        change: dict[str, object] = {"from": self.at} if self.kind == CUT else {"at": [self.at], "to": [self.token]}
        return {"q": q, "kind": self.kind, "after": self.after, "until": self.record.n, **change}


@dataclass(frozen=True)
class Answer:
    """What a branch made of the question's record: its values, shape (N,)."""

    question: Question
    values: np.ndarray


def plan(
    questions: Sequence[Question], other: np.ndarray, seconds: dict[str, float], workers: int
) -> dict[str, object]:
    """The order to the run. `other`: the stream that stands behind a cut."""
    return {
        "asked": [a.written(q) for q, a in enumerate(questions)],
        "other": other.tolist(),
        "budget": seconds,
        "each_s": EACH_S,
        "workers": workers,
    }


def answers(questions: Sequence[Question], said: dict[int, Sequence[Record]] | object) -> Iterator[Answer]:
    """The questions that were answered in the way they were asked: the same record, the same positions."""
    branches = said if isinstance(said, dict) else {}
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
