"""Does the 600 s limit of evaluation bind non-record entries?

## The question
Non-record entries may train for as long as they like if they say so. May they also evaluate for as long as they like?

## Side A: the limit binds
The README says of submissions in general that it will not accept evaluations of more than ten minutes on 8×H100.

## Side B: records only
The other limits of time are waived on that track, and participants take this one to be waived too. The question came up on #915 and was not answered.

## What the tool says meanwhile
It prints the time; on the non-record track it draws no conclusion.

## What would settle it
A word in the README's paragraph on non-record submissions.
"""

from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-20-eval-cap-non-record",
    title="Evaluation limit on the non-record track",
    question="Does the limit of 600 s for evaluation bind non-record entries?",
    side_a="The README speaks of submissions in general.",
    side_b="Participants treat it as a limit for records, like that of training.",
    state="asked on #915, unanswered",
    sources=(
        Source(
            "README", "2026-03-18", "0hq", "no submissions that take more than 10 minutes to evaluate", Authority.README
        ),
        Source(
            "#915",
            "2026-04-11",
            "MatoTeziTanka",
            "asks whether the limit binds a non-record entry",
            Authority.COMMUNITY,
        ),
    ),
    rules=("TIME2", "TRACK1"),
    informational=True,
)
