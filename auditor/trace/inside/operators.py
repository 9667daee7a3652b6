"""Operators that a script defines in Python: what they do inside is watched like everything else.

While a mode handles an operator it is switched off, and would be for all that the operator calls.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._library.custom_ops import CustomOpDef
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from .devices import OnCpu, is_cuda

Modes = Callable[[], Sequence[contextlib.AbstractContextManager[Any]]]


def install(modes: Modes, opened: set[str]) -> None:
    """`modes`: what is to hold inside. `opened`: takes the names of the operators that are watched inside."""

    def watched(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            running = (*_get_current_function_mode_stack(), *_get_current_dispatch_mode_stack())
            with contextlib.ExitStack() as stack:
                for mode in modes():
                    if not any(isinstance(m, type(mode)) for m in running):
                        stack.enter_context(mode)
                return fn(*args, **kwargs)

        return call

    register = CustomOpDef.register_kernel

    def register_kernel(self: Any, device_types: Any, fn: Any = None, /) -> Any:
        if fn is None:
            return lambda f: register_kernel(self, device_types, f)
        if not _theirs(fn):
            return register(self, device_types, fn)
        opened.add(self._qualname)
        types: Any
        if OnCpu.real:
            types = device_types
        elif isinstance(device_types, str) or device_types is None:
            types = "cpu" if is_cuda(device_types) else device_types
        else:
            types = list(dict.fromkeys("cpu" if is_cuda(d) else d for d in device_types))
        register(self, types, watched(fn))
        return fn

    CustomOpDef.register_kernel = register_kernel
    implement = torch.library.Library.impl

    def impl(self: Any, op_name: Any, fn: Any, dispatch_key: str = "", *args: Any, **kwargs: Any) -> Any:
        if _theirs(fn) and dispatch_key in ("CUDA", "CPU", "CompositeExplicitAutograd"):
            name = op_name if isinstance(op_name, str) else op_name._schema.name
            opened.add((name if "::" in name else f"{self.ns}::{name}").partition(".")[0])
            dispatch_key = "CPU" if dispatch_key == "CUDA" and not OnCpu.real else dispatch_key
            fn = watched(fn)
        return implement(self, op_name, fn, dispatch_key, *args, **kwargs)

    torch.library.Library.impl = impl
    torch.library.wrap_triton = lambda kernel: kernel


def _theirs(fn: Any) -> bool:
    """Whether a function is the script's and not one of torch's own."""
    return callable(fn) and not str(getattr(fn, "__module__", "torch.")).startswith("torch.")
