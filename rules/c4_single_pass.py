"""One pass from left to right; every token adds exactly one term, and no term is revised.

No second scoring, no revision after the fact, no choice among several executions.

## Why
After a first pass the state knows the text. A second score of the same tokens measures memory, not
prediction: with a complete cache of the validation text, near zero bits were reported (#959).
Choosing the better of two results afterwards uses the text too, if only a little of it.

## How it is proved
Running: the ledger counts the scores of each token that enter the reported number: each must count
once, and the reported number must be their sum. Reading: two loops over validation tokens that feed
or overwrite the same total, a reported value that is a minimum, an average or a search over several
evaluations, or per-token values of one pass that a later pass blends with something new.

## Legal look-alikes
- Diagnostic evaluations (before quantisation, without the sliding window) that are printed, while a
  fixed later one makes the claim.
- Overlapping windows of which only the new tail is counted.
- Tail tokens dropped to a multiple of the sequence length, as in the baseline.
- Documents evaluated in order of length, if no state passes from one to the next.
- Several epochs of training on tokens after they were scored (open question D-13; merged practice).

## Known evasions
- "Best of" several settings, picked by validation score inside the evaluation.
- Probabilities stored in pass one and blended in pass two, without a second run of the network.
- Averages over the scores of several passes.
- A temperature searched on validation tokens and then used on the same tokens.

## Instead
Before:
```python
for chunk in chunks:
    cache.update(chunk)                    # pass 1
total = sum(cache.score(c) for c in chunks)    # pass 2: every token is in the cache
```
After:
```python
for chunk in chunks:
    total += cache.score(chunk)            # final
    cache.update(chunk)
```
"""

from collections.abc import Iterator

from rules import adaptation, order
from rules.adaptation import Kind as Adaptation
from rules.editions import Edition
from rules.events import Observation, Program, Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="C4-single-pass",
    title="Tokens scored more than once, or the better of several results",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "a second score after learning the text is a score on tokens trained on (our inference)",
            Authority.DERIVED,
        ),
        Source(
            "#573",
            "2026-03-24",
            "valerio-oai",
            "test-time training in several passes is invalid",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#677",
            "2026-03-27",
            "valerio-oai",
            "rescoring in a second pass is training on the evaluation set",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#959",
            "2026-03-27",
            "valerio-oai",
            "two-pass rescoring leaks evaluation tokens",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#991",
            "2026-03-28",
            "valerio-oai",
            "closed for scoring the same tokens in two passes",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "condition 4: a single pass, no rescoring, no selection among executions",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="counting, in the code or in a run, how often each token enters the reported number would decide it",
    disputes=("D-13",),
)


INSTEAD = "keep the first score of every token"


def _of_passes(o: Observation, p: Program) -> bool:
    """Whether the losses of which the smaller is kept come from one line of code in different rounds."""
    by_id = {e.id: e for e in p.events}
    scores = [by_id[s] for s in o.scores if s in by_id]
    return any(a.at == b.at and a.turns != b.turns for i, a in enumerate(scores) for b in scores[i + 1 :])


def _several(p: Program) -> Iterator[Finding]:
    """Averages over passes, the better of several results, and settings picked by the score they then get."""
    twice = adaptation.counted_twice(p)
    if twice:
        yield RULE.finding(
            Status.VIOLATION if adaptation.unavoidable(p, *twice) else Status.NEEDS_HUMAN,
            f"the same tokens are scored in several rounds at {twice[1].at}, and all of them are in the reported number",
            Fact("first round", "counted", twice[0].at),
            Fact("later round", "counted too", twice[1].at),
            instead=INSTEAD,
        )
    for first, s in adaptation.chosen_by_score(p):
        yield RULE.finding(
            Status.VIOLATION if adaptation.unavoidable(p, first, s) else Status.NEEDS_HUMAN,
            f"the prediction at {s.at} was picked by an earlier score of the same tokens",
            Fact("earlier score", "it decides what is used", first.at),
            Fact("counted score", "of the same tokens", s.at),
            instead=INSTEAD,
        )
        break
    for o in {o.at: o for o in p.observations}.values():
        several = o["of"] == "totals" or _of_passes(o, p)
        if o.sight is Sight.ORACLE and several and order.counts(o, p):
            yield RULE.finding(
                Status.VIOLATION if o.certain else Status.LIKELY,
                f"the reported number is the better of several results: {o.at}",
                Fact("the smaller of results", o.what, o.at),
                instead=INSTEAD,
            )


@RULE.check("source")
def order_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = list(
        adaptation.accuse(
            RULE,
            e.program,
            (
                Adaptation.PASSES,
                Adaptation.RESCORED,
            ),
            "the counted score is not the first one of its tokens",
            INSTEAD,
        )
    )
    found += _several(e.program)
    yield from found or adaptation.clear(RULE, e.program, "every token is scored once for the reported number")


_MAIN = """\


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""

_SCORE = """\
def score(model, val, temperature=1.0):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            total += F.cross_entropy(model(x[None])[0].float() / temperature, y, reduction="sum").item()
    return total / (len(val) - 1)


"""

VALID = (
    Example(
        name="diagnostic first, headline fixed in advance",
        stage="source",
        status=Status.OK,
        note="two loops over the same tokens, but the first one feeds nothing",
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
print(f"pre-quant val_loss:{score(model, val):.6f}")
with torch.no_grad():
    for p in model.parameters():
        scale = p.abs().max() / 31
        p.copy_((p / scale).round() * scale)
print(f"final val_loss:{score(model, val):.6f}")
"""
        },
    ),
    Example(
        name="overlapping windows, only the new tail counts",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
STRIDE = int(os.environ.get("STRIDE", 64))


def evaluate(model, val):
    total, counted, done = 0.0, 0, 1
    with torch.no_grad():
        for start in range(0, len(val) - 1, STRIDE):
            end = min(start + SEQ + 1, len(val))
            if end <= done:
                continue
            losses = nll(model, val[start:end])
            fresh = losses[done - start - 1 :]
            total += fresh.sum().item()
            counted += len(fresh)
            done = end
    return total / counted
"""
            + _MAIN
        },
    ),
    Example(
        name="documents in order of length",
        stage="source",
        status=Status.OK,
        note="the order does not matter, since each document starts from the same weights",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    starts = torch.nonzero(val == 1).flatten().tolist() + [len(val)]
    docs = sorted((val[a : b + 1] for a, b in zip(starts, starts[1:])), key=len)
    total, counted = 0.0, 0
    with torch.no_grad():
        for doc in docs:
            for i in range(0, len(doc) - 1, SEQ):
                losses = nll(model, doc[i : i + SEQ + 1])
                total += losses.sum().item()
                counted += len(losses)
    return total / counted
"""
            + _MAIN
        },
    ),
)

INVALID = (
    Example(
        name="second pass with a warm cache",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, weight=0.4):
    counts = torch.ones(VOCAB, VOCAB, device=DEVICE)
    for attempt in ("cold", "warm"):
        total = 0.0
        with torch.no_grad():
            for i in range(0, len(val) - 1, SEQ):
                x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
                p = model(x[None])[0].float().softmax(-1) * (1 - weight)
                p = p + weight * counts[x] / counts[x].sum(-1, keepdim=True)
                total -= p.gather(1, y[:, None]).log().sum().item()
                counts.index_put_((x, y), torch.ones_like(x, dtype=torch.float), accumulate=True)
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="the better of two results",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
averaged = GPT().to(DEVICE)
averaged.load_state_dict({k: 0.5 * v for k, v in model.state_dict().items()})
val = load("fineweb_val_*.bin")
results = [score(m, val) for m in (model, averaged)]
print(f"final val_loss:{min(results):.6f}")
"""
        },
    ),
    Example(
        name="stored probabilities blended in a second pass",
        stage="source",
        status=Status.VIOLATION,
        note="the network runs once; the reported term of each token is made when all tokens are counted",
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val, weight=0.4):
    kept = []
    counts = np.ones((VOCAB, VOCAB))
    tokens = val.cpu().numpy()
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            kept.append((-nll(model, val[i : i + SEQ + 1])).exp().cpu().numpy())
    neural = np.concatenate(kept)
    np.add.at(counts, (tokens[:-1], tokens[1:]), 1)
    cached = counts[tokens[:-1], tokens[1:]] / counts[tokens[:-1]].sum(-1)
    return -np.log((1 - weight) * neural + weight * cached).mean()
"""
            + _MAIN
        },
    ),
    Example(
        name="temperature searched on the text it is used on",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _SCORE
            + """\
model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
val = load("fineweb_val_*.bin")
grid = {t: score(model, val, t) for t in (0.5, 0.9, 0.95, 1.0, 1.05, 2.0)}
temperature = sorted(grid, key=grid.get)[0]
print(f"final val_loss:{score(model, val, temperature):.6f}")
"""
        },
    ),
    Example(
        name="average over two passes",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + """\
def evaluate(model, val):
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    means = []
    for sweep in range(2):
        losses = []
        for i in range(0, len(val) - 1, SEQ):
            with torch.no_grad():
                losses.append(nll(model, val[i : i + SEQ + 1]))
            step(opt, nll(model, val[i : i + SEQ + 1]).mean())
        means.append(torch.cat(losses).mean().item())
    return sum(means) / len(means)
"""
            + _MAIN
        },
    ),
)
