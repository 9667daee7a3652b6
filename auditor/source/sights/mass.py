"""Whether what is scored sums to 1 over the tokens.

A term is worked out in made-up worlds (`terms/worlds.py`). More than 1 convicts only if it comes out for some tables whatever
the numbers are of which nothing is known; 1 or less is right only if it always comes out.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from auditor.source.labels import Mark
from auditor.source.sights.keys import targets_of
from auditor.source.terms.arithmetic import ARITHMETIC
from auditor.source.terms.term import Check, Term, has, parts_of, plain
from auditor.source.terms.worlds import LEAVES, Impossible, NotKnown, Num, World
from auditor.source.walk import Scored, Walk
from rules.events import Means, Sight

STATES = 12  # made-up tables
TRIES = 14  # values for what is not known
MOST = 3000  # parts of terms that are worked out for one script
SLACK = 2e-3  # of what is called right
TOO_MUCH = 0.03  # from which on it is an accusation
NEAR_ONE = 0.85  # a factor of losses that is further from one turns units into one another
UNKNOWN, BELOW, ABOVE, LOOSE = "unknown", "below", "above", "loose"
RULES = LEAVES | ARITHMETIC


def judge(w: Walk, c: Check) -> tuple[str, float]:
    """Whether a term can sum to more than 1, and to how much."""
    targets = _targets(w, c.term)
    if targets is None:
        return UNKNOWN, 0.0
    worst, above, loose, fine, whole = 0.0, False, False, 0, True
    ways: set[object] = set()
    size = next(
        (int(s.value) for name, s in w.settings.items() if name.lower() == "vocab_size" and s.value.isdigit()), 1024
    )
    heads = {t.args for t in targets}
    runs = tuple(r for r in w.marks.reads(targets_of(w, c.scores)) if (r.base, r.start) in heads)
    cells = tuple(x for x in parts_of(c.term) if x.op == "cell")
    dists = tuple(x for x in parts_of(c.term) if x.op == "dist")
    experts = next((len(x.args) for x in parts_of(c.term) if x.op == "stack"), 8)
    for i in range(STATES):
        low = math.inf
        given: dict[object, Num] = {}
        free = False
        for j in range(TRIES):
            world = World(w, size, targets, c.turns, runs, RULES, random.Random(i), random.Random(1000 * i + j), given)
            world.scale, world.level, world.cells, world.dists, world.experts = i, j, cells, dists, experts
            try:
                found = _sum(world, c)
            except NotKnown:
                whole = False
                if not world.asked:
                    return UNKNOWN, 0.0
                low = -math.inf
                break
            except (Impossible, ZeroDivisionError, OverflowError):
                continue
            low = min(low, found)
            free |= world.loose
            ways |= world.asked
            fine += 1
            worst = max(worst, found) if found < math.inf else worst
            if not world.guessed:
                break
        if 1 + TOO_MUCH < low < math.inf:
            above, loose = True, loose or free
            worst_sure = low
            if not ways:
                return (LOOSE if loose else ABOVE), worst_sure
    if fine < STATES // 2:
        return UNKNOWN, 0.0
    if worst <= 1 + SLACK:
        return (BELOW if whole else UNKNOWN), worst
    if above and len(ways) <= 1:
        return LOOSE, worst
    return UNKNOWN, worst


def _read(t: Term) -> list[Term]:
    """What a term reads now: not what a prediction was made of, nor where something seen before was put."""
    seen: dict[Term, None] = {}
    todo = [t]
    while todo:
        x = todo.pop()
        if x not in seen:
            seen[x] = None
            todo += () if x.op in ("dist", "shares") else (x.parts[0], x.parts[2]) if x.op == "put" else x.parts
    return list(seen)


def _targets(w: Walk, t: Term) -> frozenset[Term] | None:
    """The token that is scored, as the terms name it: of those under which something is read, the last one of each run."""
    found: set[Term] = set()
    picked: set[Term] = set()
    for x in _read(t):
        if x.op == "tok":
            found.add(x)
        if x.op == "at":
            picked.add(plain(x.parts[1]))
        elif x.op == "cell":
            picked.add(x.parts[-1])
    picked = {p for p in picked if p.op == "tok"}
    bases = {p.args[0] for p in found}
    if len(bases) != 1 or not picked:
        return None
    last = max(found, key=lambda p: p.args[1] if isinstance(p.args[1], int) else -1)
    return frozenset((last,)) if last in picked else None


def _in_nats(t: Term) -> Term:
    """Losses without a fixed factor that turns them into other units, or shares them out."""
    whole, factor, near = t, 1.0, True
    while t.op in ("neg", "col", "*", "/"):
        numbers = [p for p in t.parts if p.op in ("num", "any")]
        rest = [p for p in t.parts if p not in numbers]
        if len(rest) != 1 or (t.op == "/" and rest[0] is not t.parts[0]):
            break
        for p in numbers:
            v = p.args[0] if p.op == "num" else 0.0
            near = near and isinstance(v, float) and v != 0
            if near and isinstance(v, float):
                factor = factor / v if t.op == "/" else factor * v
        (t,) = rest
    return whole if near and NEAR_ONE < abs(factor) <= 1 else t


def _sum(world: World, c: Check) -> float:
    n = world.work(_in_nats(c.term))
    if n.kind != "entry":
        raise NotKnown
    if any(v != v for v in n.of):
        raise Impossible
    sign = 1 if sum(n.of) <= 0 else -1
    return world.total(Num("entry", tuple(math.exp(min(60.0, sign * v)) for v in n.of)))


def finish(w: Walk) -> None:
    """Look at every probability that became a loss, and at what was mixed with a table but could not be looked at."""
    said: dict[Term, tuple[str, float]] = {}
    right: set[int] = set()
    open_: set[int] = set()
    left = MOST
    for c in w.sums:
        if c.term not in said:
            left -= len(parts_of(c.term))
            said[c.term] = judge(w, c) if left > 0 else (UNKNOWN, 0.0)
        verdict, much = said[c.term]
        if verdict == BELOW:
            right |= set(w.marks.numbers(c.scores, Mark.SCORE))
        elif verdict == UNKNOWN and _mixes(c.term):
            open_ |= set(w.marks.numbers(c.scores, Mark.SCORE))
        elif verdict in (ABOVE, LOOSE):
            was, w.guards = w.guards, [*c.guards, *(("normalised?",) if verdict == LOOSE else ())]
            what = f"over all tokens that could have come, what is scored sums to more than 1 (such as {much:.3g})"
            w.see(Sight.UNNORMALISED, c.site, what, c.scores, detail=(("form", "sum"),))
            w.guards = was
    _not_shown(w, right, open_)


def _not_shown(w: Walk, right: set[int], open_: set[int]) -> None:
    """Printed scores into which a table was mixed, of which nobody could tell what they sum to."""
    told: set[object] = set()
    for r in w.reports:
        for n in w.marks.numbers(r.scores, Mark.SCORE):
            s = w.scores[n]
            if s.site in told:
                continue
            same = [x for x in _line(w, s) if _tables(w, w.scores[x]) == _tables(w, s)]
            if open_.intersection(same) or (_tables(w, s) and not right.intersection(same)):
                told.add(s.site)
                what = "a probability is mixed with something else, and what it sums to cannot be told by reading"
                w.see(Sight.UNSUMMED, s.site, what, w.marks.make(Mark.SCORE, n))


def _tables(w: Walk, s: Scored) -> int:
    """The marks of the tables in a score."""
    out = s.inputs & w.marks.mask[Mark.LOOKUP]
    for u in w.marks.numbers(s.inputs, Mark.UPDATE):
        if w.updates[u].means is Means.TABLE:
            out |= w.marks.make(Mark.UPDATE, u)
    return out


def _mixes(t: Term) -> bool:
    """Whether the logarithm of something put together is taken."""
    return any(x.op == "log" and has(x.parts[0], *_TOGETHER) for x in parts_of(t))


_TOGETHER = ("+", "*", "/", "-", "**", "fold", "if", "put", "max")


def _line(w: Walk, s: Scored) -> Iterator[int]:
    """A score and those that it was derived from."""
    yield s.id
    while s.base >= 0:
        s = w.scores[s.base]
        yield s.id
