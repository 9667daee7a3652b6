"""From what a walk noted down to the facts that rules read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from auditor.source.labels import Mark, Read
from auditor.source.shipped import payload
from auditor.source.sights import coverage, cuts, mass, native_calls, predictions
from auditor.source.sights.ending import finish
from auditor.source.walk import Reported, Scored, Seen, Site, Updated, Walk, branch_of
from auditor.source.witness import met
from rules import order
from rules.events import Event, EventKind, Means, Observation, Program, Setting, Sight, Slice, Step
from rules.evidence import Script
from rules.place import Location

MAX_SLICES = 12
MAX_REPORTS = 200
MAX_UNUSED = 200
MAX_PIECES = 6
LONG_CALL = 12  # lines over which the arguments of one call may stretch
_PIECE = re.compile(r"[^{}\d]{4,}")


def program(w: Walk, entry: Script, scripts: dict[str, Script], problem: str) -> Program:
    """The event graph, as plain facts."""
    for last in (finish, predictions.finish, mass.finish, warmups, coverage.finish):
        try:
            last(w)
        except Exception as e:  # what was found before still stands
            problem = problem or f"the code was followed, but not judged to its end ({e!r:.100}); please report it"
    good, left = native_calls.untold(w)
    maker = _Maker(w, scripts)
    reported: set[int] = set()
    reports = w.reports[-MAX_REPORTS:]
    for r in reports:
        reported |= set(w.marks.numbers(r.scores, Mark.SCORE))
    gradients = 0
    for u in w.updates.values():
        gradients |= u.scored
    for n in list(reported):
        reported |= set(w.marks.numbers(w.scores[n].told, Mark.SCORE))
    unused = [s.id for s in w.scores.values() if s.id not in reported and not s.derived and not s.grad and s.base < 0]
    for n in unused[:MAX_UNUSED]:
        if not gradients & w.marks.make(Mark.SCORE, n):
            reported.add(n)  # scored without gradients, and the result dropped
    events = [maker.score(w.scores[s]) for s in sorted(reported)]
    needed = {u for e in events for u in e.after}
    events += [maker.update(w.updates[u]) for u in sorted(needed)]
    events += [maker.report(r) for r in reports]
    events.sort(key=lambda e: e.id)
    return Program(
        entry=entry.path,
        settings=tuple(maker.setting(s) for s in w.settings.values()),
        events=tuple(events),
        observations=(*(maker.observation(s) for s in w.seen), *good),
        suspects=(*left, *w.native_suspects),
        loops=tuple(maker.place(s) for s in w.loop_sites),
        functions=tuple(w.entered),
        shut=tuple(shut(w)),
        finished=not problem,
        problem=problem,
    )


_TELLING = (ast.Constant, ast.Name, ast.Attribute, ast.BoolOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Subscript)
_ASKS = frozenset(("int", "float", "bool", "str", "len", "get", "getenv", "lower", "strip"))


def shut(w: Walk) -> Iterator[str]:
    """The lines of branches that were never walked because a plain condition is known, and of loops without a turn."""
    for path, n, said in w.ways.values():
        if len(said) != 1 or None in said:
            continue
        block = (n.orelse if isinstance(n, ast.If) else []) if True in said else n.body
        if block and (_counts(n.iter) if isinstance(n, ast.For) else _plain(n.test)):
            yield f"{path}:{block[0].lineno}-{block[-1].end_lineno or block[-1].lineno}"


def _counts(e: ast.expr) -> bool:
    """Whether a loop goes over what is written out in the code, or over a range of plain numbers."""
    ranged = isinstance(e, ast.Call) and isinstance(e.func, ast.Name) and e.func.id == "range"
    return isinstance(e, ast.Tuple | ast.List) or (ranged and all(_plain(a) for a in e.args))  # type: ignore[attr-defined]


def _plain(test: ast.expr) -> bool:
    """Whether a condition only asks for values and settings, so that what was known of it holds in the run too."""
    for n in ast.walk(test):
        if isinstance(n, ast.Call):
            name = (
                n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id if isinstance(n.func, ast.Name) else ""
            )
            if name not in _ASKS:
                return False
        elif isinstance(n, ast.expr) and not isinstance(n, _TELLING):
            return False
    return True


def warmups(w: Walk) -> None:
    """Steps on validation tokens before an evaluation that show in no score of it: a rehearsal."""
    seen = set()
    for u in w.updates.values():
        if u.means not in (Means.OPTIMIZER, Means.BY_HAND) or u.site in seen:
            continue
        for r in w.reports:
            scores = w.marks.numbers(r.scores, Mark.SCORE)
            if not scores or min(scores) < u.id or w.in_training(r.turns):
                continue
            bit = w.marks.make(Mark.UPDATE, u.id)
            if any(w.scores[s].inputs & bit for s in scores):
                continue
            seen.add(u.site)
            later = [
                x
                for x in w.updates.values()
                if x.id > u.id and x.optimiser == u.optimiser and u.optimiser[0] and min(scores) < x.id
            ]
            w.see(
                Sight.WARMUP,
                u.site,
                "a step on validation tokens before they are scored, whose effect on the weights is gone by then",
                r.scores,
                detail=(("kept", "optimiser") if later else ("kept", ""),),
            )
            break


def in_log(w: Walk, u: Updated) -> bool | None:
    """Whether the claimed run's log has lines that the code around an update prints; None if that cannot be told."""
    if not w.config.printed:
        return None
    around = {s.func for s in u.stack if s.func and s.func != "main"}
    loops = {loop for loop, _ in u.turns}
    heard = {site for (text, _, site) in w.printed if w.config.printed_like(text)}  # prints that do reach the log
    near = {
        text
        for (text, inside, site), where in w.printed.items()
        if site in heard and (around & inside if around else where & loops)
    }
    if not near:
        return None
    return any(w.config.printed_like(text) for text in near)


class _Maker:
    def __init__(self, w: Walk, scripts: dict[str, Script]) -> None:
        self.w = w
        self.lines = {p: s.text.splitlines() for p, s in scripts.items()}
        self.layer = {p: len(s.layers) for p, s in scripts.items()}
        self.met = met(w.said_under, w.config)
        self.payloads = {p: payload(s) for p, s in scripts.items() if s.layers}

    def place(self, s: Site | Location) -> Location:
        if isinstance(s, Location) and s.text:  # a line of a text within the file
            return s
        path = s.path if isinstance(s, Site) else s.file
        line = (s.line or 0) if s else 0
        lines = self.lines.get(path, [])
        text = lines[line - 1].strip()[:240] if 0 < line <= len(lines) else ""
        return Location(path, line or None, text, self.layer.get(path, 0))

    def step(self, s: Site | Location, what: str) -> Step:
        at = self.place(s)
        return Step(at, what, self.payloads.get(at.file))

    def setting(self, s: Setting) -> Setting:
        """A setting that the code itself gives stands at a line of the unpacked text."""
        return s if s.at.text or s.at.file not in self.lines else replace(s, at=self.place(s.at))

    def guards(self, around: tuple[str, ...]) -> tuple[str, ...]:
        """The conditions around, those that the claimed run's log shows to have been met marked as such."""
        return tuple(f"{g}!" if branch_of(g) in self.met else g for g in around)

    def slices(self, marks: int) -> tuple[Slice, ...]:
        out = []
        for r in self.w.marks.reads(marks)[:MAX_SLICES]:
            out.append(self.slice(r))
        return tuple(out)

    def slice(self, r: Read) -> Slice:
        known = r.base == 0
        return Slice(
            r.split,
            self.place(r.at),
            tuple(sorted(r.turns)),
            r.start if known else None,
            r.stop if known else None,
            tuple(sorted(r.parts)),
        )

    def stack(self, stack: tuple[Site, ...]) -> tuple[Step, ...]:
        return tuple(self.step(s, f"calls {s.func}") for s in stack if s.line)

    def score(self, s: Scored) -> Event:
        m = self.w.marks
        return Event(
            s.id,
            EventKind.SCORE,
            self.place(s.site),
            s.tagged,
            s.turns,
            self.guards(s.guards),
            self.slices(s.targets),
            self.inputs(s),
            tuple(m.numbers(s.inputs, Mark.UPDATE)),
            self.made_of(s),
            path=self.stack(s.stack),
            parts=tuple(sorted(s.parts)),
            training=self.w.in_training(s.turns),
            told=tuple(m.numbers(s.told, Mark.SCORE)),
            inner=s.inner,
        )

    def inputs(self, s: Scored) -> tuple[Slice, ...]:
        """What reached the prediction; of runs that differ from the targets only by a shift, nothing is left to tell."""
        reads = self.elsewhere(s, self.w.val_reads(s.inputs))
        own, targets = self.slices(reads & s.targets), self.slices(s.targets)
        return (*own, *(x for x in self.slices(reads & ~s.targets) if x not in targets))

    def elsewhere(self, s: Scored, inputs: int) -> int:
        """The inputs of a score, less those that are known to stand beside its targets where a slice cannot say so."""
        if s.inputs & cuts.moved(self.w):
            return inputs & ~s.targets
        reads = self.w.marks.reads(s.targets)
        for r in self.w.marks.reads(inputs & ~s.targets):
            beside = [t for t in reads if r.base and t.base == r.base and None not in (t.start, r.start)]
            if beside and all(t.start != r.start for t in beside):
                inputs &= ~self.w.read(r)
        return inputs

    def made_of(self, s: Scored) -> tuple[int, ...]:
        """The scores that this one was computed from, nearest first."""
        out: list[int] = []
        while s.base >= 0 and len(out) < 20:
            out.append(s.base)
            s = self.w.scores[s.base]
        return tuple(out)

    def update(self, u: Updated) -> Event:
        marks = u.marks
        scores = tuple(self.w.marks.numbers(u.scored, Mark.SCORE))
        for n in scores:
            s = self.w.scores[n]
            marks |= s.targets
        steps = [self.step(b, "gradients of the loss on these tokens") for b in u.backward]
        logged = in_log(self.w, u)
        return Event(
            u.id,
            EventKind.UPDATE,
            self.place(u.site),
            u.name,
            u.turns,
            self.guards(u.guards),
            self.slices(marks),
            scores=scores,
            means=u.means,
            scope=u.scope,
            path=(*self.stack(u.stack), *steps),
            parts=tuple(sorted(u.parts)),
            shared=u.shared,
            training=self.w.in_training(u.turns),
            logged=logged,
        )

    def report(self, r: Reported) -> Event:
        return Event(
            r.id,
            EventKind.REPORT,
            self.said(r),
            r.text,
            r.turns,
            self.guards(r.guards),
            scores=tuple(self.w.marks.numbers(r.scores, Mark.SCORE)),
            path=self.stack(r.stack),
            training=self.w.in_training(r.turns),
        )

    def said(self, r: Reported) -> Location:
        """Where the words of a report stand: at the print itself, or at the call that handed them down to it."""
        pieces = [m[0].strip() for m in _PIECE.finditer(r.text) if len(m[0].strip()) >= 4]
        for piece in pieces[:MAX_PIECES]:
            for s in (r.site, *reversed(r.stack)):
                lines = self.lines.get(s.path, [])
                for k in range(s.line, min(s.line + LONG_CALL, len(lines) + 1)):
                    if piece in lines[k - 1]:
                        return self.place(Site(s.path, k))
        return self.place(r.site)

    def observation(self, s: Seen) -> Observation:
        return Observation(
            s.sight,
            self.place(s.site),
            s.what,
            path=(*self.stack(s.stack), *(self.step(at, what) for at, what in s.path)),
            scores=tuple(self.w.marks.numbers(s.marks, Mark.SCORE)),
            detail=s.detail,
            certain=s.certain or not any(order.open_condition(g) for g in self.guards(s.guards)),
            ok=s.ok,
        )
