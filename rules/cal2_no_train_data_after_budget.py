"""Calibration that reads training data ends within the 600 s of training.

## Why
Hessians over training text are learned from training data. After the training budget is spent, no
more training data may be read: evaluation has no access to it.

## How it is proved
From the log: the clock at which training stopped plus the time of the calibration that reads training
shards. Some seconds over 600 are dispute D-07, since organizers closed submissions for
it and later listed records at 603 to 604 s.

## Legal look-alikes
A reserve: training stops at 588 s and calibration takes 10 s. Calibration on text that the model generates
itself. Solving and compressing after 600 s, which reads no data.

## Known evasions
A subprocess that reads the shards again; a calibration whose data the log does not name.

## Instead
Before:
```python
train(until=600.0)
hessians = collect(train_loader)          # 4 s more
```
After:
```python
train(until=600.0 - 12.0)
hessians = collect(train_loader)          # inside the budget
```
"""

from collections.abc import Iterator

from rules import constants, sightings, view
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence, PhaseKind
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import RECORD_ONLY, Authority, Example, Kind, Rule, Source, fact
from rules.samples.records import record

RULE = Rule(
    id="CAL2-no-train-data-after-budget",
    title="Calibration on training data after the training budget",
    kind=Kind.PROHIBITION,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source("README", "2026-03-18", "0hq", "no training data at evaluation", Authority.README),
        Source(
            "#593",
            "2026-03-24",
            "valerio-oai",
            "closed: calibration on training data at evaluation time",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1028",
            "2026-03-28",
            "valerio-oai",
            "closed: calibration read training data after the cap",
            Authority.ORGANIZER_QUOTED,
        ),
        Source("#1855", "2026-04-29", "organizers", "listed at 603 to 604 s with calibration", Authority.PRECEDENT),
    ),
    decided_by=("claims", "source", "trace"),
    undecided="a log line that times the calibration, or the order of calls in the script, would decide it",
    tracks=RECORD_ONLY,
    disputes=("D-07",),
)

FULL = 599.0  # seconds: nothing was reserved
TOLERATED = 5.0  # seconds over the cap that listed records took
PRECEDENT_DATE = "2026-04-29"


def _reads_train(e: Evidence) -> bool:
    """Whether the code shows that the calibration after the loop reads training tokens, and nothing else does it."""
    p = e.program
    if p is None or sightings.of(p, Sight.SELF_GENERATED):
        return False
    return any(o.certain for o in sightings.of(p, Sight.TRAIN_CALIBRATION))


@RULE.check("claims")
def calibration_clock(e: Evidence, edition: Edition) -> Iterator[Finding]:
    worst: tuple[float, Finding] | None = None
    for run in view.claim_runs(e):
        phases = [p for p in run.phases if p.kind is PhaseKind.CALIBRATION and p.data != "generated"]
        if not phases or run.train_seconds is None or run.train_seconds.value >= constants.TRAIN_FLAG:
            continue  # training itself over the cap is TIME1's business
        after = sum(p.seconds.value for p in phases)
        end = run.train_seconds.value + after
        facts = [fact("training stopped at", run.train_seconds, ",.3f", " s")]
        facts += [fact(p.name, p.seconds, ",.1f", " s") for p in phases]
        facts.append(Fact("end of calibration", f"{end:,.1f} s"))
        over = end - edition.train_cap
        named = all(p.data == "train" for p in phases) or _reads_train(e)
        instead = "reserve the time of the calibration inside the 600 s"
        if over <= constants.TRAIN_TOLERANCE:
            found = RULE.finding(Status.OK, f"calibration ended at {end:,.1f} s", *facts)
        elif over <= TOLERATED and edition.date >= PRECEDENT_DATE:
            found = RULE.finding(
                Status.DISPUTED,
                f"calibration ended at {end:,.1f} s, {over:,.1f} s over the cap",
                *facts,
                disputes=("D-07",),
                instead=instead,
            )
        elif named:
            found = RULE.finding(
                Status.VIOLATION,
                f"calibration on training data ended at {end:,.1f} s, {over:,.1f} s over the cap",
                *facts,
                instead=instead,
            )
        else:
            found = RULE.finding(
                Status.NEEDS_HUMAN,
                f"calibration ended at {end:,.1f} s; the log does not say on which data",
                *facts,
                instead=instead,
            )
        if worst is None or end > worst[0]:
            worst = end, found
    if worst:
        yield worst[1]


@RULE.check("claims", "source")
def order_of_calls(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """The log shows that training took the whole budget, the code that training data are read after it."""
    p = sightings.followed(e)
    if p is None:
        return
    runs = [r for r in view.claim_runs(e) if r.train_seconds is not None]
    if any(q.kind is PhaseKind.CALIBRATION for r in runs for q in r.phases):
        return  # the log times it
    late = [r for r in runs if r.train_seconds and FULL <= r.train_seconds.value < constants.TRAIN_FLAG]
    seen = [o for o in sightings.of(p, Sight.TRAIN_CALIBRATION) if o.certain]
    if seen and late:
        precedent = edition.date >= PRECEDENT_DATE
        yield RULE.finding(
            Status.DISPUTED if precedent else Status.LIKELY,
            "training took the whole budget, and statistics of training tokens are collected after it",
            fact("training stopped at", late[0].train_seconds, ",.3f", " s"),
            *sightings.facts(seen[0], p),
            disputes=("D-07",) if precedent else (),
            instead="reserve the time of the calibration inside the 600 s",
        )
    elif not sightings.of(p, Sight.TRAIN_CALIBRATION) and runs:
        yield RULE.finding(Status.OK, "no weights are shaped by training tokens after the training loop")


VALID = (Example("reserve kept", record(train_ms=588_000, hessian_seconds=10.2), Status.OK),)
INVALID = (
    Example("a few seconds over", record(train_ms=599_600, hessian_seconds=3.9), Status.DISPUTED, dispute="D-07"),
    Example("a minute over", record(train_ms=599_600, hessian_seconds=62.0), Status.VIOLATION),
)
