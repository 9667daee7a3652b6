"""The doors between torch and the rest: tokens that come in, numbers that go out, gradients that are asked for."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from . import arrays, floats
from .book import Book
from .devices import OnCpu, meant
from .tracer import Tracer

INCOMING = {torch.tensor, torch.as_tensor, torch.frombuffer}
ADDS = {
    Tensor.add,
    Tensor.add_,
    Tensor.__add__,
    Tensor.__iadd__,
    Tensor.__radd__,
    torch.add,
    Tensor.sub,
    Tensor.sub_,
    Tensor.__sub__,
    Tensor.__isub__,
}
LEAVES = {Tensor.tolist, Tensor.numpy, Tensor.__array__}


def _pure() -> set[Any]:
    """Functions that write to none of their arguments: on tensors that nothing is known of, there is nothing to watch."""
    f = torch.nn.functional
    out: set[Any] = {
        *(
            f.linear,
            f.rms_norm,
            f.layer_norm,
            f.scaled_dot_product_attention,
            f.silu,
            f.gelu,
            f.softplus,
            f.softmax,
            f.normalize,
        ),
        *(f.log_softmax, f.pad, f.conv1d, torch.addmm, torch.baddbmm, torch.outer, torch.layer_norm, torch.rms_norm),
    }
    both = """abs add amax amin bmm cat ceil chunk clamp clone cos cumsum div einsum exp exp2 float_power floor log log1p log2
        lerp logsumexp matmul maximum mean minimum mm mul neg norm ones_like permute pow prod reciprocal relu reshape round
        rsqrt sigmoid sign sin softmax split sqrt square squeeze stack std sub sum swapaxes tanh transpose tril triu unbind
        unflatten unsqueeze var where zeros_like"""
    methods = """__add__ __getitem__ __matmul__ __mul__ __neg__ __pow__ __radd__ __rmatmul__ __rmul__ __rsub__ __rtruediv__ __sub__
        __truediv__ bfloat16 contiguous detach double expand expand_as flatten float half mT.__get__ repeat_interleave t to type_as
        view view_as T.__get__"""
    for name in both.split():
        out |= {getattr(torch, name, None), getattr(Tensor, name, None)}
    for name in methods.split():
        owner, _, get = name.partition(".")
        found = getattr(Tensor, owner, None)
        out.add(getattr(found, get) if get else found)
    return out - {None}


PURE = _pure()


class Doors(OnCpu):
    """One mode for both, the GPU that is not there and the doors: each mode costs every call of a torch function."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        func = meant(func)
        if self.tracer.awaited:
            with _disable_current_modes():
                self.tracer.arrived(args)
        if func in ADDS and len(args) > 1:
            floats.scored(args[1])
        if func in PURE and not (kwargs and "out" in kwargs) and not self.tracer.touched(args, kwargs):
            with torch._C._DisableTorchDispatch():
                return super().__torch_function__(func, types, args, kwargs)
        kwargs = kwargs or {}
        if func in (Tensor.backward, torch.autograd.grad):
            roots = args[0] if isinstance(args[0], (list, tuple)) else [args[0]]
            with _disable_current_modes():
                for r in roots:
                    self.tracer.backward(r)
            with self.tracer.differentiating():
                return super().__torch_function__(func, types, args, kwargs)
        if func in LEAVES:
            with _disable_current_modes():
                places = self._out(args[0])
                if func is not Tensor.tolist:
                    self.tracer.handed_out(args[0])
            out = super().__torch_function__(func, types, args, kwargs)
            if places is None:
                return out
            return _numbers(out, places.tolist()) if func is Tensor.tolist else arrays.carry(out, places.numpy())
        if func is Tensor.item:
            return self._item(func, args, kwargs)
        if func is Tensor.__setitem__ and isinstance(args[2], float):
            return self._set(func, types, args, kwargs)
        if (
            func is torch.nn.functional.one_hot
        ):  # puts ones where tokens say: a form of the tokens, and no table of them
            with self.tracer.spelling():
                return super().__torch_function__(func, types, args, kwargs)
        out = super().__torch_function__(func, types, args, kwargs)
        if func is Tensor.__getitem__:
            if self.tracer.shadows.of and args[0].is_floating_point():
                with _disable_current_modes():
                    self.tracer.picked(args[0], args[1], out)
        elif func in INCOMING:
            with _disable_current_modes():
                entered(self.tracer, args[0] if args else None, out)
        return out

    def _set(self, func: Callable[..., Any], types: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A number is put into a tensor of losses, in one token's place."""
        with _disable_current_modes():
            place = self.tracer.replaced(*args)
        out = super().__torch_function__(func, types, args, kwargs)
        if place >= 0:
            with _disable_current_modes():
                self.tracer.shadows.put(args[0][args[1]], torch.tensor(place))
        return out

    def _out(self, t: Tensor) -> Tensor | None:
        """The positions of the numbers that leave; what they are is written down."""
        places = self.tracer.shadows.get(t)
        if places is None or not t.is_floating_point() or not bool((places >= 0).any()):
            return None
        self.tracer._score(t.detach(), places, False, "numpy")
        return places

    def _item(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with _disable_current_modes():
            places = self.tracer.shadows.get(args[0])
            place = int(places.reshape(-1)[0]) if places is not None and places.numel() == 1 else -1
        out = func(*args, **kwargs)
        return floats.number(out, place) if place >= 0 and type(out) is float else out


def entered(tracer: Tracer, source: Any, out: Any) -> None:
    """A tensor made of something from outside: token ids, or an array that carries positions."""
    places = arrays.places(source)
    if places is not None and isinstance(out, Tensor) and out.numel() == places.size:
        found = torch.from_numpy(np.array(places)).reshape(out.shape)
        tracer.shadows.put(out, found)
        if tracer.reach is not None:
            tracer.reach.begin(out, found)
    elif isinstance(out, Tensor):
        tracer.enter(out)


def _numbers(values: Any, places: Any) -> Any:
    """Numbers in lists, each with its place."""
    if isinstance(values, list):
        return [_numbers(v, p) for v, p in zip(values, places, strict=True)]
    return floats.number(values, places) if places >= 0 else values


def printed(book: Book, also: Callable[[], None]) -> Callable[[], None]:
    """Write down each line that is printed or logged, in its place among the other records, and what there is to be said `also`.

    What is returned tells the lines that have not come to their end.
    """
    tells = []
    for stream in (sys.stdout, sys.stderr):
        stream.write, tell = _booked(stream.write, book, also)  # type: ignore[method-assign]
        tells.append(tell)

    def rest() -> None:
        for tell in tells:
            tell()

    return rest


def _booked(
    real: Callable[[str], int], book: Book, also: Callable[[], None]
) -> tuple[Callable[[str], int], Callable[[], None]]:
    begun: list[str] = []  # `print` writes each of its arguments alone

    def tell() -> None:
        line = "".join(begun)
        begun.clear()
        if line.strip():
            book.write("print", text=line[:4000])
            also()

    def write(text: str) -> int:
        begun.append(text[:4000])
        if "\n" in text or "\r" in text or len(begun) > 1000:
            tell()
        return real(text)

    return write, tell


def called_back(tracer: Tracer) -> None:
    """Watch code of the program that runs while gradients are made: it may write to parameters."""
    for owner, name in (
        (Tensor, "register_hook"),
        (Tensor, "register_post_accumulate_grad_hook"),
        (torch.nn.Module, "register_full_backward_hook"),
        (torch.nn.Module, "register_full_backward_pre_hook"),
        (torch.autograd.graph, "register_multi_grad_hook"),
        (torch.autograd.graph.saved_tensors_hooks, "__init__"),
    ):
        setattr(owner, name, _handed_on(getattr(owner, name), tracer))
    apply = torch.autograd.Function.__dict__["apply"]  # a class method of Python's or of C's, by version
    watched: dict[Any, Any] = {}

    def applied(cls: Any, *args: Any, **kwargs: Any) -> Any:
        code = getattr(inspect.unwrap(cls.backward), "__code__", None)
        if cls not in watched and (code is None or tracer.book.theirs(code.co_filename)):
            watched[cls] = cls.backward = staticmethod(tracer.called_back(cls.backward))
        return apply.__get__(None, cls)(*args, **kwargs)

    torch.autograd.Function.apply = classmethod(applied)


def _handed_on(real: Any, tracer: Tracer) -> Any:
    """A function of torch's whose later arguments are functions that it calls back."""

    @functools.wraps(real)
    def call(first: Any, *args: Any, **kwargs: Any) -> Any:
        args = tuple(tracer.called_back(a) if callable(a) else a for a in args)
        kwargs = {k: tracer.called_back(v) if callable(v) else v for k, v in kwargs.items()}
        return real(first, *args, **kwargs)

    return call


def opened(tracer: Tracer) -> None:
    """`torch.from_numpy` is not a function that modes see."""
    real = torch.from_numpy

    def from_numpy(array: Any) -> Tensor:
        out = real(array)
        with _disable_current_modes():
            entered(tracer, array, out)
        return out

    torch.from_numpy = from_numpy
