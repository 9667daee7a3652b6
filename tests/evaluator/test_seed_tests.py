"""Tests of one value against several, intervals and thresholds, against scipy and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evaluator import statistics as s

OURS, THEIRS = (1.0611, 1.0609, 1.0613), (1.0633, 1.0634, 1.0636)


def test_welch_is_scipys() -> None:
    assert s.welch(OURS, THEIRS) == pytest.approx(stats.ttest_ind(OURS, THEIRS, equal_var=False).pvalue)
    assert s.welch([1.0, 1.0], [2.0, 2.0]) is None
    assert s.welch([1.0], THEIRS) is None


def test_intervals_are_scipys() -> None:
    low, high = stats.t.interval(0.9, 2, loc=np.mean(OURS), scale=stats.sem(OURS))
    assert s.interval(OURS, 0.9) == pytest.approx((low, high))
    both = stats.ttest_ind(OURS, THEIRS, equal_var=False).confidence_interval(0.99)
    assert s.welch_interval(OURS, THEIRS, 0.99) == pytest.approx((both.low, both.high))
    assert s.interval([1.0]) is None
    assert s.welch_interval([1.0], THEIRS) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        s.interval(OURS, 1.0)


def test_a_further_draw_is_found_odd_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    draws = random.normal(1.06, 0.0005, (4000, 4))
    odd = [s.prediction_p(float(row[3]), row[:3].tolist()) for row in draws]
    share = np.mean([p is not None and p < 0.05 for p in odd])
    assert share == pytest.approx(0.05, abs=0.012)
    assert s.prediction_p(1.0, [1.0, 1.0]) is None


def test_two_single_draws_are_found_apart_as_often_as_it_says() -> None:
    random = np.random.default_rng(6)
    draws = random.normal(0, 1, (4000, 5))
    p = [s.single_p(float(r[3] - r[4]), float(np.std(r[:3], ddof=1)), 3) for r in draws]
    assert np.mean([x is not None and x < 0.05 for x in p]) == pytest.approx(0.05, abs=0.012)
    assert s.single_p(0.1, 0.0, 3) is None
    assert s.single_p(0.1, 1.0, 1) is None


@pytest.mark.parametrize("theirs", [(1.0810,), (1.0808, 1.0810, 1.0815)])
def test_the_mean_that_must_be_reached_is_the_edge_of_the_test(theirs: tuple[float, ...]) -> None:
    std, margin = 0.0005, 0.0025
    edge = s.must_reach(theirs, 3, std, margin, alpha=0.01)
    shape = np.array([-1.0, 0.0, 1.0]) * std  # three values whose sample deviation is std
    p = [s.welch_less((edge + shift + shape).tolist(), theirs, margin) for shift in (-1e-7, 0.0, 1e-7)]
    assert p[1] == pytest.approx(0.01, rel=1e-5)
    assert p[0] is not None
    assert p[2] is not None
    assert p[0] < 0.01 < p[2]


def test_a_mean_and_a_known_spread_stand_for_their_values() -> None:
    spread = s.sample_std(THEIRS)
    assert s.must_reach([s.mean(THEIRS)] * 3, 3, 0.0005, known=spread) == pytest.approx(s.must_reach(THEIRS, 3, 0.0005))


@pytest.mark.parametrize("call", [([], 3, 0.1), ([1.0], 1, 0.1), ([1.0], 3, -0.1), ([1.0], 3, 0.0)])
def test_no_threshold_without_a_test(call: tuple[list[float], int, float]) -> None:
    with pytest.raises(ValueError, match=r"must_reach|nothing varies"):
        s.must_reach(*call)


def test_nats_and_bits() -> None:
    # 0.005 nats per token at 0.4137 tokens per byte, by hand.
    assert s.nats_to_bpb(0.005, 0.4137) == pytest.approx(0.005 * 0.4137 / 0.6931471805599453)
    assert s.bpb_to_nats(s.nats_to_bpb(1.7, 0.41), 0.41) == pytest.approx(1.7)
    assert s.nats_to_bpb(math.log(2), 1.0) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="tokens per byte"):
        s.nats_to_bpb(1.0, 0.0)
