"""The plain building blocks of Python that wrappers use: conversions, sequences, `map`, `reduce`, …."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from auditor.unpack.limits import MAX_ITEMS, Stop
from auditor.unpack.methods import call_method, check_format, deep_plain, size_of
from auditor.unpack.table import TABLE, op
from auditor.unpack.values import (
    UNKNOWN,
    Mutable,
    Partial,
    Unknown,
    Value,
    tag,
)

if TYPE_CHECKING:
    from auditor.unpack.machine import Machine


@op("builtins.bytes", "builtins.bytearray")
def _bytes(m: Machine, source: Value = b"", encoding: Value = None, errors: Value = "strict") -> Value:
    if isinstance(source, str):
        return call_method(m.budget, source, "encode", [encoding, errors], {})
    if isinstance(source, int):
        m.budget.moved(source)
        return bytes(source)
    items = source if isinstance(source, bytes | bytearray) else list(m.iterate(source))
    m.budget.moved(len(items))
    return tag(
        bytes(items),
        source,
        *(items if isinstance(items, list) and len(items) < 3 else ()),
        step="" if isinstance(source, bytes | bytearray) else "bytes",
    )


def _bytearray(m: Machine, *args: Value, **kwargs: Value) -> Value:
    made = _bytes(m, *args, **kwargs)
    return tag(Mutable(made), made)


TABLE["builtins.bytearray"] = _bytearray
TABLE["builtins.memoryview"] = lambda m, data: data


@op("builtins.str")
def _str(m: Machine, value: Value = "", encoding: Value = None, errors: Value = "strict") -> Value:
    if encoding is not None:
        return call_method(m.budget, value, "decode", [encoding, errors], {})
    value = m.as_path(value) or value
    if isinstance(value, str):
        return value
    check_format("", [value], m.budget)
    return str(value)


@op("builtins.repr", "builtins.ascii")
def _repr(m: Machine, value: Value) -> Value:
    check_format("", [value], m.budget)
    return repr(value)


@op("builtins.format")
def _format(m: Machine, value: Value, spec: Value = "") -> Value:
    check_format(spec, [value], m.budget)
    return format(value, spec)


@op("builtins.int")
def _int(m: Machine, value: Value = 0, base: Value = None) -> Value:
    m.budget.moved(size_of(value))
    return int(value) if base is None else int(value, base)


TABLE["builtins.float"] = lambda m, value=0.0: float(value)
TABLE["builtins.bool"] = lambda m, value=False: m.truth(value) if m.truth(value) is not None else UNKNOWN
TABLE["builtins.chr"] = lambda m, n: chr(n)
TABLE["builtins.ord"] = lambda m, c: ord(c)
TABLE["builtins.hex"] = lambda m, n: hex(n)
TABLE["builtins.bin"] = lambda m, n: bin(n)
TABLE["builtins.abs"] = lambda m, n: abs(n)
TABLE["builtins.divmod"] = lambda m, a, b: divmod(a, b) if max(size_of(a), size_of(b)) < 512 else UNKNOWN
TABLE["builtins.slice"] = lambda m, *a: slice(*a)
TABLE["builtins.range"] = lambda m, *a: range(*a)
TABLE["builtins.print"] = lambda m, *a, **k: None


@op("builtins.len")
def _len(m: Machine, value: Value) -> Value:
    if not isinstance(value, str | bytes | bytearray | list | tuple | dict | set | frozenset | range):
        return UNKNOWN
    return len(value)


def _items(m: Machine, value: Value) -> list[Value]:
    out: list[Value] = []
    for v in m.iterate(value):
        m.budget.work(1)
        out.append(v)
        if len(out) > MAX_ITEMS:
            raise Stop(f"its code makes a list of more than {MAX_ITEMS:,} items")
    return out


@op("builtins.list")
def _list(m: Machine, value: Value = ()) -> Value:
    return _items(m, value)


@op("builtins.tuple")
def _tuple(m: Machine, value: Value = ()) -> Value:
    return tuple(_items(m, value))


@op("builtins.iter", "builtins.reversed", "builtins.sorted")
def _iter(m: Machine, value: Value, *args: Value) -> Value:
    return UNKNOWN if args else _items(m, value)


@op("builtins.reversed")
def _reversed(m: Machine, value: Value) -> Value:
    return _items(m, value)[::-1]


@op("builtins.sorted")
def _sorted(m: Machine, value: Value, *, key: Value = None, reverse: Value = False) -> Value:
    items = _items(m, value)
    keys = items if key is None else [m.call(key, [v], {}) for v in items]
    if not all(deep_plain(k, m.budget) for k in keys):
        return UNKNOWN
    m.budget.work(len(items) * 4)
    order = sorted(range(len(items)), key=lambda i: keys[i], reverse=bool(reverse))
    return [items[i] for i in order]


@op("builtins.next")
def _next(m: Machine, value: Value, default: Value = UNKNOWN) -> Value:
    if isinstance(value, list):
        return value.pop(0) if value else default
    return UNKNOWN


@op("builtins.set", "builtins.frozenset")
def _set(m: Machine, value: Value = ()) -> Value:
    return {m.key(v) for v in _items(m, value)}


@op("builtins.dict")
def _dict(m: Machine, value: Value = (), **kwargs: Value) -> Value:
    if isinstance(value, dict):
        return {**value, **kwargs}
    pairs = [tuple(_items(m, p)) for p in _items(m, value)]
    return {**{m.key(k): v for k, v in pairs}, **kwargs}


@op("builtins.sum")
def _sum(m: Machine, value: Value, start: Value = 0) -> Value:
    for v in m.iterate(value):
        m.budget.work(2)
        start = m.binary("+", start, v)
    return start


def _extreme(f: Callable[[list[Value]], Value]) -> Callable[..., Value]:
    def run(m: Machine, *args: Value, **kwargs: Value) -> Value:
        items = _items(m, args[0]) if len(args) == 1 else list(args)
        if kwargs or not items or not all(deep_plain(v, m.budget) for v in items):
            return UNKNOWN
        m.budget.work(len(items))
        return f(items)

    return run


TABLE["builtins.min"] = _extreme(min)
TABLE["builtins.max"] = _extreme(max)


def _judged(every: bool) -> Callable[..., Value]:
    def run(m: Machine, value: Value) -> Value:
        said = [m.truth(v) for v in _items(m, value)]
        if (not every) in said:
            return not every
        return UNKNOWN if None in said else every

    return run


TABLE["builtins.any"] = _judged(every=False)
TABLE["builtins.all"] = _judged(every=True)
TABLE["builtins.float.fromhex"] = lambda m, text: float.fromhex(text)


@op("builtins.round")
def _round(m: Machine, value: Value, digits: Value = None) -> Value:
    plain = isinstance(value, int | float) and (digits is None or (isinstance(digits, int) and abs(digits) < 100))
    return round(value, digits) if plain else UNKNOWN


@op("builtins.enumerate")
def _enumerate(m: Machine, value: Value, start: Value = 0) -> Value:
    return [(i, v) for i, v in enumerate(_items(m, value), start)]


@op("builtins.zip", "itertools.zip_longest")
def _zip(m: Machine, *values: Value, **_: Value) -> Value:
    out: list[Value] = []
    streams: list[Iterator[Value]] = [iter(m.iterate(v)) for v in values]
    for row in zip(*streams):  # noqa: B905 - as in the code that is followed, the shortest decides
        m.budget.work(len(row))
        out.append(row)
        if len(out) > MAX_ITEMS:
            raise Stop(f"its code makes a list of more than {MAX_ITEMS:,} items")
    return out


@op("builtins.map", "multiprocessing.map")
def _map(m: Machine, function: Value, *values: Value) -> Value:
    return [m.call(function, list(row), {}) for row in _zip(m, *values)]


@op("builtins.filter")
def _filter(m: Machine, function: Value, values: Value) -> Value:
    kept: list[Value] = []
    for v in _items(m, values):
        truth = m.truth(v if function is None else m.call(function, [v], {}))
        if truth is None:
            return UNKNOWN
        if truth:
            kept.append(v)
    return kept


@op("functools.reduce")
def _reduce(m: Machine, function: Value, values: Value, *start: Value) -> Value:
    items = [*start, *_items(m, values)]
    out = items[0]
    for v in items[1:]:
        out = m.call(function, [out, v], {})
    return out


@op("functools.partial")
def _partial(m: Machine, function: Value, *args: Value, **kwargs: Value) -> Value:
    return Partial(function, args, kwargs)


@op("itertools.cycle")
def _cycle(m: Machine, values: Value) -> Value:
    return itertools.cycle(_items(m, values))


@op("itertools.count")
def _count(m: Machine, start: Value = 0, step: Value = 1) -> Value:
    return itertools.count(start, step)


@op("itertools.repeat")
def _repeat(m: Machine, value: Value, times: Value = None) -> Value:
    return itertools.repeat(value) if times is None else [value] * min(int(times), MAX_ITEMS)


@op("itertools.chain")
def _chain(m: Machine, *values: Value) -> Value:
    return [x for v in values for x in _items(m, v)]


@op("itertools.chain.from_iterable")
def _flatten(m: Machine, values: Value) -> Value:
    return _chain(m, *_items(m, values))


@op("operator.xor")
def _xor(m: Machine, a: Value, b: Value) -> Value:
    return m.binary("^", a, b)


@op("operator.add", "operator.concat")
def _add(m: Machine, a: Value, b: Value) -> Value:
    return m.binary("+", a, b)


@op("builtins.str.maketrans", "builtins.bytes.maketrans")
def _maketrans(m: Machine, *args: Value) -> Value:
    m.budget.moved(sum(size_of(a) for a in args))
    if args and isinstance(args[0], bytes | bytearray):
        return bytes.maketrans(bytes(args[0]), bytes(args[1]))
    return str.maketrans(*args)


@op("builtins.int.from_bytes")
def _from_bytes(m: Machine, data: Value, byteorder: Value = "big", *, signed: Value = False) -> Value:
    items = bytes(data) if isinstance(data, bytes | bytearray) else bytes(_items(m, data))
    m.budget.moved(len(items))
    return int.from_bytes(items, byteorder, signed=bool(signed))


@op("re.sub")
def _re_sub(m: Machine, pattern: Value, repl: Value, string: Value, **_: Value) -> Value:
    """Only the removal of white space or of a plain word: a pattern of the submission is never run."""
    m.budget.moved(size_of(string))
    if repl in ("", b"") and pattern in (r"\s+", r"\s", rb"\s+", rb"\s"):
        return tag(string[:0].join(string.split()), string)
    if isinstance(pattern, str) and pattern.isalnum() and isinstance(repl, str) and repl.isalnum():
        return call_method(m.budget, string, "replace", [pattern, repl], {})
    return Unknown("passes through a regular expression, which is not followed", opaque=True)


@op("textwrap.dedent", "inspect.cleandoc")
def _dedent(m: Machine, text: Value) -> Value:
    m.budget.moved(len(text))
    lines = text.split("\n")
    indents = [len(x) - len(x.lstrip(" \t")) for x in lines if x.strip()]
    cut = min(indents, default=0)
    return tag("\n".join(x[cut:] if x.strip() else "" for x in lines), text)
