"""Scores that belong together: those that one call of one function took, which is how scripts make a total."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def again(base: Sequence[Record], group: Group, records: Sequence[Record]) -> Group | None:
    """The group of another run of the same program that was taken where `group` was in the `base` run."""

    def there(g: Group) -> bool:
        return (g.within[:3], g.line[:3], g.records[0]["step"]) == (
            group.within[:3],
            group.line[:3],
            group.records[0]["step"],
        )

    numbers = [r.n for r in group.records]
    same = [g for g in groups(base) if there(g)]
    k = next((k for k, g in enumerate(same) if [r.n for r in g.records] == numbers), -1)
    other = [g for g in groups(records) if there(g)]
    return other[k] if 0 <= k < len(other) and len(same) == len(other) else None


def groups(records: Sequence[Record]) -> Iterator[Group]:
    """Every way to put the scores of one place together by a call that encloses them, innermost first.

    A place is an instruction and not a line: some programs take the sum of the losses and that of the bytes on one line.
    """
    found: dict[tuple[Place, tuple[object, ...]], list[Record]] = {}
    for r in records:
        if r.kind != "score" or r.positions is None or not len(r.positions):
            continue
        inner = (r.rank, *r.where[0][:2], r["step"]) if r.where else (r.rank, "", 0)
        seen: set[tuple[str, str, int]] = set()
        for file, _, function, call in r.where or (("", 0, "", 0),):
            if (file, function, call) not in seen:
                seen.add((file, function, call))
                found.setdefault(((file, 0, function, call), inner), []).append(r)
    sizes: set[tuple[int, ...]] = set()
    if any(r.rank for r in records):
        yield from _joined(found, sizes)
    for (within, _), members in found.items():
        key = tuple(r.n for r in members)
        if key not in sizes:  # a longer way out to the same scores adds nothing
            sizes.add(key)
            yield Group(within, members[0].where[0] if members[0].where else within, tuple(members))


def _joined(
    found: Mapping[tuple[Place, tuple[object, ...]], list[Record]], sizes: set[tuple[int, ...]]
) -> Iterator[Group]:
    """What all ranks took with one instruction, each in its own call that encloses it: the first of each, the second, and so on."""
    calls: dict[tuple[object, ...], dict[int, list[tuple[Place, list[Record]]]]] = {}
    for (within, (_, *inner)), members in found.items():
        by_rank = calls.setdefault((within[0], within[2], *inner), {})
        by_rank.setdefault(members[0].rank, []).append((within, members))
    for by_rank in calls.values():
        for together in zip(*(sorted(c, key=lambda x: x[1][0].n) for _, c in sorted(by_rank.items())), strict=False):
            records = sorted((r for _, members in together for r in members), key=lambda r: r.n)
            key = tuple(r.n for r in records)
            if len(together) > 1 and key not in sizes:
                sizes.add(key)
                yield Group(together[0][0], records[0].where[0] if records[0].where else together[0][0], tuple(records))
