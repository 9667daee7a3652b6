"""Code that would learn from tokens if it ran: functions that the walk never entered, and why.

They accuse nobody. They are shown so that a reader who finds such a function knows that it was seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from auditor.source.guards import Guards
from auditor.unpack.parse import parse, walk
from rules.events import Event, EventKind, Observation, Program, Setting, Suspect
from rules.evidence import Script
from rules.place import Location

MAX_SUSPECTS = 20
CALLERS = 6  # how far up the callers of a function are looked at
MAX_UNDER = 6
_ABOUT = re.compile(r"(?i)val_|_val|^val|eval|ttt|adapt")
_OPTIMIZER = re.compile(r"(?i)optim|^(?:adam\w*|sgd|muon\w*)$")
_COUNTS = frozenset(("scatter_add_", "index_add_", "index_put_", "bincount"))
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef
T = TypeVar("T", Event, Observation)


def with_suspects(p: Program, scripts: Sequence[Script]) -> Program:
    """The program with the settings around its events, and with the functions that were never entered."""
    guards = Guards(scripts, p.settings)
    return replace(
        p,
        events=tuple(_under(e, guards) if e.kind is not EventKind.REPORT else e for e in p.events),
        observations=tuple(_under(o, guards) if not o.under else o for o in p.observations),
        suspects=(*p.suspects, *islice(_Suspects(p, scripts, guards).found(), MAX_SUSPECTS))[:MAX_SUSPECTS],
    )


def _under(e: T, guards: Guards) -> T:
    places = [*(s.at for s in e.path), e.at]
    found: dict[str, Setting] = {s.name: s for at in places for s in guards.around(at.file, at.line or 0, met=True)}
    return replace(e, under=tuple(found.values())[:MAX_UNDER]) if found else e


@dataclass(frozen=True, eq=False)
class _Def:
    """A function; `owner` names the bases of its class, "" for a plain function."""

    path: str
    node: Function
    owner: str


@dataclass(frozen=True)
class _Use:
    """A place where a function's name stands: called there, or handed on as a value."""

    path: str
    line: int
    inside: _Def | None
    called: bool


class _Suspects:
    def __init__(self, p: Program, scripts: Sequence[Script], guards: Guards) -> None:
        self.program = p
        self.guards = guards
        self.entered = frozenset(p.functions)
        self.scripts = {s.path: s for s in scripts}
        self.trees = {s.path: t for s in scripts if s.role != "native" and (t := parse(s.text).tree) is not None}
        self.defs = [d for path, tree in self.trees.items() for d in _defs(path, tree)]
        self.outer: dict[int, _Def | None] = {}  # the function around a function
        self.innermost: dict[tuple[str, int], _Def] = {}  # by line
        for d in self.defs:  # in the order of their first lines, so that inner ones come later
            self.outer[id(d)] = self._inside(d.path, d.node.lineno)
            for line in range(d.node.lineno, (d.node.end_lineno or d.node.lineno) + 1):
                self.innermost[d.path, line] = d
        self.named: dict[str, list[_Use]] | None = None
        self.reasons: dict[tuple[int, int], tuple[str, bool]] = {}
        self.spans: dict[str, list[tuple[int, int]]] | None = None

    def found(self) -> Iterator[Suspect]:
        for d in self.defs:
            around = self.outer[id(d)]
            if self._entered(d) or (around is not None and not self._entered(around)):
                continue
            what = _learns(d)
            if what:
                why, dead = self._why(d, CALLERS)
                yield Suspect(self._place(d), f"{d.node.name} {what}", why, dead)

    def _inside(self, path: str, line: int) -> _Def | None:
        """The innermost function around a line."""
        return self.innermost.get((path, line))

    def _uses(self, name: str) -> list[_Use]:
        if self.named is None:
            self.named = {}
            for path, tree in self.trees.items():
                called = {id(n.func) for n in walk(tree) if isinstance(n, ast.Call)}
                for n in walk(tree):
                    if isinstance(n, (ast.Name, ast.Attribute)):
                        word = n.id if isinstance(n, ast.Name) else n.attr
                        use = _Use(path, n.lineno, self._inside(path, n.lineno), id(n) in called)
                        self.named.setdefault(word, []).append(use)
        return self.named.get(name, [])

    def _entered(self, d: _Def) -> bool:
        starts = {d.node.lineno, *(x.lineno for x in d.node.decorator_list)}
        return any(f"{d.path}:{n}" in self.entered for n in starts)

    def _why(self, d: _Def, depth: int) -> tuple[str, bool]:
        """Why a function did not run, and whether that is certain."""
        key = (id(d), depth)
        if key not in self.reasons:
            self.reasons[key] = self._reason(d, depth)
        return self.reasons[key]

    def _reason(self, d: _Def, depth: int) -> tuple[str, bool]:
        if not self.program.finished:
            return "not reached: the code was not followed to its end", False
        uses = [u for u in self._uses(d.node.name) if u.inside is not d]
        live = [u for u in uses if u.inside is None or self._entered(u.inside)]
        if any(not u.called for u in live):
            return "it is handed on as a value, and no call of it was seen", False
        around = [self.guards.around(u.path, u.line, met=False) for u in live]
        if live and all(found or self._shut(u) for found, u in zip(around, live, strict=True)):
            said = {s.name: s for found in around for s in found}
            if not said:
                return "never called: the condition around the call is known not to hold", True
            return f"never called under the configuration of the claim: {_said(said.values())}", True
        if not live and uses and depth:
            callers = {id(u.inside): u.inside for u in uses if u.inside is not None and u.inside is not d}
            reasons = {self._why(c, depth - 1) for c in list(callers.values())[:CALLERS]}
            if len(reasons) == 1:
                return reasons.pop()
            return "never called: nothing that runs calls it", all(dead for _, dead in reasons)
        if live:
            return "never called: the branch that calls it was not taken", False
        return "never called", True

    def _shut(self, u: _Use) -> bool:
        """Whether the walk passed by the place because of a condition that it knew."""
        if self.spans is None:
            self.spans = {}
            for s in self.program.shut:
                path, _, lines = s.rpartition(":")
                first, _, last = lines.partition("-")
                self.spans.setdefault(path, []).append((int(first), int(last)))
        return any(first <= u.line <= last for first, last in self.spans.get(u.path, ()))

    def _place(self, d: _Def) -> Location:
        s = self.scripts[d.path]
        lines = s.text.splitlines()
        n = d.node.lineno
        return Location(d.path, n, lines[n - 1].strip()[:240] if n <= len(lines) else "", len(s.layers))


def _said(settings: Iterable[Setting]) -> str:
    return ", ".join(f"{s.name}={s.value} ({s.origin})" for s in list(settings)[:3])


def _defs(path: str, tree: ast.Module) -> list[_Def]:
    owners: dict[int, str] = {}
    for n in walk(tree):
        if isinstance(n, ast.ClassDef):
            bases = " ".join(ast.unparse(b) for b in n.bases) or "object"
            owners |= {id(f): bases for f in n.body if isinstance(f, _FUNCTION)}
    nodes = [n for n in walk(tree) if isinstance(n, _FUNCTION)]
    return [_Def(path, n, owners.get(id(n), "")) for n in sorted(nodes, key=lambda n: n.lineno)]


def _learns(d: _Def) -> str:
    """What a function would learn from validation tokens, in a few words; "" if it does not look like it."""
    if _OPTIMIZER.search(d.owner):
        return ""
    steps = backward = counts = about = False
    for n in walk(d.node):
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute):
            backward |= n.func.attr == "backward"
            steps |= n.func.attr == "step"
            counts |= n.func.attr in _COUNTS or n.func.attr == "at"
        elif isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Subscript):
            counts = True
        if isinstance(n, ast.Name):
            about |= bool(_ABOUT.search(n.id))
        elif isinstance(n, ast.arg):
            about |= bool(_ABOUT.search(n.arg))
    if not about and not _ABOUT.search(d.node.name):
        return ""
    return (
        "takes gradient steps"
        if steps and backward
        else "takes gradients"
        if backward
        else "takes steps"
        if steps
        else "fills tables"
        if counts
        else ""
    )
