"""Losses that are cut by how large they are, and parts of the split, each beside what looks like it and is honest."""

from __future__ import annotations

import pytest

from auditor.gather import gather
from rules.finding import Status
from rules.judge import judge
from rules.samples.programs import program
from tests.support import submission

EVALUATE = """
import itertools
import random


def evaluate(model, v, seq=1024):
    total, n = 0.0, v.numel() - 1
    with torch.no_grad():
        for at in range(0, n, seq):
            x, y = v[at : at + seq], v[at + 1 : at + seq + 1]
            nll = F.cross_entropy(model(x[: y.numel()]), y, reduction="none")
            pass
            total += nll.sum().item()
    return total
"""
WINDOWS = "range(0, n, seq)"


def said(body: str) -> dict[str, Status]:
    """The status of the rules on whole distributions and on the whole split."""
    e = gather(submission({"train_gpt.py": program(body)}))
    assert e.program is not None
    assert e.program.finished
    bad = (Status.VIOLATION, Status.LIKELY, Status.NEEDS_HUMAN)
    return {f.rule.split("-")[0]: f.status for f in judge(e, only=frozenset(("C2", "EVAL1"))) if f.status in bad}


def with_line(line: str) -> dict[str, Status]:
    return said(EVALUATE.replace("            pass\n", f"            {line}\n"))


def over(windows: str) -> dict[str, Status]:
    return said(EVALUATE.replace(WINDOWS, windows))


@pytest.mark.parametrize(
    "line",
    [
        "nll = nll.clamp(max=9.0)",
        "nll.clamp_(max=9.0)",
        "nll = torch.clamp(nll, 0.0, 9.0)",
        "nll = torch.minimum(nll, torch.full_like(nll, 9.0))",
        "nll = torch.where(nll > 9.0, torch.full_like(nll, 9.0), nll)",
        "nll[nll > 9.0] = 9.0",
        "nll = nll.masked_fill(nll > 9.0, 9.0)",
        "nll = -torch.exp(-nll).clamp_min(1e-3).log()",
    ],
)
def test_capped(line: str) -> None:
    assert with_line(line) == {"C2": Status.LIKELY}


@pytest.mark.parametrize(
    "line",
    [
        "nll = nll[nll < 9.0]",
        "nll = nll * (nll < 9.0).float()",
        "nll = nll.masked_select(nll < 9.0)",
        "nll = nll[nll <= nll.quantile(0.95)]",
        "nll = nll.sort()[0][:-10]",
        "nll = nll.topk(900, largest=False).values",
        "nll = nll.median() * nll.numel()",
        "if nll.mean().item() > 5.0: continue",
        "if random.random() < 0.5: continue",
        "if (at // seq) % 2: continue",
        "if at >= 100 * seq: break",
    ],
)
def test_left_out(line: str) -> None:
    assert with_line(line)["EVAL1"] in (Status.LIKELY, Status.NEEDS_HUMAN)


@pytest.mark.parametrize(
    "line",
    [
        'print("capped", nll.clamp(max=9.0).mean().item(), nll.median().item())',
        "nll = nll.clamp(min=0.0)",
        "nll = nll.clamp(max=50.0)",
        "nll = torch.nan_to_num(nll)",
        "nll = nll[torch.isfinite(nll)]",
        "nll = nll[y >= 0]",
        "nll = -torch.exp(-nll).clamp_min(1e-12).log()",
        'print("perplexity", math.exp(min(nll.mean().item(), 10.0)))',
        "if (at // seq) % 100 == 0: print(total)",
        "if at + 1 >= n: break",
    ],
)
def test_not_cut(line: str) -> None:
    assert not with_line(line)


@pytest.mark.parametrize(
    "windows",
    [
        "range(0, n // 2, seq)",
        "range(0, n, 2 * seq)",
        "range(0, min(n, 1_000_000), seq)",
        "list(range(0, n, seq))[:500]",
        "itertools.islice(range(0, n, seq), 500)",
        "random.sample(range(0, n, seq), 500)",
        "(torch.randperm(n // seq)[:500] * seq).tolist()",
    ],
)
def test_part_of_the_split(windows: str) -> None:
    assert over(windows) == {"EVAL1": Status.LIKELY}


@pytest.mark.parametrize(
    "windows",
    [
        "range(0, n - n % seq, seq)",
        "list(range(0, n, seq))",
        "(torch.randperm(n // seq) * seq).tolist()",
        "range(torch.distributed.get_rank() * seq, n, 8 * seq)",
        "range(0, n // 8, seq)",
    ],
)
def test_whole_split(windows: str) -> None:
    assert not over(windows)


ROWS = """
def evaluate(model, v, seq=1024, batch=64):
    total, n = 0.0, (v.numel() - 1) // seq
    xs, ys = v[: n * seq].view(n, seq), v[1 : n * seq + 1].view(n, seq)
    with torch.no_grad():
        for at in range(0, n, batch):
            y = ys[at : at + batch].reshape(-1)
            total += F.cross_entropy(model(xs[at : at + batch].reshape(-1)), y, reduction="sum").item()
    return total
"""


def test_rows_are_no_tokens() -> None:
    assert not said(ROWS)


SCORE_FIRST = """
def evaluate(model, v, chunk=32768):
    total, n = 0.0, v.numel() - 1
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for c in range((n + chunk - 1) // chunk):
        low, high = c * chunk, min((c + 1) * chunk, n)
        nll = F.cross_entropy(model(v[low:high]), v[low + 1 : high + 1], reduction="none")
        total += nll.detach().sum().item()
        if c % 4 or nll.mean().item() < 2.0:
            continue
        optimizer.zero_grad()
        nll[nll > nll.median()].clamp(max=6.0).mean().backward()
        optimizer.step()
    return total
"""


def test_losses_that_are_cut_to_learn_from() -> None:
    assert not said(SCORE_FIRST)
