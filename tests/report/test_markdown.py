"""The comment: it is found again, the verdict comes first, and it always fits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from auditor.audit import Audit
from auditor.report import Options, render
from auditor.report.markdown import LIMIT, MARKER
from rules.evidence import Location
from rules.finding import Fact
from tests.report import samples
from tests.report.samples import DISPUTED, LIKELY, NEEDS_HUMAN, PASSED, VIOLATION

REPO = "https://github.com/openai/parameter-golf"


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_one_folder(full: Audit, snapshot: SnapshotAssertion) -> None:
    assert render("md", [full]) == snapshot


def test_several_folders_with_links_and_a_delta(several: tuple[Audit, ...], snapshot: SnapshotAssertion) -> None:
    before = (samples.audit(LIKELY, NEEDS_HUMAN, replace(DISPUTED, status=VIOLATION.status)),)
    options = Options(
        verbose=True, previous=before, repo_url=REPO, dispute_url="https://e.example/new?rule={rule}&id={fingerprint}"
    )
    assert render("md", several, options) == snapshot


def test_marker_first_then_verdict_then_delta_then_table(full: Audit) -> None:
    text = render("md", [full], Options(previous=(samples.audit(*PASSED),)))
    places = [text.index(x) for x in (MARKER, "## 🔴 Violation", "### Since the last audit", "| | rule |", "<details>")]
    assert places == sorted(places)
    assert places[0] == 0


def test_no_dispute_link_unless_an_address_is_given(full: Audit) -> None:
    assert "Object to this finding" not in render("md", [full])
    assert "Object to this finding" in render("md", [full], Options(dispute_url="https://e.example/new"))
    assert "Object to this finding" not in render("md", [full], Options(dispute_url="javascript:alert(1)"))


def test_an_unchanged_audit_says_so(full: Audit) -> None:
    assert "- nothing changed: 5 alarms as before" in render("md", [full], Options(previous=(full,)))


@pytest.mark.parametrize("letter", ["a", "|", "🙂", "<", "`"])
def test_a_comment_always_fits_and_says_what_is_missing(letter: str) -> None:
    facts = tuple(Fact(f"fact {i}", letter * 380, Location("a.log", i + 1)) for i in range(20))
    many = [
        replace(
            VIOLATION,
            message=f"{i}: " + letter * 900,
            evidence=facts,
            locations=(Location(f"{i}.log", 3, letter * 230),),
        )
        for i in range(60)
    ]
    text = render("md", [samples.audit(*many)], Options(repo_url=REPO))
    assert units(text) <= LIMIT
    assert "folded sections were left out" in text or "The list above is cut" in text
    assert text.count("<details>") == text.count("</details>")
    assert "Only 🔴 accuses" in text


def test_hundreds_of_folders_fit() -> None:
    many = [
        samples.audit(*samples.PASSED, VIOLATION, folder=f"records/track_10min_16mb/2026-04-20_{i:04}")
        for i in range(400)
    ]
    text = render("md", many, Options(previous=tuple(many[:200])))
    assert units(text) <= LIMIT
    assert "400 of 400 record folders break a rule" in text


def test_both_sides_of_a_dispute(full: Audit) -> None:
    text = render("md", [full])
    assert "- one side: All work done at evaluation counts." in text
    assert "- the other: Only the final scored function counts" in text


def test_nothing_to_audit() -> None:
    text = render("md", [])
    assert text.startswith(MARKER)
    assert "No record folder was found." in text
