"""Memory of a real GPU, which kernels see as copies: they are interpreted on the CPU, step by step, also where there is a GPU.

A kernel that the GPU runs would be seen through its pointers alone: which tokens went where would be unknown.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch
from torch import Tensor

from . import launch


class _Now(threading.local):
    copies: dict[int, tuple[Tensor, Tensor, int]] | None = None  # by storage: (theirs, ours, version of ours)


_now = _Now()


@contextlib.contextmanager
def brought() -> Iterator[None]:
    """What a kernel has written to copies is brought back in the end."""
    outer, _now.copies = _now.copies, {}
    try:
        yield
        for theirs, ours, version in _now.copies.values():
            if ours._version != version:
                launch.watch.wrote(theirs)
                with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction(), torch.no_grad():
                    theirs.copy_(ours)
                    launch.watch.copied(ours, theirs)
    finally:
        _now.copies = outer


def abroad(flat: Tensor) -> bool:
    return flat.device.type != "cpu"


def here(flat: Tensor) -> Tensor:
    """All of a storage, where the interpreter can read it."""
    if _now.copies is None or not abroad(flat):
        return flat
    key = flat.untyped_storage()._cdata
    if key not in _now.copies:
        with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction(), torch.no_grad():
            ours = flat.to("cpu", copy=True)
            launch.watch.copied(flat, ours)
        _now.copies[key] = flat, ours, ours._version
    return _now.copies[key][1].view(flat.dtype)
