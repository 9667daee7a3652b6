"""What operations make of terms. Each function is given what the walk made of the operation, and puts a term to it."""

from __future__ import annotations

import ast

from auditor.source import tokens
from auditor.source.labels import Mark
from auditor.source.library import operations
from auditor.source.sights import losses
from auditor.source.terms.stores import table_of
from auditor.source.terms.term import (
    BINARY,
    Check,
    Term,
    everything,
    has,
    key_of,
    known,
    leaf,
    make,
    of,
    plain,
    put,
    split,
    table,
)
from auditor.source.values import NONE, Args, Const, Data, Dict, Kw, Seq, Value, labels
from auditor.source.walk import Walk

_COMPARED: dict[type[ast.cmpop], str] = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_UNARY = frozenset(["exp", "log", "log1p", "expm1", "sigmoid", "tanh", "sqrt", "abs", "square", "exp2", "log2"])
_SAME = frozenset(
    [
        "float", "double", "half", "bfloat16", "to", "cpu", "cuda", "numpy", "tolist", "detach", "contiguous", "astype",
        "type", "clone", "copy", "squeeze", "view_as", "nan_to_num", "tensor", "as_tensor", "asarray", "array",
        "from_numpy", "ascontiguousarray", "float32", "float64", "item", "type_as", "flatten", "ravel", "expand",
        "expand_as", "broadcast_to", "int", "long", "int64", "toarray", "squeeze_", "float_", "double_", "T",
    ]
)  # fmt: skip
_TWO = {
    "add": "+", "sub": "-", "subtract": "-", "mul": "*", "multiply": "*", "div": "/", "divide": "/", "true_divide": "/",
    "pow": "**", "power": "**", "maximum": "max", "fmax": "max", "minimum": "min", "fmin": "min",
}  # fmt: skip


def binary(w: Walk, op: ast.operator, a: Value, b: Value, out: Value) -> Value:
    """`a op b`."""
    if w.forward_depth or not isinstance(out, Data) or out.term is not None:
        return out
    put(out, make(BINARY.get(type(op), f"f {type(op).__name__}"), leaf(w, a), leaf(w, b)))
    return out


def negated(w: Walk, v: Value, out: Value) -> Value:
    if not w.forward_depth and (t := of(w, v)) is not None:
        put(out, make("neg", t))
    return out


def compared(w: Walk, op: ast.cmpop, a: Value, b: Value, out: Value) -> Value:
    if w.forward_depth or type(op) not in _COMPARED or not known(w, a, b):
        return out
    x, y = leaf(w, a), leaf(w, b)
    for one, other in ((x, y), (y, x)):
        if one.op == "col" and plain(one).op == "tok" and isinstance(op, ast.Eq):
            put(out, make("match", other, plain(one)))
            return out
    put(out, make(_COMPARED[type(op)], x, y))
    return out


def chosen(w: Walk, test: Value, a: Value, b: Value, out: Value) -> Value:
    """`a if test else b`, for one value or for each of many."""
    if w.forward_depth or out is a or out is b or not known(w, a, b):
        return out
    put(out, make("if", leaf(w, test), leaf(w, a), leaf(w, b)))
    return out


def returned(w: Walk, v: Value) -> None:
    """A value is returned under some conditions."""
    if w.forward_depth or not w.guards or not isinstance(v, (Const, Data)):
        return
    asked = 0
    for g in w.guards:
        asked |= w.asked.get(g.rsplit(":", 1)[0], 0)
    w.kept.append(v)
    w.ways_out[id(v)] = asked


def either(w: Walk, a: Value, b: Value, out: Value) -> Value:
    """One of two values, as a function returns in two places."""
    if not isinstance(out, Data) or out.term is not None:
        return out
    test = Data(w.ways_out.get(id(a), 0) | w.ways_out.get(id(b), 0))
    w.ways_out[id(out)] = test.lab
    w.kept.append(out)
    return chosen(w, test, a, b, out)


def item(w: Walk, owner: Value, key: Value, out: Value) -> Value:
    """`owner[key]`."""
    if w.forward_depth or not isinstance(out, Data) or out is owner or out.term is not None:
        return out
    t = Term("store", id(table_of(w, owner)), 0) if isinstance(owner, Dict) else of(w, owner)
    if t is None:
        return out
    parts = list(key.items) if isinstance(key, Seq) and key.kind == "tuple" else [key]
    if isinstance(owner, Dict) and isinstance(key, Seq):
        parts = [key]
    behind = isinstance(parts[-1], Const) and parts[-1].v is None
    rest = [p for p in parts if not everything(p)]
    if not rest:
        put(out, make("col", t) if behind and len(parts) > 1 else t)
        return out
    if out.tag == "tokens":
        return out  # they say by themselves where they stand
    if t.op in ("vec", "shares"):
        (k,) = rest if len(rest) == 1 else (NONE,)
        if isinstance(k, Const) and type(k.v) is int:
            put(out, make("share", t, k.v) if t.op == "shares" else Term("one", (t.args[0], k.v), labels(owner)))
        return out
    keys = [key_of(w, p) for p in rest]
    put(out, _at_keys(w, owner, t, rest, keys, len(rest) < len(parts) - behind))
    return out


def appended(w: Walk, a: Value, b: Value, out: Value) -> Value:
    """`key + (token,)`."""
    if isinstance(b, Seq) and b.kind == "tuple" and isinstance(a, Data) and not w.forward_depth and b.items:
        put(out, make("tuple", leaf(w, a), *(plain(leaf(w, i)) for i in b.items)))
    return out


def nth(w: Walk, owner: Value, place: Value, v: Value) -> Value:
    """The item of a run at a place that is counted."""
    t = of(w, owner)
    if t is not None and not w.forward_depth and v is not owner:
        put(v, _moved(w, owner, t, place))
    return v


def _at_keys(w: Walk, owner: Value, t: Term, rest: list[Value], keys: list[Term | None], deep: bool) -> Term | None:
    """What is at some places or under some keys; `deep` when an extent before them is taken whole."""
    if t.op in ("store", "cell", "sums") and all(k is not None for k in keys):
        given = tuple(k for k in keys if k is not None)
        if t.op == "store":
            return _cell(w, t, (), given)
        if t.op == "cell":
            store, before = t.args[0], t.args[1:]
            assert isinstance(store, Term)
            return _cell(w, store, before, given)
        (store,) = t.parts
        row = _cell(w, store, (), given)
        return make("sum", row) if row is not None else None
    if t.op in ("store", "sums"):
        return None
    *first, last = keys
    if last is not None:
        if any(k is not None for k in first) or len(first) > 1:
            return None
        row = t if not first else _moved(w, owner, t, rest[0])
        return make("at", row, last) if row is not None else None
    if len(rest) != 1 or (deep and not _one_each(t)):
        return None  # of a row it may be a column, of a batch of rows a place
    return _moved(w, owner, t, rest[0])


def _one_each(t: Term) -> bool:
    """Whether a term has one number at each place, no row."""
    return t.op == "at" or (t.op != "dist" and all(map(_one_each, t.parts)))


def _cell(w: Walk, store: Term, before: tuple[object, ...], keys: tuple[Term, ...]) -> Term | None:
    """Entries of a table under a key; `a * n + b` names a row and a column, as two keys do."""
    if not before:
        keys = split(keys)
    s = table(w, store)
    if s is not None:
        s.reach.add(len(before) + len(keys))
    if s is not None and s.version:
        store = Term("store", store.args[0], s.version)
    return make("cell", store, *before, *keys)


def _moved(w: Walk, owner: Value, t: Term, place: Value) -> Term | None:
    """A value at some places of a run: everything that it was made of begins that much later."""
    if isinstance(place, Seq):
        if place.kind != "slice" or not (isinstance(place.items[2], Const) and place.items[2].v is None):
            return None
        place = place.items[0] if not (isinstance(place.items[0], Const) and place.items[0].v is None) else Const(0)
    if not isinstance(place, (Const, Data)) or not tokens.tag_is_place(place):
        return None
    if has(t, "dist") and not (w.val_reads(labels(owner)) | w.score_marks(labels(owner))):
        return None  # weights of experts rather than predictions at several places
    by = tokens.number(w, place)
    if by is None or (by[1] < 0 and not by[0]):
        return None
    return t if by == (0, 0) else _shift(w, t, by, {})


def _shift(w: Walk, t: Term, by: tuple[int, int], done: dict[Term, Term]) -> Term:
    if t in done:
        return done[t]
    if t.op == "tok":
        base, start = t.args
        assert isinstance(base, int)
        assert isinstance(start, int)
        out = Term("tok", *tokens.from_base(w, base, start, by))
    elif t.op == "any":
        out = Term("any", (t.args[0], by), t.args[1])
    elif t.op in ("num", "store"):
        out = t
    else:
        out = Term(t.op, *(_shift(w, a, by, done) if isinstance(a, Term) else a for a in t.args))
    done[t] = out
    return out


# Functions and methods.


def called(w: Walk, name: str, a: Args, k: Kw, out: Value) -> Value:
    """A function of a library, or a method with its owner as the first argument."""
    if not isinstance(out, Data) or not a:
        return out
    scored(w, name, a)
    if name in ("cross_entropy", "nll_loss"):
        _loss(w, name, a, k, out)
        return out
    if out.term is not None or any(out is x for x in a):
        return out
    v = a[0]
    if name in ("softmax", "log_softmax", "_softmax", "_log_softmax"):
        dim = k.get("dim", k.get("axis", a[1] if len(a) > 1 else NONE))
        if isinstance(v, Data):
            inner = leaf(w, v)
            over = inner.op == "vec" or (isinstance(dim, Const) and dim.v == 0)
            t = make("shares" if over else "dist", inner)
            put(out, make("log", t) if "log" in name and t is not None else t)
        return out
    if w.forward_depth:
        return out
    if name in operations.FRESH:
        return out
    if name in ("tensor", "array", "as_tensor", "asarray") and isinstance(v, Seq):
        if v.items and not v.more and all(isinstance(i, Const) and isinstance(i.v, (int, float)) for i in v.items):
            w.kept.append(out)
            put(out, Term("vec", id(out), len(v.items)))
        return out
    if name == "stack" and isinstance(v, Seq) and not v.more and known(w, *v.items):
        dim = k.get("dim", k.get("axis", a[1] if len(a) > 1 else Const(0)))
        if isinstance(dim, Const) and dim.v == 0:
            put(out, make("stack", *(leaf(w, i) for i in v.items)))
        return out
    t = of(w, v) if isinstance(v, Data) else None
    if t is None and isinstance(v, Data) and name in _UNARY:
        t = leaf(w, v)
    if name in ("logaddexp",) and len(a) > 1 and known(w, *a[:2]):
        x, y = (make("exp", leaf(w, i)) for i in a[:2])
        if x is not None and y is not None and (s := make("+", x, y)) is not None:
            put(out, make("log", s))
        return out
    if name == "lerp" and len(a) > 2 and known(w, *a[:2]):
        x, y, share = (leaf(w, i) for i in a[:3])
        if (apart := make("-", y, x)) is not None and (part := make("*", share, apart)) is not None:
            put(out, make("+", x, part))
        return out
    if name in _TWO and len(a) > 1:
        if known(w, *a[:2]):
            put(out, make(_TWO[name], leaf(w, v), leaf(w, a[1])))
        return out
    if t is None:
        return out
    put(out, _of_one(w, name, t, a, k))
    return out


def _of_one(w: Walk, name: str, t: Term, a: Args, k: Kw) -> Term | None:
    if name in _UNARY:
        return make(name, t)
    if name in _SAME or (name == "repeat" and t.op == "num"):
        return t
    if name in ("view", "reshape"):
        return t
    if name == "unsqueeze":
        dim = a[1] if len(a) > 1 else k.get("dim", NONE)
        return make("col", t) if isinstance(dim, Const) and dim.v in (-1, 1) else t
    if name in ("neg", "negative"):
        return make("neg", t)
    if name in ("clamp", "clip", "clamp_min", "clamp_max"):
        return _clamped(w, name, t, a[1:], k)
    if name in ("max", "min") and len(a) == 2 and isinstance(a[1], (Const, Data)) and not {"dim", "axis"} & set(k):
        return None
    if name in ("sum", "nansum"):
        return _summed(t, a[1:], k)
    if name == "logsumexp":
        e = make("exp", t)
        s = _summed(e, a[1:], k) if e is not None else None
        return make("log", s) if s is not None else None
    if name in ("gather", "take_along_dim", "take_along_axis"):
        idx = a[2] if len(a) > 2 and name == "gather" else a[-1] if name == "gather" else a[1] if len(a) > 1 else NONE
        idx = k.get("index", k.get("indices", idx))
        key = key_of(w, idx)
        return make("at", t, key) if key is not None and t.op != "store" else None
    if name == "any" and t.op == "match":
        return make("hits", *t.args)
    return None


def _clamped(w: Walk, name: str, t: Term, a: Args, k: Kw) -> Term | None:
    low = k.get("min", k.get("a_min", a[0] if a and name != "clamp_max" else NONE))
    high = k.get("max", k.get("a_max", (a[0] if a else NONE) if name == "clamp_max" else a[1] if len(a) > 1 else NONE))
    out: Term | None = t
    for bound, op in ((low, "max"), (high, "min")):
        if out is not None and not (isinstance(bound, Const) and bound.v is None):
            out = make(op, out, leaf(w, bound))
    return out


def _summed(t: Term, a: Args, k: Kw) -> Term | None:
    dim = k.get("dim", k.get("axis", a[0] if a else NONE))
    if not isinstance(dim, Const):
        return None
    if t.op == "store":
        return make({None: "whole", 0: "cols"}.get(dim.v, "sums"), t) if dim.v in (-1, 1, 0, None) else None
    if dim.v == 0 and has(t, "stack"):
        return make("fold", t)
    if dim.v == -1 or (dim.v == 1 and has(t, "cell", "match")) or (dim.v is None and t.op in ("cell", "put")):
        return make("sum", t)
    return None


def _loss(w: Walk, name: str, a: Args, k: Kw, out: Data) -> None:
    """A loss of each token: the logarithm of an entry of a distribution."""
    how = k.get("reduction")
    target = a[1] if len(a) > 1 else k.get("target", NONE)
    key = key_of(w, target)
    if not a or not isinstance(a[0], Data) or key is None:
        return
    if {"weight", "label_smoothing"} & set(k):
        return
    if name == "cross_entropy":
        row = make("dist", leaf(w, a[0]))
        entry = make("at", row, key) if row is not None else None
        p = make("log", entry) if entry is not None else None
    else:
        t = of(w, a[0])
        p = make("at", t, key) if t is not None else None
    t = make("neg", p) if p is not None else None
    if isinstance(how, Const) and how.v == "none":
        out.term = t
    elif t is not None and not w.forward_depth and (scores := w.score_marks(labels(out))):
        w.sums.append(Check(t, scores, w.site, tuple(w.guards), tuple(w.turns)))


def scored(w: Walk, name: str, a: Args) -> None:
    """Losses of scored tokens are summed up: note what they were made of."""
    v = a[0] if a else NONE
    if w.forward_depth or name not in ("sum", "mean", "+=") or not isinstance(v, Data) or len(w.sums) > 400:
        return
    scores = w.score_marks(labels(v))
    if any(w.scores[s].tagged == losses.CUT for s in w.marks.numbers(scores, Mark.SCORE)):
        return  # what is left of them is judged by what was cut
    if scores and v.tag in tokens.AT_TARGET and (t := of(w, v)) is not None and t.op != "stack":
        w.sums.append(Check(t, scores, w.site, tuple(w.guards), tuple(w.turns)))
