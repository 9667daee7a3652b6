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
Entropy used as a *gate*, a weight that is fixed before the token is known, leaves the mixture
normalised. Hedge weights that are updated after the token was scored are fine.

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

from rules.finding import Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source

RULE = Rule(
    id="NG5-latent-mixing",
    title="Mixing over something that is not a distribution over tokens",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source("#1017", "2026-03-28", "NoesisGenesis", "a table of mixtures that break normalisation, latent ones among them", Authority.COMMUNITY),
    ),
    decided_by=("source", "trace"),
    undecided="reading how each expert's loss is filled, or summing the mixture over the vocabulary, would decide it",
)

VALID = (
    Example(
        name="entropy as a gate",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": """\
import torch

def mix(neural_logp, bigram_logp, log_w, target):
    entropy = -(neural_logp.exp() * neural_logp).sum(-1)
    gate = torch.sigmoid(entropy - 3.0)
    experts = torch.stack([neural_logp, torch.logaddexp(neural_logp + (1 - gate).log(), bigram_logp + gate.log())])
    logp = torch.logsumexp(log_w[:, None] + experts, 0) - torch.logsumexp(log_w, 0)
    return -logp[target]
"""
        },
    ),
)

INVALID = (
    Example(
        name="entropy as an expert",
        stage="source",
        status=Status.LIKELY,
        files={
            "train_gpt.py": """\
import torch

def mix(neural_logp, bigram_logp, log_w, target):
    nll = torch.stack([-neural_logp[target], -bigram_logp[target], -(neural_logp.exp() * neural_logp).sum(-1)])
    return -(torch.logsumexp(log_w - nll, 0) - torch.logsumexp(log_w, 0))
"""
        },
    ),
)
