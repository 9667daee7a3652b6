"""Every example that claims can decide, through the whole auditor: files in, finding out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from auditor.gather import gather
from auditor.submission.base import Submission
from rules.evidence import Evidence, FileKind
from rules.finding import Finding, Status
from rules.judge import ask, judge
from rules.registry import all_disputes, all_rules, examples, find
from rules.rule import Dispute, Example, Rule
from rules.samples.records import record
from tests.support import submission

CASES = [
    pytest.param(entry, valid, example, id=f"{entry.id}-{'valid' if valid else 'invalid'}-{example.name}")
    for entry in (*all_rules(), *all_disputes())
    for valid, example in examples(entry)
    if example.stage in ("claims", "package", "source")
]


@pytest.mark.parametrize(("entry", "valid", "example"), CASES)
def test_example(entry: Rule | Dispute, valid: bool, example: Example) -> None:
    evidence = gather(submission(example.files, example.track, example.date, example.outside))
    assert not [g for g in evidence.gaps if "crashed" in g.why]
    findings = list(answers(entry, evidence))
    said = "\n".join(f"{f.rule} {f.status}: {f.message} {f.evidence}" for f in findings)
    if isinstance(entry, Dispute):
        assert [f for f in findings if f.status is example.status and example.dispute in f.disputes], said
        return
    worst = min(findings, key=lambda f: f.status.rank)
    assert worst.status is example.status, said
    if example.dispute:
        assert any(example.dispute in f.disputes for f in findings if f.status is worst.status), said
    if not valid and worst.status.is_alarm:
        assert worst.evidence, "an alarm rests on evidence"


def answers(entry: Rule | Dispute, evidence: Evidence) -> Iterator[Finding]:
    """What a rule says, or what all the rules say that a dispute touches."""
    rules = [entry] if isinstance(entry, Rule) else [r for name in entry.rules if isinstance(r := find(name), Rule)]
    for rule in rules:
        yield from ask(rule, evidence)


def test_there_are_examples_for_each_rule_that_claims_decide() -> None:
    decided = {r.id for r in all_rules() if r.checks}
    covered = {p.values[0].id for p in CASES}
    assert decided <= covered
    assert len(decided) >= 20


def test_a_crashed_stage_accuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("broken reader")

    for name in ("read_claims", "read_scripts"):
        with monkeypatch.context() as m:
            m.setattr(f"auditor.gather.{name}", crash)
            evidence = gather(submission(record((1.0900, 1.0904, 1.0908))))
        assert any("broken reader" in g.why for g in evidence.gaps)
        assert not [f for f in judge(evidence) if f.status.is_alarm]


def test_a_log_that_the_clone_lacks_is_not_called_missing() -> None:
    whole = submission(record((1.0900,)))
    lost = tuple(replace(f, kind=FileKind.ABSENT) if f.path.endswith(".log") else f for f in whole.package.files)
    evidence = gather(Submission(replace(whole.package, files=lost), whole.read))
    (finding,) = ask(find("PKG2"), evidence)  # type: ignore[arg-type]
    assert finding.status is Status.UNVERIFIABLE
    assert "train_seed1337.log" in finding.message
