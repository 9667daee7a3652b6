"""Process groups of one rank."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class Done:
    """Work that was done at once."""

    def wait(self, *args: object) -> bool:
        return True

    def is_completed(self) -> bool:
        return True

    def get_future(self) -> Any:
        future: Any = torch.futures.Future()
        future.set_result(None)
        return future


class _State:
    ready = False


def install() -> None:
    state = _State()

    def init(*args: object, **kwargs: object) -> None:
        state.ready = True

    def over(*args: object, **kwargs: object) -> None:
        state.ready = False

    def work(*args: object, async_op: bool = False, **kwargs: object) -> Done | None:
        return Done() if async_op else None

    def gathered(out: Tensor, given: Tensor, *args: Any, async_op: bool = False, **kwargs: Any) -> Done | None:
        with torch.no_grad():
            out.copy_(given.reshape(out.shape))
        return work(async_op=async_op)

    def listed(out: list[Any], given: Any, *args: Any, async_op: bool = False, **kwargs: Any) -> Done | None:
        if isinstance(given, Tensor):
            with torch.no_grad():
                out[0].copy_(given)
        else:
            out[0] = given
        return work(async_op=async_op)

    def scattered(out: Tensor, given: list[Tensor], *args: Any, async_op: bool = False, **kwargs: Any) -> Done | None:
        return gathered(out, given[0], async_op=async_op)

    names: dict[str, Any] = {
        "init_process_group": init,
        "destroy_process_group": over,
        "is_initialized": lambda: state.ready,
        "is_nccl_available": lambda: True,
        "get_world_size": lambda *a: 1,
        "get_rank": lambda *a: 0,
        "get_backend": lambda *a: "nccl",
        "new_group": lambda *a, **k: object(),
        "barrier": work,
        "monitored_barrier": work,
        "all_reduce": work,
        "reduce": work,
        "broadcast": work,
        "broadcast_object_list": lambda *a, **k: None,
        "all_gather_into_tensor": gathered,
        "reduce_scatter_tensor": gathered,
        "reduce_scatter": scattered,
        "all_gather": listed,
        "all_gather_object": listed,
        "gather_object": lambda obj, out=None, *a, **k: listed(out, obj) if out else None,
        "all_to_all_single": gathered,
    }
    for name, f in names.items():
        setattr(dist, name, f)
    torch.nn.parallel.DistributedDataParallel = Alone  # type: ignore[misc, assignment]
    torch.nn.parallel.distributed.DistributedDataParallel = Alone  # type: ignore[misc, assignment]


class Alone(torch.nn.Module):
    """DistributedDataParallel of one rank."""

    def __init__(self, module: torch.nn.Module, *args: object, **kwargs: object) -> None:
        super().__init__()
        self.module = module
        self.require_backward_grad_sync = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)
