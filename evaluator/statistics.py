"""Statistics of seeds: means, spreads and the one-sided Welch test that records are judged by.

All functions take plain floats in any one unit and leave conversion to the caller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean. Raises ValueError for an empty sequence."""
    if not values:
        raise ValueError("mean of no values")
    return math.fsum(values) / len(values)


def sample_std(values: Sequence[float]) -> float | None:
    """Sample standard deviation (n - 1); None for fewer than two values."""
    if len(values) < 2:
        return None
    m = mean(values)
    return math.sqrt(math.fsum((v - m) ** 2 for v in values) / (len(values) - 1))


def welch_less(ours: Sequence[float], theirs: Sequence[float], margin: float = 0.0) -> float | None:
    """p-value of "mean(ours) < mean(theirs) - margin" by Welch's one-sided t-test.

    With a single value in `theirs` it is taken as exact and a one-sample t-test is made. None when
    `ours` has fewer than two values, `theirs` has none, or nothing varies (no test is defined).
    """
    if len(ours) < 2 or not theirs:
        return None
    from scipy import stats  # 0.4 s to import, and most audits need no test

    if len(theirs) == 1:
        if not sample_std(ours):
            return None
        return float(stats.ttest_1samp(ours, theirs[0] - margin, alternative="less").pvalue)
    if not sample_std(ours) and not sample_std(theirs):
        return None
    return float(stats.ttest_ind(ours, [t - margin for t in theirs], equal_var=False, alternative="less").pvalue)
