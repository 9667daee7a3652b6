"""What a person sees at a terminal, word for word."""

from __future__ import annotations

import re

from syrupy.assertion import SnapshotAssertion

from auditor.audit import Audit
from auditor.report import Options, render
from tests.report import samples
from tests.report.samples import DISPUTED, LIKELY, PASSED, VIOLATION

SGR = re.compile(r"\x1b\[[0-9;]*m")


def test_alarms_in_full(full: Audit, snapshot: SnapshotAssertion) -> None:
    assert render("terminal", [full]) == snapshot


def test_verbose_shows_what_holds_and_what_could_not_be_decided(full: Audit, snapshot: SnapshotAssertion) -> None:
    assert render("terminal", [full], Options(verbose=True)) == snapshot


def test_several_folders_in_a_narrow_terminal(several: tuple[Audit, ...], snapshot: SnapshotAssertion) -> None:
    assert render("terminal", several, Options(width=64)) == snapshot


def test_what_changed_since_last_time() -> None:
    text = render(
        "terminal", [samples.audit(VIOLATION, *PASSED)], Options(previous=(samples.audit(LIKELY, DISPUTED, *PASSED),))
    )
    assert "since last time: 1 new, 2 gone, 0 changed, 0 as before; the verdict was likely" in text


def test_colour_changes_no_word(full: Audit) -> None:
    plain = render("terminal", [full])
    coloured = render("terminal", [full], Options(color=True))
    assert "\x1b" not in plain
    assert "\x1b[1;31mviolation[SIZE1-artifact]\x1b[0m" in coloured
    assert [line.rstrip() for line in SGR.sub("", coloured).split("\n")] == plain.split("\n")


def test_a_command_and_a_quoted_line_stay_in_one_piece(full: Audit) -> None:
    lines = render("terminal", [full], Options(width=50)).split("\n")
    assert f"    = show again: $ {VIOLATION.show_again}" in lines
    assert f"840 | {LIKELY.locations[0].text}" in lines


def test_nothing_to_audit() -> None:
    assert "0 record folders: nothing to audit" in render("terminal", [])
