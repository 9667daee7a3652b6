"""Conditions on the counter of a loop that leave it early, or skip some of its turns by a period."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from auditor.source import expressions
from auditor.source.labels import Mark
from auditor.source.sights.coverage import tell
from auditor.source.values import Const, Frame, labels

if TYPE_CHECKING:
    from auditor.source.walk import Walk

_PLAIN = (ast.Name, ast.Constant, ast.BinOp, ast.Attribute, ast.operator, ast.expr_context)


def asked(w: Walk, n: ast.If, known: bool, f: Frame) -> None:
    """A decided condition on the counter of the loop around: where it leaves the loop, and whether it has a period."""
    if not w.turns or not isinstance(n.test, (ast.Compare, ast.BinOp)):
        return
    loop = w.turns[-1][0]
    leaves = known and isinstance(n.body[-1], (ast.Break, ast.Return))
    if leaves and isinstance(n.test, ast.Compare) and len(n.test.ops) == 1:
        _leaves(w, n.test, loop, f)
    if w.turns[-1][1] and any(_periodic(w, x, f) for x in ast.walk(n.test)):
        tell(w, loop, "", "chosen by a period")


def _leaves(w: Walk, test: ast.Compare, loop: int, f: Frame) -> None:
    left, right = test.left, test.comparators[0]
    if isinstance(test.ops[0], (ast.Lt, ast.LtE)):
        left, right = right, left
    elif not isinstance(test.ops[0], (ast.Gt, ast.GtE)):
        return
    if not (_is_plain(left) and _is_plain(right)):
        return
    counter, limit = expressions.evaluate(w, left, f), expressions.evaluate(w, right, f)
    m = w.marks.mask
    if not (isinstance(counter, Const) and isinstance(limit, Const)):
        return
    if not counter.lab & m[Mark.TURN] or limit.lab & m[Mark.TURN] or (counter.lab | limit.lab) & m[Mark.RANK]:
        return
    if type(counter.v) is int and type(limit.v) is int and 0 < limit.v < counter.v:
        tell(w, loop, f"{limit.v / counter.v:.4f}", "and is left then")


def _is_plain(n: ast.expr) -> bool:
    return all(isinstance(x, _PLAIN) for x in ast.walk(n))


def _periodic(w: Walk, n: ast.AST, f: Frame) -> bool:
    """Whether an expression is a counter of the loop around modulo a fixed number, other than the number of processes."""
    if not (isinstance(n, ast.BinOp) and isinstance(n.op, ast.Mod) and _is_plain(n.left) and _is_plain(n.right)):
        return False
    counter, by = expressions.evaluate(w, n.left, f), expressions.evaluate(w, n.right, f)
    m = w.marks.mask
    if not isinstance(by, Const) or type(by.v) is not int or by.v < 2 or by.v == w.config.world_size:
        return False
    lab = labels(counter) | by.lab
    return bool(lab & m[Mark.TURN]) and not lab & (m[Mark.RANK] | m[Mark.READ] | m[Mark.SCORE])
