"""A finding keeps its name while lines move, and another finding never shares it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.report.fingerprint import fingerprint, named
from rules.evidence import Location
from rules.finding import Fact, Finding, Severity, Status
from tests.report import samples
from tests.report.samples import FOLDER, VIOLATION

NAME = fingerprint(VIOLATION, FOLDER)


def moved(f: Finding, by: int) -> Finding:
    places = tuple(replace(p, line=(p.line or 0) + by) for p in f.locations)
    facts = tuple(replace(e, at=replace(e.at, line=(e.at.line or 0) + by)) if e.at else e for e in f.evidence)
    return replace(f, locations=places, evidence=facts)


@given(st.integers(0, 10_000))
def test_line_moves_change_nothing(by: int) -> None:
    assert fingerprint(moved(VIOLATION, by), FOLDER) == NAME


@pytest.mark.parametrize(
    "same",
    [
        replace(VIOLATION, status=Status.LIKELY),
        replace(VIOLATION, severity=Severity.FATAL),
        replace(VIOLATION, show_again="another command"),
        replace(VIOLATION, waiver="let pass"),
        replace(VIOLATION, message=VIOLATION.message.replace("16,012,345", "16,099,999")),
        replace(VIOLATION, locations=VIOLATION.locations[:1]),
        replace(VIOLATION, locations=(replace(VIOLATION.locations[0], text="  " + VIOLATION.locations[0].text),)),
    ],
)
def test_kept(same: Finding) -> None:
    assert fingerprint(same, FOLDER) == NAME


@pytest.mark.parametrize(
    "other",
    [
        replace(VIOLATION, rule="SIZE2-code"),
        replace(VIOLATION, message="another sentence"),
        replace(VIOLATION, evidence=(Fact("another label", "1"),)),
        replace(VIOLATION, locations=(replace(VIOLATION.locations[0], text="another line"),)),
        replace(VIOLATION, locations=(replace(VIOLATION.locations[0], file="another.log"),)),
        replace(VIOLATION, locations=()),
    ],
)
def test_told_apart(other: Finding) -> None:
    assert fingerprint(other, FOLDER) != NAME


def test_folder_counts_but_not_how_it_was_named() -> None:
    assert fingerprint(VIOLATION, f"/home/kim/golf/{FOLDER}/") == NAME
    assert fingerprint(VIOLATION, FOLDER + "b") != NAME


def test_repeated_findings_are_numbered() -> None:
    twin = Finding("C1-causal", Status.LIKELY, Severity.FATAL, "seen at 12", (Location("a.py", 3, "x = y"),))
    audit = samples.audit(twin, moved(twin, 5), VIOLATION)
    names = [n for n, _ in named(audit)]
    assert names[1] == names[0] + "-2"
    assert len(set(names)) == 3


def test_a_name_given_by_the_auditor_is_kept() -> None:
    audit = samples.audit()
    kept = replace(audit, findings=(replace(VIOLATION, fingerprint="given"),))
    assert [n for n, _ in named(kept)] == ["given"]
