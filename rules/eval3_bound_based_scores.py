"""A score that is a bound on the code length has to be a true upper bound, and stands outside the record table.

Diffusion and latent-variable models cannot give the probability of a text, only a bound on its code length (ELBO). Such
entries were merged as non-record ones.

## Why
A correct bound overstates the loss, so nobody is cheated by it. But small errors turn it into a number that
bounds nothing: a missing weight, both-sided context without the weighting, the best of several random draws. Only a person who
follows the derivation can tell, so the answer of a tool is `needs-human` at best.

## How it is proved
By hand: derive the bound from the noise schedule and compare each factor with the code. Running helps with the
gross errors: the mean over many draws may not be below the exact value on a vocabulary small enough to
enumerate.

## Legal look-alikes
A model whose latent variable is summed over exactly: the score is the probability itself, no bound. An autoregressive model that
was only *trained* with a diffusion loss.

## Known evasions
A pseudo-likelihood (each token given all the others) called a score; the weight 1/t left out; the best of several
draws; noise levels picked where the model does well; a bound in nats divided by the bytes of the masked tokens only.

## Instead
Before:
```python
nll = ce[masked].sum()                                   # one noise level, no weight
```
After:
```python
t = (torch.arange(k) + torch.rand(k)) / k                # stratified over (0, 1)
nll = sum((ce(x, t_i) * masked(t_i)).sum() / t_i for t_i in t) / k
```
"""

from collections.abc import Iterator

from rules import order, sightings
from rules.cal1_no_val_calibration import PLAIN
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence, Track
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="EVAL3-bound-based-scores",
    title="Scores that are bounds (diffusion, ELBO)",
    kind=Kind.REQUIREMENT,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source(
            "#820",
            "2026-03-26",
            "mtybadger",
            "files a masked diffusion model with a variational score as a non-record entry",
            Authority.COMMUNITY,
        ),
        Source(
            "#1106",
            "2026-05-02",
            "valerio-oai",
            "a masked diffusion model with an ELBO score merged and listed as a non-record entry",
            Authority.PRECEDENT,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="a person who follows the derivation of the bound would decide it; source analysis can only show that it is one",
)

INSTEAD = "average many draws with the weight of the noise level, and file the entry as a non-record one"

_KINDS = {
    "picked": "several draws are made for the same text and the better ones are kept",
    "all others": "each token is scored from all the others, those behind it included; that bounds nothing",
    "unweighted": "hidden tokens are scored from visible ones on both sides, without the weight of the noise level",
    "weighted": "the score is an estimate of a bound; a person has to follow its derivation",
}


@RULE.check("source")
def hidden_tokens(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = sightings.followed(e)
    if p is None:
        return
    bounds = [o for o in sightings.of(p, Sight.BOUND) if order.counts(o, p)]
    for o in bounds[:2]:
        weighted = o["kind"] == "weighted"
        yield RULE.finding(
            Status.NEEDS_HUMAN if weighted or not o.certain else Status.LIKELY,
            _KINDS[o["kind"]],
            *sightings.facts(o, p),
            at=(o.at,),
            instead=INSTEAD,
        )
    if not bounds:
        yield RULE.finding(Status.OK, "no token is scored from text in which it is hidden and those behind it are not")


DENOISER = """\
class Denoiser(torch.nn.Module):
    def __init__(self, dim=64):
        super().__init__()
        self.embed = torch.nn.Embedding(VOCAB + 1, dim)
        self.rnn = torch.nn.GRU(dim, dim, bidirectional=True)
        self.head = torch.nn.Linear(2 * dim, VOCAB)

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0])


def weighted(model, x, t):
    hidden = torch.rand(x.numel()) < t
    ce = F.cross_entropy(model(torch.where(hidden, VOCAB, x)), x, reduction="none")
    return (ce * hidden).sum() / t


def train(model, tokens, seq=512):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(int(os.environ.get("ITERATIONS", 2000))):
        at = int(torch.randint(0, max(1, tokens.numel() - seq), ()))
        optimizer.zero_grad()
        weighted(model, tokens[at : at + seq], torch.rand(()).clamp_min(0.02)).backward()
        optimizer.step()


Model = Denoiser


"""

VALID = (
    Example(
        name="exact chain rule",
        stage="source",
        status=Status.OK,
        files={"train_gpt.py": program(PLAIN)},
        note="no bound at all",
    ),
    Example(
        name="latent variable summed over exactly",
        stage="source",
        status=Status.OK,
        track=Track.NON_RECORD,
        files={
            "train_gpt.py": program("""\
class Topics(torch.nn.Module):
    def __init__(self, topics=4, dim=64):
        super().__init__()
        self.prior = torch.nn.Parameter(torch.zeros(topics))
        self.embed = torch.nn.Embedding(VOCAB, dim)
        self.rnn = torch.nn.GRU(dim, dim)
        self.heads = torch.nn.ModuleList(torch.nn.Linear(dim, VOCAB) for _ in range(topics))

    def nll(self, x, y):
        hidden = self.rnn(self.embed(x))[0]
        each = [-F.cross_entropy(head(hidden), y, reduction="sum") for head in self.heads]
        return -torch.logsumexp(torch.stack(each) + self.prior.log_softmax(0), 0)


def train(model, tokens, seq=512):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(int(os.environ.get("ITERATIONS", 2000))):
        at = int(torch.randint(0, max(1, tokens.numel() - seq - 1), ()))
        optimizer.zero_grad()
        model.nll(tokens[at : at + seq - 1], tokens[at + 1 : at + seq]).backward()
        optimizer.step()


Model = Topics


@torch.no_grad()
def evaluate(model, val_tokens, seq=512):
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        total += model.nll(val_tokens[start : start + y.numel()], y).item()
    return total
""")
        },
        note="log-sum-exp over all topics is the probability of the window itself",
    ),
)

INVALID = (
    Example(
        name="bound computed by the book",
        stage="source",
        status=Status.NEEDS_HUMAN,
        track=Track.NON_RECORD,
        files={
            "train_gpt.py": program(
                DENOISER
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=512, draws=64):
    x, total = val_tokens[1:], 0.0
    for start in range(0, x.numel(), seq):
        window = x[start : start + seq]
        levels = (torch.arange(draws) + torch.rand(draws)) / draws
        total += float(sum(weighted(model, window, t) for t in levels)) / draws
    return total
"""
            )
        },
        note="stratified levels and the weight 1/t: an unbiased estimate of an upper bound, for a person to confirm",
    ),
    Example(
        name="levels on a grid, with the width of their range",
        stage="source",
        status=Status.NEEDS_HUMAN,
        track=Track.NON_RECORD,
        files={
            "train_gpt.py": program(
                DENOISER
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=512, draws=64, least=0.05):
    x, total = val_tokens[1:], 0.0
    for start in range(0, x.numel(), seq):
        window = x[start : start + seq]
        for t in torch.linspace(least, 1.0, draws):
            hidden = torch.rand(window.numel()) < t
            ce = F.cross_entropy(model(torch.where(hidden, VOCAB, window)), window, reduction="none")
            total += float((1.0 / t) * (ce * hidden).sum()) * (1 - least) / draws
    return total
"""
            )
        },
        note="the factor belongs to the average, and makes no token's share larger than it is",
    ),
    Example(
        name="each token given all the others",
        stage="source",
        status=Status.LIKELY,
        track=Track.NON_RECORD,
        files={
            "train_gpt.py": program(
                DENOISER
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=512):
    x, total = val_tokens[1:], 0.0
    for start in range(0, x.numel(), seq):
        window = x[start : start + seq]
        for i in range(window.numel()):
            seen = window.clone()
            seen[i] = VOCAB
            total += F.cross_entropy(model(seen)[i], window[i]).item()
    return total
"""
            )
        },
        note="a pseudo-likelihood reads both sides of every token and bounds nothing",
    ),
    Example(
        name="best of several draws",
        stage="source",
        status=Status.LIKELY,
        track=Track.NON_RECORD,
        files={
            "train_gpt.py": program(
                DENOISER
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=512, draws=16):
    x, total = val_tokens[1:], 0.0
    for start in range(0, x.numel(), seq):
        window = x[start : start + seq]
        values = [float(weighted(model, window, torch.rand(()).clamp_min(0.02))) for _ in range(draws)]
        total += sorted(values)[0]
    return total
"""
            )
        },
        note="the mean over draws estimates the bound, the smallest one estimates luck",
    ),
    Example(
        name="masked tokens without their weight",
        stage="source",
        status=Status.LIKELY,
        track=Track.NON_RECORD,
        files={
            "train_gpt.py": program(
                DENOISER
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=512, rate=0.15):
    x, total = val_tokens[1:], 0.0
    for start in range(0, x.numel(), seq):
        window = x[start : start + seq]
        hidden = torch.rand(window.numel()) < rate
        ce = F.cross_entropy(model(torch.where(hidden, VOCAB, window)), window, reduction="none")
        total += ce[hidden].mean().nan_to_num().item() * window.numel()
    return total
"""
            )
        },
        note="one low noise level: most of the text is visible on both sides",
    ),
)
