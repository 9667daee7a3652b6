"""Values fitted in a window: to what is scored there, or to the context before it."""

from __future__ import annotations

import pytest

from auditor.gather import gather
from rules.finding import Status
from rules.judge import ask
from rules.registry import find
from rules.rule import Rule
from rules.samples.scripts import HEAD
from tests.support import submission

FITTED = """\
def evaluate(model, val, stride=64, batch=8):
    total, count = 0.0, 0
    starts = list(range(0, len(val) - SEQ, stride))
    for first in range(0, len(starts), batch):
        group = starts[first : first + batch]
        x = torch.zeros(len(group), SEQ, dtype=torch.int64, device=DEVICE)
        y = torch.zeros(len(group), SEQ, dtype=torch.int64, device=DEVICE)
        for i, at in enumerate(group):
            end = min(at + SEQ, len(val) - 1)
            x[i, : end - at] = val[at : end + 1][:-1]
            y[i, : end - at] = val[at : end + 1][1:]
        with torch.no_grad():
            h = model.hidden(x)
        delta = torch.zeros(1, 1, h.shape[-1], device=DEVICE, requires_grad=True)
        opt = torch.optim.AdamW([delta], lr=LR)
        for _ in range(STEPS):
            logits = model.head(h + delta)[:, {cut}]
            step(opt, F.cross_entropy(logits.reshape(-1, VOCAB), y[:, {cut}].reshape(-1)))
        with torch.no_grad():
            losses = F.cross_entropy(model.head(h + delta).transpose(1, 2), y, reduction="none")
        for i, at in enumerate(group):
            begin = 0 if at == 0 else SEQ - stride
            total += losses[i, begin:].sum().item()
            count += SEQ - begin
    return total / count


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{{evaluate(model, load('fineweb_val_*.bin')):.6f}}")
"""


@pytest.mark.parametrize("cut", [": SEQ - 1", ":-1", ":"])
def test_all_but_the_last_is_no_context(cut: str) -> None:
    assert alarms(cut) == {"SLOT1"}


def test_a_context_shared_by_the_batch() -> None:
    assert alarms(": SEQ - stride") == {"SLOT2"}


def alarms(cut: str) -> set[str]:
    evidence = gather(submission({"train_gpt.py": HEAD + FITTED.format(cut=cut)}))
    out = set()
    for name in ("SLOT1", "SLOT2"):
        rule = find(name)
        assert isinstance(rule, Rule)
        if any(f.status in (Status.VIOLATION, Status.LIKELY, Status.DISPUTED) for f in ask(rule, evidence)):
            out.add(name)
    return out


CARRIED = """\
def evaluate(model, val, stride=64):
    total, count = 0.0, 0
    limit = len(val) - 1
    bias = torch.zeros(VOCAB, device=DEVICE, requires_grad=True)
    opt = torch.optim.AdamW([bias], lr=LR)
    for at in [w for w in range(0, limit, stride) if min(w + SEQ, limit) - w >= 1]:
        size = min(at + SEQ, limit) - at
        piece = val[at : at + size + 1]
        x, y = piece[:-1].unsqueeze(0), piece[1:].unsqueeze(0)
        begin = 0 if at == 0 else max(size - stride, 0)
        with torch.no_grad():
            logits = model(x).float()
        if begin > 0:
            for _ in range(3):
                step(opt, F.cross_entropy(logits[0, :{cut}] + bias, y[0, :{cut}]))
        with torch.no_grad():
            losses = F.cross_entropy((logits + bias)[0], y[0], reduction="none")
        total += losses[begin:size].sum().item()
        count += size - begin
    return total / count


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{{evaluate(model, load('fineweb_val_*.bin')):.6f}}")
"""


@pytest.mark.parametrize(("cut", "fair"), [("begin", True), ("begin + 1", False), ("size", False)])
def test_values_kept_over_windows_and_fitted_to_their_contexts(cut: str, fair: bool) -> None:
    evidence = gather(submission({"train_gpt.py": HEAD + CARRIED.format(cut=cut)}))
    rule = find("C3")
    assert isinstance(rule, Rule)
    said = {f.status for f in ask(rule, evidence)}
    assert (said == {Status.OK}) if fair else (Status.VIOLATION in said)


@pytest.mark.parametrize(
    ("adapted", "says"),
    [("", "nothing is trained on validation tokens"), ("step(opt, losses.mean())", "scores come first")],
)
def test_the_legal_pattern_is_named_only_where_it_is(adapted: str, says: str) -> None:
    text = f"""\
def evaluate(model, val):
    total = 0.0
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    for i in range(0, len(val) - 1, CHUNK):
        losses = nll(model, val[i : i + CHUNK + 1])
        total += losses.detach().sum().item()
        {adapted or "pass"}
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{{evaluate(model, load('fineweb_val_*.bin')):.6f}}")
"""
    rule = find("TTT4")
    assert isinstance(rule, Rule)
    (found,) = ask(rule, gather(submission({"train_gpt.py": HEAD + text})))
    assert found.status is Status.OK
    assert found.message.startswith(says)
