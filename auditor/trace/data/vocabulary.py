"""A SentencePiece model of any size, written byte by byte: no training, no text of anybody's."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import product

import numpy as np

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
BOS = 1
FIRST_BYTE = 4
FIRST_WORD = FIRST_BYTE + 256
FEW = 64  # words: a text of fewer would not tell where its tokens stand
_VOWELS, _CONSONANTS = "aeiou", "tnshrdlcmwfgypbvk"


def pieces(size: int) -> list[tuple[str, int]]:
    """The pieces of a vocabulary and their kinds, in the challenge's order: pad, bos, eos, unk, bytes, merges, letters.

    A vocabulary without room for the alphabet is one of bytes, with as many letters as fit.
    Raises ValueError for a size that has no room for the bytes.
    """
    letters = ["▁", *"etaoinshrdlucmfwypvbgkjqxz", *"ETAOINSHRDLUCMFWYPVBGKJQXZ", *"0123456789.,;:!?'\"-()/&%$#*"]
    out = [("<pad>", CONTROL), ("<s>", CONTROL), ("</s>", CONTROL), ("<unk>", UNKNOWN)]
    out += [(f"<0x{b:02X}>", BYTE) for b in range(256)]
    room = size - len(out) - len(letters)
    if size < FIRST_WORD:
        raise ValueError(f"a vocabulary of {size} has no room for the bytes")
    if room < 0:
        return out + [(c, NORMAL) for c in letters[: size - FIRST_WORD]]
    words = syllables()
    out += [(next(words), NORMAL) for _ in range(room)]
    return out + [(c, NORMAL) for c in letters]


def first_used(size: int) -> int:
    """The lowest id that made-up text has, besides the beginnings of documents: bytes only where there are no words."""
    return FIRST_WORD if size - FIRST_WORD >= FEW else FIRST_BYTE


def syllables() -> Iterator[str]:
    """Short pieces first, every other one with a space in front."""
    for n in range(1, 5):
        for parts in product(product(_CONSONANTS, _VOWELS), repeat=n):
            word = "".join(c + v for c, v in parts)
            yield "▁" + word
            yield word


def model(size: int) -> bytes:
    """The serialised ModelProto of a BPE model with byte fallback (sentencepiece_model.proto)."""
    out = b""
    for i, (text, kind) in enumerate(pieces(size)):
        score = float(-i) if kind == NORMAL else 0.0
        out += _field(1, _field(1, text.encode()) + _number(2, 5) + struct.pack("<f", score) + _varint(3, kind))
    trainer = _varint(3, 2) + _varint(4, size) + _varint(35, 1)
    trainer += _varint(40, 3) + _varint(41, BOS) + _varint(42, 2) + _varint(43, 0)
    normalizer = _field(1, b"identity") + _varint(3, 1) + _varint(4, 0) + _varint(5, 1)
    return out + _field(2, trainer) + _field(3, normalizer)


def byte_lengths(size: int) -> np.ndarray:
    """UTF-8 bytes of each piece, the space in front counted as one; 0 for control pieces. Shape (size,), int64."""
    out = np.zeros(size, dtype=np.int64)
    for i, (text, kind) in enumerate(pieces(size)):
        if kind == BYTE:
            out[i] = 1
        elif kind == NORMAL:
            out[i] = len(text.replace("▁", " ").encode())
    return out


def bytes_at(ids: np.ndarray, size: int) -> np.ndarray:
    """UTF-8 bytes that the token at each place stands for; `ids` and result of shape (N,).

    A space in front is no byte of the text where the token before is a control piece: a document begins there.
    """
    lengths = byte_lengths(size)
    found = list(pieces(size))
    spaced = np.array([text.startswith("▁") for text, _ in found])
    control = np.array([kind in (CONTROL, UNKNOWN) for _, kind in found])
    out: np.ndarray = lengths[ids]
    out[1:] -= spaced[ids[1:]] & control[ids[:-1]]
    return out


def _number(field: int, wire: int) -> bytes:
    return _base128(field << 3 | wire)


def _varint(field: int, value: int) -> bytes:
    return _number(field, 0) + _base128(value)


def _field(field: int, payload: bytes) -> bytes:
    return _number(field, 2) + _base128(len(payload)) + payload


def _base128(n: int) -> bytes:
    out = b""
    while True:
        n, low = n >> 7, n & 0x7F
        out += bytes([low | 0x80 if n else low])
        if not n:
            return out
