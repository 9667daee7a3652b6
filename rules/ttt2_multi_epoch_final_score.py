"""Of several adaptation epochs over the same tokens, the reported score is not that of a later one.

Only the first score, taken before any training on the token, may count.

## Why
From the second epoch on, every token has been trained on. The gain is large because it is memory:
one submission went from 1.157 bits per byte with one epoch to 0.714 with five (#762).

## How it is proved
Running: the ledger must show no update from a token before the score of it that counts.
Reading: the reported total is filled inside the epoch loop and reset in each turn, or filled under a
condition such as "last epoch", or is the minimum over epochs. A gap of 0.1 bits per byte between one
epoch and several, with nothing else changed, is a sign.

## Legal look-alikes
- Several epochs over a chunk *after* its score, which help later chunks only. Merged more than once;
  whether it fits "single pass" was asked and not answered (open question D-13).
- A score inside the epoch loop that counts in the first epoch only, before the step on the token.
- One epoch of score-then-train.

## Known evasions
- `best = min(best, loss)` over the epochs.
- A list of losses that each epoch clears, or a dictionary that each epoch overwrites.
- An epoch count that comes from an environment variable and is 1 in the file.

## Instead
Before:
```python
for epoch in range(5):
    total = 0.0                                   # forgets the honest score
    for span in spans(doc):
        total += graded(model, span)
        step(opt, nll(model, span).mean())
```
After:
```python
for span in spans(doc):
    total += graded(model, span)                  # once, before the training
    for epoch in range(5):
        step(opt, nll(model, span).mean())
```
"""

from collections.abc import Iterator

from rules import adaptation
from rules.adaptation import Kind as Adaptation
from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="TTT2-multi-epoch-final-score",
    title="Reporting the score of a later adaptation epoch",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "test-time training only on validation tokens that were already evaluated",
            Authority.README,
        ),
        Source(
            "#568",
            "2026-03-24",
            "valerio-oai",
            "several epochs over a document and the last score reported is training on evaluation data",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#677",
            "2026-03-27",
            "valerio-oai",
            "scoring on the final pass of several is invalid; each token is scored before it is trained on",
            Authority.ORGANIZER_QUOTED,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="finding in which epoch the reported total is filled, in the code or in a run, would decide it",
    disputes=("D-13",),
)


INSTEAD = "count the score of the first round, before any step on these tokens"


@RULE.check("source")
def order_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = list(
        adaptation.accuse(
            RULE,
            e.program,
            (Adaptation.EPOCHS,),
            "several rounds over the same tokens, and a later round's score counts",
            INSTEAD,
        )
    )
    yield from found or adaptation.clear(
        RULE, e.program, "the counted score comes from the first round over its tokens"
    )


_MAIN = """\


EPOCHS = int(os.environ.get("EPOCHS", 4))
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

VALID = (
    Example(
        name="several epochs after the score",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    total = 0.0
    for i in range(0, len(val) - 1, CHUNK):
        chunk = val[i : i + CHUNK + 1]
        with torch.inference_mode():
            total += nll(model, chunk).sum().item()
        for epoch in range(EPOCHS):
            for j in range(0, len(chunk) - 1, SEQ):
                step(opt, nll(model, chunk[j : j + SEQ + 1]).mean())
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="score inside the epoch loop, first epoch only",
        stage="source",
        status=Status.OK,
        note="in epoch 0 each span is scored before the step on it; later epochs help later documents",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    starts = torch.nonzero(val == 1).flatten().tolist() + [len(val)]
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    total = 0.0
    for a, b in zip(starts, starts[1:]):
        doc = val[a : b + 1]
        for epoch in range(EPOCHS):
            for i in range(0, len(doc) - 1, SEQ):
                losses = nll(model, doc[i : i + SEQ + 1])
                if epoch == 0:
                    total += losses.detach().sum().item()
                step(opt, losses.mean())
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="one epoch of score-then-train",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    opt = torch.optim.AdamW(model.head.parameters(), lr=LR)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(0, len(val) - 1, SEQ):
        losses = nll(model, val[i : i + SEQ + 1])
        total += losses.detach().double().sum().cpu()
        step(opt, losses.mean())
    return total.item() / (len(val) - 1)
"""
            + _MAIN
        },
    ),
)

INVALID = (
    Example(
        name="total reset in each epoch",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    for epoch in range(EPOCHS):
        total = 0.0
        for i in range(0, len(val) - 1, SEQ):
            losses = nll(model, val[i : i + SEQ + 1])
            total += losses.detach().sum().item()
            step(opt, losses.mean())
        print(f"epoch {epoch} val_loss:{total / (len(val) - 1):.4f}")
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="counted in the last epoch only",
        stage="source",
        status=Status.VIOLATION,
        note="the twin of the legal loop: the first epoch became the last",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    starts = torch.nonzero(val == 1).flatten().tolist() + [len(val)]
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    total = 0.0
    for a, b in zip(starts, starts[1:]):
        doc = val[a : b + 1]
        for epoch in range(EPOCHS):
            for i in range(0, len(doc) - 1, SEQ):
                losses = nll(model, doc[i : i + SEQ + 1])
                if epoch == EPOCHS - 1:
                    total += losses.detach().sum().item()
                step(opt, losses.mean())
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="best epoch of each chunk",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    total = 0.0
    for i in range(0, len(val) - 1, CHUNK):
        chunk = val[i : i + CHUNK + 1]
        best = float("inf")
        for epoch in range(EPOCHS):
            loss = nll(model, chunk).sum()
            best = min(best, loss.item())
            step(opt, loss / (len(chunk) - 1))
        total += best
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
)
