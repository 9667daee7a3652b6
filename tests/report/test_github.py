"""Workflow commands: escaped, at most ten of a kind, and nothing else at the start of a line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from auditor.audit import Audit
from auditor.report import render
from auditor.report.github import data, value
from tests.report import samples
from tests.report.samples import DISPUTED, LIKELY, VIOLATION


def test_annotations(several: tuple[Audit, ...], snapshot: SnapshotAssertion) -> None:
    assert render("github", several) == snapshot


@pytest.mark.parametrize("n", [1, 10, 11, 300])
def test_at_most_ten_of_a_kind(n: int) -> None:
    many = [replace(f, message=f"n{i}") for f in (VIOLATION, LIKELY, DISPUTED) for i in range(n)]
    lines = render("github", [samples.audit(*many, coverage=())]).splitlines()
    for kind in ("error", "warning", "notice"):
        said = [line for line in lines if line.startswith(f"::{kind} ")]
        assert len(said) == min(n, 10)
        assert (f"{n - 9} more of this kind" in said[-1]) == (n > 10)


def test_escaping() -> None:
    assert data("50 %\r\n::x") == "50 %25%0D%0A::x"
    assert value("a:b,c%\n") == "a%3Ab%2Cc%25 "


def test_an_unpacked_line_is_told_not_pointed_at(full: Audit) -> None:
    (line,) = [x for x in render("github", [full]).splitlines() if "VAL1-validation" in x]
    assert "train_gpt.py,line=1," in line
    assert "train_gpt.py:412 (unpacked)" in line


def test_nothing_to_audit() -> None:
    assert render("github", []) == "scorefirst: no record folder was found\n"
