"""Nothing is optimised on the loss of the very targets that are then scored.

Not a hidden-state delta, not a bias, not an adapter, not a temperature; and not even if it is reset
for each window.

## Why
A vector fitted to the answers of a window predicts these answers better: a measurement in #1240 found
that in 240 of 240 pairs of positions the score of one moved when the target at the other was
changed, worth 0.24 nats with a shared vector and 0.73 nats with one vector per sample. It follows
from the README (train only on tokens already evaluated) and from C1 and C3. **No organizer has ruled on
it by name**; requests stayed unanswered, and no such submission was ever merged. So the status here is
`likely`, with open question D-02.

## How it is proved
Reading: in the evaluation a tensor that requires gradients (or the right-hand side of a linear system)
receives the targets of a window, and the counted losses of the same positions depend on it. Running:
change one target inside the window; the other scores of that window must not move.

## Legal look-alikes
- A bias, adapter or temperature that lives on, and is updated *after* each window was scored.
- An adapter per document, trained on the document's earlier pieces only.
- Gradients in the evaluation that end in an update used for later windows.

## Known evasions
- A closed form instead of an optimiser: ridge regression, `torch.linalg.solve`.
- L-BFGS on a "calibration" of two numbers.
- No labels at all: entropy of the predictions minimised over the window, which uses its later inputs.
- The loss masked to the scored tail, and the mask called "context".

## Instead
Before:
```python
delta = torch.zeros(dim, requires_grad=True)
fit(delta, nll(model, window, delta))           # the window's own targets
total += nll(model, window, delta).sum()
```
After:
```python
total += nll(model, window, delta).sum()        # with what earlier windows taught
fit(delta, nll(model, window, delta))
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
    id="SLOT1-scored-position-slot",
    title="Optimising on the targets that are then scored",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "training at test time only on evaluated tokens; our inference for vectors that are reset",
            Authority.DERIVED,
        ),
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "conditions 1 and 3, which this construction breaks",
            Authority.COMMUNITY,
        ),
        Source(
            "#1240",
            "2026-04-02",
            "andrewbaggio1",
            "measures that scores in a window depend on the targets of other scored positions",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="finding whether a window's own targets reach something that its counted scores depend on, in the code or in a run, would decide it",
    disputes=("D-02",),
)


INSTEAD = "fit on tokens that have been scored, for windows that come after"


@RULE.check("source")
def order_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = list(
        adaptation.accuse(
            RULE,
            e.program,
            (Adaptation.WINDOW,),
            "values made for a window are fitted to the tokens that they then score",
            INSTEAD,
            status=Status.LIKELY,
            disputes=("D-02",),
        )
    )
    found += list(adaptation.self_fitted(RULE, e.program, INSTEAD))
    yield from found or adaptation.clear(RULE, e.program, "nothing is fitted to the tokens that it then scores")


_MAIN = """\


STEPS = int(os.environ.get("SLOT_STEPS", 8))
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin")).requires_grad_(False)
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

VALID = (
    Example(
        name="a bias that learns after each window",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    bias = torch.zeros(VOCAB, device=DEVICE, requires_grad=True)
    opt = torch.optim.SGD([bias], lr=LR)
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
        losses = F.cross_entropy(model(x[None])[0] + bias, y, reduction="none")
        total += losses.detach().sum().item()
        step(opt, losses.mean())
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="a delta fitted by several steps, for the next window",
        stage="source",
        status=Status.OK,
        note="many steps on the targets of a window, all of them after its score",
        files={
            "train_gpt.py": HEAD
            + """\
def losses_with(model, delta, window):
    h = model.hidden(window[None, :-1])[0]
    return F.cross_entropy(model.head(h + delta), window[1:], reduction="none")


def evaluate(model, val):
    delta = torch.zeros(64, device=DEVICE, requires_grad=True)
    opt = torch.optim.AdamW([delta], lr=LR)
    total, behind = 0.0, None
    for i in range(0, len(val) - 1, SEQ):
        window = val[i : i + SEQ + 1]
        if behind is not None:
            for _ in range(STEPS):
                step(opt, losses_with(model, delta, behind).mean())
        with torch.no_grad():
            total += losses_with(model, delta, window).sum().item()
        behind = window
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="ridge regression on what was scored before",
        stage="source",
        status=Status.OK,
        note="the linear system is solved from sums that do not hold the window yet",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, ridge=10.0, scale=0.5):
    gram = ridge * torch.eye(64, device=DEVICE)
    moment = torch.zeros(64, VOCAB, device=DEVICE)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            h = model.hidden(x[None])[0]
            logits = model.head(h) + scale * h @ torch.linalg.solve(gram, moment)
            total += F.cross_entropy(logits, y, reduction="sum").item()
            gram += h.T @ h
            moment += h.T @ (F.one_hot(y, VOCAB) - logits.softmax(-1))
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
)

INVALID = (
    Example(
        name="a delta per window, reset each time",
        stage="source",
        status=Status.LIKELY,
        dispute="D-02",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
        h = model.hidden(x[None])[0]
        delta = torch.zeros(1, h.shape[-1], device=DEVICE, requires_grad=True)
        opt = torch.optim.AdamW([delta], lr=LR)
        for _ in range(STEPS):
            step(opt, F.cross_entropy(model.head(h + delta), y))
        with torch.no_grad():
            total += F.cross_entropy(model.head(h + delta), y, reduction="sum").item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="ridge regression on the window itself",
        stage="source",
        status=Status.LIKELY,
        dispute="D-02",
        note="no optimiser and no gradient; the twin of the legal one",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, ridge=10.0, scale=0.5):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            h = model.hidden(x[None])[0]
            logits = model.head(h)
            gram = h.T @ h + ridge * torch.eye(64, device=DEVICE)
            moment = h.T @ (F.one_hot(y, VOCAB) - logits.softmax(-1))
            logits = logits + scale * h @ torch.linalg.solve(gram, moment)
            total += F.cross_entropy(logits, y, reduction="sum").item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="calibration of each window by L-BFGS",
        stage="source",
        status=Status.LIKELY,
        dispute="D-02",
        files={
            "train_gpt.py": HEAD
            + """\
def calibrated(logits, y):
    log_t = torch.zeros((), device=DEVICE, requires_grad=True)
    opt = torch.optim.LBFGS([log_t], max_iter=STEPS)

    def closure():
        opt.zero_grad()
        loss = F.cross_entropy(logits * log_t.exp(), y) + 0.1 * log_t.square()
        loss.backward()
        return loss

    opt.step(closure)
    return logits * log_t.detach().exp()


def evaluate(model, val):
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
        total += F.cross_entropy(calibrated(model(x[None])[0], y), y, reduction="sum").item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="entropy minimised over the window, without labels",
        stage="source",
        status=Status.LIKELY,
        dispute="D-02",
        note="the delta depends on the inputs of the whole window, and x[i + 1] is the target of position i",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    total = 0.0
    for i in range(0, len(val) - 1, SEQ):
        x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
        h = model.hidden(x[None])[0]
        delta = torch.zeros(1, h.shape[-1], device=DEVICE, requires_grad=True)
        opt = torch.optim.AdamW([delta], lr=LR)
        for _ in range(STEPS):
            p = model.head(h + delta).softmax(-1)
            step(opt, -(p * p.log()).sum(-1).mean())
        with torch.no_grad():
            total += F.cross_entropy(model.head(h + delta), y, reduction="sum").item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
)
