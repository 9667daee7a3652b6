"""The memory of a tensor by another way: its address, its storage, a capsule, and what is copied into it."""

from __future__ import annotations

import ast

from auditor.source import assign
from auditor.source.labels import Mark
from auditor.source.values import NONE, Args, Data, Kw, Value, labels
from auditor.source.walk import Walk

MADE = frozenset(["from_address", "from_buffer", "from_dlpack", "as_array", "as_ctypes"])  # of what is handed over
VIEWS = MADE | {"to_dlpack", "__dlpack__"}
STORAGES = frozenset(
    ["untyped_storage", "storage", "_typed_storage", "__array_interface__", "__cuda_array_interface__"]
)


def view(v: Value) -> Value:
    """The same memory under another name."""
    return Data(base=v, tag=v.tag, tok=v.tok) if isinstance(v, Data) else v


def _view(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return view(a[0]) if a else NONE


def _move(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`ctypes.memmove(to, source, size)`."""
    if len(a) > 1 and isinstance(a[0], Data):
        assign.write(w, a[0], labels(a[1]) & ~w.marks.mask[Mark.PARAMETER], value=a[1])
    return NONE


def _swap(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`torch.utils.swap_tensors(a, b)`."""
    if len(a) > 1 and isinstance(a[0], Data) and isinstance(a[1], Data):
        mine, theirs = (assign.taken_over(w, x) & ~w.marks.mask[Mark.PARAMETER] for x in a[:2])
        assign.write(w, a[0], theirs, value=a[1])
        assign.write(w, a[1], mine, value=a[0])
    return NONE


def given_out(w: Walk, out: Value, result: Value) -> None:
    """`torch.add(a, b, out=c)`: the result is written into c."""
    if isinstance(out, Data):
        own = out.root.holder is None
        assign.write(w, out, labels(result) & (-1 if own else ~w.marks.mask[Mark.PARAMETER]), value=result)
        if own and isinstance(result, Data):
            out.root.tag = result.tag


FUNCTIONS = {
    **dict.fromkeys(
        (
            "torch.from_dlpack",
            "torch.to_dlpack",
            "numpy.from_dlpack",
            "torch.utils.dlpack.from_dlpack",
            "torch.utils.dlpack.to_dlpack",
            "numpy.ctypeslib.as_array",
            "numpy.ctypeslib.as_ctypes",
        ),
        _view,
    ),
    "ctypes.memmove": _move,
    "torch.utils.swap_tensors": _swap,
}
