"""Statistics of seeds: means, spreads, the one-sided Welch test that records are judged by, and tests of one value against several.

All functions take plain floats in any one unit and leave conversion to the caller (`nats_to_bpb`, `bpb_to_nats`). What a test can
find with so many seeds is in power.py, comparisons over documents are in paired.py.
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


def welch(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Two-sided p-value of "the means differ" by Welch's t-test; None where a side has fewer than two values or nothing varies."""
    if len(ours) < 2 or len(theirs) < 2:
        return None
    a, b = _squares(ours, theirs)
    if a + b == 0:
        return None
    from scipy import stats

    t = (mean(ours) - mean(theirs)) / math.sqrt(a + b)
    return float(2 * stats.t.sf(abs(t), freedom(a, len(ours), b, len(theirs))))


def prediction_p(value: float, sample: Sequence[float]) -> float | None:
    """Two-sided p-value of "`value` is no further draw of what `sample` was drawn from".

    t = (value - mean) / (s sqrt(1 + 1/n)) with n - 1 degrees of freedom; None where the sample shows no spread.
    """
    s = sample_std(sample)
    if not s:
        return None
    from scipy import stats

    n = len(sample)
    t = (value - mean(sample)) / (s * math.sqrt(1 + 1 / n))
    return float(2 * stats.t.sf(abs(t), n - 1))


def single_p(difference: float, std: float, n: int) -> float | None:
    """Two-sided p-value of the difference of two single draws whose standard deviation was estimated from `n` values.

    The two are taken as independent of each other and of the estimate. None for n < 2 or a spread of zero.
    """
    if n < 2 or not std > 0:
        return None
    from scipy import stats

    return float(2 * stats.t.sf(abs(difference) / (std * math.sqrt(2)), n - 1))


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Student's confidence interval of the mean; None for fewer than two values. Raises ValueError for a level outside (0, 1)."""
    _share("level", level)
    s = sample_std(values)
    if s is None:
        return None
    from scipy import stats

    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * s / math.sqrt(len(values))
    m = mean(values)
    return m - half, m + half


def welch_interval(ours: Sequence[float], theirs: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Welch's confidence interval of mean(ours) - mean(theirs); None where `welch` gives none."""
    _share("level", level)
    if welch(ours, theirs) is None:
        return None
    from scipy import stats

    a, b = _squares(ours, theirs)
    half = float(stats.t.ppf((1 + level) / 2, freedom(a, len(ours), b, len(theirs)))) * math.sqrt(a + b)
    m = mean(ours) - mean(theirs)
    return m - half, m + half


def _squares(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Variances of the two means."""
    a, b = ((sample_std(x) or 0.0) ** 2 / len(x) for x in (ours, theirs))
    return a, b


def freedom(a: float, n: int, b: float, m: int) -> float:
    """Welch's and Satterthwaite's degrees of freedom; `a`, `b`: variances of the two means, `n`, `m`: numbers of values."""
    return (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1))


def must_reach(
    theirs: Sequence[float], n: int, std: float, margin: float = 0.0, alpha: float = 0.01, known: float | None = None
) -> float:
    """The highest mean with which `n` seeds beat `theirs` by more than `margin` at p < alpha, by the test of `welch_less`.

    `std`: the sample standard deviation that the n seeds will show. `known`: that of `theirs`, where only its mean is
    at hand (then `theirs` holds as many values as it was made of, e.g. that mean repeated).
    Example: what must 3 seeds of std 0.0005 reach to beat 1.0810 by 0.0025 bpb? `must_reach([1.0810], 3, 0.0005, 0.0025)`.
    Raises ValueError for n < 2, nothing to beat, or no spread at all.
    """
    _share("alpha", alpha)
    if n < 2 or not theirs or std < 0:
        raise ValueError("must_reach wants at least two seeds, a spread that is not negative, and a mean to beat")
    from scipy import stats

    ours = std**2 / n
    spread = known if known is not None else (sample_std(theirs) or 0.0)
    other = spread**2 / len(theirs) if len(theirs) > 1 else 0.0
    if ours + other <= 0:
        raise ValueError("no test is defined where nothing varies")
    df = n - 1 if len(theirs) == 1 else freedom(ours, n, other, len(theirs))
    return mean(theirs) - margin - float(stats.t.ppf(1 - alpha, df)) * math.sqrt(ours + other)


def nats_to_bpb(nats: float, tokens_per_byte: float) -> float:
    """Nats per token as bits per byte of the text; with `tokens_per_byte` 1, nats per byte as bits per byte."""
    return nats * _ratio(tokens_per_byte) / math.log(2)


def bpb_to_nats(bpb: float, tokens_per_byte: float) -> float:
    """Bits per byte of the text as nats per token."""
    return bpb * math.log(2) / _ratio(tokens_per_byte)


def _ratio(tokens_per_byte: float) -> float:
    if not (tokens_per_byte > 0 and math.isfinite(tokens_per_byte)):
        raise ValueError(f"tokens per byte must be a positive number, not {tokens_per_byte}")
    return tokens_per_byte


def _share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, not be {value}")
