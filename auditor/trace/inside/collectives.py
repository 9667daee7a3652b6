"""`torch.distributed` between real ranks: everything is an exchange of what each has, and a computation that all do alike."""

from __future__ import annotations

import contextlib
import itertools
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from .groups import Alone, Done, Group
from .ranks import Exchange
from .shadows import Shadows

SMALL = 64  # elements: totals, counts and flags
SMALL_BYTES = 4096  # the same, of an object
_after_gradient = Tensor.register_post_accumulate_grad_hook
_COMBINED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "MAX": torch.maximum,
    "MIN": torch.minimum,
    "PRODUCT": torch.mul,
    "BAND": torch.bitwise_and,
    "BOR": torch.bitwise_or,
}
Packed = tuple[torch.dtype, tuple[int, ...], bytes, bytes]


class Later:
    """A message that is taken when it is waited for."""

    def __init__(self, take: Callable[[], object]) -> None:
        self.take: Callable[[], object] | None = take

    def wait(self, *_: object) -> bool:
        if self.take is not None:
            take, self.take = self.take, None
            take()
        return True

    def is_completed(self) -> bool:
        return self.take is None


class Collectives:
    """The functions, for one rank. `shadows`: what is known of tensors goes along, once somebody watches."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.world = Group(None, exchange.size, exchange.rank)
        self.shadows: Shadows | None = None
        self.made = itertools.count(1)

    def group(self, group: Any) -> Group:
        return group if isinstance(group, Group) else self.world

    def new_group(self, ranks: Any = None, *_: object, **__: object) -> Group:
        return Group(ranks, self.exchange.size, self.exchange.rank, next(self.made))

    # -- what goes over

    def packed(self, t: Tensor) -> Packed:
        with _unseen():
            places = self.shadows.get(t) if self.shadows is not None else None
            flat = t.detach().cpu().contiguous().reshape(-1)
            known = b"" if places is None else places.contiguous().reshape(-1).numpy().tobytes()
            return t.dtype, tuple(t.shape), flat.view(torch.uint8).numpy().tobytes(), known

    def unpacked(self, given: Packed) -> tuple[Tensor, Tensor | None]:
        dtype, shape, data, known = given
        with _unseen():
            places = torch.frombuffer(bytearray(known), dtype=torch.int64).reshape(shape) if known else None
            if not data:
                return torch.empty(shape, dtype=dtype), places
            return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape), places

    def written(self, t: Tensor, value: Tensor, places: Tensor | None) -> None:
        """A result takes its place; that a parameter was written to is seen."""
        with torch.no_grad():
            t.copy_(value.reshape(t.shape))
        if places is not None and self.shadows is not None:
            with _unseen():
                self.shadows.put(t, places.reshape(t.shape))

    def swapped(self, group: Any, tensors: Sequence[Tensor], of: int | None = None) -> list[list[Packed]]:
        """What each rank of the group has. `of`: only this one's is wanted."""
        g = self.group(group)
        gives = of is None or of == self.exchange.rank
        flows = gives and any(t.is_floating_point() and t.numel() > SMALL for t in tensors)
        data = [self.packed(t) for t in tensors] if gives else []
        return self.exchange.swap(g.number, g.ranks, data, flows=flows)

    def objects(self, group: Any, thing: Any) -> list[Any]:
        g = self.group(group)
        data = pickle.dumps(thing)
        return [pickle.loads(d) for d in self.exchange.swap(g.number, g.ranks, data, flows=len(data) > SMALL_BYTES)]

    def combined(self, given: Sequence[Packed], op: Any) -> tuple[Tensor, Tensor | None]:
        """One tensor of all: values by the operation, positions as where any rank has one."""
        name = getattr(op, "name", None) or str(op).rpartition(".")[2]
        parts = [self.unpacked(p) for p in given]
        out, places = parts[0]
        with _unseen():
            for value, known in parts[1:]:
                out = _COMBINED.get(name, torch.add)(out, value)
                if known is not None:
                    places = known if places is None else torch.maximum(places, known)
            if name == "AVG":
                out = out / len(parts)
        return out, places

    def source(self, group: Any, rank: Any, within: Any) -> int:
        """A rank of the world, named as one or as one of the group."""
        if within is not None:
            return self.group(group).ranks[within]
        return int(rank or 0)

    # -- the functions

    def all_reduce(self, tensor: Tensor, op: Any = None, group: Any = None, async_op: bool = False) -> Done | None:
        self.all_reduce_coalesced([tensor], op, group)
        return _done(async_op)

    def all_reduce_coalesced(
        self, tensors: Sequence[Tensor], op: Any = None, group: Any = None, async_op: bool = False
    ) -> Done | None:
        all_ = self.swapped(group, tensors)
        for i, t in enumerate(tensors):
            self.written(t, *self.combined([g[i] for g in all_], op if op is not None else "SUM"))
        return _done(async_op)

    def reduce(
        self,
        tensor: Tensor,
        dst: Any = None,
        op: Any = None,
        group: Any = None,
        async_op: bool = False,
        group_dst: Any = None,
    ) -> Done | None:
        all_ = self.swapped(group, [tensor])
        if self.exchange.rank == self.source(group, dst, group_dst):
            self.written(tensor, *self.combined([g[0] for g in all_], op if op is not None else "SUM"))
        return _done(async_op)

    def broadcast(
        self, tensor: Tensor, src: Any = None, group: Any = None, async_op: bool = False, group_src: Any = None
    ) -> Done | None:
        source = self.source(group, src, group_src)
        all_ = self.swapped(group, [tensor], source)
        if self.exchange.rank != source:
            self.written(tensor, *self.unpacked(all_[self.group(group).ranks.index(source)][0]))
        return _done(async_op)

    def broadcast_object_list(
        self, object_list: list[Any], src: Any = None, group: Any = None, device: Any = None, group_src: Any = None
    ) -> None:
        source = self.source(group, src, group_src)
        given = self.objects(group, object_list if self.exchange.rank == source else None)
        object_list[:] = given[self.group(group).ranks.index(source)]

    def all_gather(
        self, tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False
    ) -> Done | None:
        for place, given in zip(tensor_list, self.swapped(group, [tensor]), strict=True):
            self.written(place, *self.unpacked(given[0]))
        return _done(async_op)

    def all_gather_into_tensor(
        self, output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
    ) -> Done | None:
        g = self.group(group)
        parts = output_tensor.view(len(g.ranks), *input_tensor.shape) if input_tensor.dim() else output_tensor.view(-1)
        return self.all_gather(list(parts.unbind(0)), input_tensor, group, async_op)

    def all_gather_object(self, object_list: list[Any], obj: Any, group: Any = None) -> None:
        object_list[:] = self.objects(group, obj)

    def gather(
        self,
        tensor: Tensor,
        gather_list: list[Tensor] | None = None,
        dst: Any = None,
        group: Any = None,
        async_op: bool = False,
        group_dst: Any = None,
    ) -> Done | None:
        all_ = self.swapped(group, [tensor])
        if self.exchange.rank == self.source(group, dst, group_dst):
            for place, given in zip(gather_list or [], all_, strict=True):
                self.written(place, *self.unpacked(given[0]))
        return _done(async_op)

    def gather_object(
        self,
        obj: Any,
        object_gather_list: list[Any] | None = None,
        dst: Any = None,
        group: Any = None,
        group_dst: Any = None,
    ) -> None:
        all_ = self.objects(group, obj)
        if self.exchange.rank == self.source(group, dst, group_dst) and object_gather_list is not None:
            object_gather_list[:] = all_

    def reduce_scatter(
        self, output: Tensor, input_list: Sequence[Tensor], op: Any = None, group: Any = None, async_op: bool = False
    ) -> Done | None:
        mine = self.group(group).rank()
        given = [g[mine] for g in self.swapped(group, list(input_list))]
        self.written(output, *self.combined(given, op if op is not None else "SUM"))
        return _done(async_op)

    def reduce_scatter_tensor(
        self, output: Tensor, input: Tensor, op: Any = None, group: Any = None, async_op: bool = False
    ) -> Done | None:
        parts = input.reshape(len(self.group(group).ranks), *output.shape)
        return self.reduce_scatter(output, list(parts.unbind(0)), op, group, async_op)

    def scatter(
        self,
        tensor: Tensor,
        scatter_list: list[Tensor] | None = None,
        src: Any = None,
        group: Any = None,
        async_op: bool = False,
        group_src: Any = None,
    ) -> Done | None:
        source, g = self.source(group, src, group_src), self.group(group)
        all_ = self.swapped(group, scatter_list or [], source)
        self.written(tensor, *self.unpacked(all_[g.ranks.index(source)][g.rank()]))
        return _done(async_op)

    def all_to_all(
        self, output: list[Tensor], given: Sequence[Tensor], group: Any = None, async_op: bool = False
    ) -> Done | None:
        mine = self.group(group).rank()
        for place, parts in zip(output, self.swapped(group, list(given)), strict=True):
            self.written(place, *self.unpacked(parts[mine]))
        return _done(async_op)

    def all_to_all_single(
        self,
        output: Tensor,
        input: Tensor,
        outs: Any = None,
        ins: Any = None,
        group: Any = None,
        async_op: bool = False,
    ) -> Done | None:
        n = len(self.group(group).ranks)
        out = output.split(list(outs)) if outs else output.chunk(n)
        given = input.split(list(ins)) if ins else input.chunk(n)
        return self.all_to_all(list(out), given, group, async_op)

    def barrier(self, group: Any = None, async_op: bool = False, **_: object) -> Done | None:
        self.swapped(group, [])
        return _done(async_op)

    def send(self, tensor: Tensor, dst: Any = None, group: Any = None, tag: int = 0, group_dst: Any = None) -> None:
        flows = tensor.is_floating_point() and tensor.numel() > SMALL
        self.exchange.post(self.source(group, dst, group_dst), tag, self.packed(tensor), flows=flows)

    def recv(self, tensor: Tensor, src: Any = None, group: Any = None, tag: int = 0, group_src: Any = None) -> int:
        source = self.source(group, src, group_src)
        self.written(tensor, *self.unpacked(self.exchange.take(source, tag)))
        return source

    def isend(self, *args: Any, **kwargs: Any) -> Done:
        self.send(*args, **kwargs)
        return Done()

    def irecv(self, *args: Any, **kwargs: Any) -> Later:
        return Later(lambda: self.recv(*args, **kwargs))

    def batch_isend_irecv(self, ops: Sequence[Any]) -> list[Any]:
        first = [p for p in ops if p.op == self.isend]
        done = {id(p): self.isend(p.tensor, p.peer, p.group, p.tag) for p in first}
        return [done.get(id(p)) or self.irecv(p.tensor, p.peer, p.group, p.tag) for p in ops]


class Message:
    """`torch.distributed.P2POp`."""

    def __init__(
        self, op: Any, tensor: Tensor, peer: Any = None, group: Any = None, tag: int = 0, group_peer: Any = None
    ) -> None:
        self.op, self.tensor, self.group, self.tag = op, tensor, group, tag
        self.peer = group.ranks[group_peer] if group_peer is not None and group is not None else peer or group_peer or 0


def install(exchange: Exchange) -> Collectives:
    """After `groups.install`, whose other answers stay."""
    c = Collectives(exchange)
    for name in (
        *("all_reduce", "all_reduce_coalesced", "reduce", "broadcast", "broadcast_object_list", "all_gather"),
        *("all_gather_into_tensor", "all_gather_object", "gather", "gather_object", "reduce_scatter", "new_group"),
        *("reduce_scatter_tensor", "scatter", "all_to_all", "all_to_all_single", "barrier", "send", "recv", "isend"),
        *("irecv", "batch_isend_irecv"),
    ):
        setattr(dist, name, getattr(c, name))
    answers: dict[str, Any] = {
        "monitored_barrier": c.barrier,
        "_all_gather_base": c.all_gather_into_tensor,
        "_reduce_scatter_base": c.reduce_scatter_tensor,
        "P2POp": Message,
        "get_rank": lambda group=None: c.group(group).rank(),
        "get_world_size": lambda group=None: c.group(group).size(),
        "get_node_local_rank": lambda *a, **k: exchange.rank,
        "get_global_rank": lambda group, rank: c.group(group).ranks[rank],
        "get_group_rank": lambda group, rank: c.group(group).ranks.index(rank),
        "get_process_group_ranks": lambda group=None: list(c.group(group).ranks),
    }
    for name, f in answers.items():
        setattr(dist, name, f)

    class Parallel(Alone):
        """DistributedDataParallel: equal weights at first, the mean of the gradients after each backward."""

        def __init__(self, module: torch.nn.Module, *args: object, **kwargs: object) -> None:
            super().__init__(module)
            for t in itertools.chain(module.parameters(), module.buffers()):
                c.broadcast(t.data, 0)
            for p in module.parameters():
                if p.requires_grad:
                    _after_gradient(p, self._mean)

        def _mean(self, p: Tensor) -> None:
            if self.require_backward_grad_sync and p.grad is not None:
                c.all_reduce(p.grad, "AVG")

        @contextlib.contextmanager
        def no_sync(self) -> Iterator[None]:
            before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
            try:
                yield
            finally:
                self.require_backward_grad_sync = before

    Parallel.__name__ = Parallel.__qualname__ = "DistributedDataParallel"
    torch.nn.parallel.DistributedDataParallel = Parallel  # type: ignore[misc, assignment]
    torch.nn.parallel.distributed.DistributedDataParallel = Parallel  # type: ignore[misc, assignment]
    return c


@contextlib.contextmanager
def _unseen() -> Iterator[None]:
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction(), torch.no_grad():
        yield


def _done(async_op: bool) -> Done | None:
    return Done() if async_op else None
