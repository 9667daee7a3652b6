"""The coder: what was encoded comes back, from the file alone, at the bits that were claimed; leaks and damage do not
pass.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("constriction")

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator import codec
from evaluator.codec import CodecError, code, decode, encode, quantise

ROOT = Path(__file__).parents[2]


class Adaptive:
    """Counts of each stream's tokens, started by a fixed random prior: a predictor without torch."""

    def __init__(self, streams: int, vocab: int, seed: int = 0, sharp: float = 1.0) -> None:
        generator = np.random.default_rng(seed)
        self.counts = np.exp(generator.normal(size=(streams, vocab)) * sharp)

    def logp(self) -> np.ndarray:
        return np.log(self.counts / self.counts.sum(1, keepdims=True))

    def observe(self, tokens: np.ndarray) -> None:
        self.counts[np.arange(len(tokens)), tokens] += 1


class Rows:
    """The same rows, always."""

    def __init__(self, rows: object) -> None:
        self.rows = np.array(rows, dtype=np.float64)

    def logp(self) -> np.ndarray:
        return self.rows

    def observe(self, tokens: np.ndarray) -> None:
        pass


shapes = st.tuples(st.integers(1, 5), st.integers(0, 40), st.integers(2, 30))


@settings(max_examples=80, deadline=None)
@given(shapes, st.integers(0, 2**31), st.sampled_from([0.1, 1.0, 10.0, 60.0]), st.booleans())
def test_what_goes_in_comes_out(shape: tuple[int, int, int], seed: int, sharp: float, likely: bool) -> None:
    streams, steps, vocab = shape
    tokens = np.random.default_rng(seed).integers(0, vocab, (streams, steps))
    if likely:
        tokens[:] = Adaptive(streams, vocab, seed, sharp).counts.argmax(1)[:, None]
    coded = code(Adaptive(streams, vocab, seed, sharp), tokens, b"plan")
    back = decode(Adaptive(streams, vocab, seed, sharp), coded.data, steps, b"plan")
    assert steps == 0 or np.array_equal(back, tokens)
    assert coded.payload_bits <= coded.quantised_bits + 8 + 1e-3  # the whole flush


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**31), st.sampled_from([0.0, 0.5, 5.0, 40.0]))
def test_rounded_symbols_sum_exactly(vocab: int, seed: int, sharp: float) -> None:
    logp = Adaptive(3, vocab, seed, sharp).logp()
    p = np.exp(logp)
    units = quantise(p)
    assert units.shape == (3, vocab + 1)
    assert units.min() >= 0
    assert (units.sum(1) == 1 << 24).all()
    own = units[:, :-1] > 0
    assert ((units[:, -1] > 0) == ~own.all(1)).all()
    cost = (p[own] * (logp[own] / math.log(2) - np.log2(units[:, :-1][own] / 2**24))).sum()
    assert cost < 3e-4  # bits for three tokens, Kullback and Leibler's


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 90), st.integers(0, 2**31), st.sampled_from([1.0, 10.0, 100.0]))
def test_every_token_has_a_code_of_its_own_length(vocab: int, seed: int, sharp: float) -> None:
    """Along the symbols that lead to a token, their shares multiply to its probability, however small."""
    logp = Adaptive(1, vocab, seed, sharp).logp()[0]
    p = np.exp(logp)
    for token in range(vocab):
        spent: list[float] = []

        def pick(own: np.ndarray, units: np.ndarray, token: int = token, spent: list[float] = spent) -> int:
            symbol = own.tolist().index(token) if token in own else len(own)
            spent.append(24 - math.log2(units[symbol]))
            return symbol

        assert codec._walk(p, quantise(p[None])[0], pick) == token
        rest_rounded_up = max(spent, default=0) > 16  # all rare ones together may be rarer than the one unit they get
        assert sum(spent) == pytest.approx(-logp[token] / math.log(2), rel=2e-3, abs=5e-3) or rest_rounded_up


def test_impossible_tokens_can_be_sent() -> None:
    assert sorted(quantise(np.array([[0.5, 0.5, 0.0]]))[0].tolist()) == [0, 1, 2**23 - 1, 2**23]
    tokens = np.array([[0, 2, 1, 2]])
    with np.errstate(divide="ignore"):
        rows = np.log([[0.5, 0.5, 0.0, 0.0]])
    coded = code(Rows(rows), tokens)
    assert coded.claimed_bits == math.inf
    assert decode(Rows(rows), coded.data, 4).tolist() == tokens.tolist()


def test_the_library_holds_exactly_our_units() -> None:
    """The interval of one symbol is its units' share of the coder's whole range: no second rounding is hidden."""
    from constriction import stream

    units = quantise(np.exp(Adaptive(1, 300, 3, 3.0).logp()))[0]
    units = units[units > 0]
    for symbol in range(len(units)):
        coder = stream.queue.RangeEncoder()
        coder.encode(symbol, codec._model(stream, units))
        words, (low, width) = coder.pos()
        unit = (2**64 - 1) >> 24
        assert width == (unit * int(units[symbol])) << (32 * words)
        if not words:
            assert low == unit * int(units[:symbol].sum())


def test_bits_are_as_claimed() -> None:
    tokens = np.random.default_rng(0).integers(0, 50, (64, 300)) ** 2 // 50
    coded = code(Adaptive(64, 50), tokens)
    assert abs(coded.excess) < 1e-4
    assert "64" in coded.text() or str(coded.tokens) in coded.text()
    assert coded.payload_bits == 8 * (len(coded.data) - codec._HEADER.size)


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([[math.log(0.5), math.log(0.6)]], "sum to 1.1"),
        ([[math.nan, 0.0]], "sum to nan"),
        ([[-math.inf, -math.inf]], "sum to 0"),
        ([[800.0, 0.0]], "sum to inf"),
        ([[0.0]], "of shape"),
        ([0.0, 0.0], "of shape"),
    ],
)
def test_what_is_no_distribution_has_no_code(rows: object, match: str) -> None:
    with pytest.raises(CodecError, match=match):
        encode(Rows(rows), np.zeros((1, 2), np.int64))


@pytest.mark.parametrize(
    ("tokens", "match"),
    [
        (np.array([[0, 5]]), "outside of the predictor's vocabulary"),
        (np.array([[0, -1]]), "outside of the predictor's vocabulary"),
        (np.array([[0.0]]), "whole numbers"),
        (np.array([0, 1]), "whole numbers"),
        (np.array([[0], [1]]), "2 streams"),
    ],
)
def test_bad_tokens_are_named(tokens: np.ndarray, match: str) -> None:
    with pytest.raises(CodecError, match=match):
        encode(Adaptive(1, 5), tokens)


def test_damage_is_told() -> None:
    tokens = np.arange(60).reshape(3, 20) % 7
    data = encode(Adaptive(3, 7), tokens, b"plan")
    for bad, match in (
        (b"", "not a coded file"),
        (data[:100], "not a coded file"),
        (b"X" + data[1:], "not a coded file"),
        (data[:8] + b"\x09" + data[9:], "version 9"),
        (data[:-1], "damaged"),
        (data + b"\0", "damaged"),
        (data[:-3] + bytes([data[-3] ^ 1]) + data[-2:], "damaged"),
    ):
        with pytest.raises(CodecError, match=match):
            decode(Adaptive(3, 7), bad, 20, b"plan")
    with pytest.raises(CodecError, match="another plan"):
        decode(Adaptive(3, 7), data, 20, b"other plan")
    with pytest.raises(CodecError, match="20 steps, and 21"):
        decode(Adaptive(3, 7), data, 21, b"plan")
    with pytest.raises(CodecError, match="3 streams over 7"):
        decode(Adaptive(4, 7), data, 20, b"plan")
    with pytest.raises(CodecError, match="other tokens than were encoded"):
        decode(Adaptive(3, 7, seed=1), data, 20, b"plan")


@pytest.mark.parametrize("field", [(12, 4), (16, 8), (24, 4), (124, 8)])
def test_sizes_in_the_file_are_not_believed(field: tuple[int, int]) -> None:
    """Streams, steps, vocabulary and length, each set to the most that its field holds: an error, and nothing
    allocated.
    """
    data = encode(Adaptive(3, 7), np.zeros((3, 20), np.int64))
    at, size = field
    with pytest.raises(CodecError):
        decode(Adaptive(3, 7), data[:at] + b"\xff" * size + data[at + size :], 20)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 131))
def test_any_bytes_give_tokens_or_a_clear_error(noise: bytes, at: int) -> None:
    data = encode(Adaptive(2, 5), np.ones((2, 6), np.int64))
    for bad in (noise, data[:at] + noise + data[at + len(noise) :]):
        try:
            back = decode(Adaptive(2, 5), bad, 6)
        except CodecError:
            continue
        assert (back == 1).all()


def test_the_library_may_find_noise_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    """A payload of ones with a checksum to match: whatever the library says of it becomes our one error."""
    data = encode(Adaptive(2, 5), np.ones((2, 40), np.int64))
    for noise in (b"\xff" * 60, bytes(60), bytes(range(60))):
        head = bytearray(data[: codec._HEADER.size])
        head[-40:-8], head[-8:] = codec._sha(noise), len(noise).to_bytes(8, "little")
        with pytest.raises(CodecError, match="other tokens than were encoded"):
            decode(Adaptive(2, 5), bytes(head) + noise, 40)


def test_reading_the_module_needs_no_torch() -> None:
    check = "import sys, evaluator.codec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


# ---- the whole: network, n-grams, Hedge and adaptation, decoded by another process


def fresh(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.evaluator.toy", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_fresh_process_decodes_without_the_tokens(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.evaluator.toy import PLAN, ToyPredictor, text_tokens

    tokens = text_tokens(240)
    coded = code(ToyPredictor(), tokens, PLAN)
    (tmp_path / "text.bin").write_bytes(coded.data)
    assert abs(coded.excess) < 1e-4, coded.text()
    assert abs(coded.quantised_bits / coded.claimed_bits - 1) < 2e-5, coded.text()
    assert coded.claimed_bits / tokens.size < 4  # of 6.6 for 96 characters
    found = fresh(str(tmp_path / "text.bin"), "240")
    assert found.returncode == 0, found.stderr
    assert np.array_equal(json.loads(found.stdout), tokens)


def test_a_planted_leak_does_not_decode(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.evaluator.toy import PLAN, Peeking, ToyPredictor, text_tokens

    tokens = text_tokens(20)
    honest, leaky = code(ToyPredictor(), tokens, PLAN), code(Peeking(ToyPredictor(), tokens), tokens, PLAN)
    assert leaky.claimed_bits < honest.claimed_bits / 3  # the leak pays, while nobody decodes
    (tmp_path / "leak.bin").write_bytes(leaky.data)
    found = fresh(str(tmp_path / "leak.bin"), "20", "--peek")
    assert found.returncode == 1
    assert "used something that the decoder does not have" in found.stderr
    with pytest.raises(CodecError, match="used something that the decoder does not have"):
        decode(ToyPredictor(), leaky.data, 20, PLAN)
