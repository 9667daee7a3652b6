"""Seed statistics against values worked out by hand and by scipy's own functions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.frontier import standing, table
from evaluator import statistics

OURS, THEIRS = (1.0611, 1.0609, 1.0613), (1.0633, 1.0634, 1.0636)


def test_welch_by_hand() -> None:
    # Means 1.0611 and 1.06343..., variances 4e-8 and 2.3333e-8: t = -0.0023333 / sqrt(2.1111e-8).
    p = statistics.welch_less(OURS, THEIRS)
    v1, v2 = 4e-8 / 3, (7e-8 / 3) / 3
    t = (1.0611 - sum(THEIRS) / 3) / math.sqrt(v1 + v2)
    df = (v1 + v2) ** 2 / (v1**2 / 2 + v2**2 / 2)
    from scipy.stats import t as student

    assert p == pytest.approx(student.cdf(t, df), rel=1e-6)
    assert p is not None
    assert p < 1e-4


def test_margin_makes_it_harder() -> None:
    loose, strict = statistics.welch_less(OURS, THEIRS), statistics.welch_less(OURS, THEIRS, 0.0022)
    assert loose is not None
    assert strict is not None
    assert loose < 0.01 < strict


def test_no_test_without_two_seeds_or_spread() -> None:
    assert statistics.welch_less([1.06], THEIRS) is None
    assert statistics.welch_less(OURS, []) is None
    assert statistics.welch_less([1.0, 1.0], [2.0, 2.0]) is None
    assert statistics.welch_less(OURS, [1.0633]) is not None
    assert statistics.sample_std([1.0]) is None
    with pytest.raises(ValueError, match="no values"):
        statistics.mean([])


@given(st.lists(st.floats(0.9, 1.3), min_size=2, max_size=6), st.lists(st.floats(0.9, 1.3), min_size=2, max_size=6))
def test_the_two_directions_add_to_one(a: list[float], b: list[float]) -> None:
    p, q = statistics.welch_less(a, b), statistics.welch_less(b, a)
    if p is not None and q is not None:
        assert p + q == pytest.approx(1.0, abs=1e-6)


def test_the_table_is_a_falling_line() -> None:
    dates = [row.date for row, _ in table()]
    assert dates == sorted(dates)
    for day in ("2026-03-19", "2026-03-24", "2026-04-10", "2026-05-01"):
        now = standing(day, pr=None, listed=False)
        later = standing("2026-05-02", pr=None, listed=False)
        assert now is not None
        assert later is not None
        assert later.val_bpb <= now.val_bpb


def test_listed_lags_behind_submitted_and_nobody_meets_himself() -> None:
    submitted, listed = standing("2026-04-20", pr=None, listed=False), standing("2026-04-20", pr=None, listed=True)
    assert submitted is not None
    assert listed is not None
    assert submitted.val_bpb < listed.val_bpb
    other = standing("2026-04-20", pr=submitted.pr, listed=False)
    assert other is not None
    assert other.pr != submitted.pr
    assert standing("2026-03-17", pr=None, listed=False) is None
