"""Does training several epochs on a chunk that is already scored break the single pass?

## The question
Score-first test-time training scores a chunk and then trains on it, often for three to five epochs. The condition of a single pass (#1017) says that there is one pass over the validation text.

## Side A: allowed
The condition is about *scoring*: every token has one score, given before any training on it. #549 (merged on 03-24), #1413 and #1493 train three epochs or more on scored
chunks.

## Side B: asked
dexhunter asked on #1698 (04-18) whether several epochs over the same tokens are still one pass. No organizer answered.

## What the tool says meanwhile
Nothing against it: `ok` with a note. Reporting the score of a later epoch is another matter (rule TTT2).

## What would settle it
Settled by precedent.
"""

from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-13-multi-epoch-after-score",
    title="Several epochs on scored chunks",
    question="Does multi-epoch training on already scored tokens break the single pass?",
    side_a="No: the single pass concerns scoring, and merged records train several epochs.",
    side_b="Asked by a participant: several reads of the same tokens might not be one pass.",
    state="allowed by precedent",
    sources=(
        Source("#549", "2026-03-24", "valerio-oai", "merged with several epochs on scored chunks", Authority.PRECEDENT),
        Source("#1017", "2026-03-28", "NoesisGenesis", "one left-to-right pass", Authority.COMMUNITY),
        Source("#1413", "2026-04-09", "cocohearts", "merged with several epochs on scored chunks", Authority.PRECEDENT),
        Source("#1698", "2026-04-18", "dexhunter", "asks whether this is still a single pass", Authority.COMMUNITY),
    ),
    rules=("TTT4", "TTT2", "C4"),
    informational=True,
)
