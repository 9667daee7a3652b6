"""Are there two kinds of records, with and without adaptation at evaluation?

## The question
#1017 (NoesisGenesis, 03-28) proposes labels: Track A for a fixed predictor, with no state built from evaluation tokens, so neither test-time training nor caches; Track B for
adaptive compression, with score-first training and causal caches. Do the labels bind?

## Side A: they should
The two measure different things, and many submissions label themselves.

## Side B: they do not
The README has one table for records. And the labels are used wrongly: "Track A" stands over training before the score (#1487, #1498, #1738), and a quotation on #1735 (04-20) gives Track A's
prohibition to Track B.

## What the tool says meanwhile
Nothing: a label is not evidence. The README's tracks are record and non-record.

## What would settle it
Two tables in the README.
"""

from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-18-track-a-b",
    title="Track A and Track B",
    question="Do the labels for fixed and adaptive predictors bind anybody?",
    side_a="#1017 proposes separate labels, since the two measure different things.",
    side_b="The README has one table of records and knows no such labels.",
    state="informational only",
    sources=(
        Source("README", "2026-03-18", "0hq", "one table of records and one of non-record entries", Authority.README),
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "proposes Track A (fixed) and Track B (adaptive)",
            Authority.COMMUNITY,
        ),
        Source(
            "#1735",
            "2026-04-20",
            "dexhunter",
            "quotes the prohibition of Track A as one of Track B",
            Authority.COMMUNITY,
        ),
    ),
    rules=("TRACK1", "LABEL1"),
    informational=True,
)
