"""Scores that belong together: those that one call of one function took, which is how scripts make a total."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from auditor.trace.ledger import Place, Record


@dataclass(frozen=True)
class Group:
    """Scores taken by one instruction, within one call `within`. `records` in their order."""

    within: Place
    line: Place
    records: tuple[Record, ...]

    @property
    def positions(self) -> np.ndarray:
        """Positions of the target tokens in the validation stream, in order of scoring; shape (N,), int32."""
        return np.concatenate([r.positions for r in self.records if r.positions is not None])

    @property
    def values(self) -> np.ndarray:
        """The losses; shape (N,), nats unless the program made something else of them."""
        return np.concatenate([r.values for r in self.records if r.values is not None])

    @property
    def times(self) -> np.ndarray:
        """The number of the record that each score stands in; shape (N,)."""
        return np.concatenate(
            [np.full(len(r.positions), r.n, dtype=np.int64) for r in self.records if r.positions is not None]
        )


def groups(records: Sequence[Record]) -> Iterator[Group]:
    """Every way to put the scores of one place together by a call that encloses them, innermost first.

    A place is an instruction and not a line: some programs take the sum of the losses and that of the bytes on one line.
    """
    found: dict[tuple[Place, tuple[object, ...]], list[Record]] = {}
    for r in records:
        if r.kind != "score" or r.positions is None or not len(r.positions):
            continue
        inner = (*r.where[0][:2], r["step"]) if r.where else ("", 0)
        seen: set[tuple[str, str, int]] = set()
        for file, _, function, call in r.where or (("", 0, "", 0),):
            if (file, function, call) not in seen:
                seen.add((file, function, call))
                found.setdefault(((file, 0, function, call), inner), []).append(r)
    sizes: set[tuple[int, ...]] = set()
    for (within, _), members in found.items():
        key = tuple(r.n for r in members)
        if key not in sizes:  # a longer way out to the same scores adds nothing
            sizes.add(key)
            yield Group(within, members[0].where[0] if members[0].where else within, tuple(members))
