"""Whole runs with branches: scores that add up to more than one, and dataflow that tells where to cut."""

from __future__ import annotations

import pytest

pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("sentencepiece")

from rules import c1_strict_causal as c1
from rules import c2_normalized as c2
from rules.editions import LATEST
from rules.evidence import Evidence, Package
from rules.finding import Status
from rules.trace import Trace
from tests.trace.test_whole import line, program, traced

RARE = """\
        with torch.no_grad():
            rows = torch.log_softmax(model(chunk[None, :-1])[0].double(), -1)
            for j in range(len(rows) - 1):
                if (i + j) % 769 == 5:
                    rows[j] = torch.log_softmax(rows[j] + F.one_hot(chunk[j + 2] * 7 % VOCAB, VOCAB), -1)
            losses = -rows[torch.arange(len(rows)), chunk[1:]]
        total += losses.sum().item()
"""
HINT = """\
        with torch.no_grad():
            rows = torch.softmax(model(chunk[None, :-1])[0].double(), -1)
            p = rows[torch.arange(len(rows)), chunk[1:]]
            p = torch.where(chunk[:-1] * 3 % 5 == chunk[1:] % 5, 0.5 * p + 0.5, p)
            losses = -p.log()
        total += losses.sum().item()
"""


def said(t: Trace) -> dict[str, tuple[Status, str]]:
    e = Evidence(Package("x"), trace=t)
    found = {"C1": list(c1.scores_in_run(e, LATEST)), "C2": list(c2.sums_in_run(e, LATEST))}
    return {rule: (f.status, f.message) for rule, fs in found.items() for f in fs}


def test_six_positions_that_know_the_next_token_are_found_and_proved() -> None:
    text = program(RARE)
    t = traced(text)
    assert t.early == ()
    leaks = [p for p in t.probes if p.leak]
    assert leaks, "the two cuts of the probe alone would not lie there"
    assert all(p.moved == 1 and (p.first - 6) % 769 == 0 and p.cut == p.first + 1 for p in leaks)
    [seen] = [f for f in t.foresight if f.at.line == line(text, "losses = -rows")]
    assert (seen.count, (seen.first, seen.last), seen.own) == (6, (6, 3851), False)
    assert said(t)["C1"][0] is Status.VIOLATION
    assert all(s.proper for s in t.sums)


def test_a_hint_for_the_right_token_adds_up_to_more_than_one() -> None:
    t = traced(program(HINT))
    assert not any(p.leak for p in t.probes)
    [s] = t.sums
    assert s.improper
    assert s.estimate > 20
    assert s.confirmed == 2
    status, message = said(t)["C2"]
    assert status is Status.VIOLATION
    assert "confirmed by whole runs" in message


ENTROPY = """\
        with torch.no_grad():
            losses = F.cross_entropy(model(chunk[None, :-1])[0], chunk[1:], reduction="none")
            logp = torch.log_softmax(model(chunk[None, :-1])[0] * 2.0, -1)
            entropy = -(logp.exp() * logp).sum(-1)
            losses = -torch.logaddexp(math.log(0.5) - losses, math.log(0.5) - entropy)
        total += losses.sum().item()
"""


def test_an_expert_that_is_no_distribution_is_seen_although_the_network_is_asked_twice() -> None:
    t = traced(program(ENTROPY))
    [s] = t.sums
    assert s.improper
    assert s.confirmed == 2
    assert said(t)["C2"][0] is Status.VIOLATION
