"""What the dataflow of a run says about scores that know too much: a suspicion for probes, and no proof.

Beside its position every number carries how far it reaches: the last token that it was made of (inside/reach.py). The score
of the token at p may reach to p, and the probabilities that it was picked from to p - 1. Values that leave the tensors for
plain Python or compiled code lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from auditor.trace.groups import Group
from auditor.trace.ledger import Place, Record
from rules.place import Location
from rules.trace import Foresight


def far(records: Sequence[Record], group: Group, own: bool) -> dict[int, list[Record]]:
    """By line, the records that say so of scores of the group: of later tokens, or (`own`) of the scored one."""
    since, until = _span(group)
    scored = np.unique(group.positions)
    out: dict[int, list[Record]] = {}
    for r in records:
        if r.kind != "knew" or bool(r["own"]) != own or not since < r.n <= until or r.positions is None:
            continue
        if np.isin(r.positions, scored).any():
            out.setdefault(r.line, []).append(r)
    return out


def _span(group: Group) -> tuple[int, int]:
    """Between which records the group's numbers came about: what is known of them is written down right before them."""
    numbers = [r.n for r in group.records]
    longest = max((b - a for a, b in pairwise(numbers)), default=64)
    return min(numbers) - longest - 64, max(numbers)


def foresight(records: Sequence[Record], group: Group, place: Callable[[Place | None], Location]) -> list[Foresight]:
    out = []
    for own in (False, True):
        for found in far(records, group, own).values():
            positions, reach = joined(found)
            further = reach > positions if own else np.ones(len(positions), dtype=bool)
            at = place(found[0].where[0] if found[0].where else None)
            for later in (True, False):
                p = np.unique(positions[further == later])
                if len(p):
                    out.append(Foresight(len(p), int(p[0]), int(p[-1]), at, own=not later))
    return out


def joined(found: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """Positions and how far they reach; shape (N,) each."""
    positions = np.concatenate([r.positions for r in found if r.positions is not None])
    return positions, np.concatenate([r.values for r in found if r.values is not None])


def cuts(records: Sequence[Record], group: Group, most: int) -> list[int]:
    """Cuts at which a whole run shows whether a suspicion is right: right behind scores that seem to know later tokens."""
    found = [r for own in (False, True) for rs in far(records, group, own).values() for r in rs]
    if not found:
        return []
    positions, reach = joined(found)
    p = np.unique(positions[reach > positions])
    return [int(x) + 1 for x in spread(p, most)]


def own_tokens(records: Sequence[Record], group: Group, most: int) -> list[int]:
    """Positions whose probabilities seem to know the token that they are asked for."""
    found = [r for rs in far(records, group, True).values() for r in rs]
    if not found:
        return []
    positions, reach = joined(found)
    return [int(x) for x in spread(np.unique(positions[reach == positions]), most)]


def spread(values: np.ndarray, most: int) -> np.ndarray:
    """At most so many of them, from all over, the ends left out where there are others."""
    if len(values) <= most:
        return values
    out: np.ndarray = values[np.linspace(0, len(values) - 1, most + 2).astype(int)[1:-1]]
    return out
