"""Python's own functions, and methods of known strings and numbers."""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from typing import Any

from auditor.source import assign, attributes, calls, containers, expressions, loops, mixing, sights_files, tensors
from auditor.source.labels import Mark
from auditor.source.sights_end import BOUND_PICKED
from auditor.source.tokens import number
from auditor.source.values import (
    NONE,
    Alt,
    Args,
    Bound,
    Cls,
    Const,
    Data,
    Dict,
    Frame,
    Func,
    Holder,
    Inst,
    Kw,
    Lib,
    LibObj,
    Method,
    ModuleValue,
    Native,
    Seq,
    Value,
    all_labels,
    join,
    labels,
)
from auditor.source.walk import Walk

MAX_TEXT = 100_000


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


def _number(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if not a:
        return Const({"int": 0, "float": 0.0, "bool": False, "str": "", "complex": 0j}.get(p, 0))
    v = a[0]
    if isinstance(v, Const):
        try:
            if p == "str":
                return Const(str(v.v)[:MAX_TEXT], v.lab)
            if p == "int" and len(a) > 1 and isinstance(a[1], Const):
                return Const(int(v.v, a[1].v), v.lab)
            return Const({"int": int, "float": float, "bool": bool, "complex": complex}[p](v.v), v.lab)
        except Exception:
            return Data(v.lab)
    if p == "bool":
        known = expressions.decide(w, v)
        return Const(known) if known is not None else _same(v)
    if p == "str" and isinstance(v, LibObj) and "text" in v.attrs:
        return v.attrs["text"]
    return _same(v)


def _same(v: Value) -> Value:
    if isinstance(v, Data):
        d = Data(labels(v), tag=v.tag, tok=v.tok if v.tag == "tokens" else None, text=v.text)
        d.sym, d.off, d.parts = v.sym, v.off, v.parts
        if not d.sym:
            return v
        return d
    return Data(labels(v))


def _judged(w: Walk, items: list[Value], k: Kw, n: ast.AST | None) -> int:
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
        lab = _judged(w, items, k, n)
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
            return Const(f(known if len(known) > 1 else list(known[0])), all_labels(values, {}))
        except Exception:
            return Data(all_labels(values, {}))
    if p == "min":
        found = mixing.smaller(w, values)
        if found is not None:
            return found
    out = Data(all_labels(values, {}), tag=mixing.tag_of(values[0]) if values else "")
    if len(values) == 2 and all(isinstance(v, (Const, Data)) for v in values):
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
    return Data(
        all_labels(a, k),
        tag="entropy"
        if tag == "p log p"
        else "total"
        if tag in ("nll", "total")
        else tag
        if tag in ("target probability", "entropy")
        else "",
    )


def _enumerate(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    start = a[1] if len(a) > 1 else k.get("start", Const(0))
    at = start.v if isinstance(start, Const) and isinstance(start.v, int) else 0
    if isinstance(v, Seq) and not v.more:
        return Seq([Seq([Const(at + i), x], "tuple") for i, x in enumerate(v.items)], "list", False, v.lab)
    if isinstance(v, Const) and isinstance(v.v, (str, tuple, range, bytes)) and len(v.v) <= 64:
        return Seq([Seq([Const(at + i), Const(x)], "tuple") for i, x in enumerate(v.v)], "list", False, v.lab)
    items, more = loops.sample(w, v)
    out: list[Value] = []
    for i, x in enumerate(items):
        if i < 2 or not more:
            c: Value = Const(at + i)
        else:
            c = Data()
            assert isinstance(c, Data)
            c.sym = w.symbol()
        out.append(Seq([c, x], "tuple"))
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
        s.length = a[0].length
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
    if p == "sorted" and "key" in k and not s.lab:
        s.lab |= _judged(w, s.items, k, n)
    s.site, s.born = w.site, tuple(w.turns)
    return s


def _dict(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    d = Dict()
    d.site, d.born = w.site, tuple(w.turns)
    if p.endswith("defaultdict"):
        if a:
            d.default = a[0]
        a = a[1:]
    for v in a:
        if isinstance(v, Dict):
            expressions.merge_dict(d, v)
        elif isinstance(v, Seq):
            if p.endswith("Counter") and w.val_reads(labels(v)):
                d.key_lab |= assign.table_update(w, d, labels(v), "counter")
                d.rest = Data()
                continue
            for i in v.items:
                if isinstance(i, Seq) and len(i.items) == 2:
                    assign.set_in_dict(w, d, i.items[0], i.items[1])
        elif w.val_reads(labels(v)):
            d.key_lab |= assign.table_update(w, d, labels(v), "counter")
            d.rest = Data()
    d.items.update(k)
    return d


def _getattr(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) >= 2 and isinstance(a[1], Const) and isinstance(a[1].v, str):
        owner, name = a[0], a[1].v
        if isinstance(owner, Inst):
            found = owner.attrs.get(name) or attributes.class_lookup(owner.cls, name)
            if found is None and len(a) > 2 and not owner.is_module:
                return a[2]
            if found is None and len(a) > 2:
                return a[2]
        if isinstance(owner, LibObj) and owner.path == "namespace" and name not in owner.attrs and len(a) > 2:
            return a[2]
        if isinstance(owner, Cls) and attributes.class_lookup(owner, name) is None and len(a) > 2:
            return a[2]
        if isinstance(owner, Func) and f"@{name}" not in owner.kw_defaults and len(a) > 2:
            return a[2]
        if isinstance(owner, Data) and len(a) > 2 and name.startswith("_"):
            return a[2]
        return attributes.get(w, owner, name, n or ast.Constant(None))
    if isinstance(a[0] if a else None, Inst):
        return Data(labels(a[0]))
    return Data(all_labels(a, k))


def _hasattr(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) == 2 and isinstance(a[1], Const):
        owner, name = a[0], str(a[1].v)
        if isinstance(owner, Inst):
            known = name in owner.attrs or attributes.class_lookup(owner.cls, name) is not None
            return Const(True) if known else (Data() if owner.is_module else Const(False))
        if isinstance(owner, (Lib, Data)):
            return Const(True)
        if isinstance(owner, Cls):
            return Const(attributes.class_lookup(owner, name) is not None)
        if isinstance(owner, Const):
            return Const(hasattr(owner.v, name))
    return Data()


def _setattr(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) == 3 and isinstance(a[1], Const):
        assign.set_attribute(w, a[0], str(a[1].v), a[2])
    return NONE


def _isinstance(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) != 2:
        return Data()
    v, c = a
    kinds = c.items if isinstance(c, Seq) else [c]
    if isinstance(v, Inst):
        for kind in kinds:
            if isinstance(kind, Cls) and kind in v.cls.mro():
                return Const(True)
            if isinstance(kind, Lib) and (
                kind.path in v.cls.library_bases() or (kind.path == "torch.nn.Module" and v.is_module)
            ):
                return Const(True)
        if all(isinstance(kind, Cls) for kind in kinds):
            return Const(False)
        return (
            Data()
            if any(isinstance(kind, Lib) and kind.path.startswith("torch.nn") for kind in kinds) and v.is_module
            else Const(False)
        )
    if isinstance(v, Const):
        types = {
            "int": int,
            "float": float,
            "str": str,
            "bool": bool,
            "bytes": bytes,
            "list": list,
            "dict": dict,
            "tuple": tuple,
        }
        named = [types[kind.path] for kind in kinds if isinstance(kind, Lib) and kind.path in types]
        return Const(isinstance(v.v, tuple(named)))
    if isinstance(v, Seq):
        return Const(
            any(
                isinstance(kind, Lib)
                and kind.path.rsplit(".", 1)[-1]
                in (v.kind, "Sequence", "Iterable", "ModuleList" if v.kind == "modules" else v.kind)
                for kind in kinds
            )
        )
    if isinstance(v, Dict):
        return Const(
            any(
                isinstance(kind, Lib) and kind.path in ("dict", "collections.OrderedDict", "collections.abc.Mapping")
                for kind in kinds
            )
        )
    if isinstance(v, LibObj):
        for kind in kinds:
            if isinstance(kind, Lib) and (
                kind.path == v.path or (v.path.startswith("torch.nn.") and kind.path == "torch.nn.Module")
            ):
                return Const(True)
        return Const(False) if v.path.startswith("torch.nn.") else Data()
    if isinstance(v, Data):
        if any(isinstance(kind, Lib) and kind.path in ("torch.Tensor", "numpy.ndarray") for kind in kinds):
            return Const(True) if v.site is not None or v.tok is not None else Data()
        return Const(False) if v.site is not None or v.tok is not None else Data()
    return Data()


def _print(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    text = " ".join(text_of(v) for v in a)
    lab = all_labels(a, {})
    w.print(text[:80])
    if w.score_marks(lab):
        w.report(w.site, text[:400], lab)
    return NONE


def text_of(v: Value) -> str:
    """The known part of what a value prints as."""
    if isinstance(v, Const):
        return str(v.v)[:2000]
    if isinstance(v, Data):
        return v.text or "{}"
    if isinstance(v, Seq):
        return " ".join(text_of(i) for i in v.items[:20])
    if isinstance(v, Dict):
        return " ".join(f"{k}: {text_of(i)}" for k, i in list(v.items.items())[:40])
    return "{}"


def _map(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) < 2:
        return Seq([])
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


def _partial(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if not a:
        return Data()
    fn, first, named = a[0], a[1:], dict(k)

    def run(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        return calls.call(w, fn, [*first, *args], {**named, **kw}, node)

    return Native(run, "partial")


def _getter(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    names = [x.v for x in a if isinstance(x, Const)]

    def run(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        out: list[Value] = []
        if p.endswith("methodcaller"):
            return calls.call(
                w, attributes.get(w, args[0], str(names[0]), node), [*a[1:], *args[1:]], {**k, **kw}, node
            )
        for name in names:
            v = args[0]
            if p.endswith("attrgetter"):
                for part in str(name).split("."):
                    v = attributes.get(w, v, part, node)
            else:
                v = expressions.item(w, v, Const(name), node)
            out.append(v)
        return out[0] if len(out) == 1 else Seq(out, "tuple")

    return Native(run, p)


def _operator(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    name = p.rsplit(".", 1)[-1].strip("_")
    ops: dict[str, ast.operator] = {
        "add": ast.Add(),
        "iadd": ast.Add(),
        "sub": ast.Sub(),
        "mul": ast.Mult(),
        "truediv": ast.Div(),
        "floordiv": ast.FloorDiv(),
        "mod": ast.Mod(),
        "xor": ast.BitXor(),
        "and": ast.BitAnd(),
        "or": ast.BitOr(),
        "pow": ast.Pow(),
        "matmul": ast.MatMult(),
        "lshift": ast.LShift(),
        "rshift": ast.RShift(),
    }
    if name in ops and len(a) == 2:
        return expressions.binary(w, ops[name], a[0], a[1], n or ast.Constant(None), None)
    if name == "getitem" and len(a) == 2:
        return expressions.item(w, a[0], a[1], n or ast.Constant(None))
    if name == "setitem" and len(a) == 3:
        assign.set_item(w, a[0], a[1], a[2], accumulate=False)
        return NONE
    if name == "neg" and a:
        return mixing.negate(w, a[0])
    if name in ("eq", "ne", "lt", "le", "gt", "ge") and len(a) == 2:
        cmp = {"eq": ast.Eq(), "ne": ast.NotEq(), "lt": ast.Lt(), "le": ast.LtE(), "gt": ast.Gt(), "ge": ast.GtE()}[
            name
        ]
        return expressions.compare_two(
            w, cmp, a[0], a[1], n or ast.Constant(None), Frame(ModuleValue("", w.site.path, None))
        )
    return Data(all_labels(a, k))


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


def _slice_of(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    parts: list[Value] = [NONE, a[0], NONE] if len(a) == 1 else [*a, NONE, NONE][:3]
    return Seq(parts, "slice")


def _islice(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    items, _ = loops.sample(w, a[0]) if a else ([], False)
    return Seq(items, "list", True)


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


def _type(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    v = a[0] if a else NONE
    if isinstance(v, Inst):
        return v.cls
    if len(a) == 3 and isinstance(a[2], Dict):
        o = LibObj("namespace")
        o.attrs.update({str(key): x for key, x in a[2].items.items()})
        return o
    return Lib(type(v.v).__name__) if isinstance(v, Const) else Data()


def _namespace(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    o = LibObj("namespace")
    o.attrs.update(k)
    return o


def _exit(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return NONE


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


def _once(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return a[0] if a else LibObj("decorator")


def _super_object(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return LibObj("object")


FUNCTIONS = {
    "range": _range,
    "len": _len,
    **dict.fromkeys(("int", "float", "str", "bool", "complex"), _number),
    "min": _extreme,
    "max": _extreme,
    "sum": total,
    "math.fsum": total,
    "enumerate": _enumerate,
    "zip": _zip,
    "itertools.zip_longest": _zip,
    **dict.fromkeys(("list", "tuple", "set", "frozenset", "sorted", "reversed", "iter", "collections.deque"), _listing),
    **dict.fromkeys(("dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter"), _dict),
    "getattr": _getattr,
    "hasattr": _hasattr,
    "setattr": _setattr,
    "object.__setattr__": _setattr,
    "isinstance": _isinstance,
    "print": _print,
    "map": _map,
    "filter": _map,
    "functools.partial": _partial,
    "functools.reduce": _reduce,
    "next": _next,
    "slice": _slice_of,
    "itertools.islice": _islice,
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain,
    "itertools.product": _product,
    "type": _type,
    "types.SimpleNamespace": _namespace,
    "any": _any_all,
    "all": _any_all,
    "callable": lambda w, p, a, k, n: Const(isinstance(a[0], (Func, Bound, Cls, Lib, Native, Method)) if a else False),
    "id": lambda w, p, a, k, n: Data(),
    "object": _super_object,
    **{f"operator.{name}": _getter for name in ("attrgetter", "itemgetter", "methodcaller")},
    **{
        f"operator.{name}": _operator
        for name in (
            "add",
            "sub",
            "mul",
            "truediv",
            "floordiv",
            "mod",
            "xor",
            "and_",
            "or_",
            "pow",
            "matmul",
            "lshift",
            "rshift",
            "getitem",
            "setitem",
            "neg",
            "eq",
            "ne",
            "lt",
            "le",
            "gt",
            "ge",
            "iadd",
        )
    },
    "functools.wraps": lambda w, p, a, k, n: LibObj("decorator"),
    "functools.lru_cache": _once,
    "functools.cache": _once,
    "dataclasses.field": lambda w, p, a, k, n: _field(k),
    "dataclasses.replace": lambda w, p, a, k, n: _replaced(a, k),
    "copy.copy": lambda w, p, a, k, n: _copied(w, a[0], {}) if a else NONE,
    "copy.deepcopy": lambda w, p, a, k, n: _copied(w, a[0], {}) if a else NONE,
    "sys.exit": _exit,
    "exit": _exit,
}


def _field(k: Kw) -> Value:
    o = LibObj("dataclasses.field")
    o.attrs.update(k)
    return o


def _replaced(a: Args, k: Kw) -> Value:
    if a and isinstance(a[0], Inst):
        o = Inst(a[0].cls, a[0].number)
        o.attrs = {**a[0].attrs, **k}
        return o
    return Data(all_labels(a, k))


def _copied(w: Walk, v: Value, done: dict[int, Any]) -> Value:
    """A deep copy: the same marks, nothing shared. `done` holds the copies of values and of holders by identity."""
    made = done.get(id(v))
    if isinstance(made, Value):
        return made
    if isinstance(v, Data):
        d = Data(labels(v) & ~w.marks.mask[Mark.PARAMETER], tag=v.tag, tok=v.tok, text=v.text)
        d.site, d.born = w.site, tuple(w.turns)
        d.snapshot = v.root.holder or assign.snapshot_of(v)
        if v.root.holder is not None and v.root is v:
            p = attributes.parameter(w, _copied_holder(w, v.root.holder, done))
            done[id(v)] = p
            return p
        done[id(v)] = d
        return d
    if isinstance(v, Seq):
        s = Seq([], v.kind, v.more, v.lab)
        s.site, s.born, s.length = w.site, tuple(w.turns), v.length
        done[id(v)] = s
        s.items = [_copied(w, i, done) for i in v.items]
        return s
    if isinstance(v, Dict):
        c = Dict({}, None, v.lab)
        c.key_lab, c.default = v.key_lab, v.default
        done[id(v)] = c
        snapshot = v.items.get("@snapshot")
        c.items = {k: _copied(w, i, done) if snapshot is None else i for k, i in v.items.items()}
        c.rest = tensors.snapshot(w, v.rest) if v.rest is not None else None
        return c
    if isinstance(v, Inst):
        w.objects += 1
        o = Inst(v.cls, w.objects)
        o.is_module, o.is_optimizer, o.lab, o.hooks = v.is_module, v.is_optimizer, v.lab, list(v.hooks)
        done[id(v)] = o
        if v.holder is not None:
            o.holder = _copied_holder(w, v.holder, done)
        o.attrs = {k: _copied(w, x, done) for k, x in v.attrs.items()}
        return o
    if isinstance(v, LibObj):
        lo = LibObj(v.path, v.lab)
        done[id(v)] = lo
        lo.holder = _copied_holder(w, v.holder, done) if v.holder is not None else None
        lo.attrs = {k: _copied(w, x, done) for k, x in v.attrs.items()}
        lo.holders = v.holders
        return lo
    if isinstance(v, Alt):
        return Alt([_copied(w, x, done) for x in v.values])
    return v


def _copied_holder(w: Walk, h: Holder, done: dict[int, Any]) -> Holder:
    found = done.get(id(h))
    if isinstance(found, Holder):
        return found
    new = w.holder(h.name, w.site)
    new.lab = h.lab
    sights_files.copied(w, h, new)
    new.trained, new.adapted, new.external = h.trained, h.adapted, h.external
    done[id(h)] = new
    return new


_SAFE = frozenset(
    [
        "upper", "lower", "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "replace",
        "join", "format", "find", "rfind", "index", "count", "title", "capitalize", "encode", "decode", "isdigit",
        "isalpha", "isnumeric", "isspace", "isupper", "islower", "zfill", "ljust", "rjust", "center", "partition",
        "rpartition", "removeprefix", "removesuffix", "translate", "casefold", "bit_length", "hex", "is_integer",
        "as_integer_ratio", "keys", "values", "items", "get", "tobytes", "isidentifier",
    ]
)  # fmt: skip


def constant_method(w: Walk, owner: Const, name: str, args: Args, kw: Kw) -> Value:
    if name == "join" and args and isinstance(args[0], Seq):
        items = args[0].items
        if not args[0].more and all(isinstance(i, Const) for i in items):
            try:
                return Const(owner.v.join(i.v for i in items), labels(args[0]))  # type: ignore[attr-defined]
            except Exception:
                return Data(labels(args[0]))
        return Data(labels(args[0]), text=str(owner.v).join(text_of(i) for i in items)[:2000])
    if (
        name in _SAFE
        and all(isinstance(a, Const) for a in [*args, *kw.values()])
        and name not in ("ljust", "rjust", "center", "zfill")
    ):
        try:
            out = getattr(owner.v, name)(*(a.v for a in args), **{k: v.v for k, v in kw.items()})  # type: ignore[attr-defined]
            if isinstance(out, (list, tuple)) and not isinstance(out, str):
                return Seq([Const(i, owner.lab) for i in out[:2000]], "list" if isinstance(out, list) else "tuple")
            if isinstance(out, (str, bytes)) and len(out) > MAX_TEXT:
                return Data(owner.lab)
            return Const(out, owner.lab | all_labels(args, kw))
        except Exception:
            return Data(owner.lab | all_labels(args, kw))
    if name == "format" and isinstance(owner.v, str):
        return Data(all_labels(args, kw) | owner.lab, text=re.sub(r"\{[^{}]*\}", "{}", owner.v)[:2000])
    if name in (
        "item",
        "numpy",
        "cpu",
        "to",
        "float",
        "int",
        "long",
        "double",
        "detach",
        "clone",
        "cuda",
        "conjugate",
        "unsqueeze",
        "squeeze",
    ):
        return owner
    return Data(owner.lab | all_labels(args, kw))
