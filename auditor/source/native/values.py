"""What the walk over native code knows of a value: where its tokens come from, and by which way.

A token is named by the array it was read from and by its index there, written as a sum of loop counters
and a constant. Two such names can be compared: `tokens[i - k + j]` with j below k lies before `tokens[i]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

MAX_TERMS = 6
MAX_TAINTS = 40
MAX_TRAIL = 8

# The ways by which a token came into a value, as bits.
COPY = 1  # the token itself
OFFSET = 2  # the token plus something: a column of a row
SCALED = 4  # the token times something: a row of a table
HASHED = 8  # mixed with other things into a key
PROPERTY = 16  # looked up in a table under the token alone
GATHER = 32  # one element of a row of scores: what scoring the token needs
KEYED = 64  # looked up in a table under a key that the token is part of
MATCH = 128  # compared with something predicted: whether a hint was right
MARKER = 256  # compared with a constant, such as the token between documents
CONTROL = 512  # decides whether a statement runs
STATE = 1024  # went through something that is kept from token to token
DECIDED = 12
"""Ways shifted left by this many bits are those of a condition: they decide whether, not what."""
DIRECT = (1 << DECIDED) - 1
GATE = PROPERTY | MARKER | CONTROL | STATE | OFFSET | SCALED | HASHED | KEYED


def decides(modes: int) -> int:
    """A value's ways when it decides whether something happens."""
    return ((modes | modes >> DECIDED) & DIRECT) << DECIDED


def either(modes: int) -> int:
    """Ways regardless of whether the token is in the value or decided about it."""
    above = modes >> DECIDED
    if above & COPY:
        above = above & ~COPY | CONTROL
    return (modes | above) & DIRECT


@dataclass(frozen=True, slots=True)
class Lin:
    """A whole number as constant plus terms: ((symbol, factor), …), sorted.

    Symbols are ("v", n) for the counter of loop n, ("ld", region, Lin) for an element of an array, ("a", name) for an argument, ("o", n) for anything else.
    """

    const: int = 0
    terms: tuple[tuple[tuple[object, ...], int], ...] = ()
    symbols: frozenset[object] = field(default=frozenset(), init=False, compare=False, repr=False)  # nested ones too
    kept_hash: int = field(default=0, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.terms:
            found: set[object] = set()
            for sym, _ in self.terms:
                found.add(sym)
                if sym[0] == "ld" and isinstance(sym[2], Lin):
                    found |= sym[2].symbols
            object.__setattr__(self, "symbols", frozenset(found))
        object.__setattr__(self, "kept_hash", hash((self.const, self.terms)))

    def __hash__(self) -> int:
        return self.kept_hash

    def plus(self, other: Lin, sign: int = 1) -> Lin | None:
        if not other.terms:
            return Lin(self.const + sign * other.const, self.terms)
        if not self.terms and sign == 1:
            return Lin(self.const + other.const, other.terms)
        table = dict(self.terms)
        for sym, k in other.terms:
            table[sym] = table.get(sym, 0) + sign * k
        terms = tuple(sorted(((s, k) for s, k in table.items() if k), key=repr))
        return Lin(self.const + sign * other.const, terms) if len(terms) <= MAX_TERMS else None

    def times(self, k: int) -> Lin:
        return Lin(self.const * k, tuple((s, f * k) for s, f in self.terms)) if k else Lin()

    def swap(self, old: tuple[object, ...], new: Lin, depth: int = 0) -> Lin:
        """This number with `new` in the place of the symbol `old`, inside array elements too."""
        if old not in self.symbols:
            return self
        out: Lin | None = Lin(self.const)
        for sym, k in self.terms:
            if sym == old:
                part = new.times(k)
            elif sym[0] == "ld" and depth < 4 and isinstance(sym[2], Lin):
                inner = sym[2].swap(old, new, depth + 1)
                part = Lin(0, ((("ld", sym[1], inner), k),))
            else:
                part = Lin(0, ((sym, k),))
            out = out.plus(part) if out is not None else None
        return out if out is not None else self

    def earlier(self, depth: int = 0) -> bool:
        """Whether it belongs to an earlier turn of a loop."""
        return any(
            s[-1] == "before" or (s[0] == "ld" and depth < 4 and isinstance(s[2], Lin) and s[2].earlier(depth + 1))
            for s, _ in self.terms
        )

    def has_counter(self, depth: int = 0) -> bool:
        """Whether it moves with a loop."""
        return any(
            s[0] == "v" or (s[0] == "ld" and depth < 4 and isinstance(s[2], Lin) and s[2].has_counter(depth + 1))
            for s, _ in self.terms
        )


def symbol(*sym: object) -> Lin:
    return Lin(0, ((sym, 1),))


Ranges = dict[tuple[object, ...], tuple["Lin | None", "Lin | None"]]


def furthest(a: Lin, b: Lin, ranges: Ranges, depth: int = 0) -> int | None:
    """The largest value of a − b over the ranges of the inner loops, None if it cannot be told.

    A counter's value in the turn before, ("v", n, "before"), is both the counter less its step and
    something within the loop's bounds; each gives a bound, and the lower one holds.
    """
    diff = a.plus(b, -1)
    if diff is None or not diff.terms:
        return diff.const if diff is not None else None
    bounds = [_bound(diff, ranges, depth)]
    exact = exactly(diff, ranges)
    if exact != diff:
        bounds.append(_bound(exact, ranges, depth))
    known = [x for x in bounds if x is not None]
    return min(known) if known else None


def _in_order(diff: Lin, ranges: Ranges, depth: int) -> Lin:
    """Positions listed in an array grow along it: `pos[j]` less `pos[i]` is at most −1 for an earlier j, 0 for the same."""
    for one, k in diff.terms:
        if k != 1 or one[0] != "ld" or depth > 2:
            continue
        for two, factor in diff.terms:
            if factor != -1 or two[:2] != one[:2] or not isinstance(one[2], Lin) or not isinstance(two[2], Lin):
                continue
            apart = furthest(one[2], two[2], ranges, depth + 1)
            if apart is not None and apart <= 0:
                rest = tuple(t for t in diff.terms if t[0] not in (one, two))
                return Lin(diff.const - (apart < 0), rest)
    return diff


def exactly(lin: Lin, ranges: Ranges, depth: int = 0) -> Lin:
    """The number with every "before" counter written as the counter less its step."""
    out: Lin | None = Lin(lin.const)
    for sym, k in lin.terms:
        if sym[-1] == "before" and (now := ranges.get(("now", *sym))) is not None and now[0] is not None:
            part = now[0].times(k)
        elif sym[0] == "ld" and depth < 4 and isinstance(sym[2], Lin):
            part = Lin(0, ((("ld", sym[1], exactly(sym[2], ranges, depth + 1)), k),))
        else:
            part = Lin(0, ((sym, k),))
        out = out.plus(part) if out is not None else None
    return out if out is not None else lin


def _bound(diff: Lin | None, ranges: Ranges, depth: int = 0) -> int | None:
    for _ in range(8):
        if diff is None:
            return None
        diff = _in_order(diff, ranges, depth)
        if not diff.terms:
            return diff.const
        for sym, k in diff.terms:
            bound = ranges.get(sym, (None, None))[1 if k > 0 else 0]
            if bound is not None and not any(s == sym for s, _ in bound.terms):
                diff = diff.swap(sym, bound)
                break
        else:
            return None
    return None


Token = tuple[str, Lin]
"""An array and an index in it."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a token came here: the ways as bits, and the lines on the road, oldest first."""

    modes: int
    trail: tuple[int, ...] = ()

    def via(self, modes: int, line: int = 0) -> Way:
        trail = self.trail
        if line and line not in trail:
            trail = (*trail, line) if len(trail) < MAX_TRAIL else (*trail[: MAX_TRAIL - 1], line)
        return Way(modes, trail)


Taints = dict[Token, Way]


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a pointer points: a region, and how far into it. `exact`: at one variable, not into an array."""

    region: str
    off: Lin | None = Lin()  # None: unknown
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A property of a value that matters later: its kind, its line and its token.

    "ratio", "weight", "log"; "spread" over the bytes of a token; "share", divided by a number of turns (kept as the
    token's index), "share mixed" once that, as a probability, was added to another.
    """

    kind: str
    line: int
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """An abstract value.

    `copies` are reads of memory whose content this is a copy of, `content` those that it was computed from;
    both name reads by number. `knobs` are the settings (arguments, members never written) it is made of. `id` is the same for two values only if they are the same number.
    """

    taints: Taints
    lin: Lin | None = None
    pointer: Pointer | None = None
    copies: frozenset[int] = frozenset()
    content: frozenset[int] = frozenset()
    knobs: frozenset[str] = frozenset()
    marks: frozenset[Mark] = frozenset()
    id: int = 0
    type: str = ""

    def bare(self) -> Value:
        return replace(self, lin=None, pointer=None, copies=frozenset(), id=0, type="")


NOTHING = Value({})


def merge(*many: Taints) -> Taints:
    filled = [t for t in many if t]
    if len(filled) <= 1:
        return filled[0] if filled else {}
    out = dict(filled[0])
    for table in filled[1:]:
        for token, way in table.items():
            old = out.get(token)
            if old is None:
                if len(out) < MAX_TAINTS:
                    out[token] = way
            elif way.modes & ~old.modes:
                longer = max(old.trail, way.trail, key=len)
                out[token] = Way(old.modes | way.modes, longer)
    return out


def convert(taints: Taints, f: Callable[[int], int], line: int = 0) -> Taints:
    """The taints with their ways changed by `f`; a way that becomes 0 ends there."""
    out: Taints = {}
    for token, way in taints.items():
        modes = f(way.modes)
        if modes:
            out[token] = way.via(modes, line)
    return out


def _small(sets: Iterable[frozenset[int]]) -> frozenset[int]:
    out = frozenset().union(*sets)
    return out if len(out) <= 400 else frozenset(sorted(out)[-400:])


def join(a: Value | None, b: Value | None) -> Value:
    """A value that may be either of two."""
    if a is None or b is None or a is b:
        return (a if a is not None else b) or NOTHING
    if a == b:
        return a
    return Value(
        merge(a.taints, b.taints),
        a.lin if a.lin == b.lin else None,
        a.pointer or b.pointer,
        _small((a.copies, b.copies)),
        _small((a.content, b.content)),
        a.knobs | b.knobs,
        a.marks | b.marks,
        a.id if a.id == b.id else 0,
        a.type or b.type,
    )


def mixed(*values: Value) -> Value:
    """A value computed from others: no longer a copy of any."""
    return Value(
        merge(*(v.taints for v in values)),
        content=_small([v.content | v.copies for v in values]),
        knobs=frozenset().union(*(v.knobs for v in values)),
        marks=frozenset().union(*(v.marks for v in values)),
    )


def swap_taints(taints: Taints, old: tuple[object, ...], new: Lin) -> Taints:
    if not any(old in lin.symbols for _, lin in taints):
        return taints
    out: Taints = {}
    for (region, lin), way in taints.items():
        token = (region, lin.swap(old, new))
        seen = out.get(token)
        out[token] = way if seen is None else Way(seen.modes | way.modes, seen.trail)
    return out


def swap(value: Value, old: tuple[object, ...], new: Lin) -> Value:
    """The value with `new` in the place of a loop's counter: what it is one turn later."""
    taints = swap_taints(value.taints, old, new) if value.taints else value.taints
    lin = value.lin.swap(old, new) if value.lin is not None else None
    pointer = value.pointer
    if pointer is not None and pointer.off is not None:
        off = pointer.off.swap(old, new)
        pointer = pointer if off is pointer.off else replace(pointer, off=off)
    if taints is value.taints and lin is value.lin and pointer is value.pointer:
        return value
    return replace(value, taints=taints, lin=lin, pointer=pointer)
