"""Verdicts in plain words, and how loud each finding is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auditor.report import words
from rules.finding import Finding, Severity, Status
from tests.report import samples
from tests.report.samples import DISPUTED, LIKELY, NEEDS_HUMAN, PASSED, UNDECIDED, VIOLATION, WAIVED


@pytest.mark.parametrize(
    ("findings", "sentence"),
    [
        ((VIOLATION, LIKELY), "Breaks 1 rule, on decisive evidence."),
        (
            (VIOLATION, replace(VIOLATION, rule="X"), replace(VIOLATION, rule="X")),
            "Breaks 2 rules, on decisive evidence.",
        ),
        ((LIKELY, DISPUTED), "Probably breaks 1 rule: strong evidence, but not decisive."),
        ((NEEDS_HUMAN,), "A person must look: 1 rule cannot be decided by a program."),
        ((DISPUTED, replace(DISPUTED, rule="X")), "2 rules rest on an open dispute; no violation was found."),
        (
            (DISPUTED, *UNDECIDED),
            "1 rule rests on an open dispute; no violation was found, and 2 rules could not be decided.",
        ),
        ((*UNDECIDED, *PASSED), "No alarm in what was looked at; 2 rules could not be decided."),
        (PASSED, "No alarm: 2 rules looked at, all hold."),
        ((WAIVED, *PASSED), "No alarm: 2 rules looked at, all hold."),
    ],
)
def test_headlines(findings: tuple[Finding, ...], sentence: str) -> None:
    assert words.headline(samples.audit(*findings)) == sentence


def test_headline_of_several() -> None:
    bad, good, odd = samples.audit(VIOLATION), samples.clean(), samples.undecided()
    assert words.headline_of_all([good, bad, odd]) == "1 of 3 record folders breaks a rule, on decisive evidence."
    assert words.headline_of_all([bad, bad]) == "2 of 2 record folders break a rule, on decisive evidence."
    assert words.headline_of_all([good, odd]) == "No alarm; in 1 of 2 record folders some rules could not be decided."
    assert words.headline_of_all([good]) == "No alarm in the record folder."
    assert words.headline_of_all([]) == "No record folder was found."


def test_tally_leaves_waived_ones_apart() -> None:
    assert words.tally(samples.audit(VIOLATION, WAIVED, *PASSED)) == "1 violation, 2 ok, 1 waived"


@pytest.mark.parametrize(
    ("status", "severity", "level"),
    [
        (Status.VIOLATION, Severity.FATAL, "error"),
        (Status.VIOLATION, Severity.ELIGIBILITY, "error"),
        (Status.VIOLATION, Severity.PACKAGING, "warning"),
        (Status.VIOLATION, Severity.ADVISORY, "note"),
        (Status.LIKELY, Severity.FATAL, "warning"),
        (Status.LIKELY, Severity.PACKAGING, "note"),
        (Status.NEEDS_HUMAN, Severity.FATAL, "warning"),
        (Status.DISPUTED, Severity.FATAL, "note"),
    ],
)
def test_only_a_grave_violation_is_an_error(status: Status, severity: Severity, level: str) -> None:
    assert words.level(Finding("X", status, severity, "m")) == level


def test_what_the_law_does_not_know_is_shown_by_its_id() -> None:
    assert words.dispute("D-99") is None
    assert words.dispute("d-06") is samples.DISPUTES[0]
    assert words.title("GONE1-rule") == "GONE1-rule"
    assert words.title("SIZE1-artifact").startswith("Code and model")
