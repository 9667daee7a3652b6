"""A GPU that is not there: calls that name `cuda` land on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

CPU = torch.device("cpu")


def is_cuda(x: object) -> bool:
    if isinstance(x, torch.device):
        return x.type == "cuda"
    return isinstance(x, str) and x.split(":")[0] == "cuda"


def here(x: Any) -> Any:
    """The device that stands for `x`."""
    return CPU if is_cuda(x) else x


class OnCpu(TorchFunctionMode):
    """Rewrites the device of every factory call and transfer."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
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


def _to_gpu(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0]


_SPECIAL: dict[object, Callable[..., Any]] = {
    torch.Tensor.to: _moved,
    torch.Tensor.cuda: _to_gpu,
    torch.Tensor.pin_memory: _to_gpu,
    torch.Tensor.record_stream: lambda func, args, kwargs: None,
    torch.Tensor.new_tensor: _moved,
    torch.Tensor.is_pinned: lambda func, args, kwargs: True,
    torch.Tensor.is_cuda.__get__: lambda func, args, kwargs: True,  # type: ignore[attr-defined]
}
