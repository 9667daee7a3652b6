"""The state of one walk through a program: names, loops, branches, and what was seen so far."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from auditor.source.config import Configuration
from auditor.source.labels import Lookup, Mark, Marks, Read
from auditor.source.values import (
    NONE,
    Alt,
    Cls,
    Const,
    Data,
    Dict,
    Frame,
    Func,
    Holder,
    Inst,
    Lib,
    LibObj,
    ModuleValue,
    Seq,
    Value,
    labels,
)
from rules.events import Event, EventKind, Means, Observation, Scope, Setting, Sight, Slice, Split, Step, Suspect, Turn
from rules.place import Location

if TYPE_CHECKING:
    from auditor.source.library.functions import Applied
    from auditor.source.sights.native_calls import Outcome
    from auditor.source.terms.term import Check, Store

MAX_STEPS = 3_000_000  # evaluated nodes
MAX_SECONDS = 30.0  # of work; waiting for a busy machine does not count
MAX_DEPTH = 70  # nested calls
MAX_EVENTS = 4000
MAX_FAILURES = 40  # statements that could not be followed


def branch_of(guard: str) -> str:
    """The branch that a guard stands for, whichever turn asked."""
    number, _, way = guard.rpartition(":")
    return f"{number.split('.')[0]}:{way}"


class OutOfFuel(Exception):
    """The walk reached one of its limits."""


@dataclass(frozen=True, slots=True)
class Site:
    """A node of a module: becomes a Location when somebody asks."""

    path: str
    line: int
    func: str = ""


@dataclass
class Scored:
    """A score as it is known on the walk; `Event` is made of it at the end."""

    id: int
    site: Site
    turns: tuple[Turn, ...]
    guards: tuple[str, ...]
    targets: int  # READ marks of the tokens that were scored
    inputs: int  # marks that reached the prediction
    parts: frozenset[str] = frozenset()
    stack: tuple[Site, ...] = ()
    derived: bool = False
    name: str = ""
    tagged: str = "nll"
    base: int = -1  # the score that this one was derived from
    grad: bool = True  # gradients were on
    told: int = 0  # SCORE marks among the inputs
    inner: bool = False  # taken inside a model, while it makes its prediction


@dataclass
class Updated:
    id: int
    site: Site
    turns: tuple[Turn, ...]
    guards: tuple[str, ...]
    means: Means
    scope: Scope
    name: str
    marks: int  # READ marks of the tokens that it took in
    scored: int  # SCORE marks whose gradient it took
    stack: tuple[Site, ...] = ()
    backward: tuple[Site, ...] = ()
    parts: frozenset[str] = frozenset()
    shared: bool = False
    optimiser: tuple[int, int] = (0, 0)  # which object took the step, and how often its state was set anew


@dataclass
class Reported:
    id: int
    site: Site
    turns: tuple[Turn, ...]
    guards: tuple[str, ...]
    text: str
    scores: int
    marks: int
    stack: tuple[Site, ...] = ()
    bpb: bool = False


@dataclass
class Seen:
    sight: Sight
    site: Site | Location
    what: str
    marks: int = 0
    detail: tuple[tuple[str, str], ...] = ()
    certain: bool = True
    ok: bool = False
    path: tuple[tuple[Site | Location, str], ...] = ()
    guards: tuple[str, ...] = ()
    stack: tuple[Site, ...] = ()


@dataclass
class Note:
    """Something whose meaning depends on what the rest of the walk shows; see `sights/ending.py`."""

    kind: str
    site: Site
    turns: tuple[Turn, ...]
    guards: tuple[str, ...]
    marks: int = 0
    text: str = ""
    stack: tuple[Site, ...] = ()


@dataclass(frozen=True)
class Written:
    """An attribute that was written in a branch: under which guards, what, and what it held there before.

    `outer` is the write in a branch around it, if any.
    """

    branch: frozenset[str]
    written: Value
    before: Value
    outer: Written | None = None


@dataclass
class Walk:
    """Everything that belongs to following one program once."""

    config: Configuration
    modules: dict[str, tuple[str, ast.Module]] = field(default_factory=dict)  # import name -> path, tree
    marks: Marks = field(default_factory=Marks)
    loaded: dict[str, ModuleValue] = field(default_factory=dict)
    env: dict[str, Value] = field(default_factory=dict)
    files: dict[str, Value] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    loop_sites: list[Site] = field(default_factory=list)
    loop_ids: dict[int, int] = field(default_factory=dict)
    guards: list[str] = field(default_factory=list)
    conditions: list[int] = field(default_factory=list)  # TURN marks of the conditions around
    rivals: list[int] = field(
        default_factory=list
    )  # SCORE marks that undecided conditions around compare, 0 for others
    stack: list[Site] = field(default_factory=list)
    site: Site = Site("", 0)
    sites: dict[tuple[str, int, str], Site] = field(default_factory=dict)  # made once for each line and function
    steps: int = 0
    deadline: float = 0.0
    failures: dict[Site, str] = field(default_factory=dict)  # statements that could not be followed, and why
    failed: int = 0
    unread: list[str] = field(default_factory=list)  # modules that could not be parsed, and why
    symbols: int = 1
    holders: list[Holder] = field(default_factory=list)
    building: list[Holder] = field(default_factory=list)
    scores: dict[int, Scored] = field(default_factory=dict)
    updates: dict[int, Updated] = field(default_factory=dict)
    reports: list[Reported] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    respelled: set[Site] = field(default_factory=set)  # where tokens are scored whose ids know training text
    settings: dict[str, Setting] = field(default_factory=dict)
    entered: dict[str, int] = field(default_factory=dict)
    learned: int = 0  # grows with every change of parameters, buffers and hooks of models
    summaries: dict[object, Value | None] = field(default_factory=dict)  # of parts of models, see `summary.py`
    busy: dict[tuple[object, ...], int] = field(default_factory=dict)  # how often a part could not be summarised
    version: int = 0  # grows with every change of state that later predictions may show
    memo: dict[object, tuple[Value, int]] = field(default_factory=dict)
    next_id: int = 0
    no_grad: int = 0
    trying: int = 0  # inside a try statement
    env_reads: int = 0
    active: list[Func] = field(default_factory=list)
    trained_loops: set[int] = field(default_factory=set)
    lookups_seen: set[object] = field(default_factory=set)
    forward_depth: int = 0
    forward_turns: int = 0  # how many turns stand around the model that is walked
    passing: dict[int, Data] = field(default_factory=dict)  # made during the pass through a model that goes on
    objects: int = 0
    derived: dict[object, int] = field(default_factory=dict)
    parameters: dict[int, Data] = field(default_factory=dict)
    forced: dict[int, bool] = field(default_factory=dict)  # `if` nodes whose way the log proves
    printed: dict[tuple[str, frozenset[str], Site], set[int]] = field(
        default_factory=dict
    )  # beginning, functions around, print -> loops around
    said_under: dict[str, frozenset[str]] = field(
        default_factory=dict
    )  # printed text -> conditions around all its prints
    stored: list[tuple[Inst | LibObj, str, Value | None]] = field(
        default_factory=list
    )  # attributes that took placeholders, with what they held
    summarising: int = 0  # inside a part of a model that is walked with placeholders
    hooked: int = 0
    left: int = 0
    stepping: tuple[int, int] = (0, 0)
    renewed: dict[int, int] = field(default_factory=dict)  # how often an optimiser's state was set anew
    # by holder: what runs when its gradient is ready, and whether it is given the gradient
    grad_hooks: dict[int, list[tuple[Value, bool]]] = field(default_factory=dict)
    buffers: set[int] = field(default_factory=set)  # tensors that models keep beside their parameters
    levels: dict[int, float] = field(default_factory=dict)  # what tensors are filled with, by identity
    endings: list[Callable[[], object]] = field(default_factory=list)  # what runs when the program ends
    sent: list[Value] = field(default_factory=list)  # what was sent into the generator that is walked
    # functions with a `backward` of their own, by class and place, and whether one is being walked
    applied: dict[tuple[int, Site], Applied] = field(default_factory=dict)
    differentiating: bool = False
    # functions of libraries that the code put its own in place of
    patched: dict[str, Value] = field(default_factory=dict)
    # attributes of objects written in a branch: which, what, and what was there before
    branched: dict[tuple[int, str], Written] = field(default_factory=dict)
    kept: list[Value] = field(default_factory=list)  # keeps values alive whose identity is a key
    trained_once: bool = False
    numbers: dict[object, int] = field(default_factory=dict)
    identities: dict[int, tuple[int, object]] = field(default_factory=dict)  # by address, which stays taken
    knows: dict[int, tuple[Site, int, int]] = field(
        default_factory=dict
    )  # arrays whose entries know tokens, and how far from their places
    hashed_at: dict[int, Site] = field(default_factory=dict)  # the tokens of a key, and where they first made up one
    ends: dict[Read, tuple[int, int]] = field(default_factory=dict)  # where runs end that start elsewhere
    ranked: set[int] = field(default_factory=set)  # lists in order of size
    unfilled: dict[int, int] = field(
        default_factory=dict
    )  # arrays made of one negative number: marks of where they were filled
    counted: dict[Turn, tuple[int, int]] = field(default_factory=dict)  # the number that a loop counts by, in its turns
    tests: list[tuple[int, int]] = field(
        default_factory=list
    )  # marks of undecided conditions around, and calls around them
    hinged: dict[int, int] = field(default_factory=dict)  # handed back in a branch, with what it then knows
    asked: dict[str, int] = field(default_factory=dict)  # the marks of undecided conditions, by number
    answers: dict[object, str] = field(default_factory=dict)  # the numbers of undecided conditions, by what they ask
    implied: dict[str, frozenset[str]] = field(default_factory=dict)  # what else holds where a guard does
    natives: dict[str, list[Outcome]] = field(default_factory=dict)  # what was seen in native functions
    native_suspects: tuple[Suspect, ...] = ()
    native_called: set[str] = field(default_factory=set)
    native_told: set[Observation] = field(default_factory=set)
    forms: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)  # symbols that are sums of others
    written: set[int] = field(default_factory=set)  # holders whose parameters went into a file
    held: set[str] = field(default_factory=set)  # the names under which files hold things
    restored: set[int] = field(default_factory=set)  # holders whose parameters were loaded
    stores: dict[int, Store] = field(default_factory=dict)  # arrays and dicts that may be tables, see `terms/`
    ways_out: dict[int, int] = field(default_factory=dict)  # by returned value: what the conditions around it ask
    sums: list[Check] = field(default_factory=list)  # probabilities that became losses
    notes: list[Note] = field(default_factory=list)  # what can only be told at the end of the walk
    ways: dict[int, tuple[str, ast.If | ast.While | ast.For, set[bool | None]]] = field(
        default_factory=dict
    )  # conditions and loops by identity, and how they were decided

    # Limits.

    def step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS or (self.steps & 1023 == 0 and time.thread_time() > self.deadline):
            raise OutOfFuel

    def give_up(self, site: Site, e: Exception) -> None:
        """A statement could not be followed; so many of them end the walk."""
        if isinstance(e, RecursionError):
            why = "is nested too deeply"
        elif isinstance(e, MemoryError):
            why = "asks for more memory than there is"
        else:
            why = f"made the analyser fail ({e!r:.100}; please report it)"
        self.failures.setdefault(site, why)
        self.failed += 1
        if self.failed >= MAX_FAILURES:
            raise OutOfFuel

    def went(self, node: ast.If | ast.While | ast.For, way: bool | None, frame: Frame) -> None:
        """Note how a condition was decided, or whether a loop has any turn."""
        self.ways.setdefault(id(node), (frame.top.path, node, set()))[2].add(way)

    # Places.

    def here(self, node: ast.AST, frame: Frame) -> Site:
        key = (frame.top.path, getattr(node, "lineno", 0), frame.func.name if frame.func else "")
        found = self.sites.get(key)
        if found is None:
            found = self.sites[key] = Site(*key)
        return found

    # Loops and branches.

    def loop(self, node: ast.AST, site: Site) -> int:
        """The number of a loop: one for each place, whichever call it runs in."""
        number = self.loop_ids.get(id(node))
        if number is None:
            number = len(self.loop_sites)
            self.loop_ids[id(node)] = number
            self.loop_sites.append(site)
        return number

    @contextmanager
    def turn(self, loop: int, k: int) -> Iterator[int]:
        self.turns.append((loop, k))
        try:
            yield self.marks.make(Mark.TURN, (loop, k))
        finally:
            self.turns.pop()

    @contextmanager
    def branch(self, guard: str) -> Iterator[None]:
        self.guards.append(guard)
        try:
            yield
        finally:
            self.guards.pop()

    @contextmanager
    def test(self, marks: int) -> Iterator[None]:
        """Walk the branches of a condition that is made of these marks."""
        m = self.marks.mask
        told = marks & (m[Mark.ANSWER] | m[Mark.SOUGHT] | m[Mark.LOOKUP])
        if told:
            self.tests.append((told, len(self.stack)))
        try:
            yield
        finally:
            if told:
                self.tests.pop()

    def open_guards(self) -> tuple[str, ...]:
        """The conditions around that nobody could decide."""
        return tuple(g for g in self.guards if not g.startswith("~"))

    @contextmanager
    def under(self, guards: tuple[str, ...]) -> Iterator[None]:
        """What is seen now hangs on these conditions, too, though they stand elsewhere."""
        more = [g for g in guards if g not in self.guards]
        self.guards += more
        try:
            yield
        finally:
            del self.guards[len(self.guards) - len(more) :]

    def guard_number(self, node: ast.AST, marks: int, question: object = None) -> str:
        """A number for an undecided condition; the same in every turn when no loop can change it.

        A condition that asks the same as an earlier one (see `questions.py`) has its number, too.
        """
        if question is not None:
            if question not in self.answers:
                self.answers[question] = self.guard_number(node, marks)
            return self.answers[question]
        m = self.marks.mask
        moving = marks & (m[Mark.TURN] | m[Mark.READ] | m[Mark.SCORE] | m[Mark.LOOKUP])
        if self.turns:
            moving |= marks & (m[Mark.RANDOM] | m[Mark.DRAWN])  # a new draw in every turn
        if moving:
            self.next_id += 1
        number = self.identity(node)
        if moving and not marks & (m[Mark.CLOCK] | m[Mark.ENVIRONMENT]):
            name = f"~{number}.{self.next_id}"  # on tokens or counters: it goes both ways in some turn
        else:
            name = f"{number}.{self.next_id}" if moving else f"{number}"
        if moving:
            self.asked[name] = marks
        return name

    # Things that are made.

    def identity(self, thing: object) -> int:
        """The number of a node or a value: unlike its address, the same in every run, and never another's."""
        return self.identities.setdefault(id(thing), (len(self.identities), thing))[0]

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def symbol(self) -> int:
        self.symbols += 1
        return self.symbols

    def number(self, key: object) -> int:
        """The symbol of a computed number: the same for the same computation."""
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = self.symbol()
        return found

    def site_of(self, at: Location) -> Site:
        return Site(at.file, at.line or 0)

    def holder(self, name: str, site: Site) -> Holder:
        h = Holder(len(self.holders), site, tuple(self.turns), name)
        h.bit = self.marks.make(Mark.PARAMETER, h)
        self.holders.append(h)
        return h

    def read(self, r: Read) -> int:
        return self.marks.make(Mark.READ, r)

    def fresh(self, lab: int = 0, tag: str = "") -> Data:
        d = Data(lab, tag=tag)
        d.site = self.site
        d.born = tuple(self.turns)
        if self.forward_depth:
            self.passing[id(d)] = d
        return d

    # Marks by kind.

    def val_reads(self, marks: int) -> int:
        """The READ marks of validation tokens."""
        out = 0
        m = marks & self.marks.mask[Mark.READ]
        while m:
            low = m & -m
            r = self.marks.of[low.bit_length() - 1][1]
            if (
                isinstance(r, Read)
                and r.split is Split.VALIDATION
                and not r.sidecar
                and (r.at.line or self.summarising)
            ):
                out |= low
            m ^= low
        return out

    def train_reads(self, marks: int) -> int:
        out = 0
        m = marks & self.marks.mask[Mark.READ]
        while m:
            low = m & -m
            r = self.marks.of[low.bit_length() - 1][1]
            if isinstance(r, Read) and r.split is Split.TRAIN:
                out |= low
            m ^= low
        return out

    def score_marks(self, marks: int) -> int:
        return marks & self.marks.mask[Mark.SCORE]

    def parts_of(self, marks: int) -> frozenset[str]:
        """The boundaries within which all scores behind these marks lie."""
        found = [self.scores[s].parts for s in self.marks.numbers(marks, Mark.SCORE)]
        return frozenset.intersection(*found) if found else frozenset()

    def in_training(self, turns: tuple[Turn, ...]) -> bool:
        """Whether these are turns of a loop that has taken steps on training tokens."""
        return any(loop in self.trained_loops for loop, _ in turns)

    def scored_reads(self, marks: int) -> int:
        """READ marks of validation tokens behind the SCORE marks: what a gradient of these losses takes in."""
        out = 0
        for s in self.marks.numbers(marks, Mark.SCORE):
            sc = self.scores[s]
            out |= sc.targets | self.val_reads(sc.inputs)
        return out

    # What is written down.

    def print(self, text: str) -> None:
        """Note that a line was printed, where its fixed beginning is long enough to be known again."""
        if len(self.said_under) < 2000 or text in self.said_under:
            around = frozenset(map(branch_of, self.guards))
            self.said_under[text] = self.said_under.get(text, around) & around
        start = text.split("{}")[0].strip()
        if len(start) >= 8 and len(self.printed) < 2000:
            inside = frozenset(g.name for g in self.active)
            self.printed.setdefault((start, inside, self.site), set()).update(loop for loop, _ in self.turns)

    def score(
        self, site: Site, targets: int, inputs: int, tagged: str, parts: frozenset[str] = frozenset(), name: str = ""
    ) -> int:
        """Write down that tokens were scored; returns the SCORE mark."""
        if len(self.scores) > MAX_EVENTS:
            raise OutOfFuel
        n = self.new_id()
        self.scores[n] = Scored(
            n,
            site,
            tuple(self.turns),
            tuple(self.guards),
            targets,
            inputs & ~self.marks.mask[Mark.SCORE],
            parts,
            tuple(self.stack),
            tagged=tagged,
            name=name,
            grad=not self.no_grad,
            told=self.score_marks(inputs),
            inner=self.forward_depth > 0,
        )
        return self.marks.make(Mark.SCORE, n)

    def derive(self, bits: int, extra: int, site: Site) -> int:
        """Scores that were mixed with other state: new SCORE marks that depend on it too."""
        out = 0
        for s in self.marks.numbers(bits, Mark.SCORE):
            old = self.scores[s]
            new = old.inputs | extra
            if new == old.inputs:
                out |= self.marks.make(Mark.SCORE, s)
                continue
            key = (s, new, site)
            if key not in self.derived:
                if len(self.scores) > MAX_EVENTS:
                    raise OutOfFuel
                n = self.new_id()
                self.derived[key] = n
                self.scores[n] = Scored(
                    n,
                    site,
                    tuple(self.turns),
                    tuple(self.guards),
                    old.targets,
                    new,
                    old.parts,
                    tuple(self.stack),
                    True,
                    old.name,
                    old.tagged,
                    s,
                    old.grad,
                    old.told,
                    old.inner,
                )
            out |= self.marks.make(Mark.SCORE, self.derived[key])
        return out

    def update(
        self,
        site: Site,
        means: Means,
        scope: Scope,
        name: str,
        marks: int,
        backward: tuple[Site, ...] = (),
        parts: frozenset[str] = frozenset(),
        shared: bool = False,
    ) -> int:
        """Write down that state took validation tokens in; returns the UPDATE mark."""
        if len(self.updates) > MAX_EVENTS:
            raise OutOfFuel
        n = self.new_id()
        scored = self.score_marks(marks)
        self.updates[n] = Updated(
            n,
            site,
            tuple(self.turns),
            tuple(self.guards),
            means,
            scope,
            name,
            self.val_reads(marks),
            scored,
            tuple(self.stack),
            backward,
            parts,
            shared,
            self.stepping,
        )
        self.version += 1
        self.learned += 1
        return self.marks.make(Mark.UPDATE, n)

    def note(self, kind: str, site: Site, marks: int = 0, text: str = "") -> None:
        """Keep something for the end of the walk."""
        if len(self.notes) < MAX_EVENTS:
            self.notes.append(Note(kind, site, tuple(self.turns), tuple(self.guards), marks, text, tuple(self.stack)))

    def report(self, site: Site, text: str, marks: int) -> None:
        if len(self.reports) > MAX_EVENTS:
            return
        self.reports.append(
            Reported(
                self.new_id(),
                site,
                tuple(self.turns),
                tuple(self.guards),
                text,
                self.score_marks(marks),
                marks,
                tuple(self.stack),
            )
        )

    def see(
        self,
        sight: Sight,
        site: Site | Location,
        what: str,
        marks: int = 0,
        *,
        detail: tuple[tuple[str, str], ...] = (),
        ok: bool = False,
        path: tuple[tuple[Site | Location, str], ...] = (),
    ) -> None:
        """Write down something that a rule judges by itself."""
        key = (sight, site, what)
        if key in self.lookups_seen and not marks:
            return
        self.lookups_seen.add(key)
        if len(self.seen) < MAX_EVENTS:
            self.seen.append(
                Seen(
                    sight,
                    site,
                    what,
                    marks,
                    detail,
                    all(g.startswith("~") for g in self.guards),
                    ok,
                    path,
                    tuple(self.guards),
                    tuple(self.stack),
                )
            )


__all__ = [
    "NONE",
    "Alt",
    "Cls",
    "Const",
    "Data",
    "Dict",
    "Event",
    "EventKind",
    "Frame",
    "Func",
    "Holder",
    "Inst",
    "Lib",
    "Location",
    "Lookup",
    "ModuleValue",
    "Observation",
    "OutOfFuel",
    "Reported",
    "Scored",
    "Seen",
    "Seq",
    "Site",
    "Slice",
    "Step",
    "Updated",
    "Value",
    "Walk",
    "labels",
]
