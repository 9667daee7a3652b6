"""Kinds of adaptation: what happened between the tokens, the state and the score, in one word each.

The order rules (C3, C4, TTT1 to TTT4, SLOT1, SLOT2, CAL1) share these kinds, so that each reads like
a sentence and one fault is not described in two ways.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rules import order
from rules.events import Event, EventKind, Means, Program, Scope
from rules.finding import Fact, Finding, Status
from rules.rule import Rule


class Kind(StrEnum):
    BEFORE = "before"  # trained on the tokens, then scored them
    EPOCHS = "epochs"  # rounds over the same tokens, a later one counts
    RESCORED = "rescored"  # scored, trained on, scored again
    AHEAD = "ahead"  # score-first by chunks, but a chunk reaches further than what was scored
    TABLE = "table"  # counts took the tokens in before they were scored
    PASSES = "passes"  # a later pass over all tokens with tables or weights from an earlier one
    CALIBRATION = "calibration"  # activations on the tokens shaped the stored weights
    CHOSEN = "chosen"  # stored weights were chosen by the loss on the tokens
    STORED = "stored"  # the tokens themselves went into the weights
    WINDOW = "window"  # fresh values fitted to the window that is then scored
    CONTEXT = "context"  # the same, but on positions before the scored ones only
    OTHER_TOKENS = "other tokens"  # of the same windows, on the other side of a boundary
    CONTEXT_SHARED = "context shared"  # the same, with one set of values for several windows


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of conflict with the strongest example of it."""

    kind: Kind
    conflict: order.Conflict
    count: int


@functools.lru_cache(maxsize=8)
def cases(p: Program) -> tuple[Case, ...]:
    """The conflicts of the headline, one of each kind and place."""
    return _cases(p, order.headlines(p)[:1])


@functools.lru_cache(maxsize=8)
def rival_cases(p: Program) -> tuple[tuple[Case, ...], ...]:
    """The same for every other printed number that the claim may rest on."""
    return tuple(_cases(p, (r,)) for r in order.rivals(p)[:8])


ALL_BUT_LAST = "0:-1<"  # a shift, which keeps nothing apart


def _cases(p: Program, reports: tuple[Event, ...]) -> tuple[Case, ...]:
    found: dict[tuple[Kind, object, object], list[order.Conflict]] = {}
    for report in reports:
        for c in order.conflicts(p, report):
            found.setdefault((kind_of(c), c.update.at, c.score.at), []).append(c)
    out = [Case(k, max(cs, key=lambda c: c.sure), len(cs)) for (k, _, _), cs in found.items()]
    return tuple(sorted(out, key=lambda c: (not c.conflict.sure, c.conflict.update.id)))


def kind_of(c: order.Conflict) -> Kind:
    u = c.update
    if u.means is Means.CALIBRATION:
        return Kind.CALIBRATION
    if u.means is Means.STORE:
        return Kind.STORED
    if u.means is Means.CHOICE:
        return Kind.CHOSEN
    if u.scope is Scope.WINDOW and not c.repeat and not _ahead(c):
        if c.context_only or _before_what_counts(c):
            return Kind.CONTEXT_SHARED if u.shared else Kind.CONTEXT
        return Kind.WINDOW
    if c.context_only:
        return Kind.OTHER_TOKENS
    if c.repeat:
        return Kind.PASSES if u.means in (Means.TABLE, Means.WEIGHTS) else Kind.EPOCHS
    if u.means in (Means.TABLE, Means.WEIGHTS):
        return Kind.PASSES if c.rescored and not _same_turn(c) and not _ahead(c) else Kind.TABLE
    if _ahead(c):
        return Kind.AHEAD
    if c.rescored and order.interleaved(c.rescored, u):
        return Kind.RESCORED
    return Kind.BEFORE


def _before_what_counts(c: order.Conflict) -> bool:
    """Whether the fit stops at some boundary and what counts begins at some boundary.

    The two are computed in different ways, so that nobody can tell from the code that they are the same.
    """
    fit, counts = [p for p in c.update.parts if p != ALL_BUT_LAST], c.score.parts
    return bool(fit) and all(p.endswith("<") for p in fit) and any(p.endswith(">") for p in counts)


def _same_turn(c: order.Conflict) -> bool:
    """Whether update and score stand in the same turn of a loop that chooses the tokens."""
    turned = dict(c.score.turns)
    return any(turned.get(loop) == k and loop in order.walks(c.score) for loop, k in c.update.turns)


def _ahead(c: order.Conflict) -> bool:
    """Whether an earlier turn of a loop over the tokens already took in those of a later one."""
    turned = dict(c.score.turns)
    return any(loop in turned and turned[loop] > k and loop in order.walks(c.score) for loop, k in c.update.turns)


def facts(c: order.Conflict, p: Program) -> tuple[Fact, ...]:
    """The path from source to sink, and the settings that make it live."""
    out = [Fact(f"step {i}", step.what, step.at) for i, step in enumerate(order.path(c, p), 1)]
    return (*out, *settings(p, c.update, c.score))


def settings(p: Program, *events: Event) -> tuple[Fact, ...]:
    """Settings that decide conditions, as far as they are named in the code around."""
    named = {s.name: s for e in events for s in e.under}
    said = list(named.values())
    return tuple(Fact("setting", f"{s.name}={s.value} ({s.origin})", s.at if s.at.file else None) for s in said[:6])


def accuse(
    rule: Rule,
    p: Program,
    wanted: tuple[Kind, ...],
    message: str,
    instead: str,
    *,
    status: Status = Status.VIOLATION,
    doubt: Status = Status.LIKELY,
    disputes: tuple[str, ...] = (),
) -> Iterator[Finding]:
    """A finding for each place at which one of these kinds was seen; `doubt` when a condition is undecided."""
    seen = set()
    others = rival_cases(p)
    first = [case for case in cases(p) if case.kind in wanted]
    elsewhere = [] if first else [case for found in others for case in found if case.kind in wanted]
    free = any(not any(case.kind in wanted for case in found) for found in others)
    for case in first or elsewhere:
        c = case.conflict
        if case.kind not in wanted or c.update.at in seen:
            continue
        seen.add(c.update.at)
        said = status if c.sure else doubt
        unsure = "" if c.sure else " (under a condition that could not be decided from the source)"
        if c.update.logged is False:
            said = Status.NEEDS_HUMAN
            unsure = ", though the log of the claimed run has no line that this code prints"
        if p.assumed and c.update.means not in (Means.TABLE, Means.WEIGHTS, Means.CHOICE):
            said = Status.NEEDS_HUMAN  # steps of a few minutes do not explain such a number, tables do
        if elsewhere or (free and said in (Status.VIOLATION, Status.LIKELY)):
            said = Status.NEEDS_HUMAN
            unsure = "; this is in one printed number and not in another, and no line of the log shows the claimed one"
        where = order.places(c)
        yield rule.finding(
            said,
            f"{message}: {where}{unsure}",
            *facts(c, p),
            at=(c.update.at, c.score.at, c.report.at),
            instead=instead,
            disputes=disputes,
        )


def self_fitted(rule: Rule, p: Program, instead: str) -> Iterator[Finding]:
    """Scores whose prediction was computed from the very tokens that it predicts, without any step."""
    seen = set()
    bounded = order.bounded(p)
    for s in scores_of(p):
        if s.id in bounded:
            continue
        own = next((x for x in s.inputs if x in s.slices), None)
        if own is None or s.at in seen:
            continue
        seen.add(s.at)
        yield rule.finding(
            Status.LIKELY if unavoidable(p, s) else Status.NEEDS_HUMAN,
            f"the prediction at {s.at} is computed from the tokens that it predicts",
            Fact("tokens read", "both the target and a part of the prediction", own.at),
            Fact("scored", "against the same tokens", s.at),
            instead=instead,
            disputes=("D-02",),
        )


def chosen_by_score(p: Program) -> Iterator[tuple[Event, Event]]:
    """Scores whose prediction was picked by an earlier score of the same tokens: (earlier, counted).

    A model may weigh what it read by how well it foresaw it: the losses of its own input, in the turn at hand.
    """
    by_id = {e.id: e for e in p.events}
    for s in scores_of(p):
        for n in s.told:
            first = by_id.get(n)
            if first is not None and first.inner and _within(first, s) and not set(first.slices) & set(s.slices):
                continue
            if first is not None and any(not order.disjoint(a, b) for a in first.slices for b in s.slices):
                yield first, s
                break


def _within(first: Event, s: Event) -> bool:
    """Whether the first score was taken in the same turns as the second, at most in further loops inside them."""
    return first.turns[: len(s.turns)] == s.turns


def counted_twice(p: Program) -> tuple[Event, Event] | None:
    """Two scores of the same tokens from the same line, both in the headline, neither made from the other."""
    seen: dict[object, Event] = {}
    bounded = order.bounded(p)
    for s in scores_of(p):
        if s.id in bounded:
            continue
        key = (s.at, s.slices, s.parts)
        other = seen.setdefault(key, s)
        if other is s or other.id in s.scores or s.id in other.scores or order.exclusive(other, s) or not s.slices:
            continue
        if other.inner and s.inner and other.after == s.after and _of_one_walk(other, s):
            continue  # exits of one model, whose losses are averaged
        walks = {loop for x in s.slices for loop, _ in x.turns}
        turned = dict(other.turns)
        if any(loop in turned and turned[loop] != k and loop not in walks for loop, k in _rounds(s, walks)):
            return other, s
    return None


def _of_one_walk(a: Event, b: Event) -> bool:
    """Whether two scores differ only in the turns of loops inside the one that reached the tokens at hand."""
    known = {loop for s in (a, b) for x in s.slices for loop, _ in x.turns}
    inner = max((n for n, (loop, _) in enumerate(a.turns) if loop in known), default=-1)
    return inner >= 0 and a.turns[: inner + 1] == b.turns[: inner + 1]


def _rounds(s: Event, walks: set[int]) -> tuple[tuple[int, int], ...]:
    """The turns that may be rounds: not those over the bytes of one token, whose scores are factors of one."""
    if s.name != "next byte":
        return s.turns
    inner = max((n for n, (loop, _) in enumerate(s.turns) if loop in walks), default=len(s.turns))
    return s.turns[:inner]


def unavoidable(p: Program, *events: Event) -> bool:
    """Whether no undecided condition stands around these that does not stand around the headline, too."""
    return not any(order.undecided(x, r) for r in order.headlines(p)[:1] for x in events)


def was_scored(p: Program) -> bool:
    """Whether a reported number could be traced back to scores."""
    return any(r.scores for r in order.headlines(p))


def clear(rule: Rule, p: Program, message: str) -> Iterator[Finding]:
    """The `ok` of a rule that looked and found nothing; silent where the walk did not reach a reported number."""
    if p.finished and was_scored(p):
        at = tuple(dict.fromkeys(e.at for e in order.headlines(p)))[:1]
        yield rule.finding(Status.OK, message, at=at)


def scores_of(p: Program) -> list[Event]:
    by_id = {e.id: e for e in p.events if e.kind is EventKind.SCORE}
    return [by_id[s] for r in order.headlines(p)[:1] for s in r.scores if s in by_id]
