"""Watches every operation and writes down what happens to validation tokens: SCORE, TRAIN, UPDATE, TABLE."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode, _pop_mode_temporarily

from .book import Book
from .floats import Number
from .positions import Finder
from .shadows import Shadows, flat, known

MANY = 0  # in place of the numbers of scores that are written down together
NOWHERE = torch.iinfo(torch.int64).max

# Operations that move elements and do not change them: their shadow is the same operation on the shadows.
MOVES = {
    "clone", "_to_copy", "cat", "stack", "gather", "index", "index_select", "take", "constant_pad_nd", "roll", "flip",
    "repeat", "masked_select", "contiguous", "tril", "triu", "lift_fresh_copy", "repeat_interleave", "_reshape_copy",
    "unfold_copy", "slice_scatter", "select_scatter", "where", "masked_fill", "rot90", "view_copy", "expand_copy",
}  # fmt: skip
# Operations whose result, element by element, is about the same tokens as their arguments.
REDUCTIONS = {"sum", "mean", "dot", "mv", "mm", "bmm", "addmm", "cumsum", "max", "min", "amax", "amin", "std", "var", "nansum", "nanmean", "norm", "linalg_vector_norm", "prod", "median", "logsumexp", "_softmax", "_log_softmax", "all", "any"}  # fmt: skip
IGNORED = {
    "embedding",
    "one_hot",
    "equal",
    "is_same_size",
    "unique_consecutive",
    "_unique2",
    "sort",
    "topk",
    "argsort",
    "bincount",
    "histc",
}
SCATTERS = {
    "scatter_add_",
    "scatter_add",
    "index_add_",
    "index_add",
    "index_put_",
    "_index_put_impl_",
    "scatter_",
    "put_",
    "scatter_reduce_",
    "index_copy_",
    "index_fill_",
}


class Tracer(TorchDispatchMode):
    def __init__(self, book: Book, finder: Finder) -> None:
        super().__init__()
        self.book, self.finder = book, finder
        self.shadows = Shadows()
        self.bags: dict[int, tuple[Any, frozenset[int]]] = {}
        self.parameters: dict[int, Any] = {}
        self.version = 0
        self.pending: tuple[str, list[Any]] | None = None
        self.kinds: dict[int, tuple[str, str, Any]] = {}
        self.backwards = 0
        self.called_back = False  # code of the program runs while gradients are made: hooks, operations of its own
        self.opened: set[str] = set()  # operators of the script's own that are watched inside

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here: no operation need be kept from the compiler, which would cost its import, too."""
        return False

    @contextlib.contextmanager
    def differentiating(self) -> Iterator[None]:
        """Gradients are made: what is put together there are no scores.

        Where no code of the program can run meanwhile, nobody can write to parameters either: nothing is watched.
        """
        self.backwards += 1
        try:
            if self.called_back or _get_current_dispatch_mode() is not self:
                yield
            else:
                with _pop_mode_temporarily():
                    yield
        finally:
            self.backwards -= 1

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
        before = self._before(what, name, args, kwargs, tensors)
        out = func(*args, **kwargs)
        if not self.backwards and func._schema.name not in self.opened:
            self._after(what, name, func, args, kwargs, tensors, out, before)
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
            if key in self.shadows.of or key in self.bags:
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

    def _before(self, what: str, name: str, args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
        if what != "mutation":
            return None
        if self.pending is None and any(self._weight(t) for t in flat(args[:1])):
            self.pending = (name, self.book.where())
        return None

    def _weight(self, t: Tensor) -> bool:
        """Whether a tensor is a parameter, or one that gradients are made for, which optimizers take as well."""
        return t.untyped_storage()._cdata in self.parameters or (t.requires_grad and t.is_leaf)

    # -- kernels, which work on whole tensors at once

    def concerned(self, tensors: Sequence[Tensor]) -> bool:
        """Whether any of these is about tokens: only then is what a kernel does with them looked at, step by step."""
        if self.backwards:
            return False
        return bool(self._bags(list(tensors))) or any(t.untyped_storage()._cdata in self.shadows.of for t in tensors)

    def wrote(self, tensor: Tensor) -> None:
        if tensor.untyped_storage()._cdata in self.parameters and self.pending is None:
            self.pending = ("kernel", self.book.where())

    # -- after

    def _after(
        self, what: str, name: str, func: Any, args: Any, kwargs: Any, tensors: list[Tensor], out: Any, before: Any
    ) -> None:
        if what == "mutation":
            self._mutated(name, args, kwargs, tensors)
            return
        shadows = [self.shadows.get(t) for t in tensors] if self.shadows.of else []
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
        by_storage = {id(t): s for t, s in zip(tensors, shadows, strict=True)}
        if name in ("gather", "index", "take", "index_select"):
            self._indexed(name, func, args, kwargs, out, by_storage)
        elif name in MOVES:
            self._moved(name, func, args, kwargs, out, by_storage)
        elif name in REDUCTIONS:
            self._reduced(name, args, kwargs, tensors, shadows, out)
        elif (
            name in ("add", "sub")
            and len(tensors) == 2
            and self._totalled(name, tensors[0], tensors[1:], shadows[0], shadows[1:], out)
        ):
            return
        elif out.numel():
            self._elementwise(name, tensors, shadows, out)

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
        if reduction == 0:
            self.shadows.put(losses, places.reshape(losses.shape))
            return
        safe = torch.where(target == ignored, 0, target)
        each = -logits.detach().gather(logits.dim() - 1, safe.unsqueeze(-1)).squeeze(-1)
        self._bag(
            losses, frozenset({self._score(each, places, logits.requires_grad, "sum" if reduction == 2 else "mean")})
        )

    def _indexed(self, name: str, func: Any, args: Any, kwargs: Any, out: Tensor, by: dict[int, Tensor | None]) -> None:
        source = args[0]
        own = by.get(id(source))
        if name == "gather":
            index_places = by.get(id(args[2]))
            moved = own.gather(args[1], args[2]) if own is not None else None
        elif name == "take":
            index_places = by.get(id(args[1]))
            moved = own.take(args[1]) if own is not None else None
        elif name == "index_select":
            index_places = by.get(id(args[2]))
            moved = own.index_select(args[1], args[2]) if own is not None else None
            if index_places is not None and source.dim() != 1:
                index_places = None
        else:
            indices = [i for i in args[1] if i is not None]
            moved = func(own, args[1]) if own is not None else None
            index_places = None
            whole = all(i is not None for i in args[1]) and len(args[1]) == source.dim()
            if whole and not any(i.dtype is torch.bool for i in indices):
                for i in indices:
                    s = by.get(id(i))
                    if s is not None:
                        index_places = (
                            s if index_places is None else torch.maximum(*torch.broadcast_tensors(index_places, s))
                        )
        if index_places is not None:
            index_places = index_places.expand(out.shape) if index_places.shape != out.shape else index_places
            moved = index_places if moved is None else torch.maximum(moved, index_places)
        if moved is not None:
            self.shadows.put(out, moved)

    def _moved(self, name: str, func: Any, args: Any, kwargs: Any, out: Tensor, by: dict[int, Tensor | None]) -> None:
        def shade(x: Any, top: bool = True) -> Any:
            if isinstance(x, Tensor):
                s = by.get(id(x))
                return s if s is not None else torch.full(x.shape, -1, dtype=torch.int64)
            if isinstance(x, (list, tuple)):
                return [shade(y) for y in x]
            return x

        if name == "where":
            if len(args) < 3:
                return
            a, b = (shade(x) if isinstance(x, Tensor) else torch.tensor(-1) for x in args[1:3])
            places, picked = torch.where(args[0], a, b), _one_of_each(args[0], by.get(id(args[0])))
            if picked is not None:
                places = torch.where(args[0] & (places < 0), picked, places)
            self.shadows.put(out, places)
        elif name == "masked_fill":
            self.shadows.put(out, shade(args[0]).masked_fill(args[1], -1))
        elif name == "constant_pad_nd":
            self.shadows.put(out, func(shade(args[0]), args[1], -1))
        elif name in ("_to_copy", "clone", "contiguous", "lift_fresh_copy"):
            self.shadows.put(out, shade(args[0]))
        elif name == "repeat_interleave" and not isinstance(args[0], Tensor):
            return
        else:
            self.shadows.put(out, func(shade(args[0]), *args[1:], **{k: v for k, v in kwargs.items() if k == "dim"}))

    def _elementwise(self, name: str, tensors: list[Tensor], shadows: list[Tensor | None], out: Tensor) -> None:
        found: Tensor | None = None
        for s in shadows:
            if s is None:
                continue
            try:
                s = s.expand(out.shape)
            except RuntimeError:
                return
            found = s if found is None else torch.maximum(found, s)
        if found is None:
            return
        if name == "mul" and len(tensors) == 2:
            for t, s in zip(tensors, shadows, strict=True):
                if s is None and t.numel() > 1:
                    found = torch.where((t == 0).expand(out.shape), -1, found)
        self.shadows.put(out, found)

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
        apart = name not in ("cumsum", "_softmax", "_log_softmax")
        if source.numel() == out.numel() and apart:  # nothing was put together
            self.shadows.put(out, places.reshape(out.shape))
            return
        dims = _dims(name, args, kwargs, source.dim())
        if dims is not None and dims and out.numel():
            low, high = torch.where(places < 0, NOWHERE, places), places  # what is about no token counts for neither
            for d in sorted(dims, reverse=True):
                low, high = low.amin(d, keepdim=True), high.amax(d, keepdim=True)
            if bool(((low == high) | (high < 0)).all()):  # experts on the same token: still one value a token
                high = high.reshape(out.shape) if high.numel() == out.numel() else high.expand(source.shape)
                if high.shape == out.shape:
                    self.shadows.put(out, high)
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
            self.one(float(value), int(places.reshape(-1)[0]), "item")
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
        shadows = [self.shadows.get(t) for t in others] if self.shadows.of else []
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
            found = own
            for s in shadows:
                if s is not None:
                    try:
                        s = s.expand(target.shape)
                    except RuntimeError:
                        return
                    found = s if found is None else torch.maximum(found, s)
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
            ground = own if own is not None else torch.full(target.shape, -1, dtype=torch.int64)
            ground = ground.clone().index_put_(args[1], values if values is not None else torch.tensor(-1))
            self.shadows.put(target, ground)
        mine = [s for s in places if known(s)]
        if mine and target.numel() > 1:
            every = torch.cat([s.reshape(-1) for s in mine if s is not None])
            self.version += 1
            self.book.write("table", {"positions": every[every >= 0].unique().numpy().astype(np.int32)}, name=name,
                            version=self.version, size=target.numel(), where=self.book.where())  # fmt: skip

    # -- what is written down

    def _score(self, values: Tensor, places: Tensor, grad: bool, how: str) -> int:
        self.flush()
        keep = places.reshape(-1) >= 0
        whole = bool(keep.all())
        v = values.reshape(-1) if values.shape == places.shape else values.expand(places.shape).reshape(-1)
        p = places.reshape(-1)
        if not whole:
            v, p = v[keep], p[keep]
        return self.book.write(
            "score",
            {"positions": p.numpy().astype(np.int32), "values": v.double().numpy()},
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

    def flush(self) -> None:
        """An update is written down when something is scored or trained on after it."""
        if self.pending is not None:
            name, where = self.pending
            self.pending = None
            self.version += 1
            self.book.write("update", name=name, version=self.version, where=where)

    def backward(self, t: Tensor) -> None:
        bags = self._bags([t])
        places = self.shadows.get(t)
        if places is not None and known(places):
            bags |= {self._score(t.detach(), places, True, "backward")}
        bags -= {MANY}
        if bags:
            self.flush()
            self.book.write("train", of=sorted(bags), where=self.book.where())

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

    def enter(self, t: Tensor) -> None:
        """A tensor came in from outside: find the validation tokens in it."""
        if t.dtype.is_floating_point or t.dtype is torch.bool or t.numel() < 6 or t.is_complex():
            return
        if t.untyped_storage()._cdata in self.shadows.of:
            return
        ids = t.detach().reshape(-1).to(torch.int64).numpy()
        found = self.finder.find(ids)
        if (found >= 0).any():
            self.shadows.put(t, torch.from_numpy(found).reshape(t.shape))


def _weak(t: Tensor) -> Any:
    from torch.multiprocessing.reductions import StorageWeakRef

    return StorageWeakRef(t.untyped_storage())


def _one_of_each(mask: Tensor, places: Tensor | None) -> Tensor | None:
    """The places of a mask that picks one entry of each row, because it is the token's: by comparing, not by index."""
    if not known(places) or mask.dim() < 2 or mask.shape[-1] < 2 or mask.dtype is not torch.bool:
        return None
    assert places is not None
    if not bool((places == places[..., :1]).all()) or bool((mask.sum(-1) > 1).any()):
        return None
    return places


def classify(func: Any) -> tuple[str, str]:
    """("composite" | "view" | "mutation" | "plain", name)."""
    schema = func._schema
    name = schema.name.split("::")[1]
    if not func._schema.name.startswith("aten::"):
        return "plain", name
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd") and name not in (
        "item",
    ):
        return "composite", name
    if schema.is_mutable:
        return "mutation", name
    if any(r.alias_info is not None for r in schema.returns):
        return "view", name
    return "plain", name


def _dims(name: str, args: Any, kwargs: Any, n: int) -> list[int] | None:
    if name in ("dot", "mv", "mm", "bmm", "addmm"):
        return None
    d = args[1] if len(args) > 1 else kwargs.get("dim")
    if d is None or (isinstance(d, (list, tuple)) and not d):
        return None
    if isinstance(d, bool) or not isinstance(d, (int, list, tuple)):
        return None
    return [x % n for x in ([d] if isinstance(d, int) else d)] if n else None
