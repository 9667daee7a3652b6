"""Runs a kernel over its grid: all programs at once, parted where their ways part.

Where a branch or a loop's length differs between programs, the run is given up and each party starts again.
What a party had already loaded is kept for it and what it had already stored is not stored twice.
"""

from __future__ import annotations

import builtins
import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any, TypeVar

import numpy as np
import torch

from .values import Block, Constant, Diverged, binary, block, looked, raw, where

FIRST = 4096  # programs that start together
T = TypeVar("T")
_autocast = torch.amp.autocast_mode.autocast


class Group:
    """Programs that run together. `ids`: their numbers, shape (n,); `tape`: what memory gave them before they parted."""

    def __init__(self, ids: np.ndarray, grid: tuple[int, ...], tape: list[Any]) -> None:
        self.ids, self.grid, self.tape = ids, grid, tape
        self.at = 0


class Watch:
    """What a watcher of torch's operations wants of kernels; nobody watches unless `modules.install` is told so."""

    def concerned(self, tensors: Sequence[torch.Tensor]) -> bool:
        """Whether what a kernel does with these tensors, element by element, is of interest."""
        return True

    def copied(self, tensor: torch.Tensor, copy: torch.Tensor) -> None:
        """What is known of a tensor holds for its copy: before a kernel works on the copy, and the other way round after."""

    def wrote(self, tensor: torch.Tensor) -> None:
        """A kernel writes to this memory."""


watch = Watch()


class _Now(threading.local):
    group: Group | None = None


_now = _Now()


def group() -> Group:
    g = _now.group
    if g is None:
        raise RuntimeError("Cannot call @triton.jit'd outside of the scope of a kernel")
    return g


def running() -> bool:
    return _now.group is not None


def programs() -> int:
    return len(group().ids)


def one_by_one() -> None:
    raise Diverged(np.arange(programs()))


def remembered(act: Callable[[], T]) -> T:
    """Do something to memory, unless this party has done it before it parted."""
    g = group()
    if g.at < len(g.tape):
        out: Any = g.tape[g.at]
    else:
        out = act()
        if len(g.ids) > 1:
            g.tape.append(out)
    g.at += 1
    return out  # type: ignore[no-any-return]


def run(kernel: Callable[[], object], grid: tuple[int, ...], tensors: Sequence[torch.Tensor] = ()) -> None:
    """Run all programs of a grid. `kernel` is called without arguments, perhaps several times.

    `tensors`: all that it can reach. Where they are of no interest to who watches, he is not troubled with the details.
    """
    total = math.prod(grid)
    waiting: list[tuple[np.ndarray, list[Any]]] = [
        (np.arange(a, min(a + FIRST, total)), []) for a in range(0, total, FIRST)
    ]
    waiting.reverse()
    before = _now.group
    try:
        # The functions of torch are called as they are; watchers of its operations still see every one.
        unseen = contextlib.nullcontext() if watch.concerned(tensors) else torch._C._DisableTorchDispatch()
        plain = torch._C.DisableTorchFunction()
        with torch.no_grad(), plain, unseen, _autocast("cpu", enabled=False), np.errstate(all="ignore"):
            while waiting:
                ids, tape = waiting.pop()
                g = _now.group = Group(ids, grid, tape)
                try:
                    kernel()
                except Diverged as parted:
                    for label in np.unique(parted.labels)[::-1]:
                        rows = np.flatnonzero(parted.labels == label)
                        waiting.append((ids[rows], [_rows(x, rows, len(ids)) for x in g.tape]))
    finally:
        _now.group = before


def _rows(x: Any, rows: np.ndarray, programs: int) -> Any:
    if not isinstance(x, Block) or x.data.shape[0] != programs:
        return x
    return Block(x.data[rows] if isinstance(x.data, np.ndarray) else x.data[torch.as_tensor(rows)], x.odd)


def program_id(axis: Any = 0, **_: object) -> Block:
    g = group()
    below = math.prod(g.grid[: raw(axis)])
    return Block((g.ids // below % (g.grid[raw(axis)] if raw(axis) < len(g.grid) else 1)).astype(np.int32))


def num_programs(axis: Any = 0, **_: object) -> Constant:
    grid = group().grid
    return Constant(grid[raw(axis)] if raw(axis) < len(grid) else 1)


def counted(*bounds: Any, **_: object) -> Iterator[Any]:
    """`range` with bounds that may differ between programs, which then part by the number of rounds."""
    bounds = tuple(raw(b) for b in bounds)
    if not any(isinstance(b, Block) for b in bounds):
        yield from map(Constant, builtins.range(*(int(b) for b in bounds)))
        return
    start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
    width = int(step)
    first = block(start)
    span = looked(binary("sub", block(stop), first)).reshape(-1)
    rounds = np.maximum(0, -(-span // width))
    if len(rounds) > 1 and (rounds != rounds[0]).any():
        raise Diverged(rounds)
    for i in builtins.range(int(rounds[0])):
        yield binary("add", first, i * width)


def chosen(least: bool) -> Callable[..., Any]:
    """`min` or `max` as kernels have them: between programs' own values."""
    plain = builtins.min if least else builtins.max

    def pick(*args: Any, **kwargs: Any) -> Any:
        if len(args) > 1 and any(isinstance(a, Block) for a in args):
            out = args[0]
            for a in args[1:]:
                out = where(out < a if least else out > a, out, a)
            return out
        if len(args) > 1 and not kwargs:
            return Constant(plain(*(raw(a) for a in args)))
        return plain(*args, **kwargs)

    return pick


_BUILTINS = {**vars(builtins), "range": counted, "min": chosen(True), "max": chosen(False)}


def inside(fn: FunctionType) -> FunctionType:
    """The function as it runs in a kernel: the same code over the same names, with a kernel's `range`, `min`, `max`."""
    names = {**fn.__globals__, "__builtins__": _BUILTINS}
    out = FunctionType(fn.__code__, names, fn.__name__, fn.__defaults__, fn.__closure__)
    out.__kwdefaults__ = fn.__kwdefaults__
    return out
