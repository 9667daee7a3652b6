"""Implied bytes against the validation text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.bytes import BytesError
from evaluator.denominator import CANONICAL_BYTES, CANONICAL_TOLERANCE, OTHER_DENOMINATORS, implied, implied_bytes

TOKENS = 62_021_632


def nats_for(bytes_: float, bpb: float = 1.2, tokens: int = TOKENS) -> float:
    return bpb * bytes_ / tokens * math.log(2)


@given(st.floats(1e3, 1e9), st.floats(0.1, 8), st.integers(1, 10**9))
def test_bytes_come_back_from_their_own_score(bytes_: float, bpb: float, tokens: int) -> None:
    assert implied_bytes(nats_for(bytes_, bpb, tokens), tokens, bpb) == pytest.approx(bytes_)


@pytest.mark.parametrize("bytes_", [151_079_962, 151_074_052, 151_089_753])
def test_the_validation_text_is_recognised(bytes_: float) -> None:
    found = implied(nats_for(bytes_), TOKENS, 1.2)
    assert found.agrees
    assert "agrees" in found.sentence
    assert found.bytes == pytest.approx(bytes_)


@pytest.mark.parametrize(
    ("bytes_", "word"),
    [
        (155_769_746, "17 March"),
        (157_320_000, "byte-fallback"),
        (176_900_000, "twice"),
        (164_600_000, "sidecar"),
        (32_760_000, "10,000"),
        (140_000_000, "an explanation is needed"),
    ],
)
def test_other_denominators_are_named(bytes_: float, word: str) -> None:
    found = implied(nats_for(bytes_), TOKENS, 1.2)
    assert not found.agrees
    assert word in found.sentence


def test_rounding_of_the_printed_numbers_is_allowed_for() -> None:
    nats, bpb = round(nats_for(CANONICAL_BYTES * 1.0005), 3), 1.2
    assert not implied(nats, TOKENS, bpb).agrees
    assert implied(nats, TOKENS, bpb, decimals=3).agrees
    assert implied(nats, TOKENS, bpb, decimals=3).low < implied(nats, TOKENS, bpb).bytes


@pytest.mark.parametrize("numbers", [(0, 5, 1), (1, 0, 1), (1, 5, 0), (math.nan, 5, 1), (1, 5, math.inf)])
def test_numbers_from_which_nothing_follows(numbers: tuple[float, int, float]) -> None:
    with pytest.raises(BytesError, match="positive"):
        implied_bytes(*numbers)


def test_the_law_and_the_instrument_mean_the_same_text() -> None:
    from rules import constants

    assert (CANONICAL_BYTES, CANONICAL_TOLERANCE) == (constants.CANONICAL_BYTES, constants.CANONICAL_TOLERANCE)
    assert OTHER_DENOMINATORS[0][0] == constants.OLD_EXPORT_BYTES
