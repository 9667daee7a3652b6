"""Arithmetic in a made-up world: on one number, on one for each token, and on those of several experts."""

from __future__ import annotations

import math
from collections.abc import Callable

from auditor.source.terms.term import Term, parts_of, plain
from auditor.source.terms.worlds import (
    FEW,
    Impossible,
    NotKnown,
    Num,
    World,
    class_of,
    one,
    past,
    pushed,
    tokens_in,
)

TINY = 1e-5


def _kind(a: Num, b: Num) -> str:
    kinds = {a.kind, b.kind}
    if len(kinds) == 1 and a.kind not in ("match", "spread"):
        return a.kind
    if "match" in kinds or "spread" in kinds:
        raise NotKnown
    if "vague" in kinds and kinds & {"row", "mixed"}:
        raise NotKnown
    if kinds >= {"row", "entry"}:
        return "mixed"
    for kind in ("mixed", "entry", "row", "vague"):
        if kind in kinds:
            return kind
    return "one"


def _spread_out(a: Num, b: Num) -> tuple[Num, Num]:
    """Both for each expert, where one of them is."""
    n = max(len(a.of), len(b.of)) // (FEW + 1)
    kind = next((x.kind for x in (a, b) if x.kind.endswith(" of experts")), "")
    if not kind:
        if "experts" in (a.kind, b.kind):
            if {a.kind, b.kind} <= {"experts", "one"}:
                size = max(len(x.of) for x in (a, b) if x.kind == "experts")
                first, second = (x if x.kind == "experts" else Num("experts", x.of[:1] * size) for x in (a, b))
                return first, second
            raise NotKnown
        return a, b
    out = []
    for x in (a, b):
        if x.kind == kind:
            out.append(x)
        elif x.kind == "experts":
            out.append(Num(kind, tuple(v for v in x.of for _ in range(FEW + 1))))
        elif x.kind == "one" or kind.startswith(f"{x.kind} "):
            out.append(Num(kind, x.of * n))
        else:
            raise NotKnown
    return out[0], out[1]


def _two(f: Callable[[float, float], float]) -> Callable[[World, Term], Num]:
    def work(world: World, t: Term) -> Num:
        a, b = _spread_out(*(world.work(p) for p in t.parts))
        return Num(_kind(a, b), tuple(f(x, y) for x, y in zip(a.of, b.of, strict=True)))

    return work


def _times(world: World, t: Term) -> Num:
    x, y = t.parts
    for weights, other in ((x, y), (y, x)):
        if other.op == "match":
            return Num("spread", pushed(world, ("match", t), weights))
    a, b = world.work(x), world.work(y)
    if a.kind == b.kind == "row" and not _shared(x, y):
        raise NotKnown  # one of them may be the shares of experts
    a, b = _spread_out(a, b)
    if "spread" in (a.kind, b.kind) and "one" in (a.kind, b.kind):
        return Num("spread", tuple(p * q for p, q in zip(a.of, b.of, strict=True)))
    return Num(_kind(a, b), tuple(p * q for p, q in zip(a.of, b.of, strict=True)))


def _most(world: World, t: Term) -> Num:
    """The larger of two; a tiny floor guards a logarithm and is no share of anything."""
    a, b = t.parts
    for x, floor in ((a, b), (b, a)):
        if floor.op == "num" and isinstance(floor.args[0], float) and 0 < floor.args[0] <= TINY:
            return world.work(x)
    return _two(max)(world, t)


def _shared(x: Term, y: Term) -> bool:
    """Whether two rows are known to have the same extent: neither, or both, are made of one prediction."""
    a, b = ({t for t in parts_of(p) if t.op == "dist"} for p in (x, y))
    return a == b or not a - b or not b - a


def _power(a: float, b: float) -> float:
    if a < 0 or (a == 0 and b < 0):
        raise Impossible
    return float(a**b)


def _log(v: float) -> float:
    if v <= 0:
        if v == 0:
            return -700.0
        raise Impossible
    return math.log(v)


def _one_of(f: Callable[[float], float]) -> Callable[[World, Term], Num]:
    def work(world: World, t: Term) -> Num:
        n = world.work(t.parts[0])
        if n.kind == "match":
            return n
        return Num(n.kind, tuple(f(v) for v in n.of))

    return work


def _col(world: World, t: Term) -> Num:
    n = world.work(t.parts[0])
    return Num("one", n.of) if n.kind == "vague" else n


def _equal(world: World, t: Term) -> Num:
    a, b = t.parts
    for x, y in ((a, b), (b, a)):
        if x in world.targets:
            if world.targets & tokens_in(y) or y.op == "num":
                raise NotKnown  # a fixed token, such as one that fills up a batch, may not count at all
            at = class_of(world, plain(y))
            hit = t.op == "=="
            return Num("entry", tuple(float((i == at) is hit) for i in range(FEW + 1)))
    if any(world.targets & tokens_in(p) for p in (a, b)):
        raise NotKnown
    return _two(lambda p, q: float((p == q) is (t.op == "==")))(world, t)


def _if(world: World, t: Term) -> Num:
    test, a, b = t.parts
    if test.op == "any":
        _, lab = test.args
        assert isinstance(lab, int)
        past(world, lab)
        world.asked.add(test)
        key = ("way", test)
        if key not in world.given:
            world.given[key] = one(float(world.state.random() < 0.5))
        return world.work(a if world.given[key].of[0] else b)
    asked = world.work(test)
    if asked.kind in ("one", "vague"):
        return world.work(a if asked.of[0] else b)
    x, y = world.work(a), world.work(b)
    kind = _kind(Num(asked.kind, ()), Num(_kind(x, y), ()))
    return Num(kind, tuple(p if c else q for c, p, q in zip(asked.of, x.of, y.of, strict=True)))


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, v))))


ARITHMETIC: dict[str, Callable[[World, Term], Num]] = {
    "col": _col,
    "if": _if,
    "==": _equal,
    "!=": _equal,
    "*": _times,
    "+": _two(lambda a, b: a + b),
    "-": _two(lambda a, b: a - b),
    "/": _two(lambda a, b: a / b),
    "**": _two(_power),
    "max": _most,
    "min": _two(min),
    ">": _two(lambda a, b: float(a > b)),
    ">=": _two(lambda a, b: float(a >= b)),
    "<": _two(lambda a, b: float(a < b)),
    "<=": _two(lambda a, b: float(a <= b)),
    "neg": _one_of(lambda v: -v),
    "exp": _one_of(lambda v: math.exp(min(v, 60.0))),
    "log": _one_of(_log),
    "log1p": _one_of(lambda v: _log(1 + v)),
    "expm1": _one_of(lambda v: math.expm1(min(v, 60.0))),
    "sigmoid": _one_of(_sigmoid),
    "tanh": _one_of(math.tanh),
    "sqrt": _one_of(lambda v: _power(v, 0.5)),
    "abs": _one_of(abs),
    "square": _one_of(lambda v: v * v),
}
