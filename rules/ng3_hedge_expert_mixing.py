"""Mixing experts by weights that depend on past losses only is allowed.

Every expert has to be a full distribution over the vocabulary, and the weights used at a token have to
be settled before it: they may be updated with its loss afterwards.

## Why
A weighted sum of distributions is a distribution as long as the weights are fixed first and add up to 1. Multiplicative
weights (Hedge) come with a guarantee on top: over T tokens the mixture loses at most ln(N) / η nats
against the best of its N experts. No merged record uses such a mixer; the permission follows
from the four conditions. Most Hedge submissions failed for what they mixed, hashed
ratios (NG1) or an "expert" that is no distribution (NG5), not for the mixing.

## How it is proved
Reading: the weights used for a token are a function of losses at earlier tokens, the update comes after
the loss was added to the total, and the mixture is formed over the vocabulary or over
experts that are normalised one by one. Running: sum the mixture over the vocabulary; change the tokens
from t on and see the weights at t unmoved.

## Legal look-alikes
Weights kept per context, weights with a floor or a decay, weights updated once per chunk after the chunk is scored.

## Known evasions
The update placed before the mixture; weights of a chunk computed from the losses of that same chunk; a
learning rate fitted on the chunk that is being scored.

## Instead
Before:
```python
log_w -= eta * nll_of_experts                  # knows this token
loss = -torch.logsumexp(log_w.log_softmax(0) - nll_of_experts, 0)
```
After:
```python
loss = -torch.logsumexp(log_w.log_softmax(0) - nll_of_experts, 0)
log_w = log_w - eta * nll_of_experts           # for the next token
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
    id="NG3-hedge-expert-mixing",
    title="Hedge mixing of normalised experts",
    kind=Kind.PERMISSION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "follows from conditions 1 to 3: weights from the past, normalised experts, update after the score",
            Authority.DERIVED,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="the order of score and weight update and what each expert is, read in the code or measured, would decide it",
)

EXPERTS = """\
def experts(model, counts, x):
    neural = F.log_softmax(model(x), -1)
    bigram = (counts[x] / counts[x].sum(-1, keepdim=True)).log()
    unigram = (counts.sum(0) / counts.sum()).log().expand_as(bigram)
    return torch.stack([neural, bigram, unigram])


"""

VALID = (
    Example(
        name="update after every token",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                EXPERTS
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, eta=0.5):
    counts, log_w = torch.ones(VOCAB, VOCAB), torch.zeros(3)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        nll = -experts(model, counts, x).gather(2, y.expand(3, -1)[:, :, None])[:, :, 0]
        for column in nll.T:
            total -= torch.logsumexp(log_w.log_softmax(0) - column, 0).item()
            log_w = log_w - eta * column
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="only the target's losses are mixed, which is the same as mixing whole rows, since each row adds up to 1",
    ),
    Example(
        name="weights from the chunks before",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                EXPERTS
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=512, eta=0.01):
    counts, regret = torch.ones(VOCAB, VOCAB), torch.zeros(3)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        weights = torch.softmax(-eta * regret, 0) * 0.97 + 0.01
        rows = experts(model, counts, x)
        mixture = torch.logsumexp(rows + weights.log()[:, None, None], 0)
        total += F.nll_loss(mixture, y, reduction="sum").item()
        regret = 0.9 * regret - rows.gather(2, y.expand(3, -1)[:, :, None]).sum((1, 2))
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="0.97 of the softmax and three floors of 0.01 add up to 1",
    ),
)

INVALID = (
    Example(
        name="update before the mixture",
        stage="source",
        status=Status.LIKELY,
        files={
            "train_gpt.py": program(
                EXPERTS
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, eta=2.0):
    counts, log_w = torch.ones(VOCAB, VOCAB), torch.zeros(3)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        nll = -experts(model, counts, x).gather(2, y.expand(3, -1)[:, :, None])[:, :, 0]
        for column in nll.T:
            log_w = log_w - eta * column
            total -= torch.logsumexp(log_w.log_softmax(0) - column, 0).item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="with a large eta this is the smaller of the losses, NG2 in disguise",
    ),
    Example(
        name="weights of the chunk itself",
        stage="source",
        status=Status.LIKELY,
        files={
            "train_gpt.py": program(
                EXPERTS
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=512, eta=0.05):
    counts = torch.ones(VOCAB, VOCAB)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        rows = experts(model, counts, x)
        losses = -rows.gather(2, y.expand(3, -1)[:, :, None])[:, :, 0]
        weights = torch.softmax(-eta * losses.sum(1), 0)
        total -= torch.logsumexp(weights.log()[:, None] - losses, 0).sum().item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
"""
            )
        },
        note="every token of the chunk helps to choose the weights that score it",
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Weights of experts that have seen the losses they are used on."""
    instead = "add the mixed loss to the total first, and update the weights with it afterwards"
    found = list(mixture.judged(RULE, e, (Sight.HEDGE,), instead=instead, most=Status.LIKELY))
    yield from found
    if not found:
        yield from mixture.clear(RULE, e, "no weight of an expert was seen to know the loss that it is used on")
