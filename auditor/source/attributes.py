"""Attributes: what `owner.name` is, for each kind of owner."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

from auditor.source import calls
from auditor.source.labels import Mark
from auditor.source.library import environment
from auditor.source.values import (
    NONE,
    Alt,
    Bound,
    Cls,
    Const,
    Data,
    Dict,
    Func,
    Holder,
    Inst,
    Lib,
    LibObj,
    Method,
    ModuleValue,
    Native,
    Seq,
    Value,
    join,
    labels,
)
from auditor.source.walk import Walk


def get(w: Walk, owner: Value, name: str, n: ast.AST) -> Value:
    if isinstance(owner, Inst):
        return _instance(w, owner, name, n)
    if isinstance(owner, Lib):
        return library_name(w, owner.path, name)
    if isinstance(owner, ModuleValue):
        v = owner.frame.locals.get(name)
        return v if v is not None else Data()
    if isinstance(owner, Cls):
        return _class_attribute(owner, name)
    if isinstance(owner, Data):
        return _data(w, owner, name)
    if isinstance(owner, LibObj):
        return _library_object(w, owner, name)
    if isinstance(owner, Alt):
        out: Value | None = None
        for x in owner.values:
            if not (isinstance(x, Const) and x.v is None):
                out = join(out, get(w, x, name, n))
        return out or Data()
    if isinstance(owner, Seq) and owner.kind == "slice":
        return Data(labels(owner))
    if isinstance(owner, Seq) and owner.kind == "tuple" and len(owner.items) == 2 and name in ("values", "indices"):
        return owner.items[name == "indices"]  # of the smallest along an extent, and of the like
    if isinstance(owner, Bound) and name == "__self__":
        return owner.owner
    if isinstance(owner, (Func, Bound)):
        f = owner.func if isinstance(owner, Bound) else owner
        if name == "__name__":
            return Const(getattr(f, "name", ""))
        if name == "__wrapped__":
            return owner
        if isinstance(f, Func) and name in f.kw_defaults and name.startswith("@"):
            return f.kw_defaults[name]
        if isinstance(f, Func):
            stored = f.kw_defaults.get(f"@{name}")
            if stored is not None:
                return stored
    if isinstance(owner, Native) and name == "__name__":
        return Const(owner.name)
    return Method(owner, name)


def find_method(owner: Inst, name: str) -> Value | None:
    if not name:
        return None
    for c in owner.cls.mro():
        v = c.attrs.get(name)
        if v is not None:
            return Bound(v, owner) if isinstance(v, Func) else v
    return None


def class_lookup(c: Cls, name: str) -> Value | None:
    for k in c.mro():
        v = k.attrs.get(name)
        if v is not None:
            return v
    return None


def _instance(w: Walk, owner: Inst, name: str, n: ast.AST) -> Value:
    if name == "training" and owner.is_module and w.no_grad and name not in owner.attrs:
        mode = owner.attrs.get("@training")  # as the last `train` or `eval` set it; of one that never was, evaluation
        return mode if isinstance(mode, Const) else Const(False)
    v = owner.attrs.get(name)
    if v is not None:
        return as_written(w, owner, name, v) if (owner.number, name) in w.branched else v
    if owner.is_optimizer and name == "step":
        return Method(owner, name)  # whatever its arithmetic, it puts the gradients into the parameters
    v = class_lookup(owner.cls, name)
    if v is not None:
        if isinstance(v, Func):
            if v.wrapped == "property" or v.wrapped == "cached_property":
                return calls.call(w, Bound(v, owner), [], {}, n)
            if v.wrapped == "static":
                return v
            if v.wrapped == "class":
                return Bound(v, owner.cls)
            return Bound(v, owner)
        if isinstance(v, Inst) and (ask := find_method(v, "__get__")) is not None:
            return calls.call(w, ask, [owner, owner.cls], {}, n)
        return v
    if name == "__class__":
        return owner.cls
    if name in ("_parameters", "_buffers") and owner.is_module:
        return registry(owner)
    if name == "__dict__":
        return Dict(owner.attrs)  # the same names: what is put into one is in both
    fallback = class_lookup(owner.cls, "__getattr__")
    if isinstance(fallback, Func) and not name.startswith("__"):
        return calls.call(w, Bound(fallback, owner), [Const(name)], {}, n)
    if owner.is_module and name in ("weight", "bias", "in_proj_weight"):
        return parameter(w, module_holder(w, owner))
    if owner.is_module and name in WRAPPED:
        return owner  # wrappers of models count as the model itself
    if owner.is_optimizer and name == "param_groups":
        return param_groups(w, owner)
    if owner.is_optimizer and name == "state":
        return LibObj("optimizer.state")
    return Method(owner, name)


def as_written(w: Walk, owner: Inst, name: str, either: Value) -> Value:
    """An attribute that was written in a branch: in that branch it holds what was written, elsewhere either."""
    key = owner.number, name
    while (entry := w.branched.get(key)) is not None:
        if entry.branch <= frozenset(w.guards):
            return entry.written
        left = join(entry.before, entry.written)
        if entry.outer is None:
            del w.branched[key]
            owner.attrs[name] = either = left if not isinstance(either, Const) else either
        else:
            w.branched[key] = replace(entry.outer, written=left)
    return either


def module_holder(w: Walk, owner: Inst) -> Holder:
    if owner.holder is None:
        owner.holder = w.holder(owner.cls.name, w.site)
    return owner.holder


def parameter(w: Walk, h: Holder) -> Data:
    """The parameters of a holder, as one tensor."""
    d = w.parameters.get(h.number)
    if d is None:
        d = Data(holder=h)
        d.site = h.site
        w.parameters[h.number] = d
    return d


def param_groups(w: Walk, owner: Value) -> Value:
    bits = owner.attrs.get("@params") if isinstance(owner, Inst) else None
    held = labels(bits) if bits is not None else owner.holders if isinstance(owner, LibObj) else 0
    params = Seq([parameter(w, h) for h in w.marks.holders(held)], more=True)
    return Seq([Dict({"params": params, "lr": Data(), "base_lr": Data()}, rest=Data())], more=True)


def _class_attribute(owner: Cls, name: str) -> Value:
    v = class_lookup(owner, name)
    if v is None:
        if name == "__name__":
            return Const(owner.name)
        return Method(owner, name)
    if isinstance(v, Func) and v.wrapped == "class":
        return Bound(v, owner)
    return v


def library_name(w: Walk, path: str, name: str) -> Value:
    full = f"{path}.{name}"
    if full in w.patched:
        return w.patched[full]
    if full in _CONSTANTS:
        return Const(_CONSTANTS[full])
    if full == "os.environ":
        return LibObj("os.environ")
    if full == "sys.argv":
        return Seq([Const("train_gpt.py"), *(Const(a) for a in w.config.arguments)])
    if full == "torch.nn.Parameter":
        return Lib("torch.nn.Parameter")
    if name == "__version__":
        return Data(text="version")
    return Lib(full)


_CONSTANTS = {
    "math.pi": 3.141592653589793,
    "math.e": 2.718281828459045,
    "math.inf": float("inf"),
    "numpy.inf": float("inf"),
    "numpy.pi": 3.141592653589793,
    "torch.inf": float("inf"),
    "os.sep": "/",
    "sys.maxsize": (1 << 63) - 1,
    "torch.version.cuda": "12.8",
}

WRAPPED = frozenset(
    ["module", "_orig_mod"]
)  # what `DistributedDataParallel` and `torch.compile` call the model in them
VIEWS = frozenset(["data", "T", "mT", "H", "real", "imag", "ctypes"])


def _data(w: Walk, d: Data, name: str) -> Value:
    if name in VIEWS:
        v = Data(base=d, tag=d.tag, tok=d.tok)
        v.parts = d.parts
        return v
    if name == "grad":
        root = d.root
        if root.holder is not None:
            g = Data(root.holder.grad | w.marks.make(Mark.GRADIENT, 0), tag="gradient")
            g.site = w.site
            g.text = ""
            return g if root.holder.grad else Data(tag="maybe none")
        return Data(labels(d), tag="maybe none")
    if name == "shape":
        if d.shape is not None and all(i is not None for i in d.shape):
            return Seq([Const(i) for i in d.shape], "tuple")
        return Data(tag="shape")
    if name in (
        "device",
        "dtype",
        "ndim",
        "is_cuda",
        "layout",
        "itemsize",
        "nbytes",
        "requires_grad",
        "grad_fn",
        "is_leaf",
    ):
        if name == "requires_grad" and d.root.holder is not None:
            return Data()
        return Data()
    if name == "size" and d.tag == "tokens" and d.tok is not None:
        return Method(d, name)
    return Method(d, name)


REGISTRY = "registry of a module"


def registry(owner: Value) -> LibObj:
    """`module._parameters`: what stands in it is what the module computes with."""
    o = LibObj(REGISTRY)
    o.attrs["@owner"] = owner
    return o


def _library_object(w: Walk, o: LibObj, name: str) -> Value:
    v = o.attrs.get(name)
    if v is not None:
        return v
    if name in ("weight", "bias") and o.holder is not None:
        return parameter(w, o.holder)
    if name in ("_parameters", "_buffers") and o.path.startswith("torch.nn."):
        return registry(o)
    if name == "param_groups":
        return param_groups(w, o)
    if name == "state" and o.path.startswith("torch.optim"):
        s = LibObj("optimizer.state")
        s.attrs["@owner"] = o
        return s
    if name == "module" and o.path.endswith("DistributedDataParallel"):
        return o
    if o.path == "pathlib.Path":
        text = o.attrs.get("text", NONE)
        if name == "name":
            return _map_text(text, lambda s: s.rstrip("/").rsplit("/", 1)[-1])
        if name == "parent":
            return path_of(_text(text).rstrip("/").rsplit("/", 1)[0] if "/" in _text(text) else ".", labels(text))
        if name == "stem":
            return _map_text(text, lambda s: s.rsplit("/", 1)[-1].split(".")[0])
        if name == "suffix":
            return _map_text(text, lambda s: "." + s.rsplit(".", 1)[-1] if "." in s else "")
    if o.path == "namespace":
        return Data()
    return Method(o, name)


def _text(v: Value) -> str:
    if isinstance(v, Const):
        return str(v.v)
    if isinstance(v, Data):
        return v.text
    return ""


def _map_text(v: Value, f: Callable[[str], str]) -> Value:
    if isinstance(v, Const):
        return Const(f(str(v.v)), v.lab)
    return Data(labels(v), text=f(_text(v)) if _text(v) else "")


def path_of(text: str, lab: int = 0) -> LibObj:
    o = LibObj("pathlib.Path", lab)
    o.attrs["text"] = Const(text, lab) if "{}" not in text else Data(lab, text=text)
    return o


def library_item(w: Walk, o: LibObj, key: Value) -> Value:
    if o.path == "os.environ":
        return environment.environment(w, key, None, w.site)
    if isinstance(key, Const) and isinstance(key.v, (str, int)) and str(key.v) in o.attrs:
        return o.attrs[str(key.v)]
    if o.path == "torch.nn.Sequential":
        items = o.attrs.get("@items")
        if (
            isinstance(items, Seq)
            and isinstance(key, Const)
            and isinstance(key.v, int)
            and -len(items.items) <= key.v < len(items.items)
        ):
            return items.items[key.v]
    if o.path == "file":
        return Data(labels(o) | labels(key))
    return Data(labels(o) | labels(key))
