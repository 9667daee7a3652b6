"""Watches every operation and writes down what happens to validation tokens: SCORE, TRAIN, UPDATE, TABLE."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode, _pop_mode_temporarily

from .book import Book
from .floats import Left, Number
from .frozen import Frozen
from .moves import (
    IGNORED,
    LOOKUPS,
    MOVES,
    REDUCTIONS,
    SCATTERS,
    classify,
    dims_of,
    elementwise,
    indexed,
    joined,
    moved,
    one_along,
    one_for_each,
)
from .positions import Finder
from .reach import Reach
from .shadows import Shadows, beside, flat, known

WHOLE = (torch.uint16, torch.int16, torch.int32, torch.int64)
MANY = 0  # in place of the numbers of scores that are written down together


def learnt(tensors: Sequence[Tensor]) -> bool:
    """Whether what is made of these will have a gradient: losses to learn from, which are no scores."""
    return any(t.requires_grad for t in tensors)


class Tracer(TorchDispatchMode):
    def __init__(self, book: Book, finder: Finder, reach: Reach | None = None, frozen: Frozen | None = None) -> None:
        super().__init__()
        self.book, self.finder, self.reach, self.frozen = book, finder, reach, frozen
        self.shadows = Shadows()
        self.bags: dict[int, tuple[Any, frozenset[int]]] = {}
        self.parameters: dict[int, Any] = {}
        self.version = 0
        self.pending: tuple[str, list[Any]] | None = None
        self.kinds: dict[int, tuple[str, str, Any]] = {}
        self.awaited: dict[int, tuple[Any, int]] = {}
        self.patience = 0  # calls for which memory that was handed out is looked for
        self.backwards = 0
        self.spelled = 0  # tokens are written in another form: nothing is counted
        self.opened: set[str] = set()  # operators of the script's own that are watched inside

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here: no operation need be kept from the compiler, which would cost its import, too."""
        return False

    @contextlib.contextmanager
    def differentiating(self) -> Iterator[None]:
        """Gradients are made: what is put together there are no scores.

        Only code of the program can write to parameters meanwhile: nothing else is watched (`called_back`).
        """
        self.backwards += 1
        try:
            if _get_current_dispatch_mode() is not self:
                yield
            else:
                with _pop_mode_temporarily():
                    yield
        finally:
            self.backwards -= 1

    @contextlib.contextmanager
    def spelling(self) -> Iterator[None]:
        """Tokens are written in another form, through a table that holds nothing else."""
        self.spelled += 1
        try:
            yield
        finally:
            self.spelled -= 1

    def called_back(self, fn: Any) -> Any:
        """Code of the program that runs while gradients are made (a hook, an operation of its own): it is watched."""

        @functools.wraps(fn)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self.backwards or _get_current_dispatch_mode() is self:
                return fn(*args, **kwargs)
            with self:
                return fn(*args, **kwargs)

        return call

    # -- the door

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        kind = self.kinds.get(id(func))  # the hash of an operation is slow
        if kind is None:
            kind = self.kinds[id(func)] = (*classify(func), func)
        what, name, _ = kind
        if what == "view":
            self._parameter(args[0])
            return func(*args, **kwargs)
        tensors = flat(args)
        for t in tensors:
            self._parameter(t)
        if name == "embedding":
            self.fed(args[1])
        held: Sequence[Any] = ()
        if what == "mutation":
            targets = flat(args[:1])
            self._overwritten(name, targets)
            if self.frozen is not None:
                held = self.frozen.before(targets)
        out = func(*args, **kwargs)
        if held and self.frozen is not None:
            self.frozen.after(held)
        if self.reach is not None and not self.backwards and not (torch.is_grad_enabled() and learnt(tensors)):
            self.reach.follow(what, name, func, args, kwargs, out)
        if not self.backwards and func._schema.name not in self.opened:
            self._after(what, name, func, args, kwargs, tensors, out)
        return out

    def touched(self, args: Any, kwargs: Any) -> bool:
        """Whether anything is known of a tensor among the arguments, or may be.

        Functions that write to none of their arguments are left alone where this says no. Whatever else is to be known
        of tensors belongs here, too.
        """
        tensors = flat(args)
        if kwargs:
            flat(list(kwargs.values()), tensors)
        for t in tensors:
            kind = type(t)
            if kind is not Tensor and kind is not torch.nn.Parameter:
                return True
            if t.layout is not torch.strided:
                return True
            key = t.untyped_storage()._cdata
            if key in self.shadows.of or key in self.bags or (self.reach is not None and key in self.reach.of.of):
                return True
            if kind is torch.nn.Parameter and key not in self.parameters:
                self.parameters[key] = _weak(t)
        return False

    def _parameter(self, t: Any) -> None:
        if type(t) is torch.nn.Parameter:
            key = t.untyped_storage()._cdata
            if key not in self.parameters:
                self.parameters[key] = _weak(t)

    # -- before: what an operation overwrites

    def _overwritten(self, name: str, targets: Sequence[Tensor]) -> None:
        for t in targets:
            key = t.untyped_storage()._cdata
            if key not in self.parameters:
                if not (t.requires_grad and t.is_leaf):  # what is learnt need not be a parameter of a module
                    continue
                self.parameters[key] = _weak(t)
            if self.pending is None:
                self.pending = (name, self.book.where())

    # -- kernels, which work on whole tensors at once

    def concerned(self, tensors: Sequence[Tensor]) -> bool:
        """Whether any of these is about tokens: only then is what a kernel does with them looked at, step by step."""
        if self.backwards:
            return False
        return bool(self._bags(list(tensors))) or any(t.untyped_storage()._cdata in self.shadows.of for t in tensors)

    def copied(self, tensor: Tensor, copy: Tensor) -> None:
        """A kernel works on a copy of what it was given, or has done so: what is known of the first holds for the other."""
        places, bags = self.shadows.get(tensor), self._bags([tensor])
        if places is not None:
            self.shadows.put(copy, places)
        if bags:
            self._bag(copy, bags)

    def wrote(self, tensor: Tensor) -> None:
        if tensor.untyped_storage()._cdata in self.parameters and self.pending is None:
            self.pending = ("kernel", self.book.where())

    # -- after

    def _after(self, what: str, name: str, func: Any, args: Any, kwargs: Any, tensors: list[Tensor], out: Any) -> None:
        if what == "mutation":
            self._mutated(name, args, kwargs, tensors)
            return
        shadows = [beside(self.shadows.get(t), out) for t in tensors] if self.shadows.of else []
        bags = self._bags(tensors)
        if not bags and not any(s is not None for s in shadows):
            return
        if name == "_local_scalar_dense":
            self._left(tensors[0], shadows[0] if shadows else None, bags, out)
            return
        if bags and isinstance(out, Tensor) and out.numel() <= 64:
            self._bag(out, bags)
        if not any(known(s) for s in shadows):
            return
        if name in ("nll_loss_forward", "nll_loss2d_forward"):
            self._nll(args, out)
            return
        if name in IGNORED or not isinstance(out, Tensor):
            return
        by = {id(t): s for t, s in zip(tensors, shadows, strict=True)}
        if name in LOOKUPS:
            places = indexed(name, func, args, out, by)
            if self.reach is not None and args[0].is_floating_point() and (r := self.reach.get(args[0])) is not None:
                self._knew(func(r, *args[1:]), places, 1)
        elif name in MOVES:
            places = moved(name, func, args, kwargs, by)
        elif name in REDUCTIONS:
            self._reduced(name, args, kwargs, tensors, shadows, out)
            return
        elif (
            name in ("add", "sub")
            and len(tensors) == 2
            and self._totalled(name, tensors[0], tensors[1:], shadows[0], shadows[1:], out)
        ):
            return
        else:
            places = elementwise(name, tensors, shadows, out) if out.numel() else None
        if places is not None:
            self.shadows.put(out, places)

    # -- one kind each

    def _nll(self, args: Any, out: Any) -> None:
        logits, target = args[0], args[1]
        places = self.shadows.get(target)
        if not known(places):
            return
        assert places is not None
        losses, reduction = out[0], args[3]
        ignored = args[4] if len(args) > 4 else -100
        places = torch.where(target == ignored, -1, places)
        safe = torch.where(target == ignored, 0, target)
        if self.reach is not None and logits.dim() == 2 and (r := self.reach.get(logits)) is not None:
            self._knew(r.gather(1, safe.unsqueeze(-1)).squeeze(-1), places, 1)
        if reduction == 0:
            self.shadows.put(losses, places.reshape(losses.shape))
            return
        each = -logits.detach().gather(logits.dim() - 1, safe.unsqueeze(-1)).squeeze(-1)
        self._bag(
            losses, frozenset({self._score(each, places, logits.requires_grad, "sum" if reduction == 2 else "mean")})
        )

    def _reduced(
        self, name: str, args: Any, kwargs: Any, tensors: list[Tensor], shadows: list[Tensor | None], out: Tensor
    ) -> None:
        source, places = tensors[0], shadows[0]
        if name in ("dot", "mv", "mm", "bmm") and len(tensors) == 2:
            other = tensors[1]
            if places is None or (shadows[1] is not None and known(shadows[1])):
                source, places, other = tensors[1], shadows[1], tensors[0]
            if name == "dot" and places is not None:
                places = torch.where(other == 0, -1, places)
                source = source * other
        if not known(places):
            return
        assert places is not None
        if name in ("mm", "bmm", "mv"):
            one = one_along(places, -1 if source is tensors[0] or source.dim() == 1 else -2)
            if (
                one is not None
            ):  # nothing of several tokens was put together: a mixture, or a layer, which is followed no further
                if one.numel() == out.numel():
                    self.shadows.put(out, one.reshape(out.shape))
                return
        apart = name not in ("cumsum", "_softmax", "_log_softmax")
        if source.numel() == out.numel() and apart:  # nothing was put together
            self.shadows.put(out, places.reshape(out.shape))
            return
        dims = dims_of(name, args, kwargs, source.dim())
        if dims and out.numel():
            one = one_for_each(places, dims, out, source.shape)  # experts on the same token: still one value a token
            if one is not None:
                self.shadows.put(out, one)
                return
        if not source.is_floating_point() and name not in ("sum",):
            return
        if name in ("mm", "bmm", "addmm") and out.numel() > 64 and 2 * out.numel() > source.numel():
            return  # a layer: nothing was put together
        if source.numel() > 16 * len(self.finder.ids):
            return  # far more numbers than there are tokens to score
        self._bag(out, frozenset({self._score(source.detach(), places, source.requires_grad, name)}))

    def _left(self, t: Tensor, places: Tensor | None, bags: frozenset[int], value: Any) -> None:
        """A number leaves the tensors."""
        if places is not None and known(places) and t.is_floating_point():
            place = int(places.reshape(-1)[0])
            self.one(float(value), place, "item")
            Left.place, Left.call = place, self.book.within
        elif bags - {MANY}:
            self.book.write("left", of=sorted(bags - {MANY}), value=float(value), where=self.book.where())

    def _mutated(self, name: str, args: Any, kwargs: Any, tensors: list[Tensor]) -> None:
        target = args[0] if isinstance(args[0], Tensor) else None
        if target is None:
            return
        if name in SCATTERS:
            self._scattered(name, args, tensors)
            return
        own = self.shadows.get(target)
        others = list(tensors[1:])
        shadows = [beside(self.shadows.get(t), target) for t in others] if self.shadows.of else []
        bags = self._bags(others)
        if bags and target.numel() <= 64:
            self._bag(target, bags | self._bags([target]))
        if name in ("zero_", "fill_"):
            self.bags.pop(target.untyped_storage()._cdata, None)
        if own is None and not any(known(s) for s in shadows):
            return
        if name == "copy_":
            s = shadows[0] if shadows else None
            self.shadows.put(target, s if s is not None else torch.tensor(-1))
        elif name in ("zero_", "fill_", "random_", "uniform_", "normal_"):
            self.shadows.put(target, torch.tensor(-1))
        elif name == "masked_fill_":
            if own is not None:
                self.shadows.put(target, own.masked_fill(args[1], -1))
        elif name in ("add_", "sub_") and self._totalled(name, target, others, own, shadows, target):
            return
        else:
            found = joined([own, *shadows], target.shape)
            if found is not None:
                self.shadows.put(target, found)

    def _totalled(
        self, name: str, a: Tensor, others: list[Tensor], pa: Tensor | None, po: list[Tensor | None], out: Tensor
    ) -> bool:
        """Whether numbers about different tokens are added one by one: then each of them is a score."""
        if out.numel() != 1 or len(others) != 1 or not out.is_floating_point() or others[0].numel() != 1:
            return False
        b, pb = others[0], po[0]
        sign = -1 if name.startswith("sub") else 1
        first = int(pa.reshape(-1)[0]) if pa is not None else -1
        second = int(pb.reshape(-1)[0]) if pb is not None else -1
        total = self._bags([a])
        if out is a and second >= 0 and first < 0:
            bag = total | self._one_of(b, second, sign)
        elif first >= 0 and second >= 0 and first != second and out is not a:
            bag = self._one_of(a, first) | self._one_of(b, second, sign)
        elif second >= 0 and total:
            bag = total | self._one_of(b, second, sign)
        elif first >= 0 and (total := self._bags([b])):
            bag = total | self._one_of(a, first)
        else:
            return False
        if known(self.shadows.get(out)):
            self.shadows.put(out, torch.tensor(-1))
        self._bag(out, bag)
        return True

    def _one_of(self, t: Tensor, place: int, sign: int = 1) -> frozenset[int]:
        """One number that goes into a total. Those with a gradient are told apart: they may be trained on."""
        if t.requires_grad:
            return frozenset({self._score(sign * t.detach().reshape(1), torch.tensor([place]), True, "add")})
        self.one(sign * float(t.detach()), place, "add")
        return frozenset({MANY})

    def _scattered(self, name: str, args: Any, tensors: list[Tensor]) -> None:
        """Values put into a table under keys: which tokens made the keys."""
        target = args[0]
        index = args[1] if name.startswith(("index_put", "_index_put")) else (args[2] if len(args) > 2 else None)
        places = [self.shadows.get(t) for t in flat([index])]
        value_places = [self.shadows.get(t) for t in tensors[1:]]
        own = self.shadows.get(target)
        plain = not any(known(s) for s in places)  # keys that no token made: the values are moved, not looked up
        moved = (plain or not target.is_floating_point()) and any(known(s) for s in value_places)
        sets = name in ("index_put_", "_index_put_impl_") and not (len(args) > 3 and args[3])
        if sets and (own is not None or moved):
            values = self.shadows.get(args[2])
            ground = own if own is not None else torch.full(target.shape, -1, dtype=torch.int64, device=target.device)
            ground = ground.clone().index_put_(args[1], values if values is not None else torch.tensor(-1))
            self.shadows.put(target, ground)
        mine = [s for s in places if known(s)]
        if mine and target.numel() > 1 and not self.spelled:
            every = torch.cat([s.reshape(-1) for s in mine if s is not None])
            self.version += 1
            self.book.write("table", {"positions": every[every >= 0].unique().cpu().numpy().astype(np.int32)}, name=name,
                            version=self.version, size=target.numel(), where=self.book.where())  # fmt: skip

    # -- what is written down

    def _score(self, values: Tensor, places: Tensor, grad: bool, how: str) -> int:
        self.flush()
        if self.reach is not None:
            self._knew(self.reach.get(values), places, 0)
        keep = places.reshape(-1) >= 0
        whole = bool(keep.all())
        v = values.reshape(-1) if values.shape == places.shape else values.expand(places.shape).reshape(-1)
        p = places.reshape(-1)
        if not whole:
            v, p = v[keep], p[keep]
        return self.book.write(
            "score",
            {"positions": p.cpu().numpy().astype(np.int32), "values": v.double().cpu().numpy()},
            how=how,
            grad=grad and torch.is_grad_enabled(),
            version=self.version,
            others=int((~keep).sum()),
            where=self.book.where(),
        )

    def outside(self, values: np.ndarray, places: np.ndarray, how: str) -> None:
        """Scores that are added up in numpy."""
        self.flush()
        v, p = np.broadcast_to(values, places.shape).reshape(-1), places.reshape(-1)
        keep = p >= 0
        arrays = {"positions": p[keep].astype("<i4"), "values": v[keep].astype("<f8")}
        others = int((~keep).sum())
        self.book.write(
            "score", arrays, how=how, grad=False, version=self.version, others=others, where=self.book.where()
        )

    def one(self, value: float, place: int, how: str) -> None:
        """A score that left the tensors alone."""
        self.flush()
        self.book.score_one(value, place, how=how, grad=False, version=self.version)

    def fed(self, ids: Tensor) -> None:
        """Tokens go into the network: what is to be scored next begins here."""
        places = self.shadows.get(ids) if not self.backwards else None
        if known(places):
            assert places is not None
            found = places.reshape(-1).unique().cpu().numpy().astype(np.int32)
            self.book.write("feed", {"positions": found[found >= 0]}, where=self.book.where())

    def _knew(self, reach: Tensor | None, places: Tensor | None, own: int) -> None:
        """Write down where what is about one token each knows of later ones, or (`own` 1) of that token already."""
        if reach is None or places is None or reach.shape != places.shape:
            return
        far = (places >= 0) & (reach + own > places)
        if bool(far.any()):
            arrays = {"positions": places[far].numpy().astype("<i4"), "values": reach[far].double().numpy()}
            self.book.write("knew", arrays, own=own, where=self.book.where())

    def flush(self) -> None:
        """An update is written down when something is scored or trained on after it."""
        if self.pending is not None:
            name, where = self.pending
            self.pending = None
            self.version += 1
            self.book.write("update", name=name, version=self.version, where=where)

    def settle(self) -> None:
        """Nothing waits to be written down."""
        self.flush()
        self.book.flush()

    def backward(self, t: Tensor) -> None:
        bags = self._bags([t])
        places = self.shadows.get(t)
        if places is not None and known(places):
            bags |= {self._score(t.detach(), places, True, "backward")}
        bags -= {MANY}
        if bags:
            self.flush()
            where = self.book.where()
            if self.frozen is not None and where:
                self.frozen.learning(where[0][:2], self.parameters)
            self.book.write("train", of=sorted(bags), where=where)

    def _bags(self, tensors: list[Tensor]) -> frozenset[int]:
        out: frozenset[int] = frozenset()
        if self.bags:
            for t in tensors:
                b = self.bags.get(t.untyped_storage()._cdata)
                if b is not None:
                    out |= b[1]
        return out

    def _bag(self, t: Tensor, bag: frozenset[int]) -> None:
        storage = t.untyped_storage()
        self.bags[storage._cdata] = (_weak(t), bag)
        if len(self.bags) % 4096 == 0:
            self.bags = {k: v for k, v in self.bags.items() if not v[0].expired()}

    def picked(self, source: Tensor, key: Any, out: Any) -> None:
        """`x[…, t]` with a token as the index is what `x` says of that token: torch takes the index out of its tensor first."""
        if (
            not isinstance(out, Tensor)
            or out.numel() != 1
            or not source.is_floating_point()
            or isinstance(source, torch.nn.Parameter)
        ):
            return
        place = -1
        for k in key if isinstance(key, tuple) else (key,):
            if isinstance(k, Tensor) and not k.dim() and (s := self.shadows.get(k)) is not None:
                place = max(place, int(s))
        if place >= 0:
            own = self.shadows.get(out)
            self.shadows.put(out, torch.tensor(max(place, int(own.reshape(-1)[0]) if own is not None else -1)))

    def replaced(self, target: Tensor, key: Any, value: Any) -> int:
        """The place of one element that a plain number is written to: its own stays, if the number says nothing else."""
        if type(value) is Number:
            return value.place
        places = self.shadows.get(target)
        if places is None or not value or not target.is_floating_point():
            return -1
        old = places[key]
        return int(old) if old.numel() == 1 else -1

    def handed_out(self, t: Tensor) -> None:
        """The memory of whole numbers is handed out as an array: a file may be read into it."""
        if t.dtype in WHOLE and t.numel() > 64 and t.untyped_storage()._cdata not in self.shadows.of:
            if len(self.awaited) >= 16:
                del self.awaited[next(iter(self.awaited))]
            self.awaited[t.untyped_storage()._cdata] = (_weak(t), 4)
            self.patience = 2000

    def arrived(self, args: Any) -> None:
        """Look at memory that was handed out, when it is used again: validation tokens may stand there now."""
        self.patience -= 1
        if self.patience < 0:
            self.awaited.clear()
        for t in flat(args):
            if t.layout is not torch.strided:
                continue
            storage = t.untyped_storage()
            ref, tries = self.awaited.pop(storage._cdata, (None, 0))
            if ref is None or ref.expired():
                continue
            self.enter(torch.empty(0, dtype=t.dtype).set_(storage))  # type: ignore[call-overload]
            if tries > 1 and storage._cdata not in self.shadows.of:
                self.awaited[storage._cdata] = (ref, tries - 1)

    def enter(self, t: Tensor) -> None:
        """A tensor came in from outside: find the validation tokens in it."""
        if t.dtype.is_floating_point or t.dtype is torch.bool or t.numel() < 6 or t.is_complex():
            return
        if t.untyped_storage()._cdata in self.shadows.of:
            return
        ids = t.detach().reshape(-1).to("cpu", torch.int64).numpy()
        found = self.finder.find(ids)
        if (found >= 0).any():
            places = torch.from_numpy(found).reshape(t.shape)
            self.shadows.put(t, places)
            if self.reach is not None:
                self.reach.begin(t, places)


def _weak(t: Tensor) -> Any:
    from torch.multiprocessing.reductions import StorageWeakRef

    return StorageWeakRef(t.untyped_storage())
