"""SLOT on the positions that are scored contradicts the README, but no organizer has said so by name.

## The question
A vector, bias or temperature is optimised on the targets of a window, and the same targets are then scored with it. The README allows
test-time training only on tokens that were already evaluated. Does that forbid SLOT, though no organizer
has ruled on it?

## Side A: it does
The labels are the answers. andrewbaggio1, who flagged their own #1209 with it, showed on 2026-04-02 (#1240) that changing one target of the window moves all other
scores (240 of 240 pairs), and that a token is predicted better by 0.24 to 0.73 nats because it was among the labels.
The authors of several such submissions have closed them since; none was merged.

## Side B: it does not, or not much
With windows of 2,048 and a stride of 64, 96.9 % of the labels are context that was scored before (AnubhavBharadwaaj, quoted in
#1240). The weights of the model stay frozen and the vector is thrown away (#1229).

## What the tool says meanwhile
`likely`, not `violation`: the rule follows from README and logic, and the answer names this dispute so that
nobody reads it as a ruling.

## What would settle it
A sentence by an organizer. Requests in #1172, #1176, #1209, #1240 and #1336 have found no answer.
"""

from rules.disputes.d01_context_only_slot import SLOT
from rules.finding import Status
from rules.rule import Authority, Dispute, Example, Source
from rules.samples.programs import program

DISPUTE = Dispute(
    id="D-02-scored-position-slot",
    title="SLOT on scored positions without a ruling",
    question="Is SLOT on scored positions illegal though no organizer has ruled on it by name?",
    side_a="README and score-before-update forbid it: the labels are the answers, and #1240 measured the leak.",
    side_b="Almost all labels are scored context, weights stay frozen and the correction is thrown away.",
    state="no organizer text on SLOT; treated as likely, never as a ruled violation",
    sources=(
        Source("README", "2026-03-20", "0hq", "test-time training only on tokens already evaluated", Authority.README),
        Source(
            "#1229",
            "2026-04-01",
            "resouer",
            "scores with a correction fitted to the scored positions and calls it score-first",
            Authority.COMMUNITY,
        ),
        Source(
            "#1240",
            "2026-04-02",
            "andrewbaggio1",
            "measures the leak; quotes the argument that most labels are context",
            Authority.COMMUNITY,
        ),
    ),
    rules=("SLOT1",),
)

EXAMPLES = (
    Example(
        name="vector fitted to the tail that is scored",
        stage="source",
        status=Status.LIKELY,
        dispute="D-02",
        files={"train_gpt.py": program(SLOT.format(inputs="hidden[known:]", labels="y[known:]"))},
        note="asked of SLOT1",
    ),
)
