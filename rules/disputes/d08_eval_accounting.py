"""What counts towards the 600 s of evaluation?

## The question
Between the start of the evaluation process and the printed score lie decompression, compilation, warm-up, diagnostics, the building of hints, adaptation and scoring. Which of
them does the limit cover?

## Side A: all of it
The README speaks of evaluation without exceptions. cocohearts added up the operations of #1972, adaptation included, and held 688 s
against it (05-02). #2018, #2041 and #2135 build their n-gram hints inside the timer.

## Side B: the scored function
Every merged record prints the time of the last scored function only. In #1855 warm-up (137.6 s), decompression (44 s) and a diagnostic pass (50 s)
come on top of 508.8 s, together about 741 s, without objection. #1514 was merged with 33 s of hint building outside the timer; ndokutovich did the same in
#1967 and argued it with dexhunter on 04-30.

## What the tool says meanwhile
Both sums. `disputed` if only the larger one is over 600 s.

## What would settle it
A list of the phases that count.
"""

from rules.finding import Status
from rules.rule import Authority, Dispute, Example, Source
from rules.samples.records import record

DISPUTE = Dispute(
    id="D-08-eval-accounting",
    title="What counts in the 600 s of evaluation",
    question="Does the evaluation limit cover all work after training or the scored function alone?",
    side_a="All of it: an organizer added up every evaluation operation of a submission.",
    side_b="The scored function: merged records leave warm-up, decompression, diagnostics and hint building outside.",
    state="unresolved",
    sources=(
        Source(
            "README", "2026-03-18", "0hq", "at most 10 minutes of evaluation, in addition to training", Authority.README
        ),
        Source(
            "#1514", "2026-04-29", "cocohearts", "merged with the hints built outside the timer", Authority.PRECEDENT
        ),
        Source(
            "#1855",
            "2026-04-29",
            "cocohearts",
            "merged with 508.8 s scored and about 741 s in all",
            Authority.PRECEDENT,
        ),
        Source(
            "#1967", "2026-04-30", "ndokutovich, dexhunter", "argue whether building hints counts", Authority.COMMUNITY
        ),
        Source(
            "#1972", "2026-05-02", "cocohearts", "688 s of evaluation operations are over the cap", Authority.ORGANIZER
        ),
    ),
    rules=("TIME2",),
)

EXAMPLES = (
    Example(
        "fits without the diagnostic evaluation",
        record(eval_ms=508_000, diagnostic_ms=140_000),
        Status.DISPUTED,
        dispute="D-08",
    ),
)
