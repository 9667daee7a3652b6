"""Steps that are functions: one call that changes many tensors, as optimisers do inside.

`torch._foreach_add_(params, grads)` is `add_` for each pair, `torch.optim.sgd.sgd(params, grads, …)` the
arithmetic of an optimiser without the object. Whoever calls them by hand takes a step all the same.
"""

from __future__ import annotations

import ast

from auditor.source import assign
from auditor.source.labels import Mark
from auditor.source.library import methods
from auditor.source.values import NONE, Alt, Args, Const, Data, Kw, Seq, Value, all_labels, labels
from auditor.source.walk import Walk

PREFIX = "_foreach_"


def each(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`torch._foreach_f(tensors, others, …)`: f for each of them, in place if its name ends so."""
    name = path.rsplit(".", 1)[-1].removeprefix(PREFIX)
    if not a:
        return NONE
    rest = [*a[1:], *k.values()]
    if not name.endswith("_"):
        items: list[Value] = [
            Data((labels(x) | all_labels(_at(rest, i), {})) & ~w.marks.mask[Mark.PARAMETER], tag=_tag(x))
            for i, x in enumerate(_items(a[0]))
        ]
        return Seq(items, "tuple", not isinstance(a[0], Seq) or a[0].more)
    for i, x in enumerate(_items(a[0])):
        given = _at(rest, i)
        if not isinstance(x, Data):
            continue
        if x.root.holder is None and labels(x) & w.marks.mask[Mark.PARAMETER]:
            _into(w, x, all_labels(given, {}))
        elif name == "copy_":
            methods.method(w, x, name, given[:1], {}, n)
        else:
            methods.method(w, x, name, [Data(all_labels(given, {}), tag=_tag(given[0]))] if given else [], {}, n)
    return NONE


def step(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`torch.optim.sgd.sgd(params, grads, …)`, `torch._fused_adam_(params, grads, …)`."""
    params = a[0] if a else k.get("params", k.get("self", NONE))
    grads = a[1] if len(a) > 1 else k.get("grads", k.get("d_p_list", NONE))
    marks = labels(grads) | w.marks.make(Mark.GRADIENT, 0)
    for x in _items(params):
        if isinstance(x, Data):
            _into(w, x, marks)
    return NONE


def _into(w: Walk, x: Data, marks: int) -> None:
    """Write into whatever parameters a value stands for."""
    marks &= ~w.marks.mask[Mark.PARAMETER]
    if x.root.holder is not None:
        assign.write(w, x, marks, accumulate=True)
        return
    for h in w.marks.holders(labels(x)):
        assign.write_parameters(w, h, marks, w.site)


def _items(v: Value) -> list[Value]:
    if isinstance(v, Seq):
        return v.items
    if isinstance(v, Alt):
        return [x for one in v.values for x in _items(one)]
    return [v]


def _at(rest: Args, i: int) -> list[Value]:
    """What belongs to the i-th tensor: its own partner in lists that are long enough, else all of them."""
    out: list[Value] = []
    for v in rest:
        if isinstance(v, Seq) and v.items:
            out.append(v.items[min(i, len(v.items) - 1)] if len(v.items) == 1 or i < len(v.items) else v)
        elif not isinstance(v, Const):
            out.append(v)
    return out


def _tag(v: Value) -> str:
    return v.tag if isinstance(v, Data) else ""
