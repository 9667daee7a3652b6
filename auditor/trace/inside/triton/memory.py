"""What a kernel loads and stores: pointers, block pointers and descriptors over the storage of real tensors.

All goes through plain indexing of a view of the storage, which is what a watcher of torch's operations sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import copies, launch
from .values import (
    OF_TORCH,
    Block,
    Constant,
    Dtype,
    PointerType,
    binary,
    block,
    constant,
    lift,
    looked,
    narrowed,
    raw,
    room,
    tensor_of,
)

WINDOWS = 256  # programs whose windows are copied one by one; beyond, all elements are gathered at once


class Pointer:
    """Places in a storage. `flat`: all of it, in one dimension; `offsets`: a number or a block of them."""

    __slots__ = ("element", "flat", "offsets")

    def __init__(self, flat: Tensor, offsets: Any, element: Dtype) -> None:
        self.flat, self.offsets, self.element = flat, offsets, element

    @property
    def dtype(self) -> PointerType:
        return PointerType(self.element)

    type = dtype

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.offsets.shape if isinstance(self.offsets, Block) else ()

    def _at(self, offsets: Any) -> Pointer:
        return Pointer(self.flat, offsets, self.element)

    def __add__(self, other: Any) -> Pointer:
        other = raw(other)
        if isinstance(other, Block) and isinstance(other.data, np.ndarray) and other.data.dtype != np.int64:
            other = Block(other.data.astype(np.int64))
        return self._at(other + self.offsets if isinstance(other, Block) else self.offsets + other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Pointer):
            return self.offsets - other.offsets
        return self + -raw(other)

    def __getitem__(self, key: Any) -> Pointer:
        return self._at(block(self.offsets)[key])

    def to(self, dtype: Any, bitcast: Any = False, **_: object) -> Any:
        dtype = raw(dtype)
        if isinstance(dtype, PointerType):
            return pointer_to(self.flat.view(dtype.element_ty.carrier), dtype.element_ty, self.offsets)
        return block(self.offsets).to(dtype)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> Any:
        if isinstance(other, Pointer):
            return binary("eq", block(self.offsets), other.offsets)
        return False

    __hash__ = object.__hash__


def pointer(t: Any) -> Pointer:
    """A pointer to the first element of a tensor."""
    base = getattr(t, "base", None) if not isinstance(t, Tensor) else None
    if base is not None:  # the same memory, read as another type
        return pointer_to(pointer(base).flat.view(t.dtype.carrier), t.dtype, base.storage_offset())
    data = t.data
    size = data.untyped_storage().nbytes() // max(1, data.element_size())
    return pointer_to(copies.here(data.as_strided((size,), (1,), 0)), OF_TORCH[data.dtype], t.storage_offset())


def pointer_to(flat: Tensor, element: Dtype, offset: Any) -> Pointer:
    return Pointer(flat, offset, element)


def load(
    pointer: Any, mask: Any = None, other: Any = None, boundary_check: Any = (), padding_option: Any = "", **_: object
) -> Block:
    if isinstance(pointer, BlockPointer):
        pointer, mask = pointer.places(tuple(raw(d) for d in boundary_check))
        other = float("nan") if raw(padding_option) == "nan" else None
    return launch.remembered(lambda: _load(pointer, mask, other))


def _load(pointer: Pointer, mask: Any, other: Any) -> Block:
    offsets = block(pointer.offsets).data
    keep = _mask(mask)
    if keep is not None:
        offsets, keep = _spread(offsets, keep)
        if isinstance(offsets, np.ndarray) and isinstance(keep, np.ndarray):
            places = tensor_of(np.where(keep, offsets, 0))
        else:
            places = torch.where(tensor_of(keep), tensor_of(offsets), 0)
    else:
        places = tensor_of(offsets)
    room(places.shape[0], places[0].numel())
    out = _taken(pointer.flat, places.long())
    if pointer.element.kind in ("uint", "bool"):
        out = out.to(pointer.element.carrier)
    if keep is not None:
        rest = 0 if other is None else raw(other)
        if isinstance(rest, Block):
            rest = lift(rest.to(pointer.element).tensor, out.ndim)
        elif not out.is_floating_point():
            rest = int(rest)
        out = torch.where(tensor_of(keep), out, rest)
    return narrowed(out, pointer.element)


def _taken(flat: Tensor, places: Tensor) -> Tensor:
    try:
        return flat[places]
    except IndexError:  # beyond the storage: the GPU reads what lies there
        return torch.where((places >= 0) & (places < len(flat)), flat[places.clamp(0, len(flat) - 1)], 0)


def store(pointer: Any, value: Any, mask: Any = None, boundary_check: Any = (), **_: object) -> None:
    if isinstance(pointer, BlockPointer):
        pointer, mask = pointer.places(tuple(raw(d) for d in boundary_check))
    launch.remembered(lambda: _store(pointer, value, mask))


def _store(pointer: Pointer, value: Any, mask: Any) -> None:
    places, values = _chosen(pointer, value, mask)
    launch.watch.wrote(pointer.flat)
    try:
        pointer.flat.index_put_((places,), values)
    except IndexError:
        there = (places >= 0) & (places < len(pointer.flat))
        pointer.flat.index_put_((places[there],), values[there])


def _chosen(pointer: Pointer, value: Any, mask: Any) -> tuple[Tensor, Tensor]:
    """Places and the values for them, in one shape."""
    given = block(value, pointer.element).to(pointer.element).tensor.to(pointer.flat.dtype)
    offsets = block(pointer.offsets).data
    keep = _mask(mask)
    offsets, given = _spread(offsets, given)
    if keep is not None:
        offsets, keep = _spread(offsets, keep)
        offsets, given = _spread(offsets, given)
    places = tensor_of(offsets).long()
    if places.shape != given.shape:
        places, given = torch.broadcast_tensors(places, given)
    if keep is not None:
        wanted = tensor_of(keep).expand(places.shape)
        places, given = places[wanted], given[wanted]
    return places, given


def _mask(mask: Any) -> Any:
    """The mask's array; None where it lets everything through."""
    mask = raw(mask)
    if mask is None or mask is True:
        return None
    keep = block(mask).data
    if keep.dtype not in (torch.bool, np.bool_):
        keep = keep != 0
    return None if isinstance(keep, np.ndarray) and keep.all() else keep


def _spread(a: Any, b: Any) -> tuple[Any, Any]:
    rank = max(a.ndim, b.ndim)
    return lift(a, rank), lift(b, rank)


# -- blocks with a shape of their own


@dataclass(frozen=True)
class BlockPointer:
    """A window of `block_shape` over a tensor; `offsets` say where, one for each dimension."""

    base: Pointer
    bounds: tuple[Any, ...]
    strides: tuple[Any, ...]
    offsets: tuple[Any, ...]
    block_shape: tuple[int, ...]
    padding: Any = None

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.bounds

    @property
    def dtype(self) -> Dtype:
        return self.base.element

    def places(self, checked: Sequence[int]) -> tuple[Pointer, Any]:
        """The elements' places, and which of them lie within the bounds of the dimensions `checked`."""
        rank = len(self.block_shape)
        place, inside = self.base, None
        for d, (size, stride, offset, bound) in enumerate(
            zip(self.block_shape, self.strides, self.offsets, self.bounds, strict=True)
        ):
            form = [1] * rank
            form[d] = size
            at = Block(np.arange(size, dtype=np.int64).reshape(1, *form)) + raw(offset)
            place = place + at * raw(stride)
            if d in checked:
                within = (at >= 0) & (at < raw(bound))
                inside = within if inside is None else inside & within
        return place, inside

    # as a descriptor
    def load(self, offsets: Any) -> Block:
        moved = replace(self, offsets=tuple(offsets))
        return launch.remembered(moved._window)

    def store(self, offsets: Any, value: Any) -> None:
        moved = replace(self, offsets=tuple(offsets))
        launch.remembered(lambda: moved._fill(block(value).to(self.dtype)))

    def _window(self) -> Block:
        rest = float("nan") if self.padding == "nan" else 0
        corners = self._corners()
        if corners is None:
            place, inside = self.places(range(len(self.block_shape)))
            return _load(place, inside, rest)
        room(len(corners), math.prod(self.block_shape))
        distinct: dict[tuple[int, ...], int] = {}
        which = [distinct.setdefault(tuple(c), len(distinct)) for c in corners.tolist()]
        windows = [self._view(corner) for corner in distinct]
        if all(w.shape == self.block_shape for w in windows):
            out = torch.stack(windows)
        else:
            out = torch.full((len(windows), *self.block_shape), rest, dtype=self.base.flat.dtype)
            for o, w in zip(out, windows, strict=True):
                o[tuple(slice(0, n) for n in w.shape)].copy_(w)
        if len(distinct) < len(corners) and len(corners) > 1:
            out = out.index_select(0, torch.as_tensor(which))
        return narrowed(out, self.base.element)

    def _fill(self, value: Block) -> None:
        corners = self._corners()
        if corners is None:
            place, inside = self.places(range(len(self.block_shape)))
            _store(place, value, inside)
            return
        launch.watch.wrote(self.base.flat)
        given = value.tensor.expand(len(corners), *self.block_shape)
        for corner, v in zip(corners.tolist(), given, strict=True):
            window = self._view(corner)
            window.copy_(v[tuple(slice(0, n) for n in window.shape)])

    def _corners(self) -> np.ndarray | None:
        """Where each program's window starts: (programs, 1 + dimensions), the base's place first.

        None where that came from memory, is before the tensor's start, or the programs' windows are too many.
        """
        parts = [block(p).data for p in (self.base.offsets, *self.offsets)]
        if not all(isinstance(p, np.ndarray) for p in parts):
            return None
        corners = np.empty((max(p.size for p in parts), len(parts)), dtype=np.int64)
        for d, p in enumerate(parts):
            corners[:, d] = p.reshape(-1)
        return None if len(corners) > WINDOWS or (corners < 0).any() else corners

    def _view(self, corner: Sequence[int]) -> Tensor:
        """The part of a window that lies within the tensor."""
        at, sizes, strides = corner[0], [], []
        for start, size, bound, stride in zip(corner[1:], self.block_shape, self.bounds, self.strides, strict=True):
            sizes.append(max(0, min(size, int(bound) - start)))
            strides.append(int(stride))
            at += start * int(stride)
        return self.base.flat.as_strided(sizes, strides, at if all(sizes) else 0)

    def gather(self, rows: Any, column: Any) -> Block:
        place, inside = self._rows(rows, column)
        return launch.remembered(lambda: _load(place, inside, None))

    def scatter(self, value: Any, rows: Any, column: Any) -> None:
        place, inside = self._rows(rows, column)
        launch.remembered(lambda: _store(place, value, inside))

    def _rows(self, rows: Any, column: Any) -> tuple[Pointer, Any]:
        down = rows[:, None]
        across: Any = (Block(np.arange(self.block_shape[-1], dtype=np.int64).reshape(1, -1)) + raw(column))[None, :]
        place = self.base + (down * raw(self.strides[0]) + across * raw(self.strides[1]))
        return place, (down >= 0) & (down < raw(self.bounds[0])) & (across < raw(self.bounds[1]))

    def atomic_add(self, offsets: Any, value: Any) -> None:
        place, inside = replace(self, offsets=tuple(offsets)).places(range(len(self.block_shape)))
        atomic_add(place, value, inside)


def make_block_ptr(
    base: Pointer, shape: Any, strides: Any, offsets: Any, block_shape: Any, order: Any = None
) -> BlockPointer:
    sizes = tuple(int(raw(s)) for s in raw(block_shape))
    return BlockPointer(base, tuple(shape), tuple(strides), tuple(offsets), sizes)


def advance(base: BlockPointer, offsets: Any) -> BlockPointer:
    return replace(base, offsets=tuple(raw(o) + constant(raw(n)) for o, n in zip(base.offsets, offsets, strict=True)))


def make_tensor_descriptor(
    base: Pointer, shape: Any, strides: Any, block_shape: Any, padding_option: Any = "zero", **_: object
) -> BlockPointer:
    sizes = tuple(int(raw(s)) for s in raw(block_shape))
    return BlockPointer(base, tuple(shape), tuple(strides), (0,) * len(sizes), sizes, raw(padding_option))


@dataclass
class TensorDescriptor:
    """A tensor described for block-wise copies, as the host makes it."""

    base: Any
    shape: list[int]
    strides: list[int]
    block_shape: list[int]
    padding: str = field(default="zero")
    round_f32_to_tf32: bool = False

    def __post_init__(self) -> None:
        rank = len(self.shape)
        assert len(self.strides) == rank, "rank mismatch"
        assert len(self.block_shape) == rank, "rank mismatch"
        assert rank > 0, "rank must not be zero"
        assert rank <= 5, "rank cannot be more than 5"
        # that addresses be multiples of 16 bytes is not asked: a model made small may not keep to it
        assert self.strides[-1] == 1, "Last dimension must be contiguous"

    @staticmethod
    def from_tensor(tensor: Any, block_shape: list[int], padding: str = "zero", **_: object) -> TensorDescriptor:
        return TensorDescriptor(tensor, list(tensor.shape), list(tensor.stride()), list(block_shape), padding)

    def inside(self) -> BlockPointer:
        """As the kernel has it."""
        sizes = tuple(int(s) for s in self.block_shape)
        bounds = tuple(Constant(s) for s in self.shape)
        return BlockPointer(pointer(self.base), bounds, tuple(self.strides), (0,) * len(sizes), sizes, self.padding)


# -- atomics


def _atomic(name: str, combine: Callable[[Tensor, Tensor, Tensor], None]) -> Callable[..., Block]:
    def atomic(pointer: Pointer, val: Any, mask: Any = None, sem: Any = None, scope: Any = None, **_: object) -> Block:
        def act() -> Block:
            offsets = block(pointer.offsets)
            programs = launch.programs()
            spread = Pointer(pointer.flat, _by_program(offsets, programs), pointer.element)
            places, values = _chosen(spread, val, mask)
            launch.watch.wrote(pointer.flat)
            before = _before(name, spread, places, values, mask)
            combine(pointer.flat, places.reshape(-1), values.reshape(-1))
            return before

        return launch.remembered(act)

    atomic.__name__ = f"atomic_{name}"
    return atomic


def _by_program(offsets: Block, programs: int) -> Block:
    """One row for each program, also where all have the same place: each of them acts once."""
    if offsets.data.shape[0] == programs:
        return offsets
    shape = (programs, *offsets.data.shape[1:])
    data = offsets.data
    return Block(np.broadcast_to(data, shape) if isinstance(data, np.ndarray) else data.expand(shape))


def _before(name: str, pointer: Pointer, places: Tensor, values: Tensor, mask: Any) -> Block:
    """What stood there before each program's turn, in the order of their numbers."""
    old = _load(pointer, mask, None)
    if name == "add" and _mask(mask) is None and old.data.shape[0] > 1 and not old.data.is_floating_point():
        at, v = looked(Block(places)).reshape(-1), looked(Block(values)).reshape(-1)
        order = np.argsort(at, kind="stable")
        running = np.cumsum(v[order]) - v[order]
        first = np.r_[True, at[order][1:] != at[order][:-1]]
        running -= np.repeat(running[first], np.diff(np.r_[np.flatnonzero(first), len(at)]))
        earlier = np.empty_like(running)
        earlier[order] = running
        old = Block(old.data + torch.as_tensor(earlier.reshape(tuple(places.shape))).to(old.data.dtype), old.odd)
    return old


def _add(flat: Tensor, places: Tensor, values: Tensor) -> None:
    if values.numel() == 0:
        return
    at = looked(Block(places))
    distinct = np.unique(at)
    if len(distinct) > 16:
        flat.index_put_((places,), values, accumulate=True)
        return
    for place in distinct.tolist():  # totals: added up where it can be seen what of
        mine = values if len(distinct) == 1 else values[torch.as_tensor(at == place)]
        flat[place : place + 1].add_(mine.sum().to(flat.dtype))


def _reduced(how: str) -> Callable[[Tensor, Tensor, Tensor], None]:
    return lambda flat, places, values: flat.scatter_reduce_(0, places, values, how)


def _bitwise(operation: Callable[[int, int], int]) -> Callable[[Tensor, Tensor, Tensor], None]:
    def act(flat: Tensor, places: Tensor, values: Tensor) -> None:
        for place, value in zip(looked(Block(places)).tolist(), looked(Block(values)).tolist(), strict=True):
            flat[place] = operation(int(flat[place]), value)

    return act


def _exchange(flat: Tensor, places: Tensor, values: Tensor) -> None:
    flat.index_put_((places,), values)


atomic_add = _atomic("add", _add)
atomic_max = _atomic("max", _reduced("amax"))
atomic_min = _atomic("min", _reduced("amin"))
atomic_and = _atomic("and", _bitwise(lambda a, b: a & b))
atomic_or = _atomic("or", _bitwise(lambda a, b: a | b))
atomic_xor = _atomic("xor", _bitwise(lambda a, b: a ^ b))
atomic_xchg = _atomic("xchg", _exchange)


def atomic_cas(pointer: Pointer, cmp: Any, val: Any, sem: Any = None, scope: Any = None) -> Block:
    """Programs take their turns one at a time."""
    programs = launch.programs()
    if programs > 1:
        launch.one_by_one()

    def act() -> Block:
        old = _load(pointer, None, None)
        _store(pointer, val, old == cmp)
        return old

    return launch.remembered(act)
