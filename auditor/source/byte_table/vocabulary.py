"""A made-up SentencePiece vocabulary, pairs of its tokens, and the right number of bytes of each.

The accounting is the challenge's: a byte-fallback token is one byte; control, unknown and unused ones are
none; every other token is the UTF-8 length of its piece without the marker of a leading space, and one more
for that space unless the token before it is control, unknown or unused.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum

MARK = "\u2581"


class Kind(StrEnum):
    """What SentencePiece says of a token."""

    NORMAL = "normal"
    BYTE = "byte"
    CONTROL = "control"
    UNKNOWN = "unknown"
    UNUSED = "unused"


class Case(StrEnum):
    """A situation in which accountings differ: what the token is, and what stands before it."""

    PLAIN = "plain"  # no space in front, ASCII
    SPACED = "spaced"  # a space in front, after text
    LONE = "lone"  # a space and nothing else, after text
    ACCENTED = "accented"  # letters of two or three bytes
    FALLBACK = "fallback"  # a byte token
    START = "start"  # the control token between documents
    FIRST = "first"  # a space in front, at the start of a document
    RARE = "rare"  # unknown, unused and padding, as the token or before it: they stand in no real text


# How often each situation stands in the validation text under the challenge's 1,024 vocabulary (counted over its first
# 1,040,297 tokens), and the bytes of a token there. `FIRST` does not occur: its documents begin without a space.
SHARES = {
    Case.PLAIN: 0.5906,
    Case.SPACED: 0.3869,
    Case.LONE: 0.0125,
    Case.ACCENTED: 0.0060,
    Case.FALLBACK: 0.0032,
    Case.START: 0.0009,
    Case.FIRST: 0.0,
    Case.RARE: 0.0,
}
BYTES_PER_TOKEN = 2.408


@dataclass(frozen=True, slots=True)
class Pair:
    """A token, the one before it, and the bytes it stands for there."""

    previous: int
    target: int
    bytes: int
    case: Case


PIECES: tuple[tuple[str, Kind], ...] = (
    ("<pad>", Kind.CONTROL),
    ("<s>", Kind.CONTROL),
    ("</s>", Kind.CONTROL),
    ("<unk>", Kind.UNKNOWN),
    *((f"<0x{b:02X}>", Kind.BYTE) for b in (0x0A, 0x41, 0x7F, 0x80, 0xC3, 0xE2)),
    (MARK, Kind.NORMAL),
    (MARK + "the", Kind.NORMAL),
    (MARK + "a", Kind.NORMAL),
    (MARK + "river", Kind.NORMAL),
    (MARK + "na\u00efve", Kind.NORMAL),
    ("the", Kind.NORMAL),
    ("ing", Kind.NORMAL),
    ("s", Kind.NORMAL),
    (".", Kind.NORMAL),
    ("\u00e9", Kind.NORMAL),
    ("\u2019s", Kind.NORMAL),
    ("<spare>", Kind.UNUSED),
)
SIZE = len(PIECES)
IDS = {piece: i for i, (piece, _) in enumerate(PIECES)}


def count(previous: int, target: int) -> int:
    """The bytes of `target` after `previous`."""
    piece, kind = PIECES[target]
    if kind is Kind.BYTE:
        return 1
    if kind is not Kind.NORMAL:
        return 0
    after_text = PIECES[previous][1] in (Kind.NORMAL, Kind.BYTE)
    return len(piece.removeprefix(MARK).encode()) + (piece.startswith(MARK) and after_text)


@functools.lru_cache(maxsize=1)
def pairs() -> tuple[Pair, ...]:
    """At least two pairs of every situation; the token before never decides more than the situation does."""
    the, s, dot, start = IDS["the"], IDS["s"], IDS["."], IDS["<s>"]
    byte, pad, unknown, spare = IDS["<0xE2>"], IDS["<pad>"], IDS["<unk>"], IDS["<spare>"]
    spaced = [IDS[MARK + w] for w in ("the", "a", "river")]
    table = {
        Case.PLAIN: [(spaced[2], s), (spaced[0], dot), (s, the), (start, the), (byte, IDS["ing"]), (the, IDS["ing"])],
        Case.SPACED: [(the, spaced[0]), (dot, spaced[1]), (spaced[0], spaced[2]), (byte, spaced[0])],
        Case.LONE: [(the, IDS[MARK]), (byte, IDS[MARK])],
        Case.ACCENTED: [(the, IDS["\u00e9"]), (s, IDS["\u2019s"]), (the, IDS[MARK + "na\u00efve"])],
        Case.FALLBACK: [(the, IDS[f"<0x{b:02X}>"]) for b in (0x0A, 0x41, 0x80, 0xC3, 0xE2)],
        Case.START: [(dot, start), (s, start)],
        Case.FIRST: [(start, spaced[0]), (start, IDS[MARK])],
        Case.RARE: [(the, i) for i in (pad, unknown, spare)] + [(i, spaced[0]) for i in (unknown, spare)],
    }
    return tuple(Pair(p, t, count(p, t), case) for case, rows in table.items() for p, t in rows)
