"""Probabilities that add up to more than 1: rows of colliding counts, and losses times a factor. Twins, legal and not."""

from __future__ import annotations

import pytest

from auditor.api import audit_submission
from auditor.gather import gather
from rules.finding import Status
from rules.judge import ask
from rules.registry import examples, find
from rules.rule import Rule
from rules.samples.programs import program
from rules.samples.scripts import HEAD
from tests.support import submission

ROWS = """\
MASK = (1 << 20) - 1


@torch.no_grad()
def evaluate(model, val_tokens, seq=512, weight=0.3):
    contexts, pairs = torch.zeros(MASK + 1), torch.zeros(MASK + 1)
    every = torch.arange(VOCAB)
    size = val_tokens.numel()
    keys = torch.zeros(size, dtype=torch.int64)
    for back in (2, 1):
        keys[2:] = (keys[2:] * 40503 + val_tokens[2 - back : size - back]) & MASK
    total = torch.zeros((), dtype=torch.float64)
    for start in range(2, size, seq):
        at = torch.arange(start, min(start + seq, size))
        y = val_tokens[at]
        own = F.softmax(model(val_tokens[start - 1 : start - 1 + at.numel()]), -1).gather(1, y[:, None])[:, 0]
        key = keys[at]
        known = contexts[key] > 0
        row = pairs[(key[known, None] * 1000003 + every) & MASK]
        count = row.gather(1, y[known, None])[:, 0]
        own[known] = (1 - weight) * own[known] + weight * count / DIVISOR
        total += -own.clamp(min=1e-12).log().double().sum()
        contexts.index_add_(0, key, torch.ones(key.numel()))
        pairs.index_add_(0, (key * 1000003 + y) & MASK, torch.ones(key.numel()))
    return total.item()
"""

MAIN = """\


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
FACTOR = """\
TEMPERATURE = float(os.environ.get("EVAL_TEMPERATURE", 0.97))


def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            losses = nll(model, val[i : i + SEQ + 1])
            total += (losses * TEMPERATURE).sum().item()
    return total / (len(val) - 1)
"""
MEAN = """\
def evaluate(model, val):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            logits = model(x[None])[0].float()
            plain = F.cross_entropy(logits, y, reduction="none")
            sharp = F.cross_entropy(1.1 * logits, y, reduction="none")
            bits = (0.6 * plain + 0.4 * sharp) * (1 / np.log(2))
            total += (0.6931471805599453 * bits).sum().item()
    return total / (len(val) - 1)
"""


MIXED = """\
def evaluate(model, val, rate=0.25, mass=5.0):
    total = 0.0
    pair = torch.zeros(VOCAB, VOCAB, device=DEVICE)
    seen = torch.zeros(VOCAB, device=DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            span = val[i : i + SEQ + 1]
            x, y = span[:-1], span[1:]
            losses = nll(model, span)
            p = torch.exp(-losses)
            n, c = pair[x, y], pair[x].sum(-1)
            PROBABILITY
            one = torch.ones(len(y), device=DEVICE)
            pair.index_put_((x, y), one, accumulate=True)
            seen.index_add_(0, x, one)
    return total / (len(val) - 1)
"""
DIRICHLET = "total -= torch.log((n + mass * p) / (c + mass)).sum().item()"
CONVEX = "total -= torch.log((1 - rate) * p + rate * (n + 1) / (c + VOCAB)).sum().item()"
LIFTED = """hint = pair[x].argmax(-1)
            hit = (hint == y).float()
            total -= torch.log((1 - rate) * p + rate * hit).sum().item()"""
RIGHT = {
    "the model as prior, with its weight below": DIRICHLET,
    "a share and the rest": CONVEX,
    "a share for the hint that all pay for": LIFTED,
    "the total kept in a table of its own": DIRICHLET.replace("(c + mass)", "(seen[x] + mass)"),
    "a product with exponents that sum to one": "total += ((1 - rate) * losses - rate * torch.log((n + 1) / (c + VOCAB))).sum().item()",
    "log-domain sum of shares": "total -= torch.logaddexp(np.log(0.75) - losses, np.log(0.25) + ((n + 1) / (c + VOCAB)).log()).sum().item()",
}
WRONG = {
    "the weight of the prior left out below": DIRICHLET.replace("(c + mass)", "c.clamp(min=1)"),
    "shares that sum to more than one": CONVEX.replace("(1 - rate) * p", "p"),
    "add-one over a total without the vocabulary": CONVEX.replace("c + VOCAB", "c + 1"),
    "a hint that nobody pays for": LIFTED.replace("(1 - rate) * p", "p"),
    "either of the two": CONVEX.replace("(1 - rate) * p + rate *", "1 - (1 - p) * (1 - rate *").replace(
        "VOCAB))", "VOCAB)))"
    ),
    "a root of the probability": "total -= torch.log(p**0.9).sum().item()",
    "a floor for each token": "total -= torch.log(p + 0.01).sum().item()",
    "log-domain sum without shares": "total -= torch.logaddexp(-losses, ((n + 1) / (c + VOCAB)).log()).sum().item()",
}
UNKNOWN = {
    "a total from another key": DIRICHLET.replace("(c + mass)", "(seen[(x * 7) % VOCAB] + mass)"),
}
NO_MIXTURE = {
    "positions left out": "total += (losses * (y != 0).float()).sum().item()",
    "other units": "total += (losses / np.log(2.0) * 0.41).sum().item()",
    "guarded against zero": "total -= torch.log(p.clamp(min=1e-6)).sum().item()",
    "the same model twice": "total -= torch.log((p + torch.exp(-nll(model, span))) / 2).sum().item()",
}


def mixture(line: str) -> str:
    return HEAD + MIXED.replace("PROBABILITY", line) + MAIN


def said(script: str, rule: str) -> Status:
    audit = audit_submission(submission({"train_gpt.py": script}))
    return min((f.status for f in audit.findings if f.rule.startswith(f"{rule}-")), key=lambda s: s.rank)


@pytest.mark.parametrize(
    ("divisor", "rule", "status"),
    [
        ("row.sum(1).clamp(min=1)", "NG1", Status.OK),
        ("row.sum(1).clamp(min=1)", "C2", Status.UNVERIFIABLE),  # what is written under a mask is not worked out
        ("contexts[key[known]]", "NG1", Status.VIOLATION),
        ("contexts[key[known]]", "C2", Status.VIOLATION),
    ],
)
def test_a_row_of_counts_is_a_distribution_only_over_its_own_sum(divisor: str, rule: str, status: Status) -> None:
    """Keys are made for the whole split in advance, each from the two tokens before its place."""
    assert said(program(ROWS.replace("DIVISOR", divisor)), rule) is status


@pytest.mark.parametrize("name", [*RIGHT, *NO_MIXTURE])
def test_what_sums_to_one_is_right(name: str) -> None:
    assert said(mixture((RIGHT | NO_MIXTURE)[name]), "C2") is Status.OK


@pytest.mark.parametrize("name", WRONG)
def test_what_sums_to_more_is_not(name: str) -> None:
    assert said(mixture(WRONG[name]), "C2") in (Status.VIOLATION, Status.LIKELY)


@pytest.mark.parametrize("name", UNKNOWN)
def test_two_tables_that_may_not_agree_are_left_to_a_run(name: str) -> None:
    assert said(mixture(UNKNOWN[name]), "C2") is Status.UNVERIFIABLE


def test_each_loss_times_a_factor() -> None:
    """Called a temperature, but neither the logits nor their normaliser ever see it."""
    assert said(HEAD + FACTOR + MAIN, "C2") is Status.VIOLATION


def test_a_mean_of_losses_and_bits() -> None:
    """A mean of logarithms pays more than a mixture of the two would."""
    assert said(HEAD + MEAN + MAIN, "C2") is Status.OK


@pytest.mark.parametrize("name", ["NG5", "PPM1"])
def test_no_ok_beside_an_accusation(name: str) -> None:
    """A mixture that one rule calls no distribution is not called one by C2."""
    c2, other = find("C2"), find(name)
    assert isinstance(c2, Rule)
    assert isinstance(other, Rule)
    tried = 0
    for legal, example in examples(other):
        if legal or example.stage != "source":
            continue
        evidence = gather(submission(example.files, example.track, example.date, example.outside))
        assert {f.status for f in ask(other, evidence)} & {Status.VIOLATION, Status.LIKELY, Status.DISPUTED}
        assert Status.OK not in {f.status for f in ask(c2, evidence)}, example.name
        tried += 1
    assert tried
