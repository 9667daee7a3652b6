"""Which predictor is used must be settled before the token is known.

Taking, for each token, whichever of several predictors gave the true token the higher probability is
not a predictor: nobody could have made that choice at the time.

## Why
The better of two distributions, chosen afterwards, does not add up to 1: at every token the larger of two
numbers is counted. A decoder would have to be told the choice, and those bits are not paid. With enough
predictors to choose from the loss goes to zero.

## How it is proved
Reading: a minimum over losses, a maximum over probabilities, or a comparison of either, where
the values were taken at the scored target and the result enters the score. Running: put every token
of the vocabulary at one position and sum `exp(-score)`: the sum is above 1 wherever the
predictors differ.

## Legal look-alikes
- A gate from the model's entropy, its largest probability, a context's count, the position.
- Choosing the predictor that was better on *earlier* tokens, or Hedge weights updated after
  the score (NG3).
- An oracle figure printed beside the result as a diagnostic.
- `minimum` and `clamp` against constants.

## Known evasions
The choice made for a whole chunk or document by its own loss; a grid of blending weights from which
the best is taken; a "safety gate" that mixes only where mixing helped; a hint that is used only where it is right.

## Instead
Before:
```python
nll = torch.minimum(nll_model, nll_cache)               # knows the answer
```
After:
```python
gate = torch.sigmoid(entropy - 3.0)                     # from the prediction alone
p = (1 - gate)[:, None] * p_model + gate[:, None] * p_cache
nll = -p.gather(1, y[:, None]).log()
```
"""

from collections.abc import Iterator

from rules import mixture
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="NG2-oracle-selection",
    title="The better predictor chosen with the answer in hand",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "#659",
            "2026-03-25",
            "valerio-oai",
            "a cache is not illegal in itself, choosing by the true token is; a gate on entropy would do",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "one distribution is fixed before the token; no choice among several executions",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="following the target into whatever chooses between predictors, or summing the score over the vocabulary, would decide it",
)

BIGRAM = """\
def bigram(counts, x):
    return counts[x] / counts[x].sum(-1, keepdim=True)


"""

VALID = (
    Example(
        name="gate on entropy",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                BIGRAM
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    counts = torch.ones(VOCAB, VOCAB)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = F.softmax(model(x), -1)
        entropy = -(p * p.clamp_min(1e-9).log()).sum(-1, keepdim=True)
        gate = torch.minimum(torch.sigmoid(entropy - 4.0), torch.tensor(0.6))
        total -= ((1 - gate) * p + gate * bigram(counts, x)).gather(1, y[:, None]).log().sum().item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="the minimum caps the gate at a constant",
    ),
    Example(
        name="better on the chunk before",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                BIGRAM
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    counts = torch.ones(VOCAB, VOCAB)
    total, choice = 0.0, 0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        model_p = F.softmax(model(x), -1)
        both = torch.stack([model_p, (model_p + bigram(counts, x)) / 2])
        nll = -both.gather(2, y.expand(2, -1)[:, :, None]).log().sum((1, 2))
        total += nll[choice].item()
        choice = int(nll.argmin())
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="the argmin over losses decides about the next chunk only",
    ),
    Example(
        name="oracle as a diagnostic",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                BIGRAM
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    counts = torch.ones(VOCAB, VOCAB)
    total = bound = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        ours = -F.log_softmax(model(x), -1).gather(1, y[:, None])[:, 0]
        theirs = -bigram(counts, x).gather(1, y[:, None])[:, 0].log()
        total += ours.sum().item()
        bound += torch.minimum(ours, theirs).sum().item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    print(f"diagnostic: a perfect choice between both would give {bound / (val_tokens.numel() - 1):.4f}")
    return total
"""
            )
        },
        note="the minimum never reaches the reported total",
    ),
    Example(
        name="the worst token is remembered",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total = worst = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        nll = F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="none")
        for value in nll.tolist():
            if value > worst:
                worst = value
            total += value
    print(f"hardest token: {worst:.2f} nats")
    return total
"""
            )
        },
        note="the larger loss is kept beside the total",
    ),
)

INVALID = (
    Example(
        name="smaller of two losses",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BIGRAM
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    counts = torch.ones(VOCAB, VOCAB)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        a = F.cross_entropy(model(x), y, reduction="none")
        b = F.nll_loss(bigram(counts, x).log(), y, reduction="none")
        total += torch.minimum(a, b).sum().item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
    ),
    Example(
        name="mixed only where it helped",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BIGRAM
                + """\
def guarded(before, after):
    trusted = after > before
    return torch.where(trusted, after, before)


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.3):
    counts = torch.ones(VOCAB, VOCAB)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = F.softmax(model(x), -1)
        mixed = (1 - weight) * p + weight * bigram(counts, x)
        at = torch.arange(y.numel())
        total -= guarded(p[at, y], mixed[at, y]).log().sum().item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="both arguments of guarded() were taken at the target before the comparison",
    ),
    Example(
        name="written back where it helped",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BIGRAM
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.3):
    counts = torch.ones(VOCAB, VOCAB)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = F.softmax(model(x), -1)
        plain = -p.gather(1, y[:, None])[:, 0].log()
        blend = ((1 - weight) * p + weight * bigram(counts, x)).gather(1, y[:, None])[:, 0].log()
        for t in range(y.numel()):
            tried = -blend[t].item()
            if t > 2 and tried < plain[t].item():
                plain[t] = tried
        total += plain.sum().item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="the same choice as where(), as a statement",
    ),
    Example(
        name="best of a grid, chunk by chunk",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BIGRAM
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    counts = torch.ones(VOCAB, VOCAB)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p, q = F.softmax(model(x), -1), bigram(counts, x)
        tried = []
        for weight in (0.0, 0.1, 0.2, 0.4):
            mixed = (1 - weight) * p + weight * q
            tried.append(F.nll_loss(mixed.log(), y, reduction="sum").item())
        total += sorted(tried)[0]
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="each mixture is a distribution; the choice among the four is paid by nobody",
    ),
    Example(
        name="hint used where it is right",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BIGRAM
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.5):
    counts = torch.ones(VOCAB, VOCAB)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = F.softmax(model(x), -1).gather(1, y[:, None])[:, 0]
        hint = counts[x].argmax(-1)
        lift = weight * (hint == y).float()
        total -= ((1 - lift) * p + lift).log().sum().item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="where the hint is wrong the weight is 0, so the mass given to hints is never taken from anything",
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """The better of several losses of one token."""
    found = list(
        mixture.judged(
            RULE,
            e,
            (Sight.ORACLE,),
            instead="choose by what is known before the token: entropy, counts of the context, earlier losses",
        )
    )
    yield from found
    if not found:
        yield from mixture.clear(RULE, e, "no choice between losses of the same token was seen to reach the score")
