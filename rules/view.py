"""Questions that several rules ask of the evidence, so that a rule reads like a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rules import constants
from rules.constants import LN2
from rules.evidence import (
    Evaluation,
    Evidence,
    Location,
    Number,
    Phase,
    PhaseKind,
    Run,
    Script,
    SeedClaim,
    Statement,
    Track,
)

_DAY = re.compile(r"20\d\d-\d\d-\d\d")
NEAR = 0.005  # bpb: a claimed number this near to two lines of a log may stand for either
MAX_FAR = 0.02  # bpb: nothing in the log is the claimed number
_FIGURE = re.compile(r"\d+(?:\.\d+)?")
TAIL = 20_000  # tokens: one sequence per rank may be dropped at the end of the split


def is_record(e: Evidence) -> bool:
    return e.package.track is Track.RECORD


def day(e: Evidence) -> str:
    """The ISO day on which the submission was made, "" if nobody says.

    Git's date of its first commit where there is one; else what submission.json says; else the date
    at the start of the folder's name, as the challenge asks for.
    """
    said = e.claims.metadata.date.value if e.claims.metadata and e.claims.metadata.date else ""
    for text in (e.package.created, said, e.package.folder.rsplit("/", 1)[-1]):
        if m := _DAY.match(text):
            return m[0]
    return ""


def counted_script(e: Evidence) -> Script | None:
    """The file whose bytes the README counts: `train_gpt.py`, else the entry script."""
    return next((s for s in e.package.scripts if s.path == "train_gpt.py"), None) or e.package.entry


def same(a: Number, b: Number) -> bool:
    """Whether two written numbers can be the same figure, each rounded (or cut off) by its writer.

    A full unit of the coarser last digit is allowed, since people cut digits as often as they round.
    """
    return abs(a.value - b.value) <= max(a.step, b.step, 1e-9) * 1.0000001


def statements(e: Evidence) -> tuple[Statement, ...]:
    return tuple(s for s in (e.claims.metadata, e.claims.readme) if s)


def seed_claims(e: Evidence) -> tuple[SeedClaim, ...]:
    """Per-seed claims: submission.json's where it has any, else the README's."""
    for s in statements(e):
        if any(c.val_bpb for c in s.seeds):
            return s.seeds
    return ()


def claimed_bpbs(e: Evidence) -> tuple[Number, ...]:
    """Every bpb that the submission claims as a result: headline and seeds, of both documents."""
    out = []
    for s in statements(e):
        out += [s.val_bpb, *(c.val_bpb for c in s.seeds)]
    return tuple(n for n in out if n)


def backs(run: Run, e: Evidence) -> Evaluation | None:
    """The evaluation of `run` that shows one of the claimed numbers, its own result first."""
    wanted = claimed_bpbs(e)
    finals = [ev for ev in run.evaluations if not ev.training and ev.val_bpb]
    ordered = ([run.result] if run.result else []) + finals[::-1]
    for ev in ordered:
        if ev.val_bpb and any(same(ev.val_bpb, n) for n in wanted):
            return ev
    return None


def claim_runs(e: Evidence) -> tuple[Run, ...]:
    """The logs that stand behind the claim.

    A folder often carries logs of ablations too. Where some logs show a claimed number, only
    those count; where none does, all logs with a result; where none has a result, all logs.
    """
    runs = e.claims.runs
    backed = tuple(r for r in runs if backs(r, e))
    return backed or tuple(r for r in runs if r.result) or runs


def is_backed(e: Evidence) -> bool:
    """Whether some log shows a claimed number. If none does, its logs may be of other variants."""
    return any(backs(r, e) for r in e.claims.runs)


def headline(run: Run, e: Evidence) -> Evaluation | None:
    """The evaluation of this run that the claim rests on, else the run's own result.

    A claim is often the mean of several runs: then it rests on the line whose mean it is, though each run
    may print other figures that stand in the README, too.
    """
    shown = [ev for ev in run.evaluations if not ev.training and ev.val_bpb]
    if not any(same(ev.val_bpb, n) for ev in shown for n in _main_claims(e) if ev.val_bpb):
        mean = [ev for ev in shown if _line(ev) in _mean_lines(e)]
        if mean:
            return mean[-1]
    backing = backs(run, e)
    if backing or not run.result:
        return backing
    near = nearest(run, e)
    return near[0] if near else run.result


def nearest(run: Run, e: Evidence) -> list[Evaluation]:
    """Where no line of the log shows the claimed number: the lines that come near it, the nearest first.

    Nobody can tell from the log which of them the claim rests on, or whether it rests on any. Empty where
    a line shows the number, and where the run's own result is the nearest by far.
    """
    claims = _main_claims(e)
    shown = [ev for ev in run.evaluations if not ev.training and ev.val_bpb]
    if not claims or not shown or backs(run, e) or any(_line(ev) in _mean_lines(e) for ev in shown):
        return []

    def far(ev: Evaluation) -> float:
        return min(abs(ev.val_bpb.value - n.value) for n in claims) if ev.val_bpb else 9.0

    least = min(map(far, shown))
    found = sorted((ev for ev in shown if far(ev) <= max(1.5 * least, NEAR)), key=far)
    return found if least <= MAX_FAR and (len(found) > 1 or found[0] is not run.result) else []


def _main_claims(e: Evidence) -> list[Number]:
    return [s.val_bpb for s in statements(e) if s.val_bpb]


def _line(ev: Evaluation) -> str:
    """The name of an evaluation without the figures in it."""
    return _FIGURE.sub("#", ev.name)


def _mean_lines(e: Evidence) -> frozenset[str]:
    """The lines whose mean over the runs is the claimed number.

    A log that stands in the folder twice counts once.
    """
    values: dict[str, dict[float, Number]] = {}
    for run in e.claims.runs:
        for ev in run.evaluations:
            if not ev.training and ev.val_bpb:
                values.setdefault(_line(ev), {})[ev.val_bpb.value] = ev.val_bpb
    found = set()
    for line, several in values.items():
        if len(several) < 2:
            continue
        mean = sum(several) / len(several)
        step = max(n.step for n in several.values())
        if any(abs(mean - n.value) <= max(n.step, step) * 1.0000001 for n in _main_claims(e)):
            found.add(line)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Implied:
    """The byte count that a line of a log implies, with the room that rounding leaves."""

    value: float
    slack: float
    at: Location
    name: str

    def within(self, target: float, tolerance: float) -> bool:
        return abs(self.value - target) <= target * tolerance + self.slack


def implied_bytes(ev: Evaluation, run: Run) -> Implied | None:
    """nats / ln 2 × tokens / bpb of one evaluation; None unless all three numbers are known."""
    if not (ev.val_loss and ev.val_bpb and run.val_tokens) or ev.val_bpb.value <= 0 or ev.val_loss.value <= 0:
        return None
    value = ev.val_loss.value / LN2 * run.val_tokens.value / ev.val_bpb.value
    slack = value * (ev.val_loss.slack / ev.val_loss.value + ev.val_bpb.slack / ev.val_bpb.value)
    return Implied(value, slack, ev.val_bpb.at, ev.name or "validation in training")


def best_implied(run: Run, evaluations: tuple[Evaluation, ...]) -> Implied | None:
    """The implied byte count with the least rounding among some evaluations of a run."""
    found = [i for ev in evaluations if (i := implied_bytes(ev, run))]
    return min(found, key=lambda i: i.slack, default=None)


def of_mixture(ev: Evaluation) -> bool:
    """Whether the line of this evaluation speaks of a mixture."""
    words = f"{ev.name} {ev.val_bpb.at.text if ev.val_bpb else ''}".casefold()
    return "ppm" in words or "mix" in words


def is_canonical(i: Implied) -> bool:
    return i.within(constants.CANONICAL_BYTES, constants.CANONICAL_TOLERANCE)


def is_old_export(i: Implied) -> bool:
    return i.within(constants.OLD_EXPORT_BYTES, constants.CANONICAL_TOLERANCE)


def is_whole_split(run: Run) -> bool:
    """Whether the run's token count, or the bytes that its log implies, are those of all 50,000 documents."""
    if run.val_tokens and any(
        abs(run.val_tokens.value - k) <= TAIL for known in constants.VAL_TOKENS.values() for k in known
    ):
        return True
    implied = best_implied(run, run.evaluations)
    return implied is not None and is_canonical(implied)


def known_fault(i: Implied) -> str:
    """What a wrong denominator is known to come from, or ""."""
    return next((why for b, tol, why in constants.KNOWN_DENOMINATORS if i.within(b, tol)), "")


def gpus(run: Run) -> int | None:
    return int(run.world_size.value) if run.world_size else None


def worst(numbers: list[Number | None]) -> Number | None:
    """The largest of some numbers, None if there is none."""
    return max((n for n in numbers if n), key=lambda n: n.value, default=None)


def model_bytes(run: Run) -> Number | None:
    """Compressed weights: as logged, else total minus code."""
    if run.model_bytes:
        return run.model_bytes
    if run.total_bytes and run.code_bytes:
        t = run.total_bytes
        return Number(t.value - run.code_bytes.value, t.at, t.step)
    return None


def total_bytes(run: Run) -> Number | None:
    """Code plus compressed weights as the log counts them: its own total, else the sum."""
    if run.total_bytes:
        return run.total_bytes
    if run.model_bytes and run.code_bytes:
        m = run.model_bytes
        return Number(m.value + run.code_bytes.value, m.at, m.step)
    return None


def eval_phases(run: Run) -> tuple[Phase, ...]:
    """Everything that counts as evaluation in the wider accounting.

    Adaptation counts wherever it stands (#1972 was counted so). Checks, warm-up and loading count only
    after the artifact was made: what comes before belongs to building it.
    """
    after = (PhaseKind.DIAGNOSTIC, PhaseKind.LOAD, PhaseKind.WARMUP)
    return tuple(p for p in run.phases if p.kind in SCORED or (p.kind in after and p.stage != "build"))


SCORED = (PhaseKind.ADAPT, PhaseKind.EVAL)
