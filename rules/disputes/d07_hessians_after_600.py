"""May Hessians be collected from training data a few seconds after the 600 s?

## The question
GPTQ needs activations on some text. Many records stop training at 599.5 s and then read training shards for another 3.5 to 4.9 s. Is that training
over the limit, or part of writing the artifact?

## Side A: over the limit
The README forbids training data outside training, and valerio-oai closed submissions that calibrated on training data after the budget (#1028 on
03-28, as quoted). Participants reran others' recipes with a reserve of some seconds (#1868, #1950) to be safe.

## Side B: tolerated
#1787, #1851 and #1855 were merged on 04-29 with 603 to 604 s including Hessians. #1868 found no change of the score with the reserve in place, so nothing hangs
on it.

## What the tool says meanwhile
Both times: training alone and training plus calibration. `disputed` for a few seconds; longer is for CAL2 to judge.
Solving and compressing after the limit are not calibration, nor is text from the model itself (CAL3).

## What would settle it
A tolerance in seconds, or the words "calibration counts".
"""

from rules.finding import Status
from rules.rule import Authority, Dispute, Example, Source
from rules.samples.records import record

DISPUTE = Dispute(
    id="D-07-hessians-after-600",
    title="Hessians from training data seconds after the limit",
    question="May GPTQ read training data for a few seconds after the 600 s of training?",
    side_a="No: calibration on training data belongs into the 600 s; submissions were closed for it.",
    side_b="Tolerated: three merged records take 3.5 to 4.9 s more, and the score does not depend on it.",
    state="a ruling of March and merges of April contradict each other",
    sources=(
        Source("README", "2026-03-18", "0hq", "600 s of training; no training data in evaluation", Authority.README),
        Source(
            "#1028",
            "2026-03-28",
            "valerio-oai",
            "calibration on training data after 600 s is not allowed",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1787",
            "2026-04-29",
            "cocohearts",
            "merged at 603 to 604 s including Hessians, like #1851 and #1855",
            Authority.PRECEDENT,
        ),
        Source(
            "#1868",
            "2026-04-29",
            "Christopher-Lee-McClendon",
            "a rerun with a reserve of 8 s scores the same",
            Authority.COMMUNITY,
        ),
        Source(
            "#1950",
            "2026-04-29",
            "Christopher-Lee-McClendon",
            "a rerun within 600 s, with solving and compression after it",
            Authority.COMMUNITY,
        ),
    ),
    rules=("CAL2", "TIME1"),
)

EXAMPLES = (
    Example(
        "Hessians end 3.5 s after the budget",
        record(train_ms=599_600, hessian_seconds=3.9),
        Status.DISPUTED,
        dispute="D-07",
    ),
)
