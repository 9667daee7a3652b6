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
