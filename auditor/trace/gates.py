"""Branches that the small run left out and that may matter at full size: what stands before them, and what would open them.

A gate is a condition that ran and one side of which did not. It is listed where the condition asks for a size, a
rank, a time, a count or a setting, and where what it kept shut trains, fills tables, scores or changes probabilities
in the evaluation. What it does is told from its text; that it did not run is a fact of the run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.source.effects import Effect, Known, effects, functions, of_validation, reached
from auditor.source.switches import Settings, Switch, kind_of, short
from auditor.trace.groups import Group
from auditor.trace.ran import FUNCTION, Ran
from rules.place import Location
from rules.trace import Gate

MOST = 40
LEAVES = (ast.Return, ast.Continue, ast.Break, ast.Raise)
ORDER = ("size", "count", "time", "rank", "setting")
LEARNS = frozenset((Effect.TRAINS, Effect.TABLES, Effect.WRITES))


@dataclass(frozen=True)
class Shut:
    """A condition, which way it would have to go, and what would run then."""

    at: ast.expr
    wanted: bool
    body: Sequence[ast.AST]


def gates(
    found: Sequence[Ran], group: Group | None, now: Mapping[str, str], place: Callable[[str, int], Location]
) -> tuple[Gate, ...]:
    """The gates of all texts. `now`: the settings of the small run; `place` makes a place of a file and a line."""
    trees = [r.tree for r in found]
    known = functions(trees)
    settings = Settings(trees)
    inner, outer = around(group)
    evaluation = reached(inner, known)
    out: dict[Location, Gate] = {}
    for r in found:
        for s in shut(r):
            parts = tuple(dict.fromkeys(settings.switches(s.at, s.wanted, now)))
            switches = tuple(x for x in parts if not x.met) or parts
            if not switches:
                continue
            what = effects(s.body, known)
            own = enclosing(r.tree, s.at)
            close = own is not None and id(own) in evaluation and own.name not in outer
            matters = what if close else (what & LEARNS if what and about(s, known, evaluation) else frozenset())
            if not matters:
                continue
            at = place(r.path, s.at.lineno)
            out.setdefault(at, _gate(at, s, switches, matters))
    ranked = sorted(out.values(), key=lambda g: (ORDER.index(g.kind), g.at.file, g.at.line or 0))
    return tuple(ranked[:MOST])


def _gate(at: Location, s: Shut, switches: Sequence[Switch], matters: frozenset[Effect]) -> Gate:
    first = min(switches, key=lambda x: ORDER.index(x.kind))
    what = [e.value for e in Effect if e in matters]
    body = s.body[0]
    line = getattr(body, "lineno", at.line or 0)
    condition = short(s.at) if s.wanted else f"not ({short(s.at)})"
    joint = " and " if s.wanted == isinstance(getattr(s.at, "op", ast.And()), ast.And) else " or "
    return Gate(
        at=at,
        condition=condition,
        kind=first.kind,
        what=", ".join(what[:2]),
        switch=joint.join(dict.fromkeys(x.words for x in switches)),
        settings=tuple(f"{x.name}={x.value}" for x in switches if x.name and x.value and not x.name.startswith("-")),
        first=line,
        last=max((getattr(b, "end_lineno", 0) or line for b in s.body), default=line),
    )


def about(s: Shut, known: Known, evaluation: set[int]) -> bool:
    """Whether a piece outside of the evaluation is about validation tokens, or goes into the evaluation."""
    if of_validation(s.body, known):
        return True
    names = [n.id for b in s.body for n in ast.walk(b) if isinstance(n, ast.Name)]
    return any(id(f) in evaluation for name in names for f in known.get(name, ()))


def around(group: Group | None) -> tuple[frozenset[str], frozenset[str]]:
    """Functions around the headline's scores up to the call that holds them all, and those around that call."""
    if group is None:
        return frozenset(), frozenset()
    inner: set[str] = set()
    outer: set[str] = set()
    for r in group.records:
        names = [(f[2], f[3]) for f in r.where]
        cut = next((i for i, f in enumerate(names) if f == (group.within[2], group.within[3])), len(names) - 1)
        inner |= {n for n, _ in names[: cut + 1]}
        outer |= {n for n, _ in names[cut + 1 :]}
    return frozenset(inner - {"<module>"}), frozenset(outer - inner)


def enclosing(tree: ast.Module, at: ast.expr) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The innermost function around a place."""
    found = None
    for n in ast.walk(tree):
        if not isinstance(n, FUNCTION) or not n.lineno <= at.lineno <= (n.end_lineno or n.lineno):
            continue
        if any(x is at for x in ast.walk(n)):
            found = n
    return found


def shut(r: Ran) -> Iterator[Shut]:
    """Every condition that ran and one side of which did not."""
    states = r.states()
    for owner in ast.walk(r.tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(owner, name, None)
            if not isinstance(block, list) or not block or not isinstance(block[0], ast.stmt):
                continue
            for i, s in enumerate(block):
                if states.get(id(s)):
                    yield from _statement(s, block[i + 1 :], states)
                    yield from _expressions(r, s)


def _statement(s: ast.stmt, rest: Sequence[ast.stmt], states: Mapping[int, bool | None]) -> Iterator[Shut]:
    if isinstance(s, ast.If | ast.While):
        if states.get(id(s.body[0])) is False:
            yield Shut(s.test, True, s.body)
        if s.orelse and isinstance(s, ast.If) and states.get(id(s.orelse[0])) is False:
            yield Shut(s.test, False, s.orelse)
        left = not s.orelse and isinstance(s, ast.If) and isinstance(s.body[-1], LEAVES) and states.get(id(s.body[0]))
        if left and rest and states.get(id(rest[0])) is False:
            yield Shut(s.test, False, rest)
    elif isinstance(s, ast.For) and states.get(id(s.body[0])) is False:
        match s.iter:
            case ast.Call(func=ast.Name(id="range"), args=[last] | [_, last] | [_, last, _]) if kind_of(last):
                zero = ast.Compare(last, [ast.Gt()], [ast.Constant(0)])
                yield Shut(ast.copy_location(ast.fix_missing_locations(zero), s.iter), True, s.body)


def _expressions(r: Ran, s: ast.stmt) -> Iterator[Shut]:
    """`a and b()` and `a() if b else c` in a statement's own text."""
    own = [v for _, v in ast.iter_fields(s) if isinstance(v, ast.expr)]
    for e in own:
        for n in ast.walk(e):
            if isinstance(n, ast.IfExp):
                if r.branch(n.body) is False:
                    yield Shut(n.test, True, [n.body])
                if r.branch(n.orelse) is False:
                    yield Shut(n.test, False, [n.orelse])
            elif isinstance(n, ast.BoolOp):
                for before, v in zip(n.values, n.values[1:], strict=False):
                    if r.branch(v) is False:
                        yield Shut(before, isinstance(n.op, ast.And), [v])
                        break
