"""Optimising in each window on its already scored positions only, then scoring the new tail, is disputed.

Asked in #1336 on 2026-04-04; no organizer answered.

## Why
If every label that is used comes before the first scored position of every window that shares the
parameter, then causality and score-first hold, and what remains is a question of taste: is a fit
per window still an evaluation? If a single label comes later, it is rule SLOT1. The usual way to
fail is hard to see: windows of one batch overlap, so with one vector for the whole batch the "context"
of window j + 1 contains the tokens that window j scores.

## How it is proved
Reading: the loss of the fit is masked to positions before the scored ones, and the fitted tensor has
one entry for each window, not one for the batch. Running: change the scored tail of window j;
no prediction of window j may move. If one moves, the finding is `likely` and no longer disputed.

## Legal look-alikes
- Overlapping windows without any fit: scored tokens are context.
- A parameter that lives on and learns from each tail after its score (score-first training).

## Known evasions
- A vector of shape (1, 1, dim) shared by a batch of overlapping windows.
- The first window: all its positions are scored, so it has no context to fit on.
- A focal loss on the last positions of the context, which sharpens the leak between windows.

## Instead
Before:
```python
delta = torch.zeros(1, 1, dim, requires_grad=True)        # shared by overlapping windows
```
After:
```python
delta = torch.zeros(batch, 1, dim, requires_grad=True)    # still disputed, but no leak
```
Beyond dispute is one parameter that is updated after each score and never reset.
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
    id="SLOT2-context-only-slot",
    title="Optimising each window on its scored context",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "#1336",
            "2026-04-04",
            "aryanbhosale",
            "asks whether optimising on scored context only is legal; no organizer answered",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="finding whether each label of the fit comes before every position scored with it, in the code or in a run, would tell the disputed form from the illegal one",
    disputes=("D-01",),
)


INSTEAD = "fit one set of values for each window, on tokens that are scored already"


@RULE.check("source")
def order_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = list(
        adaptation.accuse(
            RULE,
            e.program,
            (Adaptation.CONTEXT_SHARED,),
            "values shared by several windows are fitted to their contexts, which hold tokens that other windows of the batch score",
            INSTEAD,
            status=Status.LIKELY,
        )
    )
    found += adaptation.accuse(
        RULE,
        e.program,
        (Adaptation.CONTEXT,),
        "values made for a window are fitted to the positions before those that count",
        INSTEAD,
        status=Status.DISPUTED,
        doubt=Status.DISPUTED,
        disputes=("D-01",),
    )
    yield from found or adaptation.clear(RULE, e.program, "nothing is fitted to the context of a window")


_MAIN = """\


STEPS = int(os.environ.get("SLOT_STEPS", 8))
STRIDE = int(os.environ.get("STRIDE", 96))
BATCH = int(os.environ.get("BATCH", 32))
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin")).requires_grad_(False)
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

_BATCHES = """\
def batches(val):
    starts = list(range(0, len(val) - SEQ, STRIDE))
    for k in range(0, len(starts), BATCH):
        rows = starts[k : k + BATCH]
        x = torch.stack([val[s : s + SEQ] for s in rows])
        y = torch.stack([val[s + 1 : s + SEQ + 1] for s in rows])
        fresh = torch.zeros_like(y, dtype=torch.bool)
        fresh[:, SEQ - STRIDE :] = True
        if rows[0] == 0:
            fresh[0] = True
        yield x, y, fresh


def losses_of(model, h, y):
    return F.cross_entropy(model.head(h).transpose(1, 2), y, reduction="none")


"""

VALID = (
    Example(
        name="overlapping windows, nothing fitted",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + _BATCHES
            + """\
def evaluate(model, val):
    total, counted = 0.0, 0
    with torch.no_grad():
        for x, y, fresh in batches(val):
            losses = losses_of(model, model.hidden(x), y)
            total += losses[fresh].sum().item()
            counted += int(fresh.sum())
    return total / counted
"""
            + _MAIN
        },
    ),
    Example(
        name="one delta that lives on and learns after each batch",
        stage="source",
        status=Status.OK,
        note="shared by the batch and fitted on its fresh positions, but after these were counted",
        files={
            "train_gpt.py": HEAD
            + _BATCHES
            + """\
def evaluate(model, val):
    delta = torch.zeros(1, 1, 64, device=DEVICE, requires_grad=True)
    opt = torch.optim.AdamW([delta], lr=LR)
    total, counted = 0.0, 0
    for x, y, fresh in batches(val):
        losses = losses_of(model, model.hidden(x) + delta, y)[fresh]
        total += losses.detach().sum().item()
        counted += len(losses)
        step(opt, losses.mean())
    return total / counted
"""
            + _MAIN
        },
    ),
)

INVALID = (
    Example(
        name="one delta for each window, fitted on its context",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-01",
        note="every label precedes the window's fresh positions, so causality holds; whether it is allowed is open",
        files={
            "train_gpt.py": HEAD
            + _BATCHES
            + """\
def evaluate(model, val):
    total, counted = 0.0, 0
    for x, y, fresh in batches(val):
        h = model.hidden(x)
        delta = torch.zeros(len(x), 1, h.shape[-1], device=DEVICE, requires_grad=True)
        opt = torch.optim.Adam([delta], lr=LR)
        for _ in range(STEPS):
            step(opt, (losses_of(model, h + delta, y) * ~fresh).sum() / SEQ)
        with torch.no_grad():
            total += losses_of(model, h + delta, y)[fresh].sum().item()
        counted += int(fresh.sum())
    return total / counted
"""
            + _MAIN
        },
    ),
    Example(
        name="one window at a time",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-01",
        note="the parameter is a bias over the vocabulary, reset for each window and fitted on its left part",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    total, done = 0.0, 1
    for start in range(0, len(val) - 1, STRIDE):
        window = val[start : start + SEQ + 1]
        keep = done - start - 1
        if len(window) - 1 <= keep:
            break
        logits = model(window[None, :-1])[0]
        bias = torch.zeros(VOCAB, device=DEVICE, requires_grad=True)
        opt = torch.optim.SGD([bias], lr=LR)
        for _ in range(STEPS if keep else 0):
            step(opt, F.cross_entropy(logits[:keep] + bias, window[1 : keep + 1]))
        with torch.no_grad():
            total += F.cross_entropy(logits[keep:] + bias, window[keep + 1 :], reduction="sum").item()
        done = start + len(window)
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="one delta for a batch of overlapping windows",
        stage="source",
        status=Status.LIKELY,
        note="the context of window j + 1 holds the tail that window j scores with the same delta: SLOT1 and C1 as well",
        files={
            "train_gpt.py": HEAD
            + _BATCHES
            + """\
def evaluate(model, val):
    total, counted = 0.0, 0
    for x, y, fresh in batches(val):
        h = model.hidden(x)
        delta = torch.zeros(1, 1, h.shape[-1], device=DEVICE, requires_grad=True)
        opt = torch.optim.Adam([delta], lr=LR)
        for _ in range(STEPS):
            step(opt, (losses_of(model, h + delta, y) * ~fresh).sum() / fresh.numel())
        with torch.no_grad():
            total += losses_of(model, h + delta, y)[fresh].sum().item()
        counted += int(fresh.sum())
    return total / counted
"""
            + _MAIN
        },
    ),
)
