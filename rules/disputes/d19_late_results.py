"""Do results count that were committed after the cut-off?

## The question
A pull request opened before the end of the challenge may get its logs later. With several requests opened in parallel, the best one can be completed and the others closed.

## Side A: they count, within limits
cocohearts on 05-02 (#2146): if idea and code were public before the cut-off, later commits may add results or narrow repairs of compliance. #2135 was listed so, and the
repaired #2140 called acceptable.

## Side B: outcomes are selected
Parallel requests near the end (#2131 to #2136) and closed losers are a selection by outcome, andrewbaggio1 argued in #2146 on 05-03; codemath3000 disagreed.

## What the tool says meanwhile
It shows which commits came after the cut-off and what they change (rule STAT3), and accuses nobody.

## What would settle it
A final date for results as well as for code.
"""

from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-19-late-results",
    title="Results after the cut-off",
    question="Do results count that came after the cut-off, and is choosing among parallel requests fair?",
    side_a="Grace: a public idea and code before the cut-off may be completed with results later.",
    side_b="Many parallel requests of which the best is completed are a selection by outcome.",
    state="the organizer applied grace",
    sources=(
        Source(
            "README",
            "2026-03-19",
            "0hq",
            "acceptance is chronological by the creation of the pull request",
            Authority.README,
        ),
        Source(
            "#2146", "2026-05-02", "cocohearts", "the grace policy, applied to #2135 and #2140", Authority.ORGANIZER
        ),
        Source(
            "#2146",
            "2026-05-03",
            "andrewbaggio1, codemath3000",
            "argue about selection by outcome",
            Authority.COMMUNITY,
        ),
    ),
    rules=("STAT3", "STAT2"),
    informational=True,
)
