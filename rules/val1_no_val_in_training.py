"""Validation data plays no part in training: not as loss, not as curriculum, not as weights for data selection.

Nor does it choose the checkpoint, the moment to stop, the seed or a hyper-parameter inside the run.

## Why
A score on text that shaped the model is not a validation score. The README closed this in words on
2026-03-20, after several submissions had trained on the validation split with reference to a chat
message; that somebody once allowed it in a chat is no defence.

## How it is proved
Reading: the file pattern or token array that the training loop draws from includes validation
shards (gradients: decisive); or a branch that changes training reads the validation loss (a choice:
somebody must look). Running: the ledger shows an update, before the evaluation, from positions of
the validation shard; or a run with another validation file ends in other weights.

## Legal look-alikes
- The periodic validation of the baseline, which is logged and changes nothing.
- A part of the *training* shards set aside to choose a checkpoint or a setting, even if it is called
  `val`.
- A best value that is kept for a print.

## Known evasions
- A file pattern that matches both kinds of shard.
- A switch such as TRAIN_ON_VAL.
- Training shards ranked by likeness to the validation text, offline, with the list written into the
  script (no ruling: open question D-17). Offline tuning of settings on the validation score is
  open question D-16.

## Instead
Before:
```python
if val_loss < best:                       # the test set picks the weights
    best, kept = val_loss, copy_of(model)
```
After:
```python
if held_out_loss < best:                  # the last training shard, never the validation split
    best, kept = held_out_loss, copy_of(model)
```
"""

from collections.abc import Iterator

from rules import adaptation, order, sightings
from rules.editions import Edition
from rules.events import Means, Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="VAL1-no-val-in-training",
    title="Validation data used during training",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "cocohearts",
            "validation data may not be accessed during training",
            Authority.README,
        ),
        Source(
            "#168",
            "2026-03-20",
            "not named",
            "#44 was turned down for training on the validation split for several epochs, as an interested author tells it",
            Authority.ORGANIZER_QUOTED,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="following validation tokens and the validation loss through the training loop, in the code or in a run, would decide it",
    disputes=("D-16", "D-17"),
)

INSTEAD = "hold out training text for every choice, and keep the validation shards out of the loader"


@RULE.check("source")
def in_the_training_loop(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = sightings.followed(e)
    if p is None:
        return
    told = False
    for c in (c for r in order.headlines(p)[:1] for c in order.conflicts(p, r)):
        if _trained(c):
            yield RULE.finding(
                Status.VIOLATION if c.sure else Status.LIKELY,
                "the training loop takes gradient steps on validation tokens that are scored afterwards",
                *adaptation.facts(c, p),
                at=(c.update.at,),
                instead=INSTEAD,
            )
            told = True
            break
    for o in sightings.of(p, Sight.VAL_SELECTION):
        shards = o["choice"] == "shards"
        yield RULE.finding(
            Status.DISPUTED if shards else Status.NEEDS_HUMAN,
            o.what + ("" if shards else "; whether that may be is for a person to say"),
            *sightings.facts(o, p),
            at=(o.at,),
            disputes=("D-17",) if shards else (),
            instead=INSTEAD,
        )
        told = True
    if not told:
        yield RULE.finding(Status.OK, "validation tokens and their scores change nothing in the training loop")


def _trained(c: order.Conflict) -> bool:
    """Whether the training loop took a gradient step on validation tokens that had no score of their own before."""
    u = c.update
    read = any(s.at.line for s in u.slices)
    return u.training and u.means is Means.OPTIMIZER and c.rescored is None and read


_SCORE = """\
def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).sum().item()
    return total / (len(val) - 1)


"""

VALID = (
    Example(
        name="periodic validation, logged only",
        stage="source",
        status=Status.OK,
        note="best is kept for the print and read by nothing else",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
EVERY = int(os.environ.get("VAL_LOSS_EVERY", 200))
tokens, val = load("fineweb_train_*.bin"), load("fineweb_val_*.bin")
model = GPT().to(DEVICE)
opt = torch.optim.AdamW(model.parameters(), lr=0.001)
best = float("inf")
for it in range(int(os.environ.get("ITERATIONS", 1000))):
    if it % EVERY == 0:
        loss = evaluate(model, val)
        best = min(best, loss)
        print(f"step:{it} val_loss:{loss:.4f} best:{best:.4f}")
    i = int(torch.randint(len(tokens) - SEQ, (1,)))
    step(opt, nll(model, tokens[i : i + SEQ + 1]).mean())
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
    Example(
        name="checkpoint chosen on a held-out piece of a training shard",
        stage="source",
        status=Status.OK,
        note="`val` here is training text",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
corpus = load("fineweb_train_*.bin")
held = len(corpus) // 4
tokens, val = corpus[:-held], corpus[-held:]
model = GPT().to(DEVICE)
best_val, kept = float("inf"), None
for leg in range(3):
    model = train(model, tokens)
    val_loss = evaluate(model, val)
    if val_loss < best_val:
        best_val, kept = val_loss, {k: v.clone() for k, v in model.state_dict().items()}
model.load_state_dict(kept)
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
)

INVALID = (
    Example(
        name="file pattern that takes in both kinds of shard",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
TRAIN_FILES = os.environ.get("TRAIN_FILES", "fineweb_*_0*.bin")
tokens = load(TRAIN_FILES)
model = GPT().to(DEVICE)
opt = torch.optim.AdamW(model.parameters(), lr=0.001)
for i in range(0, len(tokens) - 1, SEQ):
    step(opt, nll(model, tokens[i : i + SEQ + 1]).mean())
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="a last phase on the validation tokens",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
TRAIN_ON_VAL = int(os.environ.get("TRAIN_ON_VAL", 1))
val = load("fineweb_val_*.bin")
stream = load("fineweb_train_*.bin")
if TRAIN_ON_VAL:
    stream = torch.cat([stream[: 4 * SEQ], val])
model = GPT().to(DEVICE)
opt = torch.optim.AdamW(model.parameters(), lr=0.001)
for i in range(0, len(stream) - 1, SEQ):
    step(opt, nll(model, stream[i : i + SEQ + 1]).mean())
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
    Example(
        name="checkpoint chosen by validation loss",
        stage="source",
        status=Status.NEEDS_HUMAN,
        note="no gradient, but the validation text picks the weights; not ruled on",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
tokens, val = load("fineweb_train_*.bin"), load("fineweb_val_*.bin")
model = GPT().to(DEVICE)
best_val, kept = float("inf"), None
for leg in range(4):
    model = train(model, tokens)
    val_loss = evaluate(model, val)
    if val_loss < best_val:
        best_val, kept = val_loss, {k: v.clone() for k, v in model.state_dict().items()}
model.load_state_dict(kept)
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
    Example(
        name="training stops when the validation loss stalls",
        stage="source",
        status=Status.NEEDS_HUMAN,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
tokens, val = load("fineweb_train_*.bin"), load("fineweb_val_*.bin")
model = GPT().to(DEVICE)
opt = torch.optim.AdamW(model.parameters(), lr=0.01)
last = float("inf")
for it in range(int(os.environ.get("MAX_STEPS", 20))):
    i = int(torch.randint(len(tokens) - SEQ, (1,)))
    step(opt, nll(model, tokens[i : i + SEQ + 1]).mean())
    now = evaluate(model, val)
    if now > last:
        break
    last = now
print(f"final val_loss:{evaluate(model, val):.6f}")
"""
        },
    ),
    Example(
        name="shards ranked offline by likeness to the validation text",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-17",
        note="the script that is timed never reads validation tokens before the evaluation; its list of shards did",
        files={
            "rank_shards.py": """\
import glob

import numpy as np


def histogram(path):
    tokens = np.fromfile(path, dtype="<u2", offset=1024)
    return np.bincount(tokens, minlength=1024) / len(tokens)


if __name__ == "__main__":
    goal = histogram("data/fineweb_val_000000.bin")
    shards = sorted(glob.glob("data/fineweb_train_*.bin"))
    print("KEEP =", sorted(shards, key=lambda s: np.abs(histogram(s) - goal).sum())[:12])
""",
            "train_gpt.py": HEAD
            + _SCORE
            + """\
KEEP = ["fineweb_train_000001.bin", "fineweb_train_000000.bin"]
tokens = torch.cat([load(name) for name in KEEP])
model = train(GPT().to(DEVICE), tokens)
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
""",
        },
    ),
)
