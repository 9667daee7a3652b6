"""What undecided conditions ask: two that ask the same of the same values have one answer.

Code that trains under a condition often puts the weights back under the same condition, written out a
second time. The two are told to be one by their text and by the values that their names hold.
"""

from __future__ import annotations

import ast

from auditor.source import expressions
from auditor.source.values import Const, Data, Frame, Value, labels
from auditor.source.walk import Walk

MAX_PARTS = 8
_PLAIN = (
    ast.Name, ast.Attribute, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Load, ast.boolop, ast.unaryop,
    ast.cmpop,
)  # fmt: skip


def number(w: Walk, n: ast.If, marks: int, f: Frame) -> str:
    """The number of the undecided condition of an `if`; of "a and b", either part holds in its first branch."""
    if not _plain(n.test):
        return w.guard_number(n, marks)
    parts = _open_parts(w, n.test, f)
    asked = [_question(w, p, f) for p, _ in parts]
    if None in asked or len(parts) > MAX_PARTS:
        return w.guard_number(n, marks)
    if len(parts) == 1:
        return w.guard_number(n, marks, asked[0])
    name = w.guard_number(n, marks, tuple(asked))
    each = (w.guard_number(p, labels(v), q) for (p, v), q in zip(parts, asked, strict=True))
    w.implied[f"{name}:then"] = frozenset(f"{x}:then" for x in each)
    return name


def _plain(test: ast.expr) -> bool:
    """Whether nothing is called: asking again changes nothing and gives the same."""
    return all(isinstance(x, _PLAIN) for x in ast.walk(test))


def _open_parts(w: Walk, test: ast.expr, f: Frame) -> list[tuple[ast.expr, Value]]:
    """The parts of "a and b" that are not known to hold, with their values."""
    parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
    valued = [(p, expressions.evaluate(w, p, f)) for p in parts]
    return [(p, v) for p, v in valued if expressions.decide(w, v) is None]


def _question(w: Walk, e: ast.expr, f: Frame) -> object | None:
    """The text of a condition with the values of its names; None where a value may change in place."""
    held: list[object] = []
    for x in _leaves(e):
        v = expressions.evaluate(w, x, f)
        if isinstance(v, Const):
            held.append((type(v.v), v.v) if v.v.__hash__ is not None else id(v))
        elif isinstance(v, Data) and v.root.site is None and v.root.holder is None:
            held.append(id(v))
        else:
            return None
        w.kept.append(v)
    return ast.dump(e), tuple(held), tuple(w.turns)


def _leaves(e: ast.expr) -> list[ast.expr]:
    """The names and attributes of a condition."""
    if isinstance(e, (ast.Name, ast.Attribute)):
        return [e]
    return [x for c in ast.iter_child_nodes(e) if isinstance(c, ast.expr) for x in _leaves(c)]
