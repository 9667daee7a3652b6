"""Python's own functions on single values: attributes, types, operators, printing."""

from __future__ import annotations

import ast
import builtins

from auditor.source import assign, attributes, calls, expressions, mixing, operators, special, subscripts
from auditor.source.library import statistics, texts
from auditor.source.tokens import TOKENISH
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
    labels,
)
from auditor.source.walk import Walk


def _number(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if not a:
        return Const({"int": 0, "float": 0.0, "bool": False, "str": "", "complex": 0j}.get(p, 0))
    v = a[0]
    if p in ("str", "bool") and isinstance(v, Inst):
        node = n or ast.Constant(None)
        v = special.text(w, v, node) if p == "str" else special.truth(w, v, node)
    if isinstance(v, Const):
        try:
            if p == "str":
                return Const(str(v.v)[: texts.MAX_TEXT], v.lab)
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
        d.sym, d.off, d.parts, d.pure = v.sym, v.off, v.parts, v.pure
        if not d.sym:
            return v
        return d
    return Data(labels(v))


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


def _unknown(v: Value) -> bool:
    """Whether nothing is known of a value but its marks."""
    return isinstance(v, Data) and not v.tag and v.tok is None and v.holder is None and v.shape is None


def _isinstance(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    if len(a) != 2:
        return Data()
    v, c = a
    kinds = c.items if isinstance(c, Seq) else [c]
    if isinstance(v, Alt) and all(isinstance(x, Dict) or _unknown(x) for x in v.values):
        v = next((x for x in v.values if isinstance(x, Dict)), v)  # the rest may be dictionaries, too
    if isinstance(v, Alt):
        said = [_isinstance(w, p, [x, c], k, n) for x in v.values]
        known = {bool(x.v) for x in said if isinstance(x, Const)} if all(isinstance(x, Const) for x in said) else set()
        return Const(known.pop()) if len(known) == 1 else Data()
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
                kind.path == v.path
                or statistics.is_kept(v, kind.path)
                or (v.path.startswith("torch.nn.") and kind.path == "torch.nn.Module")
            ):
                return Const(True)
        return Const(False) if v.path.startswith("torch.nn.") else Data()
    if isinstance(v, Data):
        if any(isinstance(kind, Lib) and kind.path in ("torch.Tensor", "numpy.ndarray") for kind in kinds):
            return Const(True) if v.site is not None or v.tok is not None else Data()
        return Const(False) if v.site is not None or v.tok is not None else Data()
    return Data()


def _print(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    a = [special.text(w, v, n or ast.Constant(None)) for v in a]
    text = " ".join(texts.text_of(v) for v in a)
    lab = all_labels(a, {})
    w.print(text[:80])
    if w.score_marks(lab):
        w.report(w.site, text[:400], lab)
    return NONE


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
                v = subscripts.item(w, v, Const(name), node)
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
        return operators.binary(w, ops[name], a[0], a[1], n or ast.Constant(None), None)
    if name == "getitem" and len(a) == 2:
        return subscripts.item(w, a[0], a[1], n or ast.Constant(None))
    if name == "setitem" and len(a) == 3:
        assign.set_item(w, a[0], a[1], a[2], accumulate=False)
        return NONE
    if name == "neg" and a:
        return mixing.negate(w, a[0])
    if name in ("eq", "ne", "lt", "le", "gt", "ge") and len(a) == 2:
        cmp = {"eq": ast.Eq(), "ne": ast.NotEq(), "lt": ast.Lt(), "le": ast.LtE(), "gt": ast.Gt(), "ge": ast.GtE()}[
            name
        ]
        return operators.compare_two(
            w, cmp, a[0], a[1], n or ast.Constant(None), Frame(ModuleValue("", w.site.path, None))
        )
    return Data(all_labels(a, k))


def _pure(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """A function of Python that only computes: folded when its arguments are known."""
    if a and not k and all(isinstance(x, Const) for x in a):
        values = [x.v for x in a if isinstance(x, Const)]
        if p == "pow" and (len(values) > 2 or not all(isinstance(v, (int, float)) and abs(v) < 1000 for v in values)):
            return Data(all_labels(a, k))
        try:
            return Const(getattr(builtins, p)(*values), all_labels(a, k))
        except Exception:
            return Data(all_labels(a, k))
    tag = mixing.tag_of(a[0]) if a and p in ("abs", "round") else ""
    return Data(all_labels(a, k), tag=tag)


def _hash(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """One number made of all that a key holds."""
    return Data(all_labels(a, k), tag="hash" if a and mixing.tag_of(a[0]) in TOKENISH else "")


def _bytes(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """The bytes of an array are the array; those of a known text are known."""
    if p == "bytearray" and not a:
        return w.fresh()  # to be filled
    v = a[0] if a else Const(b"")
    if isinstance(v, Const) and isinstance(v.v, str) and len(v.v) <= texts.MAX_TEXT:
        return Const(v.v.encode("utf-8", "replace"), v.lab)
    return v if isinstance(v, Data) or (isinstance(v, Const) and isinstance(v.v, bytes)) else Data(all_labels(a, k))


def _slice_of(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    parts: list[Value] = [NONE, a[0], NONE] if len(a) == 1 else [*a, NONE, NONE][:3]
    return Seq(parts, "slice")


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


def _once(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return a[0] if a else LibObj("decorator")


def _super_object(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return LibObj("object")


FUNCTIONS = {
    **dict.fromkeys(("int", "float", "str", "bool", "complex"), _number),
    **dict.fromkeys(("dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter"), _dict),
    "getattr": _getattr,
    "hasattr": _hasattr,
    "setattr": _setattr,
    "object.__setattr__": _setattr,
    "isinstance": _isinstance,
    "print": _print,
    "functools.partial": _partial,
    "slice": _slice_of,
    **dict.fromkeys(("bytes", "bytearray", "memoryview"), _bytes),
    "hash": _hash,
    "chr": _pure,
    "ord": _pure,
    "abs": _pure,
    "round": _pure,
    "hex": _pure,
    "pow": _pure,
    "divmod": _pure,
    "type": _type,
    "types.SimpleNamespace": _namespace,
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
    "sys.exit": _exit,
    "exit": _exit,
}


def _field(k: Kw) -> Value:
    o = LibObj("dataclasses.field")
    o.attrs.update(k)
    return o
