"""Process groups: this process is the first rank of one or of several that seem to be there."""

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


class Group:
    """Some of the ranks."""

    def __init__(self, ranks: Any, of: int, me: int = 0, number: int = 0) -> None:
        self.ranks = list(ranks) if ranks is not None else list(range(of))
        self.me, self.number = me, number

    def size(self) -> int:
        return len(self.ranks)

    def rank(self) -> int:
        return self.ranks.index(self.me) if self.me in self.ranks else -1


class _State:
    ready = False


def install(ranks: int = 1) -> None:
    """`ranks`: how many there seem to be. This is the first of them, and what the others would send is what it has itself.

    A sum over all ranks is left at this one's share: shares of losses and of counts keep their ratio.
    """
    state = _State()

    def init(*args: object, **kwargs: object) -> None:
        state.ready = True

    def over(*args: object, **kwargs: object) -> None:
        state.ready = False

    def work(*args: object, async_op: bool = False, **kwargs: object) -> Done | None:
        return Done() if async_op else None

    def size(group: Any = None) -> int:
        return group.size() if isinstance(group, Group) else ranks

    def gathered(out: Tensor, given: Tensor, *args: Any, async_op: bool = False, **kwargs: Any) -> Done | None:
        with torch.no_grad():
            if given.numel() and out.numel() > given.numel():
                out.view(-1, given.numel()).copy_(given.reshape(1, -1).expand(out.numel() // given.numel(), -1))
            else:
                out.copy_(given.reshape(-1)[: out.numel()].reshape(out.shape))
        return work(async_op=async_op)

    def listed(out: list[Any], given: Any, *args: Any, async_op: bool = False, **kwargs: Any) -> Done | None:
        for i, place in enumerate(out):
            if isinstance(given, Tensor):
                with torch.no_grad():
                    place.copy_(given)
            else:
                out[i] = given
        return work(async_op=async_op)

    def scattered(out: Tensor, given: list[Tensor], *args: Any, async_op: bool = False, **kwargs: Any) -> Done | None:
        return gathered(out, given[0], async_op=async_op) if given else work(async_op=async_op)

    def swapped(
        out: list[Tensor], given: list[Tensor], *args: Any, async_op: bool = False, **kwargs: Any
    ) -> Done | None:
        with torch.no_grad():
            for a in out:
                a.copy_(given[0])
        return work(async_op=async_op)

    names: dict[str, Any] = {
        "init_process_group": init,
        "destroy_process_group": over,
        "is_initialized": lambda: state.ready,
        "is_available": lambda: True,
        "is_nccl_available": lambda: True,
        "get_world_size": size,
        "get_rank": lambda *a, **k: 0,
        "get_node_local_rank": lambda *a, **k: 0,
        "get_global_rank": lambda group, rank: rank,
        "get_group_rank": lambda group, rank: rank,
        "get_process_group_ranks": lambda group=None: group.ranks if isinstance(group, Group) else list(range(ranks)),
        "get_backend": lambda *a, **k: "nccl",
        "new_group": lambda ranks_=None, *a, **k: Group(k.get("ranks", ranks_), ranks),
        "barrier": work,
        "monitored_barrier": work,
        "all_reduce": work,
        "all_reduce_coalesced": work,
        "reduce": work,
        "broadcast": work,
        "broadcast_object_list": lambda *a, **k: None,
        "all_gather_into_tensor": gathered,
        "reduce_scatter_tensor": gathered,
        "reduce_scatter": scattered,
        "all_gather": listed,
        "all_gather_object": listed,
        "gather": lambda given, out=None, *a, **k: listed(out, given) if out else None,
        "gather_object": lambda obj, out=None, *a, **k: listed(out, obj) if out else None,
        "scatter": lambda out, given=None, *a, **k: scattered(out, given or [], async_op=k.get("async_op", False)),
        "all_to_all_single": gathered,
        "all_to_all": swapped,
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
