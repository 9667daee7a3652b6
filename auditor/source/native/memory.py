"""Memory of the walk over native code: named regions, and the book of reads, writes and outputs.

A region is named by the way to it: `p:hints[]` is what the parameter `hints` points to, `p:st.table[].key` a field
of an element of a table of a struct. Fields are told apart, elements of an array are not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from auditor.source.native.tree import Node
from auditor.source.native.values import (
    COPY,
    GATHER,
    HASHED,
    KEYED,
    NOTHING,
    OFFSET,
    PROPERTY,
    SCALED,
    Lin,
    Pointer,
    Ranges,
    Taints,
    Value,
    Way,
    convert,
    decides,
    furthest,
    join,
    merge,
    mixed,
    swap,
    swap_taints,
    symbol,
)


@dataclass(frozen=True, slots=True)
class Read:
    """One read of memory: where, under which index, what the index is made of, and which values named the place."""

    region: str
    index: Taints
    seq: int
    ids: frozenset[int]
    line: int


@dataclass(frozen=True, slots=True)
class Write:
    """One write to memory, in the last turn of the loops around it."""

    region: str
    lin: Lin | None
    index: Value
    value: Value
    control: Value
    seq: int
    ids: frozenset[int]
    line: int
    function: str
    guards: tuple[tuple[int, str], ...]
    compound: bool = False  # += and the like
    final: bool = True


State = tuple[dict[str, Value], dict[str, "Lin | None"]]
"""The cells, and the index of the last store into each array."""


@dataclass(slots=True)
class Frame:
    """One function being walked."""

    id: int
    name: str
    names: dict[str, str] = field(default_factory=dict)  # local name -> region
    arrays: set[str] = field(default_factory=set)  # regions that are arrays
    lambdas: dict[str, Node] = field(default_factory=dict)
    owner: str = ""  # class of a method
    this: str = ""  # region of the object
    control: list[Value] = field(default_factory=list)  # what decides whether the statement at hand runs
    after: Value = NOTHING  # what decided that the function was not left before
    result: Value | None = None
    ids: frozenset[int] = frozenset()  # values given to this call and those around it
    returned: State | None = None  # memory where the function was left


class OutOfBudget(Exception):
    pass


class Memory:
    """The state of one walk."""

    def __init__(self, budget: int) -> None:
        self.cells: dict[str, Value] = {}
        self.where: dict[str, Lin | None] = {}  # index of the last store into an array
        self.types: dict[str, str] = {}
        self.reads: dict[int, Read] = {}
        self.writes: list[Write] = []
        self.read_regions: set[str] = set()
        self.ranges: Ranges = {}
        self.distances: dict[tuple[Lin, Lin], int | None] = {}
        self.budget = budget
        self.seq = 0
        self.fresh = 0
        self.passes: list[bool] = []  # for every loop around: is this its last walked turn
        self.around: list[tuple[object, ...]] = []  # the counters of the loops around
        self.frames: list[Frame] = []
        self.guards: list[tuple[int, str]] = []
        self.dead = False  # the statement at hand cannot be reached: the way was left by a jump
        self.continued: list[State | None] = []  # per loop around: memory where a turn was left early
        self.broken: list[State | None] = []  # per loop or switch around: memory where it was left
        self.constants: set[str] = set()  # global arrays that are never written

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    def apart(self, a: Lin, b: Lin) -> int | None:
        """The largest value of a − b, asked when the walk is over."""
        key = (a, b)
        if key not in self.distances:
            self.distances[key] = furthest(a, b, self.ranges)
        return self.distances[key]

    def counted(self, number: Lin) -> bool:
        """Whether a loop around the statement at hand runs that many times."""
        for counter in self.around:
            low, high = self.ranges.get(counter, (None, None))
            turns = high.plus(low, -1) if low is not None and high is not None else None
            if turns is not None and turns.plus(Lin(1)) == number:
                return True
        return False

    def spend(self) -> None:
        self.budget -= 1
        if self.budget < 0:
            raise OutOfBudget

    def new_id(self) -> int:
        self.fresh += 1
        return self.fresh

    def control(self) -> Value:
        """What decides whether the statement at hand runs, in this function and in its callers."""
        parts = [v for f in self.frames for v in (*f.control, f.after) if v.taints or v.content]
        return mixed(*parts) if parts else NOTHING

    def load(self, region: str, lin: Lin | None = None, index: Value = NOTHING, line: int = 0) -> Value:
        """What stands in a region, with what its index is made of."""
        self.seq += 1
        found = self.cells.get(region)
        if found is not None and lin is not None and (at := self.where.get(region)) is not None and at != lin:
            found = _moved(found, at, lin)
        path = region
        while (cut := max(path.rfind("."), path.rfind("[]"))) > 0:  # a store to the whole struct
            path = path[:cut]
            if path in self.cells and not path.endswith(":"):
                whole = self.cells[path]
                if whole.taints or whole.copies or whole.content:
                    whole = replace(whole, pointer=None, lin=None)
                    found = whole if found is None else join(found, whole)
        self.read_regions.add(region)
        value = found if found is not None else self._unknown(region, lin, line)
        direct = convert(index.taints, _looked_up if lin is None or not _tabular(lin) else _gathered, line)
        taints = merge(value.taints, direct)
        kept = region.startswith(("p:", "this", "g:", "heap"))
        if kept:
            number = self.new_id()
            self.reads[number] = Read(region, index.taints, self.seq, self.frame.ids | {index.id}, line)
            here = frozenset((number,))
            return replace(
                value,
                taints=taints,
                copies=value.copies | here,
                content=value.content | here,
                id=number,
                type=value.type or self.types.get(region, ""),
            )
        return replace(value, taints=taints, type=value.type or self.types.get(region, ""))

    def _unknown(self, region: str, lin: Lin | None, line: int) -> Value:
        """Memory that was not written on this walk: an input, a setting, or a pointer to one of these."""
        if region.split("[]")[0].split(".")[0] in self.constants:
            return NOTHING
        pointer = Pointer(region)
        if region.endswith("[]"):
            if lin is None or region.startswith("l:"):
                return Value({}, pointer=pointer)
            return Value({(region, lin): Way(COPY, (line,))}, lin=symbol("ld", region, lin), pointer=pointer)
        return Value({}, lin=symbol("a", region), pointer=pointer, knobs=frozenset((region,)))

    def store(self, region: str, value: Value, lin: Lin | None = None, index: Value = NOTHING, line: int = 0,
              compound: bool = False) -> None:  # fmt: skip
        """Write a value: an element of an array keeps what others held, a variable does not."""
        self.seq += 1
        control = self.control()
        taints = merge(value.taints, convert(control.taints, decides, line), convert(index.taints, _addressed))
        kept = replace(value, taints=taints, content=value.content | control.content | control.copies)
        weak = "[]" in region
        self.cells[region] = join(self.cells.get(region), kept) if weak else kept
        if weak:
            self.where[region] = lin
        if region.startswith(("p:", "this", "g:", "heap", "ref:", "l:")):
            ids = self.frame.ids | {index.id}
            self.writes.append(
                Write(region, lin, index, value, control, self.seq, ids, line, self.frame.name,
                      tuple(self.guards), compound, all(self.passes))
            )  # fmt: skip
            if len(self.writes) > 20_000:
                raise OutOfBudget

    def one_turn_later(self, counter: tuple[object, ...], step: int = 1) -> None:
        """The loop goes on: what was read at i was read at the i of the turn before."""
        old = (*counter, "before")
        before = symbol(*old)
        lo, hi = self.ranges.get(counter, (None, None))
        exact = Lin(-step, ((counter, 1),))
        self.ranges[old] = (lo, exact) if step > 0 else (exact, hi)
        self.ranges[("now", *old)] = (exact, None)
        for region, value in self.cells.items():
            if value.taints or value.lin is not None or value.pointer is not None:
                swapped = swap(value, counter, before)
                if swapped.lin is not None:  # a number that the next turn goes on counting from
                    swapped = replace(swapped, lin=swapped.lin.swap(old, exact))
                self.cells[region] = swapped
        for region, lin in self.where.items():
            if lin is not None:
                self.where[region] = lin.swap(counter, before)
        for frame in self.frames:
            frame.after = replace(frame.after, taints=swap_taints(frame.after.taints, counter, before))

    def later(self, state: State, counter: tuple[object, ...]) -> State:
        """A kept state one turn later."""
        before = symbol(*counter, "before")
        return {r: swap(v, counter, before) for r, v in state[0].items()}, state[1]

    def jump(self, kept: State | None) -> State:
        """The way ends here; memory goes to where the jump leads, together with what else came there."""
        present = self.fork()
        self.dead = True
        if kept is None:
            return present
        self.rejoin(kept)
        joined = (self.cells, self.where)
        self.cells, self.where = present
        return joined

    def arrive(self, *landed: State | None) -> None:
        """Jumps lead here: go on with what they brought, and with the present way if it was not left."""
        for state in landed:
            if state is None:
                continue
            if self.dead:
                self.cells, self.where = dict(state[0]), dict(state[1])
                self.dead = False
            else:
                self.rejoin(state)

    def fork(self) -> State:
        return dict(self.cells), dict(self.where)

    def rejoin(self, other: State) -> None:
        """The state is the present one or the given one."""
        cells, where = other
        for region in cells.keys() | self.cells.keys():
            a, b = self.cells.get(region), cells.get(region)
            if a is not b:
                # memory first written on one of two ways: on the other it holds what it held before
                if (a is None or b is None) and not region.startswith("l:"):
                    present = a if a is not None else b
                    assert present is not None
                    self.cells[region] = replace(present, lin=None)
                else:
                    self.cells[region] = join(a, b)
        for region in where.keys() | self.where.keys():
            if where.get(region) != self.where.get(region):
                self.where[region] = None


def _tabular(lin: Lin) -> bool:
    return len(lin.terms) > 1


def _looked_up(modes: int) -> int:
    out = modes & ~(COPY | OFFSET | SCALED | HASHED)
    if modes & COPY or modes & SCALED:
        out |= PROPERTY
    if modes & OFFSET:
        out |= GATHER
    if modes & HASHED:
        out |= KEYED
    return out


def _gathered(modes: int) -> int:
    out = _looked_up(modes)
    if modes & COPY:
        out = out & ~PROPERTY | GATHER
    return out


def _addressed(modes: int) -> int:
    """What an element's place says of its content: nothing, the place is a matter of the write event."""
    return 0


def _moved(value: Value, at: Lin, lin: Lin) -> Value:
    """What was stored at index `at` of a loop that is over, read at index `lin` of another."""
    if len(at.terms) != 1:
        return value
    ((sym, factor),) = at.terms
    if sym[0] != "v" or factor not in (1, -1):
        return value
    moved = lin.plus(Lin(at.const), -1)
    return value if moved is None else swap(value, sym, moved.times(factor))
