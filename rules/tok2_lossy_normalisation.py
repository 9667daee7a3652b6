"""Text changed so that the original cannot be recovered (lower case, for example) is disputed before a byte is scored (D-10).

Lossy means many-to-one: two different documents become the same tokens.

## Why
Bits per byte measure how well the bytes of the document are predicted. If case is removed first, part of the document is never
predicted by anybody, and the denominator still counts it, or counts the bytes of another text. Against this stands that the
official tokenizers normalise too: SentencePiece's default (nmt_nfkc) folds some thousand
characters and collapses white space, and nobody objects. No organizer has answered (#1604), and none of the
submissions that fold case was merged.

## How it is proved
Reading: what happens to a document's text between the source file and the encoder: `lower`, `casefold`, `translate`, a
regular expression, `unicodedata.normalize`, the normalizer rule of a tokenizer trained for the submission. Running:
decode(encode(document)) against the document, for the validation documents, compared with what the official tokenizer loses.

## Legal look-alikes
- The default normalisation of SentencePiece.
- Lower case for anything that is not scored: file names, keys of an n-gram table, statistics.
- Transforms that can be undone, with operators for what was taken away (TOK3).

## Known evasions
The folding hidden in the tokenizer model (`nmt_nfkc_cf`); a table of "equivalent" characters; a denominator taken from the
original text, which repairs the byte count and not the missing information.

## Instead
Before:
```python
ids = sp.encode(text.lower())
```
After:
```python
marked, _ = mark_capitals(text)            # "Hello" -> "⇧hello"
assert restore(marked) == text
ids = sp.encode(marked)
```
"""

from collections.abc import Iterator

from rules import sightings
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="TOK2-lossy-normalisation",
    title="Lossy text normalisation before tokenisation (casefold)",
    kind=Kind.PROHIBITION,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source(
            "#1604",
            "2026-04-13",
            "mikeapedia",
            "asks which normalisations are allowed; no organizer answer found",
            Authority.COMMUNITY,
        ),
        Source(
            "#1604",
            "2026-04-16",
            "tejasnaladala",
            "against, as sharpobject before: the document's exact bytes must follow from the tokens",
            Authority.COMMUNITY,
        ),
        Source(
            "#2146",
            "2026-05-02",
            "cocohearts",
            "after the last leaderboard update no submission that folds case is merged or listed",
            Authority.PRECEDENT,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="what is done to the text before it is encoded, or a round trip over the validation documents, would show whether anything is lost",
    disputes=("D-10",),
)


@RULE.check("source")
def before_the_encoder(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = e.program
    if p is None:
        return
    seen = sightings.of(p, Sight.CASEFOLD)
    if seen:
        yield RULE.finding(
            Status.DISPUTED,
            "the text is changed before it is encoded, in a way that cannot be undone",
            *(f for o in seen[:4] for f in sightings.facts(o, p)),
            at=tuple(o.at for o in seen[:4]),
            disputes=("D-10",),
            instead="mark what is taken away so that it can be restored, or leave the text as it is",
        )
    elif any(s.role == "prep" and s.text for s in e.package.scripts):
        yield RULE.finding(Status.OK, "the scripts that prepare the data encode the text as it is")


PREP_HEAD = """\
import json

import numpy as np
import sentencepiece

BOS, VAL_DOCUMENTS = 1, 50_000
SP = sentencepiece.SentencePieceProcessor(model_file="data/tokenizers/bpe.model")
"""

PREP_MAIN = """\
def write(path, documents):
    ids = [token for text in documents for token in (BOS, *encode(text))]
    header = np.zeros(256, dtype=np.int32)
    header[:3] = 20240520, 1, len(ids)
    with open(path, "wb") as out:
        out.write(header.tobytes() + np.array(ids, dtype=np.uint16).tobytes())


def main():
    with open("data/docs_selected.jsonl", encoding="utf-8") as lines:
        documents = [json.loads(line)["text"] for line in lines]
    write("data/fineweb_val_000000.bin", documents[:VAL_DOCUMENTS])
    write("data/fineweb_train_000000.bin", documents[VAL_DOCUMENTS:])


if __name__ == "__main__":
    main()
"""

LOSS = """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
    return total
"""


def prepared(encode: str, script: str = LOSS) -> dict[str, str]:
    """A record folder whose shards are written by a preparation script with the given `encode`."""
    return {
        "prepare_data.py": program(encode, head=PREP_HEAD, main=PREP_MAIN),
        "train_gpt.py": program(script),
    }


VALID = (
    Example(
        name="the tokenizer's own default",
        stage="source",
        status=Status.OK,
        files=prepared("""\
def encode(text):
    return SP.encode(text)
"""),
    ),
    Example(
        name="lower case for a key that is not scored",
        stage="source",
        status=Status.OK,
        files=prepared(
            """\
def encode(text):
    return SP.encode(text)
""",
            """\
import sentencepiece

SP = sentencepiece.SentencePieceProcessor(model_file="data/tokenizers/bpe.model")
SUFFIX = os.path.splitext(os.environ.get("OUTPUT", "final_model.PT"))[1].lower()
_KEYS = {}
FOLDED = torch.tensor([_KEYS.setdefault(SP.id_to_piece(i).casefold(), len(_KEYS)) for i in range(VOCAB)])


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.1):
    counts = torch.ones(len(_KEYS), VOCAB)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        key = FOLDED[x]
        p = (1 - weight) * F.softmax(model(x), -1) + weight * counts[key] / counts[key].sum(-1, keepdim=True)
        total += F.nll_loss(p.log(), y, reduction="sum").item()
        counts.index_put_((key, y), torch.ones(y.numel()), accumulate=True)
    return total
""",
        ),
        note="contexts are folded, the scored tokens keep their case",
    ),
)

INVALID = (
    Example(
        name="lower case before the encoder",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-10",
        files=prepared("""\
def canonical(text):
    return text.lower()


def encode(text):
    return SP.encode(canonical(text))
"""),
    ),
    Example(
        name="folding inside a tokenizer of one's own",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-10",
        files=prepared("""\
def trained():
    sentencepiece.SentencePieceTrainer.train(
        input="data/train_text.txt",
        model_prefix="data/tokenizers/own",
        vocab_size=8192,
        byte_fallback=True,
        normalization_rule_name="nmt_nfkc_cf",
    )
    return sentencepiece.SentencePieceProcessor(model_file="data/tokenizers/own.model")


OWN = trained()


def encode(text):
    return OWN.encode(text)
"""),
        note="no string method is called: the last two letters of the rule name fold case",
    ),
    Example(
        name="table of equivalent characters",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-10",
        files=prepared("""\
SAME = str.maketrans({"“": '"', "”": '"', "’": "'", "–": "-", "—": "-", "…": "."})


def encode(text):
    return SP.encode(" ".join(text.translate(SAME).split()).casefold())
"""),
    ),
)
