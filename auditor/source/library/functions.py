"""`torch.autograd.Function`: what its `backward` does is done whenever a loss behind it is differentiated.

`apply` runs `forward` and leaves a mark on the result. When a gradient is taken of something with that mark,
`backward` is walked with what `forward` had saved.
"""

from __future__ import annotations

import ast

from auditor.source import attributes, calls, loops
from auditor.source.labels import Mark
from auditor.source.values import NONE, Args, Bound, Cls, Data, Func, Kw, LibObj, Native, Seq, Value
from auditor.source.walk import Walk

MAX_BEHIND = 8  # functions behind one loss


class Applied:
    """A function that was applied at one place, and what its latest `forward` there saved."""

    __slots__ = ("backward", "context")

    def __init__(self, backward: Value, context: LibObj) -> None:
        self.backward = backward
        self.context = context


def apply(w: Walk, c: Cls, args: Args, kw: Kw, n: ast.AST | None) -> Value | None:
    """The result of `c.apply(…)`, None if the class has no `forward`."""
    forward = attributes.class_lookup(c, "forward")
    if forward is None:
        return None
    context = _context()
    site = w.site
    setup = attributes.class_lookup(c, "setup_context")
    if setup is None:
        out = calls.call(w, forward, [context, *args], kw, n)
    else:
        out = calls.call(w, forward, args, kw, n)
        calls.call(w, setup, [context, Seq(list(args), "tuple"), out], {}, n)
    backward = attributes.class_lookup(c, "backward") or attributes.class_lookup(c, "vjp")
    if w.no_grad or not isinstance(backward, (Func, Bound, Native)):
        return out
    applied = w.applied.get((id(c), site))
    if applied is None:
        applied = w.applied[(id(c), site)] = Applied(backward, context)
        w.kept.append(c)
    applied.context = context
    return loops.marked(out, w.marks.make(Mark.FUNCTION, applied))


def _context() -> LibObj:
    context = LibObj("autograd.context")

    def save(w: Walk, args: Args, kw: Kw, node: ast.AST) -> Value:
        context.attrs["saved_tensors"] = context.attrs["saved_variables"] = Seq(list(args), "tuple")
        return NONE

    context.attrs["save_for_backward"] = Native(save, "save_for_backward")
    return context


def backward(w: Walk, loss: int, gradient: int) -> None:
    """Walk the `backward` of every function behind a loss, given the marks of the loss and of its gradient."""
    behind = loss & w.marks.mask[Mark.FUNCTION]
    for s in w.marks.numbers(loss, Mark.SCORE):
        behind |= w.scores[s].inputs & w.marks.mask[Mark.FUNCTION]
    if not behind or w.differentiating:
        return
    w.differentiating = True
    try:
        for applied in w.marks.each(behind, Mark.FUNCTION)[-MAX_BEHIND:]:
            g = Data(gradient | w.marks.make(Mark.GRADIENT, 0), tag="gradient")
            g.site = w.site
            calls.call(w, applied.backward, [applied.context, g], {}, None)
    finally:
        w.differentiating = False
