"""After training on scored tokens the same tokens are not scored again for the reported number.

Score, train, score again and report the second number is not allowed; nor is a temperature fitted
on the second scores.

## Why
It is the most literal form of training on the test set: the second score belongs to a model that
has learned the tokens. That a first, honest score was taken does not help if it is not the one
that is reported.

## How it is proved
Reading: the reported total is filled after an update from the same tokens, while an earlier total
of those tokens is dropped or merely printed. Running: the ledger shows two scores of a token with an
update from it in between, and the reported number is the sum of the second ones.

## Legal look-alikes
- The second number printed as a diagnostic, with the first one as the claim.
- A window that shows scored tokens again as *context* and counts only its new tail.
- A chunk that is trained on after its score, in the same loop.

## Known evasions
- Score and rescore of one chunk inside one function that returns only the second value.
- A temperature or a mixing weight fitted on rescored tokens and then applied to them.
- The first pass named "warmup" or "calibration".

## Instead
Before:
```python
before = evaluate(model, val)
adapt(model, val)
report(evaluate(model, val))
```
After:
```python
report(evaluate_and_adapt(model, val))      # each span: score, add, then train
```
"""

from collections.abc import Iterator

from rules import adaptation
from rules.adaptation import Kind as Adaptation
from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="TTT3-no-rescore-after-ttt",
    title="Scoring the same tokens again after training on them",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "a second score after training on the tokens is a score on trained tokens (our inference)",
            Authority.DERIVED,
        ),
        Source(
            "#677",
            "2026-03-27",
            "valerio-oai",
            "rescoring in a second pass is training on the evaluation set",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#991",
            "2026-03-28",
            "valerio-oai",
            "score, train, score again and report the second number is disallowed, a temperature fitted on it too",
            Authority.ORGANIZER_QUOTED,
        ),
        Source("#1017", "2026-03-28", "NoesisGenesis", "condition 4: no rescoring", Authority.COMMUNITY),
    ),
    decided_by=("source", "trace"),
    undecided="finding which of several scores of a token enters the reported number, in the code or in a run, would decide it",
)


INSTEAD = "report the first score of each token"


@RULE.check("source")
def order_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = list(
        adaptation.accuse(
            RULE,
            e.program,
            (Adaptation.RESCORED,),
            "scored, trained on, and scored again, and the second score counts",
            INSTEAD,
        )
    )
    yield from found or adaptation.clear(
        RULE, e.program, "no token was seen to be scored, trained on and scored again for the reported number"
    )


@RULE.check("trace")
def order_in_a_run(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.trace is None or e.trace.after < 0:
        return
    last, first = e.trace.printed[e.trace.after], e.trace.printed[e.trace.headline]
    yield RULE.finding(
        Status.NEEDS_HUMAN,
        f'in a small run "{last.text}" was printed of scores whose tokens had been learnt before, behind "{first.text}" of scores that '
        "had not; no line of a log shows which of the two is claimed",
        Fact("run", f"{last.scores:,} scores", last.at),
        Fact("run", f"{first.scores:,} scores", first.at),
        at=tuple(x for x in (last.at, first.at) if x),
        instead=INSTEAD,
    )


_PASS = """\
def sweep(model, val, learn, temperature=1.0):
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
        loss = F.cross_entropy(model(x[None])[0].float() / temperature, y, reduction="sum")
        total += loss.item()
        if learn:
            step(opt, loss / len(y))
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
"""

VALID = (
    Example(
        name="first pass reported, second one a diagnostic",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + _PASS
            + """\
graded = sweep(model, val, learn=True)
print(f"rescored after adaptation, not a claim: {sweep(model, val, learn=False):.6f}")
print(f"final val_loss:{graded:.6f}")
"""
        },
    ),
    Example(
        name="scored tokens come back as context only",
        stage="source",
        status=Status.OK,
        note="each window starts SEQ // 2 tokens back; those positions are cut off before the sum",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, back=SEQ // 2):
    opt = torch.optim.SGD(model.head.parameters(), lr=LR)
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        window = val[max(i - back, 0) : i + SEQ + 1]
        losses = nll(model, window)[min(i, back) :]
        total += losses.detach().sum().item()
        step(opt, losses.mean())
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
)

INVALID = (
    Example(
        name="the second number is reported",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _PASS
            + """\
first = sweep(model, val, learn=True)
print(f"score-first val_loss:{first:.6f}")
print(f"final val_loss:{sweep(model, val, learn=False):.6f}")
"""
        },
    ),
    Example(
        name="score, train and rescore chunk by chunk",
        stage="source",
        status=Status.VIOLATION,
        note="the honest score is returned as well, and dropped by the caller",
        files={
            "train_gpt.py": HEAD
            + """\
def graded_then_trained(model, opt, chunk):
    with torch.no_grad():
        honest = nll(model, chunk).sum().item()
    step(opt, nll(model, chunk).mean())
    with torch.no_grad():
        return honest, nll(model, chunk).sum().item()


def evaluate(model, val):
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    total = 0.0
    for i in range(0, len(val) - 1, CHUNK):
        _, score = graded_then_trained(model, opt, val[i : i + CHUNK + 1])
        total += score
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="temperature fitted on rescored tokens",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _PASS
            + """\
print(f"score-first val_loss:{sweep(model, val, learn=True):.6f}")
trial = {t: sweep(model, val, learn=False, temperature=t) for t in (0.5, 0.9, 0.98, 1.0)}
chosen = min(trial, key=trial.get)
print(f"final val_loss:{trial[chosen]:.6f}")
"""
        },
    ),
)
