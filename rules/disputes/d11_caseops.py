"""Is a lossless text transform with a byte sidecar a fair tokenizer?

## The question
CaseOps replaces capitals by operators and small letters and keeps the original bytes of every token in a second file. Is that within "you may bring your own tokenizer"?

## Side A: it is
The document can be restored bit by bit, and the denominator counts its original bytes. cocohearts found on 04-26 (#1797) that an earlier inflation of the byte count looked
fixed; #1729, #1736, #1769, #1787, #1851 and #1855 were merged on 04-29.

## Side B: all transforms are suspect
Participants feared that any text other than the identity opens a door: a sidecar can be wrong, can reach the model, or can be left out (#2071), and the
preparation script that came with it led to training on validation documents (#2127).

## What the tool says meanwhile
`ok` for the construction, since the merges; it checks each of the ways to get it wrong (TOK3, BPB1, LEAK1).
Judged by an edition before 2026-04-26 the question is open.

## What would settle it
It is settled by precedent. A README sentence would make it a rule.
"""

from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-11-caseops",
    title="CaseOps: lossless transform with byte sidecar",
    question="May text be transformed reversibly before tokenisation, with the original bytes in a sidecar?",
    side_a="Yes: nothing is lost and the original bytes are counted.",
    side_b="Any transform of the text invites errors of the byte count and leaks.",
    state="accepted by the merges of 2026-04-29",
    sources=(
        Source(
            "README", "2026-03-18", "0hq", "tokenizer changes are allowed and examined more carefully", Authority.README
        ),
        Source(
            "#1797",
            "2026-04-26",
            "cocohearts",
            "the earlier inflation of the byte count looks fixed",
            Authority.ORGANIZER,
        ),
        Source(
            "#1729", "2026-04-29", "cocohearts", "merged, with five records on the same transform", Authority.PRECEDENT
        ),
        Source(
            "#2127",
            "2026-05-01",
            "leon2k2k2k, andrewbaggio1",
            "the shipped preparation script overlaps training and validation by default",
            Authority.COMMUNITY,
        ),
    ),
    rules=("TOK3",),
)
