"""Where reaches are kept: by storage, in as little room as they allow.

Most of a network's numbers come in rows that know the same tokens. Such a row is kept once, as a dimension that is
expanded, until somebody looks at the storage in another shape than it was written in.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

SWEEP = 256


def narrow(r: Tensor) -> Tensor:
    """The same reaches with expanded dimensions of size one: they broadcast to the same."""
    for d, step in enumerate(r.stride()):
        if not step and r.shape[d] > 1:
            r = r.narrow(d, 0, 1)
    return r


class Kept:
    """`places`: int32, in the shape `shape` of a tensor that fills the storage; or all elements in a row, if `shape` is None."""

    __slots__ = ("itemsize", "places", "ref", "shape", "shared")

    def __init__(self, ref: StorageWeakRef, itemsize: int, places: Tensor, shape: torch.Size | None) -> None:
        self.ref, self.itemsize, self.places, self.shape = ref, itemsize, places, shape
        self.shared = False  # whether somebody may hold a view of the row

    def row(self) -> Tensor:
        if self.shape is not None:
            # One element, expanded, would be a row of stride 0.
            self.places, self.shape = self.places.reshape(-1).contiguous(), None
            self.shared = False
        return self.places


class Reaches:
    def __init__(self) -> None:
        self.of: dict[int, Kept] = {}
        self.added = 0

    def get(self, t: Tensor) -> Tensor | None:
        """The reach of each element, int32, in the tensor's shape; None when nothing is known. Not to be written to."""
        if not self.of or t.layout is not torch.strided:
            return None
        k = self.of.get(t.untyped_storage()._cdata)
        if k is None or k.itemsize != t.element_size():
            return None
        if k.shape is not None and t.is_contiguous() and t.numel() == k.places.numel():
            if t.shape == k.shape:
                return k.places
            try:
                return k.places.view(t.shape)
            except RuntimeError:
                pass
        row = k.row()
        k.shared = True
        return row.as_strided(t.shape, t.stride(), t.storage_offset())

    def put(self, t: Tensor, places: Tensor) -> None:
        """Say how far the elements of `t` reach. `places`: int32, of its shape or one that broadcasts to it."""
        storage = t.untyped_storage()
        key, size = storage._cdata, t.element_size()
        if t.is_contiguous() and t.numel() * size == storage.nbytes() and t.numel():
            self.of[key] = Kept(StorageWeakRef(storage), size, narrow(places).expand(t.shape), t.shape)
            self._count()
            return
        k = self.of.get(key)
        if k is None or k.itemsize != size:
            if not bool((narrow(places) >= 0).any()):
                return
            row = torch.full((storage.nbytes() // max(1, size),), -1, dtype=torch.int32)
            k = self.of[key] = Kept(StorageWeakRef(storage), size, row, None)
            self._count()
        row = k.row()
        if k.shared:
            row = k.places = row.clone()
            k.shared = False
        row.as_strided(t.shape, t.stride(), t.storage_offset()).copy_(places.expand(t.shape))

    def forget(self, t: Tensor) -> None:
        self.of.pop(t.untyped_storage()._cdata, None)

    def _count(self) -> None:
        self.added += 1
        if self.added % SWEEP == 0:
            for key in [k for k, s in self.of.items() if s.ref.expired()]:
                del self.of[key]
