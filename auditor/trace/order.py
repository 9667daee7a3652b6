"""What the book says about order: tokens that changed the state before, or while, they were scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from auditor.trace.groups import Group
from auditor.trace.ledger import Record
from auditor.trace.ranks import reaches

TRAINED, COUNTED = "trained on", "counted"
NEVER = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Before:
    """Positions that something was done with before they were scored for the number in question.

    `doing`, of the kind `how`, came first; `changed`, an update, if any, made it count; `scored` is the first score after it.
    `last` is the last record that did so.
    """

    how: str
    positions: np.ndarray
    doing: Record
    scored: Record
    changed: Record | None = None
    last: Record | None = None


def before(records: Sequence[Record], group: Group) -> list[Before]:
    """What was done with tokens before their score in `group`: one entry for each line that did it."""
    by_number = {r.n: r for r in records}
    first = first_scored(group)
    out: dict[tuple[str, tuple[str, int]], Before] = {}
    updates: dict[int, list[Record]] = {}
    for r in records:
        updates.setdefault(r.rank, [])
        if r.kind == "update":
            updates[r.rank].append(r)
    scorer = np.array([by_number[n].rank if n < NEVER else -1 for n in first.tolist()], dtype=np.int64)
    for r in records:
        if r.n > group.records[-1].n or r.kind not in ("train", "table"):
            continue
        if r.kind == "train":
            how, parts = TRAINED, [by_number[n].positions for n in r["of"] if n in by_number]
            touched = np.concatenate([p for p in parts if p is not None]) if parts else np.empty(0, np.int32)
            # by the rank that scores: what it wrote to parameters after it may have heard of it
            changes = {rank: next((u for u in found if reaches(r, u)), None) for rank, found in updates.items()}
            since = {rank: u.n for rank, u in changes.items() if u is not None}
        else:
            how, changes, since = COUNTED, {}, {r.rank: r.n}  # a table is one rank's own
            touched = r.positions if r.positions is not None else np.empty(0, np.int32)
        if not since or not len(touched):
            continue
        touched = np.unique(touched)
        touched = touched[touched < len(first)]
        began = np.array([since.get(rank, NEVER) for rank in range(max(updates) + 1)] + [NEVER])
        late = touched[first[touched] > began[scorer[touched]]]
        late = late[first[late] < NEVER]
        if len(late):
            key = (how, r.where[0][:2] if r.where else ("", 0))
            known = out.get(key)
            scored = by_number[int(first[late].min())]
            change = changes.get(scored.rank)
            if known is None:
                out[key] = Before(how, late, r, scored, change, r)
            else:
                out[key] = replace(known, positions=np.union1d(known.positions, late), last=r)
    return list(out.values())


def first_scored(group: Group) -> np.ndarray:
    """By position, the number of the record that scored it first; the largest integer where none did."""
    positions, times = group.positions, group.times
    out = np.full(int(positions.max()) + 1 if len(positions) else 0, NEVER)
    np.minimum.at(out, positions, times)
    return out


def scored_twice(group: Group) -> np.ndarray:
    """Positions that stand in the number more than once."""
    found, count = np.unique(group.positions, return_counts=True)
    return found[count > 1]
