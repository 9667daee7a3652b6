"""Waivers belong to maintainers, say why, and stay visible."""

from __future__ import annotations

import pytest

from auditor import api, waivers
from auditor.submission.base import UsageError
from rules.finding import Status
from rules.samples.records import record
from tests.support import submission

GOOD = """
[[waiver]]
rule = "PKG2"
folder = "records/track_10min_16mb/*"
reason = "seen by hand"
author = "a-maintainer"
date = "2026-04-02"
"""


def pkg2(text: str, **package: object):  # type: ignore[no-untyped-def]
    s = submission(record(without=("submission.json",)), **package)  # type: ignore[arg-type]
    found = api.audit_submission(s, waivers=waivers.parse(text, "w.toml"), only=frozenset({"PKG2"}))
    return found, found.findings[0]


def test_a_waived_finding_stays_and_no_longer_counts() -> None:
    audit, finding = pkg2(GOOD)
    assert finding.status is Status.VIOLATION
    assert finding.waiver == "seen by hand (a-maintainer, 2026-04-02)"
    assert audit.verdict is Status.OK
    assert audit.alarms == ()
    assert [w.rule for w in audit.waivers] == ["PKG2"]


@pytest.mark.parametrize(
    "change",
    [
        ("PKG2", "SIZE1"),
        ("track_10min_16mb", "track_other"),
        ('date = "2026-04-02"', 'date = "2026-04-02"\npr = 12'),
        ('date = "2026-04-02"', 'date = "2026-04-02"\nexpires = "2026-04-03"'),
    ],
)
def test_a_waiver_for_something_else_does_nothing(change: tuple[str, str]) -> None:
    audit, finding = pkg2(GOOD.replace(*change))
    assert finding.waiver == ""
    assert audit.verdict is Status.VIOLATION
    assert audit.waivers == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[waiver]]\nrule = 'X'\n", "reason"),
        (GOOD.replace("reason", "raison"), "reason"),
        (GOOD + "colour = 'red'\n", "colour"),
        (GOOD.replace("2026-04-02", "April"), "dates"),
        ("not toml", "TOML"),
        ("waiver = 3", "waiver"),
        ("waiver = [1, 2]", "entries"),
        ("x = " + "[" * 5000 + "]" * 5000, "nested"),
        (GOOD.replace('"seen by hand"', '["seen"]'), "text as reason"),
        (GOOD.replace('"PKG2"', "2"), "text as rule"),
        (GOOD + "pr = true\n", "number as pr"),
    ],
)
def test_a_wrong_waiver_file_is_one_clear_error(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as e:
        waivers.parse(text, "w.toml")
    assert "w.toml" in str(e.value)
