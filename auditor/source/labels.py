"""Where a value comes from, as a set of marks that travels with it.

A set of marks is one Python integer, a bit for each mark, so that joining the marks of two values is
one `|`. What a bit stands for is kept in a `Marks` table, one for each program that is followed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from rules.events import Split
from rules.place import Location

if TYPE_CHECKING:
    from auditor.source.values import Holder


class Mark(IntEnum):
    READ = 0  # tokens of a shard
    TURN = 1  # chosen by one turn of a loop
    UPDATE = 2  # depends on state that an update changed
    SCORE = 3  # made of the loss of scored tokens
    PARAMETER = 4  # depends on trainable parameters, as far as gradients go
    LOOKUP = 5  # read from a table under a key made of tokens
    GENERATED = 6  # sampled from a model
    CLOCK = 7  # depends on the time of day
    SIDECAR = 8  # bytes per token, from a file beside the tokens
    TEXT_BYTES = 9  # lengths of tokens in bytes
    NETWORK = 10
    ENVIRONMENT = 11  # a setting that nobody knows
    ACTIVATION = 12  # inside a model, at some positions
    RANDOM = 13  # drawn at random
    BOUNDARY = 14  # where tokens equal a fixed one, e.g. the start of a document
    STORED = 15  # validation tokens that came back out of the artifact
    WEIGHTS = 16  # packed together with parameters
    GRADIENT = 17
    ARGUMENT = 18  # stands for the marks of an argument while a part of a model is summarised
    LEAK = 19  # knows more than a prediction may, see `sights/predictions.py`
    STATE = 20  # has seen a window up to its end, see `sights/states.py`
    PIECE = 21  # a part of a window
    RANK = 22  # which of several processes this is
    FUNCTION = 23  # made by a `torch.autograd.Function`, whose `backward` runs when a gradient is taken
    JUDGED = 24  # tells how large a loss is, see `sights/losses.py`
    DRAWN = 25  # a place that was drawn at random, or an order
    ANSWER = 26  # whether tokens are those that were guessed, see `sights/answers.py`
    SOUGHT = 27  # found by comparing runs of tokens as a whole


@dataclass(frozen=True)
class Read:
    """Tokens as read: the split, the turns that chose them, and a range.

    `base` numbers the symbol that the range is counted from: 0 is the start of the split, other
    numbers are values that are not known. `start` and `stop` count from there, None = not known.
    """

    split: Split
    at: Location
    turns: frozenset[tuple[int, int]] = frozenset()
    base: int = 0
    start: int | None = None
    stop: int | None = None
    parts: frozenset[str] = frozenset()
    sidecar: bool = False


@dataclass(frozen=True)
class Lookup:
    """A table read under a key. `key` holds the marks of the key; `hashed` when several tokens were mixed into one number.

    `whole` when all tokens of the key make up one key, as in a dict, and no key for each. `row` holds the marks of the key
    under which the table itself was found, in a table of tables.
    """

    table: int
    key: int
    hashed: bool
    at: Location
    generic: bool = False  # one entry for every token of the vocabulary was read
    guards: tuple[str, ...] = ()  # undecided conditions around the read
    whole: bool = False
    row: int = 0


@dataclass
class Marks:
    """The table of bits of one walk."""

    of: list[tuple[Mark, object]] = field(default_factory=list)
    mask: list[int] = field(default_factory=lambda: [0] * len(Mark))
    bit: dict[tuple[Mark, object], int] = field(default_factory=dict)
    loop_mask: dict[int, int] = field(default_factory=dict)

    def make(self, kind: Mark, what: object) -> int:
        """The bit for `what`, made when it is new."""
        key = (kind, what)
        found = self.bit.get(key)
        if found is not None:
            return found
        bit = 1 << len(self.of)
        self.of.append(key)
        self.bit[key] = bit
        self.mask[kind] |= bit
        if kind is Mark.TURN:
            loop = what[0]  # type: ignore[index]
            self.loop_mask[loop] = self.loop_mask.get(loop, 0) | bit
        return bit

    def only(self, marks: int, kind: Mark) -> int:
        return marks & self.mask[kind]

    def each(self, marks: int, kind: Mark) -> list[Any]:
        """What the marks of one kind stand for, in the order in which they were made."""
        marks &= self.mask[kind]
        out: list[Any] = []
        while marks:
            low = marks & -marks
            out.append(self.of[low.bit_length() - 1][1])
            marks ^= low
        return out

    def reads(self, marks: int) -> list[Read]:
        return self.each(marks, Mark.READ)

    def lookups(self, marks: int) -> list[Lookup]:
        return self.each(marks, Mark.LOOKUP)

    def holders(self, marks: int) -> list[Holder]:
        return self.each(marks, Mark.PARAMETER)

    def numbers(self, marks: int, kind: Mark) -> list[int]:
        return self.each(marks, kind)

    def turns(self, marks: int) -> frozenset[tuple[int, int]]:
        return frozenset(self.each(marks, Mark.TURN))
