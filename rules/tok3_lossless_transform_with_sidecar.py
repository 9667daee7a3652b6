"""A text transform that can be undone, with a sidecar of original byte counts, is accepted (CaseOps).

Capitals and the like are replaced by operators and small letters; a second file gives for each
token the number of bytes of the *original* document it stands for.

## Why
Nothing is lost, so the loss on the new tokens pays for the whole document, and dividing by the original bytes makes the result
comparable. Six records of this kind were merged on 2026-04-29. An organizer remarked on 04-26
that the inflated byte count of earlier versions looked fixed (#1797).

## How it is proved
Reading: the transform has an inverse that is checked on each document, the sidecar is made from original bytes, and the
evaluation divides by the sidecar's sum over the scored targets. Running: restore(decode(tokens)) equals the
document; the sidecar of the whole validation text sums up to 151.08 million bytes.

## Legal look-alikes
Operator tokens and BOS with 0 bytes; a letter that carries the bytes of its operator, as long as the total is exact;
a sidecar computed while the shards are written.

## Known evasions
- A sidecar of the *transformed* text: operators from the private-use area are three bytes each.
- The sidecar as an input of the model: it tells how long the next token is.
- Transformed shards evaluated with the tokenizer's byte table, because a switch is off (#2071, 164.6 million bytes).

## Instead
Before:
```python
sizes = [len(sp.id_to_piece(t).encode()) for t in ids]           # bytes of the operators too
```
After:
```python
sizes = [sum(weights[p.begin : p.end]) for p in pieces]          # operators weigh 0, letters their original bytes
assert sum(sizes) == len(document.encode())
```
"""

from collections.abc import Iterator

from rules import accounting, order, sightings, view
from rules.editions import Edition
from rules.events import ByteCount, Observation, Program, Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="TOK3-lossless-transform-with-sidecar",
    title="Lossless transform with a byte sidecar (CaseOps)",
    kind=Kind.PERMISSION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "tokenizer and dataset may be changed if val_bpb is proved to be computed correctly",
            Authority.README,
        ),
        Source(
            "#1797",
            "2026-04-26",
            "cocohearts",
            "the earlier inflation of the byte count looks fixed",
            Authority.ORGANIZER,
        ),
        Source(
            "#1729",
            "2026-04-29",
            "cocohearts",
            "merged, with #1736, #1769, #1787, #1851 and #1855 on the same transform",
            Authority.PRECEDENT,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="how the sidecar is made and where it is used, or its sum over the validation text, would decide it",
    disputes=("D-11",),
)

ORIGINAL = "count the bytes of the original document for every token, and add up those of the scored ones"


@RULE.check("source")
def side_car(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Where the side-car's values go, and what the preparation counts."""
    p = e.program
    if p is None:
        return
    told = [o for o in sightings.of(p, Sight.SIDECAR_INPUT) if order.counts(o, p)]
    for o in told:
        yield RULE.finding(
            Status.LIKELY,
            "the model is told how many bytes tokens have, which says something about the token to be predicted",
            *sightings.facts(o, p),
            at=(o.at,),
            instead="use the side-car for the denominator only",
        )
    divides = [o for o in sightings.of(p, Sight.SIDECAR) if order.counts(o, p)]
    made = [o for o in p.observations if o.sight is Sight.SIDECAR and o["prep"]]
    faulty = [o for o in made if o["prep"] == "transformed"]
    read = any(o.sight is Sight.SIDECAR and o["read"] for o in p.observations)
    shown = accounting.implied(e)
    canonical = shown is not None and view.is_canonical(shown)
    proof = (
        (Fact("implied bytes", f"{shown.value:,.0f} ± {shown.slack:,.0f} ({shown.name})", shown.at),) if shown else ()
    )
    if divides and faulty:
        yield RULE.finding(
            Status.NEEDS_HUMAN if canonical or not (faulty[0].certain and divides[0].certain) else Status.VIOLATION,
            faulty[0].what
            + ("; the log implies the right byte count, so this may not be how it was made" if canonical else ""),
            *sightings.facts(faulty[0], p),
            *sightings.facts(divides[0], p),
            *proof,
            at=(faulty[0].at,),
            instead=ORIGINAL,
        )
    elif not divides and not read and not canonical and (transforms := [o for o in made if o["marks"] == "yes"]):
        yield from _left_out(e, p, transforms[0], proof)
    elif divides and not told and (canonical or (made and shown is None)):
        yield RULE.finding(
            Status.OK,
            "the reported number is divided by byte counts from a file beside the tokens, "
            + (
                "and the log implies the length of the original text"
                if canonical
                else "which the folder's script makes from the original text"
            ),
            *sightings.facts(divides[0], p),
            *proof,
        )


def _left_out(e: Evidence, p: Program, o: Observation, proof: tuple[Fact, ...]) -> Iterator[Finding]:
    """The text was transformed, a side-car was written, and the number is divided by something else."""
    table = next((t for t in accounting.in_use(p) if t.count is not ByteCount.SIDECAR), None)
    if table is None or not p.headline:
        return
    yield RULE.finding(
        Status.VIOLATION if p.finished and table.entered else Status.LIKELY,
        "the text is transformed and its bytes stand in a side-car, but the reported number divides by the tokenizer's byte table",
        *sightings.facts(o, p),
        Fact("counted", table.what, table.at),
        *(Fact("step", s.what, s.at) for s in table.path),
        *(
            Fact("setting", f"{s.name}={s.value} ({s.origin})", s.at if s.at.file else None)
            for s in p.settings
            if "byte" in s.name.lower() or "caseops" in s.name.lower()
        ),
        *proof,
        at=(table.at,),
        instead=ORIGINAL,
    )


PREP = """\
import json

import numpy as np
import sentencepiece

BOS, VAL_DOCUMENTS = 1, 50_000
UP, LITERAL = "\\ue000", "\\ue001"
SP = sentencepiece.SentencePieceProcessor(model_file="data/tokenizers/ops_identity.model")


def mark(text):
    out, weights = [], []
    for c in text:
        small = c.lower()
        if c in (UP, LITERAL):
            out += [LITERAL, c]
        elif small != c and len(small) == 1 and small.upper() == c:
            out += [UP, small]
        else:
            out.append(c)
        weights += [0] * (len(out) - len(weights) - 1) + [len(c.encode())]
    return "".join(out), weights


def restore(marked):
    out, rest = [], iter(marked)
    for c in rest:
        out.append(next(rest).upper() if c == UP else next(rest) if c == LITERAL else c)
    return "".join(out)
"""

PREP_MAIN = """\
def write(split, documents):
    ids, sizes = [], []
    for text in documents:
        tokens, each = encode(text)
        ids += [BOS, *tokens]
        sizes += [0, *each]
    header = np.zeros(256, dtype=np.int32)
    header[:3] = 20240520, 1, len(ids)
    for kind, values in ((split, ids), (split + "_bytes", sizes)):
        with open(f"data/fineweb_{kind}_000000.bin", "wb") as out:
            out.write(header.tobytes() + np.array(values, dtype=np.uint16).tobytes())


def main():
    with open("data/docs_selected.jsonl", encoding="utf-8") as lines:
        documents = [json.loads(line)["text"] for line in lines]
    write("val", documents[:VAL_DOCUMENTS])
    write("train", documents[VAL_DOCUMENTS:])


if __name__ == "__main__":
    main()
"""

EXACT = """\
def encode(text):
    marked, weights = mark(text)
    assert restore(marked) == text
    pieces = SP.encode(marked, out_type="immutable_proto").pieces
    sizes = [sum(weights[p.begin : p.end]) for p in pieces]
    assert sum(sizes) == len(text.encode())
    return [p.id for p in pieces], sizes
"""

COUNTED = """\
def load_tokens(split):
    shards = sorted(glob.glob(os.path.join(DATA, f"fineweb_{split}_0*.bin")))
    return torch.cat([torch.from_numpy(np.fromfile(f, dtype=np.uint16)[512:].astype(np.int64)) for f in shards])


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    sizes, total, original = load_tokens("val_bytes"), 0.0, 0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
        original += int(sizes[start + 1 : start + seq + 1].sum())
    print(f"final_exact val_bpb:{total / math.log(2) / original:.8f} bytes:{original}")
    return total
"""


def folder(encode: str = EXACT, script: str = COUNTED) -> dict[str, str]:
    """A record folder with its preparation script: shards of tokens and of byte counts."""
    return {"prepare_data.py": program(encode, head=PREP, main=PREP_MAIN), "train_gpt.py": program(script)}


VALID = (
    Example(
        name="operators weigh nothing",
        stage="source",
        status=Status.OK,
        files=folder(),
        note="every document is restored and its bytes are added up before it is written",
    ),
    Example(
        name="sidecar in float64, summed over ranks",
        stage="source",
        status=Status.OK,
        files=folder(
            script=COUNTED.split("@torch.no_grad()")[0]
            + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    sizes, sums = load_tokens("val_bytes"), torch.zeros(2, dtype=torch.float64)
    for start in range(rank * seq, val_tokens.numel() - 1, world * seq):
        y = val_tokens[start + 1 : start + seq + 1]
        sums[0] += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").double()
        sums[1] += sizes[start + 1 : start + seq + 1].sum()
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(sums)
    total, original = sums.tolist()
    print(f"final_exact val_bpb:{total / math.log(2) / original:.8f} bytes:{original:.0f}")
    return total
"""
        ),
        note="numerator and denominator are summed apart, then divided",
    ),
)

INVALID = (
    Example(
        name="bytes of the transformed text",
        stage="source",
        status=Status.VIOLATION,
        files=folder("""\
def encode(text):
    marked, _ = mark(text)
    assert restore(marked) == text
    pieces = SP.encode(marked, out_type="immutable_proto").pieces
    return [p.id for p in pieces], [len(marked[p.begin : p.end].encode()) for p in pieces]
"""),
        note="three bytes for every operator: the denominator counts bytes that no document has",
    ),
    Example(
        name="sidecar told to the model",
        stage="source",
        status=Status.LIKELY,
        files=folder(
            script=COUNTED.split("@torch.no_grad()")[0]
            + """\
class Sized(Model):
    def __init__(self, dim=64):
        super().__init__(dim)
        self.length = torch.nn.Embedding(64, dim)
        self.sizes = None

    def forward(self, ids):
        hidden = self.embed(ids)
        if self.sizes is not None:
            hidden = hidden + self.length(self.sizes[: ids.numel()].clamp(max=63))
        return self.head(self.rnn(hidden)[0])


Model = Sized


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    sizes, total, original = load_tokens("val_bytes"), 0.0, 0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        model.sizes = sizes[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
        original += int(model.sizes.sum())
    print(f"final_exact val_bpb:{total / math.log(2) / original:.8f} bytes:{original}")
    return total
"""
        ),
        note="position t is given the byte length of the token it predicts: also a violation of strict causality (C1)",
    ),
    Example(
        name="transformed shards, byte table of the tokenizer",
        stage="source",
        status=Status.VIOLATION,
        files=folder(
            script=COUNTED.replace(
                "def load_tokens", 'OPERATORS = int(os.environ.get("OPERATORS", 0))\n\n\ndef load_tokens'
            ).replace(
                'sizes, total, original = load_tokens("val_bytes"), 0.0, 0',
                """\
import sentencepiece

    if OPERATORS:
        sizes = load_tokens("val_bytes")
    else:
        sp = sentencepiece.SentencePieceProcessor(model_file="data/tokenizers/ops_identity.model")
        sizes = torch.tensor([len(sp.id_to_piece(t).replace("▁", " ").encode()) for t in range(VOCAB)])[val_tokens]
    total, original = 0.0, 0""",
            )
        ),
        note="the shards carry operators, the switch for the sidecar is off by default",
    ),
)
