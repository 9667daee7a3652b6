"""The gate passes, fails, writes every report, and takes waivers from the base only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from auditor.gate import run_gate
from auditor.submission.base import UsageError
from rules.samples.records import record
from tests.submission.repos import Clone, Content

GOOD = (1.0900, 1.0904, 1.0908)
MINE = "records/track_10min_16mb/2026-03-24_Mine"
WAIVER = """
[[waiver]]
rule = "SIZE1"
reason = "counted by hand"
author = "a-maintainer"
date = "2026-04-02"
"""


def files(**changes: object) -> dict[str, Content]:
    return {f"{MINE}/{name}": text for name, text in record(GOOD, claims={"bytes_total": None}, **changes).items()}  # type: ignore[arg-type]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    c = Clone(tmp_path / "clone.git")
    c.commit("main", {"README.md": "the challenge\n"})
    return c


def gate(clone: Clone, **options: object) -> int:
    return run_gate(clone.path, base="main", ref="topic", waivers=".scorefirst/waivers.toml", **options)  # type: ignore[arg-type]


def test_a_change_without_record_folders_passes(clone: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    clone.commit("topic", {"docs/x.md": "text\n"}, clone.heads["refs/heads/main"])
    assert gate(clone) == 0
    assert "nothing to audit" in capsys.readouterr().out


def test_a_sound_record_passes_and_an_oversize_one_fails(clone: Clone, tmp_path: Path) -> None:
    clone.commit("topic", files(), clone.heads["refs/heads/main"])
    assert gate(clone) == 0
    clone.commit("topic", files(model=16_300_000))
    assert gate(clone, out=tmp_path / "out") == 13
    assert gate(clone, fail_on="fatal") == 0
    audit = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert audit["submission"]["folder"] == MINE
    assert json.loads((tmp_path / "out" / "audit.sarif").read_text())["version"] == "2.1.0"
    assert "SIZE1" in (tmp_path / "out" / "audit.md").read_text()
    assert "<html" in (tmp_path / "out" / "audit.html").read_text()


def test_doubts_never_fail(clone: Clone) -> None:
    clone.commit("topic", files(model=15_990_000, code=60_000), clone.heads["refs/heads/main"])
    assert gate(clone, fail_on="advisory") == 0


def test_a_waiver_counts_on_the_base_and_not_in_the_submission(clone: Clone) -> None:
    waiver: dict[str, Content] = {".scorefirst/waivers.toml": WAIVER}
    clone.commit("topic", files(model=16_300_000) | waiver, clone.heads["refs/heads/main"])
    assert gate(clone) == 13
    clone.commit("main", waiver)
    clone.commit("topic", files(model=16_300_000), clone.heads["refs/heads/main"])
    assert gate(clone) == 0


def test_on_github_it_annotates_and_sums_up(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clone.commit("topic", files(model=16_300_000), clone.heads["refs/heads/main"])
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert gate(clone, pr=7) == 13
    assert f"::error file={MINE}/train_seed1337.log,line=14" in capsys.readouterr().out
    assert "SIZE1-artifact" in (tmp_path / "summary.md").read_text()


def test_a_place_that_cannot_be_written_is_an_error_of_the_call(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.commit("topic", files(), clone.heads["refs/heads/main"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        gate(clone, out=tmp_path / "file")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "file" / "summary.md"))
    with pytest.raises(UsageError, match="cannot write"):
        gate(clone)
