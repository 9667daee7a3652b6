"""Compiling or warming up test-time training with a real training step on validation tokens is disputed.

Nobody disputes the case in which something of that step survives: that is training before the
score (rule TTT1).

## Why
Compilers need a forward pass, a backward pass and an optimiser step before the clock starts. If the
tokens of that step are the first validation tokens, they are touched before they are scored, which
is what the README forbids in words. If adapter and optimiser are thrown away afterwards, nothing has
been learned, and the scores are the same as with random tokens. #1530 did the former, was objected to,
and was merged; later systems use random tokens.

## How it is proved
Running: hash all parameters, buffers and optimiser state before and after the warm-up. Equal hashes:
harmless, and the finding stays `disputed`. Reading: the warm-up's tokens come from the validation
split, and the objects that its step changes are not used again.

## Legal look-alikes
- The same warm-up on random tokens or on zeros.
- A warm-up on a copy of the model with made-up tokens.

## Known evasions
- The adapter is restored, but the optimiser with its moments is kept.
- A learning rate or another setting is chosen by the loss seen in the warm-up.
- Running statistics in buffers that a copy of the parameters does not cover.

## Instead
Before:
```python
warm(model, copy_of_adapter, val[: SEQ + 1])
```
After:
```python
warm(model, copy_of_adapter, torch.randint(VOCAB, (SEQ + 1,), device=DEVICE))
```
"""

from collections.abc import Iterator

from rules import adaptation, order
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="TTT5-compile-warmup-on-val",
    title="Warming up the adaptation on real validation tokens",
    kind=Kind.PROHIBITION,
    severity=Severity.ADVISORY,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "validation tokens may not be trained on before they are evaluated (our reading of it for discarded steps)",
            Authority.DERIVED,
        ),
        Source(
            "#1530",
            "2026-04-11",
            "dexhunter, msisovic",
            "object to steps on unscored validation tokens; the author answers that nothing changes within noise",
            Authority.COMMUNITY,
        ),
        Source(
            "#1899",
            "2026-04-28",
            "codemath3000",
            "raises the warm-up of #1530 again before the table is updated",
            Authority.COMMUNITY,
        ),
        Source(
            "#1530", "2026-04-29", "cocohearts", "merged and kept in the table with that warm-up", Authority.PRECEDENT
        ),
    ),
    decided_by=("source", "trace"),
    undecided="comparing all state before and after the warm-up in a run, or reading what the warm-up changes, would decide whether anything survives",
    disputes=("D-09",),
)


INSTEAD = "warm up on random tokens, or on training tokens inside the budget"


@RULE.check("source")
def rehearsal(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = e.program
    if p is None:
        return
    found = [o for o in p.observations if o.sight is Sight.WARMUP and (order.counts(o, p) or o["chosen"])]
    for o in found[:3]:
        fact = Fact("step before the score", o.what, o.at)
        if o["chosen"] or o["kept"]:
            what = "a learning rate or another setting" if o["chosen"] else "the optimiser's memory of them"
            yield RULE.finding(
                Status.LIKELY if o.certain else Status.NEEDS_HUMAN,
                f"validation tokens are touched before they are scored, and {what} is kept: {o.at}",
                fact,
                instead=INSTEAD,
            )
        else:
            yield RULE.finding(
                Status.DISPUTED,
                f"validation tokens are touched before they are scored; the state is put back or thrown away: {o.at}",
                fact,
                instead=INSTEAD,
                disputes=("D-09",),
            )
    if not found:
        yield from adaptation.clear(RULE, p, "no step on validation tokens comes before the evaluation")


_LORA = """\
COMPILE = bool(int(os.environ.get("COMPILE", "1")))


class Adapter(nn.Module):
    def __init__(self, dim=64, rank=4):
        super().__init__()
        self.a = nn.Parameter(torch.randn(dim, rank) / 8)
        self.b = nn.Parameter(torch.zeros(rank, VOCAB))

    def forward(self, h):
        return h @ self.a @ self.b


def adapted(model, lora, span):
    h = model.hidden(span[None, :-1])[0]
    return F.cross_entropy(model.head(h) + lora(h), span[1:], reduction="none")


if COMPILE:
    adapted = torch.compile(adapted)


def evaluate(model, val, lora, opt):
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        losses = adapted(model, lora, val[i : i + SEQ + 1])
        total += losses.detach().sum().item()
        step(opt, losses.mean())
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin")).requires_grad_(False)
val = load("fineweb_val_*.bin")
"""

_FRESH = """\
lora = Adapter().to(DEVICE)
opt = torch.optim.AdamW(lora.parameters(), lr=LR)
print(f"final val_loss:{evaluate(model, val, lora, opt):.6f}")
"""

VALID = (
    Example(
        name="random tokens",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + _LORA
            + """\
spare = Adapter().to(DEVICE)
noise = torch.randint(VOCAB, (SEQ + 1,), device=DEVICE)
step(torch.optim.AdamW(spare.parameters(), lr=LR), adapted(model, spare, noise).mean())
del spare, noise
"""
            + _FRESH
        },
    ),
    Example(
        name="zeros in the shape of the validation tokens",
        stage="source",
        status=Status.OK,
        note="the validation array is used for its shape and type only",
        files={
            "train_gpt.py": HEAD
            + _LORA
            + """\
shape_only = torch.zeros_like(val[: SEQ + 1])
for k in range(3):
    spare = Adapter().to(DEVICE)
    step(torch.optim.AdamW(spare.parameters(), lr=LR), adapted(model, spare, shape_only).mean())
"""
            + _FRESH
        },
    ),
)

INVALID = (
    Example(
        name="a spare adapter on the first validation tokens",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-09",
        files={
            "train_gpt.py": HEAD
            + _LORA
            + """\
spare = Adapter().to(DEVICE)
throwaway = torch.optim.AdamW(spare.parameters(), lr=LR)
for length in (SEQ // 2, SEQ):
    step(throwaway, adapted(model, spare, val[: length + 1]).mean())
del spare, throwaway
"""
            + _FRESH
        },
    ),
    Example(
        name="the real adapter, put back from a copy",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-09",
        note="parameters are restored and the optimiser is made anew, so nothing survives",
        files={
            "train_gpt.py": HEAD
            + _LORA
            + """\
lora = Adapter().to(DEVICE)
backup = {k: v.clone() for k, v in lora.state_dict().items()}
step(torch.optim.AdamW(lora.parameters(), lr=LR), adapted(model, lora, val[: SEQ + 1]).mean())
lora.load_state_dict(backup)
opt = torch.optim.AdamW(lora.parameters(), lr=LR)
print(f"final val_loss:{evaluate(model, val, lora, opt):.6f}")
"""
        },
    ),
    Example(
        name="weights put back, optimiser moments kept",
        stage="source",
        status=Status.LIKELY,
        note="AdamW's moments carry the gradient of unscored tokens into the evaluation: TTT1 convicts",
        files={
            "train_gpt.py": HEAD
            + _LORA
            + """\
lora = Adapter().to(DEVICE)
opt = torch.optim.AdamW(lora.parameters(), lr=LR)
backup = {k: v.clone() for k, v in lora.state_dict().items()}
for i in range(0, min(8 * SEQ, len(val) - 1), SEQ):
    step(opt, adapted(model, lora, val[i : i + SEQ + 1]).mean())
lora.load_state_dict(backup)
print(f"final val_loss:{evaluate(model, val, lora, opt):.6f}")
"""
        },
    ),
    Example(
        name="learning rate chosen in the warm-up",
        stage="source",
        status=Status.LIKELY,
        note="the adapters are discarded, but a number that depends on unscored tokens survives",
        files={
            "train_gpt.py": HEAD
            + _LORA
            + """\
trials = {}
for factor in (0.3, 1.0, 3.0, 10.0):
    spare = Adapter().to(DEVICE)
    throwaway = torch.optim.AdamW(spare.parameters(), lr=factor * LR)
    trials[factor] = evaluate(model, val[: 16 * SEQ + 1], spare, throwaway)
lora = Adapter().to(DEVICE)
opt = torch.optim.AdamW(lora.parameters(), lr=min(trials, key=trials.get) * LR)
print(f"final val_loss:{evaluate(model, val, lora, opt):.6f}")
"""
        },
    ),
)
