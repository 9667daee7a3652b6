"""How far every number has seen: for each element of a tensor, the last validation token that can have influenced it.

Positions say which token a number is *about*; reach says which tokens it *knows*. A score of the token at p may know
tokens up to p, and the row of probabilities that it was picked from up to p - 1. Reach errs on the side of too far
(a product with zero counts as knowing), so what it finds is put to a probe before anybody is accused.
It is followed through the network: rows of a matrix product know what the row knew, a causal softmax what is not masked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .reaches import Reaches, narrow
from .shadows import flat

Get = Callable[[Tensor], Tensor | None]

SAME = {
    "_to_copy",
    "clone",
    "contiguous",
    "lift_fresh_copy",
    "_reshape_copy",
    "_unsafe_view",
    "reshape",
    "view_copy",
    "expand_copy",
    "detach_copy",
}
REPLAYED = {"cat", "stack", "roll", "flip", "repeat", "constant_pad_nd", "tril", "triu", "rot90", "unfold_copy", "slice_scatter", "select_scatter", "index_select", "masked_select", "repeat_interleave"}  # fmt: skip
MERGED = {"sum", "mean", "amax", "amin", "max", "min", "std", "var", "nansum", "nanmean", "norm", "linalg_vector_norm", "prod", "median", "logsumexp", "all", "any", "argmax", "argmin", "count_nonzero", "std_mean", "var_mean"}  # fmt: skip
ALONG = {"cumsum": 1, "cumprod": 1, "logcumsumexp": 1, "cummax": 1, "cummin": 1}  # each knows those before it
WHOLE_ROW = {"_softmax": 1, "_safe_softmax": 1, "_log_softmax": 1, "softmax": 1, "log_softmax": 1, "sort": 1, "topk": 2, "argsort": 1, "kthvalue": 2}  # fmt: skip
NORMS = {"native_layer_norm", "rms_norm", "_fused_rms_norm", "native_group_norm"}
NOTHING = {"zero_", "fill_", "normal_", "uniform_", "random_", "empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "new_empty", "new_zeros", "new_ones", "new_full", "randint_like", "equal", "is_same_size", "arange", "bernoulli_"}  # fmt: skip


class Reach:
    """Reaches by storage. `loose` names operations that were not known, for which all was taken to know all."""

    def __init__(self) -> None:
        self.of = Reaches()
        self.loose: set[str] = set()

    def get(self, t: Tensor) -> Tensor | None:
        return self.of.get(t)

    def begin(self, t: Tensor, places: Tensor) -> None:
        """Tokens came in: each knows itself."""
        self.of.put(t, places.to(torch.int32))

    def follow(self, what: str, name: str, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        """One operation, after it was done."""
        tensors = flat(args) + flat(kwargs.values())
        known = [self.get(t) for t in tensors]
        if all(k is None for k in known):
            return
        by = {id(t): k for t, k in zip(tensors, known, strict=True)}

        def get(t: Any) -> Tensor | None:
            return by.get(id(t)) if isinstance(t, Tensor) else None

        plain = name.rstrip("_") if what == "mutation" else name
        targets = (
            [args[0]]
            if what == "mutation" and isinstance(args[0], Tensor)
            else [o for o in (out if isinstance(out, (tuple, list)) else [out]) if isinstance(o, Tensor)]
        )
        if name in NOTHING:
            found: list[Tensor | None] = [None] * len(targets)
        else:
            try:
                found = self._rule(plain, func, args, kwargs, targets, get)
            except (RuntimeError, IndexError, TypeError, ValueError):
                found = self._all(plain, known, targets)
        for t, r in zip(targets, found, strict=False):
            if r is None:
                if self.get(t) is not None:
                    self.of.put(t, _never(t))  # what was known of what is overwritten
            else:
                self.of.put(t, r)

    def _all(self, name: str, known: Sequence[Tensor | None], targets: list[Tensor]) -> list[Tensor | None]:
        self.loose.add(name)
        last = max(int(k.max()) for k in known if k is not None and k.numel())
        return [torch.tensor(last, dtype=torch.int32).expand(t.shape) for t in targets]

    def _rule(
        self, name: str, func: Any, args: Any, kwargs: Any, targets: list[Tensor], get: Get
    ) -> list[Tensor | None]:
        first = args[0] if args and isinstance(args[0], Tensor) else None
        own = get(first)
        if name in SAME or name == "copy":
            source = args[1] if name == "copy" else first
            r = get(source)
            if r is not None and r.numel() == targets[0].numel():
                r = r.reshape(targets[0].shape)
            return [None if r is None else r.expand(targets[0].shape)]
        if name in REPLAYED:
            return [
                func(*_shaded(args, get), **{k: v for k, v in kwargs.items() if k == "dim"})
                if name != "constant_pad_nd"
                else func(_of(first, get), args[1], -1)
            ]
        if name == "embedding":
            index = get(args[1])
            rows = get(args[0])
            r = None if index is None else index.unsqueeze(-1)
            if rows is not None:
                looked = rows[args[1].clamp(min=0)]
                r = looked if r is None else torch.maximum(looked, r)
            return [None if r is None else r.expand(targets[0].shape)]
        if name in ("gather", "take", "index", "index_select", "take_along_dim"):
            return [_looked_up(name, func, args, get, targets[0])]
        if name in ("mm", "bmm", "matmul", "mv", "dot", "addmm", "baddbmm", "addmv", "_int_mm", "linear"):
            return [_product(name, args, get, targets[0])]
        if name in (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_fused_attention_overrideable",
            "_scaled_dot_product_attention_math",
            "scaled_dot_product_attention",
        ):
            return [_attended(args, kwargs, get, targets[0]), *[None] * (len(targets) - 1)]
        if name in WHOLE_ROW:
            at = WHOLE_ROW[name]
            dim = _one(args, kwargs, at)
            values = narrow(_of(first, get))
            if "softmax" in name:  # what has no weight is not known
                weight = targets[0]
                zero = (weight == 0) if "log" not in name else torch.isneginf(weight)
                values = torch.where(zero, -1, values)
            r = values.amax(dim, keepdim=True)
            return [r.expand(t.shape) for t in targets]
        if name in ALONG:
            return [narrow(_of(first, get)).cummax(_one(args, kwargs, 1))[0].expand(t.shape) for t in targets]
        if name in MERGED and not (name in ("max", "min") and len(args) > 1 and isinstance(args[1], Tensor)):
            dims = _dims(args, kwargs, first)
            r = narrow(_of(first, get))
            if dims is None:
                r = r.max() if r.numel() else torch.tensor(-1)
                return [r.to(torch.int32).expand(t.shape) for t in targets]
            for d in sorted(dims, reverse=True):
                r = r.amax(d, keepdim=True)
            return [_reduced(r, dims, t) for t in targets]
        if name in NORMS:
            shape = args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else [1]
            r = narrow(_of(first, get))
            for d in range(r.dim() - len(shape), r.dim()):
                r = r.amax(d, keepdim=True)
            return [r.expand(targets[0].shape), *[None] * (len(targets) - 1)]
        if name in ("nll_loss_forward", "nll_loss2d_forward"):
            logp, target = _of(first, get), args[1]
            safe = target.clamp(min=0).unsqueeze(1)
            r = logp.gather(1, safe).squeeze(1) if logp.dim() > 1 else logp.gather(0, target.clamp(min=0))
            mine = get(target)
            r = r if mine is None else torch.maximum(r, mine)
            if r.shape != targets[0].shape:
                r = r.max()
            return [r.expand(targets[0].shape), *[None] * (len(targets) - 1)]
        if name in (
            "scatter_add",
            "scatter",
            "index_add",
            "index_put",
            "_index_put_impl",
            "scatter_reduce",
            "index_copy",
            "put",
            "index_fill",
        ):
            return [_written(name, args, get, targets[0])]
        if name == "one_hot":
            return [_of(first, get).unsqueeze(-1).expand(targets[0].shape)]
        if name == "convolution":
            return [_convolved(args, get, targets[0])]
        if name == "masked_fill" and own is not None:
            mask = get(args[1])
            r = torch.where(args[1], -1, own)
            return [r if mask is None else torch.maximum(r, mask.expand(r.shape))]
        if name == "where" and len(args) == 3:
            chosen = torch.where(args[0], _of(args[1], get), _of(args[2], get))
            mask = get(args[0])
            return [(chosen if mask is None else torch.maximum(chosen, mask)).expand(targets[0].shape)]
        return [self._each(args, kwargs, get, t) for t in targets]

    def _each(self, args: Any, kwargs: Any, get: Get, target: Tensor) -> Tensor | None:
        """Element by element: each knows what its operands knew."""
        r: Tensor | None = None
        for t in flat(args):
            k = get(t)
            if k is not None:
                k = narrow(k)
                r = k if r is None else torch.maximum(r, k)
        return None if r is None else r.expand(target.shape)


def _never(t: Tensor) -> Tensor:
    return torch.tensor(-1, dtype=torch.int32).expand(t.shape)


def _of(t: Any, get: Get) -> Tensor:
    """The reach of a tensor or a number; -1 where nothing is known."""
    if not isinstance(t, Tensor):
        return torch.tensor(-1, dtype=torch.int32)
    r = get(t)
    return r if r is not None else _never(t)


def _shaded(x: Any, get: Get) -> Any:
    if isinstance(x, Tensor):
        return _of(x, get) if x.dtype is not torch.bool or get(x) is not None else x
    if isinstance(x, (list, tuple)):
        return [_shaded(y, get) for y in x]
    return x


def _looked_up(name: str, func: Any, args: Any, get: Get, out: Tensor) -> Tensor:
    """What was there, and the keys it was looked up by."""
    source = _of(args[0], get)
    if name == "index":
        r = func(source, args[1])
        for i in args[1]:
            k = None if i is None else get(i)
            if k is None:
                continue
            if i.dtype is torch.bool:
                k = k[i] if k.shape == i.shape else k
            while k.dim() < r.dim():
                k = k.unsqueeze(-1)
            try:
                r = torch.maximum(r, k)
            except RuntimeError:
                r = torch.maximum(r, k.max())
        return r.expand(out.shape)
    index = args[1] if name == "take" else args[2]
    r = func(source, args[1]) if name == "take" else func(source, args[1], index)
    k = get(index)
    if k is not None:
        if name == "index_select":
            shape = [1] * r.dim()
            shape[args[1]] = -1
            k = k.reshape(shape)
        r = torch.maximum(r, k.expand(r.shape))
    return r


def _product(name: str, args: Any, get: Get, out: Tensor) -> Tensor:
    """Row i, column k: all of row i and all of column k; what is multiplied by a hard zero is not known."""
    added: Tensor | None = None
    a, b = args[0], args[1]
    if name in ("addmm", "baddbmm", "addmv"):
        added = get(args[0])
        a, b = args[1], args[2]
    if name == "linear":
        b = b.t()
    ra, rb = get(a), get(b)
    found: list[Tensor] = []
    if ra is not None:
        ra = narrow(ra)
        if a.dim() == 3 and rb is None and _weights(a):
            ra = torch.where(a == 0, -1, ra)
        rows = ra.amax(-1, keepdim=True) if ra.dim() else ra
        found.append(ra.max() if name == "dot" else rows.squeeze(-1) if name in ("mv", "addmv") else rows)
    if rb is not None:
        rb = narrow(rb)
        if a.dim() == 3 and b.dim() == 3 and _weights(a):  # only values with a weight
            found.append(torch.where(a != 0, rb.amax(-1).unsqueeze(-2), -1).amax(-1, keepdim=True))
        else:
            found.append(rb.amax(-2, keepdim=True) if rb.dim() >= 2 else rb.max())
    if added is not None:
        found.append(narrow(added))
    r = found[0]
    for f in found[1:]:
        r = torch.maximum(r, f)
    return r.expand(out.shape)


def _weights(a: Tensor) -> bool:
    """Whether rows look like attention weights: nothing below zero, some hard zeros."""
    return bool((a >= 0).all()) and bool((a == 0).any())


def _attended(args: Any, kwargs: Any, get: Get, out: Tensor) -> Tensor:
    """Attention over (B, H, T, D): a row knows its query, and keys and values that the mask lets through."""
    q, k, v = args[:3]
    causal = bool(
        kwargs.get(
            "is_causal",
            args[4]
            if len(args) > 4 and isinstance(args[4], bool)
            else args[5]
            if len(args) > 5 and isinstance(args[5], bool)
            else False,
        )
    )
    mask = kwargs.get("attn_mask", kwargs.get("attn_bias"))
    if mask is None and len(args) > 3 and isinstance(args[3], Tensor):
        mask = args[3]
    rows = narrow(_of(q, get)).amax(-1)
    columns = torch.maximum(narrow(_of(k, get)).amax(-1), narrow(_of(v, get)).amax(-1))
    if columns.dim() == 3 and columns.shape[1] > 1 and 1 < rows.shape[1] != columns.shape[1]:
        columns = columns.repeat_interleave(rows.shape[1] // columns.shape[1], 1)
    if mask is not None:
        shut = ~mask if mask.dtype is torch.bool else torch.isneginf(mask)
        seen = torch.where(shut, -1, columns.unsqueeze(-2)).amax(-1)
    elif causal:
        seen = columns.cummax(-1)[0]
        if 1 < seen.shape[-1] != rows.shape[-1] > 1:
            seen = seen[..., : rows.shape[-1]]
    else:
        seen = columns.amax(-1, keepdim=True)
    return torch.maximum(rows, seen).unsqueeze(-1).expand(out.shape)


def _written(name: str, args: Any, get: Get, out: Tensor) -> Tensor:
    """A table: each place knows what was put there, and the keys that chose it."""
    r = _of(args[0], get).expand(out.shape).clone()
    if "index_put" in name:
        value = _of(args[2], get)
        keys = [k for k in (get(i) for i in args[1] if i is not None) if k is not None]
        for k in keys:
            value = torch.maximum(*torch.broadcast_tensors(value, k))
        before = r[tuple(slice(None) if i is None else i for i in args[1])]
        return r.index_put(tuple(i for i in args[1]), torch.maximum(before, value.expand(before.shape)))
    dim, index = args[1], args[2]
    value = _of(args[3], get) if len(args) > 3 else _never(index)
    key = get(index)
    if name.startswith("index"):
        shape = [1] * r.dim()
        shape[dim] = -1
        full = index.reshape(shape).expand(
            [index.numel() if d == dim % r.dim() else r.shape[d] for d in range(r.dim())]
        )
        value = value.expand(full.shape)
        if key is not None:
            value = torch.maximum(value, key.reshape(shape))
        return r.scatter_reduce(dim, full, value.contiguous(), "amax")
    value = value.expand(index.shape) if not value.dim() else value[tuple(slice(0, n) for n in index.shape)]
    if key is not None:
        value = torch.maximum(value, key)
    return r.scatter_reduce(dim, index, value.contiguous(), "amax")


def _convolved(args: Any, get: Get, out: Tensor) -> Tensor:
    """A convolution along the last axis: all channels within the kernel's width."""
    x, weight, _, stride, padding, dilation = args[:6]
    r = _of(x, get).amax(1, keepdim=True)
    if weight.dim() != 3:
        return r.max().expand(out.shape)
    padded = torch.nn.functional.pad(r, (padding[0], padding[0]), value=-1)
    width = weight.shape[-1]
    taken = [padded[..., i * dilation[0] : padded.shape[-1] - (width - 1 - i) * dilation[0]] for i in range(width)]
    seen = torch.stack(taken).amax(0)[..., :: stride[0]]
    return seen[..., : out.shape[-1]].expand(out.shape)


def _reduced(r: Tensor, dims: Sequence[int], out: Tensor) -> Tensor:
    """Dimensions of size one that the result does not have go."""
    if r.dim() != out.dim():
        for d in sorted(dims, reverse=True):
            r = r.squeeze(d)
    return r.expand(out.shape)


def _one(args: Any, kwargs: Any, at: int) -> int:
    dim = kwargs.get("dim", args[at] if len(args) > at else -1)
    return int(dim) if not isinstance(dim, bool) and isinstance(dim, int) else -1


def _dims(args: Any, kwargs: Any, t: Tensor | None) -> list[int] | None:
    n = t.dim() if t is not None else 0
    d = kwargs.get("dim")
    for a in args[1:]:
        if d is None and isinstance(a, (int, list, tuple)) and not isinstance(a, bool):
            d = a
    if d is None or (isinstance(d, (list, tuple)) and not d) or not n:
        return None
    return [int(x) % n for x in ([d] if isinstance(d, int) else d)]
