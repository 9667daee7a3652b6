"""May training data be chosen or ordered by its likeness to the validation text?

## The question
Training shards can be scored offline by how much they resemble the validation documents, and the list written into the script. No validation token is read in training.

## Side A: against the spirit
The README forbids access to validation data during training (03-20). A list computed from it carries some of it in.

## Side B: a curriculum
Choosing and ordering training data is ordinary work, and the bits are few. abaybektursun studied eight ways of scoring shards in a non-record entry (#772, 03-25) and found no gain.

## What the tool says meanwhile
Nothing: a list of shard names in a script does not show how it was made.

## What would settle it
A sentence in the README on offline use of validation text.
"""

from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-17-data-selected-by-validation",
    title="Training data selected by validation similarity",
    question="May training data be selected or ordered by its similarity to the validation text?",
    side_a="It brings validation data into training by the back door.",
    side_b="It is a curriculum like any other, and did not help.",
    state="no ruling found; studied as a non-record entry",
    sources=(
        Source(
            "README",
            "2026-03-20",
            "cocohearts",
            "validation data may not be accessed during training",
            Authority.README,
        ),
        Source(
            "#772",
            "2026-03-25",
            "abaybektursun",
            "eight ways of scoring shards against the validation text, no gain",
            Authority.COMMUNITY,
        ),
    ),
    rules=("VAL1",),
    informational=True,
)
