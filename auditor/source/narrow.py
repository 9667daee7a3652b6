"""What a name holds in a branch that asked for its kind.

Where a value is one of several (`Alt`), `isinstance` leaves in either branch only those that answer so: a
function that gives a pair or a tensor is followed by a test, and what is done to the pair is not done to the tensor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager

from auditor.source import calls, expressions
from auditor.source.values import Alt, Const, Frame, Value
from auditor.source.walk import Walk


def kinds(w: Walk, test: ast.expr, f: Frame, way: bool) -> dict[str, Value]:
    """The names that hold fewer values where a condition holds (`way`) or where it does not."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return kinds(w, test.operand, f, not way)
    if (
        isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) is way
    ):  # all parts of "and" hold, none of "or" does
        return {name: v for part in test.values for name, v in kinds(w, part, f, way).items()}
    match test:
        case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), kind], keywords=[]):
            held = f.locals.get(name)
            if isinstance(held, Alt):
                left = [v for v in held.values if _answer(w, test, v, kind, f) in (way, None)]
                if left and len(left) < len(held.values):
                    return {name: left[0] if len(left) == 1 else Alt(left)}
    return {}


def _answer(w: Walk, test: ast.Call, v: Value, kind: ast.expr, f: Frame) -> bool | None:
    asked = calls.call(w, expressions.evaluate(w, test.func, f), [v, expressions.evaluate(w, kind, f)], {}, test)
    return bool(asked.v) if isinstance(asked, Const) else None


@contextmanager
def asked(w: Walk, test: ast.expr, f: Frame, way: bool) -> Iterator[None]:
    """Names hold what the answer to a condition leaves, for the time of one expression."""
    left = kinds(w, test, f, way)
    before = {name: f.locals[name] for name in left if name in f.locals}
    f.locals.update(left)
    try:
        yield
    finally:
        for name in left:
            del f.locals[name]
        f.locals.update(before)
