"""Allowed: score a chunk, add it to the totals, then train on it for any number of epochs, and go on.

Any subset of the weights may be trained, or an adapter; state may be reset for each document or live on.

## Why
A rule against leaks is only fair if the legal way is named as clearly as the illegal one. This is
the pattern that the README describes and that organizers have merged many times (#77, #549, #1413,
#1530 and others).

## How it is proved
Reading: for chunk i, (1) all its tokens are scored with the current weights and added to the reported
totals, (2) then, unless it is the last, weights are trained on exactly these tokens, (3) then comes chunk
i + 1. Windows belong to the chunk of their first *newly scored* token, so that no trained target
lies beyond the scored ones. Running: the ledger shows for each token one score, and updates from it
only later; with several processes the gradient sum is the barrier between scoring and training.
Where nothing is trained at test time this rule does not apply.

## Legal look-alikes
- The last chunk is trained on as well: useless, but harmless.
- The trained slice ends at `chunk_end + 1`, where positions are counted by input: the extra token
  is a target that was scored.
- A phase of training on the base weights over documents that are all scored, between two groups of
  documents.
- State that crosses documents: accepted (open question D-14 records a claim to the contrary).

## Known evasions
- Windows assigned to a chunk by their *end*, so that the last ones are scored after the training.
- A next chunk that is fetched ahead, and trained ahead.
- Training on the whole document once its first chunk is scored.

## Instead
The pattern itself:
```python
for i, chunk in enumerate(chunks):
    with torch.inference_mode():
        total += nll(model, chunk).sum()
    if i + 1 < len(chunks):
        for epoch in range(epochs):
            step(opt, nll(model, chunk).mean())
```
"""

from collections.abc import Iterator

from rules import adaptation
from rules.adaptation import Kind as Adaptation
from rules.editions import Edition
from rules.events import Event, EventKind, Split
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="TTT4-legal-pattern",
    title="Test-time training that scores first",
    kind=Kind.PERMISSION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "#77",
            "2026-03-19",
            "organizers",
            "merged: adapters trained on scored chunks of the same document",
            Authority.PRECEDENT,
        ),
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "test-time training on validation tokens that were already evaluated is allowed",
            Authority.README,
        ),
        Source(
            "#549",
            "2026-03-24",
            "valerio-oai",
            "merged and listed: each chunk is scored, then trained on",
            Authority.PRECEDENT,
        ),
        Source(
            "#1413",
            "2026-04-09",
            "cocohearts",
            "merged and listed: several epochs after the score, guarded by the last chunk",
            Authority.PRECEDENT,
        ),
        Source(
            "#1530",
            "2026-04-29",
            "cocohearts",
            "merged: adapters reset for each document, score first",
            Authority.PRECEDENT,
        ),
        Source(
            "#2146",
            "2026-05-02",
            "cocohearts",
            "four more rows of this pattern added (#1945, #1953, #2014, #2135)",
            Authority.PRECEDENT,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="the order of scores and updates in the evaluation, read from the code or recorded in a run, would show whether this is the pattern",
    disputes=("D-13", "D-14"),
)


INSTEAD = "train on tokens up to the last scored one only"


@RULE.check("source")
def order_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = list(
        adaptation.accuse(
            RULE,
            e.program,
            (Adaptation.AHEAD,),
            "training reaches tokens that a later turn of the same loop scores",
            INSTEAD,
        )
    )
    if found or not adaptation.cases(e.program):
        yield from found or adaptation.clear(
            RULE,
            e.program,
            "scores come first, training on the same tokens after them"
            if any(u.kind is EventKind.UPDATE and _of_validation(u) for u in e.program.events)
            else "nothing is trained on validation tokens",
        )
    else:  # another rule names it
        at = adaptation.cases(e.program)[0].conflict.update.at
        yield RULE.finding(Status.NOT_APPLICABLE, "what the evaluation does is not this pattern", at=(at,))


def _of_validation(update: Event) -> bool:
    return any(s.split is Split.VALIDATION for s in update.slices)


_MAIN = """\


EPOCHS = int(os.environ.get("EPOCHS", 3))
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

_SLIDING = """\
import torch.distributed as dist

RANK, WORLD = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
STRIDE = int(os.environ.get("STRIDE", 64))
if WORLD > 1:
    dist.init_process_group("nccl")


def windows(n):
    done = 1
    for start in range(0, n - 1, STRIDE):
        end = min(start + SEQ + 1, n)
        if end > done:
            yield start, done, end
            done = end


"""

_SLIDING_EVALUATION = """\
    sums = torch.zeros(2, dtype=torch.float64, device=DEVICE)
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    for k in sorted(phases):
        with torch.inference_mode():
            for start, new, end in phases[k][RANK::WORLD]:
                losses = nll(model, val[start:end])[new - start - 1 :].double()
                sums += torch.stack([losses.sum(), torch.ones_like(losses).sum()])
        if k == max(phases):
            break
        graded = val[k * CHUNK : (k + 1) * CHUNK + 1]
        for epoch in range(EPOCHS):
            for i in range(RANK * SEQ, len(graded) - 1, WORLD * SEQ):
                opt.zero_grad()
                nll(model, graded[i : i + SEQ + 1]).mean().backward()
                if WORLD > 1:
                    for p in model.parameters():
                        dist.all_reduce(p.grad, op=dist.ReduceOp.AVG)
                opt.step()
    if WORLD > 1:
        dist.all_reduce(sums)
    return (sums[0] / sums[1]).item()
"""

_ADAPTER = """\
class Adapter(nn.Module):
    def __init__(self, dim=64, rank=4):
        super().__init__()
        self.a = nn.Parameter(torch.randn(dim, rank) / 8)
        self.b = nn.Parameter(torch.zeros(rank, VOCAB))

    def nats(self, model, span):
        h = model.hidden(span[None, :-1])[0].detach()
        return F.cross_entropy(model.head(h) + h @ self.a @ self.b, span[1:], reduction="none")


def documents(val):
    starts = torch.nonzero(val == 1).flatten().tolist() + [len(val)]
    return [val[a : b + 1] for a, b in zip(starts, starts[1:])]


"""

VALID = (
    Example(
        name="sliding windows, chunk by chunk, any number of processes",
        stage="source",
        status=Status.OK,
        note="windows are grouped by the first token they score; the first gradient sum is the barrier",
        files={
            "train_gpt.py": HEAD
            + _SLIDING
            + """\
def evaluate(model, val):
    phases = {}
    for start, new, end in windows(len(val)):
        phases.setdefault((new - 1) // CHUNK, []).append((start, new, end))
"""
            + _SLIDING_EVALUATION
            + _MAIN
        },
    ),
    Example(
        name="a fresh adapter for each document",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + _ADAPTER
            + """\
def evaluate(model, val):
    total = 0.0
    for doc in documents(val):
        lora = Adapter().to(DEVICE)
        opt = torch.optim.Adam(lora.parameters(), lr=LR)
        for i in range(0, len(doc) - 1, SEQ):
            piece = doc[i : i + SEQ + 1]
            losses = lora.nats(model, piece)
            total += losses.detach().sum().item()
            if i + SEQ < len(doc) - 1:
                step(opt, losses.mean())
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="adapters, then one phase on the base weights over what is scored",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + _ADAPTER
            + """\
PREFIX_DOCS = int(os.environ.get("PREFIX_DOCS", 2000))


def graded(model, doc):
    lora = Adapter().to(DEVICE)
    opt = torch.optim.Adam(lora.parameters(), lr=LR)
    total = 0.0
    for i in range(0, len(doc) - 1, SEQ):
        losses = lora.nats(model, doc[i : i + SEQ + 1])
        total += losses.detach().sum().item()
        step(opt, losses.mean())
    return total


def evaluate(model, val):
    docs = documents(val)
    head, tail = docs[:PREFIX_DOCS], docs[PREFIX_DOCS:]
    total = sum(graded(model, d) for d in head)
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    for epoch in range(EPOCHS):
        for d in head:
            step(opt, nll(model, d).mean())
    return (total + sum(graded(model, d) for d in tail)) / (len(val) - 1)
"""
            + _MAIN
        },
    ),
)

INVALID = (
    Example(
        name="windows grouped by their end",
        stage="trace",
        status=Status.VIOLATION,
        note="the window whose last target closes chunk k is scored in phase k + 1, after that target was trained on: C3 as well",
        files={
            "train_gpt.py": HEAD
            + _SLIDING
            + """\
def evaluate(model, val):
    phases = {}
    for start, new, end in windows(len(val)):
        phases.setdefault((end - 1) // CHUNK, []).append((start, new, end))
"""
            + _SLIDING_EVALUATION
            + _MAIN
        },
    ),
    Example(
        name="next chunk fetched and trained ahead",
        stage="source",
        status=Status.VIOLATION,
        note="`chunk` was renewed before the training loop runs: C3 as well",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    chunks = iter([val[i : i + CHUNK + 1] for i in range(0, len(val) - 1, CHUNK)])
    total, chunk = 0.0, next(chunks)
    while chunk is not None:
        with torch.inference_mode():
            total += nll(model, chunk).sum().item()
        chunk = next(chunks, None)
        is_last_chunk = chunk is None
        if not is_last_chunk:
            for epoch in range(EPOCHS):
                step(opt, nll(model, chunk).mean())
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="the whole document trained on after its first piece",
        stage="source",
        status=Status.VIOLATION,
        note="only the first piece of the document is graded when all of it is trained on: C3 as well",
        files={
            "train_gpt.py": HEAD
            + _ADAPTER
            + """\
def evaluate(model, val):
    total = 0.0
    for doc in documents(val):
        lora = Adapter().to(DEVICE)
        opt = torch.optim.Adam(lora.parameters(), lr=LR)
        for i in range(0, len(doc) - 1, SEQ):
            with torch.no_grad():
                total += lora.nats(model, doc[i : i + SEQ + 1]).sum().item()
            if i + SEQ < len(doc) - 1:
                step(opt, lora.nats(model, doc).mean())
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
)
