"""Operators: arithmetic of known values, sequences and texts, and comparisons."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from auditor.source import attributes, calls, expressions, mixing, special
from auditor.source.labels import Mark
from auditor.source.library import environment, texts
from auditor.source.sights import artifact
from auditor.source.terms import build
from auditor.source.values import NAME, NONE, Alt, Const, Data, Dict, Frame, Inst, LibObj, Seq, Value, labels
from auditor.source.walk import Walk

MAX_STRING = 200_000
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}


def binary(w: Walk, op: ast.operator, a: Value, b: Value, n: ast.AST, f: Frame | None) -> Value:
    """The value of `a op b`."""
    if isinstance(a, Const) and isinstance(b, Const):
        folded = fold(type(op), a.v, b.v)
        if folded is not None:
            return Const(folded[0], a.lab | b.lab)
        return Data(a.lab | b.lab)
    if isinstance(a, (Const, Data)) and isinstance(b, (Const, Data)):
        if f is not None:
            w.site = w.here(n, f)
        return build.binary(w, op, a, b, mixing.combine(w, op, a, b))
    if isinstance(op, ast.Mod) and isinstance(a, Const) and isinstance(a.v, str) and isinstance(b, Seq):
        known = [i.v for i in b.items if isinstance(i, Const)]
        if len(known) == len(b.items) and (filled := fold(ast.Mod, a.v, tuple(known))) is not None:
            return Const(filled[0], a.lab | labels(b))
    if isinstance(a, Seq) or isinstance(b, Seq):
        found = _sequence_op(w, op, a, b)
        if found is not None:
            return found
    if isinstance(a, Dict) and isinstance(b, Dict) and isinstance(op, ast.BitOr):
        d = Dict(dict(a.items), a.rest)
        expressions.merge_dict(d, b)
        return d
    if isinstance(op, ast.Div) and isinstance(a, LibObj) and a.path == "pathlib.Path":
        return attributes.path_of(_text(a.attrs.get("text", NONE)) + "/" + _text(b), labels(a) | labels(b))
    if isinstance(a, Inst):
        method = attributes.find_method(a, _OPERATORS.get(type(op), ""))
        if method is not None:
            return calls.call(w, method, [b], {}, n)
    if isinstance(b, Inst):
        method = attributes.find_method(b, _OPERATORS.get(type(op), "").replace("__", "__r", 1))
        if method is not None:
            return calls.call(w, method, [a], {}, n)
    if f is not None:
        w.site = w.here(n, f)
    out = mixing.combine(w, op, a, b)
    return build.appended(w, a, b, out) if isinstance(op, ast.Add) else out


_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "__add__",
    ast.Sub: "__sub__",
    ast.Mult: "__mul__",
    ast.Div: "__truediv__",
    ast.MatMult: "__matmul__",
    ast.Mod: "__mod__",
    ast.FloorDiv: "__floordiv__",
    ast.BitOr: "__or__",
    ast.BitAnd: "__and__",
    ast.BitXor: "__xor__",
    ast.Pow: "__pow__",
    ast.LShift: "__lshift__",
    ast.RShift: "__rshift__",
}


def _text(v: Value) -> str:
    if isinstance(v, Const):
        return str(v.v)
    if isinstance(v, Data):
        return v.text or "{}"
    if isinstance(v, LibObj) and "text" in v.attrs:
        return _text(v.attrs["text"])
    return "{}"


def fold(op: type[ast.operator], a: Any, b: Any) -> tuple[Any] | None:
    """Arithmetic on known values, bounded in size; None if it cannot be had."""
    do = _ARITHMETIC.get(op)
    if do is None:
        return None
    try:
        if op is ast.Pow and (abs(b) > 64 or (isinstance(a, int) and abs(a) > 1 << 64)):
            return (math.pow(a, b),)
        if op is ast.LShift and b > 256:
            return None
        if op is ast.Mult:
            size = (len(a) if isinstance(a, (str, bytes, tuple)) else 0) + (
                len(b) if isinstance(b, (str, bytes, tuple)) else 0
            )
            if size and size * abs(a if isinstance(a, int) else b) > MAX_STRING:
                return None
        if op is ast.Mod and isinstance(a, (str, bytes)):
            return None if texts.grows(a) else (a % b,)
        out = do(a, b)
        if isinstance(out, int) and out.bit_length() > 4096:
            return None
        if isinstance(out, (str, bytes)) and len(out) > MAX_STRING:
            return None
        return (out,)
    except Exception:
        return None


def _sequence_op(w: Walk, op: ast.operator, a: Value, b: Value) -> Value | None:
    if isinstance(op, ast.Add) and isinstance(a, Seq) and isinstance(b, Seq):
        return Seq([*a.items, *b.items][:200], a.kind, a.more or b.more, a.lab | b.lab)
    if isinstance(op, ast.Add) and isinstance(a, Seq) and isinstance(b, Const) and isinstance(b.v, tuple):
        return Seq([*a.items, *(Const(i) for i in b.v)], a.kind, a.more, a.lab)
    if isinstance(op, ast.Mult):
        s, k = (a, b) if isinstance(a, Seq) else (b, a)
        if isinstance(s, Seq):
            if isinstance(k, Const) and isinstance(k.v, int) and 0 <= k.v * max(1, len(s.items)) <= 64:
                out = Seq(s.items * k.v, s.kind, s.more, s.lab)
            else:
                out = Seq(s.items[:1], s.kind, True, s.lab | labels(k))
                if isinstance(k, Const) and isinstance(k.v, int):
                    out.length = k.v * len(s.items)
            out.site, out.born = w.site, tuple(w.turns)
            return out
    if isinstance(op, ast.Sub) and isinstance(a, Seq):
        return Seq(list(a.items), a.kind, True, a.lab)
    if isinstance(op, (ast.BitOr, ast.BitAnd)) and isinstance(a, Seq) and isinstance(b, Seq):
        return Seq([*a.items, *b.items][:200], a.kind, True, a.lab | b.lab)
    return None


def other_side(parts: frozenset[str]) -> frozenset[str]:
    """What lies on the other side of these boundaries; nothing is known when there are several."""
    if len(parts) != 1:
        return frozenset()
    (p,) = parts
    return frozenset((p[:-1] + ("<" if p.endswith(">") else ">"),))


_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def compare_two(w: Walk, op: ast.cmpop, a: Value, b: Value, n: ast.AST, f: Frame) -> Value:
    lab = (a.lab if isinstance(a, Const) else 0) | (b.lab if isinstance(b, Const) else 0)
    if (isinstance(a, Inst) or isinstance(b, Inst)) and (said := special.compared(w, op, a, b, n)) is not None:
        return said
    if isinstance(op, (ast.Is, ast.IsNot)):
        same = _identical(a, b)
        if same is None:
            return Data(_asked_now(w, labels(a) | labels(b)))
        return Const(same is isinstance(op, ast.Is), lab)
    if isinstance(op, (ast.In, ast.NotIn)):
        known = contains(w, a, b)
        if known is not None:
            return Const(known is isinstance(op, ast.In), lab)
        return Data(labels(a) | labels(b))
    if isinstance(a, Const) and isinstance(b, Const):
        try:
            return Const(bool(_COMPARE[type(op)](a.v, b.v)), lab)
        except Exception:
            return Data(lab)
    if (
        isinstance(a, Data)
        and isinstance(b, Data)
        and isinstance(op, (ast.Eq, ast.NotEq))
        and a.sym
        and a.sym == b.sym
        and a.off == b.off
        and "positions" not in (a.tag, b.tag)
    ):
        return Const(isinstance(op, ast.Eq), labels(a))
    if isinstance(a, Data) and isinstance(b, Data) and a.sym and a.sym == b.sym and "positions" not in (a.tag, b.tag):
        try:
            return Const(bool(_COMPARE[type(op)](a.off, b.off)), labels(a))
        except KeyError:
            pass
    if (
        isinstance(op, ast.Eq)
        and not isinstance(a, (Const, Data, Alt, Seq))
        and isinstance(b, Const)
        and b.v is not None
        and not isinstance(a, LibObj)
    ):
        return Const(False)
    w.site = w.here(n, f)
    return build.compared(w, op, a, b, mixing.compared(w, op, a, b))


def _asked_now(w: Walk, marks: int) -> int:
    """Marks of whether something is there: it is asked in this turn, whichever turn had put it there."""
    for loop, k in w.turns:
        if marks & w.marks.loop_mask.get(loop, 0):
            marks = (marks & ~w.marks.loop_mask[loop]) | w.marks.make(Mark.TURN, (loop, k))
    return marks


def _identical(a: Value, b: Value) -> bool | None:
    if isinstance(b, Const) and b.v is None:
        if isinstance(a, Const):
            return a.v is None
        if isinstance(a, Alt):
            return None if any(isinstance(x, Const) and x.v is None for x in a.values) else False
        if isinstance(a, Data):
            return None if a.tag == "maybe none" else False
        return False
    if a is b:
        return True
    if isinstance(a, Const) and isinstance(b, Const):
        return a.v is b.v or (type(a.v) is type(b.v) and a.v == b.v)
    return None


def contains(w: Walk, a: Value, b: Value) -> bool | None:
    if isinstance(a, Data) and a.tag == NAME and isinstance(b, Dict) and b.named is not None:
        return True if b.named <= frozenset(w.guards) else None
    if w.held and artifact.holds(w, a, b):
        return True
    if isinstance(b, LibObj) and b.path == "os.environ" and isinstance(a, Const):
        return environment.known(w, str(a.v))
    if isinstance(a, Const):
        if isinstance(b, Const):
            if isinstance(b.v, range) and type(a.v) is not int:
                return None  # would be looked for number by number
            try:
                return a.v in b.v
            except Exception:
                return None
        if isinstance(b, Seq):
            if any(isinstance(i, Const) and i.v == a.v for i in b.items):
                return True
            return False if not b.more and all(isinstance(i, Const) for i in b.items) else None
        if isinstance(b, Dict):
            try:
                if a.v in b.items:
                    return True
            except TypeError:
                return None
            return False if b.rest is None and not b.key_lab else None
    return None
