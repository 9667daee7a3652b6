"""Two evaluations of the same tokens, compared document by document.

Seeds differ by much more than one model does on two days: where the same text was scored twice, the documents are the sample, and
what is common to both evaluations drops out. bpb is a ratio (bits over bytes), so a document counts by its bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LN2 = math.log(2)


@dataclass(frozen=True)
class Paired:
    """`difference` = ours - theirs in bpb over all documents; `error` its standard error; the confidence interval at `level`.

    `p` is two-sided, `p_less` one-sided for "ours is lower". `documents`: how many there are.
    """

    difference: float
    error: float
    low: float
    high: float
    p: float
    p_less: float
    documents: int
    level: float
    method: str


def paired_t(ours: Sequence[float], theirs: Sequence[float], sizes: Sequence[float], level: float = 0.95) -> Paired:
    """t-test over documents of the ratio (sum of nats) / (ln 2 x sum of bytes).

    `ours`, `theirs`: nats of each document, shape (D,); `sizes`: its bytes, shape (D,). The standard error is that of a ratio estimator,
    by linearisation, exact as D grows; with documents of equal size it is the paired t-test. A single number that stands for two or
    more documents that depend on each other (one adapts on the other) makes the error too small. Raises ValueError for fewer
    than two documents, unequal lengths, or sizes without a positive sum.
    """
    gaps, total = _gaps(ours, theirs, sizes, level)
    from scipy import stats

    count = len(gaps)
    difference = math.fsum(gaps) / total
    left = math.fsum((g - difference * LN2 * s) ** 2 for g, s in zip(gaps, sizes, strict=True))
    error = math.sqrt(count / (count - 1) * left) / total
    if error == 0:
        p, less = (1.0, 0.5) if difference == 0 else (0.0, float(difference > 0))
        return Paired(difference, 0.0, difference, difference, p, less, count, level, "t")
    t = difference / error
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * error
    return Paired(
        difference,
        error,
        difference - half,
        difference + half,
        float(2 * stats.t.sf(abs(t), count - 1)),
        float(stats.t.cdf(t, count - 1)),
        count,
        level,
        "t",
    )


def paired_bootstrap(
    ours: Sequence[float],
    theirs: Sequence[float],
    sizes: Sequence[float],
    level: float = 0.95,
    rounds: int = 10_000,
    seed: int = 0,
) -> Paired:
    """The same by drawing documents with replacement: no assumption on how differences are spread.

    The interval is of percentiles; p-values count the rounds, shifted to no difference, that lie as far out (never below
    1 / (rounds + 1)). Raises ValueError as `paired_t` does.
    """
    gaps, total = _gaps(ours, theirs, sizes, level)
    if rounds < 1:
        raise ValueError(f"a bootstrap wants at least one round, not {rounds}")
    import numpy as np

    count, random = len(gaps), np.random.default_rng(seed)
    gap, size = np.asarray(gaps, np.float64), np.asarray(sizes, np.float64)
    drawn = np.empty(rounds)
    for i in range(rounds):
        times = np.bincount(random.integers(0, count, count), minlength=count)
        weight = times @ size
        drawn[i] = (times @ gap) / (weight * LN2) if weight > 0 else 0.0
    difference = math.fsum(gaps) / total
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    shifted = drawn - difference
    p = (1 + int(np.sum(np.abs(shifted) >= abs(difference)))) / (rounds + 1)
    less = (1 + int(np.sum(shifted <= difference))) / (rounds + 1)
    return Paired(
        difference,
        float(drawn.std(ddof=1)) if rounds > 1 else 0.0,
        float(low),
        float(high),
        p,
        less,
        count,
        level,
        "bootstrap",
    )


def _gaps(
    ours: Sequence[float], theirs: Sequence[float], sizes: Sequence[float], level: float
) -> tuple[list[float], float]:
    """(nats of ours - theirs by document, ln 2 x bytes of all)."""
    if not len(ours) == len(theirs) == len(sizes):
        raise ValueError(f"documents do not match: {len(ours)}, {len(theirs)} and {len(sizes)}")
    if len(ours) < 2:
        raise ValueError("a test over documents wants at least two of them")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not be {level}")
    if min(sizes) < 0 or not math.fsum(sizes) > 0:
        raise ValueError("the sizes of documents must not be negative, nor all zero")
    gaps = [float(a) - float(b) for a, b in zip(ours, theirs, strict=True)]
    if not all(map(math.isfinite, gaps)):
        raise ValueError("a document's nats are not a finite number")
    return gaps, math.fsum(sizes) * LN2
