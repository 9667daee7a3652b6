"""What is new, gone and changed between two audits."""

from __future__ import annotations

from dataclasses import replace

from auditor.audit import Audit
from auditor.report.delta import compare, earlier, gone_folders
from rules.finding import Status
from tests.report import samples
from tests.report.samples import DISPUTED, LIKELY, NEEDS_HUMAN, PASSED, VIOLATION


def test_new_gone_changed_unchanged() -> None:
    before = samples.audit(LIKELY, DISPUTED, NEEDS_HUMAN)
    now = samples.audit(VIOLATION, replace(LIKELY, status=Status.DISPUTED), NEEDS_HUMAN)
    d = compare(before, now)
    assert [f.rule for f in d.new] == ["SIZE1-artifact"]
    assert [f.rule for f in d.gone] == ["TIME2-eval"]
    assert [(a.status, b.status) for a, b in d.changed] == [(Status.LIKELY, Status.DISPUTED)]
    assert [f.rule for f in d.unchanged] == ["STAT2-seeds"]
    assert (d.before, d.now) == (Status.LIKELY, Status.VIOLATION)
    assert not d.empty


def test_the_same_audit_gives_nothing(full: Audit) -> None:
    d = compare(full, full)
    assert d.empty
    assert len(d.unchanged) == len(full.alarms)


def test_a_rewritten_line_is_the_same_fault() -> None:
    rewritten = replace(VIOLATION, locations=(replace(VIOLATION.locations[0], text="total 16012999"),))
    d = compare(samples.audit(VIOLATION), samples.audit(rewritten))
    assert len(d.unchanged) == 1
    assert not d.new
    assert not d.gone


def test_two_faults_of_one_rule_are_not_matched_by_guess() -> None:
    other = [replace(VIOLATION, locations=(replace(VIOLATION.locations[0], text=f"line {i}"),)) for i in "ab"]
    d = compare(samples.audit(VIOLATION), samples.audit(*other))
    assert (len(d.new), len(d.gone)) == (2, 1)


def test_a_waiver_takes_the_alarm_away() -> None:
    d = compare(samples.audit(VIOLATION, *PASSED), samples.audit(replace(VIOLATION, waiver="let pass"), *PASSED))
    assert [f.rule for f in d.gone] == ["SIZE1-artifact"]


def test_folders_are_matched_by_name_and_a_rename_by_pull_request() -> None:
    old = samples.audit(VIOLATION, folder="records/track_10min_16mb/old")
    new = samples.audit(VIOLATION, folder="records/track_10min_16mb/new")
    other = samples.audit(VIOLATION, folder="records/track_10min_16mb/new", pr=99)
    absolute = samples.audit(VIOLATION, folder="/tmp/golf/records/track_10min_16mb/old")
    assert list(earlier([absolute], [old])) == [(absolute, old)]
    assert list(earlier([new], [old])) == [(new, old)]
    assert list(earlier([other], [old])) == [(other, None)]
    assert gone_folders([other], [old]) == (old,)
    assert gone_folders([new], [old]) == ()
