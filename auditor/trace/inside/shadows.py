"""Positions of validation tokens, carried along with every tensor that holds something about one token each.

A shadow belongs to a storage, lies on the same device, and has one position for each of its elements (-1: none), so that views share it
without any bookkeeping. It holds the storage weakly: the address is not used again while the weak reference lives.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

SWEEP = 2000


class Shadow:
    __slots__ = ("itemsize", "places", "ref")

    def __init__(self, ref: StorageWeakRef, itemsize: int, places: Tensor) -> None:
        self.ref, self.itemsize, self.places = ref, itemsize, places


class Shadows:
    """Shadows by storage. All methods are called with the tracer switched off."""

    def __init__(self, dtype: torch.dtype = torch.int64) -> None:
        self.dtype = dtype
        self.of: dict[int, Shadow] = {}
        self.added = 0

    def get(self, t: Tensor) -> Tensor | None:
        """The places of a tensor's elements, int64, in its shape; None when nothing is known."""
        if not self.of or t.layout is not torch.strided:
            return None
        s = self.of.get(t.untyped_storage()._cdata)
        if s is None or s.itemsize != t.element_size():
            return None
        return s.places.as_strided(t.shape, t.stride(), t.storage_offset())

    def put(self, t: Tensor, places: Tensor) -> None:
        """Say where the elements of `t` stand. `places`: int64, of its shape or one that broadcasts to it."""
        storage = t.untyped_storage()
        key = storage._cdata
        s = self.of.get(key)
        if s is None or s.itemsize != t.element_size():
            if not bool((places >= 0).any()):
                return
            flat = torch.full((storage.nbytes() // max(1, t.element_size()),), -1, dtype=self.dtype, device=t.device)
            s = self.of[key] = Shadow(StorageWeakRef(storage), t.element_size(), flat)
            self.added += 1
            if self.added % SWEEP == 0:
                self.sweep()
        s.places.as_strided(t.shape, t.stride(), t.storage_offset()).copy_(places.expand(t.shape))

    def sweep(self) -> None:
        """Forget the storages that are gone."""
        for key in [k for k, s in self.of.items() if s.ref.expired()]:
            del self.of[key]


def beside(places: Tensor | None, out: Any) -> Tensor | None:
    """Places where an operation's result is: it may take its arguments from several devices."""
    return places.to(out.device) if places is not None and isinstance(out, Tensor) else places


def known(places: Tensor | None) -> bool:
    return places is not None and bool((places >= 0).any())


def flat(args: Any, out: list[Tensor] | None = None) -> list[Tensor]:
    """The tensors in arguments, lists opened."""
    out = [] if out is None else out
    for a in args:
        if isinstance(a, Tensor):
            out.append(a)
        elif isinstance(a, (list, tuple)):
            flat(a, out)
    return out
