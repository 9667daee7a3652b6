"""May the score be formed over bytes instead of tokens?

## The question
The condition of normalisation asks for one distribution over "the scoring alphabet". For a model with a tokenizer, is that the tokens, or
may it be the 256 bytes, if the distribution over bytes is derived from the token softmax exactly?

## Side A: it may
A chain of exact marginals is a valid code of the same text, and the metric is bits per *byte* (Christopher-Lee-McClendon in #1916, 04-29: normalised at
every step, honest gain about 0.02). Models that predict bytes from the start were merged as
non-record entries (#1104, #1443).

## Side B: it may not
The official scoring point is the token: `val_loss` is a mean over tokens, and #1017 fixes one alphabet for all. andrewbaggio1 and
sharpobject put the question in #1872 (04-27). The one record attempt with marginals of the first byte (#2039) was called not valid by
cocohearts on 05-02; the reasons could be read only in part, and it also scored a fifth of the validation tokens.

## What the tool says meanwhile
`disputed` for exact marginals, which is a statement about admissibility, not about arithmetic. The even spread over bytes is another
matter and is not disputed (rule PPM1).

## What would settle it
An organizer's word on the alphabet in #1872.
"""

from rules import ppm2_proper_byte_marginals
from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-04-byte-alphabet",
    title="Bytes as the scoring alphabet",
    question="May a token model be scored over bytes by exact marginals?",
    side_a="Exact marginals are a valid code length of the same text, and the metric counts bytes.",
    side_b="The official alphabet is the tokens; the one record attempt was not accepted.",
    state="#2039 was not accepted on 2026-05-02; no general text found",
    sources=(
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "one full distribution over the scoring alphabet before each symbol",
            Authority.COMMUNITY,
        ),
        Source("#1872", "2026-04-27", "andrewbaggio1, sharpobject", "ask which alphabet is meant", Authority.COMMUNITY),
        Source(
            "#1916",
            "2026-04-29",
            "Christopher-Lee-McClendon",
            "exact marginals are valid; the honest gain is about 0.02",
            Authority.COMMUNITY,
        ),
        Source("#2039", "2026-05-02", "cocohearts", "not valid as a record row", Authority.ORGANIZER),
    ),
    rules=("PPM2", "C2"),
)

EXAMPLES = tuple(e for e in ppm2_proper_byte_marginals.INVALID if e.dispute == "D-04")
