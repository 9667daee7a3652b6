"""A sweep accounts for every head, survives a kill at any byte, and never crashes on one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest

from auditor import sweep
from auditor.report.json_ import schema
from auditor.submission.base import UsageError
from rules.samples.records import record
from tests.submission.repos import Clone, Content

HEADS = 12


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    c = Clone(tmp_path_factory.mktemp("sweep") / "clone.git")
    c.commit("main", {"README.md": "the challenge\n"})
    for n in range(1, HEADS + 1):
        at = f"records/track_10min_16mb/2026-03-24_Number{n}"
        mine: dict[str, Content] = {f"{at}/{name}": text for name, text in record().items()}
        c.pull(
            n,
            {"docs/only.md": "text\n"}
            if n == 3
            else mine | {f"{at}/submission.json": b"\xff\x00{"}
            if n == 5
            else mine,
        )
    return c


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def prs(out: Path) -> list[object]:
    return sorted(entry["pr"] for entry in lines(out))  # type: ignore[type-var]


def test_every_head_has_a_valid_line(clone: Clone, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.run_sweep(clone.path, tmp_path / "out", jobs=1)
    found = lines(tmp_path / "out")
    assert prs(tmp_path / "out") == list(range(1, HEADS + 1))
    item = schema()["anyOf"][0]
    check = jsonschema.Draft202012Validator({"$defs": schema()["$defs"], **item})
    for entry in found:
        check.validate(entry)
    assert next(e for e in found if e["pr"] == 3)["findings"] == []
    first = next(e for e in found if e["pr"] == 1)
    assert first["has"] == {"logs": 3, "json": True, "claim": True, "script": True, "packed": False}
    assert "crashes: 0" in capsys.readouterr().out
    assert "PKG2-required-files" in (tmp_path / "out" / "summary.md").read_text()


def test_processes_give_what_one_process_gives(clone: Clone, tmp_path: Path) -> None:
    sweep.run_sweep(clone.path, tmp_path / "one", jobs=1, prs="1-9")
    sweep.run_sweep(clone.path, tmp_path / "two", jobs=2, prs="1-9")
    key = lambda e: e["pr"]  # noqa: E731
    assert sorted(lines(tmp_path / "one"), key=key) == sorted(lines(tmp_path / "two"), key=key)  # type: ignore[arg-type]


def test_a_file_cut_anywhere_is_resumed_without_loss_or_double(clone: Clone, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    sweep.run_sweep(clone.path, whole, jobs=1, prs="1-6")
    data = (whole / "results.jsonl").read_bytes()
    cut = tmp_path / "cut"
    cut.mkdir()
    for at in (0, 1, 500, len(data) // 2, data.index(b"\n") + 1, len(data) - 1):
        (cut / "results.jsonl").write_bytes(data[:at])
        sweep.run_sweep(clone.path, cut, jobs=1, prs="1-6")
        assert prs(cut) == list(range(1, 7)), at


def test_a_killed_sweep_goes_on(clone: Clone, tmp_path: Path) -> None:
    call = [sys.executable, "-m", "auditor.cli", "sweep", "--repo", str(clone.path), "-o", str(tmp_path), "-j", "1"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(call, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    results = tmp_path / "results.jsonl"
    deadline = time.monotonic() + 60
    while not (results.exists() and results.stat().st_size) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert results.stat().st_size > 0
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=True)
    assert prs(tmp_path) == list(range(1, HEADS + 1))
    assert "crashes: 0" in done.stdout


def test_a_moved_head_is_done_again(clone: Clone, tmp_path: Path) -> None:
    sweep.run_sweep(clone.path, tmp_path, jobs=1, prs="1,2")
    done, cut = sweep.resume(tmp_path / "results.jsonl")
    assert len(done) == len(cut) == 1  # the last one is never trusted
    assert (1, "0" * 40) not in done


def test_a_crash_in_one_head_is_a_line_not_the_end(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("auditor.api.audit_submission", crash)
    sweep.run_sweep(clone.path, tmp_path, jobs=1, prs="1")
    assert "crashes: 1" in capsys.readouterr().out
    assert "boom" in json.dumps(lines(tmp_path))


def test_a_smaller_range_loses_nothing(clone: Clone, tmp_path: Path) -> None:
    sweep.run_sweep(clone.path, tmp_path, jobs=1, prs="1-6")
    sweep.run_sweep(clone.path, tmp_path, jobs=1, prs="1-2")
    assert prs(tmp_path) == list(range(1, 7))


def test_ranges() -> None:
    assert sweep.parse_range("1-3,7") == {1, 2, 3, 7}
    for wrong in ("", "x", "3-1", "1-", "1,,2"):
        with pytest.raises(UsageError, match="--prs"):
            sweep.parse_range(wrong)


def test_wrong_calls(clone: Clone, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="local or dask"):
        sweep.run_sweep(clone.path, tmp_path, engine="slurm")
    with pytest.raises(UsageError, match="refs/pull"):
        sweep.run_sweep(clone.path, tmp_path, prs="900-901")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        sweep.run_sweep(clone.path, tmp_path / "file", prs="1")


def test_a_file_that_is_no_result_is_left_alone(clone: Clone, tmp_path: Path) -> None:
    (tmp_path / sweep.RESULTS).write_text("notes\n")
    with pytest.raises(UsageError, match="--fresh"):
        sweep.run_sweep(clone.path, tmp_path, jobs=1)
    assert (tmp_path / sweep.RESULTS).read_text() == "notes\n"
    (tmp_path / sweep.RESULTS).write_text("[" * 100_000)  # a write that was cut off
    assert sweep.resume(tmp_path / sweep.RESULTS) == (frozenset(), ())
