"""Made-up tables and predictions, in which a term is worked out for each token that could have come.

A row of a table is some counts, a softmax some shares, and a number of which nothing is known is tried as many.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from auditor.source.labels import Mark, Read
from auditor.source.sights.keys import before
from auditor.source.terms.term import Store, Term, has, parts_of, plain, table
from auditor.source.walk import Walk

FEW = 6  # tokens that are told apart; all others share one number


class NotKnown(Exception):
    """Something in the term cannot be worked out."""


class Impossible(Exception):
    """A made-up state that cannot be: a division by zero, the logarithm of nothing."""


@dataclass(frozen=True)
class Num:
    """A number for each token (`entry`, or `row` before one is picked), or one for all. `vague`: may be a row itself."""

    kind: str  # also "mixed", a row that knows the token, "match", "spread", and the same for each of some experts
    of: tuple[float, ...]


@dataclass
class World:
    """One made-up state of tables and predictions, and one guess at what is not known."""

    w: Walk
    size: int
    targets: frozenset[Term]
    turns: tuple[tuple[int, int], ...]
    scored: tuple[Read, ...]  # the same as runs of tokens
    rules: dict[str, Callable[[World, Term], Num]]
    state: random.Random
    guess: random.Random
    given: dict[object, Num] = field(default_factory=dict)  # of the state
    guessed: dict[object, Num] = field(default_factory=dict)
    done: dict[Term, Num] = field(default_factory=dict)
    scale: int = 0
    level: int = 0
    loose: bool = False
    asked: set[object] = field(default_factory=set)
    cells: tuple[Term, ...] = ()  # what is read from tables
    dists: tuple[Term, ...] = ()  # predictions
    experts: int = 8  # how many predictions are mixed

    @property
    def times(self) -> tuple[int, ...]:
        return (*(1 for _ in range(FEW)), max(1, self.size - FEW))

    def work(self, t: Term) -> Num:
        """A term worked out in this world."""
        if t not in self.done:
            rule = self.rules.get(t.op)
            if rule is None:
                raise NotKnown
            self.done[t] = rule(self, t)
        return self.done[t]

    def total(self, n: Num) -> float:
        return sum(v * k for v, k in zip(n.of, self.times, strict=True))


def one(v: float) -> Num:
    return Num("one", (v,) * (FEW + 1))


# Leaves.


def _num(world: World, t: Term) -> Num:
    (v,) = t.args
    assert isinstance(v, float)
    return one(v)


def _guess(world: World, key: object, kind: str = "vague") -> Num:
    """A number of which nothing is known."""
    if key not in world.guessed:
        steps = (1.0, 0.01, 0.3, 0.5, 0.9, 0.99, 0.0, 2.0, 20.0, 1e4, 1e9)
        v = steps[world.level % len(steps)] if not world.guessed else world.guess.choice(steps)
        world.guessed[key] = one(v)
    return Num(kind, world.guessed[key].of)


def _any(world: World, t: Term) -> Num:
    key, lab = t.args
    assert isinstance(lab, int)
    past(world, lab)
    return _guess(world, key)


def past(world: World, lab: object) -> None:
    """Nothing can be said where a value may know the token itself."""
    assert isinstance(lab, int)
    w = world.w
    now = [w.scores[n] for n in w.marks.numbers(lab, Mark.SCORE)]
    if any(s.turns == world.turns[: len(s.turns)] for s in now) or lab & w.marks.mask[Mark.LEAK]:
        raise NotKnown
    if not all(_behind(world, r) for r in w.marks.reads(w.val_reads(lab))):
        raise NotKnown


def _behind(world: World, r: Read) -> bool:
    """Whether tokens are known to stand before the scored ones, or to be those of an earlier turn."""
    now = dict(world.turns)
    if any(loop in now and now[loop] != k for loop, k in r.turns):
        return True
    return r.stop is not None and any(t.base == r.base and before(r, t) for t in world.scored)


def _single(world: World, t: Term) -> Num:
    """One number of a small vector: where it is learned from losses, they may make it anything."""
    key, lab = t.args
    assert isinstance(lab, int)
    w = world.w
    past(world, lab)
    if not any(h.adapted and h.lab & w.marks.mask[Mark.UPDATE] for h in w.marks.holders(lab)):
        return _guess(world, key, "one")
    if ("learned", key) not in world.given:
        world.given["learned", key] = one(world.state.choice((0.0, 0.1, 0.4, 0.7, 1.0)))
    world.loose = True
    return world.given["learned", key]


def _shares(world: World, t: Term) -> Num:
    """Weights of experts that sum to 1."""
    if ("shares", t) not in world.given:
        raw = [world.state.random() + 1e-3 for _ in range(world.experts)]
        world.given["shares", t] = Num("experts", tuple(v / sum(raw) for v in raw))
    return world.given["shares", t]


def _share(world: World, t: Term) -> Num:
    k = t.args[1]
    assert isinstance(k, int)
    of = _shares(world, t.parts[0]).of
    if not -len(of) <= k < len(of):
        raise NotKnown
    return one(of[k])


def _stack(world: World, t: Term) -> Num:
    found = [world.work(p) for p in t.parts]
    if any(n.kind not in ("entry", "row", "one") for n in found) or len({n.kind for n in found} - {"one"}) > 1:
        raise NotKnown
    kind = next((n.kind for n in found if n.kind != "one"), "one")
    return Num(f"{kind} of experts", tuple(v for n in found for v in n.of))


def _fold(world: World, t: Term) -> Num:
    n = world.work(t.parts[0])
    if not n.kind.endswith(" of experts"):
        raise NotKnown
    step = FEW + 1
    return Num(n.kind.removesuffix(" of experts"), tuple(sum(n.of[i::step]) for i in range(step)))


def _source(world: World, t: Term) -> object:
    """Which model made a prediction of which tokens, as far as the marks tell; None where it is more than logits."""
    if not t.parts or t.parts[0].op != "any":
        return None
    m, lab = world.w.marks, t.parts[0].args[1]
    assert isinstance(lab, int)
    heads = frozenset((r.base, r.start) for r in m.reads(world.w.val_reads(lab)))
    return (m.only(lab, Mark.PARAMETER), heads)


def _dist(world: World, t: Term) -> Num:
    key: object = t
    source = _source(world, t)
    if source is not None and any(d != t and _source(world, d) == source for d in world.dists):
        world.guessed.setdefault("twins", one(0.0))  # a model that is asked twice may say the same
        key = source if world.level % 2 else t
    if key not in world.given:
        sharp = (1.0, 0.3, 4.0)[world.scale % 3]
        raw = [world.state.random() ** (1 / sharp) + 1e-6 for _ in range(FEW)]
        rest = (0.02, 0.3, 0.9)[(world.scale // 3) % 3] * sum(raw)
        raw.append(rest / world.times[-1])
        whole = sum(v * k for v, k in zip(raw, world.times, strict=True))
        world.given[key] = Num("row", tuple(v / whole for v in raw))
    return world.given[key]


def class_of(world: World, key: Term) -> int:
    """Which of the few tokens a key is that is not the scored one."""
    at = ("class", key)
    if at not in world.given:
        world.given[at] = one(world.state.randrange(FEW))
    return int(world.given[at].of[0])


def _at(world: World, t: Term) -> Num:
    row, key = t.parts
    n = world.work(row)
    if n.kind not in ("row", "mixed"):
        raise NotKnown
    if plain(key) in world.targets:
        return Num("entry", n.of)
    if n.kind == "mixed":
        raise NotKnown
    if any(has(key, "tok") and target in tokens_in(key) for target in world.targets):
        raise NotKnown
    return one(n.of[class_of(world, plain(key))])


def tokens_in(t: Term) -> set[Term]:
    return {x for x in parts_of(t) if x.op == "tok"}


# Tables.


def _store_of(world: World, store: Term) -> Store | None:
    return table(world.w, store)


def _counts(world: World, key: object, store: Term) -> Num:
    """A row of a table: counts that grew, if that is all that was ever done to it."""
    s = _store_of(world, store)
    if key not in world.given:
        size = (0, 1, 3, 40, 3000, 2)[world.scale % 6]
        fill = s.fill.args[0] if s is not None and s.fill is not None and s.fill.op == "num" else 0.0
        assert isinstance(fill, float)
        row = [fill + (world.state.randrange(size + 1) if world.state.random() < 0.6 else 0) for _ in range(FEW)]
        world.given[key] = Num("row", (*row, fill))
    n = world.given[key]
    under = isinstance(key, tuple) and len(key) > 1  # how many tokens came in all may be known to the code
    if s is not None and s.writes == {"add"} and s.fill is not None and under:
        return n
    factor = _guess(world, ("unit", store)).of[0]  # may hold shares as well as counts
    whole = max(world.total(n), 1e-9)
    return Num("row", tuple(v / whole * factor for v in n.of))


def _cell(world: World, t: Term) -> Num:
    store, *keys = t.parts
    s = _store_of(world, store)
    told = [bool(world.targets & tokens_in(k)) for k in keys]
    rank = s.rank if s is not None and s.rank else (max(s.reach) if s is not None and s.reach else 0)
    if s is not None and s.reach:
        rank = max(rank, *s.reach)
    if any(told[:-1]):
        raise NotKnown
    for k in (x for key in keys for x in parts_of(key) if x.op == "any"):
        past(world, k.args[1])
    if told and told[-1]:
        bare = keys[-1] in world.targets
        if len(keys) < rank:
            raise NotKnown
        key = (store, *keys[:-1]) if bare else t
        return Num("entry", _counts(world, key, store).of)
    if len(keys) == rank - 1 and rank > 0:
        return _counts(world, (store, *keys), store)
    if len(keys) == rank:
        row = (store, *keys[:-1])
        if row in world.given and len(keys) > 1:
            return one(world.given[row].of[class_of(world, keys[-1])])
        for other, table in _rows_under(world, tuple(keys)):
            if s is not None and _adds_up(s, table):
                return one(world.total(_counts(world, (other, *keys), other)))
        return _guess(world, t, "one")
    raise NotKnown


def _rows_under(world: World, keys: tuple[Term, ...]) -> list[tuple[Term, Store]]:
    """Tables of which the row under these keys is used."""
    found = [c.parts[0] for c in world.cells if keys in (c.parts[1:-1], c.parts[1:])]
    return [(t, s) for t in found if (s := _store_of(world, t)) is not None]


def _adds_up(one: Store, table: Store) -> bool:
    """Whether a count grew whenever an entry of the row did, and by as much: it is the sum of the row."""
    if (
        one is table
        or not (one.writes == table.writes == {"add"})
        or one.fill != Term("num", 0.0)
        or table.fill != Term("num", 0.0)
    ):
        return False
    rows = [(keys[:-1], when) for keys, when in table.adds]
    return len(one.adds) == len(rows) and all(a in rows for a in one.adds) and all(r in one.adds for r in rows)


def _cols(world: World, t: Term) -> Num:
    """How often each token came under any key: at least as often as under the one at hand."""
    (store,) = t.parts
    s = _store_of(world, store)
    if s is None or max(s.rank or 0, *s.reach, 0) != 2 or s.writes != {"add"} or s.fill is None or s.fill.op != "num":
        raise NotKnown
    rows = [(store, *c.parts[1:-1]) for c in world.cells if c.parts[0] == store and len(c.parts) == 3]
    if not rows:
        raise NotKnown
    known = _counts(world, rows[0], store).of
    fill = s.fill.args[0]
    assert isinstance(fill, float)
    return Num("row", tuple(v + fill * (world.size - 1) for v in known))


def _stored(world: World, t: Term) -> Num:
    """A whole array: how often each token came, or nothing yet."""
    s = _store_of(world, t)
    if s is None or s.fill is None:
        raise NotKnown
    if not s.writes and not s.reach and s.fill == Term("num", 0.0):
        return one(0.0)
    if s.rank != 1 or any(r > 1 for r in s.reach):
        raise NotKnown
    return _counts(world, (t,), t)


def _summed(world: World, t: Term) -> Num:
    (row,) = t.parts
    n = world.work(row)
    if n.kind == "row":
        return one(world.total(n))
    if n.kind == "spread":
        return Num("entry", n.of)
    raise NotKnown


def _whole(world: World, t: Term) -> Num:
    (store,) = t.parts
    s = _store_of(world, store)
    if s is None or s.rank != 1 or any(r > 1 for r in s.reach):
        raise NotKnown
    return one(world.total(_counts(world, (store,), store)))


def _put(world: World, t: Term) -> Num:
    base, key, value, add = t.args
    assert isinstance(base, Term)
    assert isinstance(key, Term)
    assert isinstance(value, Term)
    if world.targets & tokens_in(key):
        raise NotKnown
    n = world.work(base)
    if n.kind not in ("one", "row"):
        raise NotKnown
    if add and value.op == "store":
        s = _store_of(world, value)
        if s is None or s.writes or s.fill is None or s.fill.op != "num":
            raise NotKnown
        more = _counts(world, ("added", t), value).of
        return Num("row", tuple(a + b for a, b in zip(n.of, more, strict=True)))
    if n.kind == "one" and any(n.of):
        raise NotKnown
    v = world.work(value)
    if v.kind == "row":
        shares = pushed(world, ("put", t), value)
        return Num("row", tuple(a + b for a, b in zip(n.of, shares, strict=True)) if add or not any(n.of) else shares)
    if v.kind != "one":
        raise NotKnown
    at = class_of(world, plain(key))
    return Num("row", tuple((x if add else 0.0) + v.of[0] if i == at else x for i, x in enumerate(n.of)))


def pushed(world: World, key: object, value: Term) -> tuple[float, ...]:
    """Weights of things that were seen before, given to the tokens that they are."""
    if value.op == "dist":
        whole = 1.0
    elif value.op in ("sigmoid", "exp"):
        whole = (0.3, 5.0, 60.0)[world.scale % 3]
        world.loose = True
    else:
        raise NotKnown
    shares = _dist(world, Term("dist", key)).of
    return tuple(s * whole for s in shares)


def _match(world: World, t: Term) -> Num:
    return Num("match", (1.0,) * (FEW + 1))


def _hits(world: World, t: Term) -> Num:
    """Whether one of several things seen before is the token: it may be so for several tokens."""
    key = ("hits", t)
    if key not in world.given:
        world.given[key] = Num("entry", (*(float(world.state.random() < 0.5) for _ in range(FEW)), 0.0))
    return world.given[key]


LEAVES: dict[str, Callable[[World, Term], Num]] = {
    "num": _num,
    "any": _any,
    "one": _single,
    "shares": _shares,
    "share": _share,
    "stack": _stack,
    "fold": _fold,
    "dist": _dist,
    "at": _at,
    "cell": _cell,
    "sum": _summed,
    "whole": _whole,
    "cols": _cols,
    "store": _stored,
    "put": _put,
    "match": _match,
    "hits": _hits,
}
