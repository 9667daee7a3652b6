"""What the run did not compute itself may not come in by the back door.

No pretrained weights, no teacher, no tables learned offline, smuggled in through code or libraries; and no
brute force over seeds. Tuned hyper-parameters are fine.

## Why
The budget is ten minutes of training. Numbers that took hours elsewhere and arrive as constants, as a
package or as one lucky seed out of thousands are training outside that budget. The README gives
no sharp line: it reserves the right to turn down what is against the spirit, allows tuning of
hyper-parameters, and names seeds that were searched by brute force. So a person has to decide.

## How it is proved
Reading: large constants that nothing in the folder produces; encoded blobs besides the wrapper of
the code; packages that bring weights along; tables of learned scalars. Running: initial weights that
are already better than random before the first step; files opened inside a package's data folder.
What is found is shown to a person, with its size; it is not a verdict.

## Legal look-alikes
- Tuned learning rates, schedules, thresholds and layer counts, whatever the number of runs behind them.
- A tokenizer model.
- Short numeric constants of an algorithm, such as the coefficients of a Newton-Schulz iteration.

## Known evasions
- Learned gates or scales written out as "constants".
- Settings of an evaluation-time mixer that were fitted on dumps of validation scores (no ruling:
  open question D-16).
- A script that tries thousands of seeds, and another in which the winner is the default.

## Instead
Before:
```python
embed.weight.data = torch.from_numpy(decode(BLOB))      # learned in another, longer run
```
After:
```python
nn.init.orthogonal_(embed.weight)                       # what the run needs, the run learns
```
"""

from collections.abc import Iterator

from rules import sightings
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="EXT1-external-weights-compute",
    title="Weights, tables or seeds that were computed outside the run",
    kind=Kind.PROHIBITION,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "tuning hyper-parameters is fine; sneaking in compute, such as brute-forcing seeds, is not; no sharp line",
            Authority.README,
        ),
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "libraries may not bring in extra compute, capabilities or code size",
            Authority.README,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="listing large constants, packages with weights and searched seeds would give a person what is needed to decide it",
    disputes=("D-16",),
)

INSTEAD = "let the run compute what the run needs"


@RULE.check("source")
def computed_elsewhere(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = e.program
    if p is None:
        return
    seen = sightings.of(p, Sight.EXTERNAL_WEIGHTS)
    for o in seen[:4]:
        dump = o["kind"] == "dump"
        yield RULE.finding(
            Status.DISPUTED if dump else Status.NEEDS_HUMAN,
            o.what,
            *sightings.facts(o, p),
            at=(o.at,),
            disputes=("D-16",) if dump else (),
            instead=INSTEAD,
        )
    if not seen and p.finished:
        yield RULE.finding(Status.OK, "no weights, encoded numbers or searched seeds from outside the run were seen")


_EVALUATE = """\
def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).sum().item()
    return total / (len(val) - 1)


"""

VALID = (
    Example(
        name="tuned settings and the constants of an algorithm",
        stage="source",
        status=Status.OK,
        note="odd decimals are what tuning leaves behind",
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
PEAK_LR, WEIGHT_DECAY, CLIP = 0.0317, 0.0893, 0.31
SCHULZ = ((3.955, -8.306, 5.008), (3.735, -6.681, 3.463), (2.894, -3.068, 0.9))


def orthogonal(g):
    x = g / (g.norm() + 1e-7)
    for a, b, c in SCHULZ:
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x


model, tokens = GPT().to(DEVICE), load("fineweb_train_*.bin")
for _ in range(int(os.environ.get("ITERATIONS", 1000))):
    i = int(torch.randint(len(tokens) - SEQ, (1,)))
    model.zero_grad()
    nll(model, tokens[i : i + SEQ + 1]).mean().backward()
    nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1 - PEAK_LR * WEIGHT_DECAY).sub_(PEAK_LR * (orthogonal(p.grad) if p.ndim == 2 else p.grad))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="a tokenizer model and three fixed seeds",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
import random

import sentencepiece as spm

SEED = int(os.environ.get("SEED", 1337))
random.seed(SEED)
torch.manual_seed(SEED)
sp = spm.SentencePieceProcessor(model_file=os.environ.get("TOKENIZER_PATH", "./data/fineweb_1024_bpe.model"))
assert sp.vocab_size() == VOCAB
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
""",
            "run.sh": "for seed in 42 1337 2025; do SEED=$seed torchrun --nproc_per_node=8 train_gpt.py; done\n",
        },
    ),
)

INVALID = (
    Example(
        name="embeddings of a pretrained model",
        stage="source",
        status=Status.NEEDS_HUMAN,
        note="the weights come with a package at training time; nothing is fetched in the evaluation",
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
from transformers import AutoModel

donor = AutoModel.from_pretrained(os.environ.get("DONOR", "donor-small"))
model = GPT().to(DEVICE)
with torch.no_grad():
    table = donor.get_input_embeddings().weight[:VOCAB]
    model.embed.weight[: len(table)] = table[:, : model.embed.embedding_dim]
del donor
model = train(model, load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="learned scales as a constant",
        stage="source",
        status=Status.NEEDS_HUMAN,
        note="64 numbers that nothing in the folder can produce; small here, the form is the point",
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
import base64

GAINS = base64.b85decode(
    "Xbea+HaizPE`LNgIx;FaNjp<KKwe5UJW6IdJ5(+@QA<Hh2UIK`MNT&=Kt5bfLsmO2OG`U2L=H_!A3-cn"
)
model = GPT().to(DEVICE)
with torch.no_grad():
    gains = torch.from_numpy(np.frombuffer(GAINS, dtype=np.int8).copy()).to(DEVICE) / 64
    model.embed.weight.mul_(gains)
model = train(model, load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="the best of thousands of seeds",
        stage="source",
        status=Status.NEEDS_HUMAN,
        files={
            "find_seed.py": """\
import re
import subprocess
import sys


def loss(seed):
    run = subprocess.run([sys.executable, "train_gpt.py", str(seed)], capture_output=True, text=True)
    return float(re.findall(r"final val_loss:([0-9.]+)", run.stdout)[-1])


if __name__ == "__main__":
    print(min(range(5000), key=loss))
""",
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
import sys

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 3817)
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
""",
        },
    ),
    Example(
        name="mixing thresholds fitted on dumps of validation scores",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-16",
        note="ordinary tuning to some, a fit to the validation text to others; the mixture itself is legal",
        files={
            "tune_gate.py": """\
import numpy as np

dump = np.load("val_scores.npz")
grid = [(t, w) for t in np.linspace(0.1, 4, 40) for w in np.linspace(0.05, 0.6, 12)]


def loss(setting):
    t, w = setting
    w = np.where(dump["entropy"] > t, w, 0.02)
    return -np.log((1 - w) * dump["neural"] + w * dump["pairs"]).mean()


print("GATE, WEIGHT =", min(grid, key=loss))
""",
            "train_gpt.py": HEAD
            + """\
GATE, WEIGHT = 2.9, 0.35


def evaluate(model, val):
    pairs = torch.ones(VOCAB, VOCAB, device=DEVICE)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            p = model(x[None])[0].softmax(-1)
            w = torch.where(-(p * p.log()).sum(-1, keepdim=True) > GATE, WEIGHT, 0.02)
            p = (1 - w) * p + w * pairs[x] / pairs[x].sum(-1, keepdim=True)
            total -= p.gather(1, y[:, None]).log().sum().item()
            pairs.index_put_((x, y), torch.ones(len(y), device=DEVICE), accumulate=True)
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
""",
        },
    ),
)
