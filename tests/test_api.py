"""What the one way in promises: commands that work, the law of a day, nothing lost to a bad file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from auditor import api
from auditor.submission import Target
from rules.evidence import Package
from rules.finding import Status
from rules.samples.records import record
from tests.submission.repos import Clone
from tests.support import submission

GOOD = (1.0900, 1.0904, 1.0908)
MINE = "records/track_10min_16mb/2026-03-24_Mine"


@pytest.mark.parametrize(
    ("source", "folder", "path"),
    [
        ("/x/records/t/Mine", "records/t/Mine", "/x/records/t/Mine"),
        ("examples/records", "records/t/Mine", "examples/records/t/Mine"),
        ("repo", "records/t/Mine", "repo/records/t/Mine"),
        (".", "records/t/Mine", "records/t/Mine"),
        ("/x/Mine", "Mine", "/x/Mine"),
    ],
)
def test_the_path_of_a_folder_can_be_typed(source: str, folder: str, path: str) -> None:
    assert api.on_disk(Package(folder, source=source)) == path


@pytest.mark.parametrize("named", ["", "records", "records/track_10min_16mb", MINE])
def test_show_again_shows_the_line_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    (tmp_path / MINE).mkdir(parents=True)
    for name, text in record(GOOD, model=16_300_000).items():
        (tmp_path / MINE / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    (audit,) = api.audit(Target(path=tmp_path / named), only=frozenset({"SIZE1"}))
    shown = subprocess.run(audit.findings[0].show_again, shell=True, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == audit.findings[0].locations[0].text.strip()
    assert "16300861" in shown.stdout


def test_show_again_shows_the_line_in_a_clone(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "c.git")
    clone.commit("main", {"README.md": "x\n"})
    clone.pull(7, {f"{MINE}/{n}": t for n, t in record(GOOD, model=16_300_000).items()})
    (audit,) = api.audit(Target(repo=clone.path, pr=7), only=frozenset({"SIZE1"}))
    command = audit.findings[0].show_again
    shown = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, cwd=clone.path)
    assert "16300861" in shown.stdout


def test_own_edition_is_the_law_of_the_day() -> None:
    early = api.audit_submission(submission(record(GOOD), date="2026-03-19T10:00:00+00:00"), law="own")
    assert early.edition == "2026-03-18"
    before = api.audit_submission(submission(record(GOOD), date="2026-03-11T10:00:00+00:00"), law="own")
    assert before.edition == "2026-05-02"
    assert any(g.what == "edition" for g in before.coverage)


def test_the_lower_hurdle_belongs_to_its_edition() -> None:
    s = submission(record((1.1190, 1.1192, 1.1188)))
    only = frozenset({"STAT1"})
    now, then = (api.audit_submission(s, law=law, only=only).findings[0] for law in ("latest", "2026-03-28"))
    assert (now.status, then.status) == (Status.DISPUTED, Status.NEEDS_HUMAN)
    assert "p < 0.25" in now.message
    assert "p < 0.25" not in then.message


def test_a_bad_file_costs_only_itself() -> None:
    files: dict[str, str | bytes] = {
        **record(GOOD, model=16_300_000),
        "README.md": b"\xff\xfe\x00broken",
        "submission.json": b"{",
    }
    audit = api.audit_submission(submission(files))
    found = {f.rule.split("-")[0]: f.status for f in audit.findings if f.status.is_alarm}
    assert found["SIZE1"] is Status.VIOLATION
    assert found["PKG2"] is Status.LIKELY
    assert not [g for g in audit.coverage if "crashed" in g.why]


def test_files_that_were_read_are_named() -> None:
    audit = api.audit_submission(submission(record(GOOD)))
    assert {"train_gpt.py", "README.md", "submission.json", "train_seed42.log"} <= set(audit.submission.files_read)
