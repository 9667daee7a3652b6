"""What the rules make of a run: book and probes together convict, neither does alone, and nothing here says ok."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules import c1_strict_causal as c1
from rules import c2_normalized as c2
from rules import c3_score_before_update as c3
from rules import judge
from rules import ttt1_no_pre_eval_training as ttt1
from rules.editions import LATEST
from rules.evidence import Evidence, Package
from rules.finding import Finding, Severity, Status
from rules.place import Location
from rules.trace import UNKNOWN, Changed, Early, Gate, How, Printed, Probe, Sum, Trace

FIRST = Early(How.TRAINED, 90, 100, 1, 90, Location("train_gpt.py", 50), Location("train_gpt.py", 40))
INSIDE = replace(FIRST, during=True)
COUNTED = replace(FIRST, how=How.COUNTED)
STAYED = Probe(Changed.FUTURE, 61, 60)
MOVED = Probe(Changed.FUTURE, 61, 60, 59, 0.25, 1, 60)
NOISY = replace(MOVED, noise=0.2)
SILENT = Probe(Changed.FUTURE, 61, 0, problem="the changed run did not come to this number")
CHECKS = {"TTT1": ttt1.order_in_run, "C3": c3.order_in_run, "C1": c1.scores_in_run}


def said(early: tuple[Early, ...], *probes: Probe) -> dict[str, list[Finding]]:
    number = Printed("final val_bpb:1.2", 1.2, "bits per byte", 100, Location("train_gpt.py", 40))
    run = Trace("train_gpt.py", "bubblewrap", "exit code 0", printed=(number,), headline=0, early=early, probes=probes)
    e = Evidence(Package("x"), trace=run)
    found = {rule: list(check(e, LATEST)) for rule, check in CHECKS.items()}
    return {rule: fs for rule, fs in found.items() if fs}


@pytest.mark.parametrize(("early", "rule"), [(FIRST, "TTT1"), (INSIDE, "C3"), (COUNTED, "C3")])
def test_tokens_used_first_and_scores_that_knew_of_them(early: Early, rule: str) -> None:
    [(name, [finding])] = said((early,), STAYED, MOVED).items()
    assert (name, finding.status) == (rule, Status.VIOLATION)
    assert [at.line for at in finding.locations] == [50, 40]
    assert "59 of 60 scores" in finding.message
    assert "0.25 nats" in finding.message


@pytest.mark.parametrize("early", [FIRST, INSIDE, COUNTED])
def test_tokens_used_first_without_effect_accuse_nobody(early: Early) -> None:
    assert said((early,), STAYED, STAYED) == {}


@pytest.mark.parametrize("probes", [(), (SILENT,), (STAYED, SILENT), (NOISY, SILENT)])
def test_where_no_probe_could_tell_it_is_likely(probes: tuple[Probe, ...]) -> None:
    [(name, [finding])] = said((FIRST,), *probes).items()
    assert (name, finding.status) == ("TTT1", Status.LIKELY)


def test_scores_that_knew_of_later_tokens_without_an_update() -> None:
    [(name, [finding])] = said((), STAYED, MOVED).items()
    assert (name, finding.status) == ("C1", Status.VIOLATION)


@pytest.mark.parametrize("probes", [(), (STAYED, STAYED), (NOISY, NOISY), (SILENT, SILENT)])
def test_a_clean_small_run_proves_nothing(probes: tuple[Probe, ...]) -> None:
    assert said((), *probes) == {}


def test_no_run_says_nothing() -> None:
    assert [list(check(Evidence(Package("x")), LATEST)) for check in CHECKS.values()] == [[], [], []]


SOURCE = Finding("C3-x", Status.LIKELY, Severity.FATAL, "read in the code", (Location("train_gpt.py", 50),))


@pytest.mark.parametrize(("line", "facts"), [(50, 1), (40, 0)])
def test_a_finding_in_code_that_did_not_run_says_so_and_stays(line: int, facts: int) -> None:
    gate = Gate(Location("train_gpt.py", 48), "n > 9", "size", "trains", "at least 10 in n", (), 49, 51)
    run = Trace(
        "train_gpt.py",
        "bubblewrap",
        "exit code 0",
        watched=("train_gpt.py",),
        unrun=("train_gpt.py:49-51",),
        gates=(gate,),
    )
    found = judge._not_run(replace(SOURCE, locations=(Location("train_gpt.py", line),)), run)
    assert (found.status, found.message) == (SOURCE.status, SOURCE.message)
    assert [f.value for f in found.evidence] == [
        "the small run did not come to this line; it would take at least 10 in n"
    ] * facts


def test_a_file_that_nobody_watched_says_nothing() -> None:
    run = Trace("train_gpt.py", "bubblewrap", "exit code 0", watched=(), unrun=())
    assert judge._not_run(SOURCE, run) == SOURCE


SUM = Sum(at=700, asked=383, of=383, total=1.4, estimate=1.4, error=0.0, score=3.0, confirmed=2)


@pytest.mark.parametrize(
    ("s", "status"),
    [
        (SUM, Status.VIOLATION),
        (replace(SUM, asked=90, total=0.6, error=0.05), Status.LIKELY),
        (replace(SUM, asked=90, total=0.6, error=0.2), None),
        (replace(SUM, asked=20, total=0.6, error=UNKNOWN), None),
        (replace(SUM, asked=20, error=UNKNOWN), Status.VIOLATION),
        (replace(SUM, confirmed=0), None),
        (replace(SUM, problem="whole runs give other scores"), None),
        (replace(SUM, total=1.004, estimate=1.004), None),
        (replace(SUM, total=0.3, estimate=0.3), None),
    ],
)
def test_sums_over_the_vocabulary(s: Sum, status: Status | None) -> None:
    number = Printed("final val_bpb:1.2", 1.2, "bits per byte", 100, Location("train_gpt.py", 40))
    run = Trace("train_gpt.py", "bubblewrap", "exit code 0", printed=(number,), headline=0, sums=(s,))
    found = list(c2.sums_in_run(Evidence(Package("x"), trace=run), LATEST))
    assert [f.status for f in found] == ([status] if status else [])


def test_learning_that_changes_nothing_accuses_nobody_and_other_learning_still_does() -> None:
    idle = Probe(Changed.ORDER, 61, 60, at=FIRST.at)
    other = replace(FIRST, at=Location("train_gpt.py", 70))
    found = said((FIRST, other), MOVED, idle)["TTT1"]
    assert [f.locations[0].line for f in found] == [70]
    assert said((FIRST,), MOVED, idle) == {}
    assert said((FIRST,), MOVED, replace(idle, moved=60, most=0.1))["TTT1"][0].status is Status.VIOLATION


def test_losses_that_are_kept_and_added_up_late_accuse_nobody() -> None:
    """Adaptation moves what it came before, but nothing behind a cut does, and the first scores need none of it."""
    late = Probe(Changed.ORDER, 4096, 4095, moved=3000, most=0.5, first=1025, last=4095, at=FIRST.at)
    assert said((FIRST,), STAYED, late) == {}
    assert said((FIRST,), STAYED, replace(late, first=FIRST.first))["TTT1"][0].status is Status.VIOLATION
    assert said((FIRST,), MOVED, late)["TTT1"][0].status is Status.VIOLATION
