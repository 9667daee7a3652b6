"""Which bytes of code count towards the 16,000,000?

## The question
The artifact is code plus compressed model. Is the code the script as it lies in the folder, or a minified and compressed form of it that is
never shipped? And do helper modules, C sources and the tokenizer count?

## Side A: what is shipped
README, 2026-03-18: code bytes count, and counted code should live in `train_gpt.py`. regina-openai took the log's raw total against two
submissions that were over the cap by it (#1809 on 04-26, #1835 on 04-28).

## Side B: what it could be compressed to
Merged records count a minified, compressed and encoded size while the folder holds plain text: #1530 counts 27,310 bytes and ships 116,694, #1855 counts 31,999 and
ships 158,429, with which it would be over the cap. #1412 counts a loader of 74 bytes. The author of #1835, anmarhindi, answered on 04-28 that the log
counted the plain source while the packed script in the folder fits, with 15,965,718 bytes in all. Tokenizer models and helper modules were added in no merged
record.

## What the tool says meanwhile
Both totals, side by side. `violation` only where every way of counting is over the cap, `disputed` where one is.

## What would settle it
A sentence in the README on which file is measured, and a check of that file.
"""

from rules.finding import Status
from rules.rule import Authority, Dispute, Example, Source
from rules.samples.records import record

DISPUTE = Dispute(
    id="D-06-code-bytes",
    title="How the bytes of the code are counted",
    question="Do the code bytes of the cap mean the files as shipped or a compressed form of them, and which files?",
    side_a="README: the code of train_gpt.py counts; organizers used the raw log total against two submissions.",
    side_b="Merged records count compressed code while shipping plain text, and leave out helper files and tokenizer.",
    state="two practices stand side by side; both totals are shown",
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "code plus compressed model; counted code lives in train_gpt.py",
            Authority.README,
        ),
        Source("#1809", "2026-04-26", "regina-openai", "over the cap by the log's total", Authority.ORGANIZER),
        Source(
            "#1835", "2026-04-28", "regina-openai", "over the cap by the total read from the log", Authority.ORGANIZER
        ),
        Source(
            "#1835",
            "2026-04-28",
            "anmarhindi",
            "the packed script as shipped fits; the log counted its plain source",
            Authority.COMMUNITY,
        ),
        Source(
            "#1530",
            "2026-04-29",
            "cocohearts",
            "merged with a counted size a quarter of the shipped script",
            Authority.PRECEDENT,
        ),
        Source(
            "#1855",
            "2026-04-29",
            "cocohearts",
            "merged with 31,999 counted and 158,429 shipped bytes of code",
            Authority.PRECEDENT,
        ),
    ),
    rules=("SIZE1", "SIZE2", "SIZE3", "REPRO1"),
)

EXAMPLES = (
    Example(
        "the log counts a longer script than the one shipped",
        record(model=15_990_000, code=60_000),
        Status.DISPUTED,
        dispute="D-06",
    ),
)
