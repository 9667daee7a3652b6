"""May test-time training be compiled and warmed up on real validation tokens?

## The question
The first step of a compiled training loop takes long. #1530 runs it before the clock, forward, backward and optimizer step, on the first validation tokens, with a
throw-away adapter.

## Side A: no
These tokens have not been scored yet, and a step on them is what the README forbids. dexhunter and msisovic said so on #1530 (04-11), codemath3000
again when the table was updated (#1899, 04-28). Random tokens do the same job.

## Side B: it changes nothing
Adapter and optimizer are deleted, so no bit of the tokens survives. samacqua reran without it and found the score within noise (04-11). #1530 was merged on
04-29 and stays on the board.

## What the tool says meanwhile
`disputed`, advisory. If anything survives, weights, moments, running statistics or a choice made from the loss, it is training before
the score (rule TTT1) and not disputed.

## What would settle it
Equal hashes of all state before and after the warm-up show it harmless for one submission.
"""

from rules import ttt5_compile_warmup_on_val
from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-09-warmup-on-val",
    title="Compile warm-up on validation tokens",
    question="May a training step that is thrown away touch validation tokens before they are scored?",
    side_a="No: it is a step on tokens that are not scored yet, and random tokens would do.",
    side_b="It changes nothing: all state is discarded, and the record with it was merged.",
    state="tolerated by precedent; later systems use random tokens",
    sources=(
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "no training on validation tokens before they are evaluated",
            Authority.README,
        ),
        Source("#1530", "2026-04-11", "dexhunter, msisovic", "object to the warm-up", Authority.COMMUNITY),
        Source("#1530", "2026-04-11", "samacqua", "without it the score is within noise", Authority.COMMUNITY),
        Source("#1899", "2026-04-28", "codemath3000", "raises it again", Authority.COMMUNITY),
        Source("#1530", "2026-04-29", "cocohearts", "merged with the warm-up", Authority.PRECEDENT),
    ),
    rules=("TTT5",),
)

EXAMPLES = tuple(e for e in ttt5_compile_warmup_on_val.INVALID if e.dispute == "D-09")
