"""Positions that numpy arrays of losses and probabilities carry on, until they are added up.

Mixtures with tables of counts are made in numpy: a model's losses leave torch, are mixed with other numbers,
kept in arrays and summed there. The arrays that come out of a tensor with positions, and the ones of
floating point that the program makes itself, are of a subclass that hands the positions on. Positions belong to memory,
as in `shadows`: views share them.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .floats import Left, Number

Score = Callable[[np.ndarray, np.ndarray, str], None]
Theirs = Callable[[Any], bool]
MOST = 1 << 26  # elements of an array that is followed


class Carried(np.ndarray):
    """An array that knows which token each element is about. `flat`: a position for each element of its memory."""

    flat_places: np.ndarray | None = None
    start = 0
    score: Score

    def __array_finalize__(self, of: Any) -> None:
        """A view of memory whose positions are known knows them; a copy is told by who makes it."""
        if isinstance(of, Carried) and of.flat_places is not None and self.itemsize == of.itemsize:
            at = address(self)
            if of.start <= at < of.start + len(of.flat_places) * self.itemsize:
                self.flat_places, self.start = of.flat_places, of.start

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.get("out") or ()
        if out:
            options["out"] = tuple(bare(x) for x in out)
        given = [bare(x) for x in inputs]
        result = getattr(ufunc, method)(*given, **options)
        if method == "__call__":
            if isinstance(result, tuple):
                return result
            return self._called(inputs, result, out)
        if method == "reduce" and isinstance(inputs[0], Carried):
            return _reduced(ufunc, inputs[0], given[0], options.get("axis", 0), result)
        return result

    def _called(self, inputs: tuple[Any, ...], result: Any, out: tuple[Any, ...]) -> Any:
        if not isinstance(result, np.ndarray) or result.dtype.kind != "f":
            return result
        target = out[0] if out and isinstance(out[0], Carried) else result.view(Carried)
        found = joined([places(x) for x in inputs], result.shape)
        if found is not None:
            put(target, found)
        elif out:
            put(target, -1)
        return target

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.where and len(args) == 3:
            return _where(*args)
        if func in (np.concatenate, np.stack) and args and isinstance(args[0], (list, tuple)):
            return _together(func, args[0], args[1:], kwargs)
        return super().__array_function__(func, types, args, kwargs)

    def __getitem__(self, key: Any) -> Any:
        out = super().__getitem__(key)
        if self.flat_places is None:
            return out
        if isinstance(out, Carried):
            if out.flat_places is None and out.dtype.kind == "f":
                put(out, places(self)[key])  # type: ignore[index]
        elif isinstance(out, np.floating):
            at = places(self)[key]  # type: ignore[index]
            if at >= 0:
                type(self).score(np.array([out]), np.array([at]), "item")
                Left.place, Left.call = int(at), Left.number(sys._getframe(1))
        return out

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, bare(value))
        known = places(value)
        if known is not None or self.flat_places is not None or type(value) is Number:
            ground = places(self)
            if ground is None:
                put(self, -1, force=True)
                ground = places(self)
            if ground is None:
                return
            if known is None and isinstance(value, (int, float)):
                if type(value) is Number:
                    known = np.array(value.place)
                elif value and np.ndim(ground[key]) == 0:  # another number about the same token
                    return
            ground[key] = -1 if known is None else known

    def astype(self, *args: Any, **kwargs: Any) -> Any:
        return same(self, super().astype(*args, **kwargs))

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        return same(self, super().copy(*args, **kwargs))

    def flatten(self, *args: Any, **kwargs: Any) -> Any:
        return same(self, super().flatten(*args, **kwargs))

    def ravel(self, *args: Any, **kwargs: Any) -> Any:
        return same(self, super().ravel(*args, **kwargs))

    def reshape(self, *args: Any, **kwargs: Any) -> Any:
        return same(self, super().reshape(*args, **kwargs))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return bare(self).__reduce_ex__(protocol)

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __repr__(self) -> str:
        return repr(bare(self))

    def __str__(self) -> str:
        return str(bare(self))


Carried.__name__ = Carried.__qualname__ = "ndarray"
Carried.__module__ = "numpy"


def address(a: np.ndarray) -> int:
    return int(a.__array_interface__["data"][0])


def bare(x: Any) -> Any:
    """The array without what it carries; a list is looked through by numpy itself."""
    return x.view(np.ndarray) if isinstance(x, Carried) else x


def places(x: Any) -> np.ndarray | None:
    """The positions of an array's elements, in its shape and writable; None when nothing is known."""
    if not isinstance(x, Carried) or x.flat_places is None:
        return None
    offset = (address(x) - x.start) // x.itemsize * 8
    return np.ndarray(x.shape, np.int64, x.flat_places, offset, tuple(s // x.itemsize * 8 for s in x.strides))


def put(x: Any, found: Any, *, force: bool = False) -> None:
    """Say where the elements of an array stand."""
    if not force and x.flat_places is None and not (np.asarray(found) >= 0).any():
        return
    if x.flat_places is None:
        if not x.size or x.size > MOST or any(s < 0 or s % x.itemsize for s in x.strides):
            return
        x.start = address(x)
        x.flat_places = np.full(
            sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)) // x.itemsize + 1, -1, np.int64
        )
    ground = places(x)
    if ground is not None:
        ground[...] = found


def same(of: Carried, out: Any) -> Any:
    """A copy element by element."""
    known = places(of)
    if known is not None and isinstance(out, Carried) and out.flat_places is None and out.dtype.kind == "f":
        put(out, known.reshape(out.shape))
    return out


def joined(found: list[np.ndarray | None], shape: tuple[int, ...]) -> np.ndarray | None:
    """The later of the positions that stand in the same place."""
    out: np.ndarray | None = None
    for p in found:
        if p is not None:
            p = np.broadcast_to(p, shape)
            out = p if out is None else np.maximum(out, p)
    return out


def _reduced(ufunc: Any, of: Carried, values: np.ndarray, axis: Any, result: Any) -> Any:
    known = places(of)
    if known is None or values.dtype.kind != "f":
        return result
    if isinstance(result, np.ndarray) and result.ndim and isinstance(axis, int):
        low = np.where(known < 0, np.iinfo(np.int64).max, known).min(axis)
        high = known.max(axis)
        if ((low == high) | (high < 0)).all():  # several numbers about the same token: still one for each
            if high.size == result.size:
                out = result.view(Carried)
                put(out, high.reshape(result.shape))
                return out
            return result
    if ufunc is np.add and (known >= 0).any():
        type(of).score(values, known, "sum")
    return result


def _where(condition: Any, a: Any, b: Any) -> Any:
    out = np.where(bare(condition), bare(a), bare(b))
    pa, pb = places(a), places(b)
    if out.dtype.kind != "f" or (pa is None and pb is None):
        return out
    chosen = np.where(bare(condition), -1 if pa is None else pa, -1 if pb is None else pb)
    for plain, other in ((a, pb), (b, pa)):  # a bound in a token's place is still about the token; a zero leaves it out
        if other is not None and np.ndim(plain) == 0 and plain != 0:
            chosen = np.where(chosen < 0, other, chosen)
    out = out.view(Carried)
    put(out, chosen)
    return out


def _together(func: Any, parts: Any, args: Any, kwargs: Any) -> Any:
    out = func([bare(x) for x in parts], *args, **kwargs)
    if out.dtype.kind != "f":
        return out
    out = out.view(Carried)
    known = [places(x) for x in parts]
    if any(k is not None for k in known):
        filled = [np.full(np.shape(x), -1, np.int64) if k is None else k for x, k in zip(parts, known, strict=True)]
        put(out, func(filled, *args, **{k: v for k, v in kwargs.items() if k == "axis"}))
    return out


def carry(array: np.ndarray, found: np.ndarray) -> np.ndarray:
    """An array that left a tensor, with its positions."""
    out = array.view(Carried)
    put(out, found)
    return out


MADE = ("zeros", "empty", "ones", "full", "zeros_like", "empty_like", "ones_like", "full_like")
KEPT = ("array", "asarray", "ascontiguousarray")


def install(score: Score, theirs: Theirs) -> None:
    """Arrays that the program makes are followed; `theirs` says of a code object whether it is the program's."""
    Carried.score = staticmethod(score)

    def made(real: Any) -> Any:
        @functools.wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            out = real(*args, **kwargs)
            if (
                out.dtype.kind == "f"
                and 1 < out.size <= MOST
                and type(out) is np.ndarray
                and theirs(sys._getframe(1).f_code)
            ):
                return out.view(Carried)
            return out

        return call

    def kept(real: Any) -> Any:
        @functools.wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            out = real(*args, **kwargs)
            if args and isinstance(args[0], Carried) and out.dtype.kind == "f" and type(out) is np.ndarray:
                known = places(args[0])
                if known is not None and known.size == out.size:
                    out = out.view(Carried)
                    put(out, known.reshape(out.shape))
            elif args and isinstance(args[0], list) and args[0] and type(args[0][0]) is Number and out.ndim == 1:
                out = out.view(Carried)
                put(out, [x.place if type(x) is Number else -1 for x in args[0]])
            return out

        return call

    for name in MADE:
        setattr(np, name, made(getattr(np, name)))
    for name in KEPT:
        setattr(np, name, kept(getattr(np, name)))
