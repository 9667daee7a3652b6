"""In packed streams, a gate that adds the previous token to each position has to leave out the first position of a document.

SmearGate adds a share of position t − 1's embedding to position t. Where documents are packed one after
another, the last token of one document reaches the BOS of the next.

## Why
An organizer asked for the mask before such a record could be merged (#1797), and the records that followed have it (#1851,
#1855). Whether it is a leak is disputed (D-12): looking at an earlier document is causal, attention
without a document mask does it as well, and an earlier record without the mask stays on the
board (#1667). The effect on the score is smaller than the spread between seeds.

## How it is proved
Reading: a value of position t − 1 is added to position t at every place the model is run (training, evaluation and the
forward pass used in test-time training), the loader packs documents, and no factor is 0 where the token is BOS. Running: the
gate's output at a BOS position has to equal its input.

## Legal look-alikes
- Batches that hold one document each, where the first position has no predecessor.
- Attention across documents, which was always allowed, and hash embeddings of the last two tokens, about which nobody asked.

## Known evasions
The mask in one forward pass and not in the other; a mask that is off by one and hits the position after BOS; a wrong BOS id.

## Instead
Before:
```python
x = x + gate * F.pad(x[:-1], (0, 0, 1, 0))
```
After:
```python
x = x + gate * F.pad(x[:-1], (0, 0, 1, 0)) * (ids != BOS)[:, None]
```
"""

from collections.abc import Iterator

from rules import order, sightings
from rules.cal1_no_val_calibration import PLAIN
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import RECORD_ONLY, Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="SG1-smeargate-document-boundary",
    title="SmearGate across document boundaries",
    kind=Kind.REQUIREMENT,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source(
            "#1797",
            "2026-04-26",
            "cocohearts",
            "would not merge as it is: the last token of a document reaches the BOS of the next",
            Authority.ORGANIZER,
        ),
        Source(
            "#1855",
            "2026-04-29",
            "cocohearts",
            "merged with the mask in both forward passes, like #1851",
            Authority.PRECEDENT,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="whether the gate is masked at BOS in every forward pass, or its output at BOS positions, would show it",
    tracks=RECORD_ONLY,
    disputes=("D-12",),
)


ASKED = "2026-04-26"


@RULE.check("source")
def gate_at_document_starts(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = sightings.followed(e)
    if p is None:
        return
    open_gates = [o for o in sightings.of(p, Sight.SMEAR) if not o.ok]
    by_id = {s.id: s for s in p.events}
    scored = [x for n in order.counted(p) if n in by_id for x in by_id[n].slices]
    alone = bool(scored) and all("document|" in x.parts for x in scored)
    day = e.package.created or e.package.date
    if open_gates and (e.package.inherited or (day and day < ASKED)):
        yield RULE.finding(
            Status.OK,
            "a gate adds the position before, also where a document starts; that was not asked for before 2026-04-26, and "
            "earlier records without a mask stand",
            *sightings.facts(open_gates[0], p),
        )
    elif open_gates and not alone:
        late = {o["mask"] for o in open_gates} == {"before"}
        yield RULE.finding(
            Status.DISPUTED,
            "the value of the position before is added, "
            + ("with a mask that misses the token that starts a document" if late else "also where a document starts"),
            *(f for o in open_gates[:3] for f in sightings.facts(o, p)),
            at=tuple(o.at for o in open_gates[:3]),
            disputes=("D-12",),
            instead="multiply the value of the position before by (ids != BOS)",
        )
    elif open_gates:
        yield RULE.finding(Status.OK, "the windows begin where documents begin, so that nothing comes from another one")
    else:
        yield RULE.finding(Status.OK, "no gate adds the position before across the start of a document")


def smeared(before: str, extra: str = "", evaluate: str = PLAIN) -> str:
    """A causal attention model with a gate over the previous position; `before` computes it from x and ids."""
    return program(f"""\
BOS = 1


class Smeared(torch.nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.embed = torch.nn.Embedding(VOCAB, dim)
        self.gate = torch.nn.Parameter(torch.zeros(dim))
        self.qkv = torch.nn.Linear(dim, 3 * dim)
        self.head = torch.nn.Linear(dim, VOCAB)

    def attend(self, x):
        q, k, v = self.qkv(x)[None].chunk(3, -1)
        return self.head(x + F.scaled_dot_product_attention(q, k, v, is_causal=True)[0])

    def forward(self, ids):
        x = self.embed(ids)
        before = {before}
        return self.attend(x + torch.sigmoid(self.gate) * before)
{extra}

Model = Smeared


{evaluate}""")


MASKED = "F.pad(x[:-1], (0, 0, 1, 0)) * (ids != BOS)[:, None]"
UNMASKED = "F.pad(x[:-1], (0, 0, 1, 0))"
DAY = "2026-04-28T12:00:00+00:00"

VALID = (
    Example(
        name="gate closed at BOS",
        stage="source",
        status=Status.OK,
        files={"train_gpt.py": smeared(MASKED)},
    ),
    Example(
        name="one document at a time",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": smeared(
                UNMASKED,
                evaluate="""\
def documents(tokens):
    starts = (tokens == BOS).nonzero()[:, 0].tolist()
    return [tokens[a : b + 1] for a, b in zip(starts, [*starts[1:], tokens.numel() - 1])]


def train(model, tokens):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for document in documents(tokens)[: int(os.environ.get("ITERATIONS", 2000))]:
        optimizer.zero_grad()
        F.cross_entropy(model(document[:-1]), document[1:]).backward()
        optimizer.step()


@torch.no_grad()
def evaluate(model, val_tokens):
    total = 0.0
    for document in documents(val_tokens):
        total += F.cross_entropy(model(document[:-1]), document[1:], reduction="sum").item()
    return total
""",
            )
        },
        note="a document runs up to the next BOS, which is its last target; its own BOS has no predecessor in the batch",
    ),
    Example(
        name="attention across documents, no gate",
        stage="source",
        status=Status.OK,
        files={"train_gpt.py": smeared("torch.zeros_like(x)")},
        note="attending to an earlier document is context, and context may cross documents",
    ),
)

INVALID = (
    Example(
        name="no mask over packed documents",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-12",
        date=DAY,
        files={"train_gpt.py": smeared(UNMASKED)},
    ),
    Example(
        name="mask off by one",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-12",
        date=DAY,
        files={
            "train_gpt.py": smeared("F.pad(x[:-1], (0, 0, 1, 0)) * F.pad((ids[:-1] != BOS).float(), (1, 0))[:, None]")
        },
        note="closes the gate one position after BOS and leaves it open at BOS",
    ),
    Example(
        name="masked in one of two forward passes",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-12",
        date=DAY,
        files={
            "train_gpt.py": smeared(
                MASKED,
                extra="""\

    def forward_adapted(self, ids, shift):
        x = self.embed(ids) + shift
        return self.attend(x + torch.sigmoid(self.gate) * F.pad(x[:-1], (0, 0, 1, 0)))
""",
                evaluate="""\
def evaluate(model, val_tokens, seq=1024):
    shift = torch.zeros(64, requires_grad=True)
    optimizer, total = torch.optim.SGD([shift], lr=1e-3), 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        with torch.no_grad():
            total += F.cross_entropy(model.forward_adapted(x, shift), y, reduction="sum").item()
        optimizer.zero_grad()
        F.cross_entropy(model.forward_adapted(x, shift), y).backward()
        optimizer.step()
    return total
""",
            )
        },
        note="training runs the masked pass, the reported score the other one",
    ),
)
