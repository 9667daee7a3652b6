"""Where bytes are added up: the statements that look ids up in a byte table, evaluated on pairs of made-up tokens."""

from __future__ import annotations

import ast
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from auditor.source.byte_table.expressions import Closure, OneByOne, OutOfSteps, Raised, Scope, counted, index_key
from auditor.source.byte_table.flow import BUILD_STEPS, Builder, Flow, Tag, is_table
from auditor.source.byte_table.machine import Machine
from auditor.source.byte_table.module import Module, Unit
from auditor.source.byte_table.values import Array, FromFile, Number, Undecided, Value
from auditor.source.byte_table.vocabulary import pairs
from auditor.unpack.parse import walk

SITE_STEPS = 6_000
MAX_DIRECT = 6
TOTAL_STEPS = 400_000  # for all places of a program
MAX_SITES = 24
_NAME = re.compile(r"Name\(id='(\w+)'")
_NESTED = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try)


@dataclass(frozen=True, slots=True)
class Site:
    """A sum of bytes. `counts` has one entry per pair of the vocabulary, None where it cannot be told."""

    unit: Unit
    line: int
    builder: int
    counts: tuple[float, ...] | None
    from_file: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    """table[index] in the code."""

    node: ast.Subscript
    index: str
    tags: frozenset[Tag]
    numeric: bool

    def counts(self, flow: Flow) -> bool:
        return any(_numeric(flow.at(t)) for t in self.tags)


def sites(flow: Flow) -> Iterator[Site]:
    """Every place where a byte table is looked up and the result is summed, returned or handed on."""
    budget = [TOTAL_STEPS]
    found = 0
    for unit in list(flow.names):
        names = {k: v for k, v in flow.names[unit].items() if v}
        for k, v in flow.names[unit.module.units[0]].items():
            names.setdefault(k, v)
        for body, start, looks in _blocks(unit, flow, names):
            for site in _evaluate(unit, flow, names, body, start, looks, budget):
                yield site
                found += 1
                if found >= MAX_SITES:
                    return


def direct(modules: list[Module], builders: list[Builder]) -> Iterator[tuple[Builder, Site]]:
    """Functions that make a table and look all tokens up in it at once, without giving the table a name."""
    known = {b.node for b in builders}
    rows = pairs()
    for m in modules:
        for f in list(dict.fromkeys(m.function_at(c.lineno) for c in m.pieces))[:MAX_DIRECT]:
            if f is None or f in known:
                continue
            machine, unit = Machine(m.known, BUILD_STEPS), m.unit_at(f.lineno)
            machine.unknown_index = Array([p.target for p in rows])
            scope = Scope(machine.bind(Closure(f, Scope(), method=bool(unit.owner) and unit.node is f), [], {}))
            for s in f.body:
                try:
                    if machine.statement(s, scope) is not None:
                        break
                except (Undecided, Raised, OneByOne):
                    machine.forget([s], scope)
                except OutOfSteps:
                    break
            value, line = machine.outcome(scope)
            if counted(value) and isinstance(value, Array) and len(value.data) == len(rows):
                counts = tuple(float(v) for v in value.data)
                line = line or f.lineno
                yield Builder(unit, f, line, None, inline=True), Site(unit, line, -1, counts)


def _blocks(unit: Unit, flow: Flow, names: dict[str, set[Tag]]) -> Iterator[tuple[list[ast.stmt], int, list[_Look]]]:
    """Innermost lists of statements with a look-up, the first statement with one, and the look-ups in the list."""
    lines = sorted({n.lineno for n in unit.nodes() if type(n) is ast.Subscript and _look(n, flow, names, unit)})
    todo = [unit.body] if lines else []
    while todo:
        body = todo.pop(0)
        start, looks = -1, []
        for k, s in enumerate(body):
            at = bisect_left(lines, s.lineno)
            if at == len(lines) or lines[at] > (s.end_lineno or s.lineno):
                continue  # no look-up in there
            if isinstance(s, _NESTED):
                todo += [b for b in (s.body, getattr(s, "orelse", []), getattr(s, "finalbody", [])) if b]
                todo += [h.body for h in getattr(s, "handlers", [])]
                roots: list[ast.AST] = [h for name in ("test", "iter") if (h := getattr(s, name, None)) is not None]
            elif isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef):
                todo.append(s.body)
                continue
            else:
                roots = [s]
            here = [look for r in roots for n in walk(r) if (look := _look(n, flow, names, unit))]
            if here and start < 0:
                start = k
            looks += here
        if any(look.numeric for look in looks):
            inner = [n for s in body[start:] if isinstance(s, _NESTED) for n in walk(s)]
            known = {id(look.node) for look in looks}
            marks = [
                mark for n in inner if id(n) not in known and (mark := _look(n, flow, names, unit)) and not mark.numeric
            ]
            yield body, start, looks + marks


def _look(node: ast.AST, flow: Flow, names: dict[str, set[Tag]], unit: Unit) -> _Look | None:
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return None
    if isinstance(node.slice, ast.Constant | ast.Slice):
        return None
    tags = _tags(node.value, flow, names)
    tables = {t for t in tags if is_table(flow.at(t))}
    if not tables:
        return None
    numeric = any(_numeric(flow.at(t)) for t in tables)  # a file's part may be anything
    return _Look(node, index_key(node.slice), frozenset(tables), numeric)


def _tags(e: ast.expr, flow: Flow, names: dict[str, set[Tag]]) -> set[Tag]:
    if isinstance(e, ast.Name):
        return names.get(e.id, set())
    if isinstance(e, ast.Attribute):
        return flow.attributes.get(e.attr, set())
    if isinstance(e, ast.Subscript) and isinstance(e.slice, ast.Constant) and isinstance(e.slice.value, str | int):
        key = e.slice.value
        return {t for i, p in _tags(e.value, flow, names) if flow.at(t := (i, (*p, key))) is not None}
    return set()


def _numeric(value: Value) -> bool:
    """Counts rather than marks: some entry is neither 0 nor 1."""
    if isinstance(value, FromFile):
        return True
    data = value.data if isinstance(value, Array) else list(value.values()) if isinstance(value, dict) else value
    return any(not isinstance(v, bool) and isinstance(v, int | float) and v not in (0, 1) for v in data)


def _evaluate(
    unit: Unit,
    flow: Flow,
    names: dict[str, set[Tag]],
    body: list[ast.stmt],
    start: int,
    looks: list[_Look],
    budget: list[int],
) -> Iterator[Site]:
    files = {t for look in looks for t in look.tags if isinstance(flow.at(t), FromFile)}
    for builder in sorted({i for i, _ in files}):
        if len({p for i, p in files if i == builder}) > 1:  # several parts of one file, as tables side by side
            yield Site(unit, looks[0].node.lineno, builder, None, from_file=True)
    made = [replace(look, tags=look.tags - files) for look in looks if look.tags - files]
    marks = {look.index for look in made if not look.counts(flow)}
    targets = list(dict.fromkeys(look.index for look in made if look.counts(flow)))
    if any(t in marks for t in targets):  # another look-up of the same table is for something else
        targets = [t for t in targets if t in marks]
    apart = bool(marks) and not any(t in marks for t in targets)  # which index is the scored token's cannot be told
    others = {look.index for look in made}
    for builder in sorted({i for look in made if look.counts(flow) for i, _ in look.tags}):
        for target in targets[:4]:
            line = next(look.node.lineno for look in made if look.index == target and look.counts(flow))
            if apart:
                yield Site(unit, line, builder, None)
                continue
            counts, at = _run(unit, flow, names, body[start:], builder, target, others - {target}, budget)
            yield Site(unit, at or line, builder, counts)


def _run(
    unit: Unit,
    flow: Flow,
    names: dict[str, set[Tag]],
    body: list[ast.stmt],
    builder: int,
    target: str,
    others: set[str],
    budget: list[int],
) -> tuple[tuple[float, ...] | None, int]:
    """The bytes counted for each pair, and the line where they are added up: all at once, else pair by pair."""
    rows = pairs()
    # Bytes may weigh a loss that is trained on, which is no count of them.
    trains = any(isinstance(n, ast.Attribute) and n.attr == "backward" for s in body for n in walk(s))

    def once(ids: Value, before: Value) -> tuple[Value, int]:
        machine = Machine(unit.module.known, min(SITE_STEPS, budget[0]))
        scope = Scope({n: v for n, tags in names.items() if (v := _value(flow, tags, builder)) is not None})
        machine.attributes = {
            n: v for n, tags in flow.attributes.items() if (v := _value(flow, tags, builder)) is not None
        }
        machine.forced = {target: ids, **dict.fromkeys(others, before)}
        machine.forced_names = {m[1]: v for e, v in machine.forced.items() if (m := _NAME.match(e))}
        try:
            for s in body:
                try:
                    if machine.statement(s, scope) is not None:
                        break
                except (Undecided, Raised):
                    machine.forget([s], scope)
        except OutOfSteps:
            return None, 0
        finally:
            budget[0] -= SITE_STEPS - machine.steps if budget[0] > SITE_STEPS else budget[0]
        if trains and not machine.totals:
            return None, 0
        return machine.outcome(scope)

    try:
        value, line = once(Array([p.target for p in rows]), Array([p.previous for p in rows]))
    except OneByOne:
        value, line = None, 0
    if (
        isinstance(value, Array)
        and len(value.data) == len(rows)
        and all(isinstance(v, int | float) for v in value.data)
    ):
        return tuple(float(v) for v in value.data), line
    out = []
    for p in rows:
        value, line = once(p.target, p.previous)
        if isinstance(value, Number):
            value = value.value
        if not isinstance(value, int | float):
            return None, line
        out.append(float(value))
    return tuple(out), line


def _value(flow: Flow, tags: set[Tag], builder: int) -> Value:
    """The builder's table behind a name, as a fresh copy."""
    for tag in sorted(tags, key=str):
        if tag[0] == builder:
            value = flow.at(tag)
            return Array(list(value.data), value.kind) if isinstance(value, Array) else value
    return None
