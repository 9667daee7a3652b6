"""Conditions on a clock or on a score: who leaves a loop because of them, and what is kept because of them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from auditor.source.labels import Mark
from auditor.source.values import Frame

if TYPE_CHECKING:
    from auditor.source.walk import Walk

LEFT_BY_CLOCK = "left by clock"
LEFT_BY_SCORE = "left by score"
KEPT_BY_SCORE = "kept by score"
_KEEPS = frozenset(("state_dict", "deepcopy", "save", "load_state_dict", "save_checkpoint", "get_state"))


def after_if(w: Walk, n: ast.If, test: int, first: str | None, second: str | None, f: Frame) -> None:
    """A condition that nobody could decide, and how its branches ended."""
    m = w.marks.mask
    here = f.func.name if f.func else ""
    left = bool(w.turns) and w.loop_sites[w.turns[-1][0]].func == here and bool({first, second} & {"break", "return"})
    if test & m[Mark.CLOCK] and left:
        w.note(LEFT_BY_CLOCK, w.here(n, f), test)
    if test & m[Mark.SCORE]:
        if left:
            w.note(LEFT_BY_SCORE, w.here(n, f), test)
        kept = " ".join(_kept(n))
        if kept:
            w.note(KEPT_BY_SCORE, w.here(n, f), test, kept)


def while_test(w: Walk, n: ast.While, test: int, f: Frame) -> None:
    """A loop that goes on as long as a clock allows."""
    if test & w.marks.mask[Mark.CLOCK] and w.turns:
        w.note(LEFT_BY_CLOCK, w.here(n, f), test)


def _kept(n: ast.If) -> list[str]:
    """The names under which a branch keeps weights."""
    out: list[str] = []
    for s in [*n.body, *n.orelse]:
        for x in ast.walk(s):
            if isinstance(x, ast.Call) and _called(x) in _KEEPS:
                targets = s.targets if isinstance(s, ast.Assign) else []
                out += [_name(y) for t in targets for y in ast.walk(t)]
                out += [_name(y) for a in x.args for y in ast.walk(a)]
    return sorted({name for name in out if name})


def _called(n: ast.Call) -> str:
    return n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id if isinstance(n.func, ast.Name) else ""


def _name(n: ast.AST | None) -> str:
    if isinstance(n, ast.Name):
        return n.id
    if isinstance(n, ast.Attribute):
        return n.attr
    if isinstance(n, ast.Constant) and isinstance(n.value, str) and "." in n.value and len(n.value) < 100:
        return n.value
    return ""
