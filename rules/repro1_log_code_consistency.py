"""The claim, the logs, the README, submission.json and the script are of one and the same run.

## Why
A number that no shipped log shows cannot be checked, and a log of another script proves nothing about
this one.

## How it is proved
By comparing figures, each within what its writer rounded away: the claimed bpb with the evaluations of
the logs, the claimed size with the logged sizes, README with submission.json, the code size in the log with the
script as shipped.

## Legal look-alikes
A headline that is the best seed while the mean stands beside it; a log that counts a minified or packed
form of the script; extra logs of ablations.

## Known evasions
A log of an earlier, better configuration; a summary table that was not updated; logs carried over from
another submission.

## Instead
Before:
```json
{"val_bpb": 1.0435}
```
After:
```json
{"val_bpb": 1.0577, "seed_results": {"42": 1.0574, "314": 1.0577, "999": 1.0580}}
```
"""

import re
from collections.abc import Iterator

from rules import view
from rules.editions import Edition
from rules.evidence import Evidence, Location, Number
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source, fact
from rules.samples.records import log, record

RULE = Rule(
    id="REPRO1-log-code-consistency",
    title="Claim, logs and script agree",
    kind=Kind.REQUIREMENT,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source("README", "2026-03-18", "0hq", "a train log produced by the submitted script", Authority.README),
        Source(
            "#1594",
            "2026-04-13",
            "GabrieleCirillo",
            "one seed's log came from another version of the script",
            Authority.COMMUNITY,
        ),
        Source("#86", "2026-05-04", "cocohearts", "claim and own log differ; not reproduced", Authority.ORGANIZER),
    ),
    decided_by=("claims", "trace"),
    undecided="a log with a final evaluation would decide it",
)


@RULE.check("claims")
def claim_in_logs(e: Evidence, edition: Edition) -> Iterator[Finding]:
    claim = e.claims.val_bpb
    runs = [r for r in e.claims.runs if r.result and r.result.val_bpb]
    if claim is None or not runs:
        return
    results = [r.result.val_bpb for r in runs if r.result and r.result.val_bpb]
    facts = [fact("claimed bpb", claim, ".5f"), *(fact(f"result in {n.at.file}", n, ".5f") for n in results[:8])]
    if e.statistics.mean is not None and len(e.statistics.values) > 1:
        facts.append(Fact("mean of the logs behind the claim", f"{e.statistics.mean:.5f}"))
    shown = _shown(claim, e)
    if shown:
        yield RULE.finding(Status.OK, f"the claimed {claim.value:g} is {shown}", *facts)
        return
    best = min(n.value for n in results)
    gap = best - claim.value
    anywhere = any(
        ev.val_bpb and ev.val_bpb.value <= claim.value + claim.step for r in e.claims.runs for ev in r.evaluations
    )
    absent = len(view.seed_claims(e)) - len(results)
    instead = "claim what the shipped logs show, or ship the logs that show the claim"
    if gap <= claim.step:
        yield RULE.finding(Status.OK, f"no log shows {claim.value:g} exactly; the best shows {best:.5f}", *facts)
    elif gap <= 5e-4:
        yield RULE.finding(
            Status.NEEDS_HUMAN, f"no log shows {claim.value:g}; the best shows {best:.5f}", *facts, instead=instead
        )
    elif anywhere:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"the headline {claim.value:g} is {gap:.5f} bpb below every log's result, though a log has a lower figure elsewhere",
            *facts,
            instead=instead,
        )
    elif any(n.value == best for n in results if _another_figure(claim, n)) or (
        gap > SLIP and any(s.val_bpb and _shown(s.val_bpb, e) for s in view.statements(e))
    ):
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"the headline {claim.value:g} is {gap:.5f} bpb below every log's result, though the submission states the logged one too",
            *facts,
            instead=instead,
        )
    elif absent > 0:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"the headline {claim.value:g} is {gap:.5f} bpb below every log's result; the logs of {absent} claimed seed(s) are not shipped",
            *facts,
            instead=instead,
        )
    else:
        yield RULE.finding(
            Status.VIOLATION,
            f"claims {claim.value:g}; the best of its own logs is {best:.5f}, {gap:.5f} bpb worse",
            *facts,
            instead=instead,
        )


SLIP = 0.3  # bpb; so far from every log, while another document states what they show, is a slip of the pen
_FIGURE = re.compile(r"(?<![\d.])\d\.(\d{3,12})(?!\d)")


def _another_figure(said: Number, logged: Number) -> bool:
    """Whether the line of a claim also states what the log shows: another stage of the same run."""
    return any(
        abs(float(m[0]) - logged.value) <= 10.0 ** -len(m[1]) and not view.same(said, logged)
        for m in _FIGURE.finditer(said.at.text)
    )


def _in_mebibytes(said: Number, logged: Number) -> bool:
    """Whether a rounded size is the logged one in MiB, with "MB" written behind it."""
    return said.step >= 1_000 and abs(said.value * 1.048576 - logged.value) <= said.step * 1.048576


def _shown(claim: Number, e: Evidence) -> str:
    """Where the logs show the claim: in which words, or "" if nowhere."""
    for run in e.claims.runs:
        for ev in run.evaluations:
            if ev.val_bpb and not ev.training and view.same(ev.val_bpb, claim):
                return f"a figure of {ev.val_bpb.at}"
    s = e.statistics
    if s.mean is not None and abs(s.mean - claim.value) <= max(claim.step, 1e-4):
        return f"the mean of {len(s.values)} logs"
    return ""


@RULE.check("claims")
def seed_in_its_log(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """A value claimed for a seed that no shipped log of that seed shows."""
    for claim in (c for s in view.statements(e) for c in s.seeds):
        said = claim.val_bpb
        runs = [r for r in e.claims.runs if r.seed and r.result and r.result.val_bpb and r.seed.value == claim.seed]
        shown = [ev.val_bpb for r in runs for ev in r.evaluations if ev.val_bpb]
        best = min(
            (r.result.val_bpb for r in runs if r.result and r.result.val_bpb), key=lambda n: n.value, default=None
        )
        if said is None or best is None or any(n.value <= said.value + said.step for n in shown):
            continue
        gap = best.value - said.value
        if gap > 5e-4 and _another_figure(said, best):
            yield RULE.finding(
                Status.NEEDS_HUMAN,
                f"seed {claim.seed} is claimed at {said.value:g}; its shipped log ends with {best.value:.5f}, which the same row states as another figure",
                fact(f"claimed for seed {claim.seed}", said, ".5f"),
                fact("result of its log", best, ".5f"),
                instead="ship the log of the evaluation that is claimed",
            )
            return
        if gap > 5e-4:
            yield RULE.finding(
                Status.VIOLATION,
                f"seed {claim.seed} is claimed at {said.value:g}; its own log shows {best.value:.5f}, {gap:.5f} bpb worse",
                fact(f"claimed for seed {claim.seed}", said, ".5f"),
                fact("result of its log", best, ".5f"),
                instead="claim what the log of each seed shows",
            )
            return


@RULE.check("claims")
def readme_and_json(e: Evidence, edition: Edition) -> Iterator[Finding]:
    a, b = e.claims.readme, e.claims.metadata
    if a and b and a.val_bpb and b.val_bpb and not view.same(a.val_bpb, b.val_bpb):
        known = [c.val_bpb for s in (a, b) for c in s.seeds if c.val_bpb]
        mean = e.statistics.mean
        if mean is not None:
            known.append(Number(mean, a.val_bpb.at, 1e-4))
        if all(any(view.same(n, x) for n in known) for x in (a.val_bpb, b.val_bpb)):
            return  # one document leads with the mean, the other with a seed
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"README says {a.val_bpb.value:g}, submission.json {b.val_bpb.value:g}",
            fact("README", a.val_bpb, ".5f"),
            fact("submission.json", b.val_bpb, ".5f"),
            instead="state one number in both",
        )


@RULE.check("claims")
def sizes(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """A claimed size that no log shows, where the logs say the artifact is larger."""
    runs = view.claim_runs(e)
    logged = [n for r in runs if (n := view.total_bytes(r))]
    weights = [n for r in runs if (n := view.model_bytes(r))]
    most, heaviest = view.worst([*logged]), view.worst([*weights])
    if most is None:
        return
    for s in view.statements(e):
        said = s.total_bytes
        if said is None or said.value >= min(n.value for n in logged) - max(said.step, 2000):
            continue
        facts = [fact(f"claimed in {s.file}", said, unit=" bytes"), fact("largest in the logs", most, unit=" bytes")]
        if heaviest and heaviest.value > edition.artifact_cap >= said.value and not _in_mebibytes(said, most):
            yield RULE.finding(
                Status.VIOLATION,
                f"claims {said.value:,.0f} bytes; by its own log the weights alone are {heaviest.value:,.0f}",
                *facts,
                fact("weights in the logs", heaviest, unit=" bytes"),
                instead="claim the size that the log shows",
            )
        else:
            yield RULE.finding(
                Status.NEEDS_HUMAN,
                f"claims {said.value:,.0f} bytes; the log counts {most.value - said.value:,.0f} more",
                *facts,
                disputes=("D-06",),
                severity=Severity.PACKAGING,
                instead="say how the code was counted",
            )
        return


@RULE.check("claims", "scripts")
def code_size(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """A logged code size that is the size of no form of the shipped script."""
    script = view.counted_script(e)
    if script is None:
        return
    for run in view.claim_runs(e):
        n = run.code_bytes
        if n is None or n.step > 1 or any(abs(n.value - size) <= 1 for size in _known_sizes(e)):
            continue
        facts = (
            fact("code in the log", n, unit=" bytes"),
            Fact("script as shipped", f"{script.size:,} bytes", Location(script.path)),
        )
        if abs(n.value - script.size) > 0.25 * script.size:
            yield RULE.finding(
                Status.DISPUTED,
                f"the log counts {n.value:,.0f} bytes of code, {script.path} as shipped has {script.size:,}: another form of the script, such as a minified one",
                *facts,
                severity=Severity.ADVISORY,
                disputes=("D-06",),
                instead="ship the form of the script that is counted",
            )
        else:
            yield RULE.finding(
                Status.NEEDS_HUMAN,
                f"the log counts {n.value:,.0f} bytes of code, {script.path} as shipped has {script.size:,}: the log is of another version of the script",
                *facts,
                severity=Severity.ADVISORY,
                instead="ship the script that wrote the log",
            )
        return


def _known_sizes(e: Evidence) -> Iterator[int]:
    """Sizes that an honest log may count: each script, its text inside, and the script with what it needs."""
    for s in e.package.scripts:
        yield s.size
        yield len(s.shipped_text.encode())
        yield from (layer.size for layer in s.layers)
        yield s.size + sum(f.size or 0 for n in s.imports if (f := e.package.file(n)))


VALID = (
    Example("all agree", record(), Status.OK),
    Example("headline is one seed", record(claims={"val_bpb": 1.1300}), Status.OK),
)
INVALID = (
    Example("claim below every log", record(claims={"val_bpb": 1.1100, "seed_results": None}), Status.VIOLATION),
    Example(
        "a seed claimed below its own log",
        record(claims={"val_bpb": 1.1300, "seed_results": {"42": {"val_bpb": 1.1104}}}),
        Status.VIOLATION,
    ),
    Example(
        "the row of a seed states the logged figure and a better one",
        record(
            claims={"val_bpb": 1.1300, "seed_results": None},
            extra={
                "README.md": "# Runs\n\n| seed | sliding | val_bpb |\n|---|---|---|\n| 42 | 1.1304 | **1.1250** |\n",
            },
        ),
        Status.NEEDS_HUMAN,
    ),
    Example(
        "a slip in one document, the other states what the logs show",
        record(claims={"val_bpb": 0.1304, "seed_results": None}),
        Status.NEEDS_HUMAN,
    ),
    Example(
        "MB written for MiB",
        record(model=16_500_000, claims={"bytes_total": None, "artifact_size": "15.74 MB"}),
        Status.NEEDS_HUMAN,
    ),
    Example("README and json differ", record(claims={"val_bpb": 1.1500}), Status.NEEDS_HUMAN),
    Example(
        "weights larger than the claimed total",
        record(model=16_900_000, claims={"bytes_total": 15_995_959}),
        Status.VIOLATION,
    ),
    Example(
        "script of another size",
        record(
            extra={
                "train_seed1337.log": log(code=880),
                "train_seed42.log": log(seed=42, bpb=1.1304, code=880),
                "train_seed2025.log": log(seed=2025, bpb=1.1308, code=880),
            }
        ),
        Status.NEEDS_HUMAN,
    ),
)
