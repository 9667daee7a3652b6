"""Sets re-runs against the claim, row by row. A difference is explained by how the two runs differ, or flagged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from auditor.reproduce.figures import Figures, label
from evaluator import statistics

ARTIFACT_CAP = 16_000_000  # bytes
ALPHA = 0.01  # two-sided; a difference less probable than this is not taken for chance
PLAUSIBLE = 3.0  # times the claim's GPU time, or its inverse: more than GPUs of one generation and the next differ by
LOOSE = 0.002  # bpb: seeds of one configuration seldom differ by more, where the claim shows no spread of its own
SLACK = {"bytes": 0.01, "seconds": 0.1, "clock": 0.02}  # relative differences that two equal runs may have
STEPS = 0.005  # relative: so many more or fewer steps can move the result


class Verdict(StrEnum):
    SAME = "same"  # within what chance and rounding make
    EXPLAINED = "explained"  # the runs differ in something that moves this figure
    FLAGGED = "flagged"  # nothing known explains it
    OTHER = "not comparable"  # other text was scored
    UNKNOWN = "unknown"  # one of the two is missing


@dataclass(frozen=True)
class Row:
    """One figure of one seed: claimed, measured, what the difference comes from. `errors`: in standard errors, for bpb."""

    seed: int | None
    what: str
    claim: float | None
    rerun: float | None
    unit: str
    verdict: Verdict
    why: str = ""
    errors: float | None = None

    @property
    def difference(self) -> float | None:
        return None if self.claim is None or self.rerun is None else self.rerun - self.claim


@dataclass(frozen=True)
class Conditions:
    """How the re-run is made otherwise than the claimed one: sentences by what they can move.

    `text`: what is scored is other text, so that no bpb can be compared; `training`: other tokens or settings in training; `speed`: another
    device or number of GPUs. `share`: ranks here over ranks there, where both are GPUs, so that GPU time can be compared.
    """

    text: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    speed: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    share: float | None = None


@dataclass(frozen=True)
class SeedTest:
    """Claim against re-runs over seeds. `p` is two-sided; None where no test is defined. bpb.

    `difference`: mean of the re-runs less mean of the claim; `error`: its standard error.
    """

    name: str
    n_claim: int
    n_rerun: int
    difference: float
    error: float | None
    p: float | None


def compare(claim: Sequence[Figures], reruns: Sequence[Figures], how: Conditions) -> list[Row]:
    """All rows, seed by seed. A seed that the claim does not name is set against the claim's mean."""
    spread = statistics.sample_std([f.bpb for f in claim if f.bpb is not None])
    count = sum(f.bpb is not None for f in claim)
    return [row for again in reruns for row in rows(counterpart(claim, again.seed), again, how, spread, count)]


def counterpart(claim: Sequence[Figures], seed: int | None) -> Figures:
    """The claim for a seed; the mean of all where it does not name that seed."""
    for f in claim:
        if f.seed is not None and f.seed == seed:
            return f

    def average(name: str) -> float | None:
        known = [x for f in claim if (x := getattr(f, name)) is not None]
        return statistics.mean(known) if known else None

    names = ("bpb", "loss", "steps", "train_s", "scored_s", "evaluation_s", "total_bytes", "code_bytes", "val_tokens")
    return Figures(step=max((f.step for f in claim), default=0.0), **{n: average(n) for n in names})  # type: ignore[arg-type]


def rows(was: Figures, now: Figures, how: Conditions, spread: float | None, count: int) -> Iterator[Row]:
    """The rows of one seed. `spread`: standard deviation of the claim's `count` seeds."""
    yield bpb(was, now, how, spread, count)
    yield artifact(was, now, how)
    yield code(was, now, how)
    other = ("the machine",) if how.speed else ()
    yield relative("training steps", "steps", was.steps, now.steps, STEPS, now.seed, (*other, *how.training), None)
    yield relative("step time", "ms", was.step_ms, now.step_ms, SLACK["seconds"], now.seed, other, how.share)
    yield clock(was, now, how)
    texts = ("other text",) if how.text else ()
    share = None if how.text else how.share
    for what, a, b in (
        ("evaluation clock, scored function only", was.scored_s, now.scored_s),
        ("evaluation clock, all after the artifact", was.evaluation_s, now.evaluation_s),
    ):
        yield relative(what, "s", a, b, SLACK["seconds"], now.seed, (*other, *texts), share)
    if now.wall_s is not None:
        yield Row(
            now.seed, "from process start to its end", None, now.wall_s, "s", Verdict.UNKNOWN, "measured from outside"
        )


def bpb(was: Figures, now: Figures, how: Conditions, spread: float | None, count: int) -> Row:
    other = was.line and now.line and label(was.line) != label(now.line)
    beside = f"; its line is {now.line}, the claim's is {was.line}" if other else ""

    def row(verdict: Verdict, why: str, errors: float | None = None) -> Row:
        return Row(now.seed, "bpb", was.bpb, now.bpb, "bpb", verdict, why + beside, errors)

    if was.bpb is None or now.bpb is None:
        return row(Verdict.UNKNOWN, "the re-run's log shows no bpb" if now.bpb is None else "no bpb is claimed")
    difference = now.bpb - was.bpb
    if how.text:
        return row(Verdict.OTHER, "; ".join(how.text))
    errors = difference / (spread * 2**0.5) if spread else None
    p = statistics.single_p(difference, spread, count) if spread else None
    near = abs(difference) <= max(was.step, now.step)
    if near or (p is not None and p >= ALPHA):
        return row(
            Verdict.SAME, "equal within rounding" if near else f"as far apart as two seeds may be (p = {p:.2g})", errors
        )
    if p is None and abs(difference) <= LOOSE:
        return row(Verdict.SAME, f"within {LOOSE} bpb; the claim shows no spread to test against", errors)
    moved = steps_moved(was, now, difference)
    reasons = [*how.training, *([moved] if moved else [])]
    if reasons:
        return row(Verdict.EXPLAINED, "; ".join(reasons), errors)
    why = "further than chance" + (f" (p = {p:.2g})" if p is not None else f": more than {LOOSE} bpb")
    return row(Verdict.FLAGGED, f"{why}, on the same text, with no known difference that moves it this way", errors)


def steps_moved(was: Figures, now: Figures, difference: float) -> str:
    """Whether fewer or more steps explain a difference of this sign, in words."""
    if not was.steps or not now.steps:
        return ""
    change = now.steps / was.steps - 1
    if (difference > 0 and change < -STEPS) or (difference < 0 and change > STEPS):
        return f"{now.steps:,.0f} training steps instead of {was.steps:,.0f}"
    return ""


def artifact(was: Figures, now: Figures, how: Conditions) -> Row:
    """Bytes of code and weights. Over the cap is flagged whatever explains it, unless the claim was over it, too."""
    a, b = was.total_bytes, now.total_bytes

    def row(verdict: Verdict, why: str) -> Row:
        return Row(now.seed, "artifact", a, b, "bytes", verdict, why)

    if b is not None and b > ARTIFACT_CAP and (a is None or a <= ARTIFACT_CAP):
        return row(Verdict.FLAGGED, f"{b - ARTIFACT_CAP:,.0f} bytes over the cap of 16,000,000")
    if a is None or b is None:
        return row(Verdict.UNKNOWN, "no log line gives it")
    if a == b or abs(b - a) <= SLACK["bytes"] * a:
        return row(Verdict.SAME, "equal" if a == b else "other weights compress to another size")
    if how.training or steps_moved(was, now, b - a) or steps_moved(was, now, a - b):
        return row(Verdict.EXPLAINED, "the weights were trained otherwise")
    return row(Verdict.FLAGGED, "more than other weights of the same training make")


def code(was: Figures, now: Figures, how: Conditions) -> Row:
    a, b = was.code_bytes, now.code_bytes
    if a is None or b is None:
        return Row(now.seed, "code", a, b, "bytes", Verdict.UNKNOWN, "no log line gives it")
    if a == b:
        return Row(now.seed, "code", a, b, "bytes", Verdict.SAME, "equal")
    if how.code:
        return Row(now.seed, "code", a, b, "bytes", Verdict.EXPLAINED, "; ".join(how.code))
    return Row(
        now.seed, "code", a, b, "bytes", Verdict.FLAGGED, "the claimed log counted other code than what is shipped"
    )


def clock(was: Figures, now: Figures, how: Conditions) -> Row:
    """Training clocks stop a run on any device; so only a run of a fixed number of steps may take longer on a slower one."""
    a, b = was.train_s, now.train_s

    def row(verdict: Verdict, why: str) -> Row:
        return Row(now.seed, "training clock", a, b, "s", verdict, why)

    if a is None or b is None:
        return row(Verdict.UNKNOWN, "no log line gives it")
    if abs(b - a) <= max(SLACK["clock"] * a, 1.0):
        return row(Verdict.SAME, "")
    fixed = bool(was.steps and now.steps and abs(now.steps - was.steps) <= STEPS * was.steps)
    if how.speed and fixed:
        return row(Verdict.EXPLAINED, f"the same number of steps; {'; '.join(how.speed)}")
    if how.training or (how.speed and b < a):
        return row(Verdict.EXPLAINED, "; ".join((*how.training, *how.speed)))
    return row(Verdict.FLAGGED, "the clock that stops training did not stop it where the claim's did")


def relative(
    what: str,
    unit: str,
    a: float | None,
    b: float | None,
    slack: float,
    seed: int | None,
    reasons: Sequence[str],
    share: float | None,
) -> Row:
    """A figure that may differ by a share of itself. With `share`, another machine explains no more than `PLAUSIBLE` times the GPU time."""
    if a is None or b is None:
        return Row(seed, what, a, b, unit, Verdict.UNKNOWN, "no log line gives it")
    if abs(b - a) <= slack * abs(a):
        return Row(seed, what, a, b, unit, Verdict.SAME)
    if not reasons:
        times = f"{b / a:.3g} times the claim" if a else "the claim is zero"
        return Row(seed, what, a, b, unit, Verdict.FLAGGED, f"{times} on the same kind of machine")
    why = "; ".join(reasons)
    if share and a:
        work = b / a * share
        why += f": {work:.2g} times the GPU time"
        if not 1 / PLAUSIBLE <= work <= PLAUSIBLE:
            return Row(seed, what, a, b, unit, Verdict.FLAGGED, f"{why}, which other GPUs do not explain")
    return Row(seed, what, a, b, unit, Verdict.EXPLAINED, why)


def mean_row(claim: Sequence[Figures], reruns: Sequence[Figures], how: Conditions, found: SeedTest) -> Row | None:
    """The mean bpb of several seeds, by the test over seeds; None where no test was defined."""
    if found.p is None or len(reruns) < 2:
        return None
    was, now = counterpart(claim, None), counterpart(reruns, None)
    if how.text:
        verdict, why = Verdict.OTHER, "other text"
    elif found.p >= ALPHA:
        verdict, why = Verdict.SAME, f"p = {found.p:.2g}"
    elif reasons := [*how.training, *filter(None, [steps_moved(was, now, found.difference)])]:
        verdict, why = Verdict.EXPLAINED, "; ".join(reasons)
    else:
        verdict, why = (
            Verdict.FLAGGED,
            f"further than chance (p = {found.p:.2g}), with no known difference that moves it this way",
        )
    errors = found.difference / found.error if found.error else None
    return Row(None, "mean bpb", was.bpb, now.bpb, "bpb", verdict, why, errors)


def over_seeds(claim: Sequence[Figures], reruns: Sequence[Figures]) -> SeedTest | None:
    """Whether the re-runs' mean bpb is the claim's: Welch where both have two seeds, else what one value allows.

    Seeds that both ran share their luck, so for them this understates how well they agree.
    """
    a, b = ([f.bpb for f in x if f.bpb is not None] for x in (claim, reruns))
    if not a or not b:
        return None
    difference = statistics.mean(b) - statistics.mean(a)
    s, t = statistics.sample_std(a), statistics.sample_std(b)
    if len(a) >= 2 and len(b) >= 2:
        error = ((s or 0.0) ** 2 / len(a) + (t or 0.0) ** 2 / len(b)) ** 0.5
        return SeedTest("Welch, two-sided", len(a), len(b), difference, error or None, statistics.welch(b, a))
    if len(a) >= 2 or len(b) >= 2:
        several, n = (s, len(a)) if len(a) >= 2 else (t, len(b))
        error = several * (1 + 1 / n) ** 0.5 if several else None
        one, many = (b[0], a) if len(a) >= 2 else (a[0], b)
        return SeedTest(
            "one value against several, two-sided",
            len(a),
            len(b),
            difference,
            error,
            statistics.prediction_p(one, many),
        )
    return SeedTest("one value on each side: no test", 1, 1, difference, None, None)
