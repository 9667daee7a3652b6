"""How a number was computed, as a term: what is divided by what, which row of which table, whose softmax.

Marks say where a value comes from; a term says what it is. Only what bears on a probability is kept: predictions,
tables that are read under tokens, and arithmetic on them. A value without a term may be anything.
`sights/mass.py` asks a term whether it is a distribution over the tokens.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from auditor.source.labels import Read
from auditor.source.values import Const, Data, Seq, Value, labels
from auditor.source.walk import Site, Walk
from rules.events import Split

LARGEST = 240  # parts of a term; what is longer is forgotten
BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}


class Term:
    """An operation and what it is applied to: other terms, numbers and names."""

    __slots__ = ("_hash", "args", "op", "size")

    def __init__(self, op: str, *args: object) -> None:
        self.op = op
        self.args = args
        self.size: int = 1 + sum(a.size for a in args if isinstance(a, Term))
        self._hash = hash((op, args))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Term) and self._hash == other._hash and self.op == other.op and self.args == other.args

    def __repr__(self) -> str:
        return f"{self.op}({', '.join(map(repr, self.args))})"

    @property
    def parts(self) -> tuple[Term, ...]:
        return tuple(a for a in self.args if isinstance(a, Term))


@dataclass
class Store:
    """An array or dict as a table: its rank as made, what it was filled with, and how it was written since."""

    rank: int | None
    fill: Term | None
    writes: set[str] = field(default_factory=set)
    version: int = 0
    reach: set[int] = field(default_factory=set)  # by how many keys it is read
    adds: list[tuple[tuple[object, ...], object]] = field(
        default_factory=list
    )  # under which keys what was added, and when


@dataclass(frozen=True)
class Check:
    """The term of some losses, to be looked at when the walk is over."""

    term: Term
    scores: int
    site: Site
    guards: tuple[str, ...]
    turns: tuple[tuple[int, int], ...]


def make(op: str, *args: object) -> Term | None:
    t = Term(op, *args)
    return t if t.size <= LARGEST else None


def number(value: float) -> Term:
    return Term("num", float(value))


def of(w: Walk, v: Value) -> Term | None:
    """What is known of how a value was computed."""
    if isinstance(v, Const):
        return number(v.v) if isinstance(v.v, (int, float)) else None
    if not isinstance(v, Data):
        return None
    if v.term is not None:
        return v.term if isinstance(v.term, Term) else None
    if v.tag == "tokens":
        return _token(w, v)
    return None


def _token(w: Walk, v: Data) -> Term | None:
    """Tokens by where they stand, as far as that is known."""
    found = {v.tok} if isinstance(v.tok, Read) else set(w.marks.reads(w.val_reads(labels(v))))
    heads = {(r.base, r.start) for r in found if r.split is Split.VALIDATION}
    if len(heads) != 1 or any(r.start is None for r in found):
        return None
    return Term("tok", *heads.pop())


def leaf(w: Walk, v: Value) -> Term:
    """The term of a value, or a number of which only the marks are known."""
    t = of(w, v)
    if t is not None:
        return t
    if isinstance(v, (Data, Const)):
        w.kept.append(v)
        return Term("any", id(v), labels(v))
    return Term("any", id(v), labels(v))


def known(w: Walk, *values: Value) -> bool:
    """Whether anything is known of one of several values beyond plain numbers."""
    return any(isinstance(v, Data) and of(w, v) is not None for v in values)


def table(w: Walk, t: Term) -> Store | None:
    """What is known of the array or dict that a term names."""
    key = t.args[0]
    return w.stores.get(key) if isinstance(key, int) else None


def put(v: Value, t: Term | None) -> None:
    if t is not None and isinstance(v, Data) and v.term is None:
        v.term = t


def has(t: Term, *ops: str) -> bool:
    return any(x.op in ops for x in parts_of(t))


def parts_of(t: Term) -> list[Term]:
    """A term and all it is made of, each once."""
    seen: dict[Term, None] = {}
    todo = [t]
    while todo:
        x = todo.pop()
        if x not in seen:
            seen[x] = None
            todo += x.parts
    return list(seen)


def plain(t: Term) -> Term:
    """A term without the extents that were put behind it."""
    while t.op == "col":
        (t,) = t.parts
    return t


def unbounded(t: Term) -> Term:
    """A token without the bounds that keep "none" from being a wrong place: `hint.clamp(min=0)` is the hint where there is one."""
    while t.op in ("max", "min") and len(t.parts) == 2 and t.parts[1].op == "num":
        t = t.parts[0]
    return t


def everything(p: Value) -> bool:
    if isinstance(p, Const):
        return p.v is None or p.v is Ellipsis
    if isinstance(p, Seq) and p.kind == "slice":
        return all(isinstance(i, Const) and i.v is None for i in p.items)
    return False


def key_of(w: Walk, p: Value) -> Term | None:
    """The term of a key that is made of tokens; None for places."""
    if isinstance(p, Seq) and p.kind == "tuple":
        inner = [key_of(w, i) for i in p.items]
        return make("tuple", *(k if k is not None else leaf(w, i) for k, i in zip(inner, p.items, strict=True)))
    if isinstance(p, Seq):
        return None
    t = of(w, p)
    if t is not None and has(t, "tok"):
        return unbounded(plain(t))
    if isinstance(p, Data) and w.val_reads(labels(p)) and p.tag not in ("condition", "mask", "hit", "subset", "better"):
        return plain(leaf(w, p))
    return None


def split(keys: tuple[Term, ...]) -> tuple[Term, ...]:
    """The keys of a table with the last token apart: `t[a, b]`, `t[a * n + b]` and `t[(a, b)]` are the same table."""
    if len(keys) == 1:
        if (pair := row_and_column(keys[0])) is not None:
            return pair
        if keys[0].op == "tuple" and len(keys[0].args) > 1 and keys[0].parts[-1].op == "tok":
            *before, last = keys[0].parts
            return (before[0] if len(before) == 1 else Term("tuple", *before), last)
    return keys


def row_and_column(key: Term) -> tuple[Term, Term] | None:
    if key.op != "+" or len(key.parts) != 2:
        return None
    for head, last in (key.parts, key.parts[::-1]):
        if head.op == "*" and last.op == "tok":
            by = [p for p in head.parts if p.op == "num" and isinstance(p.args[0], float) and p.args[0] > 1]
            row = [p for p in head.parts if p.op != "num"]
            if len(by) == 1 and len(row) == 1:
                return row[0], last
    return None
