"""Special methods of the submission's own classes: what Python calls without being told to.

`if x`, `f"{x}"`, `x == y`, `x in y`, `x >> y`, `del x` and the making of a class run code like any other call.
"""

from __future__ import annotations

import ast

from auditor.source import attributes, calls, expressions
from auditor.source.values import NONE, Args, Cls, Const, Frame, Func, Inst, Kw, LibObj, Native, Seq, Value
from auditor.source.walk import Walk

_COMPARED = {
    ast.Eq: ("__eq__", "__eq__"),
    ast.NotEq: ("__ne__", "__ne__"),
    ast.Lt: ("__lt__", "__gt__"),
    ast.LtE: ("__le__", "__ge__"),
    ast.Gt: ("__gt__", "__lt__"),
    ast.GtE: ("__ge__", "__le__"),
}


def truth(w: Walk, v: Value, n: ast.AST) -> Value:
    """What decides a condition: the value, or what an object says of itself."""
    if isinstance(v, Inst):
        for name in ("__bool__", "__len__"):
            method = attributes.find_method(v, name)
            if method is not None:
                return calls.call(w, method, [], {}, n)
    return v


def text(w: Walk, v: Value, n: ast.AST, *names: str) -> Value:
    """An object as text."""
    if isinstance(v, Inst):
        for name in (*names, "__str__", "__repr__"):
            method = attributes.find_method(v, name)
            if method is not None:
                return calls.call(w, method, [Const("")] if name == "__format__" else [], {}, n)
    return v


def compared(w: Walk, op: ast.cmpop, a: Value, b: Value, n: ast.AST) -> Value | None:
    """`a == b` and its like where one of them is an object that answers for itself."""
    if isinstance(op, (ast.In, ast.NotIn)):
        method = attributes.find_method(b, "__contains__") if isinstance(b, Inst) else None
        return calls.call(w, method, [a], {}, n) if method is not None else None
    mine, theirs = _COMPARED.get(type(op), ("", ""))
    for x, y, name in ((a, b, mine), (b, a, theirs)):
        method = attributes.find_method(x, name) if isinstance(x, Inst) else None
        if method is not None:
            return calls.call(w, method, [y], {}, n)
    return None


def deleted(w: Walk, v: Value | None, n: ast.AST) -> None:
    """`del x`, the last name of an object as far as anybody knows."""
    method = attributes.find_method(v, "__del__") if isinstance(v, Inst) else None
    if method is not None:
        calls.call(w, method, [], {}, n)


def class_made(w: Walk, c: Cls, n: ast.ClassDef, f: Frame) -> None:
    """What runs when a class was made: of its base classes, its metaclass and the objects in it."""
    given = {k.arg: expressions.evaluate(w, k.value, f) for k in n.keywords if k.arg is not None}
    meta = given.pop("metaclass", None)
    for k in c.mro()[1:]:
        hook = k.attrs.get("__init_subclass__")
        if hook is not None:
            calls.call(w, hook, [c], given, n)
            break
    for name, v in list(c.attrs.items()):
        method = attributes.find_method(v, "__set_name__") if isinstance(v, Inst) else None
        if method is not None:
            calls.call(w, method, [c, Const(name)], {}, n)
    c.meta = meta if isinstance(meta, Cls) else next((k.meta for k in c.mro()[1:] if k.meta is not None), None)
    init = attributes.class_lookup(c.meta, "__init__") if c.meta is not None else None
    if isinstance(init, Func):
        calls.enter(w, init, [c, Const(c.name), Seq(list(c.bases), "tuple"), NONE], given, n)


def through_metaclass(w: Walk, c: Cls, args: Args, kw: Kw, n: ast.AST | None) -> Value | None:
    """`C(…)` where the metaclass says what that does; None where it does not."""
    call = attributes.class_lookup(c.meta, "__call__") if c.meta is not None else None
    return calls.enter(w, call, [c, *args], kw, n) if isinstance(call, Func) else None


def above(c: Cls) -> Value:
    """`super()` in a method of a metaclass, for the class at hand."""

    def make(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        return calls.instantiate(w, c, args, kw, node)

    out = LibObj("object")
    out.attrs["__call__"] = Native(make, "make")
    return out


def wrapped(w: Walk, manager: Inst, fn: Value) -> Value | None:
    """A function under a `ContextDecorator`: each call is made within the context."""
    if not any(p.endswith("ContextDecorator") for p in manager.cls.library_bases()):
        return None

    def run(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        calls.enter_context(w, manager, node)
        out = calls.call(w, fn, args, kw, node)
        calls.leave_context(w, manager, node)
        return out

    return Native(run, "within a context")
