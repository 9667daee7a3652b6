"""Whole reproductions: a program of our own under torchrun in the sandbox, a small run, the reports, the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("numpy")
pytest.importorskip("torch")

from auditor.cli_reproduce import numbers
from auditor.cli_reproduce import reproduce as command
from auditor.reproduce import whole
from auditor.reproduce.machine import Machine
from auditor.reproduce.report import as_json, as_markdown, as_text
from auditor.reproduce.whole import Options, reproduce
from auditor.submission import AuditorError, Target, UsageError
from auditor.trace.ready import missing
from auditor.trace.sandbox import Mode, NoSandbox, why_not
from rules.samples.records import log
from tests.reproduce.scene import Launcher, folder, like_the_claim, shards
from tests.reproduce.test_state import EIGHT

needs_bubblewrap = pytest.mark.skipif(bool(why_not(Mode.BUBBLEWRAP)), reason="no bubblewrap here")
needs_sandbox = pytest.mark.skipif(bool(missing()), reason="nothing to run a submission in")

TWO_RANKS = '''\
"""Trains nothing: two ranks add up what they read, and the first prints a log."""
import glob
import os
import sys

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
files = sorted(glob.glob(os.environ["DATA_PATH"] + "/fineweb_val_*.bin"))
tokens = (os.path.getsize(files[0]) - 1024) // 2
both = torch.tensor([float(tokens)])
dist.all_reduce(both)
try:
    open(files[0], "ab")
    sealed = False
except OSError:
    sealed = True
assert sealed and os.path.exists(os.environ["TOKENIZER_PATH"])
if dist.get_rank() == 0:
    text = open("log.tmpl").read().replace("@SEED@", os.environ["SEED"]).replace("@TOKENS@", str(int(both.item() / 2)))
    os.makedirs("logs")
    with open("logs/run.txt", "w") as f:
        f.write(text)
    print(text)
    with open("final_model.ptz", "wb") as f:
        f.write(bytes(4096))
dist.destroy_process_group()
'''


def first(target: Path, **options: object) -> whole.Reproduction:
    return next(iter(reproduce(Target(path=target), Options(**options), lambda said: None)))  # type: ignore[arg-type]


@needs_bubblewrap
def test_two_ranks_of_a_real_launcher(tmp_path: Path) -> None:
    template = log(seed=1337, bpb=1.1303).replace("seed1337", "seed@SEED@").replace("seed:1337", "seed:@SEED@")
    template = template.replace("tokens:62021632", "tokens:@TOKENS@").replace("world_size:8", "world_size:2")
    at = folder(tmp_path, train_gpt__py=TWO_RANKS, log__tmpl=template)
    heard: list[str] = []
    options = Options(
        seeds=(42,), data=shards(tmp_path), out=tmp_path / "out", gpus=2, device="cpu", mode=Mode.BUBBLEWRAP, wall_s=300
    )
    found = next(iter(reproduce(Target(path=at), options, heard.append)))
    record = found.records[0]
    assert (record.code, record.ranks, record.mode) == (0, 2, "bubblewrap")
    assert [k.path for k in record.own] == ["seed-42.files/logs_run.txt"]
    assert ("final_model.ptz", 4096) in record.left
    (again,) = found.reruns
    assert (again.bpb, again.val_tokens, again.total_bytes) == (1.1303, 62_021, 15_400_000 + 861)
    assert any("final_int6_sliding_window_exact" in line for line in heard)
    assert any("62,021 validation tokens instead of 62,021,632" in t for t in found.conditions.text)
    assert not found.flagged
    sizes = {f.name: f.stat().st_size for f in (tmp_path / "shards").iterdir()}
    assert sizes["fineweb_val_000000.bin"] == 1024 + 2 * 62_021


@needs_sandbox
def test_a_small_run_says_that_its_bpb_means_nothing() -> None:
    at = Path(__file__).parents[2] / "examples/records/track_10min_16mb/2026-03-24_ThreeSeeds"
    found = first(at, small=True)
    assert [s.seed for s in found.smalls] == [1337]
    assert found.smalls[0].ran
    assert not found.smalls[0].trace.explained  # it prints a loss of its own and no bits per byte
    assert not found.good
    assert "means nothing about the claim" in as_text([found], color=False)


def reproduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: object = like_the_claim) -> whole.Reproduction:
    monkeypatch.setattr(whole, "machine", lambda: EIGHT)
    monkeypatch.setattr(whole, "no_gpu", lambda: "")
    launcher = Launcher(say)  # type: ignore[arg-type]
    data = shards(tmp_path)
    return first(folder(tmp_path), data=data, out=tmp_path / "out", launch=launcher, mode=Mode.BUBBLEWRAP)


def test_a_claim_that_comes_out_again_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = reproduced(tmp_path, monkeypatch)
    assert found.good
    assert found.conditions.speed == ()  # eight H100 against "8xH100", which nobody contradicts
    assert found.test
    assert found.test.p is not None
    assert found.test.p > 0.05
    text = as_text([found], color=False)
    assert "no figure flagged" in text
    assert "Welch" in text


def test_one_other_gpu_explains_and_confirms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Machine(gpus=("NVIDIA H200 (139 GiB)",), driver="570.1", cores=8, memory_bytes=1 << 36)
    monkeypatch.setattr(whole, "machine", lambda: one)
    monkeypatch.setattr(whole, "no_gpu", lambda: "")

    def say(seed: int) -> str:
        text = log(seed=seed, bpb=1.1622 + seed / 1e7, world=1, eval_ms=530_000, shards=10)
        return text.replace("step:11990", "step:2100")

    found = first(
        folder(tmp_path), data=shards(tmp_path, 10), out=tmp_path / "out", launch=Launcher(say), mode=Mode.BUBBLEWRAP
    )
    assert found.ranks == 1
    assert found.conditions.speed == ("1x NVIDIA H200 (139 GiB) instead of 8x H100 SXM", "1 rank instead of 8")
    assert found.conditions.training == ("10 training shards instead of 80",)
    assert found.good
    text = as_text([found], color=False, width=200)
    assert "bpb: 0 of 3 seeds as claimed, 3 otherwise for a known reason" in text
    assert "the claim is not confirmed by it" in text


def test_the_reports_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = reproduced(tmp_path, monkeypatch, lambda seed: log(seed=seed, bpb=1.16, model=15_999_500))
    assert {(r.seed, r.what) for r in found.flagged} == {
        (s, w) for s in (1337, 42, 2025) for w in ("bpb", "artifact")
    } | {(None, "mean bpb")}
    text, page, data = as_text([found], color=False, width=200), as_markdown([found]), json.loads(as_json([found]))
    assert "7 of " in text
    assert "bpb: 0 of 3 seeds as claimed, 0 otherwise for a known reason, 3 otherwise without one" in text
    assert "figures flagged" in page
    assert "| 1337 | bpb | 1.130000 | 1.160000 | +0.030000 " in page
    rows = [r for r in data[0]["rows"] if r["what"] == "bpb"]
    assert [r["difference"] for r in rows] == pytest.approx([0.03, 0.0296, 0.0292])
    assert data[0]["good"] is False


def test_a_log_that_steers_terminals_is_shown_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "machine", lambda: EIGHT)
    monkeypatch.setattr(whole, "no_gpu", lambda: "")
    launcher = Launcher(like_the_claim, died=(42,), stderr="ValueError: \x1b[31mred | `x`\n")
    at = folder(tmp_path)
    found = first(at, data=shards(tmp_path), out=tmp_path / "out", launch=launcher, mode=Mode.BUBBLEWRAP)
    assert "\x1b" not in as_text([found], color=False) + as_markdown([found])


def test_no_gpu_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "no_gpu", lambda: "--device cuda needs an NVIDIA GPU, and this machine has none")
    with pytest.raises(UsageError, match="a full run needs an NVIDIA GPU"):
        first(folder(tmp_path), data=shards(tmp_path))


def call(*words: str) -> BaseException | None:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(words)).exception


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--seeds", "a,b", "x"), "--seeds wants numbers"),
        (("--small", "--gpus", "2", "x"), "leave out --gpus"),
        (("--wall", "0", "x"), "positive number of seconds"),
        (("--pr", "745"), "--repo"),
        (("--set", "=1", "x"), "--set wants"),
    ],
)
def test_wrong_calls(words: tuple[str, ...], why: str) -> None:
    error = call(*words)
    assert isinstance(error, UsageError)
    assert why in str(error)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert isinstance(call(str(tmp_path / "nothing"), "--small"), AuditorError | NoSandbox)


def test_seeds() -> None:
    assert numbers("1337, 42,42 7") == (1337, 42, 7)
    assert numbers("") == ()
