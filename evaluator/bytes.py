"""Exact UTF-8 byte accounting: how many bytes of text each token of a stream stands for.

Bits per byte divides by the bytes of the text, so a wrong table is a wrong score. The rule of the challenge
(its README, criterion 2, and #1017 section V): a byte-fallback token is 1 byte; control, unknown and unused tokens are 0 and
end a stretch of text; any other piece is the UTF-8 length of what it writes, where "▁" writes one space, except that a "▁" at
the beginning of a stretch writes nothing if the model's decoder drops it there.

The bytes of a token depend on itself and on the token before it, never on where a window begins: sums over windows that
cut the stream in any way are the same, as long as each window is told the token before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Ids = npt.NDArray[Any]

SPACE = "▁"  # how SentencePiece writes a space inside a piece
MAX_MODEL = 64_000_000  # bytes of a tokenizer model; the challenge's are under 400 kB
CHUNK = 1 << 20  # tokens counted at a time


class BytesError(ValueError):
    """The bytes of a stream cannot be counted: one sentence with the file and what to do."""


class Luts(NamedTuple):
    """Lookup tables over the vocabulary, for `torch.from_numpy`.

    The bytes of token t behind token p are `base_bytes[t] + (has_leading_space[t] & ~is_boundary[p])`.
    """

    base_bytes: Int64  # (V,)
    has_leading_space: Bool  # (V,)
    is_boundary: Bool  # (V,)


@dataclass(frozen=True)
class ByteTable:
    """What each token of a vocabulary of V ids adds to the text.

    `base_bytes` (V,) int64 is without the space that may be dropped, `has_leading_space` (V,) bool marks tokens that begin
    with such a space, `is_boundary` (V,) bool marks tokens behind which it is dropped. `operators` are the ids of
    private-use characters in the vocabulary, by which a transformed text shows that it is one.
    """

    base_bytes: Int64
    has_leading_space: Bool
    is_boundary: Bool
    unknown: int | None = None
    operators: tuple[int, ...] = ()
    name: str = "table"
    processor: Any = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.base_bytes)

    def of(self, tokens: Ids, previous: int | Ids | None) -> Int64:
        """Bytes that each token adds to the text, int64, of the shape of `tokens`.

        `previous` is the id before the first token of a one-dimensional stream, None at the very beginning of the stream, or
        an array of the shape of `tokens` with the id before each. Raises BytesError for an id beyond the vocabulary.
        """
        ids = self._checked(tokens)
        if isinstance(previous, np.ndarray):
            before = self.is_boundary[self._checked(previous)]
            if before.shape != ids.shape:
                raise BytesError(
                    f"{self.name}: {before.shape} previous tokens for {ids.shape} tokens; give one for each"
                )
        else:
            if ids.ndim != 1:
                raise BytesError(
                    f"{self.name}: tokens of shape {ids.shape} need an array of previous tokens, one for each"
                )
            before = np.empty(ids.shape, dtype=np.bool_)
            before[:1] = previous is None or self.is_boundary[self._checked(np.asarray([previous]))[0]]
            before[1:] = self.is_boundary[ids[:-1]]
        return self.base_bytes[ids] + (self.has_leading_space[ids] & ~before)

    def total(self, tokens: Any, previous: int | None = None) -> int:
        """Bytes of a whole stream (an array of shape (N,) or `shards.Tokens`), in chunks so that N may be large."""
        total = 0
        for start in range(0, len(tokens), CHUNK):
            part = np.asarray(tokens[start : start + CHUNK])
            total += int(self.of(part, previous).sum())
            previous = int(part[-1])
        return total

    def luts(self, vocabulary: int | None = None) -> Luts:
        """The tables as arrays; padded with 0-byte boundary rows for a model whose vocabulary is larger."""
        more = (vocabulary or len(self)) - len(self)
        if more < 0:
            raise BytesError(
                f"{self.name}: {len(self)} ids do not fit a vocabulary of {vocabulary}; use the model's own tokenizer"
            )
        return Luts(
            np.pad(self.base_bytes, (0, more)),
            np.pad(self.has_leading_space, (0, more)),
            np.pad(self.is_boundary, (0, more), constant_values=True),
        )

    def _checked(self, tokens: Ids) -> Ids:
        ids = np.asarray(tokens)
        if ids.dtype.kind not in "iu":
            raise BytesError(f"{self.name}: token ids of type {ids.dtype}; give integers")
        if ids.size and (int(ids.max()) >= len(self) or int(ids.min()) < 0):
            bad = int(ids.max()) if int(ids.max()) >= len(self) else int(ids.min())
            raise BytesError(
                f"{self.name}: id {bad} is beyond its vocabulary of {len(self)}; use the tokenizer of the shards"
            )
        return ids


def raw_bytes(vocabulary: int = 260, first: int = 4, name: str = "raw bytes") -> ByteTable:
    """The table of a vocabulary of single bytes: `first` … `first + 255` are 1 byte, all others are special: 0 bytes.

    The defaults are those of the challenge's byte260 shards (pad, BOS, EOS and unknown come first).
    """
    if not 0 <= first <= vocabulary - 256:
        raise BytesError(f"{name}: 256 bytes from id {first} on do not fit a vocabulary of {vocabulary}")
    ids = np.arange(vocabulary)
    one = (ids >= first) & (ids < first + 256)
    return ByteTable(one.astype(np.int64), np.zeros(vocabulary, dtype=np.bool_), ~one, name=name)


def load(
    model: Path | str,
    *,
    unknown: Literal["zero", "decoded"] = "zero",
    operators: Literal["refuse", "zero", "text"] = "refuse",
) -> ByteTable:
    """The table of a SentencePiece model, checked against what its own decoder writes for every piece.

    An unknown token has lost its text. `unknown="zero"` is the rule of the challenge: it counts 0 and ends a stretch of text,
    which can only make a score worse. `unknown="decoded"` counts what the decoder writes in its place (" ⁇ ", 5 bytes).

    A vocabulary with private-use characters (CaseOps) holds a transformed text, whose original bytes are in a sidecar.
    `operators="refuse"` says so, `"zero"` counts those characters as 0 (the original text but for characters of it that were
    themselves private-use or that the normaliser changed), `"text"` counts the transformed text as it stands.

    Raises BytesError for a file that is no model and for a decoder that no such table can follow.
    """
    import sentencepiece

    path = Path(model)
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MAX_MODEL:
            raise BytesError(f"{path}: no file of at most {MAX_MODEL:,} bytes; give a SentencePiece model")
        proto = path.read_bytes()
    except OSError as e:
        raise BytesError(f"{path}: {e.strerror}; give a SentencePiece model") from None
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
        vocabulary = int(processor.vocab_size()) if proto else 0
    except (RuntimeError, OSError, ValueError):
        raise BytesError(f"{path}: not a SentencePiece model; give the .model file that made the shards") from None
    if not vocabulary:
        raise BytesError(f"{path}: an empty model; give the .model file that made the shards")
    try:
        return of_processor(processor, vocabulary, path.name, unknown=unknown, operators=operators)
    except UnicodeDecodeError:
        raise BytesError(f"{path}: a piece of it is no UTF-8; give the .model file that made the shards") from None


def of_processor(
    processor: Any,
    vocabulary: int,
    name: str,
    *,
    unknown: Literal["zero", "decoded"] = "zero",
    operators: Literal["refuse", "zero", "text"] = "refuse",
) -> ByteTable:
    """The table of a loaded `SentencePieceProcessor`; see `load`."""
    base = np.zeros(vocabulary, dtype=np.int64)
    space = np.zeros(vocabulary, dtype=np.bool_)
    boundary = np.zeros(vocabulary, dtype=np.bool_)
    marks, texts = [], []
    for i in range(vocabulary):
        if processor.is_control(i) or processor.is_unknown(i) or processor.is_unused(i):
            boundary[i] = True
        elif processor.is_byte(i):
            base[i] = 1
        else:
            piece = str(processor.id_to_piece(i))
            space[i] = piece.startswith(SPACE)
            base[i] = len(piece.removeprefix(SPACE).replace(SPACE, " ").encode())
            texts.append(i)
            if len(piece) == 1 and 0xE000 <= ord(piece) <= 0xF8FF:
                marks.append(i)
    if marks and operators == "refuse":
        raise BytesError(
            f"{name}: its vocabulary holds private-use characters, so it encodes a transformed text (CaseOps): the bytes of the "
            "original text are in a sidecar; give the fineweb_val_bytes_*.bin files that belong to the shards"
        )
    drops = _drops_space(processor, texts, space)
    if not drops:  # every space is text, also the first one: nothing to drop behind any token
        base += space
        space = np.zeros(vocabulary, dtype=np.bool_)
    unk = next((i for i in range(vocabulary) if processor.is_unknown(i)), None)
    _check_decoder(processor, texts, base, space, name)
    if operators == "zero":
        base[marks] = 0
    if unk is not None and unknown == "decoded":
        base[unk] = len(processor.decode([unk]).encode())
        boundary[unk] = False
    return ByteTable(base, space, boundary, unk, tuple(marks), name, processor)


def _drops_space(processor: Any, texts: list[int], space: Bool) -> bool:
    """Whether the decoder drops a space at the beginning (it does if the normaliser adds or removes one)."""
    first = next((i for i in texts if space[i] and processor.id_to_piece(i) != SPACE), None)
    if first is None:
        first = next((i for i in texts if space[i]), None)
    return first is not None and not str(processor.decode([first])).startswith(" ")


def _check_decoder(processor: Any, texts: list[int], base: Int64, space: Bool, name: str) -> None:
    """Compare with the decoder, for every piece alone and behind another one."""
    anchor = next((i for i in texts if not space[i] and base[i]), None)
    if anchor is None:
        anchor = next((i for i in texts if base[i]), None)
    if anchor is None:
        return
    alone = processor.decode([[i] for i in texts])
    behind = processor.decode([[anchor, i] for i in texts])
    before = len(processor.decode([anchor]).encode())
    for i, a, b in zip(texts, alone, behind, strict=True):
        if len(a.encode()) != base[i] or len(b.encode()) - before != base[i] + space[i]:
            raise BytesError(
                f"{name}: its decoder writes {a!r} for piece {processor.id_to_piece(i)!r} (id {i}) at the beginning and {b!r} "
                "behind another piece, which no table of bytes by token can follow; count with a sidecar"
            )


class Counted(Protocol):
    """The bytes of a stream of tokens by position."""

    def __len__(self) -> int: ...

    def between(self, start: int, stop: int) -> Int64:
        """Bytes of the tokens at positions start ≤ i < stop, shape (stop - start,)."""
        ...


@dataclass(frozen=True)
class TableBytes:
    """Bytes of a stream counted by a table. `tokens` is anything that slices: an array or `shards.Tokens`."""

    table: ByteTable
    tokens: Any

    def __len__(self) -> int:
        return len(self.tokens)

    def between(self, start: int, stop: int) -> Int64:
        """Bytes of the tokens at start ≤ i < stop, the same whatever else is asked for."""
        _check_span(start, stop, len(self))
        before = int(self.tokens[start - 1 : start][0]) if start else None
        return self.table.of(np.asarray(self.tokens[start:stop]), before)


@dataclass(frozen=True)
class SidecarBytes:
    """Bytes of a stream as a sidecar gives them: one uint16 per token, in the shards' own format.

    `sidecar` and `tokens` slice alike (arrays or `shards.Tokens`). BOS rows must be 0: a document's
    bytes belong to the tokens of its text.
    """

    sidecar: Any
    tokens: Any
    bos: int = 1
    name: str = "sidecar"

    def __post_init__(self) -> None:
        if len(self.sidecar) != len(self.tokens):
            raise BytesError(
                f"{self.name}: {len(self.sidecar):,} rows for {len(self.tokens):,} tokens; give the sidecar of these shards"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    def between(self, start: int, stop: int) -> Int64:
        """Bytes of the tokens at start ≤ i < stop. Raises BytesError where a BOS has bytes."""
        _check_span(start, stop, len(self))
        rows = np.asarray(self.sidecar[start:stop]).astype(np.int64)
        wrong = np.flatnonzero((np.asarray(self.tokens[start:stop]) == self.bos) & (rows != 0))
        if len(wrong):
            raise BytesError(
                f"{self.name}: the BOS at token {start + int(wrong[0]):,} has {rows[wrong[0]]} bytes instead of 0; "
                "make the sidecar again from the text"
            )
        return rows


def _check_span(start: int, stop: int, length: int) -> None:
    if not 0 <= start <= stop <= length:
        raise BytesError(f"tokens {start:,} to {stop:,} are not in a stream of {length:,}")


def total_bytes(counted: Counted, start: int = 0, stop: int | None = None) -> int:
    """The sum over a span of the stream, in chunks."""
    end = len(counted) if stop is None else stop
    return sum(int(counted.between(i, min(i + CHUNK, end)).sum()) for i in range(start, end, CHUNK))
