"""May text be folded to lower case before it is tokenised?

## The question
The README lets participants bring their own tokenizer if they prove the byte count. Is a normalisation that loses information part of a tokenizer?

## Side A: no
Bits per byte are about the document's bytes; they have to follow from the tokens (sharpobject, quoted in #1604). With case removed the task is
easier, and for some letters the byte count is that of another text (tejasnaladala, 04-16; andrewbaggio1 agrees).

## Side B: yes
SentencePiece's default already maps thousands of characters onto others, and every record uses it: the difference is of degree (mikeapedia in #1578, 04-13). The README asks for
a proof of the byte count, and #1578 gives one over 15.3 million documents (codemath3000, 04-13, who discloses a submission built on it).

## What the tool says meanwhile
`disputed`, with a warning: #1578, #1585, #1670, #1693, #1707, #1873 and #2098 were never merged.

## What would settle it
An answer to #1604.
"""

from rules import tok2_lossy_normalisation
from rules.rule import Authority, Dispute, Source

DISPUTE = Dispute(
    id="D-10-lossy-casefold",
    title="Lossy case folding",
    question="May information in the text be removed before tokenisation if the bytes are counted as in the original?",
    side_a="No: the document's bytes must be recoverable, else an easier text is scored.",
    side_b="Yes: the default normalisation loses information too, and the byte count is proved.",
    state="no ruling found; never merged",
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "tokenizer changes need proof that val_bpb is computed correctly",
            Authority.README,
        ),
        Source("#1578", "2026-04-13", "mikeapedia", "NFKC does the same, to a lesser degree", Authority.COMMUNITY),
        Source(
            "#1578",
            "2026-04-13",
            "codemath3000",
            "the rules ask for verification and do not prohibit; has a dependent submission",
            Authority.COMMUNITY,
        ),
        Source("#1604", "2026-04-13", "mikeapedia", "asks which normalisations are allowed", Authority.COMMUNITY),
        Source(
            "#1604",
            "2026-04-16",
            "tejasnaladala",
            "folding redefines the bytes and makes the task easier",
            Authority.COMMUNITY,
        ),
    ),
    rules=("TOK2",),
)

EXAMPLES = tuple(e for e in tok2_lossy_normalisation.INVALID if e.dispute == "D-10")
