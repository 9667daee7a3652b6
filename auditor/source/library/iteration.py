"""Built-in functions over several items: ranges, lists, extremes and sums."""

from __future__ import annotations

import ast
from contextlib import suppress

from auditor.source import attributes, calls, expressions, loops, mixing
from auditor.source.labels import Mark
from auditor.source.library import containers, tensors
from auditor.source.sights import answers, coverage, losses
from auditor.source.sights.ending import BOUND_PICKED
from auditor.source.terms import build
from auditor.source.tokens import number
from auditor.source.values import (
    NONE,
    Args,
    Const,
    Data,
    Dict,
    Inst,
    Kw,
    Lib,
    LibObj,
    Seq,
    Value,
    all_labels,
    join,
    labels,
)
from auditor.source.walk import Walk

MAX_ITEMS = 100_000  # of a known range or text whose extreme is looked for


def _range(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if all(isinstance(x, Const) and isinstance(x.v, int) for x in a) and a:
        try:
            lab = 0
            for x in a:
                lab |= labels(x)
            return Const(range(*(x.v for x in a)), lab)  # type: ignore[attr-defined]
        except (ValueError, TypeError, OverflowError):
            return Seq([])
    o = LibObj("range", all_labels(a, k) & w.marks.mask[Mark.TURN])
    o.attrs["start"] = a[0] if len(a) > 1 else Const(0)
    o.attrs["stop"] = a[1] if len(a) > 1 else (a[0] if a else Const(0))
    return o


def _len(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Const):
        try:
            return Const(len(v.v), v.lab)
        except TypeError:
            return Data(v.lab)
    if isinstance(v, Seq):
        return containers.length(v)
    if isinstance(v, Dict):
        return Const(len(v.items)) if v.rest is None and not v.key_lab else Data()
    if isinstance(v, Data):
        if labels(v) & w.marks.mask[Mark.TEXT_BYTES]:
            return Data(labels(v))  # how long the text of a token is depends on the token
        return tensors.count_of(w, v)
    if isinstance(v, Inst):
        m = attributes.find_method(v, "__len__")
        if m is not None:
            return calls.call(w, m, [], {}, n)
    return Data()


def judged(w: Walk, items: list[Value], k: Kw, n: ast.AST | None) -> int:
    """Marks of what a `key=` function says of the items: they decide which is chosen."""
    key = k.get("key")
    if key is None or isinstance(key, Const):
        return 0
    lab = 0
    for i in items[:3]:
        lab |= labels(calls.call(w, key, [i], {}, n))
    return lab


def _extreme(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if "key" in k:
        items = loops.sample(w, a[0])[0] if len(a) == 1 else list(a)
        lab = judged(w, items, k, n)
        if lab:
            if items and all(isinstance(i, (Const, Data)) for i in items):
                return Data(lab | all_labels(items, {}))
            out: Value = NONE
            for i in items:
                out = join(out, i)
            return loops.marked(out, lab)
    values = list(a)
    if len(a) == 1 and isinstance(a[0], Seq):
        values = list(a[0].items)
        if a[0].more and "default" in k:
            values.append(k["default"])
    if (
        values
        and all(isinstance(v, Const) for v in values)
        and "key" not in k
        and not (len(a) == 1 and isinstance(a[0], Seq) and a[0].more)
    ):
        try:
            f = min if p == "min" else max
            known = [v.v for v in values if isinstance(v, Const)]
            if len(known) == 1 and len(known[0]) > MAX_ITEMS:
                return Data(all_labels(values, {}))
            return Const(f(known if len(known) > 1 else list(known[0])), all_labels(values, {}))
        except Exception:
            return Data(all_labels(values, {}))
    if p == "min":
        found = mixing.smaller(w, values)
        if found is not None:
            return found
    for v, level in ((values[0], values[1]), (values[1], values[0])) if len(values) == 2 else ():
        if (cut := losses.bounded(w, v, *((level, None) if p == "max" else (None, level)))) is not None:
            return cut
    out = Data(all_labels(values, {}), tag=mixing.tag_of(values[0]) if values else "")
    if len(values) == 2 and all(isinstance(v, (Const, Data)) for v in values):
        if any(isinstance(v, Const) for v in values):
            out.pure = next((v.pure for v in values if isinstance(v, Data)), "")
        x, y = number(w, values[0]), number(w, values[1])
        if x and y:
            out.sym = w.number((p, *sorted((x, y))))
    return out


def total(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Seq) and not v.more and all(isinstance(i, Const) for i in v.items):
        try:
            return Const(sum(i.v for i in v.items), labels(v))  # type: ignore[attr-defined]
        except TypeError:
            return Data(labels(v))
    tag = mixing.tag_of(v)
    out = Data(
        all_labels(a, k),
        tag="entropy"
        if tag == "p log p"
        else "total"
        if tag in ("nll", "total")
        else tag
        if tag in ("target probability", "entropy")
        else "",
    )
    if isinstance(v, Seq) and v.lab & w.marks.mask[Mark.LOOKUP] and not w.score_marks(out.lab):
        out.pure = answers.ENTRY  # all that a row holds
    return out


def _enumerate(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    start = a[1] if len(a) > 1 else k.get("start", Const(0))
    at = start.v if isinstance(start, Const) and isinstance(start.v, int) else 0
    if isinstance(v, Seq) and not v.more:
        return Seq([Seq([Const(at + i), x], "tuple") for i, x in enumerate(v.items)], "list", False, v.lab)
    if isinstance(v, Const) and isinstance(v.v, (str, tuple, range, bytes)) and len(v.v) <= 64:
        return Seq([Seq([Const(at + i), Const(x)], "tuple") for i, x in enumerate(v.v)], "list", False, v.lab)
    items, more = loops.sample(w, v)
    size = len(v.v) if isinstance(v, Const) and isinstance(v.v, range) else 0
    out: list[Value] = []
    for i, x in enumerate(items):
        if i < 2 or not more:
            c: Value = Const(at + i)
        elif size and i == len(items) - 1:
            c = Const(at + size - 1)
        else:
            c = Data()
            assert isinstance(c, Data)
            c.sym = w.symbol()
        out.append(Seq([c, build.nth(w, v, c, x) if at == 0 else x], "tuple"))
    return Seq(out, "list", more)


def _zip(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if all(isinstance(v, Seq) and not v.more for v in a) and a:
        return Seq([Seq(list(t), "tuple") for t in zip(*(v.items for v in a), strict=False)], "list")  # type: ignore[attr-defined]
    columns = [loops.sample(w, v) for v in a]
    if not columns:
        return Seq([])
    size = max(len(c[0]) for c in columns)
    rows: list[Value] = []
    for i in range(size):
        if all(c[0] for c in columns):
            rows.append(Seq([c[0][i] if i < len(c[0]) else c[0][-1] for c in columns], "tuple"))
    return Seq(rows, "list", any(c[1] for c in columns))


def _listing(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    kind = "list" if p in ("list", "sorted", "reversed", "iter", "collections.deque") else p
    if not a:
        s = Seq([], kind)
    elif isinstance(a[0], Seq):
        items = list(a[0].items)
        s = Seq(items[::-1] if p == "reversed" else items, kind, a[0].more, a[0].lab)
        s.length, s.share = a[0].length, a[0].share
        if p not in ("sorted", "reversed", "set", "frozenset"):
            s.pieces = a[0].pieces
        if p == "sorted" and w.score_marks(labels(s)):
            w.note(BOUND_PICKED, w.site, labels(s))
        if p == "sorted":
            w.ranked.add(id(s))
            w.kept.append(s)
        known = [i for i in items if isinstance(i, Const)]
        if p == "sorted" and not s.more and len(known) == len(items) and "key" not in k:
            with suppress(TypeError):
                s.items = [*sorted(known, key=lambda i: i.v)]
    elif isinstance(a[0], Data):
        return a[0]
    else:
        if isinstance(a[0], Const) and isinstance(a[0].v, (str, tuple, range, bytes)) and len(a[0].v) <= 64:
            return Seq([Const(i) for i in a[0].v], kind)
        items, more = loops.sample(w, a[0])
        s = Seq(items, kind, more)
        if isinstance(a[0], Const) and isinstance(a[0].v, range):
            s.length = len(a[0].v)
    if p == "sorted" and "key" in k and not s.lab:
        s.lab |= judged(w, s.items, k, n)
    s.site, s.born = w.site, tuple(w.turns)
    return s


def _map(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) < 2:
        return Seq([])
    if (
        isinstance(a[0], Lib)
        and isinstance(a[1], Seq)
        and not a[1].more
        and all(isinstance(i, Const) for i in a[1].items)
    ):
        return Seq([calls.call(w, a[0], [i], {}, n) for i in a[1].items], "list")  # known values, known function
    items, more = loops.sample(w, a[1])
    out: list[Value] = []
    loop = w.loop(n or ast.Constant(None), w.site)
    site = w.site
    for i, x in enumerate(items):
        with w.turn(loop, i) as bit:
            rest = [b.items[i] if isinstance(b, Seq) and i < len(b.items) else Data(labels(b)) for b in a[2:]]
            v = calls.call(w, a[0], [loops.marked(x, bit, w, loop), *rest], {}, n)
            out.append(v if p == "map" else x)
    w.site = site
    return Seq(out, "list", more)


def _next(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if not a:
        return Data()
    v = a[0]
    if isinstance(v, Seq) and v.items:
        if v.kind in ("generator", "list") and not v.more and len(v.items) > 1:
            return v.items.pop(0)
        here = 0
        for turn in w.turns[-1:]:
            here = w.marks.make(Mark.TURN, turn)
            if turn[1] < len(v.items):
                return loops.marked(v.items[turn[1]], here, w, turn[0])
        return loops.marked(v.items[0], here, w)
    if isinstance(v, Inst):
        m = attributes.find_method(v, "__next__")
        if m is not None:
            return calls.call(w, m, [], {}, n)
    items, _ = loops.sample(w, v)
    if items:
        return items[min(w.turns[-1][1], len(items) - 1)] if w.turns else items[0]
    return a[1] if len(a) > 1 else Data(labels(v))


def _islice(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    items, _ = loops.sample(w, a[0]) if a else ([], False)
    out = Seq(items, "list", True)
    whole = _listing(w, "list", [a[0]], {}, n) if a and isinstance(a[0], (Const, Seq)) else NONE
    if len(a) == 2 and isinstance(whole, Seq):
        coverage.part(w, whole, NONE, a[1], NONE, out)
    return out


def _chain(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    out: list[Value] = []
    more = False
    for v in a[0].items if p.endswith("from_iterable") and a and isinstance(a[0], Seq) else a:
        if isinstance(v, Seq):
            out += v.items
            more = more or v.more
        else:
            items, m = loops.sample(w, v)
            out += items
            more = more or m
    return Seq(out[:200], "list", more)


def _product(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    rows: list[list[Value]] = [[]]
    for v in a:
        items, _ = loops.sample(w, v)
        rows = [[*r, i] for r in rows for i in items][:16]
    return Seq([Seq(r, "tuple") for r in rows], "list", True)


def _reduce(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) < 2:
        return Data()
    items, _ = loops.sample(w, a[1])
    v = a[2] if len(a) > 2 else (items[0] if items else NONE)
    for i in items if len(a) > 2 else items[1:]:
        v = calls.call(w, a[0], [v, i], {}, n)
    return v


def _any_all(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Seq) and v.items:
        said = [expressions.decide(w, i) for i in v.items]
        if p == "any" and True in said:
            return Const(True)
        if p == "all" and False in said:
            return Const(False)
        if None not in said and not v.more:
            return Const(any(said) if p == "any" else all(said))
    elif isinstance(v, Seq) and not v.more:
        return Const(p == "all")
    return Data(labels(v))


def _queue(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    s = Seq([])
    s.site, s.born = w.site, tuple(w.turns)
    return s


def _sampled(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`random.sample(places, count)`, `random.choice(places)`: some of them, drawn."""
    bit = coverage.drawn(w)
    items = loops.sample(w, a[0])[0] if a and not isinstance(a[0], Data) else []
    if not items or not p.endswith(("sample", "choice", "choices")):
        return Data(all_labels(a, k) | bit, tag=mixing.tag_of(a[0]) if a else "")
    some = [loops.marked(loops.loosened(w, i), bit) for i in items]
    return some[0] if p.endswith("choice") else Seq(some, "list", True)


FUNCTIONS = {
    **{f"random.{q}": _sampled for q in ("sample", "choice", "choices", "randint", "randrange", "random", "uniform")},
    **{
        f"{m}.{q}": _queue
        for m in ("queue", "multiprocessing")
        for q in ("Queue", "SimpleQueue", "LifoQueue", "JoinableQueue")
    },
    "range": _range,
    "len": _len,
    "min": _extreme,
    "max": _extreme,
    "sum": total,
    "math.fsum": total,
    "enumerate": _enumerate,
    "zip": _zip,
    "itertools.zip_longest": _zip,
    **dict.fromkeys(("list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "collections.deque"), _listing),
    "map": _map,
    "filter": _map,
    "functools.reduce": _reduce,
    "next": _next,
    "itertools.islice": _islice,
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain,
    "itertools.product": _product,
    "any": _any_all,
    "all": _any_all,
}
