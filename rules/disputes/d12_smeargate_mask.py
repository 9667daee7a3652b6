"""Why should SmearGate be masked at document boundaries?

## The question
An organizer asked for a mask so that the last token of a document does not reach the first position of the next. Is the unmasked gate a leak, or ordinary context?

## Side A: mask it
cocohearts would not merge #1797 without the mask (04-26). #1851 and #1855 carry it in every forward pass and were merged on 04-29.

## Side B: there is nothing to mask
The previous document lies in the past: looking at it is causal, and attention does so in every packed batch (ClassicLarry in #1988, 04-30; romeerp agrees). The
mask costs time and changes the score by less than the spread between seeds. #1667, without it, is on the board.

## What the tool says meanwhile
`disputed`, with the organizer's request first: for a record, the mask is the safe choice.

## What would settle it
A reason from organizers, or a row-independent rule on state that crosses documents (D-14).
"""

from rules import sg1_smeargate_document_boundary
from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-12-smeargate-mask",
    title="SmearGate's mask at BOS",
    question="Is an unmasked gate over document boundaries a fault of a record?",
    side_a="An organizer asked for the mask and merged the records that have it.",
    side_b="Earlier documents are causal context; attention crosses boundaries too, and a record without the mask stands.",
    state="the organizer's request stands; its reason is disputed",
    sources=(
        Source("#1797", "2026-04-26", "cocohearts", "would not merge without the mask", Authority.ORGANIZER),
        Source("#1667", "2026-04-29", "cocohearts", "merged without a mask", Authority.PRECEDENT),
        Source("#1855", "2026-04-29", "cocohearts", "merged with the mask", Authority.PRECEDENT),
        Source(
            "#1988",
            "2026-04-30",
            "ClassicLarry",
            "it does not break causality; asks for the purpose",
            Authority.COMMUNITY,
        ),
    ),
    rules=("SG1",),
)

EXAMPLES = tuple(e for e in sg1_smeargate_document_boundary.INVALID if e.dispute == "D-12")
