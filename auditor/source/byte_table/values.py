"""Values of the small machine that evaluates byte tables: arrays, the stand-in tokenizer, and what is not known.

An array is one flat list of numbers with a kind; shapes, devices and exact widths do not matter for a
count of bytes. A sum keeps the array it is the sum of, so that the count of each single token stays visible.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from auditor.source.byte_table.vocabulary import IDS, MARK, PIECES, SIZE, Kind
from auditor.unpack.wordset import wordset

MAX_LIST = 4096

Value = Any


class Unknown:
    """A value that cannot be told. `counted` marks one that a byte table went into, `file` one read from a file."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "?"


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Outside:
    """A parameter or setting from outside: a tokenizer where it is asked for pieces, the vocabulary's size where a number is needed."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Ref:
    """Something imported or built in, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A method of a value, not yet called."""

    owner: Value
    name: str


@dataclass(slots=True)
class Array:
    """Numbers of one kind ("b" bool, "i" integer, "f" float). `counted`: a byte table went into it. `total`: they stand for their sum."""

    data: list[Any]
    kind: str = "i"
    counted: bool = False
    total: bool = False

    def cast(self, kind: str) -> Array:
        if kind == "b":
            data: list[Any] = [bool(v) for v in self.data]
        elif kind == "i":
            data = [int(v) for v in self.data]
        else:
            data = [float(v) for v in self.data]
        return Array(data, kind, self.counted, self.total)


@dataclass(slots=True)
class Number:
    """A number that a byte table went into, in code that counts token by token."""

    value: float


@dataclass(frozen=True, slots=True)
class FromFile:
    """What was read from a file of arrays or JSON, or any part of it."""


class Undecided(Exception):
    """The code cannot be followed further here."""


def kind_of(values: list[Any]) -> str:
    if all(isinstance(v, bool) for v in values):
        return "b"
    return "i" if all(isinstance(v, int) for v in values) else "f"


def is_number(value: Value) -> bool:
    return isinstance(value, int | float)


def as_array(value: Value, kind: str = "") -> Value:
    """An array of a list, tuple or array of numbers; anything else is not known."""
    if isinstance(value, Array):
        return (
            value.cast(kind)
            if kind and kind != value.kind
            else Array(list(value.data), value.kind, value.counted, value.total)
        )
    if isinstance(value, range):
        value = list(value[:MAX_LIST])
    if isinstance(value, list | tuple) and all(isinstance(v, Number | int | float) for v in value):
        counted = any(isinstance(v, Number) for v in value)
        data = [v.value if isinstance(v, Number) else v for v in value]
        out = Array(data, kind_of(data), counted)
        return out.cast(kind) if kind else out
    if is_number(value) or isinstance(value, Number):
        return value
    return UNKNOWN


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Eq": operator.eq,
    "NotEq": operator.ne,
}
_LOGIC = {"Lt", "LtE", "Gt", "GtE", "Eq", "NotEq"}


def binary(op: str, a: Value, b: Value) -> Value:
    """a op b for numbers, texts, lists and arrays, element by element."""
    try:
        return _binary(op, a, b)
    except (TypeError, ValueError, ArithmeticError):
        return UNKNOWN


def _binary(op: str, a: Value, b: Value) -> Value:
    function = _BINARY.get(op)
    if function is None:
        return UNKNOWN
    if isinstance(a, Array) or isinstance(b, Array):
        return _elementwise(op, function, a, b)
    counted = isinstance(a, Number) or isinstance(b, Number)
    a = a.value if isinstance(a, Number) else a
    b = b.value if isinstance(b, Number) else b
    if is_number(a) and is_number(b):
        if (op in ("LShift", "RShift") and not 0 <= b <= 64) or max(abs(a), abs(b)) > 2**64:
            return UNKNOWN
        out = function(a, b)
        return Number(out) if counted and op not in _LOGIC else out
    if op in ("Eq", "NotEq"):
        return function(a, b) if _plain(a) and _plain(b) else UNKNOWN
    if isinstance(a, str | bytes | list | tuple) and type(a) is type(b) and op in ("Add", *_LOGIC):
        return function(a, b) if len(a) + len(b) <= MAX_LIST else UNKNOWN
    if op == "Mult":
        if isinstance(b, list | tuple | str | bytes):
            a, b = b, a
        b = SIZE if isinstance(b, Outside) else b
        if isinstance(a, list | tuple | str | bytes) and isinstance(b, int) and len(a) * max(b, 0) <= MAX_LIST:
            return a * b
    return UNKNOWN


def _plain(v: Value) -> bool:
    return isinstance(v, str | bytes | int | float | None)


def _elementwise(op: str, function: Callable[[Any, Any], Any], a: Value, b: Value) -> Value:
    if isinstance(a, list):
        a = as_array(a)
    if isinstance(b, list):
        b = as_array(b)
    counted = any(isinstance(v, Array) and v.counted for v in (a, b))
    total = any(isinstance(v, Array) and v.total for v in (a, b))
    if isinstance(a, Array) and isinstance(b, Array):
        if a.total != b.total or (op not in ("Add", *_LOGIC) and a.counted and b.counted):
            return UNKNOWN
        if len(a.data) != len(b.data):
            if len(a.data) == 1:
                a = Array(a.data * len(b.data), a.kind, a.counted)
            elif len(b.data) == 1:
                b = Array(b.data * len(a.data), b.kind, b.counted)
            else:
                return UNKNOWN
        pairs = zip(a.data, b.data, strict=True)
    else:
        array, other = (a, b) if isinstance(a, Array) else (b, a)
        if isinstance(other, Unknown | Outside) and op == "Mult" and array.counted:
            return array  # a mask of positions: it chooses what is counted, not how
        if isinstance(other, Unknown | Outside) and op == "Add" and array.total:
            return array  # a running total
        if not is_number(other) or (total and op in ("Add", "Sub") and other != 0):
            return UNKNOWN
        pairs = ((v, other) for v in array.data) if array is a else ((other, v) for v in array.data)  # type: ignore[assignment]
    if op in ("BitAnd", "BitOr", "BitXor", "LShift", "RShift"):
        data = [
            function(int(x) if not isinstance(x, bool) else x, int(y) if not isinstance(y, bool) else y)
            for x, y in pairs
        ]
    elif op in _LOGIC:
        return Array([bool(function(x, y)) for x, y in pairs], "b", counted)
    else:
        data = [function(x, y) for x, y in pairs]
        data = [int(v) if isinstance(v, bool) else v for v in data]
    return Array(data, kind_of(data), counted, total)


def invert(value: Value) -> Value:
    """~value: of booleans the contrary, of integers the complement."""
    if isinstance(value, Array):
        if value.kind == "b":
            return Array([not v for v in value.data], "b", value.counted)
        return Array([~int(v) for v in value.data], "i", value.counted) if value.kind == "i" else UNKNOWN
    return ~value if isinstance(value, int) else UNKNOWN


def convert(kind: str, value: Value) -> Value:
    if isinstance(value, Number):
        return Number(int(value.value) if kind == "i" else value.value)
    if isinstance(value, Outside):
        return SIZE
    if isinstance(value, Array):
        return value.cast(kind) if len(value.data) > 1 or value.counted else value.data[0]
    if isinstance(value, str) and kind == "f" and len(value) < 40:
        return float(value)
    if isinstance(value, int | float):
        return {"i": int, "f": float, "b": bool}[kind](value)
    return UNKNOWN


# The stand-in tokenizer. Names in snake case; the older capitalised ones are brought to it.

TOKENIZER = wordset(
    "id_to_piece piece_to_id is_byte is_control is_unknown is_unused vocab_size piece_size get_piece_size unk_id bos_id "
    "eos_id pad_id decode decode_ids get_score"
)
PIECE_METHODS = wordset("id_to_piece is_byte is_control is_unknown is_unused")


def tokenizer_method(name: str) -> str:
    """The method's name in snake case, "" if it is none of a tokenizer's."""
    if name in TOKENIZER:
        return name
    snake = "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
    return snake if name[:1].isupper() and snake in TOKENIZER else ""


def ask_tokenizer(method: str, args: list[Value]) -> Value:
    """What the stand-in tokenizer answers. Raises `Undecided` for what no real one would be asked."""
    if method in ("vocab_size", "piece_size", "get_piece_size"):
        return SIZE
    if method in ("unk_id", "bos_id", "eos_id", "pad_id"):
        return {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}[method]
    if len(args) != 1:
        return UNKNOWN
    given = args[0].value if isinstance(args[0], Number) else args[0]
    if method == "piece_to_id":
        return IDS.get(given, 3) if isinstance(given, str) else UNKNOWN
    if method in ("decode", "decode_ids"):
        return _decode(given)
    if isinstance(given, Array):
        given = given.data
    if isinstance(given, list):
        return [ask_tokenizer(method, [g]) for g in given]
    if not isinstance(given, int) or method == "get_score":
        return UNKNOWN
    if not 0 <= given < SIZE:
        raise Undecided("a token that the vocabulary does not have")
    piece, kind = PIECES[given]
    if method == "id_to_piece":
        return piece
    return kind is Kind(method.removeprefix("is_"))


def _decode(given: Value) -> Value:
    """Text of one token or several: the marker is a space, and the first one is dropped."""
    ids = given if isinstance(given, list) else [given]
    if not all(isinstance(i, int) and 0 <= i < SIZE for i in ids):
        return UNKNOWN
    out = b""
    for i in ids:
        piece, kind = PIECES[i]
        if kind is Kind.BYTE:
            out += bytes([int(piece[3:5], 16)])
        elif kind is Kind.UNKNOWN:
            out += " \u2047 ".encode()
        elif kind is not Kind.CONTROL:
            out += piece.replace(MARK, " ").encode()
    first = PIECES[ids[0]][0] if ids else ""
    text = out.decode("utf-8", "replace")
    return text.removeprefix(" ") if first.startswith(MARK) else text
