"""Layers and models: their parameters, what calling them gives, and the methods of `torch.nn.Module`."""

from __future__ import annotations

import ast

from auditor.source import assign, attributes, calls, loops
from auditor.source.labels import Mark
from auditor.source.library import probabilities, statistics, tensors
from auditor.source.sights import artifact, cuts, predictions, states
from auditor.source.values import (
    NAME,
    NONE,
    Args,
    Const,
    Data,
    Dict,
    Inst,
    Kw,
    LibObj,
    Native,
    Seq,
    Value,
    all_labels,
    copied_from,
    join,
    labels,
)
from auditor.source.walk import Walk
from rules.events import Sight


def utility(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    name = path.rsplit(".", 1)[-1]
    if name == "parameters_to_vector":
        return Data(all_labels(a, k))
    if name == "vector_to_parameters" and len(a) > 1:
        for h in w.marks.holders(labels(a[1])):
            assign.write_parameters(w, h, labels(a[0]), w.site, strong=copied_from(a[0]) is h)
        return NONE
    if name.startswith("clip_grad"):
        return Data()
    if name == "register_parametrization" and len(a) > 2:
        _parametrized(w, a[0], a[2])
    return a[0] if a else NONE


def _parametrized(w: Walk, owner: Value, by: Value) -> None:
    """A weight goes through another module whenever it is used."""
    if not isinstance(owner, (Inst, LibObj)):
        return

    def run(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        weight: Value = attributes.parameter(w, owner.holder) if owner.holder is not None else Data()
        return Data(labels(calls.call(w, by, [weight], {}, node)) | labels(by))

    owner.hooks.append(Native(run, "parametrization"))
    owner.attrs["@parametrization"] = by
    w.hooked += 1
    w.version += 1
    w.learned += 1


def make_layer(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`torch.nn.X(…)`."""
    name = path.rsplit(".", 1)[-1]
    if name in ("ModuleList", "ParameterList"):
        v = a[0] if a else Seq([])
        s = v if isinstance(v, Seq) else Seq(loops.sample(w, v)[0], more=True)
        out = Seq(list(s.items), "modules", s.more, s.lab)
        out.length = s.length
        return out
    if name in ("ModuleDict", "ParameterDict"):
        return a[0] if a and isinstance(a[0], Dict) else Dict()
    if name == "Parameter":
        return tensors.parameter(w, path, a, k, n)
    o = LibObj(path)
    if name == "Sequential":
        items = list(a)
        if len(a) == 1 and isinstance(a[0], Dict):
            items = list(a[0].items.values())
        o.attrs["@items"] = Seq(items)
        return o
    if name in (
        "CrossEntropyLoss",
        "NLLLoss",
        "Identity",
        "Dropout",
        "ReLU",
        "GELU",
        "SiLU",
        "Sigmoid",
        "Tanh",
        "Softmax",
        "LogSoftmax",
        "KLDivLoss",
        "MSELoss",
    ):
        return o
    if w.building:
        o.holder = w.building[-1]
    else:
        o.holder = w.holder(name, w.site)
        o.holder.adapted = w.trained_once
    statistics.made(o, name, k)
    if name == "MultiheadAttention":
        o.attrs["@attention"] = Const(True)
    both = k.get("bidirectional")
    if isinstance(both, Const) and both.v:
        o.attrs["@both"] = both
    return o


def call_layer(w: Walk, o: LibObj, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    name = o.path.rsplit(".", 1)[-1]
    if name in ("CrossEntropyLoss", "NLLLoss"):
        return probabilities.cross_entropy(w, o.path, args, kw, n)
    if name in ("Softmax", "LogSoftmax"):
        return probabilities.softmax(w, "log_softmax" if name == "LogSoftmax" else "softmax", args, kw, n)
    if name == "Sequential":
        items = o.attrs["@items"]
        v: Value = args[0] if args else NONE
        for m in items.items if isinstance(items, Seq) else []:
            v = calls.call(w, m, [v], {}, n)
        return v
    args, _ = calls.run_hooks(w, o, o.hooks, True, args, NONE, n)
    lab = labels(o) | all_labels(args, kw)
    if statistics.RUNNING in o.attrs:
        lab |= statistics.normalised(w, o, lab) | labels(o)
    if name == "Embedding":
        lab &= ~cuts.shift(w)  # chosen by the token before, which is another thing than the value before
    out: Value = Data(lab, tag="activations")
    if name in ("GRU", "LSTM", "RNN", "MultiheadAttention"):
        out = Seq([out, Data(lab, tag="activations")], "tuple")
        if name in states.RECURRENT:
            out = states.recurrence(w, [*args, *kw.values()], out)
            if o.attrs.get("@both") is not None:
                what = "a recurrence that runs from the end of the window, too: a position sees later ones"
                out = tensors.add_marks(w, out, predictions.leak(w, Sight.NON_CAUSAL, what))
    if name in ("Identity", "Dropout") and args:
        out = args[0]
    if name == "MultiheadAttention":
        causal = kw.get("is_causal")
        mask = kw.get("attn_mask")
        if (
            (causal is None or (isinstance(causal, Const) and not causal.v))
            and (mask is None or (isinstance(mask, Const) and mask.v is None))
            and w.val_reads(lab)
        ):
            w.see(Sight.NON_CAUSAL, w.site, "attention without a causal mask: a position sees later ones", lab)
    return calls.run_hooks(w, o, o.hooks, False, args, out, n)[1]


def holders_of(w: Walk, owner: Value) -> int:
    return labels(owner) & w.marks.mask[Mark.PARAMETER]


def module_method(w: Walk, owner: Value, name: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """Methods that every model has."""
    bits = holders_of(w, owner) | _inner_holders(w, owner, 0)
    if name in ("parameters", "buffers"):
        return Seq([attributes.parameter(w, h) for h in w.marks.holders(bits)], "list", True)
    if name in ("named_parameters", "named_buffers"):
        return Seq(
            [Seq([Data(text="{}", tag=NAME), attributes.parameter(w, h)], "tuple") for h in w.marks.holders(bits)],
            "list",
            True,
        )
    if name == "state_dict":
        rest: Value | None = None
        for h in w.marks.holders(bits):
            rest = join(rest, Data(base=attributes.parameter(w, h)))
        return Dict({}, rest or Data())
    if name == "load_state_dict":
        source = labels(args[0]) if args else 0
        for h in w.marks.holders(bits):
            assign.write_parameters(w, h, source, w.site, strong=True)
            w.restored.add(h.number)
        artifact.loaded(w, owner)
        return Seq([Seq([]), Seq([])], "tuple")
    if name in ("modules", "children"):
        return Seq(_modules(owner, name == "children"), "kinds", True)
    if name in ("named_modules", "named_children"):
        return Seq(
            [Seq([Data(text="{}"), m], "tuple") for m in _modules(owner, name == "named_children")], "kinds", True
        )
    if name in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"):
        if args and hasattr(owner, "hooks"):
            hook = args[0]
            if name == "register_forward_pre_hook":
                hook = _pre(hook)
            if name != "register_full_backward_hook":
                owner.hooks.append(hook)
                w.hooked += 1
                w.version += 1
                w.learned += 1
        handle = LibObj("hook")
        handle.attrs["@owner"] = owner
        if args:
            handle.attrs["@hook"] = hook
        return handle
    if (
        name in ("register_buffer", "register_parameter", "add_module", "register_module", "__setattr__")
        and len(args) > 1
        and isinstance(args[0], Const)
    ):
        assign.set_attribute(w, owner, str(args[0].v), args[1])
        if name == "register_buffer":
            statistics.registered(w, args[1])
        return NONE
    if name == "requires_grad_":
        return owner
    if name == "apply":
        if args:
            for m in _modules(owner, False)[:6]:
                calls.call(w, args[0], [m], {}, n)
        return owner
    if name == "zero_grad":
        for h in w.marks.holders(bits):
            h.grad, h.grad_sites = 0, []
        return NONE
    if name in ("train", "eval"):
        mode = args[0] if args else kw.get("mode", Const(True))
        statistics.set_mode(w, owner, mode if name == "train" else Const(False))
        return owner
    if name in (
        "to",
        "cuda",
        "cpu",
        "half",
        "bfloat16",
        "float",
        "double",
        "compile",
        "share_memory",
        "to_empty",
    ):
        return owner
    if name == "no_sync":
        return LibObj("context")
    if name in ("reset_parameters",):
        for h in w.marks.holders(bits):
            h.lab = 0
        return NONE
    if name in ("get_submodule", "get_parameter", "__getattr__"):
        return attributes.parameter(w, w.marks.holders(bits)[0]) if name == "get_parameter" and bits else owner
    if name == "append" and isinstance(owner, LibObj) and args:
        items = owner.attrs.get("@items")
        if isinstance(items, Seq):
            items.items.append(args[0])
        return NONE
    if isinstance(owner, LibObj) and name in ("forward", "__call__"):
        return call_layer(w, owner, args, kw, n)
    return Data(labels(owner) | all_labels(args, kw))


def _pre(hook: Value) -> Value:
    def run(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        return calls.call(w, hook, args[:2], {}, node)

    return Native(run, "pre-hook")


def _inner_holders(w: Walk, owner: Value, depth: int) -> int:
    """Parameters of parts that were made elsewhere and put into a model."""
    if depth > 3:
        return 0
    out = 0
    values: list[Value] = []
    if isinstance(owner, (Inst, LibObj)):
        values = list(owner.attrs.values())
    elif isinstance(owner, Seq):
        values = owner.items
    elif isinstance(owner, Dict):
        values = [*owner.items.values(), *([owner.rest] if owner.rest is not None else [])]
    for v in values:
        if isinstance(v, Data):
            h = v.root.holder
            out |= h.bit if h is not None else 0
        elif isinstance(v, (Inst, LibObj)):
            if v.holder is not None:
                out |= v.holder.bit
            if (isinstance(v, Inst) and v.is_module) or isinstance(v, LibObj):
                out |= _inner_holders(w, v, depth + 1)
        elif isinstance(v, (Seq, Dict)):
            out |= _inner_holders(w, v, depth + 1)
    return out


def _modules(owner: Value, direct: bool) -> list[Value]:
    out: list[Value] = [] if direct else [owner]
    seen = {id(owner)}
    kinds: set[object] = set()

    def add(v: Value, depth: int) -> None:
        if (isinstance(v, Inst) and v.is_module) or (isinstance(v, LibObj) and v.path.startswith("torch.nn.")):
            if id(v) not in seen and len(seen) < 200:
                seen.add(id(v))
                kind = id(v.cls) if isinstance(v, Inst) else v.path
                if (kind not in kinds or direct) and len(out) < 16:
                    kinds.add(kind)
                    out.append(v)  # one of each kind stands for the others
                if not direct and depth < 4:
                    for x in list(v.attrs.values()):
                        add(x, depth + 1)
        elif isinstance(v, Seq) and v.kind in ("modules", "list"):
            for x in v.items[:3]:
                add(x, depth)
        elif isinstance(v, Dict):
            for x in list(v.items.values())[:6]:
                add(x, depth)

    for x in list(getattr(owner, "attrs", {}).values()):
        add(x, 0)
    if isinstance(owner, Seq):
        for x in owner.items[:3]:
            add(x, 0)
    return out
