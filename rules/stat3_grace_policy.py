"""A submission counts if its idea and code were public before the cutoff.

## Why
The challenge ended on 2026-05-01 at 17:00 Pacific, which is midnight UTC at the start of May 2. Later commits that
only add results or repair compliance were let in.

## How it is proved
From the dates of the commits. Git dates are written by the author, so they can raise a
question and never settle it.

## Legal look-alikes
Logs of further seeds and narrow repairs after the cutoff (#2135, the corrected #2140).

## Known evasions
A back-dated commit; many parallel submissions of which the unlucky ones are closed (dispute D-19).

## Instead
Before:
```text
the method itself is pushed after the cutoff
```
After:
```text
the code is pushed before the cutoff; later commits add logs only, and say so
```
"""

from collections.abc import Iterator

from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import RECORD_ONLY, Authority, Example, Kind, Rule, Source
from rules.samples.records import record

RULE = Rule(
    id="STAT3-grace-policy",
    title="Submitted before the cutoff",
    kind=Kind.REQUIREMENT,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source(
            "#2146",
            "2026-05-02",
            "cocohearts",
            "idea and code before the cutoff; later commits may add results or narrow repairs",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("claims",),
    undecided="the dates of the commits would decide it; a plain folder has none",
    tracks=RECORD_ONLY,
    disputes=("D-19",),
)

CUTOFF = "2026-05-02T00:00:00+00:00"


@RULE.check("package")
def commit_dates(e: Evidence, edition: Edition) -> Iterator[Finding]:
    last, first = e.package.date, e.package.created
    if not first:
        return
    facts = [Fact("first commit", first), Fact("head commit", last), Fact("cutoff", CUTOFF)]
    if first >= CUTOFF:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            "all its commits are dated after the cutoff",
            *facts,
            instead="show that the code was public before the cutoff",
        )
    elif last >= CUTOFF:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            "some commits are dated after the cutoff; they may add results or narrow repairs only",
            *facts,
        )
    else:
        yield RULE.finding(Status.OK, "all commits are dated before the cutoff", *facts)


VALID = (Example("dated 2026-03-24", record(), Status.OK),)
INVALID = (Example("dated after the cutoff", record(), Status.NEEDS_HUMAN, date="2026-05-03T09:00:00+00:00"),)
