"""May constants of the evaluation be tuned on the validation score?

## The question
Thresholds of gates, strengths of tilts, learning rates of test-time training are found by trying values and looking at validation bits per byte, sometimes on stored predictions for the whole
validation text (#1991, #2098).

## Side A: ordinary tuning
Everybody chooses learning rates by the validation score, and the README says that tuning Adam's hyper-parameters over many runs is fine.

## Side B: fitting to the test
A sweep over stored validation predictions fits the mixer to exactly the text that is scored, outside all budgets. The README's clause on the spirit of the challenge speaks against smuggling computation
in.

## What the tool says meanwhile
Nothing by itself. It may note that the README tells of such a sweep.

## What would settle it
A word on how constants may be found; a held-out text that nobody can tune on.
"""

from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-16-tuned-on-validation",
    title="Evaluation constants tuned on the validation text",
    question="Is choosing constants of eval-time mixers by validation score legitimate tuning?",
    side_a="Ordinary hyper-parameter tuning, which the README allows.",
    side_b="Implicit fitting to the validation text, outside every budget.",
    state="no ruling found",
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "tuning Adam's hyper-parameters is fine, sneaking in compute is not",
            Authority.README,
        ),
        Source(
            "#1991",
            "2026-04-30",
            "joshuaswanson",
            "tunes a mixer's four constants by an offline sweep",
            Authority.COMMUNITY,
        ),
        Source(
            "#2098",
            "2026-05-01",
            "joshuaswanson",
            "the same on predictions stored for the validation text",
            Authority.COMMUNITY,
        ),
    ),
    rules=("VAL1", "EXT1"),
    informational=True,
)
