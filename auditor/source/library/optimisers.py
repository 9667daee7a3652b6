"""Optimisers: whose parameters they step, and what the gradients had taken in."""

from __future__ import annotations

import ast

from auditor.source import assign, attributes, calls
from auditor.source.labels import Mark
from auditor.source.library import foreach, functions
from auditor.source.values import (
    NONE,
    Args,
    Bound,
    Data,
    Dict,
    Func,
    Holder,
    Inst,
    Kw,
    LibObj,
    Native,
    Seq,
    Value,
    labels,
)
from auditor.source.walk import Walk
from rules.events import Means, Sight

MAX_HOOKS = 4  # different ones on the parameters of one model


def make(w: Walk, path: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    """`torch.optim.X(params, …)`."""
    if path.rsplit(".", 1)[-1][:1].islower() and len(args) > 1:
        return foreach.step(w, path, args, kw, n)
    o = LibObj(path)
    if ".lr_scheduler" in path or (".swa_utils" in path and not path.endswith("AveragedModel")):
        return LibObj("scheduler")
    if path.endswith("AveragedModel"):
        return args[0] if args else o
    params = args[0] if args else kw.get("params")
    if params is not None:
        o.holders = labels(params) & w.marks.mask[Mark.PARAMETER]
        o.attrs["@params"] = params
    told = 0
    for name, v in kw.items():
        told |= w.score_marks(labels(v)) if name != "params" else 0
    if told:
        w.see(
            Sight.WARMUP,
            w.site,
            "a setting of the optimiser was chosen by the loss on validation tokens",
            told,
            detail=(("chosen", "yes"),),
        )
    return o


def held(w: Walk, o: Value) -> int:
    """PARAMETER marks of what an optimiser steps."""
    if isinstance(o, LibObj):
        return o.holders
    if isinstance(o, Inst):
        bits = o.attrs.get("@params")
        if bits is not None:
            return labels(bits) & w.marks.mask[Mark.PARAMETER]
        out = 0
        for v in o.attrs.values():
            out |= labels(v) & w.marks.mask[Mark.PARAMETER]
        return out
    return 0


def method(w: Walk, o: Value, name: str, args: Args, kw: Kw) -> Value:
    if name == "step":
        if isinstance(o, LibObj) and o.path.endswith("GradScaler"):
            if args:
                method(w, args[0], "step", [], {})
            return NONE
        closure = args[0] if args else kw.get("closure", NONE)
        if isinstance(closure, (Func, Bound, Native)):
            calls.call(w, closure, [], {}, None)
        _hooked(w, o, "@before")
        w.kept.append(o)
        w.stepping = (id(o), w.renewed.get(id(o), 0))
        step(w, held(w, o))
        w.stepping = (0, 0)
        _hooked(w, o, "@after")
        return NONE
    if name in ("register_step_pre_hook", "register_step_post_hook") and args and isinstance(o, (Inst, LibObj)):
        hooks = o.attrs.setdefault("@before" if "pre" in name else "@after", Seq([]))
        if isinstance(hooks, Seq) and len(hooks.items) < MAX_HOOKS:
            hooks.items.append(args[0])
        return LibObj("hook")
    if name == "update" and len(args) == 2:  # mlx: the gradients are handed over
        for h in w.marks.holders(labels(args[0])):
            h.grad |= labels(args[1]) & ~w.marks.mask[Mark.PARAMETER]
        step(w, labels(args[0]) & w.marks.mask[Mark.PARAMETER])
        for h in w.marks.holders(labels(args[0])):
            h.grad = 0
        return NONE
    if name == "scale" and args:
        return args[0]
    if name in ("zero_grad",):
        for h in w.marks.holders(held(w, o)):
            h.grad = 0
            h.grad_sites = []
        return NONE
    if name == "add_param_group" and args:
        bits = labels(args[0]) & w.marks.mask[Mark.PARAMETER]
        if isinstance(o, LibObj):
            o.holders |= bits
        return NONE
    if name == "state_dict":
        return Dict({}, Data())
    if name == "param_groups":
        return attributes.param_groups(w, o)
    if name == "load_state_dict":
        w.renewed[id(o)] = w.renewed.get(id(o), 0) + 1
    return NONE if name in ("load_state_dict", "update", "unscale_", "train", "eval") else Data()


def _hooked(w: Walk, o: Value, when: str) -> None:
    """What was registered to run before or after a step."""
    hooks = o.attrs.get(when) if isinstance(o, (Inst, LibObj)) else None
    for hook in hooks.items if isinstance(hooks, Seq) else []:
        calls.call(w, hook, [o, Seq([], "tuple"), Dict({})], {}, None)


def step(w: Walk, params: int) -> None:
    """A gradient step: what the gradients had taken in is now in the parameters."""
    for h in w.marks.holders(params):
        if not h.grad:
            continue
        fresh = w.val_reads(h.grad) | w.score_marks(h.grad)
        if w.scored_reads(h.grad) | w.val_reads(h.grad):
            scope = assign.scope_of(w, h)
            u = w.update(
                w.site, Means.OPTIMIZER, scope, h.name, h.grad, tuple(h.grad_sites), w.parts_of(h.grad), h.shared
            )
            h.lab |= u
        elif fresh:
            h.lab |= h.grad & w.marks.mask[Mark.UPDATE]
        if w.train_reads(h.grad) or h.grad & w.marks.mask[Mark.ENVIRONMENT]:
            h.trained = True
            w.trained_once = True
            for loop, _ in w.turns:
                w.trained_loops.add(loop)


def backward(w: Walk, loss: Value) -> None:
    """`loss.backward()`: gradients of all parameters behind the loss."""
    lab = labels(loss)
    m = w.marks.mask
    train = w.train_reads(lab)
    for s in w.marks.numbers(lab, Mark.SCORE):
        train |= w.train_reads(w.scores[s].inputs | w.scores[s].targets)
    taken = (lab & m[Mark.SCORE]) | w.val_reads(lab) | train
    for h in w.marks.holders(lab):
        h.grad |= taken | (lab & m[Mark.UPDATE])
        if w.site not in h.grad_sites and len(h.grad_sites) < 4:
            h.grad_sites.append(w.site)
        for called, on_gradient in w.grad_hooks.get(h.number, ()):
            of: Value = attributes.parameter(w, h)
            calls.call(w, called, [attributes.get(w, of, "grad", ast.Constant(None)) if on_gradient else of], {}, None)
    functions.backward(w, lab, taken | (lab & m[Mark.UPDATE]))


def hook(w: Walk, h: Holder, called: Value, on_gradient: bool) -> None:
    """What runs whenever a gradient of these parameters is ready: with the gradient, or with the parameter."""
    hooks = w.grad_hooks.setdefault(h.number, [])
    node = getattr(called, "node", called)
    if len(hooks) < MAX_HOOKS and not any(getattr(c, "node", c) is node for c, _ in hooks):
        hooks.append((called, on_gradient))


def _backward(w: Walk, path: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    if args:
        backward(w, args[0])
    return NONE


def _clip(w: Walk, path: str, args: Args, kw: Kw, n: ast.AST | None) -> Value:
    return Data()


FUNCTIONS = {
    "torch.autograd.backward": _backward,
    "torch.nn.utils.clip_grad_norm_": _clip,
    "torch.nn.utils.clip_grad_value_": _clip,
    "torch.cuda.amp.GradScaler": lambda w, p, a, k, n: LibObj("GradScaler"),
    "torch.amp.GradScaler": lambda w, p, a, k, n: LibObj("GradScaler"),
}
