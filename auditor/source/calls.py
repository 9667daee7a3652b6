"""Calls: functions of the submission are entered, those of libraries are known or only pass their marks on."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from auditor.source import attributes, expressions, loops, special, statements, summary
from auditor.source.library import dispatch, environment, executed
from auditor.source.sights import answers
from auditor.source.terms import build
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
    Native,
    Seq,
    Value,
    join,
    labels,
)
from auditor.source.walk import MAX_DEPTH, Site, Walk
from auditor.unpack.parse import children

MODULE_BASES = ("torch.nn.", "mlx.nn.", "nn.Module", "pytorch_lightning")
RECURSION = 3


def call_expression(w: Walk, n: ast.Call, f: Frame) -> Value:
    if isinstance(n.func, ast.Name) and n.func.id == "super" and "super" not in f.locals:
        return _super(w, n, f)
    fn = expressions.evaluate(w, n.func, f)
    args: Args = []
    for a in n.args:
        if isinstance(a, ast.Starred):
            args += expressions.elements(w, [a], f)
        else:
            args.append(expressions.evaluate(w, a, f))
    kw: Kw = {}
    for k in n.keywords:
        v = expressions.evaluate(w, k.value, f)
        if k.arg is not None:
            kw[k.arg] = v
        elif isinstance(v, Dict):
            kw.update({name: x for name, x in v.items.items() if isinstance(name, str)})
    w.site = w.here(n, f)
    if isinstance(fn, Lib) and fn.path in _NEEDS_FRAME:
        return _NEEDS_FRAME[fn.path](w, args, f)
    return call(w, fn, args, kw, n)


def _super(w: Walk, n: ast.Call, f: Frame) -> Value:
    """`super()`: the next class that has the method, for the object at hand."""
    g: Frame | None = f
    while g is not None and not (
        (g.func is not None and "self" in g.locals) or (g.func is not None and g.func.node.args.args)
    ):
        g = g.parent
    owner: Value | None = None
    if g is not None and g.func is not None and g.func.node.args.args:
        owner = g.locals.get(g.func.node.args.args[0].arg)
    if isinstance(owner, Inst):
        here = f.func
        for c in owner.cls.mro():
            if here is not None and any(v is here for v in c.attrs.values()):
                return _Super(owner, c)
        return _Super(owner, owner.cls)
    return special.above(owner) if isinstance(owner, Cls) else Data()


class _Super(Value):
    __slots__ = ("below", "owner")

    def __init__(self, owner: Inst, below: Cls) -> None:
        self.owner = owner
        self.below = below
        self.lab = 0


def call(w: Walk, fn: Value, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """Call a value."""
    w.step()
    if isinstance(fn, Func):
        return enter(w, fn, args, kw, n)
    if isinstance(fn, Bound):
        o = fn.owner
        if (
            isinstance(o, Inst)
            and o.is_module
            and isinstance(fn.func, Func)
            and fn.func.name.startswith(("forward", "_forward"))
            and w.active
            and w.active[-1].node is not fn.func.node
        ):
            return forward_pass(w, o, fn, args, kw, n)
        return call(w, fn.func, [o, *args], kw, n)
    if isinstance(fn, Lib):
        return dispatch.call(w, fn.path, args, kw, n)
    if isinstance(fn, Method):
        return _method(w, fn, args, kw, n)
    if isinstance(fn, Cls):
        made = special.through_metaclass(w, fn, args, kw, n) if fn.meta is not None else None
        return made if made is not None else instantiate(w, fn, args, kw, n)
    if isinstance(fn, Inst):
        return call_object(w, fn, args, kw, n)
    if isinstance(fn, LibObj):
        return dispatch.call_object(w, fn, args, kw, n)
    if isinstance(fn, Native):
        return fn.call(w, args, kw, n or ast.Constant(None))
    if isinstance(fn, Alt):
        out: Value | None = None
        for k, x in enumerate(fn.values):
            if isinstance(x, Const):
                continue
            with w.branch(f"~{w.identity(fn)}:{k}"):
                out = join(out, call(w, x, args, kw, n))
        return out or Data()
    if isinstance(fn, Seq) and args == [] and not fn.items:
        return Data()
    lab = labels(fn)
    for a in args:
        lab |= labels(a)
    for a in kw.values():
        lab |= labels(a)
    return Data(lab)


def _method(w: Walk, m: Method, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    owner = m.owner
    if isinstance(owner, _Super):
        return _call_super(w, owner, m.name, args, kw, n)
    return dispatch.call_method(w, owner, m.name, args, kw, n)


def _call_super(w: Walk, s: _Super, name: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    order = s.owner.cls.mro()
    at = order.index(s.below) if s.below in order else 0
    for c in order[at + 1 :]:
        v = c.attrs.get(name)
        if isinstance(v, Func):
            return enter(w, v, [s.owner, *args], kw, n)
    if name == "__init__":
        if s.owner.is_optimizer and args:
            s.owner.attrs["@params"] = args[0]
        if s.owner.is_module and s.owner.holder is None:
            attributes.module_holder(w, s.owner)
        return NONE
    if name in ("forward", "__call__") and s.owner.is_module:
        lab = labels(s.owner)
        for a in args:
            lab |= labels(a)
        return Data(lab, tag="activations")
    return dispatch.call_method(w, s.owner, name, args, kw, n, own=False)


def make_function(w: Walk, n: Any, f: Frame) -> Value:
    name = getattr(n, "name", "<lambda>")
    outer = None if f.is_class or isinstance(n, ast.Lambda) else f.func
    fn = Func(n, f, f"{outer.name}.{name}" if outer is not None else name)
    fn.defaults = [expressions.evaluate(w, d, f) for d in n.args.defaults]
    for a, d in zip(n.args.kwonlyargs, n.args.kw_defaults, strict=True):
        if d is not None:
            fn.kw_defaults[a.arg] = expressions.evaluate(w, d, f)
    if isinstance(n, ast.Lambda):
        return fn
    fn.generator = _has_yield(n)
    out: Value = fn
    for d in reversed(n.decorator_list):
        out = _decorate(w, expressions.evaluate(w, d, f), out, n)
    return out


_yields: dict[int, tuple[Any, bool]] = {}


def _has_yield(n: Any) -> bool:
    found = _yields.get(id(n))
    if found is not None and found[0] is n:
        return found[1]
    todo: list[ast.AST] = list(n.body)
    answer = False
    while todo:
        s = todo.pop()
        if isinstance(s, (ast.Yield, ast.YieldFrom)):
            answer = True
            break
        if not isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            todo += children(s)
    if len(_yields) > 20_000:
        _yields.clear()
    _yields[id(n)] = (n, answer)
    return answer


def _decorate(w: Walk, d: Value, fn: Value, n: ast.AST) -> Value:
    path = d.path if isinstance(d, (Lib, LibObj)) else ""
    if isinstance(fn, Func):
        kind = {
            "property": "property",
            "staticmethod": "static",
            "classmethod": "class",
            "functools.cached_property": "cached_property",
        }.get(path)
        if kind:
            fn.wrapped = kind
            return fn
        if path in ("torch.no_grad", "torch.inference_mode"):
            fn.wrapped = "no_grad"
            return fn
        if path == "contextlib.contextmanager":
            fn.wrapped = "context"
            return fn
    if isinstance(d, Method) and d.name in ("setter", "deleter"):
        if not isinstance(d.owner, Func):
            return fn
        if d.name == "setter":
            d.owner.kw_defaults["@set"] = fn
        return d.owner
    if isinstance(d, Inst) and (within := special.wrapped(w, d, fn)) is not None:
        return within
    if isinstance(d, (Func, Bound, Inst, Native, Cls)):
        out = call(w, d, [fn], {}, n)
        if isinstance(d, Cls) and not (isinstance(out, Inst) and attributes.find_method(out, "__call__")):
            return fn
        return out if not isinstance(out, (Const, Data)) else fn
    return fn


def make_class(w: Walk, n: ast.ClassDef, f: Frame) -> Value:
    bases = [expressions.evaluate(w, b, f) for b in n.bases]
    c = Cls(n.name, bases, n, f.top)
    inner = Frame(f.top, f, f.func)
    inner.is_class = True
    statements.block(w, n.body, inner)
    fields = inner.locals.pop("__fields__", None)
    c.attrs = inner.locals
    decorated = [expressions.evaluate(w, d, f) for d in n.decorator_list]
    record = any(
        isinstance(d, (Lib, LibObj)) and d.path.rsplit(".", 1)[-1] in ("dataclass", "define", "attrs")
        for d in decorated
    )
    record = record or any(
        isinstance(b, Lib) and b.path.rsplit(".", 1)[-1] in ("NamedTuple", "TypedDict", "BaseModel") for b in bases
    )
    inherited = [x for b in c.mro()[1:] for x in (b.fields or [])]
    if record or inherited:
        own = (
            [(k, None if v is NONE and k not in c.attrs else v) for k, v in fields.items.items()]
            if isinstance(fields, Dict)
            else []
        )
        c.fields = [*inherited, *own]
    special.class_made(w, c, n, f)
    for d in reversed(decorated):
        if isinstance(d, (Func, Native)):
            out = call(w, d, [c], {}, n)
            if isinstance(out, Cls):
                c = out
    return c


def instantiate(w: Walk, c: Cls, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    w.objects += 1
    o = Inst(c, w.objects)
    o.site = w.site
    o.born = tuple(w.turns)
    libs = c.library_bases()
    o.is_module = any(p.startswith(MODULE_BASES) for p in libs)
    o.is_optimizer = any(p.startswith("torch.optim") or p.endswith("Optimizer") for p in libs)
    if any(p in ("dict", "collections.OrderedDict") for p in libs):
        return Dict()
    if any(p.startswith("torch.autograd.Function") for p in libs):
        return o
    built = False
    if o.is_module:
        if w.building:
            o.holder = w.building[-1]
        else:
            o.holder = w.holder(c.name, w.site)
            o.holder.adapted = bool(w.trained_once)
            w.building.append(o.holder)
            built = True
    try:
        init = attributes.class_lookup(c, "__init__")
        if isinstance(init, Func):
            enter(w, init, [o, *args], kw, n)
        elif c.fields is not None:
            for i, (name, default) in enumerate(c.fields):
                v = args[i] if i < len(args) else kw.get(name, default or NONE)
                if isinstance(v, LibObj) and v.path == "dataclasses.field":
                    before = w.env_reads
                    v = v.attrs.get("default") or (
                        call(w, v.attrs["default_factory"], [], {}, n) if "default_factory" in v.attrs else NONE
                    )
                    v = environment.configured(w, name, v, w.site, w.env_reads != before)
                o.attrs[name] = v
            post = attributes.class_lookup(c, "__post_init__")
            if isinstance(post, Func):
                enter(w, post, [o], {}, n)
        elif o.is_optimizer and args:
            o.attrs["@params"] = args[0]
        elif libs and any(p.startswith("torch.nn.") and p not in ("torch.nn.Module",) for p in libs):
            for i, a in enumerate(args):
                o.attrs.setdefault(f"@{i}", a)
    finally:
        if built:
            w.building.pop()
    if o.is_optimizer and "@params" not in o.attrs and (args or "params" in kw):
        o.attrs["@params"] = args[0] if args else kw["params"]
    return o


def call_object(w: Walk, o: Inst, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """Call an object: `forward` of a module, else `__call__`."""
    own = attributes.find_method(o, "__call__")
    if own is not None:
        return call(w, own, args, kw, n)
    if not o.is_module:
        lab = labels(o)
        for a in args:
            lab |= labels(a)
        return Data(lab)
    forward = o.attrs.get("forward") or attributes.find_method(o, "forward")
    if forward is None:
        lab = labels(o)
        for a in [*args, *kw.values()]:
            lab |= labels(a)
        out: Value = Data(lab, tag="activations")
    else:
        args, _ = run_hooks(w, o, o.hooks, True, args, NONE, n)
        out = forward_pass(w, o, forward, args, kw, n)
    return run_hooks(w, o, o.hooks, False, args, out, n)[1]


def forward_pass(w: Walk, o: Inst, forward: Value, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """One pass through a model; its loops are over layers and choose no tokens."""
    w.forward_depth += 1
    if w.forward_depth == 1:
        w.forward_turns = len(w.turns)
    try:
        if w.forward_depth > 1:
            return summary.part(w, o, forward, args, kw, n)
        return _remembered(w, o, forward, args, kw, n)
    finally:
        w.forward_depth -= 1
        if not w.forward_depth:
            w.passing.clear()


def run_hooks(
    w: Walk, o: Value, hooks: list[Value], before: bool, args: Args, out: Value, n: ast.AST | None
) -> tuple[Args, Value]:
    """What was registered to run before or after a module's forward; the arguments and the result after it.

    What such a hook returns takes the place of the arguments or of the result, so its marks are theirs.
    """
    if hooks and w.summarising and isinstance(o, (Inst, LibObj)):
        w.stored.append((o, "@hooked", o.attrs.get("@hooked")))  # not to be summarised: the hooks want the real values
        return args, out
    for hook in hooks:
        if (isinstance(hook, Native) and hook.name == "pre-hook") is before:
            got = call(w, hook, [o, Seq(list(args), "tuple"), out], {}, n)
            if isinstance(got, Const) and got.v is None:
                continue
            if before:
                args = [loops.marked(a, labels(got) & ~labels(a)) for a in args]
            else:
                out = loops.marked(out, labels(got) & ~labels(out))
    return args, out


def _remembered(w: Walk, o: Inst, forward: Value, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """A forward pass; the same arguments under the same state give the same result."""
    name = forward.func if isinstance(forward, Bound) else forward
    key = (
        o.number,
        name,
        w.version,
        w.no_grad > 0,
        len(w.guards) == 0,
        tuple(map(_signature, args)),
        tuple((k, _signature(v)) for k, v in sorted(kw.items())),
    )
    found = w.memo.get(key)
    if found is not None and not found[1]:
        return found[0]
    scores, hooks = len(w.scores), w.hooked
    if isinstance(forward, Bound):
        out = call(w, forward.func, [forward.owner, *args], kw, n)
    else:
        out = call(w, forward, args, kw, n)
    w.memo[key] = (out, 1 if len(w.scores) != scores or hooks else 0)
    return out


def _signature(v: Value) -> object:
    if isinstance(v, Const):
        try:
            hash(v.v)
        except TypeError:
            return v
        return ("c", type(v.v).__name__, v.v)
    if isinstance(v, Data):
        return ("d", labels(v), v.tag, v.tok)
    if isinstance(v, Seq):
        return ("s", tuple(_signature(i) for i in v.items[:8]))
    return v  # itself, not its address: that might be another's later


def enter(w: Walk, fn: Func, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """Walk the body of a function with these arguments."""
    deep = sum(1 for g in w.active if g.node is fn.node) if len(w.active) > 8 else 0
    if len(w.active) >= MAX_DEPTH or deep >= RECURSION:
        lab = 0
        for a in [*args, *kw.values()]:
            lab |= labels(a)
        return Data(lab)
    f = Frame(fn.top, fn.frame, fn)
    bind(w, fn, args, kw, f)
    key = f"{fn.top.path}:{getattr(fn.node, 'lineno', 0)}"
    w.entered[key] = w.entered.get(key, 0) + 1
    site = w.site
    if isinstance(fn.node, ast.Lambda):
        w.active.append(fn)
        try:
            return expressions.evaluate(w, fn.node.body, f)
        finally:
            w.active.pop()
    if fn.generator:
        f.yields = []
    off = 1 if fn.wrapped == "no_grad" else 0
    w.active.append(fn)
    w.stack.append(Site(site.path, site.line, fn.name))
    w.no_grad += off
    depth = len(w.guards)
    try:
        statements.block(w, fn.node.body, f)
    finally:
        w.active.pop()
        w.stack.pop()
        w.no_grad -= off
        del w.guards[depth:]
        w.site = site
    if fn.generator:
        made = Seq(f.yields or [], "generator", True)
        made.quiet = f.quiet > w.no_grad
        made.again = lambda: enter(w, fn, args, kw, n)
        return made
    out: Value | None = None
    for r in answers.returns(w, f.returns):
        out = build.either(w, out, r, join(out, r)) if out is not None else r
    return out if out is not None else NONE


def bind(w: Walk, fn: Func, args: Args, kw: Kw, f: Frame) -> None:
    """Parameters take their arguments and defaults."""
    a = fn.node.args
    names = [*a.posonlyargs, *a.args]
    kw = dict(kw)
    first_default = len(names) - len(fn.defaults)
    for i, p in enumerate(names):
        if i < len(args):
            f.locals[p.arg] = args[i]
        elif p.arg in kw:
            f.locals[p.arg] = kw.pop(p.arg)
        elif i >= first_default:
            f.locals[p.arg] = fn.defaults[i - first_default]
        else:
            f.locals[p.arg] = Data()
    for p in a.kwonlyargs:
        if p.arg in kw:
            f.locals[p.arg] = kw.pop(p.arg)
        else:
            f.locals[p.arg] = fn.kw_defaults.get(p.arg, Data())
    if a.vararg:
        f.locals[a.vararg.arg] = Seq(list(args[len(names) :]), "tuple")
    if a.kwarg:
        f.locals[a.kwarg.arg] = Dict(dict(kw))


def iterate_object(w: Walk, o: Inst) -> tuple[list[Value], bool]:
    """Items of an object with `__iter__`, `__next__` or `__getitem__`."""
    method = attributes.find_method(o, "__iter__")
    if method is not None:
        v = call(w, method, [], {}, None)
        if isinstance(v, Inst):
            step = attributes.find_method(v, "__next__")
            if step is not None:
                return [call(w, step, [], {}, None) for _ in range(2)], True
            return [Data(labels(v)), Data(labels(v))], True
        return loops.sample(w, v)
    get = attributes.find_method(o, "__getitem__")
    if get is not None:
        return [call(w, get, [Const(i)], {}, None) for i in range(2)], True
    lab = labels(o)
    return [Data(lab), Data(lab)], True


def _locals(w: Walk, args: Args, f: Frame) -> Value:
    if args and isinstance(args[0], (Inst, LibObj)):
        return Dict(args[0].attrs)
    if args:
        return Data(labels(args[0]))
    return Dict(dict(f.locals))


def _globals(w: Walk, args: Args, f: Frame) -> Value:
    return Dict(f.top.frame.locals)


_NEEDS_FRAME: dict[str, Callable[[Walk, Args, Frame], Value]] = {
    "exec": lambda w, args, f: executed.execute(w, args, f, w.site.line),
    "eval": lambda w, args, f: executed.evaluate(w, args, f, w.site.line),
    "locals": _locals,
    "vars": _locals,
    "globals": _globals,
}


def leave_context(w: Walk, v: Value, n: ast.AST) -> None:
    """What happens at the end of `with v`."""
    if isinstance(v, Inst) and (method := attributes.find_method(v, "__exit__")) is not None:
        call(w, method, [NONE, NONE, NONE], {}, n)


def enter_context(w: Walk, v: Value, n: ast.AST) -> Value:
    """What `with v as x` binds."""
    if isinstance(v, Seq) and v.kind == "generator":
        return v.items[0] if v.items else NONE
    if isinstance(v, Inst):
        method = attributes.find_method(v, "__enter__")
        if method is not None:
            return call(w, method, [], {}, n)
    return v
