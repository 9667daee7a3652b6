"""Probes compare runs and need no understanding of the code: what must not matter is changed, and nothing may move.

*future*: the tokens from a cut on are others. A score before the cut that moves knew of them. *order*: what is learnt from
validation tokens is put back at once. A score that moves although nothing was learnt before it inside of the evaluation knew of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from auditor.trace.data import shards
from auditor.trace.data.vocabulary import BOS, first_used
from auditor.trace.execute import Job, Traced, trace
from auditor.trace.groups import Group, again
from auditor.trace.ledger import Record
from rules.trace import Changed, Probe

MOST = 1e9  # nats: the difference to what is no number
CUTS = (0.37, 0.71)  # shares of the scored positions


def future(
    job: Job,
    base: Traced,
    group: Group,
    *,
    run: Callable[..., Traced] = trace,
    workers: int = 2,
    shares: Sequence[float] = CUTS,
    more: Sequence[int] = (),
) -> list[Probe]:
    """Run again with other tokens from each cut on. `group`: the scores in question of the base run; `more`: cuts, by position.

    Where scores moved, `measured` says whether that is more than two equal runs differ.
    """
    if not len(group.positions):
        return []
    scored = np.unique(group.positions)
    cuts = sorted({*(int(scored[int(len(scored) * s)]) | 1 for s in shares), *more})

    def one(cut: int) -> Traced:
        text = cut == cuts[0]
        return run(job, validation=changed(base.world.validation, cut, base.world.vocabulary, text=text), reach=False)

    with ThreadPoolExecutor(workers) as pool:
        runs = list(pool.map(one, cuts))
    return [compared(group, of(r, base, group), cut) for cut, r in zip(cuts, runs, strict=True)]


def measured(
    job: Job, base: Traced, group: Group, probes: Sequence[Probe], *, run: Callable[..., Traced] = trace
) -> list[Probe]:
    """The probes with the noise of the program. Where scores moved, the unchanged run is made once more.

    What moves there, too, is no leak, and without that measure nothing is.
    """
    if not any(p.moved for p in probes):
        return list(probes)
    equal = compared(group, of(run(job, reach=False), base, group), max(p.cut for p in probes))
    problem = equal.problem and f"scores moved, but how much two equal runs differ is not known: {equal.problem}"
    return [replace(p, noise=equal.most, problem=p.problem or problem) for p in probes]


def switched_off(
    job: Job, base: Traced, group: Group, lines: Sequence[tuple[str, int]], *, run: Callable[..., Traced] = trace
) -> Probe:
    """Run again without learning from validation tokens at these lines."""
    learnt = [r.n for r in base.records if r.kind == "update" and r.n > group.records[0].n]
    until = min(learnt, default=group.records[-1].n + 1)
    first = replace(group, records=tuple(r for r in group.records if r.n < until))
    other = of(run(job, frozen=lines, reach=False), base, group)
    if other is None:
        return Probe(Changed.ORDER, 0, 0, problem="the run without adaptation did not come to these scores")
    same = replace(other, records=other.records[: len(first.records)])
    return replace(compared(first, same, int(first.positions.max()) + 1), kind=Changed.ORDER)


def learning(records: Sequence[Record], group: Group, most: int) -> list[tuple[str, int]]:
    """The lines at which validation tokens were learnt from before the last score, the first ones first."""
    found = [r.where[0][:2] for r in records if r.kind == "train" and r.where and r.n < group.records[-1].n]
    return list(dict.fromkeys(found))[:most]


def of(run: Traced, base: Traced, group: Group) -> Group | None:
    """The scores in question, of a run that came to its end: one that was cut short has other last numbers.

    A program that ends with an exit code of its own does so again.
    """
    alike = not run.outcome.limit and run.outcome.code is not None and run.outcome.code == base.outcome.code
    return again(base.records, group, run.records) if run.outcome.ok or alike else None


def changed(ids: np.ndarray, cut: int, vocabulary: int, *, text: bool = True) -> np.ndarray:
    """The stream with all tokens from `cut` on replaced; where documents begin stays as it is.

    By other text, or by tokens drawn evenly: what is fitted to later tokens may fit other text as well.
    """
    low = first_used(vocabulary)
    drawn = np.random.default_rng(977)
    other = shards.tokens(len(ids), vocabulary, 977) if text else drawn.integers(low, vocabulary, len(ids))
    keep = (ids == BOS) | (np.arange(len(ids)) < cut)
    other = np.where(other == BOS, np.roll(other, 1), other)
    next_one = (other.astype(np.int64) + 1 - low) % (vocabulary - low) + low
    other = np.where(other == ids, next_one, other)
    return np.where(keep, ids, other).astype(ids.dtype)


def compared(group: Group, other: Group | None, cut: int) -> Probe:
    """Scores of two runs before the cut, paired by order of scoring among those positions."""
    if other is None:
        return Probe(Changed.FUTURE, cut, 0, problem="the changed run did not come to these scores")
    a = group.positions < cut
    b = other.positions < cut
    pa, pb = group.positions[a], other.positions[b]
    if len(pa) != len(pb) or not np.array_equal(pa, pb):
        return Probe(Changed.FUTURE, cut, 0, problem="the changed run scored other positions before the cut")
    gap = np.abs(group.values[a] - other.values[b])
    gap = np.where(np.isfinite(gap), gap, MOST)
    moved = np.unique(pa[gap > 0])
    if not len(moved):
        return Probe(Changed.FUTURE, cut, len(pa))
    return Probe(Changed.FUTURE, cut, len(pa), len(moved), float(gap.max()), int(moved[0]), int(moved[-1]))
