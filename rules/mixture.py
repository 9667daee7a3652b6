"""What the rules about mixing into a score share: which sights count, how sure they are, and the way of the value.

A sight convicts only when it touches the number that the claim rests on and no undecided condition
stands around it; otherwise a person has to look.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules import order
from rules.events import EventKind, Observation, Program, Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Status
from rules.rule import Rule

MAX_FINDINGS = 4
MAX_STEPS = 12


def seen(p: Program, *sights: Sight) -> tuple[Observation, ...]:
    """Sights of some kinds that are not as the rules allow, those that touch the headline first, each place once."""
    bounded = order.bounded(p)
    found = [
        o
        for o in p.observations
        if o.sight in sights and not o.ok and o["of"] != "totals" and o["how"] != "memory"
        if not (
            o.sight in (Sight.NON_CAUSAL, Sight.TARGET_GATE, Sight.ORACLE) and o.scores and bounded.issuperset(o.scores)
        )
    ]  # a token that is hidden may be told by those behind it: see EVAL3
    found.sort(key=lambda o: (grade(o, p).rank, o.sight))
    first: dict[object, Observation] = {}
    for o in found:
        first.setdefault((o.sight, o.at.file, o.at.line), o)
    return tuple(first.values())


def grade(o: Observation, p: Program) -> Status:
    """How much a sight weighs, before the rule's own authority is asked."""
    if switched_off(o, p):
        return Status.NEEDS_HUMAN
    if o["live"] == "unknown" or o["form"] == "found":  # only where tables are mixed in asks about the token
        return Status.LIKELY if o["live"] == "unknown" or order.counts(o, p) else Status.NOT_APPLICABLE
    if o["form"] in ("apart", "moved", "vocabulary"):
        return Status.NEEDS_HUMAN if order.counts(o, p) else Status.NOT_APPLICABLE
    if order.counts(o, p) or o["live"] == "yes":
        return Status.VIOLATION if o.certain else Status.LIKELY
    if reported(o, p) and o.sight not in (
        Sight.ORACLE,
        Sight.SPREAD_BYTES,
    ):  # a perfect choice, a look at bytes may be printed beside the result
        return Status.LIKELY if not p.headline else Status.NEEDS_HUMAN
    return Status.NOT_APPLICABLE


def switched_off(o: Observation, p: Program) -> str:
    """The setting that multiplies what a native function fills by zero, as far as its name tells; "" if there is none.

    A name proves nothing, so it never clears a submission; but a factor of zero in the claimed run asks for a look.
    """
    channel = o["name"].split("_")[0].lower()
    if not o["function"] or len(channel) < 4:
        return ""
    for s in p.settings:
        try:
            zero = float(s.value) == 0
        except ValueError:
            continue
        if zero and s.origin in ("command", "log") and channel in s.name.lower():
            return f"{s.name}={s.value}"
    return ""


def reported(o: Observation, p: Program) -> bool:
    """Whether the scores that a sight touches are in any number that is printed after training."""
    by_id = {e.id: e for e in p.events}
    said = {s for r in order.reports(p) for s in r.scores}
    said |= {b for s in said if s in by_id for b in by_id[s].scores}
    return bool(said.intersection(o.scores))


def facts(o: Observation, p: Program) -> tuple[Fact, ...]:
    """The way of the value: calls, reads, the place itself, the score, the report."""
    steps = [Fact("step", s.what, s.at) for s in o.path[-MAX_STEPS:]]
    out = [*steps, Fact("seen", o.what, o.at)]
    touched = set(o.scores)
    for e in p.events:
        if e.kind is EventKind.SCORE and touched.intersection((e.id, *e.scores)):
            out.append(Fact("score", "the tokens are scored here", e.at))
            break
    headline = [r for r in order.headlines(p) if r.scores]
    if headline and (order.counts(o, p) or o["live"] == "yes"):
        out.append(Fact("report", headline[-1].name[:120] or "printed", headline[-1].at))
    out += [Fact("setting", f"{s.name}={s.value} ({s.origin})", s.at if s.at.file else None) for s in o.under[:4]]
    out += [Fact(k, v) for k, v in o.detail if k in ("switch", "setting", "guards")]
    return tuple(dict.fromkeys(out))


def judged(
    rule: Rule,
    e: Evidence,
    sights: tuple[Sight, ...],
    *,
    message: str = "",
    instead: str = "",
    most: Status = Status.VIOLATION,
    other: tuple[str, ...] = (),
) -> Iterator[Finding]:
    """One finding for each place where one of the sights was seen, none of them surer than `most`.

    Forms in `other` are the business of another rule.
    """
    p = e.program
    if p is None:
        return
    for o in seen(p, *sights)[:MAX_FINDINGS]:
        status = grade(o, p)
        if not status.is_alarm or o["form"] in other:
            continue
        if status.rank < most.rank:
            status = most
        yield rule.finding(
            status, f"{message or o.what}{_reservation(o, p, status)}", *facts(o, p), at=(o.at,), instead=instead
        )


def _reservation(o: Observation, p: Program, status: Status) -> str:
    if off := switched_off(o, p):
        return f"; the claimed run had {off}, which may leave it without effect"
    if status is Status.NEEDS_HUMAN and not order.counts(o, p):
        return "; the number that the claim rests on was not seen to contain it, another printed number does"
    if o["form"] == "apart":
        return "; whether these lie after the position could not be decided by reading"
    if o["form"] == "moved":
        return "; the model moves its input on by itself, and how far could not be decided by reading"
    if o["form"] == "vocabulary":
        return "; the scored tokens themselves know it, as with a vocabulary that the script makes of training text"
    if o["form"] == "product":
        return "; whether the products add up to 1 over all tokens could not be decided by reading"
    if not o.certain:
        return "; a condition around it could not be decided by reading"
    if o["live"] == "unknown":
        return "; whether this part runs could not be decided by reading"
    return ""


def clear(rule: Rule, e: Evidence, message: str) -> Iterator[Finding]:
    """`ok`, if the whole script was followed and nothing that might matter was left unread."""
    p = e.program
    if p is not None and p.finished and p.headline and not any(not s.dead for s in p.suspects):
        yield rule.finding(Status.OK, message)
