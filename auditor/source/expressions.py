"""Expressions: the value of each, with everything its marks have met."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from auditor.source import assign, attributes, calls, environment, loops, mixing, tokens
from auditor.source.labels import Mark
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

MAX_STRING = 200_000
MAX_POWER = 10_000


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
    return lookup(w, n.id, f)


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
                out += [Const(i) for i in list(v.v)[:200]]
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
    for part in n.values:
        if isinstance(part, ast.Constant):
            text.append(str(part.value))
            continue
        assert isinstance(part, ast.FormattedValue)
        v = evaluate(w, part.value, f)
        lab |= labels(v)
        if part.format_spec is not None:
            evaluate(w, part.format_spec, f)
        if isinstance(v, Const) and not part.format_spec and part.conversion == -1:
            text.append(str(v.v)[:MAX_STRING])
        elif isinstance(v, Data) and v.text:
            text.append(v.text)
            known = False
        else:
            text.append("{}")
            known = False
    whole = "".join(text)[:MAX_STRING]
    return Const(whole, lab) if known else Data(lab, text=whole)


def _formatted(w: Walk, n: ast.FormattedValue, f: Frame) -> Value:
    return evaluate(w, n.value, f)


def _bool_op(w: Walk, n: ast.BoolOp, f: Frame) -> Value:
    is_and = isinstance(n.op, ast.And)
    out: Value | None = None
    lab = 0
    for e in n.values:
        v = evaluate(w, e, f)
        known = decide(w, v)
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
        return Data(lab) if not isinstance(out, Alt) else out
    return out


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


def _bin_op(w: Walk, n: ast.BinOp, f: Frame) -> Value:
    a = evaluate(w, n.left, f)
    b = evaluate(w, n.right, f)
    return binary(w, n.op, a, b, n, f)


def binary(w: Walk, op: ast.operator, a: Value, b: Value, n: ast.AST, f: Frame | None) -> Value:
    """The value of `a op b`."""
    if isinstance(a, Const) and isinstance(b, Const):
        folded = fold(type(op), a.v, b.v)
        if folded is not None:
            return Const(folded[0], a.lab | b.lab)
        return Data(a.lab | b.lab)
    if isinstance(a, Seq) or isinstance(b, Seq):
        found = _sequence_op(w, op, a, b)
        if found is not None:
            return found
    if isinstance(a, Dict) and isinstance(b, Dict) and isinstance(op, ast.BitOr):
        d = Dict(dict(a.items), a.rest)
        merge_dict(d, b)
        return d
    if isinstance(op, ast.Div) and isinstance(a, LibObj) and a.path == "pathlib.Path":
        return attributes.path_of(_text(a.attrs.get("text", NONE)) + "/" + _text(b), labels(a) | labels(b))
    if isinstance(a, Inst):
        method = attributes.find_method(a, _OPERATORS.get(type(op), ""))
        if method is not None:
            return calls.call(w, method, [b], {}, n)
    if f is not None:
        w.site = w.here(n, f)
    return mixing.combine(w, op, a, b)


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
            return None if len(a) > 2000 else (a % b,)
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


def _unary(w: Walk, n: ast.UnaryOp, f: Frame) -> Value:
    v = evaluate(w, n.operand, f)
    if isinstance(n.op, ast.Not):
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
        return mixing.negate(w, v)
    d = Data(labels(v), tag=mixing.tag_of(v) if mixing.tag_of(v) in ("condition", "mask", "hit") else "")
    if isinstance(n.op, ast.Invert) and isinstance(v, Data):
        d.parts = other_side(tokens.all_parts(v))
    return d


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


def _compare(w: Walk, n: ast.Compare, f: Frame) -> Value:
    left = evaluate(w, n.left, f)
    out: Value | None = None
    for op, e in zip(n.ops, n.comparators, strict=True):
        right = evaluate(w, e, f)
        one = compare_two(w, op, left, right, n, f)
        if isinstance(one, Const) and not one.v:
            return one
        out = one if out is None else (Data(labels(out) | labels(one)) if not isinstance(one, Const) else out)
        left = right
    return out or Data()


def compare_two(w: Walk, op: ast.cmpop, a: Value, b: Value, n: ast.AST, f: Frame) -> Value:
    lab = (a.lab if isinstance(a, Const) else 0) | (b.lab if isinstance(b, Const) else 0)
    if isinstance(op, (ast.Is, ast.IsNot)):
        same = _identical(a, b)
        if same is None:
            return Data(labels(a) | labels(b))
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
    return mixing.compared(w, op, a, b)


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
    if isinstance(b, LibObj) and b.path == "os.environ" and isinstance(a, Const):
        return environment.known(w, str(a.v))
    if isinstance(a, Const):
        if isinstance(b, Const):
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


def _if_exp(w: Walk, n: ast.IfExp, f: Frame) -> Value:
    test = evaluate(w, n.test, f)
    known = decide(w, test)
    if known is not None:
        return evaluate(w, n.body if known else n.orelse, f)
    number = w.guard_number(n, labels(test))
    with w.branch(f"{number}:then"):
        a = evaluate(w, n.body, f)
    with w.branch(f"{number}:else"):
        b = evaluate(w, n.orelse, f)
    w.site = w.here(n, f)
    return mixing.selected(w, test, a, b)


def _attribute(w: Walk, n: ast.Attribute, f: Frame) -> Value:
    owner = evaluate(w, n.value, f)
    return attributes.get(w, owner, n.attr, n)


def index(w: Walk, n: ast.expr, f: Frame) -> Value:
    """The value of what stands between the brackets."""
    return evaluate(w, n, f)


def _slice(w: Walk, n: ast.Slice, f: Frame) -> Value:
    parts = [evaluate(w, e, f) if e is not None else NONE for e in (n.lower, n.upper, n.step)]
    return Seq(parts, "slice")


def is_whole(v: Value) -> bool:
    """Whether an index names everything: `[:]` or `[...]`."""
    if isinstance(v, Seq) and v.kind == "slice":
        return all(isinstance(i, Const) and i.v is None for i in v.items)
    if isinstance(v, Seq) and v.kind == "tuple":
        return all(is_whole(i) for i in v.items)
    return isinstance(v, Const) and v.v is Ellipsis


def _subscript(w: Walk, n: ast.Subscript, f: Frame) -> Value:
    owner = evaluate(w, n.value, f)
    key = evaluate(w, n.slice, f)
    w.site = w.here(n, f)
    return item(w, owner, key, n)


def item(w: Walk, owner: Value, key: Value, n: ast.AST) -> Value:
    """`owner[key]`."""
    if isinstance(owner, Const):
        return _constant_item(owner, key)
    if isinstance(owner, Seq):
        if (
            isinstance(key, Data)
            and key.tag in ("hash", "mixed")
            and w.val_reads(labels(key))
            and owner.items
            and all(isinstance(i, (Const, Data)) for i in owner.items[:3])
        ):
            return tokens.table_lookup(w, owner, labels(owner), key)
        return _sequence_item(w, owner, key)
    if isinstance(owner, Dict):
        return _dict_item(w, owner, key)
    if isinstance(owner, Data):
        return tokens.subscript(w, owner, key)
    if isinstance(owner, Alt):
        out: Value | None = None
        for x in owner.values:
            if not (isinstance(x, Const) and x.v is None):
                out = join(out, item(w, x, key, n))
        return out or Data(labels(key))
    if isinstance(owner, LibObj):
        return attributes.library_item(w, owner, key)
    if isinstance(owner, Inst):
        method = attributes.find_method(owner, "__getitem__")
        if method is not None:
            return calls.call(w, method, [key], {}, n)
        return Data(labels(owner) | labels(key))
    if isinstance(owner, (Lib, Cls)):
        return owner
    if isinstance(owner, Func):  # a kernel and its grid
        return Native(lambda w, args, kw, node: tokens.launched(w, [*args, *kw.values()]), owner.name)
    return loops.marked(Data(labels(owner)), labels(key))


def _constant_item(owner: Const, key: Value) -> Value:
    try:
        if isinstance(key, Const):
            return Const(owner.v[key.v], owner.lab | key.lab)
        if isinstance(key, Seq) and key.kind == "slice" and all(isinstance(i, Const) for i in key.items):
            return Const(owner.v[slice(*(i.v for i in key.items))], owner.lab)  # type: ignore[attr-defined]
    except Exception:
        pass
    return Data(owner.lab | labels(key))


def _sequence_item(w: Walk, owner: Seq, key: Value) -> Value:
    if id(owner) in w.ranked and isinstance(key, Const) and key.v in (0, -1):
        found = mixing.smaller(w, owner.items, "the first in order of size")
        if found is not None:
            return found
    lab = owner.lab | (labels(key) & (w.marks.mask[Mark.TURN] | w.marks.mask[Mark.READ] | w.marks.mask[Mark.UPDATE]))
    if (
        isinstance(key, Const)
        and type(key.v) is int
        and -len(owner.items) <= key.v < len(owner.items)
        and (not owner.more or (key.v in (0, 1, -1) and not owner.inexact))
    ):
        return loops.marked(owner.items[key.v], lab, w)
    if isinstance(key, Seq) and key.kind == "slice":
        low, high, step = key.items
        turns = labels(key) & w.marks.mask[Mark.TURN]
        if all(isinstance(i, Const) for i in key.items) and not owner.more:
            try:
                got = owner.items[slice(low.v, high.v, step.v)]  # type: ignore[attr-defined]
                return Seq(list(got), owner.kind, False, owner.lab | turns)
            except Exception:
                pass
        bounds = frozenset(f"L{b}" for b in tokens.edges(w, Seq([NONE, key], "tuple")))
        part = Seq(
            [tokens.cut(w, i, bounds) for i in owner.items] if bounds else list(owner.items),
            owner.kind,
            True,
            owner.lab | turns,
        )
        part.loose = True
        return part
    out: Value | None = None
    for i in owner.items[:6]:
        out = join(out, loops.loosened(w, i))
    return loops.marked(out, lab, w) if out is not None else Data(lab)


def _dict_item(w: Walk, owner: Dict, key: Value) -> Value:
    reads = w.val_reads(labels(key))
    if reads or owner.key_lab & w.marks.mask[Mark.UPDATE]:
        found = tokens.table_lookup(w, owner, labels(owner), key)
        if owner.rest is not None and not isinstance(owner.rest, (Data, Const)):
            return loops.marked(owner.rest, labels(found), w)
        return found
    k = assign.constant_key(key)
    if k is not assign.NO_KEY and k in owner.items:
        return owner.items[k]
    if owner.rest is not None:
        return loops.marked(owner.rest, labels(key) & w.marks.mask[Mark.TURN], w)
    if owner.default is not None:
        made = calls.call(w, owner.default, [], {}, ast.Constant(None))
        if k is not assign.NO_KEY:
            owner.items[k] = made
        else:
            owner.rest = made
        return made
    if k is assign.NO_KEY and owner.items:
        out: Value | None = None
        for v in list(owner.items.values())[:6]:
            out = join(out, v)
        return loops.marked(out, labels(key) & w.marks.mask[Mark.TURN], w) if out is not None else Data()
    return Data(labels(key) | owner.lab)


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
    if f.yields is not None and len(f.yields) < 64:
        f.yields.append(v)
    return Data()


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
