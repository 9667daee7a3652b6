"""What the small machine knows of Python's built-in functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auditor.source.byte_table import library
from auditor.source.byte_table.values import (
    MAX_LIST,
    UNKNOWN,
    Array,
    Number,
    Outside,
    Unknown,
    Value,
    binary,
    convert,
    is_number,
    tokenizer_method,
)
from auditor.source.byte_table.vocabulary import SIZE
from auditor.unpack.wordset import wordset

NAMES = wordset(
    "len int float bool str bytes bytearray list tuple dict set frozenset range enumerate zip map filter sorted reversed max min "
    "sum abs any all ord chr round isinstance print repr hex getattr hasattr super type"
)


def _int(args: list[Value], kwargs: dict[str, Value]) -> Value:
    if args and isinstance(args[0], str | bytes):
        return int(*args) if len(args[0]) < 40 else UNKNOWN
    return convert("i", args[0]) if args else 0


def _len(args: list[Value], kwargs: dict[str, Value]) -> Value:
    v = args[0]
    if isinstance(v, Outside):
        return SIZE
    if isinstance(v, Array):
        return len(v.data)
    return UNKNOWN if isinstance(v, Unknown | Number) else len(v)


def _extreme(function: Callable[..., Any]) -> Callable[[list[Value], dict[str, Value]], Value]:
    def run(args: list[Value], kwargs: dict[str, Value]) -> Value:
        values = args if len(args) > 1 else args[0]
        if isinstance(values, Array):
            values = values.data
        if kwargs or not isinstance(values, list | tuple) or not values:
            return UNKNOWN
        counted = any(isinstance(v, Number) for v in values)
        values = [SIZE if isinstance(v, Outside) else v.value if isinstance(v, Number) else v for v in values]
        if not all(is_number(v) for v in values):
            return UNKNOWN
        return Number(function(values)) if counted else function(values)

    return run


def _range(args: list[Value], kwargs: dict[str, Value]) -> Value:
    sizes = [SIZE if isinstance(a, Outside) else a for a in args]
    if not all(isinstance(s, int) for s in sizes):
        return UNKNOWN
    if len(sizes) < 3 and sizes[-1] > 256 and all(s == 0 for s in sizes[:-1]):
        return range(SIZE)  # the whole of a real vocabulary: the made-up one is smaller
    out = range(*sizes)
    return out if len(out) <= MAX_LIST else UNKNOWN


def _items(value: Value) -> list[Any] | None:
    if isinstance(value, Array):
        return list(value.data)
    return list(value) if isinstance(value, list | tuple | range | dict | set | str | bytes) else None


def _enumerate(args: list[Value], kwargs: dict[str, Value]) -> Value:
    items = _items(args[0])
    return UNKNOWN if items is None else [(i, v) for i, v in enumerate(items)]


def _zip(args: list[Value], kwargs: dict[str, Value]) -> Value:
    lists = [_items(a) for a in args]
    return UNKNOWN if None in lists else [tuple(row) for row in zip(*lists, strict=False)]


def _sum(args: list[Value], kwargs: dict[str, Value]) -> Value:
    if isinstance(args[0], Array):
        return library.method(args[0], "sum", [], {})
    items = _items(args[0])
    if items is None:
        return UNKNOWN
    total: Value = 0
    for v in items:
        total = binary("Add", total, v)
    return total


def _as(
    kind: type[list[Any]] | type[tuple[Any, ...]] | type[set[Any]],
) -> Callable[[list[Value], dict[str, Value]], Value]:
    def run(args: list[Value], kwargs: dict[str, Value]) -> Value:
        items = _items(args[0]) if args else []
        return UNKNOWN if items is None else kind(items)

    return run


def _bytes(args: list[Value], kwargs: dict[str, Value]) -> Value:
    v = args[0] if args else b""
    if isinstance(v, str):
        return v.encode()
    if (isinstance(v, int) and 0 <= v <= MAX_LIST) or isinstance(v, list | tuple | bytes):
        return bytes(v)
    return UNKNOWN


def _str(args: list[Value], kwargs: dict[str, Value]) -> Value:
    return str(args[0]) if args and isinstance(args[0], str | int | float) else UNKNOWN


def _any_all(function: Callable[[list[Any]], bool]) -> Callable[[list[Value], dict[str, Value]], Value]:
    def run(args: list[Value], kwargs: dict[str, Value]) -> Value:
        items = _items(args[0])
        return UNKNOWN if items is None or any(isinstance(v, Unknown | Outside) for v in items) else function(items)

    return run


def _hasattr(args: list[Value], kwargs: dict[str, Value]) -> Value:
    if len(args) == 2 and isinstance(args[0], Outside) and isinstance(args[1], str):
        return True if tokenizer_method(args[1]) else UNKNOWN
    return UNKNOWN


_BY_NAME: dict[str, Callable[[list[Value], dict[str, Value]], Value]] = {
    "len": _len,
    "int": _int,
    "float": lambda a, k: convert("f", a[0]),
    "bool": lambda a, k: convert("b", a[0]),
    "range": _range,
    "enumerate": _enumerate,
    "zip": _zip,
    "sum": _sum,
    "max": _extreme(max),
    "min": _extreme(min),
    "abs": lambda a, k: abs(a[0]) if is_number(a[0]) else UNKNOWN,
    "list": _as(list),
    "tuple": _as(tuple),
    "set": _as(set),
    "frozenset": _as(set),
    "dict": lambda a, k: dict(a[0]) if a else dict(k),
    "bytes": _bytes,
    "str": _str,
    "ord": lambda a, k: ord(a[0]),
    "chr": lambda a, k: chr(a[0]),
    "round": lambda a, k: a[0] if isinstance(a[0], int | Number) else UNKNOWN,
    "any": _any_all(any),
    "all": _any_all(all),
    "hasattr": _hasattr,
    "isinstance": lambda a, k: UNKNOWN,
    "reversed": lambda a, k: list(reversed(_items(a[0]) or [])),
}
FUNCTIONS = {f"builtins.{name}": function for name, function in _BY_NAME.items()}
