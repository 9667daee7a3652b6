"""Where byte tables are made, and under which names they travel from there.

A table is found by evaluating the code around each question to a tokenizer. Its way is followed by
names only: through assignments, unpackings, attributes, arguments and return values.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass, field

from auditor.source.byte_table.expressions import Closure, OneByOne, OutOfSteps, Raised, Scope
from auditor.source.byte_table.machine import Machine
from auditor.source.byte_table.module import Function, Module, Program, Unit
from auditor.source.byte_table.values import Array, FromFile, Undecided, Value
from auditor.source.byte_table.vocabulary import SIZE
from auditor.unpack.wordset import wordset

BUILD_STEPS = 30_000
MAX_BUILDERS = 12
MAX_ROUNDS = 6
MAX_VISITS = 400
MAX_NODES = 1_000_000  # that are looked at on the way

Path = tuple[str | int, ...]
Tag = tuple[int, Path]
"""A builder's number, and where in its result the value lies."""


@dataclass(eq=False, slots=True)
class Builder:
    """Code that makes tables from a tokenizer's pieces: the value it gives back, or the names it leaves."""

    unit: Unit
    node: Function | None
    line: int
    value: Value
    inline: bool


@dataclass(slots=True)
class Flow:
    """Which names hold what: per unit, of whole modules, of attributes, and what functions give back."""

    builders: list[Builder] = field(default_factory=list)
    names: dict[Unit, dict[str, set[Tag]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    attributes: dict[str, set[Tag]] = field(default_factory=lambda: defaultdict(set))
    returns: dict[Unit, set[Tag]] = field(default_factory=lambda: defaultdict(set))
    parts: dict[Unit, dict[Path, set[Tag]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))

    def at(self, tag: Tag) -> Value:
        """The value that a tag stands for, None if there is none."""
        value = self.builders[tag[0]].value
        if isinstance(value, FromFile):
            return value
        for key in tag[1]:
            if isinstance(value, dict):
                value = value.get(key)
            else:
                fits = isinstance(value, list | tuple) and isinstance(key, int) and key < len(value)
                value = value[key] if fits else None
        return value


def is_table(value: Value) -> bool:
    """Numbers or truth values for at least every token of the vocabulary."""
    if isinstance(value, FromFile):
        return True
    if isinstance(value, Array):
        return len(value.data) >= SIZE
    if isinstance(value, list):
        return len(value) >= SIZE and all(isinstance(v, int | float) for v in value[:SIZE])
    return (
        isinstance(value, dict)
        and len(value) >= SIZE
        and all(isinstance(k, int) and isinstance(v, int | float) for k, v in value.items())
    )


def has_table(value: Value, depth: int = 3) -> bool:
    if is_table(value):
        return True
    if depth and isinstance(value, tuple | list) and len(value) <= 16:
        return any(has_table(v, depth - 1) for v in value)
    return (
        bool(depth)
        and isinstance(value, dict)
        and len(value) <= 64
        and any(has_table(v, depth - 1) for v in value.values())
    )


def find_builders(modules: list[Module]) -> list[Builder]:
    """Every function, or stretch of code in one, that makes tables."""
    out: list[Builder] = []
    for m in modules:
        todo = [m.function_at(c.lineno) for c in m.pieces]
        done: set[Function | None] = set()
        for f in todo:  # grows while it is read
            if f in done or len(done) > MAX_BUILDERS:
                continue
            done.add(f)
            built = _build(m, f)
            if built:
                out.append(built)
            elif f is not None:  # it may answer for one token, and its callers make the table
                todo += [m.function_at(c.lineno) for c in m.calls.get(f.name, ())]
    return out[:MAX_BUILDERS]


def find_files(modules: list[Module]) -> list[tuple[Builder, ast.Call]]:
    """Calls that read tables of arrays or JSON."""
    out: list[tuple[Builder, ast.Call]] = []
    for m in modules:
        for name in ("load", "loads"):
            for call in m.calls.get(name, ()):
                f = call.func
                root = f.value.id if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) else ""
                if m.known.imports.get(root) in ("numpy", "json"):
                    unit = m.unit_at(call.lineno)
                    out.append((Builder(unit, m.function_at(call.lineno), call.lineno, FromFile(), inline=False), call))
    return out[:MAX_BUILDERS]


def _build(m: Module, f: Function | None) -> Builder | None:
    machine = Machine(m.known, BUILD_STEPS)
    scope = Scope()
    value: Value = None
    unit = m.unit_at(f.lineno) if f else m.units[0]
    body = f.body if f else m.statements
    if f is not None:
        scope.names = machine.bind(Closure(f, Scope(), method=bool(unit.owner) and unit.node is f), [], {})
    for s in body:
        try:
            done = machine.statement(s, scope)
        except (Undecided, Raised, OneByOne):
            machine.forget([s], scope)
            continue
        except OutOfSteps:
            break
        if done is not None:
            value = getattr(done, "value", None)
            break
    if value is None and f is not None:
        value = machine.sinks[-1][1] if machine.sinks else None
    line = f.lineno if f else (m.pieces[0].lineno if m.pieces else 0)
    if f is not None and has_table(value):
        return Builder(unit, f, line, value, inline=False)
    left = {k: v for k, v in (*machine.attributes.items(), *scope.names.items()) if has_table(v)}
    if left:
        inside = [c.lineno for c in m.pieces if m.function_at(c.lineno) is f]
        return Builder(unit, f, min(inside, default=line), left, inline=True)
    return None


def follow(program: Program, builders: list[Builder], files: list[tuple[Builder, ast.Call]]) -> Flow:
    """The names under which the builders' tables travel, and what was read from files."""
    modules = program.modules
    flow = Flow([*builders, *(b for b, _ in files)])
    calls: dict[str, list[tuple[Module, ast.Call]]] = defaultdict(list)
    units: dict[str, list[Unit]] = defaultdict(list)
    for m in modules:
        for u in m.units:
            units[u.name if u.name != "__init__" else u.owner].append(u)
        for name, nodes in m.calls.items():
            calls[name] += [(m, n) for n in nodes]
    todo: list[Unit] = []
    nested: dict[str, set[Tag]] = defaultdict(set)  # functions inside functions, by name
    for i, b in enumerate(builders):
        if b.inline:
            for key in b.value:
                flow.names[b.unit][key].add((i, (key,)))
                flow.attributes[key].add((i, (key,)))
            todo.append(b.unit)
            todo += [u for k in b.value for u in program.mentioning(k) if u is not b.unit]
        else:
            assert b.node is not None
            if b.unit.node is b.node:
                flow.returns[b.unit].add((i, ()))
            nested[b.node.name].add((i, ()))
            todo += [m.unit_at(c.lineno) for m, c in calls.get(b.node.name, ())]
    walker = _Walker(flow, units, nested, {c: {(len(builders) + k, ())} for k, (_, c) in enumerate(files)})
    todo += [b.unit for b, _ in files if b.unit not in todo]
    for _ in range(MAX_VISITS):
        if not todo or walker.left < 0:
            break
        unit = todo.pop(0)
        changed, attributes = walker.visit(unit)
        todo += [u for u in changed if u not in todo]
        if unit in walker.returned:
            walker.returned.discard(unit)
            name = unit.name if unit.name != "__init__" else unit.owner
            todo += [v for m, c in calls.get(name, ()) if (v := m.unit_at(c.lineno)) not in todo]
        if attributes:
            todo += [u for a in attributes for u in program.mentioning(a) if u not in todo]
    return flow


class _Walker:
    def __init__(
        self, flow: Flow, units: dict[str, list[Unit]], nested: dict[str, set[Tag]], files: dict[ast.Call, set[Tag]]
    ) -> None:
        self.flow, self.units, self.nested, self.files = flow, units, nested, files
        self.parameters: dict[str, list[Unit]] = defaultdict(list)
        self.inner: dict[Unit, dict[str, Function]] = {}
        self.left = MAX_NODES
        self.returned: set[Unit] = set()
        self.attributes: set[str] = set()
        self.changed: list[Unit] = []

    def visit(self, unit: Unit) -> tuple[list[Unit], set[str]]:
        """Go through one unit until nothing new is learnt; the units and attributes that learnt something from it."""
        self.attributes, self.changed = set(), []
        names = self.flow.names[unit]
        for _ in range(MAX_ROUNDS):
            before = sum(map(len, names.values()))
            self.left -= len(unit.nodes())
            for node in unit.nodes():
                if isinstance(node, ast.Assign):
                    if tags := self.tags(node.value, unit):
                        for t in node.targets:
                            self.bind(t, tags, unit)
                    elif isinstance(node.value, ast.Tuple):
                        for t in node.targets:
                            self.bind_each(t, node.value, unit)
                    if isinstance(node.value, ast.Call):
                        for t in node.targets:
                            self.bind_parts(t, node.value, unit)
                elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                    if tags := self.tags(node.value, unit):
                        self.bind(node.target, tags, unit)
                elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                    if tags := self.tags(node.context_expr, unit):
                        self.bind(node.optional_vars, tags, unit)
                elif isinstance(node, ast.Call):
                    self.arguments(node, unit)
                elif isinstance(node, ast.Return) and node.value is not None and unit.node:
                    self.give_back(node.value, unit)
            if sum(map(len, names.values())) == before:
                break
        return self.changed, self.attributes

    def tags(self, e: ast.expr, unit: Unit) -> set[Tag]:
        if isinstance(e, ast.Name):
            own = self.flow.names[unit].get(e.id)
            return own if own is not None else self.flow.names[unit.module.units[0]].get(e.id, set())
        if isinstance(e, ast.Attribute):
            return self.flow.attributes.get(e.attr, set())
        if isinstance(e, ast.Subscript) and isinstance(e.slice, ast.Constant):
            key = e.slice.value
            if isinstance(key, str | int):
                return {t for i, p in self.tags(e.value, unit) if self.flow.at(t := (i, (*p, key))) is not None}
        if isinstance(e, ast.IfExp):
            return self.tags(e.body, unit) | self.tags(e.orelse, unit)
        if isinstance(e, ast.Call):
            return self.of_call(e, unit)
        return set()

    def of_call(self, e: ast.Call, unit: Unit) -> set[Tag]:
        if e in self.files:
            return self.files[e]
        f, name = e.func, _called(e)
        out: set[Tag] = set(self.nested.get(name, ()))
        for u in self.units.get(name, ()):
            out |= self.flow.returns.get(u, set())
        if out:
            return out
        if isinstance(f, ast.Attribute) and f.attr in _PASSES:
            out = self.tags(f.value, unit)
        if not out and e.args and name in _WRAPS:
            out = self.tags(e.args[0], unit)
        return out

    def bind(self, target: ast.expr, tags: set[Tag], unit: Unit) -> None:
        if isinstance(target, ast.Name):
            own = self.flow.names[unit][target.id]
            if not tags <= own:
                own |= tags
                if unit.node is None:
                    self.changed += [u for u in unit.module.units if u is not unit and u.mentions(target.id)]
        elif isinstance(target, ast.Attribute):
            if not tags <= self.flow.attributes[target.attr]:
                self.flow.attributes[target.attr] |= tags
                self.attributes.add(target.attr)
        elif isinstance(target, ast.Tuple | ast.List):
            for k, t in enumerate(target.elts):
                inner = {tag for i, p in tags if self.flow.at(tag := (i, (*p, k))) is not None}
                if inner:
                    self.bind(t, inner, unit)

    def bind_each(self, target: ast.expr, value: ast.Tuple, unit: Unit) -> None:
        if isinstance(target, ast.Tuple | ast.List) and len(target.elts) == len(value.elts):
            for t, v in zip(target.elts, value.elts, strict=True):
                if tags := self.tags(v, unit):
                    self.bind(t, tags, unit)

    def arguments(self, e: ast.Call, unit: Unit) -> None:
        name = _called(e)
        found = self.units.get(name, ())
        for k, a in enumerate(e.args):
            if isinstance(a, ast.Starred):
                tags = self.tags(a.value, unit)
                for j in range(8):
                    inner = {t for i, p in tags if self.flow.at(t := (i, (*p, j))) is not None}
                    if inner:
                        self.give(found, k + j, inner)
            elif tags := self.tags(a, unit):
                self.give(found, k, tags)
                self.give_nested(unit, name, k, tags)
        for kw in e.keywords:
            if kw.arg and (tags := self.tags(kw.value, unit)):
                for u in found:
                    self.learn(u, kw.arg, tags)
                if not found:  # a call of an object: its forward, or the like
                    for u in self.takes(kw.arg):
                        self.learn(u, kw.arg, tags)
                if not found and not tags <= self.flow.attributes[kw.arg]:
                    self.flow.attributes[kw.arg] |= tags
                    self.attributes.add(kw.arg)

    def takes(self, parameter: str) -> list[Unit]:
        """Functions that have a parameter of that name."""
        if not self.parameters:
            for u in (u for same in self.units.values() for u in same):
                for name in (*u.parameters(), *(p.arg for p in (u.node.args.kwonlyargs if u.node else ()))):
                    self.parameters[name].append(u)
        return self.parameters.get(parameter, [])

    def give(self, found: list[Unit] | tuple[()], k: int, tags: set[Tag]) -> None:
        for u in found:
            names = u.parameters()
            if k < len(names):
                self.learn(u, names[k], tags)

    def give_nested(self, unit: Unit, name: str, k: int, tags: set[Tag]) -> None:
        """Arguments of a function that is defined inside this one: its names are kept with the outer ones."""
        if unit not in self.inner:
            self.inner[unit] = {n.name: n for n in unit.nodes() if isinstance(n, Function)}
        node = self.inner[unit].get(name)
        if node and k < len(node.args.args):
            self.flow.names[unit][node.args.args[k].arg] |= tags

    def learn(self, u: Unit, name: str, tags: set[Tag]) -> None:
        own = self.flow.names[u][name]
        if not tags <= own:
            own |= tags
            self.changed.append(u)

    def give_back(self, value: ast.expr, unit: Unit, path: Path = ()) -> None:
        """Note what a function returns; of a tuple each part by its place."""
        if isinstance(value, ast.Tuple) and len(path) < 3:
            for k, v in enumerate(value.elts):
                self.give_back(v, unit, (*path, k))
            return
        if isinstance(value, ast.Call):
            for u in self.units.get(_called(value), ()):
                for inner, tags in list(self.flow.parts.get(u, {}).items()):
                    self.note(unit, (*path, *inner), tags)
        self.note(unit, path, self.tags(value, unit))

    def note(self, unit: Unit, path: Path, tags: set[Tag]) -> None:
        own = self.flow.parts[unit][path] if path else self.flow.returns[unit]
        if len(path) < 4 and not tags <= own:
            own |= tags
            self.returned.add(unit)

    def bind_parts(self, target: ast.expr, call: ast.Call, unit: Unit) -> None:
        """Unpack what a function returns as a tuple."""
        for u in self.units.get(_called(call), ()):
            for path, tags in list(self.flow.parts.get(u, {}).items()):
                at = target
                for k in path:
                    if not isinstance(at, ast.Tuple | ast.List) or not isinstance(k, int) or k >= len(at.elts):
                        break
                    at = at.elts[k]
                else:
                    self.bind(at, tags, unit)


def _called(e: ast.Call) -> str:
    f = e.func
    return f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else ""


_PASSES = wordset("to cpu cuda long int float double clone contiguous numpy astype detach copy pin_memory tolist item")
_WRAPS = wordset("tensor as_tensor from_numpy array asarray Tensor list tuple cast device_put")
