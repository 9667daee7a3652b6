"""Do 1,499 training shards prove that validation documents were trained on?

## The question
Data prepared with the shipped CaseOps script and its default of 10,000 held-out documents has 1,499 training shards. If all 50,000 documents are then scored,
40,000 of them were trained on.

## Side A: a fingerprint
leon2k2k2k and andrewbaggio1 sorted 34 submissions by it on 05-01 (#2127) and found 15 leaking. cocohearts left out #2018 and #2130 (#2146, 05-02); the shard count
and a doubled data path were named for the latter.

## Side B: a coincidence
ndokutovich answered on 05-02 for #1967: the runs read a prebuilt upload that was disjoint, in spite of 1,499 shards; only the shipped set-up script had the bad default.

## What the tool says meanwhile
`disputed`: a strong warning, and a request for hashes of the documents.

## What would settle it
Hashes of the training and validation documents, for each submission.
"""

from rules.finding import Status
from rules.rule import Authority, Dispute, Example, Source
from rules.samples.records import record

DISPUTE = Dispute(
    id="D-15-1499-shards",
    title="1,499 training shards",
    question="Does the shard count alone show that training and validation overlap?",
    side_a="It is the fingerprint of the preparation script's default, and submissions were left out for it.",
    side_b="Prebuilt disjoint data can have the same count, as one author says of their own.",
    state="case by case",
    sources=(
        Source(
            "#2127",
            "2026-05-01",
            "leon2k2k2k, andrewbaggio1",
            "how the overlap arises and which submissions show it",
            Authority.COMMUNITY,
        ),
        Source(
            "#2127",
            "2026-05-02",
            "ndokutovich",
            "the runs of #1967 read disjoint prebuilt data with 1,499 shards",
            Authority.COMMUNITY,
        ),
        Source("#2146", "2026-05-02", "cocohearts", "leaves out #2018 and #2130", Authority.ORGANIZER),
    ),
    rules=("LEAK1",),
)

EXAMPLES = (
    Example(
        "1,499 shards and all documents scored", record(shards=1499, tokens=47_851_520), Status.DISPUTED, dispute="D-15"
    ),
)
