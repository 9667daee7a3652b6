"""Expressions, as the small machine evaluates them: names, arithmetic, calls, comprehensions.

What is not known becomes `UNKNOWN` and stays so; a number of steps bounds the work.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from auditor.source.byte_table import builtins, library
from auditor.source.byte_table.values import (
    MAX_LIST,
    UNKNOWN,
    Array,
    Bound,
    Number,
    Outside,
    Ref,
    Undecided,
    Unknown,
    Value,
    binary,
    invert,
    is_number,
    tokenizer_method,
)
from auditor.source.byte_table.vocabulary import SIZE

MAX_DEPTH = 12
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class OutOfSteps(Exception):
    """The code takes more steps than it is given."""


class OneByOne(Exception):
    """A condition is asked of many tokens at once: the code means a single token."""


class Raised(Exception):
    """The code itself raises here."""


@dataclass(frozen=True, slots=True)
class Closure:
    """A function of the submission, not yet called."""

    node: FunctionNode
    scope: Scope
    method: bool = False


@dataclass(slots=True)
class Scope:
    names: dict[str, Value] = field(default_factory=dict)
    parent: Scope | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the machine may look up: the module's functions by name, its constants and imports."""

    functions: Mapping[str, tuple[ast.FunctionDef | ast.AsyncFunctionDef, bool]]
    constants: Mapping[str, ast.expr]
    imports: Mapping[str, str]
    beside: dict[str, Known] = field(default_factory=dict)  # the other modules of the submission, by import name


class Expressions(ABC):
    """The half of the machine that has values; the other half has statements.

    `forced` gives the values of index expressions, by their dump; `attributes` those of any `x.name`.
    """

    def __init__(self, known: Known, steps: int = 20_000) -> None:
        self.known = known
        self.steps = steps
        self.forced: dict[str, Value] = {}
        self.unknown_index: Value = None  # what a table is asked for where the index is not known
        self.attributes: dict[str, Value] = {}
        self.totals: dict[str, tuple[int, Value]] = {}  # what counted values were added to: line and value
        self.sinks: list[tuple[int, Value]] = []  # counted values returned or handed on
        self.last: tuple[int, str] | None = None  # the name that a counted value was assigned to last
        self.forced_names: dict[str, Value] = {}  # the same for names that are used as indexes
        self.depth = 0
        self.trying = 0
        self.resolving: set[str] = set()

    @abstractmethod
    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        """Store a value under a name, in an attribute or in a table."""

    @abstractmethod
    def body(self, statements: list[ast.stmt], scope: Scope) -> Value:
        """What the body of a function returns."""

    def items(self, value: Value) -> list[Value] | None:
        """The items of a value, None if they are not known."""
        if isinstance(value, Array):
            return [Number(v) if value.counted and is_number(v) else v for v in value.data]
        if isinstance(value, list | tuple | range | str | bytes | set | dict):
            return list(value) if len(value) <= MAX_LIST else None
        return None

    def value(self, e: ast.expr, scope: Scope) -> Value:
        self.steps -= 1
        if self.steps < 0:
            raise OutOfSteps
        handler = _HANDLERS.get(type(e))
        if handler is None:
            return UNKNOWN
        try:
            value = handler(self, e, scope)
            if isinstance(value, Array | list | str | bytes):
                self.steps -= len(library.data_of(value)) // 16
            return value
        except (Undecided, OutOfSteps, Raised):
            raise
        except (
            TypeError,
            ValueError,
            AttributeError,
            IndexError,
            KeyError,
            ZeroDivisionError,
            OverflowError,
            LookupError,
        ):
            if self.trying:
                raise Raised from None
            return UNKNOWN
        except RecursionError:
            raise OutOfSteps from None

    def name(self, e: ast.Name, scope: Scope) -> Value:
        if e.id in self.forced_names:
            return self.forced_names[e.id]
        at: Scope | None = scope
        while at is not None:
            if e.id in at.names:
                return at.names[e.id]
            at = at.parent
        return self.outer(e.id)

    def outer(self, name: str) -> Value:
        """A name of the module: a function, an import, a constant, something built in, or a setting."""
        if name in self.known.imports:
            path = self.known.imports[name]
            found = self.beside(path)
            return Ref(path) if found is UNKNOWN else found
        if name in self.known.functions:
            node, method = self.known.functions[name]
            return UNKNOWN if method else Closure(node, Scope())
        if name in self.known.constants and name not in self.resolving:
            self.resolving.add(name)
            try:
                value = self.value(self.known.constants[name], Scope())
            finally:
                self.resolving.discard(name)
            return (
                value
                if isinstance(value, str | bytes | int | float | tuple | list | set | None | Ref | Closure)
                else Outside(name)
            )
        if name in builtins.NAMES:
            return Ref(f"builtins.{name}")
        star = self.known.imports.get("*", "").removesuffix("*")
        found = self.beside(star + name) if star else UNKNOWN
        return Outside(name) if found is UNKNOWN else found

    def beside(self, path: str) -> Value:
        """A constant of another module of the submission; `UNKNOWN` for anything else."""
        module, _, name = path.rpartition(".")
        other = self.known.beside.get(module)
        if other is None or name not in other.constants or path in self.resolving:
            return UNKNOWN
        kept, self.known = self.known, other
        self.resolving.add(path)
        try:
            value = self.value(other.constants[name], Scope())
        finally:
            self.known = kept
            self.resolving.discard(path)
        return value if isinstance(value, str | bytes | int | float | tuple | list | set) else UNKNOWN

    def attribute(self, e: ast.Attribute, scope: Scope) -> Value:
        if e.attr in self.attributes and not isinstance(e.value, ast.Call):
            return self.attributes[e.attr]
        owner = self.value(e.value, scope)
        if isinstance(owner, Ref):
            path = f"{owner.name}.{e.attr}"
            found = self.beside(path)
            return Ref(path) if found is UNKNOWN else found
        if isinstance(owner, Array) and e.attr in ("shape", "size", "T", "data", "device", "dtype", "values"):
            return library.array_attribute(owner, e.attr)
        if isinstance(owner, Outside) and not tokenizer_method(e.attr):
            found = self.known.functions.get(e.attr)
            if found and found[1]:
                return Closure(found[0], Scope(), method=True)
            return Outside(e.attr)
        return Bound(owner, e.attr)

    def subscript(self, e: ast.Subscript, scope: Scope) -> Value:
        owner = self.value(e.value, scope)
        if self.forced and isinstance(owner, Array | list | dict) and len(library.data_of(owner)) >= SIZE:
            key = index_key(e.slice)
            if key in self.forced:
                return library.look_up(owner, self.forced[key])
        index = self.index(e.slice, scope)
        asked = self.unknown_index is not None and isinstance(index, Unknown | Outside)
        if asked and isinstance(owner, Array | list | dict) and len(library.data_of(owner)) >= SIZE:
            return library.look_up(owner, self.unknown_index)
        if isinstance(owner, Array | list | dict) and isinstance(index, Array) and index.kind != "b":
            return library.look_up(owner, index)
        return library.element(owner, index)

    def index(self, e: ast.expr, scope: Scope) -> Value:
        if isinstance(e, ast.Slice):
            parts = [self.value(p, scope) if p else None for p in (e.lower, e.upper, e.step)]
            if all(p is None or (isinstance(p, int) and not isinstance(p, bool)) for p in parts):
                return slice(*parts)
            return UNKNOWN
        return self.value(e, scope)

    def call(self, e: ast.Call, scope: Scope) -> Value:
        function = self.value(e.func, scope)
        args: list[Value] = []
        for a in e.args:
            if isinstance(a, ast.Starred):
                args += self.items(self.value(a.value, scope)) or [UNKNOWN]
            elif isinstance(a, ast.GeneratorExp):
                args.append(self.comprehension(a, scope))
            else:
                args.append(self.value(a, scope))
        kwargs = {k.arg: self.value(k.value, scope) for k in e.keywords if k.arg}
        return self.apply(function, args, kwargs, e)

    def apply(self, function: Value, args: list[Value], kwargs: dict[str, Value], e: ast.Call) -> Value:
        if isinstance(function, Closure):
            return self.enter(function, args, kwargs)
        if isinstance(function, Ref):
            if function.name in ("builtins.map", "builtins.sorted", "builtins.filter") and args:
                return self.over(function.name, args, kwargs, e)
            known = builtins.FUNCTIONS.get(function.name)
            return known(args, kwargs) if known else library.call(function.name, args, kwargs)
        if isinstance(function, Bound):
            if isinstance(function.owner, Unknown | Outside | list):
                for given in (*args, *kwargs.values()):
                    if counted(given):
                        self.sinks.append((e.lineno, given))
            return library.method(function.owner, function.name, args, kwargs)
        if isinstance(function, Unknown | Outside):
            for given in (*args, *kwargs.values()):
                if counted(given):
                    self.sinks.append((e.lineno, given))
        return UNKNOWN

    def over(self, name: str, args: list[Value], kwargs: dict[str, Value], e: ast.Call) -> Value:
        if name.endswith("map") and len(args) == 2:
            items = self.items(args[1])
            return UNKNOWN if items is None else [self.apply(args[0], [i], {}, e) for i in items]
        items = self.items(args[0])
        if name.endswith("sorted") and items is not None and not kwargs:
            return sorted(items)
        return UNKNOWN

    def enter(self, f: Closure, args: list[Value], kwargs: dict[str, Value]) -> Value:
        """Follow a function of the submission."""
        if self.depth >= MAX_DEPTH:
            return UNKNOWN
        scope = Scope(self.bind(f, args, kwargs), f.scope)
        self.depth += 1
        try:
            if isinstance(f.node, ast.Lambda):
                return self.value(f.node.body, scope)
            return self.body(f.node.body, scope)
        finally:
            self.depth -= 1

    def bind(self, f: Closure, args: list[Value], kwargs: dict[str, Value]) -> dict[str, Value]:
        a = f.node.args
        names = [p.arg for p in (*a.posonlyargs, *a.args)]
        out: dict[str, Value] = {}
        if (
            f.method
            and names
            and not any(
                isinstance(d, ast.Name) and d.id == "staticmethod" for d in getattr(f.node, "decorator_list", ())
            )
        ):
            out[names.pop(0)] = Outside("self")
        out.update(zip(names, args, strict=False))
        out.update({k: v for k, v in kwargs.items() if k in names or any(k == p.arg for p in a.kwonlyargs)})
        defaults = dict(zip(reversed([p.arg for p in (*a.posonlyargs, *a.args)]), reversed(a.defaults), strict=False))
        defaults |= {p.arg: d for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=False) if d is not None}
        for name in (*names, *(p.arg for p in a.kwonlyargs)):
            if name not in out:
                out[name] = self.value(defaults[name], f.scope) if name in defaults else Outside(name)
        if a.vararg:
            out[a.vararg.arg] = list(args[len(names) :])
        if a.kwarg:
            out[a.kwarg.arg] = UNKNOWN
        return out

    def comprehension(self, e: ast.ListComp | ast.SetComp | ast.GeneratorExp, scope: Scope) -> Value:
        out: list[Value] = []
        for inner in self.turns(e.generators, Scope({}, scope)):
            out.append(self.value(e.elt, inner))
            if len(out) > MAX_LIST:
                return UNKNOWN
        return set(out) if isinstance(e, ast.SetComp) else out

    def dictionary(self, e: ast.DictComp, scope: Scope) -> Value:
        out: dict[Value, Value] = {}
        for inner in self.turns(e.generators, Scope({}, scope)):
            out[self.value(e.key, inner)] = self.value(e.value, inner)
        return out

    def turns(self, generators: list[ast.comprehension], scope: Scope) -> Iterator[Scope]:
        if not generators:
            yield scope
            return
        first, rest = generators[0], generators[1:]
        items = self.items(self.value(first.iter, scope))
        if items is None:
            raise TypeError("nothing to iterate over")
        for item in items:
            self.assign(first.target, item, scope)
            tests = [truth(self.value(t, scope)) for t in first.ifs]
            if None in tests:
                raise TypeError("a condition that is not known")
            if all(tests):
                yield from self.turns(rest, scope)

    def compare(self, e: ast.Compare, scope: Scope) -> Value:
        left = self.value(e.left, scope)
        out: Value = True
        for op, part in zip(e.ops, e.comparators, strict=True):
            right = self.value(part, scope)
            out = library.compare(type(op).__name__, left, right)
            if len(e.ops) > 1 and truth(out) is None:
                return UNKNOWN
            if truth(out) is False:
                return False
            left = right
        return out

    def boolean(self, e: ast.BoolOp, scope: Scope) -> Value:
        stop = isinstance(e.op, ast.Or)
        value: Value = UNKNOWN
        unknown = False
        for part in e.values:
            value = self.value(part, scope)
            known = truth(value)
            if known is None:
                unknown = True
            elif known is stop:
                return value
        return UNKNOWN if unknown else value

    def conditional(self, e: ast.IfExp, scope: Scope) -> Value:
        test = truth(self.value(e.test, scope))
        if test is None:
            return UNKNOWN
        return self.value(e.body if test else e.orelse, scope)

    def unary(self, e: ast.UnaryOp, scope: Scope) -> Value:
        value = self.value(e.operand, scope)
        if isinstance(e.op, ast.Not):
            known = truth(value)
            return UNKNOWN if known is None else not known
        if isinstance(e.op, ast.Invert):
            return invert(value)
        if isinstance(e.op, ast.USub):
            return binary("Mult", value, -1)
        return value

    def joined(self, e: ast.JoinedStr, scope: Scope) -> Value:
        out = ""
        for part in e.values:
            if isinstance(part, ast.FormattedValue):
                value = self.value(part.value, scope)
                form = self.value(part.format_spec, scope) if part.format_spec else ""
                if not isinstance(value, str | int | float) or not isinstance(form, str) or len(form) > 4:
                    return UNKNOWN
                out += format(value, form)
            elif isinstance(part, ast.Constant):
                out += str(part.value)
        return out

    def sequence(self, e: ast.List | ast.Tuple | ast.Set, scope: Scope) -> Value:
        out: list[Value] = []
        for part in e.elts:
            if isinstance(part, ast.Starred):
                items = self.items(self.value(part.value, scope))
                if items is None:
                    return UNKNOWN
                out += items
            else:
                out.append(self.value(part, scope))
        return tuple(out) if isinstance(e, ast.Tuple) else set(out) if isinstance(e, ast.Set) else out

    def mapping(self, e: ast.Dict, scope: Scope) -> Value:
        out: dict[Value, Value] = {}
        for key, part in zip(e.keys, e.values, strict=True):
            if key is None:
                return UNKNOWN
            out[self.value(key, scope)] = self.value(part, scope)
        return out

    def walrus(self, e: ast.NamedExpr, scope: Scope) -> Value:
        value = self.value(e.value, scope)
        self.assign(e.target, value, scope)
        return value


def index_key(e: ast.expr) -> str:
    """What an index means, conversions aside: y, y.long() and int(y) are the same tokens."""
    while isinstance(e, ast.Call):
        if isinstance(e.func, ast.Attribute) and e.func.attr in library.CONVERSIONS:
            e = e.func.value
        elif isinstance(e.func, ast.Name) and e.func.id == "int" and len(e.args) == 1:
            e = e.args[0]
        else:
            break
    return ast.dump(e)


def counted(value: Value) -> bool:
    """Whether a byte table went into the value."""
    return isinstance(value, Number) or (isinstance(value, Array) and value.counted and value.kind != "b")


def truth(value: Value) -> bool | None:
    """Whether a value counts as true; None if nobody can tell."""
    if isinstance(value, Number):
        return bool(value.value)
    if isinstance(value, Array):
        if len(value.data) != 1:
            raise OneByOne
        return bool(value.data[0])
    if isinstance(value, Unknown | Outside | Bound | Ref):
        return None
    if isinstance(value, Closure):
        return True
    return bool(value)


_HANDLERS: dict[type[ast.expr], Callable[[Expressions, Any, Scope], Value]] = {
    ast.Constant: lambda m, e, s: e.value,
    ast.Name: Expressions.name,
    ast.Attribute: Expressions.attribute,
    ast.Subscript: Expressions.subscript,
    ast.Call: Expressions.call,
    ast.BinOp: lambda m, e, s: binary(type(e.op).__name__, m.value(e.left, s), m.value(e.right, s)),
    ast.Compare: Expressions.compare,
    ast.BoolOp: Expressions.boolean,
    ast.IfExp: Expressions.conditional,
    ast.UnaryOp: Expressions.unary,
    ast.JoinedStr: Expressions.joined,
    ast.List: Expressions.sequence,
    ast.Tuple: Expressions.sequence,
    ast.Set: Expressions.sequence,
    ast.Dict: Expressions.mapping,
    ast.ListComp: Expressions.comprehension,
    ast.SetComp: Expressions.comprehension,
    ast.GeneratorExp: Expressions.comprehension,
    ast.DictComp: Expressions.dictionary,
    ast.NamedExpr: Expressions.walrus,
    ast.Lambda: lambda m, e, s: Closure(e, s),
}
