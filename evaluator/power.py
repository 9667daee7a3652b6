"""What the challenge's one-sided t-tests can find: their power, and how many seeds they need.

Both are exact for normally distributed values. The one-sample test's statistic is noncentral t. Welch's takes its degrees of
freedom from the two sample variances; given the share of one of them in their sum, which is Beta distributed and independent of
that sum, the statistic is a multiple of a noncentral t, too, so that one integral over the share remains.
"""

from __future__ import annotations

import math

from evaluator.statistics import freedom

MOST_SEEDS = 1024  # nobody trains more often


def power(
    delta: float, std: float, n: int, alpha: float = 0.01, other_n: int = 1, other_std: float | None = None
) -> float:
    """Probability that p < alpha when the true mean is lower by `delta` than the mean to beat (the margin already taken off).

    `n` values of true standard deviation `std` against a fixed number (`other_n` 1) by the one-sample test, or against
    `other_n` values of `other_std` (by default the same) by Welch's test. `delta` may be negative: then it is the
    probability of a false alarm. Raises ValueError for n < 2, a spread that is not positive, or alpha outside (0, 1).
    """
    _check(delta, std, n, alpha, other_n, other_std)
    from scipy import integrate, stats

    if other_n == 1:
        critical = stats.t.ppf(1 - alpha, n - 1)
        return float(stats.nct.sf(critical, n - 1, delta * math.sqrt(n) / std))
    a, b = std**2 / n, (std if other_std is None else other_std) ** 2 / other_n
    df1, df2 = n - 1, other_n - 1
    df, shift = df1 + df2, delta / math.sqrt(a + b)
    share = stats.beta(df1 / 2, df2 / 2)

    def given(u: float) -> float:
        """Power where the first sample's share of the (standardised) squares is its quantile u."""
        x = float(share.ppf(u))
        first, second = a / (a + b) * x * df / df1, b / (a + b) * (1 - x) * df / df2  # sample variances of the means
        critical = stats.t.ppf(1 - alpha, freedom(first, n, second, other_n))
        return float(stats.nct.sf(critical * math.sqrt(first + second), df, shift))

    return float(integrate.quad(given, 0, 1, epsabs=1e-7, epsrel=1e-7, limit=200)[0])


def seeds_needed(
    delta: float,
    std: float,
    alpha: float = 0.01,
    wanted: float = 0.9,
    other_n: int = 1,
    other_std: float | None = None,
) -> int | None:
    """The fewest seeds with which the test of `power` finds `delta` with at least the `wanted` probability.

    None where no number does: `delta` is not positive, or so few values on the other side that ours cannot make up for them
    (up to 1,024 seeds are tried). Raises ValueError as `power` does.
    """
    if not 0 < wanted < 1:
        raise ValueError(f"the wanted power must lie between 0 and 1, not be {wanted}")
    _check(delta, std, 2, alpha, other_n, other_std)
    if delta <= 0:
        return None

    def enough(n: int) -> bool:
        return power(delta, std, n, alpha, other_n, other_std) >= wanted

    high = 2
    while not enough(high):
        high *= 2
        if high > MOST_SEEDS:
            return None
    low = high // 2  # not enough, or one seed, which allows no test
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _check(delta: float, std: float, n: int, alpha: float, other_n: int, other_std: float | None) -> None:
    if not math.isfinite(delta):
        raise ValueError(f"delta must be a finite number, not {delta}")
    if not (std > 0 and math.isfinite(std)) or (
        other_std is not None and not (other_std > 0 and math.isfinite(other_std))
    ):
        raise ValueError("standard deviations must be positive numbers")
    if n < 2 or other_n < 1:
        raise ValueError("a t-test wants at least two seeds, and something to compare with")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, not be {alpha}")
