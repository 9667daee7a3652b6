"""What puts the elements of a block together: sums, extremes, scans, sorting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .values import DTYPES, Block, binary, block, raw

INT32 = DTYPES["int32"]


def _tensor(x: Any) -> Tensor:
    return block(x).tensor


def _dim(x: Block, axis: Any) -> Any:
    axis = raw(axis)
    rank = len(x.shape)
    return tuple(range(1, rank + 1)) if axis is None else axis % rank + 1


def _folded(name: str, f: Callable[..., Tensor]) -> Callable[..., Any]:
    def apply(input: Any, axis: Any = None, keep_dims: Any = False, dtype: Any = None, **options: Any) -> Any:
        x = block(input)
        if name in ("max", "min") and raw(options.get("return_indices")):
            return _extreme(x, axis, keep_dims, name == "max")
        t = x.tensor
        if not x.shape:
            return x
        if raw(dtype) is not None:
            t = t.to(raw(dtype).carrier)
        kept = x.dtype if raw(dtype) is None else raw(dtype)
        if not t.is_floating_point() and name in ("sum", "prod", "xor_sum") and kept.primitive_bitwidth < 32:
            kept = INT32
        out = f(t, _dim(x, axis), bool(raw(keep_dims)))
        return Block(out if kept.is_floating() else out.to(kept.carrier), x.odd)

    apply.__name__ = name
    return apply


def _extreme(x: Block, axis: Any, keep_dims: Any, most: bool) -> tuple[Block, Block]:
    t = x.tensor if raw(axis) is not None else x.tensor.flatten(1)
    out = (torch.max if most else torch.min)(
        t, _dim(x, axis) if raw(axis) is not None else 1, keepdim=bool(raw(keep_dims))
    )
    return Block(out[0], x.odd), Block(out[1].to(torch.int32))


def argmax(input: Any, axis: Any, tie_break_left: Any = True, keep_dims: Any = False, **_: object) -> Block:
    return _extreme(block(input), axis, keep_dims, True)[1]


def argmin(input: Any, axis: Any, tie_break_left: Any = True, keep_dims: Any = False, **_: object) -> Block:
    return _extreme(block(input), axis, keep_dims, False)[1]


def _product(t: Tensor, dims: Any, keep: bool) -> Tensor:
    for d in sorted(dims if isinstance(dims, tuple) else (dims,), reverse=True):
        t = t.prod(d, keepdim=keep)
    return t


def _xor(t: Tensor, dims: Any, keep: bool) -> Tensor:
    for d in sorted(dims if isinstance(dims, tuple) else (dims,), reverse=True):
        parts = t.unbind(d)
        out = parts[0]
        for p in parts[1:]:
            out = out ^ p
        t = out.unsqueeze(d) if keep else out
    return t


sum = _folded("sum", lambda t, d, k: t.sum(d, keepdim=k))
max = _folded("max", lambda t, d, k: t.amax(d, keepdim=k))
min = _folded("min", lambda t, d, k: t.amin(d, keepdim=k))
xor_sum = _folded("xor_sum", _xor)
reduce_or = _folded("reduce_or", lambda t, d, k: t.ne(0).amax(d, keepdim=k))
prod = _folded("prod", _product)


def softmax(x: Any, dim: Any = None, keep_dims: Any = False, ieee_rounding: Any = False) -> Block:
    axis = 0 if raw(dim) is None else raw(dim)
    z = x - max(x, axis, keep_dims=True)
    e = Block(torch.exp(z.tensor))
    return binary("truediv", e, sum(e, axis, keep_dims=True))


def _parts(input: Any) -> tuple[list[Tensor], bool]:
    several = isinstance(input, (tuple, list))
    return [_tensor(i) for i in (input if several else (input,))], several


def _combined(combine: Any, left: list[Tensor], right: list[Tensor]) -> list[Tensor]:
    out = combine(*(Block(t) for t in left), *(Block(t) for t in right))
    return [o.tensor for o in (out if isinstance(out, tuple) else (out,))]


def reduce(input: Any, axis: Any, combine_fn: Any, keep_dims: Any = False, **_: object) -> Any:
    """Folded in halves: neighbours are combined until one is left."""
    parts, several = _parts(input)
    if raw(axis) is None:
        parts = [p.flatten(1) for p in parts]
    d = 1 if raw(axis) is None else raw(axis) % (parts[0].ndim - 1) + 1
    while parts[0].shape[d] > 1:
        n = parts[0].shape[d]
        half = n // 2
        a, b = [p.narrow(d, 0, half) for p in parts], [p.narrow(d, half, half) for p in parts]
        rest = [p.narrow(d, 2 * half, n - 2 * half) for p in parts]
        parts = [torch.cat([x, r], d) for x, r in zip(_combined(combine_fn, a, b), rest, strict=True)]
    out = tuple(Block(p if raw(keep_dims) else p.squeeze(d)) for p in parts)
    return out if several else out[0]


def associative_scan(input: Any, axis: Any, combine_fn: Any, reverse: Any = False, **_: object) -> Any:
    parts, several = _parts(input)
    d = raw(axis) % (parts[0].ndim - 1) + 1
    if raw(reverse):
        parts = [p.flip(d) for p in parts]
    n, step = parts[0].shape[d], 1
    while step < n:
        done = _combined(
            combine_fn, [p.narrow(d, 0, n - step) for p in parts], [p.narrow(d, step, n - step) for p in parts]
        )
        parts = [torch.cat([p.narrow(d, 0, step), q], d) for p, q in zip(parts, done, strict=True)]
        step *= 2
    out = tuple(Block(p.flip(d) if raw(reverse) else p) for p in parts)
    return out if several else out[0]


def _running(f: Callable[[Tensor, int], Tensor]) -> Callable[..., Block]:
    def apply(input: Any, axis: Any = 0, reverse: Any = False, dtype: Any = None, **_: object) -> Block:
        t = _tensor(input) if raw(dtype) is None else _tensor(input).to(raw(dtype).carrier)
        d = raw(axis) % (t.ndim - 1) + 1
        out = f(t.flip(d), d).flip(d) if raw(reverse) else f(t, d)
        return Block(out if t.is_floating_point() else out.to(t.dtype if t.dtype is not torch.bool else torch.int32))

    return apply


cumsum = _running(torch.cumsum)
cumprod = _running(torch.cumprod)


def sort(x: Any, dim: Any = None, descending: Any = False) -> Block:
    t = _tensor(x)
    return Block(t.sort(-1 if raw(dim) is None else raw(dim) % (t.ndim - 1) + 1, bool(raw(descending)))[0], x.odd)


def topk(x: Any, k: Any, dim: Any = None) -> Block:
    return Block(_tensor(x).topk(int(raw(k)), -1)[0], x.odd)


def histogram(input: Any, num_bins: Any, mask: Any = None, **_: object) -> Block:
    t = _tensor(input).long()
    kept = torch.ones_like(t) if raw(mask) is None else _tensor(mask).long().expand(t.shape)
    n = int(raw(num_bins))
    inside = ((t >= 0) & (t < n)).long() * kept
    return Block(
        torch.zeros(t.shape[0], n, dtype=torch.int64).scatter_add(1, t.clamp(0, n - 1), inside).to(torch.int32)
    )
