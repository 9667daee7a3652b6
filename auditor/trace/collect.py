"""The trace stage: run the entry script small, read its book, put probes, and write down what they showed."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from auditor.source.config import Configuration, configuration
from auditor.source.witness import ASIDE, RESULT, agreement
from auditor.submission.base import Submission, Unreadable
from auditor.trace import foresight, order
from auditor.trace.attempts import attempt
from auditor.trace.cache import key
from auditor.trace.data import vocabulary
from auditor.trace.execute import Job, Traced, trace
from auditor.trace.explain import BPB, Explained, explain, unbooked
from auditor.trace.failures import failure
from auditor.trace.gates import gates
from auditor.trace.groups import Group
from auditor.trace.knobs import defaults
from auditor.trace.ledger import Place, Record
from auditor.trace.looked import looked
from auditor.trace.probes import future, learning, measured, switched_off
from auditor.trace.ran import ran, unrun
from auditor.trace.sums import small, sums
from auditor.trace.timeline import closeups, timeline
from auditor.trace.ways import WAYS, Ways
from rules.evidence import Evidence, Script
from rules.place import Location
from rules.trace import Early, How, Printed, Probe, Reduced, Sum, Trace

MOST_FILE = 16_000_000  # bytes of one file that a run is given
SUSPECTS = 2  # cuts that the dataflow proposes
RUNS = 2  # at a time, which slows each down
LINES = 3  # at which learning is switched off, each on its own

Tell = Callable[[str], None]


NONE: Mapping[str, str] = MappingProxyType({})


def job(e: Evidence, submission: Submission, entry: Script, ways: Ways) -> Job:
    """What to run for a folder: its own files, under the claimed run's settings and those that the user chose."""
    config = configuration(e, entry)
    folder = posixpath.dirname(entry.path)
    files = {}
    for f in e.package.files:
        if f.change == "D" or (f.size or 0) > MOST_FILE or posixpath.dirname(f.path) not in ("", folder):
            continue
        try:
            files[f.path] = submission.read(f.path)
        except Unreadable:
            continue
    return Job(
        entry=entry.path,
        files=files,
        text=entry.text,
        claimed=claimed(config, entry.text),
        arguments=config.arguments,
        wall_s=ways.wall_s,
        device=ways.device,
        ranks=ways.ranks,
        given=ways.given,
    )


def claimed(config: Configuration, text: str) -> dict[str, str]:
    """What the claimed run had for the variables that the program reads."""
    out = {name: s.value for name, s in config.env.items()}
    for name, _ in defaults(text):
        if s := config.settings.get(name.lower()):
            out[name] = s.value
    return out


def unrunnable(entry: Script | None) -> str:
    """Why there is nothing to run, "" if there is."""
    if entry is None:
        return "the folder holds no program that can be run"
    if entry.syntax_error or not entry.text:
        return f"{entry.path} cannot be run: {entry.syntax_error or entry.problem or 'it is empty'}"
    return ""


def read_trace(e: Evidence, submission: Submission, tell: Tell, ways: Ways = WAYS) -> Trace | None:
    """Run and probe, or take the trace from the cache; None when the folder holds no script that can be run."""
    entry = e.package.entry
    if entry is None or unrunnable(entry):
        return None
    work = job(e, submission, entry, ways)
    label = claimed_line(configuration(e, entry))
    beside = {s.path: s.text for s in e.package.scripts if s.role == "module" and s.path != entry.path}

    def make() -> Trace:
        return run_and_read(work, entry, label, beside, tell, ways.probing)

    if ways.cache is None:
        return make()
    name = key(work, label=label, beside=beside, layers=len(entry.layers), probing=ways.probing)
    return ways.cache.through(name, make)


def run_and_read(
    work: Job, entry: Script, label: str, beside: Mapping[str, str], tell: Tell, probing: bool = True
) -> Trace:
    """Run and probe a job."""
    tell("running it small, sealed off")
    work, base = attempt(work)
    if words := base.plan.words():
        tell(f"not as shipped: {words}")
    found = Reading(base, entry, label, beside)
    if found.group is None:
        return found.written()
    if not probing:
        return found.written()
    tell("running it again: on other tokens, without adaptation, with every token of a small vocabulary in one place")
    group = found.group
    slow = replace(work, wall_s=work.wall_s * RUNS)

    def without() -> list[Probe]:
        lines = learning(base.records, group, LINES)
        off = [(line, switched_off(slow, base, group, [line])) for line in lines]
        return [replace(probe, at=found.place((*line, "", 0))) for line, probe in off]

    with ThreadPoolExecutor(RUNS) as pool:
        more = foresight.cuts(base.records, group, SUSPECTS)
        ahead = pool.submit(future, slow, base, group, workers=1, more=more)
        order = pool.submit(without)
        added = pool.submit(added_up, work, found, lambda run: Reading(run, entry, label).headline)
        probes = measured(slow, base, group, [*ahead.result(), *order.result()])
        return found.written(probes, added.result())


def added_up(work: Job, found: Reading, headline: Callable[[Traced], Explained | None]) -> list[Sum]:
    """What the scores at some positions add up to, with a small vocabulary where the program can be given one."""
    if work.device != "cpu" or work.ranks > 1:
        return []
    job = small(work)
    if job is not work:
        few = trace(job)
        other = headline(few) if few.outcome.ok else None
        if other is not None and other.what == BPB:
            return sums(job, few, other)
    assert found.headline is not None
    return sums(work, found.run, found.headline)


def claimed_line(config: Configuration) -> str:
    """The line of the log that the claim rests on, "" if none is known."""
    return (config.label_text or config.label).lower()


def headline(numbers: Sequence[Explained], label: str) -> tuple[Explained | None, bool]:
    """The number that stands for the claim: bits per byte on the line that is most like the log's, else the last one.

    And whether a line of the log says so.
    """
    known = [x for x in numbers if x.group]
    best = [x for x in known if x.what == BPB] or known
    best = [x for x in best if not ASIDE.search(x.text)] or best
    alike = [agreement(x.text.lower(), label) for x in best]
    most, _, found = max(zip(alike, range(len(best)), best, strict=True), default=(0, 0, None))
    return found, most > 0


def score_first(numbers: Sequence[Explained], last: Explained, records: Sequence[Record]) -> Explained | None:
    """A number before the last one, of as many scores, that adapts behind them, as a claimed result does.

    Where no log says which is claimed, what is scored once more after it, and not called the result, may be a look at the adapted
    weights.
    """
    if last.group is None or RESULT.search(last.text) or not order.before(records, last.group):
        return None
    for x in reversed(numbers[: numbers.index(last)]):
        if x.group is None or x.what != last.what or len(x.group.positions) < len(last.group.positions):
            continue
        first, end = x.group.records[0].n, x.group.records[-1].n
        adapts = any(r.kind == "update" and first < r.n < end for r in records)
        if adapts and not order.before(records, x.group):
            return x
    return None


class Reading:
    """One run, read. `label`: the line of the log that the claim rests on. `beside`: the texts of the files beside the entry."""

    def __init__(self, run: Traced, entry: Script, label: str = "", beside: Mapping[str, str] = NONE) -> None:
        self.run, self.entry = run, entry
        self.texts = {**beside, entry.path: entry.text}
        self.lines = entry.text.split("\n")
        sizes = vocabulary.bytes_at(run.world.validation, run.world.vocabulary)
        self.numbers = explain([*run.records, *unbooked(run.records, run.stdout)], sizes)
        self.headline, told = headline(self.numbers, label)
        self.after: Explained | None = None  # what is printed later, of tokens that were learnt
        if self.headline is not None and not told:
            other = score_first(self.numbers, self.headline, run.records)
            if other is not None:
                self.headline, self.after = other, self.headline

    @property
    def group(self) -> Group | None:
        return self.headline.group if self.headline else None

    def place(self, p: Place | None) -> Location:
        """A frame's place. Code that a wrapper unpacked has no file: it is the entry's innermost text."""
        if p is None:
            return Location(self.entry.path)
        file, line = p[0], p[1]
        if file.startswith("<") or file == self.entry.path:
            text = self.lines[line - 1].strip()[:240] if 0 < line <= len(self.lines) else ""
            return Location(self.entry.path, line, text, len(self.entry.layers))
        return Location(file, line)

    def written(self, probes: Sequence[Probe] = (), added: Sequence[Sum] = ()) -> Trace:
        run = self.run
        seen = ran(run.records, self.texts)
        early = self.early()
        numbers = tuple(
            Printed(
                x.text[:240],
                x.value,
                x.what,
                len(x.group.positions) if x.group else 0,
                self.place(x.group.line) if x.group else None,
                x.right,
            )
            for x in self.numbers
        )
        t = Trace(
            entry=self.entry.path,
            sealed=run.outcome.mode.value,
            device=run.device,
            ranks=run.ranks,
            ended=run.outcome.words(),
            failure=run.problem or ("" if run.outcome.ok and self.numbers else failure(run)),
            seconds=run.outcome.wall_s,
            positions=len(run.world.validation),
            reduced=tuple(Reduced(n, was, run.knobs.now(n)) for n, was in sorted(run.knobs.reduced.items())),
            printed=numbers,
            headline=self.numbers.index(self.headline) if self.headline else -1,
            after=self.numbers.index(self.after) if self.after else -1,
            early=tuple(early),
            again=len(order.scored_twice(self.group)) if self.group else 0,
            probes=tuple(probes),
            foresight=tuple(foresight.foresight(run.records, self.group, self.place) if self.group else ()),
            sums=tuple(added),
            timeline=timeline(run.records, self.group),
            closeups=closeups(run.records, self.group, early, probes),
            manner=run.plan.words(),
            watched=tuple(r.path for r in seen),
            unrun=tuple(span for r in seen for span in unrun(r)),
            gates=gates(seen, self.group, run.knobs.environment, lambda file, line: self.place((file, line, "", 0))),
            given=tuple(f"{name}={value}" for name, value in run.given.items()),
        )
        return replace(t, looks=looked(run.records, [(r, self.texts[r.path]) for r in seen], t.executed, self.place))

    def early(self) -> list[Early]:
        if self.group is None:
            return []
        scored = len(np.unique(self.group.positions))
        began = self.group.records[0].n
        return [
            Early(
                how=How(b.how),
                count=len(b.positions),
                of=scored,
                first=int(b.positions.min()),
                last=int(b.positions.max()),
                at=self.place(b.doing.where[0] if b.doing.where else None),
                scored=self.place(b.scored.where[0] if b.scored.where else None),
                changed=self.place(b.changed.where[0]) if b.changed and b.changed.where else None,
                during=(b.last or b.doing).n > began,
            )
            for b in order.before(self.run.records, self.group)
        ]
