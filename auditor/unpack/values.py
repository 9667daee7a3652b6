"""What a value can be while a wrapper is followed: plain Python constants, or one of the symbols below.

Constants are real `str`, `bytes`, `int`, `list`, …; nothing of the submission is ever called. Strings and
bytes that came out of a decoder remember how, in `steps`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Value = Any
MAX_STEPS = 64
MAX_ALTERNATIVES = 16


class Text(str):
    """A string with the steps that led to it, e.g. ("b85", "lzma")."""

    steps: tuple[str, ...] = ()


class Data(bytes):
    """Bytes with the steps that led to them."""

    steps: tuple[str, ...] = ()


class Mutable(bytearray):
    """A bytearray with the steps that led to it."""

    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """A value that is not constant. `opaque` says that code hidden in it cannot be read, and `why`."""

    why: str = "is made at run time"
    opaque: bool = False


UNKNOWN = Unknown()


@dataclass(frozen=True, slots=True)
class Ref:
    """A module, function or constant of Python or a library, by its dotted name, e.g. `lzma.decompress`."""

    name: str


@dataclass(slots=True, eq=False)
class Scope:
    """Names of a module or of a function call; `parent` is where the function was defined."""

    names: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None
    outer: frozenset[str] = frozenset()  # names declared global or nonlocal
    frame: bool = False  # a class body, which nested functions do not see

    @property
    def module(self) -> Scope:
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope


@dataclass(slots=True, eq=False)
class Function:
    """A function or lambda of the file itself, with the scope it was defined in."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    defaults: tuple[Value, ...] = ()
    kw_defaults: dict[str, Value] = field(default_factory=dict)
    generator: bool | None = None  # not known before the first call
    calls: int = 0
    active: int = 0

    @property
    def name(self) -> str:
        return getattr(self.node, "name", "<lambda>")


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A method of a known value, not yet called."""

    owner: Value
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """functools.partial of a callable."""

    function: Value
    args: tuple[Value, ...]
    kwargs: dict[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """What compile() gave: the text it was made from, or the syntax it was parsed to."""

    source: Value
    mode: str = "exec"
    name: str = ""


@dataclass(slots=True, eq=False)
class Class:
    """A class of the file itself."""

    name: str
    scope: Scope


@dataclass(slots=True, eq=False)
class Instance:
    """An object with attributes that the code sets; `cls` is None for a bare module object."""

    cls: Class | None
    names: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Path:
    """A pathlib path."""

    path: str


@dataclass(slots=True, eq=False)
class Handle:
    """An open file of the virtual folder."""

    path: str
    mode: str
    encoding: str = "utf-8"
    pos: int = 0


@dataclass(slots=True, eq=False)
class Buffer:
    """A file in memory: BytesIO, StringIO, or a decompressed stream."""

    content: Value
    pos: int = 0


@dataclass(slots=True, eq=False)
class Decoder:
    """A decompressor object: the name of its function, and the options it was made with."""

    function: str
    kwargs: dict[str, Value] = field(default_factory=dict)
    fed: bytes = b""


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """An opened zip file: member names and bytes."""

    members: dict[str, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """An import spec or loader for one file."""

    name: str
    path: str


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of several values, depending on something that is not constant."""

    values: tuple[Value, ...]


def steps_of(*sources: Value) -> tuple[str, ...]:
    """The steps of all sources in order, each distinct history once."""
    seen: list[tuple[str, ...]] = []
    for s in sources:
        steps = getattr(s, "steps", ()) if isinstance(s, str | bytes | bytearray) else ()
        if steps and steps not in seen:
            seen.append(steps)
    return tuple(x for steps in seen for x in steps)[:MAX_STEPS]


def tag(value: Value, *sources: Value, step: str = "") -> Value:
    """`value` with the steps of its sources, then `step`. Lists and tuples are tagged item by item."""
    steps = steps_of(*sources) + ((step,) if step else ())
    return with_steps(value, steps[:MAX_STEPS]) if steps else value


def with_steps(value: Value, steps: tuple[str, ...]) -> Value:
    out: Text | Data | Mutable
    if isinstance(value, str):
        out = Text(value)
    elif isinstance(value, bytes):
        out = Data(value)
    elif isinstance(value, bytearray):
        out = Mutable(value)
    elif type(value) in (list, tuple):
        return type(value)(with_steps(v, steps) if isinstance(v, str | bytes) else v for v in value)
    else:
        return value
    out.steps = steps
    return out


def choice(values: Iterable[Value]) -> Value:
    """One value out of several; alternatives that could not matter are joined into one unknown."""
    flat: list[Value] = []
    for v in values:
        for w in v.values if isinstance(v, Choice) else (v,):
            if not any(w is x for x in flat):
                flat.append(w)
    if len(flat) == 1:
        return flat[0]
    kept = [v for v in flat if _matters(v)]
    if len(kept) < len(flat):
        kept.append(next((v for v in flat if isinstance(v, Unknown)), UNKNOWN))
    if len(kept) > MAX_ALTERNATIVES:
        kept = [*kept[: MAX_ALTERNATIVES - 1], Unknown("has too many alternatives to follow", opaque=True)]
    return kept[0] if len(kept) == 1 else Choice(tuple(kept))


def _matters(value: Value) -> bool:
    """Whether code could come out of the value later."""
    if isinstance(value, Unknown):
        return value.opaque
    return value is not None and not isinstance(value, bool | int | float | complex)


_PLAIN = (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range)  # bool is an int


def is_plain(value: Value) -> bool:
    """True for a constant that a real operation may be applied to."""
    return value is None or isinstance(value, _PLAIN)


def first_unknown(values: Iterable[Value]) -> Unknown | None:
    """The most telling unknown among the values: one that hides code before a merely dynamic one."""
    found = None
    for v in values:
        if isinstance(v, Unknown):
            if v.opaque:
                return v
            found = found or v
    return found
