"""The values of a program that is followed without being run.

Numbers, strings and containers that are known are kept as they are (`Const`, `Seq`, `Dict`); what is
not known is `Data`, of which only the marks matter (see `labels.py`). Objects keep their identity, so that
two names of one tensor, dict or model stay two names of one thing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.source.terms.term import Term
    from auditor.source.walk import Walk


class Value:
    """Anything. `lab` holds the marks that the value carries by itself."""

    __slots__ = ("lab",)
    lab: int


class Const(Value):
    """A known number, string, bytes, None, bool or tuple of such."""

    __slots__ = ("v",)

    def __init__(self, v: Any, lab: int = 0) -> None:
        self.v = v
        self.lab = lab

    def __repr__(self) -> str:
        return f"Const({self.v!r})"


NONE = Const(None)
NAME = "parameter name"  # the tag of the names that a model gives its parameters


class Data(Value):
    """A tensor, an array, or a number or text that is not known.

    `base` is the value that this one is a view of: writing to either writes to both. `tag` says what kind of
    quantity it is ("logits", "nll", "probability", "entropy", "hash", …), lost in most arithmetic. `tok` is the range of
    tokens it holds, if it is a run of tokens as read. `sym` and `off` describe an unknown whole number as symbol plus offset.
    `text` is the known part of a string. `holder` is set on trainable parameters. `pure` says that it was read out of a table
    or a row and not changed since, see `sights/answers.py`.
    """

    __slots__ = (
        "base",
        "born",
        "holder",
        "off",
        "parts",
        "pure",
        "shape",
        "site",
        "snapshot",
        "sym",
        "tag",
        "term",
        "text",
        "tok",
    )

    def __init__(
        self,
        lab: int = 0,
        base: Data | None = None,
        tag: str = "",
        tok: Any = None,
        holder: Holder | None = None,
        text: str = "",
    ) -> None:
        self.lab = lab
        self.base = base
        self.tag = tag
        self.tok = tok
        self.holder = holder
        self.text = text
        self.sym = 0
        self.off = 0
        self.site: Any = None
        self.born: tuple[tuple[int, int], ...] = ()
        self.shape: tuple[int | None, ...] | None = None
        self.snapshot: Holder | None = None
        self.parts: frozenset[str] = frozenset()
        self.term: Term | bool | None = None  # see `terms/`; False when it is not known any more
        self.pure = ""

    @property
    def root(self) -> Data:
        d = self
        while d.base is not None:
            d = d.base
        return d

    def __repr__(self) -> str:
        return f"Data({self.tag} {self.text[:20]!r} lab={self.lab:b})"


class Item(Data):
    """One of the losses of a run of tokens, before the turn of the loop that takes it is known."""

    __slots__ = ()


class Holder:
    """The trainable parameters of one model, adapter or single tensor, seen as one thing.

    `lab` holds the marks of what its numbers have learned, `grad` those of the gradient at hand.
    """

    __slots__ = (
        "adapted",
        "bit",
        "born",
        "grad",
        "grad_sites",
        "lab",
        "name",
        "number",
        "shared",
        "site",
        "trained",
    )

    def __init__(self, number: int, site: Any, born: tuple[tuple[int, int], ...], name: str) -> None:
        self.number = number
        self.site = site
        self.born = born
        self.name = name
        self.lab = 0
        self.grad = 0
        self.grad_sites: list[Any] = []
        self.bit = 0
        self.trained = False  # on training tokens
        self.adapted = False  # made for the evaluation
        self.shared = False


class Seq(Value):
    """A list, tuple, set, queue or list of modules. `more` when it holds more items than are listed.

    `base` is the list that this one is another name of, with further marks. `loose` when the place of
    an item is not known: numbers in it stand for others of their kind. `led` when the first is in its place all the same.
    """

    __slots__ = (
        "_more",
        "again",
        "base",
        "born",
        "items",
        "kind",
        "led",
        "length",
        "loose",
        "pieces",
        "quiet",
        "share",
        "site",
    )

    def __init__(self, items: list[Value], kind: str = "list", more: bool = False, lab: int = 0) -> None:
        self.items = items
        self.kind = kind
        self._more = more
        self.loose = False
        self.led = False
        self.base: Seq | None = None
        self.lab = lab
        self.length: int | None = None
        self.site: Any = None
        self.born: tuple[tuple[int, int], ...] = ()
        self.again: Callable[[], Value] | None = None  # walks the generator that these came out of once more
        self.share = 1.0  # how much of a longer list this is
        self.quiet = False  # a generator that yields where gradients are off
        self.pieces: tuple[Data, tuple[Value, ...]] | None = None  # all pieces of this tensor, in order

    @property
    def more(self) -> bool:
        return self._more or (self.base is not None and self.base.more)

    @more.setter
    def more(self, value: bool) -> None:
        s = self
        while s.base is not None:
            s = s.base
        s._more = value

    @property
    def of(self) -> Data | None:
        """The tensor that these are all pieces of, if nothing was put in or taken out since."""
        if self.pieces is None or len(self.items) != len(self.pieces[1]):
            return None
        return self.pieces[0] if all(a is b for a, b in zip(self.items, self.pieces[1], strict=True)) else None

    @property
    def inexact(self) -> bool:
        return self.loose or (self.base is not None and self.base.inexact)


class Dict(Value):
    """A dict. `rest` joins the values under keys that are not known.

    `named` is set when every parameter of a model has an entry under its name: the branch in which they were written.
    """

    __slots__ = ("born", "default", "items", "key_lab", "named", "rest", "site")

    def __init__(self, items: dict[Any, Value] | None = None, rest: Value | None = None, lab: int = 0) -> None:
        self.items: dict[Any, Value] = items if items is not None else {}
        self.rest = rest
        self.lab = lab
        self.key_lab = 0
        self.named: frozenset[str] | None = None
        self.default: Value | None = None
        self.site: Any = None
        self.born: tuple[tuple[int, int], ...] = ()


class View(Dict):
    """Another name of a dict, with the marks of how it was found: what is put into it is in the dict itself."""

    __slots__ = ("base",)

    def __init__(self, base: Dict, lab: int) -> None:
        self.base = base
        self.lab = base.lab | lab

    def __getattribute__(self, name: str) -> Any:
        if name in _SHARED:
            return getattr(self.base, name)
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _SHARED:
            setattr(self.base, name, value)
        else:
            super().__setattr__(name, value)


_SHARED = frozenset(slot for slot in Dict.__slots__)


class Alt(Value):
    """One of several values, nobody knows which."""

    __slots__ = ("values",)

    def __init__(self, values: list[Value]) -> None:
        self.values = values
        self.lab = 0


class Frame:
    """Names while a function runs. `parent` is where it was defined, `top` the module."""

    __slots__ = ("chain", "func", "global_names", "is_class", "locals", "parent", "quiet", "returns", "top", "yields")

    def __init__(self, top: ModuleValue, parent: Frame | None = None, func: Func | None = None) -> None:
        self.locals: dict[str, Value] = {}
        self.parent = parent
        self.top = top
        self.func = func
        self.returns: list[Value] = []
        self.yields: list[Value] | None = None
        self.quiet = 0  # how many contexts without gradients were entered at a yield
        self.global_names: set[str] = set()
        self.is_class = False
        self.chain: tuple[Any, ...] = ()


class ModuleValue(Value):
    """A module of the submission: the entry script or a file beside it."""

    __slots__ = ("frame", "name", "path", "tree")

    def __init__(self, name: str, path: str, tree: ast.Module | None) -> None:
        self.name = name
        self.path = path
        self.tree = tree
        self.lab = 0
        self.frame = Frame(self)


class Func(Value):
    """A function of the submission, with the frame it was defined in."""

    __slots__ = ("defaults", "frame", "generator", "kw_defaults", "name", "node", "top", "wrapped")

    def __init__(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, frame: Frame, name: str) -> None:
        self.node = node
        self.frame = frame
        self.top = frame.top
        self.name = name
        self.defaults: list[Value] = []
        self.kw_defaults: dict[str, Value] = {}
        self.lab = 0
        self.generator = False
        self.wrapped = ""


class Bound(Value):
    """A method together with its object."""

    __slots__ = ("func", "owner")

    def __init__(self, func: Value, owner: Value) -> None:
        self.func = func
        self.owner = owner
        self.lab = 0


class Cls(Value):
    """A class of the submission. `bases` are classes of the submission or of libraries."""

    __slots__ = ("attrs", "bases", "fields", "meta", "name", "node", "top")

    def __init__(self, name: str, bases: list[Value], node: ast.ClassDef, top: ModuleValue) -> None:
        self.name = name
        self.bases = bases
        self.attrs: dict[str, Value] = {}
        self.node = node
        self.top = top
        self.lab = 0
        self.meta: Cls | None = None
        self.fields: list[tuple[str, Value | None]] | None = None  # of a dataclass or named tuple

    def mro(self) -> list[Cls]:
        out: list[Cls] = [self]
        for b in self.bases:
            if isinstance(b, Cls):
                out += [c for c in b.mro() if c not in out]
        return out

    def library_bases(self) -> list[str]:
        return [b.path for c in self.mro() for b in c.bases if isinstance(b, Lib)]


class Inst(Value):
    """An object of a class of the submission."""

    __slots__ = ("attrs", "born", "cls", "holder", "hooks", "is_module", "is_optimizer", "number", "site")

    def __init__(self, cls: Cls, number: int) -> None:
        self.cls = cls
        self.attrs: dict[str, Value] = {}
        self.lab = 0
        self.number = number
        self.holder: Holder | None = None
        self.hooks: list[Value] = []
        self.site: Any = None
        self.born: tuple[tuple[int, int], ...] = ()
        self.is_module = False
        self.is_optimizer = False


class Lib(Value):
    """A module, class or function of a library, by its dotted name."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path
        self.lab = 0

    def __repr__(self) -> str:
        return f"Lib({self.path})"


class LibObj(Value):
    """An object that a library made: a layer, an optimiser, a file, a path."""

    __slots__ = ("attrs", "holder", "holders", "hooks", "path")

    def __init__(self, path: str, lab: int = 0) -> None:
        self.path = path
        self.lab = lab
        self.attrs: dict[str, Value] = {}
        self.holder: Holder | None = None
        self.holders = 0  # PARAMETER marks of what an optimiser steps
        self.hooks: list[Value] = []


class Method(Value):
    """A method of a value that a library made, by name."""

    __slots__ = ("name", "owner")

    def __init__(self, owner: Value, name: str) -> None:
        self.owner = owner
        self.name = name
        self.lab = 0


Args = list[Value]
Kw = dict[str, Value]


class Native(Value):
    """A callable that the analyser itself provides."""

    __slots__ = ("call", "name")

    def __init__(self, call: Callable[[Walk, Args, Kw, ast.AST], Value], name: str) -> None:
        self.call = call
        self.name = name
        self.lab = 0


@dataclass(slots=True)
class Tok:
    """A run of tokens: the number of its read mark, and where it lies."""

    read: Any
    marks: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


def labels(v: Value, depth: int = 0, seen: dict[int, int] | None = None) -> int:
    """All marks of a value and of what it holds.

    `seen` says at which depth a container was looked into already: one that holds itself many times
    over is looked into once.
    """
    kind = type(v)
    if kind is Const:
        return v.lab
    if kind is Data:
        lab = 0
        d: Any = v
        while d is not None:
            lab |= d.lab
            holder = d.holder
            if holder is not None:
                lab |= holder.bit | holder.lab
            d = d.base
        return lab
    if depth > 6:
        return v.lab
    if seen is None:
        seen = {}
    elif seen.get(id(v), 99) <= depth:
        return 0
    seen[id(v)] = depth
    if isinstance(v, Seq):
        lab = v.lab
        for i in v.items:
            lab |= labels(i, depth + 1, seen)
        return lab
    if isinstance(v, Dict):
        lab = v.lab | v.key_lab
        for i in v.items.values():
            lab |= labels(i, depth + 1, seen)
        if v.rest is not None:
            lab |= labels(v.rest, depth + 1, seen)
        return lab
    if isinstance(v, Alt):
        lab = v.lab
        for i in v.values:
            lab |= labels(i, depth + 1, seen)
        return lab
    if isinstance(v, Inst):
        lab = v.lab
        if v.holder is not None:
            return lab | v.holder.bit | v.holder.lab
        if depth < 3:
            for i in v.attrs.values():
                lab |= labels(i, depth + 2, seen)
        return lab
    if isinstance(v, LibObj):
        lab = v.lab
        if v.holder is not None:
            lab |= v.holder.bit | v.holder.lab
        if depth < 3:
            for i in v.attrs.values():
                lab |= labels(i, depth + 2, seen)
        return lab
    if isinstance(v, (Bound, Method)):
        return labels(v.owner, depth + 1, seen)
    return v.lab


def all_labels(args: Args, kw: Kw) -> int:
    """All marks of the arguments of a call."""
    lab = 0
    for a in args:
        lab |= labels(a)
    for a in kw.values():
        lab |= labels(a)
    return lab


def join(a: Value | None, b: Value | None) -> Value:
    """One value that stands for either."""
    if a is None:
        return b if b is not None else NONE
    if b is None or a is b:
        return a
    if isinstance(a, Const) and isinstance(b, Const) and type(a.v) is type(b.v) and a.v == b.v:
        return a if a.lab | b.lab == a.lab else Const(a.v, a.lab | b.lab)
    if isinstance(a, _FLAT) and isinstance(b, _FLAT):
        return _either(a, b)
    both = [*(a.values if isinstance(a, Alt) else [a]), *(b.values if isinstance(b, Alt) else [b])]
    kept: list[Value] = []
    for v in both:
        if not any(v is k or (isinstance(v, Const) and isinstance(k, Const) and v.v is k.v) for k in kept):
            kept.append(v)
    if len(kept) == 1:
        return kept[0]
    if len(kept) > 4 or all(isinstance(k, Const) for k in kept) or all(_plain(k) for k in kept):
        lab = 0
        for k in kept:
            lab |= labels(k)
        tag = next((k.tag for k in kept if isinstance(k, Data) and k.tag), "")
        if all(isinstance(k, (Const, Data)) for k in kept):
            d = Data(lab, tag=tag)
            origins = {copied_from(k) for k in kept}
            d.snapshot = origins.pop() if len(origins) == 1 else None
            return d
        solid = [k for k in kept if not isinstance(k, Const)]
        return Alt(solid[:4]) if len(solid) > 1 else solid[0]
    return Alt(kept)


_FLAT = (Const, Data)


def _either(a: Value, b: Value) -> Value:
    """`join` for two values of which neither holds others, by far the most common."""
    if isinstance(a, Const) and isinstance(b, Const):
        if a.v is b.v:
            return a
    elif isinstance(a, Data) and isinstance(b, Data) and (h := a.root.holder) is not None and h is b.root.holder:
        return a if labels(a) == labels(b) else Data(labels(a) | labels(b), base=a, tag=a.tag)
    elif not (_plain(a) and _plain(b)):
        return Alt([a, b])
    tag = next((k.tag for k in (a, b) if isinstance(k, Data) and k.tag), "")
    d = Data(labels(a) | labels(b), tag=tag)
    origin = copied_from(a)
    d.snapshot = origin if origin is copied_from(b) else None
    return d


def copied_from(v: Value) -> Holder | None:
    """The parameters that a value is a copy of, if it is one."""
    d: Data | None = v if isinstance(v, Data) else None
    while d is not None:
        if d.snapshot is not None:
            return d.snapshot
        d = d.base
    return None


def _plain(v: Value) -> bool:
    """Whether nothing is lost when the value is replaced by its marks."""
    return (isinstance(v, Const) and v.v is not None) or (isinstance(v, Data) and v.holder is None and v.tok is None)
