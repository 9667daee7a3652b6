"""The doors between torch and the rest: tokens that come in, numbers that go out, gradients that are asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from .book import Book
from .tracer import Tracer

INCOMING = {torch.tensor, torch.as_tensor, torch.frombuffer}


class Doors(TorchFunctionMode):
    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in (Tensor.backward, torch.autograd.grad):
            roots = args[0] if isinstance(args[0], (list, tuple)) else [args[0]]
            with _disable_current_modes():
                for r in roots:
                    self.tracer.backward(r)
            with self.tracer.differentiating():
                return func(*args, **kwargs)
        if func in (Tensor.tolist, Tensor.numpy):
            with _disable_current_modes():
                self._out(args[0])
        out = func(*args, **kwargs)
        if func in INCOMING:
            with _disable_current_modes():
                self.tracer.enter(out)
        return out

    def _out(self, t: Tensor) -> None:
        places = self.tracer.shadows.get(t)
        if places is not None and t.is_floating_point() and bool((places >= 0).any()):
            self.tracer._score(t.detach(), places, False, "numpy")


def printed(book: Book) -> None:
    """Write down each line that is printed, in its place among the other records."""
    stream = sys.stdout
    real = stream.write

    def write(text: str) -> int:
        if text.strip():
            book.write("print", text=text[:4000])
        return real(text)

    stream.write = write  # type: ignore[method-assign]


def opened(tracer: Tracer) -> None:
    """`torch.from_numpy` is not a function that modes see."""
    real = torch.from_numpy

    def from_numpy(array: Any) -> Tensor:
        out = real(array)
        with _disable_current_modes():
            tracer.enter(out)
        return out

    torch.from_numpy = from_numpy
