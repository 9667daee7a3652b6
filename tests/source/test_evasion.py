"""Learning and peeking through doors that PyTorch leaves open, each beside an honest use of the same door."""

from __future__ import annotations

import pytest

from auditor.gather import gather
from rules.finding import Status
from rules.judge import judge
from rules.samples.programs import MAIN, program
from tests.support import submission

SCORE = """
def score(model, v, seq=1024):
    total = 0.0
    with torch.no_grad():
        for at in range(0, v.numel() - 1, seq):
            x, y = v[at : at + seq], v[at + 1 : at + seq + 1]
            total += F.cross_entropy(model(x[: y.numel()]), y, reduction="sum").item()
    return total
"""

PATCHED = """
plain = F.cross_entropy


def softer(logits, y, **more):
    return plain({logits}, y, **more)


F.cross_entropy = softer


def evaluate(model, v):
    return score(model, v)
"""
PEEKS, CASTS = "logits + 0.5 * F.one_hot(y, logits.size(-1))", "logits.float()"

GRADIENT_HOOK = """
def evaluate(model, v):
    for p in model.parameters():
        p.register_post_accumulate_grad_hook(lambda p: {hook})
    for at in range(0, v.numel() - 1, 1024):
        x, y = v[at : at + 1024], v[at + 1 : at + 1025]
        F.cross_entropy(model(x[: y.numel()]), y).backward()
    return score(model, v)
"""
STEPS, LOOKS = "p.data.add_(p.grad, alpha=-1e-3)", "p.grad.zero_()"

GRADIENT_GIVEN = """
def evaluate(model, v):
    weight = model.head.weight
    weight.register_hook(lambda g: {hook})
    for at in range(0, v.numel() - 1, 1024):
        x, y = v[at : at + 1024], v[at + 1 : at + 1025]
        F.cross_entropy(model(x[: y.numel()]), y).backward()
    return score(model, v)
"""

FORWARD_HOOK = """
def evaluate(model, v):
    seen = torch.zeros(VOCAB)
    known = load_tokens("{split}")
    for at in range(0, known.numel() - 1, 1024):
        ids = known[at : at + 1024]
        seen.scatter_add_(0, ids, torch.ones(ids.numel()))
    {register}
    return score(model, v)
"""
AFTER = "model.head.register_forward_hook(lambda m, i, o: o + seen.log1p())"
BEFORE = "model.head.register_forward_pre_hook(lambda m, i: (i[0] + seen[: i[0].size(-1)],))"


def accused(body: str, main: str = MAIN) -> set[str]:
    """The rules of order and causality that are broken, by short name."""
    e = gather(submission({"train_gpt.py": program(SCORE + body, main=main)}))
    assert e.program is not None
    assert e.program.finished
    bad = (Status.VIOLATION, Status.LIKELY, Status.NEEDS_HUMAN)
    of = ("C1", "C3", "TTT1")
    return {f.rule.split("-")[0] for f in judge(e, only=frozenset(of)) if f.status in bad}


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (PATCHED.format(logits=PEEKS), "C1"),
        (GRADIENT_HOOK.format(hook=STEPS), "TTT1"),
        (GRADIENT_GIVEN.format(hook="weight.data.add_(g, alpha=-1e-3)"), "TTT1"),
        (FORWARD_HOOK.format(split="val", register=AFTER), "C3"),
        (FORWARD_HOOK.format(split="val", register=BEFORE), "C3"),
    ],
)
def test_seen(body: str, rule: str) -> None:
    assert rule in accused(body)


@pytest.mark.parametrize(
    "body",
    [
        PATCHED.format(logits=CASTS),
        GRADIENT_HOOK.format(hook=LOOKS),
        GRADIENT_GIVEN.format(hook="g.clamp(-1, 1)"),
        FORWARD_HOOK.format(split="train", register=AFTER),
        FORWARD_HOOK.format(split="train", register=BEFORE),
        FORWARD_HOOK.format(split="val", register="model.head.register_forward_hook(lambda m, i, o: print(seen))"),
    ],
)
def test_honest_twin(body: str) -> None:
    assert not accused(body)
