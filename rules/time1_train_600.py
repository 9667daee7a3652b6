"""Training ends within 600 s on eight H100 SXM.

## Why
The challenge is what can be learned in ten minutes on that machine.

## How it is proved
From the clock at which the log says training stopped. The test for the cap runs between steps, so accepted
records stop at up to 600.13 s; 0.2 s of room is allowed, and 600.5 s or more is over the cap.

## Legal look-alikes
Compile and warm-up steps whose state is restored, loading data, periodic validation: the baseline's own
clock leaves them out. Quantisation and compression after the stop.

## Known evasions
A cap set to 0 or to more than 600; a step count that ignores the cap; another machine than the
record's, with its own clock.

## Instead
Before:
```python
while step < args.iterations: ...
```
After:
```python
while step < args.iterations and train_seconds < 600.0: ...
```
"""

from collections.abc import Iterator

from rules import constants, view
from rules.editions import Edition
from rules.evidence import Evidence, Run
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import RECORD_ONLY, Authority, Example, Kind, Rule, Source, fact
from rules.samples.records import SCRIPT, log, record

RULE = Rule(
    id="TIME1-train-600",
    title="Training over 600 s",
    kind=Kind.REQUIREMENT,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source("README", "2026-03-18", "0hq", "training in ten minutes on 8xH100 SXM, reproducibly", Authority.README),
        Source(
            "#1908", "2026-04-28", "participants", "601.15 s treated as over the cap and run again", Authority.COMMUNITY
        ),
        Source("#2103", "2026-05-02", "cocohearts", "a run on one H100 is no record", Authority.ORGANIZER),
    ),
    decided_by=("claims",),
    undecided="a log line with the time at which training stopped would decide it",
    tracks=RECORD_ONLY,
)


def on_eight(runs: tuple[Run, ...]) -> tuple[Run, ...]:
    """The runs on eight GPUs where there are any; repetitions on other machines say nothing of their time."""
    return tuple(r for r in runs if view.gpus(r) == 8) or runs


@RULE.check("claims")
def stop_time(e: Evidence, edition: Edition) -> Iterator[Finding]:
    runs = on_eight(view.claim_runs(e))
    stop = view.worst([r.train_seconds for r in runs])
    said = view.worst([s.train_seconds for s in view.statements(e)])
    cap = edition.train_cap
    if stop is None:
        if said and said.value - said.slack >= constants.TRAIN_FLAG:
            yield RULE.finding(
                Status.VIOLATION,
                f"{said.value:,.1f} s of training by its own statement",
                fact("claimed", said, ",.1f", " s"),
                instead=f"stop at {cap:.0f} s",
            )
        elif said:
            yield RULE.finding(
                Status.UNVERIFIABLE,
                f"{said.value:,.0f} s are claimed, but no log shows the stop",
                fact("claimed", said, ",.1f", " s"),
            )
        return
    facts = [fact("training stopped at", stop, ",.3f", " s"), Fact("cap", f"{cap:.0f} s")]
    if stop.value >= constants.TRAIN_FLAG:
        slow = [r for r in runs if r.train_seconds and r.train_seconds.value >= constants.TRAIN_FLAG]
        in_time = any(r.train_seconds and r.train_seconds.value < constants.TRAIN_FLAG for r in runs)
        status = Status.VIOLATION
        if in_time and not view.is_backed(e):
            status = Status.NEEDS_HUMAN  # logs of several variants, none of which shows the claim
        elif all(view.gpus(r) not in (None, 8) for r in slow):
            status = Status.LIKELY  # too long, on a machine whose clock is not the record's
        yield RULE.finding(
            status,
            f"training ran {stop.value:,.2f} s, {stop.value - cap:,.2f} s over the cap",
            *facts,
            instead=f"stop at {cap:.0f} s",
        )
    elif stop.value > cap + constants.TRAIN_TOLERANCE:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"training ran {stop.value:,.2f} s: more than the {constants.TRAIN_TOLERANCE} s that accepted records overran",
            *facts,
        )
    else:
        yield RULE.finding(Status.OK, f"training stopped at {stop.value:,.2f} s", *facts)


@RULE.check("claims")
def machine(e: Evidence, edition: Edition) -> Iterator[Finding]:
    for run in on_eight(view.claim_runs(e)):
        n = view.gpus(run)
        if n is not None and n != 8 and run.world_size:
            yield RULE.finding(
                Status.LIKELY,
                f"the run used {n} GPU(s); a record is measured on eight",
                fact("world size", run.world_size),
                instead="run on 8xH100 SXM, or submit to the non-record track",
            )
            return


@RULE.check("claims", "source")
def cap_in_the_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Where no log shows the stop: the cap that the program was given."""
    if e.program is None or any(r.train_seconds for r in view.claim_runs(e)):
        return
    for s in e.program.settings:
        if "WALLCLOCK" in s.name.upper() and (seconds := _seconds(s.value)) is not None:
            if seconds <= 0 or seconds >= constants.TRAIN_FLAG:
                yield RULE.finding(
                    Status.NEEDS_HUMAN,
                    f"{s.name} = {s.value} ({s.origin}) is no cap of {edition.train_cap:.0f} s, and no log shows when training stopped",
                    Fact(s.name, f"{s.value} ({s.origin})", s.at if s.at.file else None),
                    instead=f"stop at {edition.train_cap:.0f} s",
                )
            return


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


VALID = (
    Example("stops in time", record(), Status.OK),
    Example("overruns by one step", record(train_ms=600_128), Status.OK),
    Example(
        "one seed on eight GPUs in time, another repeated elsewhere without a clock",
        record(extra={"train_seed42.log": log(seed=42, bpb=1.1304, world=2, train_ms=10_543_970)}),
        Status.OK,
    ),
)
INVALID = (
    Example("two seconds over", record(train_ms=602_050), Status.VIOLATION),
    Example("between the tolerance and the flag", record(train_ms=600_350), Status.NEEDS_HUMAN),
    Example(
        "no cap in the code, no stop in a log",
        {
            "train_gpt.py": SCRIPT.replace('"MAX_WALLCLOCK_SECONDS", 600.0', '"MAX_WALLCLOCK_SECONDS", 0'),
            "README.md": "# A model\n",
        },
        Status.NEEDS_HUMAN,
        stage="source",
    ),
    Example("one GPU", record(world=1), Status.LIKELY),
    Example("an hour on one GPU", record(world=1, train_ms=3_600_000), Status.LIKELY),
    Example(
        "logs of variants, one too slow, none shows the claim",
        record(
            claims={"val_bpb": 1.2111, "seed_results": None},
            extra={
                "README.md": "# Nothing claimed here\n",
                "train_seed42.log": log(seed=42, bpb=1.1304, train_ms=3_600_550),
            },
        ),
        Status.NEEDS_HUMAN,
    ),
)
