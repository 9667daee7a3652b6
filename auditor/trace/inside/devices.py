"""A GPU that is not there: calls that name `cuda` land on the CPU. Where there is one, they stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, MethodWrapperType, WrapperDescriptorType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

CPU = torch.device("cpu")
NATIVE = (BuiltinFunctionType, MethodDescriptorType, WrapperDescriptorType, MethodWrapperType)
NAMED = {name: f for name, f in vars(torch.nn.functional).items() if isinstance(f, FunctionType)}


def is_cuda(x: object) -> bool:
    if isinstance(x, torch.device):
        return x.type == "cuda"
    return isinstance(x, str) and x.split(":")[0] == "cuda"


def here(x: Any) -> Any:
    """The device that stands for `x`."""
    return CPU if is_cuda(x) and not OnCpu.real else x


def meant(func: Callable[..., Any]) -> Callable[..., Any]:
    """torch's own function, where `func` is what the program has put in its place.

    torch hands a mode whatever bears the function's name now. The program's has been entered by then, and would be a second time.
    """
    if isinstance(func, NATIVE) or getattr(func, "__globals__", {}).get("__name__", "").startswith("torch."):
        return func
    now = vars(torch.nn.functional)
    return next((f for name, f in NAMED.items() if now.get(name) is func), func)


class OnCpu(TorchFunctionMode):
    """Rewrites the device of every factory call and transfer."""

    real = False  # there is a GPU

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        func = meant(func)
        if self.real:
            return func(*args, **kwargs) if kwargs else func(*args)
        if kwargs:
            if "device" in kwargs and is_cuda(kwargs["device"]):
                kwargs = {**kwargs, "device": CPU}
            if kwargs.get("pin_memory"):
                kwargs = {**kwargs, "pin_memory": False}
        special = _SPECIAL.get(func)
        if special is not None:
            return special(func, args, kwargs or {})
        return func(*args, **kwargs) if kwargs else func(*args)


def _moved(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return func(*(here(a) for a in args), **kwargs)


def _to(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(args) > 1:
        args = (args[0], *(here(a) for a in args[1:]))
        if isinstance(args[1], int) and not isinstance(args[1], bool):  # a GPU by its number
            args = (args[0], CPU, *args[2:])
    if isinstance(kwargs.get("device"), int):
        kwargs = {**kwargs, "device": CPU}
    return func(*args, **kwargs)


def _together(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The CPU's autocast cannot put half precision beside others; a GPU's makes them one kind."""
    if not torch.is_autocast_cpu_enabled():
        return func(*args, **kwargs)
    parts = args[0] if args else kwargs.get("tensors", ())
    if isinstance(parts, (list, tuple)) and all(isinstance(x, torch.Tensor) and x.is_floating_point() for x in parts):
        kinds = {x.dtype for x in parts}
        if kinds - {torch.float32, torch.bfloat16}:
            with torch.amp.autocast_mode.autocast("cpu", enabled=False):
                return func(*args, **kwargs)
    return func(*args, **kwargs)


def _normed(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Weights of another kind than the values: a GPU takes them as they are."""
    x = args[0] if args else kwargs.get("input")
    kinds = {a.dtype for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)}
    if len(kinds) == 1 or x is None:
        return func(*args, **kwargs)

    def wide(a: Any) -> Any:
        return a.float() if isinstance(a, torch.Tensor) else a

    return func(*map(wide, args), **{k: wide(a) for k, a in kwargs.items()}).to(x.dtype)


def _to_gpu(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0]


_SPECIAL: dict[object, Callable[..., Any]] = {
    torch.Tensor.to: _to,
    torch.cat: _together,
    torch.concat: _together,
    torch.stack: _together,
    torch.layer_norm: _normed,
    torch.nn.functional.layer_norm: _normed,
    torch.nn.functional.group_norm: _normed,
    torch.group_norm: _normed,
    torch.Tensor.cuda: _to_gpu,
    torch.Tensor.pin_memory: _to_gpu,
    torch.Tensor.new_tensor: _moved,
    torch.Tensor.is_pinned: lambda func, args, kwargs: True,
    torch.Tensor.is_cuda.__get__: lambda func, args, kwargs: True,  # type: ignore[attr-defined]
}
