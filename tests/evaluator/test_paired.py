"""Comparisons over documents against scipy's paired test and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evaluator.paired import paired_bootstrap, paired_t


def documents(count: int, shift: float, seed: int) -> tuple[list[float], list[float], list[float]]:
    """Nats of two evaluations that share most of what makes documents differ; `shift` in nats per byte."""
    random = np.random.default_rng(seed)
    sizes = random.integers(200, 4000, count).astype(float)
    theirs = sizes * random.normal(0.75, 0.1, count)
    ours = theirs + sizes * random.normal(shift, 0.01, count)
    return ours.tolist(), theirs.tolist(), sizes.tolist()


def test_equal_sizes_give_the_paired_t_test() -> None:
    ours, theirs, _ = documents(40, -0.002, 1)
    found = paired_t(ours, theirs, [1000.0] * 40, 0.9)
    known = stats.ttest_rel(ours, theirs)
    between = known.confidence_interval(0.9)
    per = 1000 * math.log(2)
    assert found.p == pytest.approx(known.pvalue)
    assert found.p_less == pytest.approx(stats.ttest_rel(ours, theirs, alternative="less").pvalue)
    assert (found.low * per, found.high * per) == pytest.approx((between.low, between.high))


def test_the_difference_is_that_of_the_totals() -> None:
    ours, theirs, sizes = documents(30, 0.001, 2)
    total = sum(sizes) * math.log(2)
    for found in (paired_t(ours, theirs, sizes), paired_bootstrap(ours, theirs, sizes, rounds=50)):
        assert found.difference == pytest.approx(sum(ours) / total - sum(theirs) / total)
        assert found.documents == 30


def test_no_difference_is_found_as_often_as_it_says() -> None:
    p = [paired_t(*documents(60, 0.0, seed)).p for seed in range(1500)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.02)


def test_both_ways_agree_on_many_documents() -> None:
    texts = documents(400, -0.0005, 7)
    t, b = paired_t(*texts), paired_bootstrap(*texts, rounds=4000, seed=3)
    assert b.error == pytest.approx(t.error, rel=0.1)
    assert (b.low, b.high) == pytest.approx((t.low, t.high), abs=t.error / 3)
    assert b.p == pytest.approx(t.p, abs=0.05)
    assert paired_bootstrap(*texts, rounds=100, seed=3) == paired_bootstrap(*texts, rounds=100, seed=3)


def test_a_small_common_shift_is_found_where_documents_differ_much() -> None:
    ours, theirs, sizes = documents(300, -0.004, 4)
    assert paired_t(ours, theirs, sizes).p_less < 1e-6
    assert stats.ttest_ind(ours, theirs, equal_var=False).pvalue > 0.05


def test_equal_evaluations() -> None:
    _, theirs, sizes = documents(10, 0.0, 5)
    found = paired_t(theirs, theirs, sizes)
    assert (found.difference, found.error, found.p, found.p_less) == (0.0, 0.0, 1.0, 0.5)
    assert paired_bootstrap(theirs, theirs, sizes, rounds=20).p == 1.0


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (([1.0], [1.0], [1.0]), "two of them"),
        (([1.0, 2.0], [1.0], [1.0, 1.0]), "match"),
        (([1.0, 2.0], [1.0, 2.0], [0.0, 0.0]), "sizes"),
        (([1.0, math.nan], [1.0, 2.0], [1.0, 1.0]), "finite"),
        (([1.0, 2.0], [1.0, 2.0], [1.0, 1.0], 0.0), "level"),
    ],
)
def test_wrong_calls(call: tuple[list[float], ...], why: str) -> None:
    for way in (paired_t, paired_bootstrap):
        with pytest.raises(ValueError, match=why):
            way(*call)  # type: ignore[operator]
