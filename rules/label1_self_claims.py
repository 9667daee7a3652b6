"""Titles, checklists and praise prove nothing, in either direction.

## Why
"Legal TTT" has stood on code that was not legal, and honest code was accused for a word in its
name. Community reviews were retracted. Only code, logs and runs count.

## How it is proved
There is nothing to prove: the words are listed so that a reader sees they were given no weight.

## Legal look-alikes
Every honest submission says that it is honest.

## Known evasions
A checklist with all boxes ticked; "same pattern as an accepted record" about a pattern that was
not accepted.

## Instead
Before:
```text
- [x] fully legal, reviewed: LOOKS CLEAN
```
After:
```text
scoring at lines 905-990 precedes the update at 1010; command that shows it: …
```
"""

from collections.abc import Iterator

from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.records import README, record

RULE = Rule(
    id="LABEL1-self-claims",
    title="Self-claims are no evidence",
    kind=Kind.PERMISSION,
    severity=Severity.ADVISORY,
    sources=(
        Source(
            "#1722", "2026-04-18", "participants", "an old review of another variant quoted as proof", Authority.DERIVED
        ),
    ),
    decided_by=("claims",),
    undecided="the README, which is not shipped or cannot be read, would be looked at",
)


@RULE.check("claims")
def given_no_weight(e: Evidence, edition: Edition) -> Iterator[Finding]:
    words = e.claims.self_claims
    if words:
        facts = [Fact(w.value, w.at.text, w.at) for w in words[:8]]
        yield RULE.finding(Status.OK, f"{len(words)} statement(s) of its own legality were given no weight", *facts)
    elif e.claims.readme:
        yield RULE.finding(Status.NOT_APPLICABLE, "the README makes no such statement")


VALID = (
    Example(
        "a checklist",
        record(extra={"README.md": README.format(mean=1.1304, n=3) + "\n- [x] fully legal, no leakage\n"}),
        Status.OK,
    ),
)
INVALID = (Example("nothing claimed", record(), Status.NOT_APPLICABLE, note="nothing to give weight to"),)
