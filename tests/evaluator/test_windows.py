from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.windows import windows


@given(st.integers(2, 400), st.integers(1, 64), st.integers(1, 64), st.integers(1, 50))
def test_every_position_is_scored_once_and_with_what_context_there_is(
    n: int, sequence: int, stride: int, chunk: int
) -> None:
    stride = min(stride, sequence)
    at, least = 1, sequence - stride + 1
    for first in range(1, n, chunk):
        for w in windows(first, min(first + chunk, n), sequence, stride):
            assert w.end - w.scored == at
            assert w.start >= 0
            assert 1 <= w.scored <= w.length <= sequence
            context = at - w.start  # tokens before the first position that is scored
            assert context >= min(at, least)
            at = w.end
    assert at == n


def test_a_long_stream_has_one_full_window_and_then_strides() -> None:
    found = list(windows(1, 2 * 8 + 6, 8, 4))
    assert [(w.start, w.length, w.scored) for w in found] == [(0, 8, 8), (4, 8, 4), (8, 8, 4), (12, 8, 4), (13, 8, 1)]


@pytest.mark.parametrize("stride", [0, 9, -1])
def test_a_stride_that_leaves_gaps_is_refused(stride: int) -> None:
    with pytest.raises(ValueError, match="between 1 and the sequence length 8"):
        list(windows(1, 100, 8, stride))


def test_the_first_token_has_nothing_before_it() -> None:
    with pytest.raises(ValueError, match="position 0"):
        list(windows(0, 10, 8, 4))
