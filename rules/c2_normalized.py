"""Before a token is scored there is one probability distribution over the whole vocabulary, and it sums to 1.

It is fixed without knowing the token; the score is its negative logarithm at the token.

## Why
Only probabilities that sum to 1 over everything that could have come next are code lengths. If a
scheme hands each candidate more than its share, because the number for a token is computed by a
path that exists only for that token, the printed bits can be made as small as one likes. Tables
with hash collisions were reported to sum to about 277 where 1 was due (#886).

## How it is proved
Running: put every token of the vocabulary at one position, with all else unchanged, and sum
`exp(-score)`: the sum must be 1 within 0.001. Reading: a probability is mixed or changed at the
gathered target alone, and nothing in the code carries the normaliser of that change.

## Legal look-alikes
- Raising one hinted token by beta and dividing by `1 + q * (exp(beta) - 1)`, where q is the hint's own
  probability: only the target is computed, yet the whole vector sums to 1.
- A linear mix computed lazily at the target, if each part is a distribution and the weight does not
  know the target.
- A floor of a millionth or less under a probability, there for the logarithm; losses capped to learn from.
- A cap or a temperature on all logits before the softmax; vocabulary entries that are never used.

## Known evasions
- The hint, beta or the weight is chosen after looking at the token.
- A ratio of two tables with separate hashes, so that the numerators do not add up to the denominator.
- A formula that normalises on paper, over counts that collide (open question D-03).
- A softmax over the top candidates *plus the target*.
- A cap on the loss of each token, which is a floor under every probability that no other pays for.
- A temperature or bias refitted for each chunk on that chunk's own targets.

## Instead
Before:
```python
p = (1 - a) * p_model[y] + a * joint[hash(context, y)] / total[hash(context)]
```
After:
```python
row = counts[context] + 1.0                        # exact, all V candidates
p = (1 - a) * p_model + a * row / row.sum()        # (V,), sums to 1
nll = -p[y].log()
```
"""

from collections.abc import Iterator

from rules import mixture, ran, sightings
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="C2-normalized",
    title="Scores that are no probability distribution over the vocabulary",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "the score is a compression rate, which only a normalised distribution gives (our inference)",
            Authority.DERIVED,
        ),
        Source(
            "#779",
            "2026-03-27",
            "valerio-oai",
            "a hashed cache applied to the realised target alone is not allowed",
            Authority.ORGANIZER_QUOTED,
        ),
        Source("#982", "2026-03-27", "valerio-oai", "hashed caches do not renormalise correctly", Authority.ORGANIZER),
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "condition 2: one full normalised distribution, fixed before the token is known",
            Authority.COMMUNITY,
        ),
        Source(
            "#1185",
            "2026-03-31",
            "valerio-oai",
            "an n-gram model must renormalise over the whole vocabulary",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1902",
            "2026-04-28",
            "cocohearts",
            "byte mixtures that break normalisation are left out of the record table",
            Authority.ORGANIZER,
        ),
        Source(
            "#2103",
            "2026-05-02",
            "cocohearts",
            "scoring the realised byte sequence gives no full distribution at the official scoring point",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="summing exp(-score) over every candidate token in a run, or reading where a probability is changed at the target alone, would decide it",
    disputes=("D-03", "D-04"),
)

_MAIN = """\


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

VALID = (
    Example(
        name="capped losses in a line of their own",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            losses = nll(model, val[i : i + SEQ + 1])
            print("capped", losses.clamp(max=9.0).mean().item())
            total += losses.sum().item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="one hint raised, with its normaliser in closed form",
        stage="source",
        status=Status.OK,
        note="only two entries of the vector are ever computed, and it still sums to 1",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, beta=2.0):
    follower = torch.zeros(VOCAB, dtype=torch.long, device=DEVICE)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logp = model(x[None])[0].float().log_softmax(-1)
            hint = follower[x]
            q = logp.gather(1, hint[:, None])[:, 0].exp()
            z = torch.log1p(q * (np.exp(beta) - 1.0))
            total -= (logp.gather(1, y[:, None])[:, 0] + beta * (y == hint) - z).sum().item()
            follower[x] = y
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="full-vocabulary mix with exact counts",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, weight=0.3):
    counts = torch.ones(VOCAB, VOCAB, device=DEVICE)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            neural = model(x[None])[0].float().softmax(-1)
            pairs = counts[x] / counts[x].sum(-1, keepdim=True)
            mixed = (1 - weight) * neural + weight * pairs
            total -= mixed.gather(1, y[:, None]).log().sum().item()
            counts.index_put_((x, y), torch.ones_like(x, dtype=torch.float), accumulate=True)
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="the same mix, computed at the target only",
        stage="source",
        status=Status.OK,
        note="(count + 1) / (row sum + V) sums to 1 over y, and the weight depends on the context alone",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    pair = np.zeros((VOCAB, VOCAB), np.int64)
    total = 0.0
    tokens = val.cpu().numpy()
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            score = (-nll(model, val[i : i + SEQ + 1])).exp().cpu().numpy()
            for k, p_model in enumerate(score):
                a, b = tokens[i + k], tokens[i + k + 1]
                seen = pair[a].sum()
                w = seen / (seen + 20.0)
                total -= np.log((1 - w) * p_model + w * (pair[a, b] + 1) / (seen + VOCAB))
                pair[a, b] += 1
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="cap and temperature on all logits",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, cap=15.0, temperature=0.98):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logits = cap * torch.tanh(model(x[None])[0].float() / cap) / temperature
            total += F.cross_entropy(logits, y, reduction="sum").item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="average of the losses of two models",
        stage="source",
        status=Status.OK,
        note="the parts add up to one, and a geometric mean sums to at most 1 over the vocabulary",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(first, second, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            total += (0.6 * nll(first, span) + 0.4 * nll(second, span)).double().sum().item()
    return total / (len(val) - 1)


tokens = load("fineweb_train_*.bin")
models = [train(GPT().to(DEVICE), tokens) for _ in range(2)]
print(f"final val_loss:{evaluate(*models, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
)

INVALID = (
    Example(
        name="the loss of a token is capped",
        stage="source",
        status=Status.LIKELY,
        note="with a cap of 9 nats each of 1024 tokens has a probability of 0.0001 at least, whatever the others have",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            total += nll(model, val[i : i + SEQ + 1]).clamp(max=9.0).sum().item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="hint raised without its normaliser",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, beta=2.0):
    follower = torch.zeros(VOCAB, dtype=torch.long, device=DEVICE)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logp = model(x[None])[0].float().log_softmax(-1)
            score = logp.gather(1, y[:, None])[:, 0]
            score = torch.clamp(score + beta * (y == follower[x]), max=0.0)
            total -= score.sum().item()
            follower[x] = y
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="two hashed tables and a ratio",
        stage="source",
        status=Status.VIOLATION,
        note="context and pair are hashed apart, so the pairs of a context do not add up to its count",
        files={
            "train_gpt.py": HEAD
            + """\
BUCKETS = int(os.environ.get("BUCKETS", 4194304))


def evaluate(model, val, weight=0.4):
    ctx_count, pair_count = np.zeros(BUCKETS), np.zeros(BUCKETS)
    tokens = val.cpu().numpy().astype(np.uint64)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            score = (-nll(model, val[i : i + SEQ + 1])).exp().cpu().numpy()
            for k, p in enumerate(score):
                ctx = int(tokens[i + k]) * 2654435761
                pair = ctx ^ int(tokens[i + k + 1]) * 2246822519
                c, f = ctx % BUCKETS, pair % BUCKETS
                if ctx_count[c] > 0:
                    p = (1 - weight) * p + weight * min(pair_count[f], ctx_count[c]) / ctx_count[c]
                total -= np.log(p)
                ctx_count[c] += 1
                pair_count[f] += 1
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="the better of two predictors at each token",
        stage="source",
        status=Status.VIOLATION,
        note="each part is normalised; taking the minimum at the realised token is not",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    counts = torch.ones(VOCAB, VOCAB, device=DEVICE)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            neural = nll(model, val[i : i + SEQ + 1])
            cached = -(counts[x, y] / counts[x].sum(-1)).log()
            total += torch.minimum(neural, cached).sum().item()
            counts.index_put_((x, y), torch.ones_like(x, dtype=torch.float), accumulate=True)
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="softmax over the best candidates and the target",
        stage="source",
        status=Status.VIOLATION,
        note="a token outside the best ones gets a share that the others never gave up",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, best=int(os.environ.get("BEST", 64))):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logits = model(x[None])[0].float()
            own = logits.gather(1, y[:, None])
            top, ids = logits.topk(best, dim=-1)
            others = top.masked_fill(ids == y[:, None], float("-inf"))
            total -= (own - torch.cat([own, others], dim=1).logsumexp(1, keepdim=True)).sum().item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="losses scaled after the softmax",
        stage="source",
        status=Status.VIOLATION,
        note="the twin of the legal temperature: the factor stands behind the normalisation",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, temperature=0.98):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            losses = nll(model, val[i : i + SEQ + 1])
            if temperature != 1.0:
                losses = losses * temperature
            total += losses.double().sum().item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="counts divided by a fixed number",
        stage="source",
        status=Status.VIOLATION,
        note="the twin of the exact counts: their sum only grows, the divisor does not",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, weight=0.3):
    counts = torch.ones(VOCAB, VOCAB, device=DEVICE)
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            neural = model(x[None])[0].float().softmax(-1)
            mixed = (1 - weight) * neural + weight * (counts[x] / 64.0)
            total -= mixed.gather(1, y[:, None]).log().sum().item()
            counts.index_put_((x, y), torch.ones_like(x, dtype=torch.float), accumulate=True)
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Probabilities changed at the realised token alone, by something that is no distribution."""
    found = list(
        mixture.judged(
            RULE,
            e,
            (Sight.UNNORMALISED, Sight.TARGET_IN_KEY, Sight.HASHED_RATIO, Sight.ORACLE, Sight.TILT),
            instead="mix whole distributions over the vocabulary, then take the entry of the token",
        )
    )
    found += mixture.judged(
        RULE,
        e,
        (Sight.ENTROPY_EXPERT,),
        most=Status.LIKELY,
        instead="give each expert of the mixture a distribution over the vocabulary, and take its entry of the token",
    )
    found += _capped(e)
    yield from found
    if not found and not (e.program and mixture.seen(e.program, Sight.SPREAD_BYTES, Sight.UNSUMMED)):
        yield from mixture.clear(
            RULE, e, "nothing was seen to be mixed into the probability of the realised token that is no distribution"
        )


@RULE.check("trace")
def sums_in_run(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Scores of all tokens at one position that add up to more than one."""
    t = e.trace
    if t is None:
        return
    for s in t.sums:
        if (s.improper or s.doubtful) and s.confirmed:
            yield RULE.finding(
                Status.VIOLATION if s.improper else Status.LIKELY,
                f"in a small run, the probabilities at position {s.at} add up to {ran.sum_words(s)}; {s.confirmed} of them were "
                "confirmed by whole runs",
                *ran.facts(t, None),
                *(Fact("run", "picked from values that know the token already", f.at) for f in t.foresight if f.own),
                at=tuple(n.at for n in t.printed[t.headline : t.headline + 1] if n.at),
                instead="mix whole distributions over the vocabulary, then take the entry of the token",
            )


def _capped(e: Evidence) -> Iterator[Finding]:
    """Losses that are not counted beyond a level: a floor under every probability, which no other one pays for."""
    p = e.program
    if p is None:
        return
    for o, status in sightings.cut_losses(p, capped=True):
        instead = "count each token with the full negative logarithm of its probability"
        yield RULE.finding(status, o.what, *sightings.facts(o, p), at=(o.at,), instead=instead)
