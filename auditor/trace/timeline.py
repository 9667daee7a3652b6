"""The book as a picture needs it: what was done with which tokens, in order, in few stretches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from auditor.trace.groups import Group
from auditor.trace.ledger import Record
from auditor.trace.order import NEVER, first_scored
from rules.trace import Act, Closeup, Early, Probe, Stretch

MOST = 2000
MOST_CLOSE = 400
CLOSEUPS = 6
BEFORE, AFTER = 64, 447  # tokens around the first one of a finding


def timeline(records: Sequence[Record], group: Group | None, most: int = MOST) -> tuple[Stretch, ...]:
    """Every record as stretches of positions; near ones are put together until there are `most` at most."""
    return _fewer(list(stretches(records, group)), most)


def _fewer(found: list[Stretch], most: int) -> tuple[Stretch, ...]:
    reach = 1
    while len(found) > most and reach < 1 << 30:
        reach *= 2
        found = _together(found, reach)
    return tuple(found[:: -(-len(found) // most)] if len(found) > most else found)


def closeups(
    records: Sequence[Record], group: Group | None, early: Sequence[Early], probes: Sequence[Probe]
) -> tuple[Closeup, ...]:
    """The book around the first tokens of each finding, and before the cut of a probe that leaked."""
    spans = [(e.first - BEFORE, e.first + AFTER) for e in early]
    spans += [(p.last - AFTER, p.last + BEFORE) for p in probes if p.leak]
    out: dict[tuple[int, int], Closeup] = {}
    for low, high in spans[:CLOSEUPS]:
        low = max(low, 0)
        if (low, high) not in out:
            found = [
                s if s.act is Act.UPDATED else replace(s, first=max(s.first, low), last=min(s.last, high))
                for s in stretches(records, group)
                if s.act is Act.UPDATED or (s.last >= low and s.first <= high)
            ]
            out[low, high] = Closeup(low, high, _fewer(_trimmed(found), MOST_CLOSE))
    return tuple(c for c in out.values() if c.timeline)


def _trimmed(found: Sequence[Stretch]) -> list[Stretch]:
    """Without the updates before and after everything that is shown."""
    mine = [i for i, s in enumerate(found) if s.act is not Act.UPDATED]
    return list(found[mine[0] : mine[-1] + 1]) if mine else []


def stretches(records: Sequence[Record], group: Group | None) -> Iterator[Stretch]:
    """Each record on its own. Early is what was done before the headline's first score of the same token."""
    by_number = {r.n: r for r in records}
    counted = {r.n for r in group.records} if group else set()
    first = first_scored(group) if group else np.empty(0, np.int64)
    change = NEVER
    changes: dict[int, int] = {}  # by a record's number: the update that follows it
    for r in reversed(records):
        changes[r.n] = change
        if r.kind == "update":
            change = r.n
    for r in records:
        if r.kind == "update":
            yield Stretch(r.n, r.n, Act.UPDATED)
        elif r.kind == "score" and r.positions is not None:
            for a, b in runs(r.positions):
                yield Stretch(r.n, r.n, Act.SCORED, a, b, r.n in counted)
        elif r.kind == "train":
            parts = [p for n in r["of"] if n in by_number and (p := by_number[n].positions) is not None]
            if parts:
                yield from _touched(r, Act.TRAINED, np.concatenate(parts), first, changes[r.n])
        elif r.kind == "table" and r.positions is not None:
            yield from _touched(r, Act.COUNTED, r.positions, first, r.n)


def _touched(r: Record, act: Act, positions: np.ndarray, first: np.ndarray, since: int) -> Iterator[Stretch]:
    positions = np.unique(positions)
    scored = np.full(len(positions), NEVER)
    inside = positions < len(first)
    scored[inside] = first[positions[inside]]
    early = (scored > since) & (scored < NEVER)
    for flag in (False, True):
        for a, b in runs(positions[early == flag]):
            yield Stretch(r.n, r.n, act, a, b, early=flag)


def runs(positions: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, last) of positions without gaps."""
    p = np.unique(positions)
    if len(p):
        cut = np.flatnonzero(np.diff(p) > 1)
        for a, b in zip([0, *(cut + 1)], [*cut, len(p) - 1], strict=True):
            yield int(p[a]), int(p[b])


def _together(found: Sequence[Stretch], reach: int) -> list[Stretch]:
    """Stretches of one kind, within `reach` records and positions of each other, as one."""
    out: list[Stretch] = []
    last: dict[tuple[Act, bool, bool], int] = {}
    for s in found:
        key = (s.act, s.headline, s.early)
        k = last.get(key)
        if k is not None:
            t = out[k]
            near = s.first <= t.last + reach and s.last >= t.first - reach
            if near and s.n - t.until <= reach and s.until - t.n <= 2 * reach:
                out[k] = Stretch(
                    t.n, max(t.until, s.until), s.act, min(t.first, s.first), max(t.last, s.last), s.headline, s.early
                )
                continue
        last[key] = len(out)
        out.append(s)
    return out
