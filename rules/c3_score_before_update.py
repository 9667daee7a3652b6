"""A token is scored from the state as it was before anything changed because of that token.

Only afterwards may weights, adapters, caches, counts or thresholds take the token in, for the sake
of later positions.

## Why
A state that has already learned a token predicts it too well. The README puts it so that test-time
training may use tokens that have been evaluated already, since those have been graded; it follows
that a token which has not been graded may not have left a trace anywhere.

## How it is proved
Running: a ledger of reads, scores and updates shows for each validation token whether its counted
score comes before the first update that its loss or value reached; with the learning rate set to
zero the scores of the first chunk must not move. Reading: in each loop over validation tokens the
counted loss of a slice comes, on every path, before the update that uses the same slice.

## Legal look-alikes
- Several epochs over a chunk *after* its scores are final.
- A loop that trains at its top, on the chunk before, and scores the current chunk below.
- No training after the last chunk; adapters reset for each document; momentum carried along.
- A training phase in the middle of the evaluation, over documents that are all scored.

## Known evasions
- The trained slice reaches further than the scored one, or is off by one target.
- Tokens of another process are used before that process has scored them.
- A first score that is thrown away, and a second one after the update that is kept.
- Losses kept by position and overwritten in a later round.
- The update sits in a hook, in a custom operator, in `__setattr__`, or in saved optimiser state.

## Instead
Before:
```python
step(opt, nll(model, span).mean())
total += nll(model, span).sum().item()
```
After:
```python
with torch.no_grad():
    total += nll(model, span).sum().item()      # final
step(opt, nll(model, span).mean())              # for the tokens after this span
```
"""

from collections.abc import Iterator

from rules import adaptation, ran
from rules.adaptation import Kind as Adaptation
from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="C3-score-before-update",
    title="State that has learned a token before the token is scored",
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
            "#402",
            "2026-03-22",
            "0hq",
            "preceding tokens that the model was tested on may be used",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1017", "2026-03-28", "NoesisGenesis", "condition 3: score first, update afterwards", Authority.COMMUNITY
        ),
        Source(
            "#1972",
            "2026-05-02",
            "cocohearts",
            "a score taken after adapting to the same tokens violates C3",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="the order of scores and updates in the evaluation, read from the code or recorded in a run, would decide it",
)


INSTEAD = "score each token from the state before it, and learn from it afterwards"


@RULE.check("source")
def order_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = list(
        adaptation.accuse(
            RULE,
            e.program,
            (
                Adaptation.BEFORE,
                Adaptation.EPOCHS,
                Adaptation.RESCORED,
                Adaptation.AHEAD,
                Adaptation.TABLE,
                Adaptation.PASSES,
                Adaptation.CALIBRATION,
                Adaptation.STORED,
            ),
            "the state had taken in tokens before they were scored",
            INSTEAD,
        )
    )
    yield from found or adaptation.clear(
        RULE, e.program, "every counted score was taken before its tokens changed anything"
    )


@RULE.check("trace")
def order_in_run(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.trace is None:
        return
    inside = [x for x in e.trace.early if ran.during_evaluation(x)]
    yield from ran.accuse(RULE, e.trace, inside, INSTEAD)


_MAIN = """\


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

VALID = (
    Example(
        name="counts take the token after its score",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
class Counts:
    def __init__(self):
        self.table = np.ones((VOCAB, VOCAB))

    def probability(self, a, b):
        return self.table[a, b] / self.table[a].sum()

    def learn(self, a, b):
        self.table[a, b] += 1


def evaluate(model, val, weight=0.3):
    cache, total, tokens = Counts(), 0.0, val.tolist()
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            neural = (-nll(model, val[i : i + SEQ + 1])).exp().tolist()
            for k, p in enumerate(neural):
                a, b = tokens[i + k], tokens[i + k + 1]
                total -= np.log((1 - weight) * p + weight * cache.probability(a, b))
                cache.learn(a, b)
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="counts follow a mark of how far the scoring has come",
        stage="source",
        status=Status.OK,
        note="windows overlap; each adds the positions behind the mark, which it has just scored",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, stride=64, batch=4, weight=0.2):
    counts, total, done, tokens = np.ones((VOCAB, VOCAB)), 0.0, 0, val.tolist()
    starts = list(range(0, len(val) - 1, stride))
    with torch.no_grad():
        for b in range(0, len(starts), batch):
            sizes = []
            for at in starts[b : b + batch]:
                sizes.append(min(at + SEQ, len(val) - 1) - at)
            for i, at in enumerate(starts[b : b + batch]):
                size = sizes[i]
                neural = (-nll(model, val[at : at + size + 1])).exp()
                for t in range(0 if at == 0 else max(size - stride, 0), size):
                    a, c = tokens[at + t], tokens[at + t + 1]
                    total -= np.log((1 - weight) * neural[t].item() + weight * counts[a, c] / counts[a].sum())
                end = at + size
                if end > done:
                    for k in range(done, end):
                        counts[tokens[k], tokens[k + 1]] += 1
                    done = end
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="pointer over the input inside the model",
        stage="source",
        status=Status.OK,
        note="the buffer that the attention is scattered into is made anew in every pass",
        files={
            "train_gpt.py": HEAD
            + """\
class Pointer(GPT):
    def forward(self, x):
        h = self.hidden(x)
        q, k, _ = self.qkv(h).chunk(3, dim=-1)
        later = torch.ones(x.size(1), x.size(1), dtype=torch.bool, device=x.device).triu(1)
        point = (q @ k.transpose(-1, -2)).masked_fill(later, float("-inf")).softmax(-1)
        copied = torch.zeros(x.size(0), x.size(1), VOCAB, device=x.device)
        copied.scatter_add_(2, x[:, None, :].expand(-1, x.size(1), -1), point)
        return (0.9 * self.head(h).softmax(-1) + 0.1 * copied).log()


def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).sum().item()
    return total / (len(val) - 1)
"""
            + _MAIN.replace("GPT()", "Pointer()")
        },
    ),
    Example(
        name="trains at the top of the loop, on the chunk before",
        stage="source",
        status=Status.OK,
        note="in the text the step comes before the score, but it uses what the last turn scored",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    total, graded = 0.0, None
    for i in range(0, len(val) - 1, CHUNK):
        if graded is not None:
            for epoch in range(int(os.environ.get("EPOCHS", 3))):
                step(opt, nll(model, graded).mean())
        chunk = val[i : i + CHUNK + 1]
        with torch.no_grad():
            total += nll(model, chunk).sum().item()
        graded = chunk
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="a training phase in the middle, over what is scored",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
def score(model, spans):
    with torch.no_grad():
        return sum(nll(model, s).sum().item() for s in spans)


def evaluate(model, val):
    spans = [val[i : i + SEQ + 1] for i in range(0, len(val) - 1, SEQ)]
    half = len(spans) // 2
    total = score(model, spans[:half])
    opt = torch.optim.AdamW(model.parameters(), lr=0.01 * LR)
    for s in spans[:half] * 2:
        step(opt, nll(model, s).mean())
    total += score(model, spans[half:])
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
)

INVALID = (
    Example(
        name="counts take the token before its score",
        stage="source",
        status=Status.VIOLATION,
        note="the update is inside the function that looks the probability up",
        files={
            "train_gpt.py": HEAD
            + """\
class Counts:
    def __init__(self):
        self.table = np.ones((VOCAB, VOCAB))

    def probability(self, a, b):
        self.table[a, b] += 1
        return self.table[a, b] / self.table[a].sum()


def evaluate(model, val, weight=0.3):
    cache, total, tokens = Counts(), 0.0, val.tolist()
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            neural = (-nll(model, val[i : i + SEQ + 1])).exp().tolist()
            for k, p in enumerate(neural):
                total -= np.log((1 - weight) * p + weight * cache.probability(tokens[i + k], tokens[i + k + 1]))
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="trained slice is longer than the scored one",
        stage="source",
        status=Status.VIOLATION,
        note="the slice that is trained on ends SEQ tokens after the last scored target",
        files={
            "train_gpt.py": HEAD
            + '''\
def evaluate(model, val):
    """Score-first: every chunk is graded before the model trains on it."""
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9)
    total = 0.0
    for start in range(0, len(val) - 1, CHUNK):
        with torch.no_grad():
            total += nll(model, val[start : start + CHUNK + 1]).sum().item()
        scored = val[start : start + CHUNK + SEQ + 1]
        for epoch in range(int(os.environ.get("EPOCHS", 3))):
            step(opt, nll(model, scored).mean())
    return total / (len(val) - 1)
'''
            + _MAIN
        },
    ),
    Example(
        name="update hidden in a forward hook",
        stage="source",
        status=Status.VIOLATION,
        note="the evaluation loop shows no update at all",
        files={
            "train_gpt.py": HEAD
            + """\
class Drift:
    def __init__(self, model):
        self.seen = None
        model.head.register_forward_pre_hook(self)

    def __call__(self, layer, inputs):
        if self.seen is not None:
            layer.bias.data += LR * (torch.bincount(self.seen, minlength=VOCAB) / len(self.seen) - 1.0 / VOCAB)


def evaluate(model, val):
    drift = Drift(model)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            drift.seen = span[1:]
            total += nll(model, span).sum().item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="losses kept by position and overwritten",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    loss_of = torch.zeros(len(val), dtype=torch.float64, device=DEVICE)
    for rounds in range(2):
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            with torch.no_grad():
                loss_of[i + 1 : i + 1 + len(span) - 1] = nll(model, span).double()
            step(opt, nll(model, span).mean())
    return loss_of[1:].mean().item()
"""
            + _MAIN
        },
    ),
    Example(
        name="adapts to the window, then scores it",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + '''\
class LegalScoreFirstTTT:
    """Compliant: the score is taken under no_grad."""

    def __init__(self, model):
        self.model, self.opt = model, torch.optim.SGD(model.head.parameters(), lr=LR)

    def graded(self, span):
        step(self.opt, nll(self.model, span).mean())
        with torch.no_grad():
            return nll(self.model, span).sum().item()


def evaluate(model, val):
    ttt = LegalScoreFirstTTT(model)
    return sum(ttt.graded(val[i : i + SEQ + 1]) for i in range(0, len(val) - 1, SEQ)) / (len(val) - 1)
'''
            + _MAIN
        },
    ),
)
