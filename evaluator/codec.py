"""Arithmetic coding of a scored stream: the proof that a score is what it costs to send the tokens.

A score of b bits claims that somebody with the same model, and nothing but the tokens so far, could rebuild the text
from b bits. `encode` writes those bits and `decode` rebuilds the text from them. A predictor that looks at what it
should predict does well while the encoder runs and cannot be repeated without the tokens: decoding fails.

K streams advance together, one token each a step, through one range coder (constriction's), so that they share one
flush. Every row of probabilities is turned into whole numbers of 1/2^24 in the same way on both sides. Tokens too rare
for that are left to a second symbol, among themselves, and the rarest of those to a third: so the rounding costs next
to nothing at any probability.

Both sides must work out the same float64 rows bit for bit: same program, same device, same number of threads, same
sizes of batches.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

PRECISION = 24  # bits, the coder's own
_SCALE = 1 << PRECISION
_RARE = 2.0**-14  # below that a token waits for the next symbol: the units of all others are at least 1024
MAGIC = b"SF-CODED"
VERSION = 1
MASS_TOLERANCE = 1e-5
_HEADER = struct.Struct("<8sHHIQI32s32s32sQ")  # magic, version, precision, K, T, V, plan, tokens, payload, its length

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class CodecError(ValueError):
    """Data that cannot be decoded, or probabilities that cannot be coded; the message says which and what to do."""


class Predictor(Protocol):
    """What predicts K streams step by step from what was observed alone; both sides need a fresh one."""

    def logp(self) -> Any:
        """Log-probabilities (nats) of the next token of each stream: (K, V) float64, an array or a CPU tensor."""

    def observe(self, tokens: Ints) -> None:
        """The tokens (K,) that came."""


@dataclass(frozen=True)
class Coded:
    """A coded file and its sizes in bits."""

    data: bytes
    tokens: int
    claimed_bits: float  # the sum of -log2 p over all tokens, from the predictor's float64 rows
    quantised_bits: float  # the same after rounding to units
    payload_bits: int  # what the coder wrote, a multiple of 8

    @property
    def excess(self) -> float:
        """How much more the coder wrote than was claimed, relative."""
        return self.payload_bits / self.claimed_bits - 1 if self.claimed_bits else math.inf

    def text(self) -> str:
        """One line for a log."""
        return (
            f"{self.tokens} tokens: claimed {self.claimed_bits:.1f} bits, rounded {self.quantised_bits:.1f}, "
            f"coded {self.payload_bits} "
            f"({100 * self.excess:+.4f} %), and {_HEADER.size} bytes of header"
        )


def probabilities(logp: Any) -> Floats:
    """Rows of log-probabilities (K, V) as probabilities (K, V), divided by their sum.

    Raises CodecError for rows that are not distributions to 1e-5: what is not normalised cannot be coded.
    """
    rows = np.asarray(logp, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[0] < 1 or not 2 <= rows.shape[1] <= 2**20:
        raise CodecError(
            f"the predictor gave log-probabilities of shape {rows.shape}: (streams, vocabulary of 2 to 2^20) is needed"
        )
    with np.errstate(over="ignore"):
        p = np.exp(rows)
    total = p.sum(1, keepdims=True)
    off = np.abs(total - 1)
    if not np.all(off <= MASS_TOLERANCE):  # NaN fails as well
        worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
        raise CodecError(
            f"the predictor's probabilities for stream {worst} sum to {float(total[worst, 0]):.6g} and not to 1: "
            "no code exists"
        )
    return np.asarray(p / total)


def quantise(p: Floats) -> Ints:
    """Symbols for rows of weights `p` (K, n) as whole numbers of 1/2^24: (K, n + 1), each row 2^24 in all.

    A token with a symbol of its own has at least 1; the rare ones have 0 and share the last column, which is 0 if there
    are none. Weights of nothing but zeros count as equal. Deterministic.
    """
    total = p.sum(1, keepdims=True)
    share = np.where(total > 0, p / np.where(total > 0, total, 1), 1 / p.shape[1])
    common = share >= min(_RARE, 1 / (2 * p.shape[1]))  # never none: the largest share is at least 1 / n
    rare = np.where(common, 0, share).sum(1, keepdims=True)
    weights = np.concatenate([np.where(common, share, 0), rare], 1)
    units: Ints = np.floor(weights * (_SCALE / weights.sum(1, keepdims=True))).astype(np.int64)
    units[:, -1] = np.where(common.all(1), 0, np.maximum(units[:, -1], 1))
    units[np.arange(len(units)), units.argmax(1)] += _SCALE - units.sum(1)
    return units


def _walk(p: Floats, units: Ints, pick: Callable[[Ints, Ints], int]) -> int:
    """The token of weights `p` (n,) that `pick` leads to, by the symbols `units` (n + 1,) first.

    `pick` gets the tokens with a symbol of their own and the units of all symbols, and says which one it is. One symbol
    more than tokens is the last; it leads on to symbols for the tokens that had none.
    """
    left = np.arange(len(p))
    while True:
        places = np.flatnonzero(units)
        place = (
            int(places[pick(left[places[places < len(left)]], units[places])]) if len(places) > 1 else int(places[0])
        )
        if place < len(left):
            return int(left[place])
        left = left[units[:-1] == 0]
        units = quantise(p[None, left])[0]


def encode(predictor: Predictor, tokens: Any, plan: bytes = b"") -> bytes:
    """The file of `code` alone."""
    return code(predictor, tokens, plan).data


def code(predictor: Predictor, tokens: Any, plan: bytes = b"") -> Coded:
    """Codes `tokens` (K, T) by a fresh `predictor`.

    `plan` is whatever says how the predictor was made (weights, settings); its SHA-256 goes into the file, and a
    decoder with another plan is told so. Raises CodecError for tokens outside of the vocabulary and for rows that are
    not distributions.
    """
    stream = _library()
    ids = np.asarray(tokens)
    if ids.ndim != 2 or ids.shape[0] < 1 or ids.dtype.kind not in "iu":
        raise CodecError(f"tokens must be whole numbers (streams, steps), not {ids.dtype} {ids.shape}")
    ids = ids.astype(np.int64)
    coder = stream.queue.RangeEncoder()
    claimed = spent = 0.0
    size = 0
    for column in ids.T:
        rows = np.asarray(predictor.logp(), dtype=np.float64)
        p = probabilities(rows)
        size = _same_shape(p, len(ids), size)
        if column.min() < 0 or column.max() >= size:
            raise CodecError(f"a token lies outside of the predictor's vocabulary of {size}")
        claimed -= float(rows[np.arange(len(ids)), column].sum())
        for weights, symbols, token in zip(p, quantise(p), column.tolist(), strict=True):
            taken: list[int] = []

            def put(own: Ints, units: Ints, token: int = token, taken: list[int] = taken) -> int:
                at = int(np.searchsorted(own, token))
                symbol = at if at < len(own) and own[at] == token else len(own)
                coder.encode(symbol, _model(stream, units))
                taken.append(int(units[symbol]))
                return symbol

            _walk(weights, symbols, put)
            spent += sum(PRECISION - math.log2(units) for units in taken)
        predictor.observe(column.copy())
    payload = _shortest(coder)
    head = _HEADER.pack(
        MAGIC, VERSION, PRECISION, *ids.shape, size, _sha(plan), _sha(_plain(ids)), _sha(payload), len(payload)
    )
    return Coded(head + payload, ids.size, claimed / math.log(2), spent, 8 * len(payload))


def decode(predictor: Predictor, data: bytes, steps: int, plan: bytes = b"") -> Ints:
    """The tokens (K, `steps`) that `encode` was given, from the file and a fresh `predictor` alone.

    Nothing is allocated by what the file says of its sizes: K and V are the predictor's, T is `steps`, and the file
    must agree. Raises CodecError if it is damaged, was made to another plan, or decodes to other tokens than were
    encoded.
    """
    stream = _library()
    streams, said_steps, size, token_sum, payload = _opened(data, plan)
    if said_steps != steps:
        raise CodecError(f"the coded file says {said_steps} steps, and {steps} were asked for")
    words = np.frombuffer(payload + bytes(-len(payload) % 4 + 8), dtype=">u4").astype(np.uint32)
    coder = stream.queue.RangeDecoder(words)
    columns: list[Ints] = []

    def take(own: Ints, units: Ints) -> int:
        return int(coder.decode(_model(stream, units)))

    for _ in range(steps):
        p = probabilities(predictor.logp())
        if p.shape != (streams, size):
            raise CodecError(f"the coded file says {streams} streams over {size} tokens, the predictor {p.shape}")
        try:
            column = np.array([_walk(*row, take) for row in zip(p, quantise(p), strict=True)], dtype=np.int64)
        except (AssertionError, ValueError) as error:  # the library's word for bits that no encoder writes
            raise CodecError(_DIFFERENT) from error
        columns.append(column)
        predictor.observe(column.copy())
    tokens = np.stack(columns, 1) if columns else np.zeros((0, 0), np.int64)
    if _sha(_plain(tokens)) != token_sum and steps:
        raise CodecError(_DIFFERENT)
    return tokens


_DIFFERENT = (
    "decoding gave other tokens than were encoded: the predictor used something that the decoder does not have "
    "(the tokens themselves, another machine or number of threads, or state from before)"
)


def _library() -> Any:
    """The range coder's module. Imported late: whoever only reads an error needs none of it."""
    try:
        from constriction import stream  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise CodecError("coding needs the package constriction: install scorefirst[run]") from error
    return stream


def _opened(data: bytes, plan: bytes) -> tuple[int, int, int, bytes, bytes]:
    """(K, T, V, checksum of the tokens, payload) of a file whose every field was checked."""
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise CodecError("not a coded file: it is too short or does not begin with the magic bytes")
    _, version, precision, streams, steps, size, plan_sum, token_sum, payload_sum, length = _HEADER.unpack_from(data)
    if (version, precision) != (VERSION, PRECISION):
        raise CodecError(
            f"the coded file is of version {version} with {precision} bits, this program reads "
            f"{VERSION} with {PRECISION}"
        )
    payload = data[_HEADER.size :]
    if len(payload) != length or _sha(payload) != payload_sum:
        raise CodecError(f"the coded file is damaged: {len(payload)} bytes of {length}, or bytes that were changed")
    if plan_sum != _sha(plan):
        raise CodecError(
            "the coded file was made to another plan: decode with the model and the settings that encoded it"
        )
    return streams, steps, size, token_sum, payload


def _same_shape(p: Floats, streams: int, size: int) -> int:
    if p.shape[0] != streams or (size and p.shape[1] != size):
        raise CodecError(f"{streams} streams over {size or 'some'} tokens, and the predictor's rows are {p.shape}")
    return int(p.shape[1])


def _model(stream: Any, units: Ints) -> Any:
    """The library's model that holds exactly `units`.

    It gives every symbol one unit and shares out the rest by the given weights; weights that sum to just that rest are
    taken as they are, and whole numbers of that size have no rounding.
    """
    return stream.model.Categorical((units - 1).astype(np.float64), lazy=True)


def _shortest(coder: Any) -> bytes:
    """The fewest bytes that decode as what `coder` holds, if zeros follow.

    The library ends with one or two whole words. Its state is an interval [low, low + range) of 64-bit numbers, to
    follow the words before, and any number inside of it will do: one with as many zeros at its end as possible.
    """
    position, state = coder.pos()
    low, width = int(state[0]), int(state[1])
    words = np.asarray(coder.get_compressed(), dtype=np.uint32)
    keep = max(0, int(position) - 1)
    whole = (_big_endian(words[keep:]) + bytes(12))[: 4 * (int(position) - keep + 2)]
    inside = int.from_bytes(whole, "big")  # the words from `keep` to the end of the state: a number of the interval
    start = inside - ((inside - low) & (2**64 - 1))
    for cut in range(8 * len(whole), -1, -8):
        value = -(-start >> cut) << cut
        if 0 <= value < start + width and value < 1 << 8 * len(whole):
            tail = value.to_bytes(len(whole), "big")[: len(whole) - cut // 8]
            return _big_endian(words[:keep]) + tail
    return _big_endian(words)


def _big_endian(words: NDArray[np.uint32]) -> bytes:
    plain: bytes = words.astype(">u4").tobytes()
    return plain


def _plain(tokens: Ints) -> bytes:
    return tokens.astype("<i8").tobytes() if tokens.size else b""


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
