"""A small machine that evaluates the code that fills byte tables and adds up bytes. Nothing of it is executed.

It knows statements, arithmetic, texts, lists, arrays and the stand-in tokenizer. What it does not know
becomes `UNKNOWN` and stays so; a number of steps bounds its work.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from auditor.source import byte_table_library as library
from auditor.source.byte_table_values import (
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
from auditor.source.byte_table_vocabulary import SIZE

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


@dataclass(slots=True)
class _Return:
    value: Value


_BREAK, _CONTINUE = object(), object()


@dataclass(frozen=True, slots=True)
class Known:
    """What the machine may look up: the module's functions by name, its constants and imports."""

    functions: Mapping[str, tuple[ast.FunctionDef | ast.AsyncFunctionDef, bool]]
    constants: Mapping[str, ast.expr]
    imports: Mapping[str, str]


class Machine:
    """One evaluation. `forced` gives the values of index expressions, by their dump; `attributes` those of any `x.name`."""

    def __init__(self, known: Known, steps: int = 20_000) -> None:
        self.known = known
        self.steps = steps
        self.forced: dict[str, Value] = {}
        self.attributes: dict[str, Value] = {}
        self.totals: dict[str, tuple[int, Value]] = {}  # what counted values were added to: line and value
        self.sinks: list[tuple[int, Value]] = []  # counted values returned or handed on
        self.last: tuple[int, str] | None = None  # the name that a counted value was assigned to last
        self.forced_names: dict[str, Value] = {}  # the same for names that are used as indexes
        self.depth = 0
        self.trying = 0
        self.resolving: set[str] = set()

    # Statements.

    def block(self, body: Iterable[ast.stmt], scope: Scope) -> object:
        for s in body:
            self.steps -= 1
            if self.steps < 0:
                raise OutOfSteps
            done = self.statement(s, scope)
            if done is not None:
                return done
        return None

    def statement(self, s: ast.stmt, scope: Scope) -> object:
        match s:
            case ast.Assign():
                value = self.value(s.value, scope)
                for target in s.targets:
                    self.assign(target, value, scope)
            case ast.AnnAssign():
                if s.value is not None:
                    self.assign(s.target, self.value(s.value, scope), scope)
            case ast.AugAssign():
                self.augmented(s, scope)
            case ast.Expr():
                self.value(s.value, scope)
            case ast.Return():
                value = self.value(s.value, scope) if s.value else None
                if counted(value) and self.depth == 0:
                    self.sinks.append((s.lineno, value))
                return _Return(value)
            case ast.If():
                return self.branch(s, scope)
            case ast.For() | ast.AsyncFor():
                return self.loop(s, scope)
            case ast.While():
                return self.while_loop(s, scope)
            case ast.With() | ast.AsyncWith():
                for item in s.items:
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, UNKNOWN, scope)
                return self.block(s.body, scope)
            case ast.Try():
                return self.attempt(s, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                scope.names[s.name] = Closure(s, scope)
            case ast.Import():
                for a in s.names:
                    scope.names[a.asname or a.name.partition(".")[0]] = Ref(a.name if a.asname else a.name.partition(".")[0])
            case ast.ImportFrom():
                for a in s.names:
                    scope.names[a.asname or a.name] = Ref(f"{s.module}.{a.name}")
            case ast.Break():
                return _BREAK
            case ast.Continue():
                return _CONTINUE
            case ast.Raise():
                raise Raised
            case ast.Delete():
                pass
        return None

    def branch(self, s: ast.If, scope: Scope) -> object:
        test = truth(self.value(s.test, scope))
        if test is not None:
            return self.block(s.body if test else s.orelse, scope)
        if _leaves(s.body):  # a check that ends the function is taken not to fire
            return self.block(s.orelse, scope)
        if _leaves(s.orelse):
            return self.block(s.body, scope)
        self.forget((*s.body, *s.orelse), scope)
        return None

    def forget(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        """Whatever a block may have changed is not known any more."""
        for s in body:
            for node in ast.walk(s):
                self.steps -= 1
                if isinstance(node, ast.AugAssign) and (key := ast.dump(node.target)) in self.totals:
                    self.totals[key] = (node.lineno, UNKNOWN)
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    scope.names[node.id] = UNKNOWN
                elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                    if isinstance(node.value, ast.Name) and node.value.id in scope.names:
                        scope.names[node.value.id] = UNKNOWN
                elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    self.attributes.pop(node.attr, None)

    def loop(self, s: ast.For | ast.AsyncFor, scope: Scope) -> object:
        items = self.items(self.value(s.iter, scope))
        if items is None:
            self.forget((*s.body, *s.orelse), scope)
            self.assign(s.target, UNKNOWN, scope)
            return None
        for item in items:
            self.assign(s.target, item, scope)
            done = self.block(s.body, scope)
            if done is _BREAK:
                return None
            if isinstance(done, _Return):
                return done
        return self.block(s.orelse, scope)

    def while_loop(self, s: ast.While, scope: Scope) -> object:
        while True:
            test = truth(self.value(s.test, scope))
            if test is None:
                self.forget(s.body, scope)
                return None
            if not test:
                return self.block(s.orelse, scope)
            done = self.block(s.body, scope)
            if done is _BREAK:
                return None
            if isinstance(done, _Return):
                return done
            self.steps -= 1

    def outcome(self, scope: Scope) -> tuple[Value, int]:
        """What was counted: an accumulation first, then what was returned or handed on, then what was assigned last."""
        for line, value in (*self.totals.values(), *reversed(self.sinks)):
            return value, line
        if self.last is not None:
            return scope.names.get(self.last[1], UNKNOWN), self.last[0]
        return UNKNOWN, 0

    def attempt(self, s: ast.Try, scope: Scope) -> object:
        self.trying += 1
        try:
            done = self.block(s.body, scope)
        except Raised:
            done = self.block(s.handlers[0].body, scope) if s.handlers else None
        else:
            done = done if done is not None else self.block(s.orelse, scope)
        finally:
            self.trying -= 1
        return done if done is not None else self.block(s.finalbody, scope)

    def items(self, value: Value) -> list[Value] | None:
        if isinstance(value, Array):
            return [Number(v) if value.counted and is_number(v) else v for v in value.data]
        if isinstance(value, dict):
            return list(value)
        if isinstance(value, list | tuple | range | str | bytes | set):
            return list(value) if len(value) <= MAX_LIST else None
        return None

    # Storing.

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.names[target.id] = value
            if counted(value):
                self.last = (target.lineno, target.id)
        elif isinstance(target, ast.Attribute):
            self.attributes[target.attr] = value
        elif isinstance(target, ast.Subscript):
            self.store(target, value, scope)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = self.items(value)
            if parts is None or len(parts) != len(target.elts) or any(isinstance(t, ast.Starred) for t in target.elts):
                parts = [UNKNOWN] * len(target.elts)
            for t, v in zip(target.elts, parts, strict=True):
                self.assign(t.value if isinstance(t, ast.Starred) else t, v, scope)

    def store(self, target: ast.Subscript, value: Value, scope: Scope) -> None:
        owner = self.value(target.value, scope)
        index = self.index(target.slice, scope)
        if isinstance(owner, dict):
            if isinstance(index, str | int | bytes | tuple) and len(owner) < MAX_LIST:
                owner[index] = value
            return
        if not isinstance(owner, Array | list):
            return
        data = owner.data if isinstance(owner, Array) else owner
        if isinstance(owner, Array):
            value = _fit(owner, value)
        if isinstance(index, Number):
            index = int(index.value)
        if isinstance(index, int) and not isinstance(index, bool):
            if not -len(data) <= index < len(data):
                raise Undecided("an index beyond the table")
            data[index] = value
            return
        if isinstance(index, slice):
            places = range(*index.indices(len(data)))
        elif isinstance(index, Array) and index.kind == "b" and len(index.data) == len(data):
            places = [i for i, chosen in enumerate(index.data) if chosen]  # type: ignore[assignment]
        elif isinstance(index, Array) and all(isinstance(i, int) and 0 <= i < len(data) for i in index.data):
            places = index.data  # type: ignore[assignment]
        else:
            places, value = range(len(data)), UNKNOWN
        values = value.data if isinstance(value, Array) else value if isinstance(value, list) else [value] * len(places)
        if len(values) != len(places):
            values = [UNKNOWN] * len(places)
        for i, v in zip(places, values, strict=True):
            data[i] = v

    def augmented(self, s: ast.AugAssign, scope: Scope) -> None:
        right = self.value(s.value, scope)
        op = type(s.op).__name__
        key = ast.dump(s.target)
        if key in self.totals:
            line, before = self.totals[key]
            if not counted(right) or isinstance(before, Unknown):
                after = binary(op, before, right)
                self.totals[key] = (line, after)
            else:
                self.sinks.append((s.lineno, right))
            return
        left = self.value(_loaded(s.target), scope)
        if op == "Add" and counted(right) and not (counted(left) and not _is_total(left)):
            self.totals[key] = (s.lineno, right)
            return
        self.assign(s.target, binary(op, left, right), scope)

    # Expressions.

    def value(self, e: ast.expr, scope: Scope) -> Value:
        self.steps -= 1
        if self.steps < 0:
            raise OutOfSteps
        handler = _EXPRESSIONS.get(type(e))
        if handler is None:
            return UNKNOWN
        try:
            return handler(self, e, scope)
        except (Undecided, OutOfSteps, Raised):
            raise
        except (TypeError, ValueError, AttributeError, IndexError, KeyError, ZeroDivisionError, OverflowError, LookupError):
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
            return Ref(self.known.imports[name])
        if name in self.known.functions:
            node, method = self.known.functions[name]
            return UNKNOWN if method else Closure(node, Scope())
        if name in self.known.constants and name not in self.resolving:
            self.resolving.add(name)
            try:
                value = self.value(self.known.constants[name], Scope())
            finally:
                self.resolving.discard(name)
            return value if isinstance(value, str | bytes | int | float | tuple | list | set | None | Ref | Closure) else Outside(name)
        if name in library.BUILTINS:
            return Ref(f"builtins.{name}")
        return Outside(name)

    def attribute(self, e: ast.Attribute, scope: Scope) -> Value:
        if e.attr in self.attributes and not isinstance(e.value, ast.Call):
            return self.attributes[e.attr]
        owner = self.value(e.value, scope)
        if isinstance(owner, Ref):
            return Ref(f"{owner.name}.{e.attr}")
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
            key = ast.dump(e.slice)
            if key in self.forced:
                return library.look_up(owner, self.forced[key])
        index = self.index(e.slice, scope)
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
            return library.call(function.name, args, kwargs)
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
            done = self.block(f.node.body, scope)
        finally:
            self.depth -= 1
        return done.value if isinstance(done, _Return) else None

    def bind(self, f: Closure, args: list[Value], kwargs: dict[str, Value]) -> dict[str, Value]:
        a = f.node.args
        names = [p.arg for p in (*a.posonlyargs, *a.args)]
        out: dict[str, Value] = {}
        if f.method and names and not any(
            isinstance(d, ast.Name) and d.id == "staticmethod" for d in getattr(f.node, "decorator_list", ())
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


_EXPRESSIONS = {
    ast.Constant: lambda m, e, s: e.value,
    ast.Name: Machine.name,
    ast.Attribute: Machine.attribute,
    ast.Subscript: Machine.subscript,
    ast.Call: Machine.call,
    ast.BinOp: lambda m, e, s: binary(type(e.op).__name__, m.value(e.left, s), m.value(e.right, s)),
    ast.Compare: Machine.compare,
    ast.BoolOp: Machine.boolean,
    ast.IfExp: Machine.conditional,
    ast.UnaryOp: Machine.unary,
    ast.JoinedStr: Machine.joined,
    ast.List: Machine.sequence,
    ast.Tuple: Machine.sequence,
    ast.Set: Machine.sequence,
    ast.Dict: Machine.mapping,
    ast.ListComp: Machine.comprehension,
    ast.SetComp: Machine.comprehension,
    ast.GeneratorExp: Machine.comprehension,
    ast.DictComp: Machine.dictionary,
    ast.NamedExpr: Machine.walrus,
    ast.Lambda: lambda m, e, s: Closure(e, s),
}


def counted(value: Value) -> bool:
    """Whether a byte table went into the value."""
    return isinstance(value, Number) or (isinstance(value, Array) and value.counted and value.kind != "b")


def _is_total(value: Value) -> bool:
    return isinstance(value, Array) and value.total


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


def _fit(owner: Array, value: Value) -> Value:
    """A value as an array of this kind holds it."""
    if isinstance(value, Array):
        return value.cast(owner.kind)
    if isinstance(value, Number):
        value = value.value
    if not is_number(value):
        return value
    return bool(value) if owner.kind == "b" else int(value) if owner.kind == "i" else float(value)


def _leaves(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Raise | ast.Return)


def _loaded(target: ast.expr) -> ast.expr:
    """The same place, to be read."""
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(target.id, ast.Load()), target)
    if isinstance(target, ast.Attribute):
        return ast.copy_location(ast.Attribute(target.value, target.attr, ast.Load()), target)
    if isinstance(target, ast.Subscript):
        return ast.copy_location(ast.Subscript(target.value, target.slice, ast.Load()), target)
    return target
