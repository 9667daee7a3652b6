"""Any sequence length and any stride may be used at evaluation, as long as each token is counted once.

Windows may overlap, context may be longer than in training and may cross documents.

## Why
The README leaves the sequence length free, and sliding windows were accepted on the second day (#50). A token scored with
more of its past is still scored from its past. What has to hold is that the sum of losses is a code
length of the text: one term for each token.

## How it is proved
Reading: the positions added to the total by successive windows tile the stream. Running: count the score
events of every position: each must have exactly one in the reported total.

## Legal look-alikes
- A last incomplete window that is dropped, or the baseline's cut to a multiple of the sequence length.
- Windows clipped at the end of the stream that score the last few tokens again: the window rule of #50 and of many
  merged records does so for less than one window; report the count, do not accuse.
- Predictions from several windows averaged *as probabilities* before the logarithm: one term per
  token, and every average of distributions is one.

## Known evasions
Counting whole overlapping windows; keeping the best loss that any window gave a token (NG2); windows that reach beyond the scored token.

## Instead
Before:
```python
for ws in range(0, n, stride):
    total += nll(tokens[ws : ws + seq]).sum()                # every token many times
```
After:
```python
for ws in range(0, n - seq + 1, stride):
    first = 0 if ws == 0 else seq - stride
    total += nll(tokens[ws : ws + seq + 1])[first:].sum()    # the new tail alone
```
"""

from rules.cal1_no_val_calibration import PLAIN
from rules.finding import Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="EVAL2-any-stride",
    title="Sliding windows and any sequence length",
    kind=Kind.PERMISSION,
    severity=Severity.FATAL,
    sources=(
        Source("README", "2026-03-18", "0hq", "evaluation at any sequence length is allowed", Authority.README),
        Source(
            "#50", "2026-03-19", "0hq", "accepts sliding-window evaluation; merged as a record", Authority.ORGANIZER
        ),
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "one left-to-right pass, each token contributes exactly one term",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="which positions each window adds to the total, in the code or in a trace, would decide it",
)

VALID = (
    Example(
        name="new tail of each window",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, stride=64):
    last, scored, total = val_tokens.numel() - 1, 0, 0.0
    while scored < last:
        stop = min(scored + (stride if scored else seq), last)
        start = max(0, stop - seq)
        logits = model(val_tokens[start:stop])[scored - start :]
        total += F.cross_entropy(logits, val_tokens[scored + 1 : stop + 1], reduction="sum").item()
        scored = stop
    return total
""")
        },
    ),
    Example(
        name="longer than in training, no overlap",
        stage="source",
        status=Status.OK,
        files={"train_gpt.py": program(PLAIN.replace("seq=1024", "seq=8192"))},
    ),
    Example(
        name="average of probabilities over windows",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, step=256):
    last, total = val_tokens.numel() - 1, 0.0
    for begin in range(0, last, step):
        end = min(begin + step, last)
        views = []
        for reach in (256, 1024, 4096):
            start = max(0, begin - reach)
            views.append(F.softmax(model(val_tokens[start:end])[begin - start :], -1))
        p = torch.stack(views).mean(0)
        total += F.nll_loss(p.log(), val_tokens[begin + 1 : end + 1], reduction="sum").item()
    return total
""")
        },
        note="three reads of the past, one term for each token",
    ),
)

INVALID = (
    Example(
        name="whole overlapping windows",
        stage="source",
        status=Status.LIKELY,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, stride=64):
    total, counted = 0.0, 0
    for start in range(0, val_tokens.numel() - seq, stride):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + seq]), y, reduction="sum").item()
        counted += seq
    return total / counted * (val_tokens.numel() - 1)
""")
        },
        note="a mean over many scores of each token is not the code length of one pass",
    ),
    Example(
        name="best window for each token",
        stage="source",
        status=Status.LIKELY,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, stride=256):
    kept = torch.full((val_tokens.numel(),), float("inf"))
    for start in range(0, val_tokens.numel() - 1, stride):
        y = val_tokens[start + 1 : start + seq + 1]
        nll = F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="none")
        kept[start + 1 : start + 1 + y.numel()] = torch.minimum(kept[start + 1 : start + 1 + y.numel()], nll)
    return kept[1:].sum().item()
""")
        },
        note="one term per token, chosen with the answer in hand: NG2 names the same line a violation",
    ),
)
