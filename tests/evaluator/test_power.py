"""Power and numbers of seeds against simulations of the very tests, with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from evaluator.power import power, seeds_needed

ROUNDS = 40_000


def simulated(delta: float, std: float, n: int, alpha: float, other_n: int, other_std: float) -> float:
    random = np.random.default_rng(11)
    ours = random.normal(-delta, std, (ROUNDS, n))
    if other_n == 1:
        p = stats.ttest_1samp(ours, 0.0, axis=1, alternative="less").pvalue
    else:
        theirs = random.normal(0.0, other_std, (ROUNDS, other_n))
        p = stats.ttest_ind(ours, theirs, axis=1, equal_var=False, alternative="less").pvalue
    return float(np.mean(p < alpha))


@pytest.mark.parametrize(
    ("delta", "std", "n", "alpha", "other_n", "other_std"),
    [
        (2.0, 1.0, 3, 0.05, 1, 1.0),
        (1.0, 1.0, 8, 0.01, 1, 1.0),
        (3.0, 1.0, 3, 0.01, 3, 1.0),
        (4.0, 1.0, 3, 0.01, 3, 2.5),
        (1.5, 0.5, 2, 0.05, 5, 1.0),
        (0.0, 1.0, 4, 0.05, 1, 1.0),
    ],
)
def test_power_is_the_share_of_tests_that_find_it(
    delta: float, std: float, n: int, alpha: float, other_n: int, other_std: float
) -> None:
    found = simulated(delta, std, n, alpha, other_n, other_std)
    error = (max(found, 0.001) * (1 - found) / ROUNDS) ** 0.5
    assert power(delta, std, n, alpha, other_n, other_std) == pytest.approx(found, abs=4 * error)


def test_one_sample_power_without_an_effect_is_alpha() -> None:
    assert power(0.0, 0.7, 5, 0.01) == pytest.approx(0.01)


def test_power_grows_with_effect_and_seeds() -> None:
    assert power(0.001, 0.0005, 3) < power(0.002, 0.0005, 3) < power(0.002, 0.0005, 5)
    assert power(0.001, 0.0005, 3, other_n=3) < power(0.001, 0.0005, 3)


@pytest.mark.parametrize("other_n", [1, 4])
def test_seeds_needed_are_the_fewest(other_n: int) -> None:
    n = seeds_needed(0.0015, 0.0005, 0.01, 0.6, other_n)
    assert n is not None
    assert n > 2
    assert power(0.0015, 0.0005, n, 0.01, other_n) >= 0.6 > power(0.0015, 0.0005, n - 1, 0.01, other_n)


def test_two_seeds_are_the_least() -> None:
    assert seeds_needed(100.0, 0.1, 0.01, 0.9) == 2


def test_some_effects_no_number_of_seeds_finds() -> None:
    assert seeds_needed(-0.1, 1.0) is None
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(0.1, 1.0, 0.01, 0.9, other_n=2) is None  # their two seeds leave too much open


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ((1.0, 0.0, 3), "positive"),
        ((1.0, 1.0, 1), "two seeds"),
        ((float("nan"), 1.0, 3), "finite"),
        ((1.0, 1.0, 3, 1.5), "alpha"),
        ((1.0, 1.0, 3, 0.01, 3, -1.0), "positive"),
    ],
)
def test_wrong_calls(call: tuple[float, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        power(*call)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="wanted power"):
        seeds_needed(1.0, 1.0, 0.01, 1.0)
