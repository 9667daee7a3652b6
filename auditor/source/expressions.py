"""Expressions: the value of each, with everything its marks have met."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from auditor.source import assign, attributes, calls, loops, mixing, narrow, operators, special, subscripts, tokens
from auditor.source.terms import build
from auditor.source.values import (
    NONE,
    Alt,
    Bound,
    Cls,
    Const,
    Data,
    Dict,
    Frame,
    Func,
    Inst,
    Lib,
    LibObj,
    Native,
    Seq,
    Value,
    join,
    labels,
)
from auditor.source.walk import Walk


def evaluate(w: Walk, n: ast.expr, f: Frame) -> Value:
    w.steps += 1
    if w.steps & 1023 == 0:
        w.step()
    return _EVAL[type(n)](w, n, f)


def decide(w: Walk, v: Value) -> bool | None:
    """Whether a condition holds, None if nobody can tell."""
    if isinstance(v, Const):
        try:
            return bool(v.v)
        except Exception:
            return None
    if isinstance(v, Seq):
        if v.items:
            return True
        return None if v.more else False
    if isinstance(v, Dict):
        if v.items:
            return True
        return None if v.rest is not None or v.key_lab else False
    if isinstance(v, (Func, Cls, Lib, Native, Bound)):
        return True
    if isinstance(v, Inst):
        return True
    if isinstance(v, LibObj):
        return None if v.path == "range" else True
    if isinstance(v, Alt):
        said = {decide(w, x) for x in v.values}
        return said.pop() if len(said) == 1 else None
    return None


def _constant(w: Walk, n: ast.Constant, f: Frame) -> Value:
    return NONE if n.value is None else Const(n.value)


def _name(w: Walk, n: ast.Name, f: Frame) -> Value:
    v = f.locals.get(n.id)
    return v if v is not None else lookup(w, n.id, f)


def lookup(w: Walk, name: str, f: Frame) -> Value:
    v = f.locals.get(name)
    if v is not None:
        return v
    p = f.parent
    while p is not None:
        v = p.locals.get(name)
        if v is not None and not p.is_class:
            return v
        p = p.parent
    v = f.top.frame.locals.get(name)
    if v is not None:
        return v
    if name in ("__file__",):
        return Const(f.top.path)
    if name == "__name__":
        return Const(f.top.name)
    if name in _BUILTINS:
        return Lib(name)
    return Data()


_BUILTINS = frozenset(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)


def _tuple(w: Walk, n: ast.Tuple, f: Frame) -> Value:
    return Seq(elements(w, n.elts, f), "tuple")


def _list(w: Walk, n: ast.List | ast.Set, f: Frame) -> Value:
    s = Seq(elements(w, n.elts, f), "list" if isinstance(n, ast.List) else "set")
    s.site = w.here(n, f)
    s.born = tuple(w.turns)
    return s


def elements(w: Walk, elts: list[ast.expr], f: Frame) -> list[Value]:
    out: list[Value] = []
    for e in elts:
        if isinstance(e, ast.Starred):
            v = evaluate(w, e.value, f)
            if isinstance(v, Seq):
                out += v.items
            elif isinstance(v, Const) and isinstance(v.v, (tuple, list, range)):
                out += [Const(i) for i in v.v[:200]]
            else:
                out += loops.sample(w, v)[0]
        else:
            out.append(evaluate(w, e, f))
    return out


def _dict(w: Walk, n: ast.Dict, f: Frame) -> Value:
    d = Dict()
    d.site = w.here(n, f)
    d.born = tuple(w.turns)
    for k, e in zip(n.keys, n.values, strict=True):
        v = evaluate(w, e, f)
        if k is None:
            merge_dict(d, v)
        else:
            assign.set_in_dict(w, d, evaluate(w, k, f), v)
    return d


def merge_dict(d: Dict, v: Value) -> None:
    if isinstance(v, Dict):
        d.items.update(v.items)
        d.key_lab |= v.key_lab
        if v.rest is not None:
            d.rest = join(d.rest, v.rest)
    else:
        d.rest = join(d.rest, Data(labels(v)))


def _joined(w: Walk, n: ast.JoinedStr, f: Frame) -> Value:
    text: list[str] = []
    lab = 0
    known = True
    spelled = False
    for part in n.values:
        if isinstance(part, ast.Constant):
            text.append(str(part.value))
            continue
        assert isinstance(part, ast.FormattedValue)
        v = special.text(w, evaluate(w, part.value, f), n, "__format__")
        lab |= labels(v)
        spelled = spelled or mixing.tag_of(v) in tokens.TOKENISH  # tokens written out, as the key of a dict
        if part.format_spec is not None:
            evaluate(w, part.format_spec, f)
        if isinstance(v, Const) and not part.format_spec and part.conversion == -1:
            text.append(str(v.v)[: operators.MAX_STRING])
        elif isinstance(v, Data) and v.text:
            text.append(v.text)
            known = False
        else:
            text.append("{}")
            known = False
    whole = "".join(text)[: operators.MAX_STRING]
    return Const(whole, lab) if known else Data(lab, text=whole, tag="mixed" if spelled else "")


def _formatted(w: Walk, n: ast.FormattedValue, f: Frame) -> Value:
    return evaluate(w, n.value, f)


def _bool_op(w: Walk, n: ast.BoolOp, f: Frame) -> Value:
    is_and = isinstance(n.op, ast.And)
    out: Value | None = None
    lab = 0
    for e in n.values:
        v = evaluate(w, e, f)
        known = decide(w, special.truth(w, v, n))
        lab |= labels(v) if known is None or isinstance(v, Const) else 0
        if known is not None:
            if known != is_and:  # decides the whole
                if out is None:
                    return v
                return Const(known, lab) if is_and else join(out, v)
            if out is None and e is n.values[-1]:
                return v
            if e is n.values[-1] and out is None:
                return v
            continue
        out = join(out, v)
    if out is None:
        return v
    if is_and:
        better = isinstance(out, Data) and out.tag == "better"  # a comparison of losses, and something besides
        return Data(lab, tag="better" if better else "") if not isinstance(out, Alt) else out
    return out


def _bin_op(w: Walk, n: ast.BinOp, f: Frame) -> Value:
    a = evaluate(w, n.left, f)
    b = evaluate(w, n.right, f)
    return operators.binary(w, n.op, a, b, n, f)


def _unary(w: Walk, n: ast.UnaryOp, f: Frame) -> Value:
    v = evaluate(w, n.operand, f)
    if isinstance(n.op, ast.Not):
        v = special.truth(w, v, n)
        known = decide(w, v)
        return Data(labels(v)) if known is None else Const(not known, v.lab if isinstance(v, Const) else 0)
    if isinstance(v, Const):
        try:
            if isinstance(n.op, ast.USub):
                return Const(-v.v, v.lab)
            if isinstance(n.op, ast.Invert):
                return Const(~v.v, v.lab)
            return Const(+v.v, v.lab)
        except Exception:
            return Data(v.lab)
    if isinstance(n.op, ast.USub):
        w.site = w.here(n, f)
        return build.negated(w, v, mixing.negate(w, v))
    d = Data(labels(v), tag=mixing.tag_of(v) if mixing.tag_of(v) in ("condition", "mask", "hit") else "")
    if isinstance(n.op, ast.Invert) and isinstance(v, Data):
        d.parts = operators.other_side(tokens.all_parts(v))
    return d


def _compare(w: Walk, n: ast.Compare, f: Frame) -> Value:
    left = evaluate(w, n.left, f)
    out: Value | None = None
    for op, e in zip(n.ops, n.comparators, strict=True):
        right = evaluate(w, e, f)
        one = operators.compare_two(w, op, left, right, n, f)
        if isinstance(one, Const) and not one.v:
            return one
        out = one if out is None else (Data(labels(out) | labels(one)) if not isinstance(one, Const) else out)
        left = right
    return out or Data()


def _if_exp(w: Walk, n: ast.IfExp, f: Frame) -> Value:
    test = special.truth(w, evaluate(w, n.test, f), n)
    known = decide(w, test)
    if known is not None:
        return evaluate(w, n.body if known else n.orelse, f)
    number = w.guard_number(n, labels(test))
    with w.branch(f"{number}:then"), narrow.asked(w, n.test, f, True):
        a = evaluate(w, n.body, f)
    with w.branch(f"{number}:else"), narrow.asked(w, n.test, f, False):
        b = evaluate(w, n.orelse, f)
    w.site = w.here(n, f)
    return build.chosen(w, test, a, b, mixing.selected(w, test, a, b))


def _attribute(w: Walk, n: ast.Attribute, f: Frame) -> Value:
    owner = evaluate(w, n.value, f)
    return attributes.get(w, owner, n.attr, n)


def index(w: Walk, n: ast.expr, f: Frame) -> Value:
    """The value of what stands between the brackets."""
    return evaluate(w, n, f)


def _slice(w: Walk, n: ast.Slice, f: Frame) -> Value:
    parts = [evaluate(w, e, f) if e is not None else NONE for e in (n.lower, n.upper, n.step)]
    return Seq(parts, "slice")


def _subscript(w: Walk, n: ast.Subscript, f: Frame) -> Value:
    owner = evaluate(w, n.value, f)
    key = evaluate(w, n.slice, f)
    w.site = w.here(n, f)
    return build.item(w, owner, key, subscripts.item(w, owner, key, n))


def _comprehension(w: Walk, n: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, f: Frame) -> Value:
    inner = Frame(f.top, f, f.func)
    inner.locals = _Overlay(f.locals)
    out: list[tuple[Value | None, Value]] = []
    more = _generate(w, n, 0, inner, out)
    site = w.here(n, f)
    if isinstance(n, ast.DictComp):
        d = Dict()
        d.site, d.born = site, tuple(w.turns)
        for k, v in out:
            assign.set_in_dict(w, d, k or NONE, v)
        if any(not _trainable(test) for g in n.generators for test in g.ifs):
            d.named = None
        if more and d.items:
            rest: Value | None = d.rest
            for v in list(d.items.values())[-1:]:
                rest = join(rest, v)
            d.rest = rest
        return d
    values = [v for _, v in out]
    if (
        more
        and len(values) > 1
        and all(
            isinstance(v, (Seq, Dict)) and not (isinstance(v, Seq) and v.kind == "tuple") and not labels(v)
            for v in values
        )
    ):
        values = values[:1]  # many empty containers: one stands for all, whichever is filled
    elif more and len(values) > 1 and all(isinstance(v, Data) and v.site is not None and not labels(v) for v in values):
        values = values[:1]
    s = Seq(values, "set" if isinstance(n, ast.SetComp) else "list", more)
    if isinstance(n, ast.ListComp) and not _is_data(s):
        s.site, s.born = site, tuple(w.turns)
    return s


def _trainable(test: ast.expr) -> bool:
    """Whether a condition asks for the parameters that steps can change."""
    return isinstance(test, ast.Attribute) and test.attr == "requires_grad"


def _is_data(s: Seq) -> bool:
    return bool(s.items) and all(isinstance(i, (Data, Const)) for i in s.items)


class _Overlay(dict[str, Value]):
    """Names of a comprehension over those of the function around it."""

    def __init__(self, under: dict[str, Value]) -> None:
        super().__init__()
        self.under = under

    def get(self, key: str, default: Any = None) -> Any:
        v = super().get(key)
        return v if v is not None else self.under.get(key, default)


def _generate(w: Walk, n: Any, depth: int, f: Frame, out: list[tuple[Value | None, Value]]) -> bool:
    if depth == len(n.generators):
        if isinstance(n, ast.DictComp):
            key: Value | None = evaluate(w, n.key, f)
            out.append((key, evaluate(w, n.value, f)))
        else:
            out.append((None, evaluate(w, n.elt, f)))
        return False
    g = n.generators[depth]
    source = evaluate(w, g.iter, f)
    items, more = loops.sample(w, source)
    loop = w.loop(g, w.here(n, f))
    for k, i in enumerate(items):
        with w.turn(loop, k) as bit:
            assign.assign(w, g.target, loops.marked(i, bit, w, loop), f)
            keep: list[str] = []
            skip = False
            for test in g.ifs:
                v = evaluate(w, test, f)
                known = decide(w, v)
                if known is False:
                    skip = True
                    break
                if known is None:
                    keep.append(f"{w.guard_number(test, labels(v))}:then")
                    more = True
            if skip:
                more = more or len(items) > 1
                continue
            w.guards += keep
            more = _generate(w, n, depth + 1, f, out) or more
            if keep:
                del w.guards[-len(keep) :]
    return more


def _lambda(w: Walk, n: ast.Lambda, f: Frame) -> Value:
    return calls.make_function(w, n, f)


def _named(w: Walk, n: ast.NamedExpr, f: Frame) -> Value:
    v = evaluate(w, n.value, f)
    target = f
    while isinstance(target.locals, _Overlay) and target.parent is not None:
        target = target.parent
    target.locals[n.target.id] = v
    return v


def _yield(w: Walk, n: ast.Yield, f: Frame) -> Value:
    v = evaluate(w, n.value, f) if n.value else NONE
    f.quiet = max(f.quiet, w.no_grad)
    if f.yields is not None and len(f.yields) < 64:
        f.yields.append(v)
    return w.sent[-1] if w.sent else Data()


def _yield_from(w: Walk, n: ast.YieldFrom, f: Frame) -> Value:
    if f.yields is not None:
        f.yields += loops.sample(w, evaluate(w, n.value, f))[0]
    return Data()


def _await(w: Walk, n: ast.Await, f: Frame) -> Value:
    return evaluate(w, n.value, f)


def _starred(w: Walk, n: ast.Starred, f: Frame) -> Value:
    return evaluate(w, n.value, f)


def _call(w: Walk, n: ast.Call, f: Frame) -> Value:
    return calls.call_expression(w, n, f)


_EVAL: dict[type[ast.AST], Callable[[Walk, Any, Frame], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Tuple: _tuple,
    ast.List: _list,
    ast.Set: _list,
    ast.Dict: _dict,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
    ast.BoolOp: _bool_op,
    ast.BinOp: _bin_op,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.IfExp: _if_exp,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _comprehension,
    ast.Lambda: _lambda,
    ast.NamedExpr: _named,
    ast.Yield: _yield,
    ast.YieldFrom: _yield_from,
    ast.Await: _await,
    ast.Starred: _starred,
    ast.Call: _call,
}
