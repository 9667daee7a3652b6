"""Which seeds are run, which are not run again, and what a run that dies leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("numpy")

from auditor.reproduce import whole
from auditor.reproduce.machine import Machine
from auditor.reproduce.seed import last_words
from auditor.reproduce.state import opened
from auditor.reproduce.whole import Options, Reproduction, reproduce
from auditor.submission import AuditorError, Target, UsageError
from auditor.trace.sandbox import Mode
from tests.reproduce.scene import Launcher, folder, like_the_claim, shards

EIGHT = Machine(gpus=("NVIDIA H100 80GB HBM3",) * 8, driver="570.1", cores=8, memory_bytes=1 << 36)


@pytest.fixture(autouse=True)
def eight_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "machine", lambda: EIGHT)
    monkeypatch.setattr(whole, "no_gpu", lambda: "")


def go(at: Path, launcher: Launcher, out: Path, **options: object) -> Reproduction:
    data = at.parents[2] / "shards"
    given: dict[str, object] = {"data": data if data.is_dir() else shards(at.parents[2]), "out": out}
    wanted = Options(launch=launcher, mode=Mode.BUBBLEWRAP, **{**given, **options})  # type: ignore[arg-type]
    return next(iter(reproduce(Target(path=at), wanted, lambda said: None)))


def test_each_seed_of_the_claim_is_run_once(tmp_path: Path) -> None:
    at, launcher = folder(tmp_path), Launcher(like_the_claim)
    first = go(at, launcher, tmp_path / "out")
    assert [seed for seed, _, _ in launcher.runs] == [1337, 42, 2025]
    again = go(at, launcher, tmp_path / "out")
    assert len(launcher.runs) == 3
    assert again.reruns == first.reruns
    assert again.good
    assert go(at, launcher, tmp_path / "out", seeds=(7, 42)).reruns[0].seed == 7
    assert [seed for seed, _, _ in launcher.runs] == [1337, 42, 2025, 7]


@pytest.mark.parametrize("change", ["script", "setting", "data"])
def test_a_change_is_a_new_run(tmp_path: Path, change: str) -> None:
    at, launcher, out = folder(tmp_path), Launcher(like_the_claim), tmp_path / "out"
    go(at, launcher, out, seeds=(42,))
    options: dict[str, object] = {}
    if change == "script":
        (at / "train_gpt.py").write_text((at / "train_gpt.py").read_text() + "# other\n")
    elif change == "setting":
        options["given"] = {"TTT_LR": "0.1"}
    else:
        (tmp_path / "shards" / "fineweb_train_000000.bin").write_bytes(bytes(2048))
    go(at, launcher, out, seeds=(42,), **options)
    assert len(launcher.runs) == 2
    assert len([d for d in out.iterdir() if d.is_dir()]) == 2  # the old one is kept


def test_a_record_says_how_the_run_was_made(tmp_path: Path) -> None:
    found = go(folder(tmp_path), Launcher(like_the_claim), tmp_path / "out", seeds=(42,))
    record = json.loads(Path(found.state, "seed-42.json").read_text())
    assert record["environment"]["SEED"] == "42"
    assert record["command"][-5:] == ["torch.distributed.run", "--standalone", "--nproc_per_node", "8", "train_gpt.py"]
    assert (record["driver"], record["device"]) == ("570.1", "8x NVIDIA H100 80GB HBM3")
    assert record["left"] == [["final_model.ptz", 1000]]
    assert record["finished"] is True
    assert record["log"]["size"] == Path(found.state, "seed-42.log").stat().st_size
    assert not Path(found.state, "work-42").exists()


@pytest.mark.parametrize("harm", ["log", "record"])
def test_what_was_changed_since_is_run_again(tmp_path: Path, harm: str) -> None:
    at, launcher, out = folder(tmp_path), Launcher(like_the_claim), tmp_path / "out"
    state = Path(go(at, launcher, out, seeds=(42,)).state)
    if harm == "log":
        (state / "seed-42.log").write_text("val_bpb:0.5")
    else:
        (state / "seed-42.json").write_text("{")
    found = go(at, launcher, out, seeds=(42,))
    assert len(launcher.runs) == 2
    assert any("seed 42 is run again" in note for note in found.notes)


TORCHRUN = """\
[rank0]: Traceback (most recent call last):
[rank0]:   File "train_gpt.py", line 3, in <module>
[rank0]: ValueError: 1024 does not fit 1000
E0101 10:00:00.000000 12 torch/distributed/elastic/multiprocessing/api.py:984] failed (exitcode: 1)
Traceback (most recent call last):
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
"""


def test_a_script_that_dies_is_one_clear_error(tmp_path: Path) -> None:
    at, launcher = folder(tmp_path), Launcher(like_the_claim, died=(1337,), stderr=TORCHRUN)
    with pytest.raises(
        AuditorError, match=r"seed 1337: train_gpt.py died \(exit code 1\): ValueError: 1024 does not fit 1000"
    ):
        go(at, launcher, tmp_path / "out")
    assert len(launcher.runs) == 1
    with pytest.raises(AuditorError, match="seed 1337"):  # what died is not taken for done
        go(at, launcher, tmp_path / "out")
    assert len(launcher.runs) == 2


def test_what_finished_before_one_died_is_reported(tmp_path: Path) -> None:
    found = go(folder(tmp_path), Launcher(like_the_claim, died=(42,), stderr="Killed"), tmp_path / "out")
    assert [f.seed for f in found.reruns] == [1337]
    assert "Killed" in found.died[0]
    assert not found.good


def test_the_last_words_are_the_programs_own() -> None:
    assert last_words(TORCHRUN).startswith("ValueError: 1024 does not fit 1000")
    assert "ChildFailedError" not in last_words(TORCHRUN)
    assert last_words("a\n\nout of luck\n") == "a | out of luck"
    assert last_words("") == ""


def test_ctrl_c_leaves_nothing_but_the_output_so_far(tmp_path: Path) -> None:
    at = folder(tmp_path)

    def say(seed: int) -> str:
        if seed == 42:
            raise KeyboardInterrupt
        return like_the_claim(seed)

    stopped = Launcher(say)
    with pytest.raises(KeyboardInterrupt):
        go(at, stopped, tmp_path / "out")
    state = next(d for d in (tmp_path / "out").iterdir())
    assert {p.name for p in state.glob("*.json")} == {"seed-1337.json"}
    assert not list(state.glob("work-*"))
    launcher = Launcher(like_the_claim)
    go(at, launcher, tmp_path / "out")
    assert [seed for seed, _, _ in launcher.runs] == [42, 2025]


def test_two_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    with opened(tmp_path, "key"), pytest.raises(AuditorError, match="another scorefirst"), opened(tmp_path, "key"):
        raise AssertionError("the lock was given twice")


def test_a_place_that_cannot_be_written_is_an_error_of_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot use"), opened(tmp_path / "file", "key"):
        raise AssertionError("a file was taken for a folder")
