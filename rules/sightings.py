"""What was seen in live code, for rules that judge single sights: which of them count, and how they are told."""

from __future__ import annotations

from collections.abc import Iterator

from rules import order
from rules.events import Observation, Program, Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Status
from rules.rule import Rule


def of(p: Program, sight: Sight, **detail: str) -> tuple[Observation, ...]:
    """The observations of one kind, each place once, those that touch the headline first."""
    found: dict[object, Observation] = {}
    for o in p.observations:
        if o.sight is sight and all(o[k] == v for k, v in detail.items()):
            old = found.get((o.at, o.detail))
            if old is None or (order.counts(o, p) and not order.counts(old, p)):
                found[(o.at, o.detail)] = o
    return tuple(sorted(found.values(), key=lambda o: not order.counts(o, p)))


def cut_losses(p: Program, *, capped: bool) -> tuple[tuple[Observation, Status], ...]:
    """Where losses of the headline were cut by how large they are, and how sure it is that the cut ones are claimed."""
    by_id = {e.id: e for e in p.events}
    direct = {s for r in order.headlines(p) for s in r.scores}
    out = []
    for o in of(p, Sight.LOSS_CUT):
        if (o["form"] == "capped") is not capped or not direct.intersection(o.scores) | _later(p, o, direct):
            continue
        whole = {b for s in o.scores if s in by_id for b in by_id[s].scores} & direct  # printed beside
        out.append((o, Status.LIKELY if o.certain and not whole else Status.NEEDS_HUMAN))
    return tuple(out[:2])


def _later(p: Program, o: Observation, direct: set[int]) -> set[int]:
    """Scores of the headline that were made of the cut ones."""
    return {e.id for e in p.events if e.id in direct and set(e.scores).intersection(o.scores)}


def facts(o: Observation, p: Program) -> tuple[Fact, ...]:
    """The steps that lead to what was seen, and the settings that make it live."""
    steps = [Fact(f"step {i}", s.what, s.at) for i, s in enumerate(o.path, 1)]
    said = o.under
    chosen = [Fact("setting", f"{s.name}={s.value} ({s.origin})", s.at if s.at.file else None) for s in said]
    return (*steps, Fact("seen", o.what, o.at), *chosen)


def followed(e: Evidence) -> Program | None:
    """The program, if it was followed to its end and the reported number was found in it."""
    p = e.program
    return p if p is not None and p.finished and p.headline else None


def accuse(
    rule: Rule,
    p: Program,
    seen: tuple[Observation, ...],
    message: str,
    instead: str,
    *,
    sure: Status = Status.VIOLATION,
    doubt: Status = Status.LIKELY,
) -> Iterator[Finding]:
    """A finding for each place that touches the headline; `doubt` where a condition around it is undecided."""
    for o in seen:
        if order.counts(o, p):
            yield rule.finding(sure if o.certain else doubt, message, *facts(o, p), at=(o.at,), instead=instead)
