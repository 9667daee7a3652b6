"""Every expert in a mixture must be a distribution over tokens.

## Why
A mixture of normalised experts is normalised. Put in one term that is not a distribution, such as
an "expert" whose loss is the model's entropy or a constant, and the weighted sum of
probabilities no longer adds up to 1: the printed nats are then not a code length of anything.

## How it is proved
Reading: a column of the experts' loss table is filled with something other than the loss of a
distribution at the scored token. Running: put every token of the vocabulary at one position and
sum `exp(-score)`; the sum must be 1.

## Legal look-alikes
- Entropy used as a *gate*, a weight that is fixed before the token is known, leaves the mixture
  normalised.
- The constant ln V as a loss is the uniform distribution over V tokens, and an expert like any other.
- Hedge weights that are updated after the token was scored are fine (NG3).

## Known evasions
The foreign column under a name like `cache_nll`; a constant that is nearly ln V but smaller; log-probabilities
multiplied by a temperature below 1 and never normalised again.

## Instead
Before:
```python
expert_nll[:, 4] = entropy                     # nobody's distribution
nll = -(torch.logsumexp(log_w - expert_nll, 1) - torch.logsumexp(log_w, 0))
```
After:
```python
experts = torch.stack([neural_logp, unigram_logp, bigram_logp])   # each (V,), each sums to 1
logp = torch.logsumexp(log_w[:, None] + experts, 0) - torch.logsumexp(log_w, 0)
nll = -logp[target]
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
    id="NG5-latent-mixing",
    title="Mixing over something that is not a distribution over tokens",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "a table of mixtures that break normalisation, latent ones among them",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="reading how each expert's loss is filled, or summing the mixture over the vocabulary, would decide it",
)


def hedge(columns: str, n: int) -> str:
    """A Hedge evaluation whose table of n losses is filled by the lines `columns`."""
    return program(f"""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, eta=0.1):
    counts, log_w = torch.ones(VOCAB, VOCAB), torch.zeros({n})
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        logp = F.log_softmax(model(x), -1)
        bigram = (counts[x] / counts[x].sum(-1, keepdim=True)).log()
        losses = torch.empty(y.numel(), {n})
        losses[:, 0] = F.nll_loss(logp, y, reduction="none")
        losses[:, 1] = F.nll_loss(bigram, y, reduction="none")
{columns}
        for row in losses:
            total -= (torch.logsumexp(log_w - row, 0) - torch.logsumexp(log_w, 0)).item()
            log_w = log_w - eta * row
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
""")


VALID = (
    Example(
        name="entropy as a gate",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": hedge(
                """\
        entropy = -(logp.exp() * logp).sum(-1, keepdim=True)
        gate = torch.sigmoid(entropy - 3.0)
        gated = torch.logaddexp(logp + (1 - gate).log(), bigram + gate.log())
        losses[:, 2] = F.nll_loss(gated, y, reduction="none")""",
                3,
            )
        },
    ),
    Example(
        name="uniform expert",
        stage="source",
        status=Status.OK,
        files={"train_gpt.py": hedge("        losses[:, 2] = math.log(VOCAB)", 3)},
        note="a constant, but the right one: 1 / V for each of V tokens",
    ),
)

INVALID = (
    Example(
        name="entropy as an expert",
        stage="source",
        status=Status.LIKELY,
        files={"train_gpt.py": hedge("        losses[:, 2] = -(logp.exp() * logp).sum(-1)", 3)},
    ),
    Example(
        name="constant below ln V",
        stage="source",
        status=Status.LIKELY,
        files={"train_gpt.py": hedge("        losses[:, 2] = 0.5 * math.log(VOCAB)", 3)},
        note="exp(-0.5 ln V) for each of V tokens adds up to the square root of V",
    ),
    Example(
        name="tempered and never normalised again",
        stage="source",
        status=Status.LIKELY,
        files={"train_gpt.py": hedge('        losses[:, 2] = F.nll_loss(0.8 * logp, y, reduction="none")', 3)},
        note="a softmax after the factor would make it a distribution",
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """A term among the experts' losses that is no loss of the token."""
    found = list(
        mixture.judged(
            RULE,
            e,
            (Sight.ENTROPY_EXPERT, Sight.UNNORMALISED),
            instead="use entropy as a gate between distributions, or take the term out",
            most=Status.LIKELY,
            other=("shrunk", "fixed", "sum", "dropped"),
        )
    )
    yield from found
    if not found and not (e.program and mixture.seen(e.program, Sight.UNNORMALISED)):
        yield from mixture.clear(RULE, e, "every term seen in a mixture of losses is the loss of a token")
