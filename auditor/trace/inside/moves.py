"""How positions move with the elements of tensors: what is known of an operation's result from what is known of its arguments.

Pure functions: positions in, positions out, -1 for elements that are about no token, None where nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .shadows import known

NOWHERE = torch.iinfo(torch.int64).max

# Operations that move elements and do not change them: their shadow is the same operation on the shadows.
MOVES = {
    "clone", "_to_copy", "cat", "stack", "constant_pad_nd", "roll", "flip",
    "repeat", "masked_select", "contiguous", "tril", "triu", "lift_fresh_copy", "repeat_interleave", "_reshape_copy",
    "unfold_copy", "slice_scatter", "select_scatter", "where", "masked_fill", "rot90", "view_copy", "expand_copy",
}  # fmt: skip
LOOKUPS = {"gather", "index", "take", "index_select"}
# Operations that put numbers together.
REDUCTIONS = {"sum", "mean", "dot", "mv", "mm", "bmm", "addmm", "cumsum", "max", "min", "amax", "amin", "std", "var", "nansum", "nanmean", "norm", "linalg_vector_norm", "prod", "median", "logsumexp", "_softmax", "_log_softmax", "all", "any"}  # fmt: skip
IGNORED = {
    "embedding",
    "one_hot",
    "equal",
    "is_same_size",
    "unique_consecutive",
    "_unique2",
    "sort",
    "topk",
    "argsort",
    "bincount",
    "histc",
}
SCATTERS = {
    "scatter_add_",
    "scatter_add",
    "index_add_",
    "index_add",
    "index_put_",
    "_index_put_impl_",
    "scatter_",
    "put_",
    "scatter_reduce_",
    "index_copy_",
    "index_fill_",
}


def indexed(name: str, func: Any, args: Any, out: Tensor, by: Mapping[int, Tensor | None]) -> Tensor | None:
    """Of what is looked up: its own place, or that of the token that was the key, the later of the two."""
    source = args[0]
    own = by.get(id(source))
    if name == "gather":
        index_places = by.get(id(args[2]))
        moved = own.gather(args[1], args[2]) if own is not None else None
    elif name == "take":
        index_places = by.get(id(args[1]))
        moved = own.take(args[1]) if own is not None else None
    elif name == "index_select":
        index_places = by.get(id(args[2]))
        moved = own.index_select(args[1], args[2]) if own is not None else None
        if index_places is not None and source.dim() != 1:
            index_places = None
    else:
        indices = [i for i in args[1] if i is not None]
        moved = func(own, args[1]) if own is not None else None
        index_places = None
        whole = all(i is not None for i in args[1]) and len(args[1]) == source.dim()
        if whole and not any(i.dtype is torch.bool for i in indices):
            for i in indices:
                s = by.get(id(i))
                if s is not None:
                    index_places = (
                        s if index_places is None else torch.maximum(*torch.broadcast_tensors(index_places, s))
                    )
    if index_places is not None:
        index_places = index_places.expand(out.shape) if index_places.shape != out.shape else index_places
        moved = index_places if moved is None else torch.maximum(moved, index_places)
    return moved


def moved(name: str, func: Any, args: Any, kwargs: Any, by: Mapping[int, Tensor | None]) -> Tensor | None:
    """Of elements that stand elsewhere and are the same: the operation itself, done to the places."""

    def shade(x: Any) -> Any:
        if isinstance(x, Tensor):
            s = by.get(id(x))
            return s if s is not None else torch.full(x.shape, -1, dtype=torch.int64, device=x.device)
        if isinstance(x, (list, tuple)):
            return [shade(y) for y in x]
        return x

    if name == "where":
        if len(args) < 3:
            return None
        a, b = (shade(x) if isinstance(x, Tensor) else torch.tensor(-1) for x in args[1:3])
        places, picked = torch.where(args[0], a, b), one_of_each(args[0], by.get(id(args[0])))
        return places if picked is None else torch.where(args[0] & (places < 0), picked, places)
    if name == "masked_fill":
        return shade(args[0]).masked_fill(args[1], -1)  # type: ignore[no-any-return]
    if name == "constant_pad_nd":
        return func(shade(args[0]), args[1], -1)  # type: ignore[no-any-return]
    if name in ("_to_copy", "clone", "contiguous", "lift_fresh_copy"):
        return shade(args[0])  # type: ignore[no-any-return]
    if name == "repeat_interleave" and not isinstance(args[0], Tensor):
        return None
    return func(shade(args[0]), *args[1:], **{k: v for k, v in kwargs.items() if k == "dim"})  # type: ignore[no-any-return]


def joined(shadows: Sequence[Tensor | None], shape: Sequence[int]) -> Tensor | None:
    """The later of the places that stand together; None, too, where they do not fit the shape."""
    found: Tensor | None = None
    for s in shadows:
        if s is None:
            continue
        try:
            s = s.expand(shape)
        except RuntimeError:
            return None
        found = s if found is None else torch.maximum(found, s)
    return found


def elementwise(name: str, tensors: Sequence[Tensor], shadows: Sequence[Tensor | None], out: Tensor) -> Tensor | None:
    found = joined(shadows, out.shape)
    if found is not None and name == "mul" and len(tensors) == 2:
        for t, s in zip(tensors, shadows, strict=True):
            if s is None and t.numel() > 1:
                found = torch.where((t == 0).expand(out.shape), -1, found)
    return found


def one_along(places: Tensor, dim: int) -> Tensor | None:
    """The one token that all along a dimension is about, -1 for none; None where tokens meet there."""
    low, high = torch.where(places < 0, NOWHERE, places).amin(dim), places.amax(dim)
    return high if bool(((low == high) | (high < 0)).all()) else None


def one_for_each(places: Tensor, dims: Sequence[int], out: Tensor, whole: Sequence[int]) -> Tensor | None:
    """Of what is put together along `dims`, where all that meets is about one token; None where tokens meet.

    `whole`: the shape before, which a running total keeps.
    """
    low, high = torch.where(places < 0, NOWHERE, places), places  # what is about no token counts for neither
    for d in sorted(dims, reverse=True):
        low, high = low.amin(d, keepdim=True), high.amax(d, keepdim=True)
    if not bool(((low == high) | (high < 0)).all()):
        return None
    high = high.reshape(out.shape) if high.numel() == out.numel() else high.expand(whole)
    return high if high.shape == out.shape else None


def one_of_each(mask: Tensor, places: Tensor | None) -> Tensor | None:
    """The places of a mask that picks one entry of each row, because it is the token's: by comparing, not by index."""
    if not known(places) or mask.dim() < 2 or mask.shape[-1] < 2 or mask.dtype is not torch.bool:
        return None
    assert places is not None
    if not bool((places == places[..., :1]).all()) or bool((mask.sum(-1) > 1).any()):
        return None
    return places


def classify(func: Any) -> tuple[str, str]:
    """("view" | "mutation" | "plain", name)."""
    schema = func._schema
    name = schema.name.split("::")[1]
    if schema.name.startswith("aten::"):
        if schema.is_mutable:
            return "mutation", name
        if any(r.alias_info is not None for r in schema.returns):
            return "view", name
    return "plain", name


def dims_of(name: str, args: Any, kwargs: Any, n: int) -> list[int] | None:
    if name in ("dot", "mv", "mm", "bmm", "addmm"):
        return None
    d = args[1] if len(args) > 1 else kwargs.get("dim")
    if d is None or (isinstance(d, (list, tuple)) and not d):
        return None
    if isinstance(d, bool) or not isinstance(d, (int, list, tuple)):
        return None
    return [x % n for x in ([d] if isinstance(d, int) else d)] if n else None
