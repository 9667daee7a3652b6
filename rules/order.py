"""Questions of order: which scores came from a state that had taken the same tokens in before.

The event graph (`rules/events.py`) lists for every score the updates whose effect was in the state it was
taken from. What remains is whether such an update took in the very tokens that were scored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rules.events import Event, EventKind, Observation, Program, Scope, Sight, Slice, Split, Step

_RESULT = re.compile(r"(?i)bpb|val[_ ]?loss|score")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A score that counts, and an update with the same tokens before it.

    `repeat` is whether both stand in a loop that goes over the same tokens again; `rescored` whether the
    same tokens had a score of their own before the update; `context_only` whether the update used only
    positions on the other side of the boundary from those that count. `sure` is False when an undecided
    condition stands around either.
    """

    update: Event
    score: Event
    report: Event
    repeat: bool
    rescored: Event | None
    context_only: bool
    sure: bool


def disjoint(a: Slice, b: Slice, *, narrowed: bool = False) -> bool:
    """Whether two slices can hold no token in common. `narrowed` when only a part of one counts."""
    if a.split is not b.split or opposite(_listed(a), _listed(b)):
        return True
    if not narrowed and None not in (a.start, a.stop, b.start, b.stop):
        return not (a.start < b.stop and b.start < a.stop)  # type: ignore[operator]
    if _ends_before(a, b) or _ends_before(b, a):
        return True
    mine: dict[int, set[int]] = {}
    other: dict[int, set[int]] = {}
    for loop, k in a.turns:
        mine.setdefault(loop, set()).add(k)
    for loop, k in b.turns:
        other.setdefault(loop, set()).add(k)
    return any(loop in other and not ks & other[loop] for loop, ks in mine.items())


def _ends_before(a: Slice, b: Slice) -> bool:
    return a.stop is not None and b.start is not None and a.stop <= b.start


def _listed(s: Slice) -> tuple[str, ...]:
    """The boundaries at which a list of slices was cut in two."""
    return tuple(x for x in s.parts if x.startswith("L"))


def exclusive(a: Event, b: Event) -> bool:
    """Whether two events stand under different branches of the same condition."""
    branch = dict(g.rsplit(":", 1) for g in a.guards)
    return any((n := g.rsplit(":", 1))[0] in branch and branch[n[0]] != n[1] for g in b.guards)


def undecided(e: Event, report: Event) -> frozenset[str]:
    """Conditions around an event that nobody could decide, beyond those around the report.

    Conditions on counters that grow during the run ("~") are met in some turn and do not count, nor do
    those that the log shows to have been met ("!").
    """
    return frozenset(g for g in e.guards if open_condition(g)) - frozenset(report.guards)


def open_condition(guard: str) -> bool:
    """Whether nobody knows that the claimed run went this way."""
    return not guard.startswith("~") and not guard.endswith("!")


def opposite(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Whether two sets of positions lie on different sides of one boundary ("7:0<" and "7:0>")."""
    return any(x[:-1] == y[:-1] and x[-1] != y[-1] for x in a for y in b)


def reports(p: Program) -> tuple[Event, ...]:
    """Printed totals that are not progress of the training."""
    return tuple(e for e in p.events if e.kind is EventKind.REPORT and e.scores and not e.training)


def headlines(p: Program) -> tuple[Event, ...]:
    """The reports that print the number that the claim rests on."""
    return tuple(e for e in p.events if e.id in p.headline)


def rivals(p: Program) -> tuple[Event, ...]:
    """Other reports that the claim may rest on, where no line of the log shows the claimed number."""
    return tuple(e for e in p.events if e.id in p.rivals)


def counted(p: Program) -> frozenset[int]:
    """All scores that the headline is made of, and those that these were computed from."""
    by_id = {e.id: e for e in p.events}
    direct = {s for r in headlines(p) for s in r.scores}
    return frozenset(direct.union(*(by_id[s].scores for s in direct if s in by_id)))


def bounded(p: Program) -> frozenset[int]:
    """The scores that are taken from text in which the tokens are hidden: terms of a bound, and of several rounds."""
    return frozenset(s for o in p.observations if o.sight is Sight.BOUND for s in o.scores)


def counts(o: Observation, p: Program) -> bool:
    """Whether something that was seen touches the headline."""
    return bool(counted(p).intersection(o.scores))


def conflicts(p: Program, report: Event) -> Iterator[Conflict]:
    """For one reported number: scores of it that came after an update with their own tokens."""
    by_id = {e.id: e for e in p.events}
    counted = [by_id[s] for s in report.scores if s in by_id]
    for score in counted:
        for n in score.after:
            update = by_id.get(n)
            if update is None or exclusive(update, score):
                continue
            hit = next(
                (
                    t
                    for t in score.slices
                    if any(
                        not disjoint(t, _by_then(update, score, u), narrowed=bool(score.parts or update.parts))
                        for u in update.slices
                    )
                ),
                None,
            )
            beside = hit is None and _same_window(update, score)
            if hit is None and beside and score.slices:
                hit = score.slices[0]
            if hit is None or hit.split is not Split.VALIDATION:
                continue
            yield Conflict(
                update,
                score,
                report,
                bool(_repeats(update, score)),
                _before(update, hit, p),
                beside
                or opposite(update.parts, score.parts)
                or all(
                    opposite(t.parts + score.parts, u.parts + update.parts) for t in score.slices for u in update.slices
                ),
                not undecided(update, report) and not undecided(score, report) and update.logged is not False,
            )


def _by_then(update: Event, score: Event, tokens: Slice) -> Slice:
    """The tokens of an update without those that no turn up to its own had chosen.

    A mark that tells how far the scoring has come keeps the turns of a loop's earlier run. In the run in
    which both events stand, turns of the loop that come after the update have chosen nothing yet. A score
    in an earlier turn than the update stands in another run of the loop, which may go over the same tokens.
    """
    for (loop, k), (other, j) in zip(update.turns, score.turns, strict=False):
        if loop != other:
            break
        if k > j:
            break
        if k < j:
            return replace(tokens, turns=tuple(t for t in tokens.turns if t[0] != loop or t[1] <= k))
    return tokens


def _same_window(update: Event, score: Event) -> bool:
    """Whether values made for the tokens at hand were fitted to other tokens of the same turn."""
    turned = dict(score.turns)
    shared = [turned[loop] == k for loop, k in update.turns if loop in turned]
    return update.scope is Scope.WINDOW and bool(shared) and all(shared)


def _repeats(update: Event, score: Event) -> tuple[int, ...]:
    """The loops around both that go over the same tokens again: in other turns, and not choosing the tokens."""
    turned = dict(score.turns)
    chosen = {loop for s in score.slices for loop, _ in s.turns}
    return tuple(loop for loop, k in update.turns if loop in turned and turned[loop] != k and loop not in chosen)


def _before(update: Event, tokens: Slice, p: Program) -> Event | None:
    """A score of the same tokens before the update that somebody printed.

    A loss that a gradient came from counts only where it is printed as a result: the losses of the first
    epoch of a training are no scores that the second epoch trains behind.
    """
    found: Event | None = None
    taken = {s for u in p.events if u.kind is EventKind.UPDATE for s in u.scores}
    printed = {s for r in p.events if r.kind is EventKind.REPORT and _RESULT.search(r.name) for s in r.scores}
    for s in p.events:
        if s.id >= update.id:
            break
        if s.kind is not EventKind.SCORE or s.training or (s.id in taken and s.id not in printed):
            continue
        if any(not disjoint(t, tokens) for t in s.slices):
            if interleaved(s, update):
                return s
            found = found or s
    return found


def walks(s: Event) -> set[int]:
    """The loops that choose the tokens of a score."""
    return {loop for x in s.slices for loop, _ in x.turns}


def interleaved(first: Event, update: Event) -> bool:
    """Whether a score and an update belong to one score-first loop over the tokens."""
    turned = dict(first.turns)
    return any(turned.get(loop) == k and loop in walks(first) for loop, k in update.turns)


def _together(c: Conflict) -> int:
    """How many of the calls around the update are around the score, too."""
    both = zip(c.update.path, c.score.path, strict=False)
    return next((n for n, (a, b) in enumerate(both) if a != b), min(len(c.update.path), len(c.score.path)))


def places(c: Conflict) -> str:
    """The update and the score, with the lines that call the functions in which they stand."""
    n = _together(c)
    return f"{_called(c.update, n)} before {_called(c.score, n)}"


def _called(e: Event, shared: int) -> str:
    by = next((s.at for s in e.path[shared:] if s.what.startswith("calls ")), None)
    if by is None or by == e.at:
        return str(e.at)
    return f"{e.at} (called at {f'line {by.line}' if by.file == e.at.file else by})"


def path(c: Conflict, p: Program) -> tuple[Step, ...]:
    """The steps from the tokens to the reported number."""
    out = [Step(s.at, "validation tokens are read") for s in c.update.slices[:1]]
    out += list(c.update.path)
    out.append(Step(c.update.at, f"{c.update.name}: changed by what was learned from them ({c.update.means})"))
    out += [
        Step(p.loops[n], "the loop that goes over the same tokens again")
        for n in _repeats(c.update, c.score)[:1]
        if n < len(p.loops)
    ]
    out += c.score.path[_together(c) :]
    out += [
        Step(c.score.at, "the same tokens are scored from the changed state"),
        Step(c.report.at, "this score is in the reported number"),
    ]
    return tuple(out)
