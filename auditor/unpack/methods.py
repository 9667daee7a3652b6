"""Methods of plain constants that have no effect outside the value: the only real methods ever called.

Each call is refused, or its cost charged, before it is made, so that no call can make a huge value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from auditor.unpack.limits import MAX_BITS, MAX_ITEMS, Budget, Stop
from auditor.unpack.source import text_codec
from auditor.unpack.values import Mutable, Value, is_plain, tag
from auditor.unpack.wordset import wordset

_TEXTUAL = wordset(
    "capitalize center count endswith expandtabs find index isalnum isalpha isascii isdigit islower isspace istitle "
    "isupper join ljust lower lstrip partition replace rfind rindex rjust rpartition rsplit rstrip split splitlines "
    "startswith strip swapcase title translate upper zfill removeprefix removesuffix"
)
PURE: dict[type, frozenset[str]] = {
    str: _TEXTUAL | wordset("encode format format_map casefold isdecimal isidentifier isnumeric isprintable"),
    bytes: _TEXTUAL | frozenset({"decode", "hex"}),
    bytearray: _TEXTUAL | wordset("decode hex append extend pop insert reverse clear copy remove __setitem__"),
    list: wordset("append extend insert pop reverse clear copy remove index count __setitem__ sort"),
    tuple: frozenset({"index", "count"}),
    dict: wordset("get keys values items pop setdefault update copy clear popitem __setitem__"),
    set: wordset("add discard remove pop copy clear union update issubset issuperset"),
    frozenset: frozenset({"copy", "union", "issubset", "issuperset"}),
    range: frozenset({"index", "count"}),
    int: wordset("to_bytes bit_length bit_count conjugate as_integer_ratio"),
    bool: wordset("to_bytes bit_length"),
    float: wordset("is_integer hex as_integer_ratio"),
}
_NAMED_STEPS = wordset("replace translate swapcase upper lower")
_PLAIN_CODECS = frozenset({"utf-8", "ascii", "iso8859-1"})
_DIGITS = re.compile(r"\d{7}")


def kind_of(value: Value) -> type | None:
    """The plain type whose methods `value` has."""
    if isinstance(value, bool):
        return bool
    return next((t for t in PURE if isinstance(value, t)), None)


def has_method(value: Value, name: str) -> bool:
    kind = kind_of(value)
    return kind is not None and name in PURE[kind]


def call_method(budget: Budget, owner: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """owner.name(*args, **kwargs) for a method in `PURE`. Raises what the real method raises, or `Stop`."""
    kind = kind_of(owner)
    if kind is None or name not in PURE[kind]:
        raise TypeError(f"no method {name} to follow")
    textual = kind in (str, bytes, bytearray)
    if textual:
        _precheck(budget, owner, name, args, kwargs)
    elif isinstance(owner, int):
        budget.moved(max(owner.bit_length() // 8, _int(args, kwargs, "length", 0) if name == "to_bytes" else 0))
    else:
        budget.work(1 + (len(owner) if hasattr(owner, "__len__") else 0) // 32)
        if len(args) == 1 and name in ("extend", "update", "union"):
            args = [args[0] if hasattr(args[0], "keys") else list(args[0])]
            budget.work(len(args[0]))
            if len(owner) + len(args[0]) > MAX_ITEMS:
                raise Stop(f"its code makes a list of more than {MAX_ITEMS:,} items")
    if name == "sort" and not deep_plain(owner, budget):
        raise TypeError("cannot sort")
    real: Callable[..., Any] = getattr(kind, name)
    result = real(owner, *args, **kwargs)
    if kind is dict and name in ("keys", "values", "items"):
        return list(result)
    if not textual or isinstance(result, bool | int):
        return result
    if isinstance(result, str | bytes | bytearray | list | tuple):
        budget.moved(len(result))
        if isinstance(result, bytearray):
            result = Mutable(result)
        step = name if name in _NAMED_STEPS else ""
        if name in ("encode", "decode"):
            codec = text_codec(_codec(args, kwargs)) or ""
            step = "" if codec in _PLAIN_CODECS else codec
        return tag(result, owner, *_texts(args), step=step if result != owner else "")
    return result


def _texts(args: list[Value]) -> list[Value]:
    """The strings among the arguments, and those inside a list that is joined."""
    out: list[Value] = []
    for a in args:
        out.extend(a if isinstance(a, list | tuple) else [a])
    return out


def _codec(args: list[Value], kwargs: dict[str, Value]) -> str:
    name = args[0] if args else kwargs.get("encoding", "utf-8")
    if not isinstance(name, str):
        raise TypeError("the encoding is no string")
    return name


def _int(args: list[Value], kwargs: dict[str, Value], name: str, default: int) -> int:
    value = args[0] if args else kwargs.get(name, default)
    if not isinstance(value, int):
        raise TypeError(f"{name} is no number")
    return value


def _precheck(budget: Budget, owner: Any, name: str, args: list[Value], kwargs: dict[str, Value]) -> None:
    size = len(owner)
    budget.moved(size)
    if name == "replace" and len(args) >= 2:
        budget.moved(size + owner.count(args[0]) * len(args[1]))
    elif name in ("ljust", "rjust", "center", "zfill"):
        budget.moved(max(size, _int(args, kwargs, "width", 0)))
    elif name == "expandtabs":
        budget.moved(size + owner.count("\t" if isinstance(owner, str) else b"\t") * _int(args, kwargs, "tabsize", 8))
    elif name == "join":
        items: list[Any] = list(args[0])
        args[0] = items
        budget.moved(size * len(items) + sum(map(size_of, items)))
    elif name == "translate" and args and isinstance(args[0], dict):
        widest = max([1, *(len(v) for v in dict(args[0]).values() if isinstance(v, str))])
        budget.moved(size * widest)
    elif name in ("split", "rsplit", "splitlines"):
        budget.work(size // 16)
    elif name in ("encode", "decode"):
        if text_codec(_codec(args, kwargs)) is None:
            raise LookupError(f"{_codec(args, kwargs)!r} is no text encoding")
    elif name in ("format", "format_map"):
        check_format(owner, [*args, *kwargs.values()], budget)
    elif name == "extend" and isinstance(args[0], list | tuple | bytes | bytearray):
        budget.moved(size + len(args[0]))


def check_format(template: Any, values: list[Value], budget: Budget) -> None:
    """Refuse formatting that takes huge widths, reaches for attributes, or shows something not constant."""
    text = template if isinstance(template, str) else template.decode("latin-1")
    if _DIGITS.search(text) or re.search(r"\{[^{}:!]*\.", text):
        raise TypeError("a format that is not followed")
    nested = "*" in text or any(":" in piece and "}" not in piece for piece in text.split("{")[1:-1])
    for v in values:
        if not deep_plain(v, budget) or (nested and isinstance(v, int) and abs(v) > 1_000_000):
            raise TypeError("a format that is not followed")
        budget.moved(4 * size_of(v))


ENDLESS = 1 << 60  # the size of a list that holds itself


def size_of(value: Value, known: dict[int, int] | None = None) -> int:
    """Rough size of a constant in bytes, as if written out; lists and dicts are counted by item.

    `known` holds the sizes of containers met before: one that holds another many times over is looked
    into once, and one that holds itself is endless.
    """
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, int):
        return value.bit_length() // 8
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return 8
    known = {} if known is None else known
    if id(value) not in known:
        known[id(value)] = ENDLESS
        items = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = min(sum(size_of(v, known) + 8 for v in items), ENDLESS)
    return known[id(value)]


def deep_plain(value: Value, budget: Budget, depth: int = 0) -> bool:
    """True if the value is constant all the way down."""
    budget.work(1)
    if depth > 20 or not is_plain(value):
        return False
    if isinstance(value, dict):
        return all(deep_plain(k, budget, depth + 1) and deep_plain(v, budget, depth + 1) for k, v in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return all(deep_plain(v, budget, depth + 1) for v in value)
    return True


def binary(budget: Budget, op: str, a: Any, b: Any) -> Value:
    """`a op b` on constants, with the size of the result bounded beforehand."""
    if isinstance(a, int) and isinstance(b, int):
        return _integers(budget, op, a, b)
    size = (len(a) if hasattr(a, "__len__") else 8) + (len(b) if hasattr(b, "__len__") else 8)
    if op == "*":
        sequence, times = (a, b) if isinstance(b, int) else (b, a)
        if isinstance(times, int) and hasattr(sequence, "__len__"):
            size = len(sequence) * max(times, 0) * (8 if isinstance(sequence, list | tuple) else 1)
    elif op == "%" and isinstance(a, str | bytes):
        values = list(b) if isinstance(b, tuple) else list(b.values()) if isinstance(b, dict) else [b]
        check_format(a, values, budget)
    budget.moved(size)
    if isinstance(a, list | tuple) and size > 8 * MAX_ITEMS:
        raise Stop(f"its code makes a list of more than {MAX_ITEMS:,} items")
    result = _OPERATORS[op](a, b)
    if isinstance(result, bytearray):
        result = Mutable(result)
    return tag(result, a, b) if isinstance(result, str | bytes | bytearray) else result


def _integers(budget: Budget, op: str, a: int, b: int) -> Value:
    bits = a.bit_length() + b.bit_length()
    if op == "<<":
        bits = a.bit_length() + max(b, 0)
    elif op == "**":
        bits = a.bit_length() * max(b, 1) if abs(a) > 1 else 1
        if b < 0:
            raise TypeError("a fraction")
    if bits > MAX_BITS:
        raise Stop(f"its code makes a number of more than {MAX_BITS:,} bits")
    if bits > 4096:  # long multiplication and division are not linear
        words = bits // 64
        budget.work(words * (1 + words // 256) if op in ("*", "**", "//", "%", "/") else 1 + words // 8)
    return _OPERATORS[op](a, b)


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
    "not in": lambda a, b: a not in b,
    "is": lambda a, b: a is b,
    "is not": lambda a, b: a is not b,
}


def compare(budget: Budget, op: str, a: Any, b: Any) -> bool:
    """A comparison of constants."""
    size = min(size_of(a), size_of(b))
    if size > budget.decoded_limit:
        raise TypeError("a comparison that is not followed")
    budget.work(1 + size // 64)
    if op in ("is", "is not") and (a is None or b is None or isinstance(a, bool) or isinstance(b, bool)):
        return bool(_OPERATORS[op](a, b))
    if op in ("is", "is not"):
        raise TypeError("identity is not followed")
    if op in ("in", "not in"):
        if isinstance(b, range) and type(a) is not int:
            raise TypeError("a range would be searched number by number")
        if size_of(b) > budget.decoded_limit:
            raise TypeError("a search that is not followed")
        budget.work(1 + size_of(b) // 64)
    return bool(_OPERATORS[op](a, b))
