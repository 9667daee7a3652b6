"""By how much, and how surely, must a record beat the one before?

## The question
The README asks for 0.005 nats at p < 0.01 against the current best. Organizers applied p < 0.25 along a
chronological frontier. And 0.005 nats of what: per token, or per byte?

## Side A: as written
The README's text has not changed since 2026-03-18. Participants planned their runs by it, in nats per token (#1514) or in
nats per byte, which is 0.0072 bits per byte (#1145, #1642).

## Side B: as applied
cocohearts updated the table on 04-28 (#1899, #1900, #1902) and 05-02 (#2146) with p < 0.25 for each step of the frontier.
codemath3000 counted on 05-02 that fewer than 15 % of the merged rows gain 0.005 nats over the row before (#2148).

## What the tool says meanwhile
It prints both tests and both units. `disputed` where they disagree; no finding where all agree.

## What would settle it
A README that states one threshold with its unit.
"""

from rules.finding import Status
from rules.rule import Authority, Dispute, Example, Source
from rules.samples.records import record

DISPUTE = Dispute(
    id="D-05-record-threshold",
    title="The record threshold and its unit",
    question="Does a record need 0.005 nats at p < 0.01, or p < 0.25 along the frontier, and per token or per byte?",
    side_a="README: at least 0.005 nats better than the current best at p < 0.01.",
    side_b="Applied since 2026-04-28: p < 0.25 against the frontier of the day, without a fixed margin.",
    state="two authorities contradict each other; both figures are shown",
    sources=(
        Source(
            "README", "2026-03-18", "0hq", "0.005 nats at p < 0.01; waived for pure systems speed-ups", Authority.README
        ),
        Source("#1514", "2026-04-09", "dexhunter", "states the gain in nats per token", Authority.COMMUNITY),
        Source("#1902", "2026-04-28", "cocohearts", "p < 0.25 along the chronological frontier", Authority.ORGANIZER),
        Source("#2146", "2026-05-02", "cocohearts", "the same test for the last rows", Authority.ORGANIZER),
        Source(
            "#2148",
            "2026-05-02",
            "codemath3000",
            "fewer than 15 % of merged rows meet 0.005 nats over the row before",
            Authority.COMMUNITY,
        ),
    ),
    rules=("STAT1",),
)

EXAMPLES = (
    Example("better, but not by 0.005 nats", record((1.1190, 1.1192, 1.1188)), Status.DISPUTED, dispute="D-05"),
)
