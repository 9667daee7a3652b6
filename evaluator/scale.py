"""Ranks of one evaluation: who scores what, and how their parts become one. Started by torchrun, any number of hosts.

Nothing that is computed depends on how many ranks there are: work is split by window and by sequence, and put together in the
order of positions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    rank: int = 0
    world: int = 1

    def mine(self, work: Sequence[T]) -> Sequence[T]:
        """This rank's share: neighbours stay together, shares differ by one at most."""
        return work[len(work) * self.rank // self.world : len(work) * (self.rank + 1) // self.world]

    def add(self, t: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.world > 1:
            dist.all_reduce(t)
        return t


def join() -> tuple[Ranks, torch.device]:
    """This process's place among the ranks, and its device. Without torchrun: one rank, the first GPU if there is one.

    NCCL on GPUs, gloo on CPUs.
    """
    gpu = torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", 0))
    if gpu and local >= torch.cuda.device_count():
        raise ValueError(f"rank {local} of this host has no GPU: there are {torch.cuda.device_count()}")
    device = torch.device("cuda", local) if gpu else torch.device("cpu")
    if gpu:
        torch.cuda.set_device(device)
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if gpu else "gloo", device_id=device if gpu else None)
    return (Ranks(dist.get_rank(), dist.get_world_size()) if world > 1 else Ranks()), device


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
