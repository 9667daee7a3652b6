"""Findings from a run: what the book and the probes say together.

The book alone does not convict: weights may have been put back, or a copy trained. The probe alone does not say
how. Together they do: these tokens were used first, by this line, and the scores knew of them.

Nothing here says `ok`: a small run at two cuts does not show what a few positions, a full-size gate or a target know.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.finding import Fact, Finding, Status
from rules.rule import Rule
from rules.trace import Changed, Early, How, Probe, Sum, Trace


def before_evaluation(e: Early) -> bool:
    """Trained on before any token of the headline was scored."""
    return e.how is How.TRAINED and not e.during


def during_evaluation(e: Early) -> bool:
    return not before_evaluation(e)


def leaks(t: Trace, *kinds: Changed) -> tuple[Probe, ...]:
    """The probes that moved scores, of these kinds, or of all."""
    return tuple(p for p in t.probes if p.leak and (not kinds or p.kind in kinds) and not late(t, p))


def late(t: Trace, p: Probe) -> bool:
    """Whether scores were rather added up late than made late: nothing after a cut moves them, and the first ones need no adaptation.

    Losses that are kept and added up at the end are dated by the sum. They were made between the updates, and move with those that
    came before them.
    """
    if p.kind is not Changed.ORDER:
        return False
    future = [q for q in t.probes if q.kind is Changed.FUTURE and q.compared and not q.problem]
    trained = min((e.first for e in t.early if e.how is How.TRAINED), default=p.first)
    return bool(future) and not any(q.leak for q in future) and p.first > trained


def accuse(rule: Rule, t: Trace, found: list[Early], instead: str) -> Iterator[Finding]:
    """One finding for each line that used tokens first; none where the probes show that nothing came of it."""
    proof = leaks(t)
    if t.probes and not proof and not any(p.problem for p in t.probes):
        return
    status = Status.VIOLATION if proof else Status.LIKELY
    idle = {p.at for p in t.probes if p.kind is Changed.ORDER and not p.moved and not p.problem}
    for e in found:
        if e.at in idle:  # switching it off changes nothing: weights were put back, or a copy learnt
            continue
        share = f"{e.count:,} of {e.of:,} validation tokens"
        knew = f"; {leak_words(proof[0])}" if proof else "; no probe could tell whether the scores knew of them"
        yield rule.finding(
            status,
            f"in a small run {share} were {e.how} at {e.at} before they were scored at {e.scored}{knew}",
            *facts(t, e, *proof),
            at=(e.at, e.scored),
            instead=instead,
        )


def facts(t: Trace, e: Early | None, *probes: Probe) -> tuple[Fact, ...]:
    """What the finding rests on, in the order in which it happened."""
    out: list[Fact] = []
    if e is not None:
        out.append(Fact("run", f"tokens {e.first} to {e.last} {e.how}", e.at))
        if e.changed:
            out.append(Fact("run", "parameters changed", e.changed))
        out.append(Fact("run", "then scored", e.scored))
    if t.explained:
        n = t.printed[t.headline]
        out.append(Fact("run", f"{n.scores:,} scores give the printed {n.value:.6g} ({n.what})", n.at))
    out += [Fact("probe", leak_words(p)) for p in probes]
    out += [Fact("setting", f"{r.name}={r.now} (small run; was {r.was or 'unset'})") for r in t.reduced[:6]]
    return tuple(out)


def leak_words(p: Probe) -> str:
    if p.kind is Changed.ORDER:
        return (
            f"with adaptation switched off, {p.moved:,} of the {p.compared:,} scores before the first update inside of the "
            f"evaluation moved, by up to {p.most:.3g} nats (two equal runs differ by {p.noise:.3g})"
        )
    return (
        f"with other tokens from position {p.cut} on, {p.moved:,} of {p.compared:,} scores before it moved, "
        f"by up to {p.most:.3g} nats (two equal runs differ by {p.noise:.3g})"
    )


def sum_words(s: Sum) -> str:
    said = f"{s.total:.4g} over {s.asked:,} of the {s.of:,} tokens that could stand there"
    if s.asked == s.of or s.error < 0:
        return said
    return f"{said}, which makes {s.estimate:.3g} (standard error {s.error:.2g}) for all"
