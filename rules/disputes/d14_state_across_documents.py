"""May what was learned on one validation document help with the next?

## The question
Adapted weights, adapters or caches can be reset at each document or carried on.

## Side A: yes
The README allows training on validation tokens that were already evaluated, with no word on documents. #549 and #1413 carry weights across the whole
stream and were merged; #77 and #1530 reset per document and were merged as well.

## Side B: within a document only
Notes in #365 report an opinion from Discord (03-20) that adaptation must stay within a document.

## What the tool says meanwhile
Nothing: both are legal. It says which of the two a submission does, since documents evaluated in another order are only harmless with a reset.

## What would settle it
Settled by precedent.
"""

from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-14-state-across-documents",
    title="Adaptation across documents",
    question="May adapted state be carried from one validation document to the next?",
    side_a="Yes: the tokens were already evaluated, and merged records carry state.",
    side_b="Only within a document, according to a Discord opinion noted in #365.",
    state="allowed by precedent",
    sources=(
        Source("README", "2026-03-20", "0hq", "training on tokens already evaluated is allowed", Authority.README),
        Source(
            "#365",
            "2026-03-20",
            "participants",
            "notes that adaptation should stay within a document (Discord)",
            Authority.COMMUNITY,
        ),
        Source(
            "#549", "2026-03-24", "valerio-oai", "merged with weights carried across documents", Authority.PRECEDENT
        ),
        Source(
            "#1413", "2026-04-09", "cocohearts", "merged with weights carried across documents", Authority.PRECEDENT
        ),
    ),
    rules=("TTT4",),
    informational=True,
)
