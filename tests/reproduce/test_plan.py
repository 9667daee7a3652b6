"""The command line, the environment and the data of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("numpy")

from auditor.reproduce.claim import claims, settings, the_script, undocumented
from auditor.reproduce.machine import Machine, machine, ranks_for
from auditor.reproduce.plan import Plan, find_data, plan, seeded
from auditor.submission import AuditorError, Target, UsageError
from auditor.trace.sandbox import Mode
from tests.reproduce.scene import folder, shards

README = """\
# Example

**val_bpb = 1.1304**

```bash
SEED=1337 RANK=3 CACHE_DIR=/home/me/cache TTT_LR=0.004 torchrun --standalone --nproc_per_node=8 train_gpt.py --seed 1337
```
"""


def planned(root: Path, mode: Mode = Mode.BUBBLEWRAP, ranks: int = 2, **files: str | None) -> Plan:
    claim = next(claims(Target(path=folder(root, **files)), "", lambda said: None))
    return plan(claim, Machine(memory_bytes=1 << 36), ranks=ranks, mode=mode, data=shards(root), given={"EXTRA": "1"})


def test_the_documented_command_is_run_with_another_seed(tmp_path: Path) -> None:
    p = planned(tmp_path, README__md=README)
    assert p.command(7) == (
        sys.executable, "-u", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
        "train_gpt.py", "--seed", "7",
    )  # fmt: skip
    env = p.variables(7)
    assert (env["SEED"], env["TTT_LR"], env["EXTRA"]) == ("7", "0.004", "1")
    assert env["DATA_PATH"] == "./data/datasets/fineweb10B_sp1024"
    assert env["TOKENIZER_PATH"] == "./data/tokenizers/fineweb_1024_bpe.model"
    assert not {"RANK", "CACHE_DIR"} & set(env)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    claim = next(claims(Target(path=folder(tmp_path, README__md=README)), "", lambda said: None))
    _, left = settings(claim.config)
    assert set(left) == {"RANK", "CACHE_DIR"}


def test_landlock_runs_one_rank_without_a_launcher(tmp_path: Path) -> None:
    assert planned(tmp_path, Mode.LANDLOCK, 1).command(42) == (sys.executable, "-u", "train_gpt.py")
    (tmp_path / "two").mkdir()
    with pytest.raises(UsageError, match="bubblewrap"):
        planned(tmp_path / "two", Mode.LANDLOCK, 2)


def test_seeds_in_arguments() -> None:
    assert seeded(("--seed", "1", "--lr", "2", "--seed=3", "-seed", "4"), 9) == (
        "--seed", "9", "--lr", "2", "--seed=9", "-seed", "9"
    )  # fmt: skip
    assert seeded(("--seed",), 9) == ("--seed",)


def test_ranks() -> None:
    assert [ranks_for(n, None, 8) for n in (1, 2, 3, 6, 8, 16)] == [1, 2, 2, 4, 8, 8]
    assert ranks_for(4, 3, 8) == 3
    with pytest.raises(UsageError, match="this machine has 2"):
        ranks_for(2, 4, 8)


READS = 'DATA_PATH = "fineweb"; TOKENIZER_PATH = "x.model"; VOCAB_SIZE = 1024'


def test_data_is_found_and_counted(tmp_path: Path) -> None:
    found = find_data(shards(tmp_path, train=3, tokens=500), None, 1024, READS)
    assert (found.train_shards, found.val_tokens) == (3, 500)
    assert [m.inside for m in found.mounts] == [
        "data/datasets/fineweb10B_sp1024",
        "data/tokenizers/fineweb_1024_bpe.model",
    ]
    assert found.environment["VOCAB_SIZE"] == "1024"


def test_the_official_layout_is_found_too(tmp_path: Path) -> None:
    inner = shards(tmp_path, train=1)
    root = tmp_path / "data"
    (root / "datasets").mkdir(parents=True)
    (root / "tokenizers").mkdir()
    (inner / "fineweb_1024_bpe.model").rename(root / "tokenizers" / "fineweb_1024_bpe.model")
    inner.rename(root / "datasets" / "fineweb10B_sp1024")
    (root / "datasets" / "fineweb10B_sp8192").mkdir()
    found = find_data(root, None, 1024, READS)
    assert found.train_shards == 1
    assert {m.inside for m in found.mounts} == {
        "data/datasets/fineweb10B_sp1024",
        "data/datasets/fineweb10B_sp8192",
        "data/tokenizers/fineweb_1024_bpe.model",
    }
    with pytest.raises(UsageError, match="4,096 tokens"):
        find_data(root, None, 4096, READS)


def test_a_shipped_tokenizer_is_the_one_that_is_used(tmp_path: Path) -> None:
    readme = README.replace("TTT_LR=0.004", "TOKENIZER_PATH=./own.model")
    logs = {f"train_seed{seed}__log": None for seed in (1337, 42, 2025)}  # they name another one
    p = planned(tmp_path, README__md=readme, own__model="a model", **logs)
    assert p.variables(1)["TOKENIZER_PATH"] == "./own.model"
    assert [m.inside for m in p.data.mounts] == ["data/datasets/fineweb10B_sp1024"]


def test_links_are_shown_file_by_file(tmp_path: Path) -> None:
    inner, links = shards(tmp_path, train=1), tmp_path / "links"
    links.mkdir()
    for f in inner.iterdir():
        (links / f.name).symlink_to(f)
    found = find_data(links, None, 1024, READS)
    assert {m.host for m in found.mounts} == set(inner.iterdir())


@pytest.mark.parametrize(
    ("data", "tokenizer", "why"),
    [
        (None, None, "no data: give --data"),
        ("nowhere", None, "no such folder"),
        ("empty", None, r"no \*train_\*.bin"),
        ("bare", None, "no tokenizer: give --tokenizer"),
        ("bare", "nothing.model", "no such file"),
    ],
)
def test_missing_data_is_one_clear_error(tmp_path: Path, data: str | None, tokenizer: str | None, why: str) -> None:
    (tmp_path / "empty").mkdir()
    (shards(tmp_path, train=1) / "fineweb_1024_bpe.model").unlink()
    (tmp_path / "shards").rename(tmp_path / "bare")
    with pytest.raises(UsageError, match=why):
        find_data(tmp_path / data if data else None, tmp_path / tokenizer if tokenizer else None, 1024, READS)


def test_a_program_that_reads_no_data_needs_none() -> None:
    assert find_data(None, None, 1024, "print(1)").mounts == ()


def test_no_script_and_several_scripts_are_errors(tmp_path: Path) -> None:
    none = folder(tmp_path / "a", train_gpt__py=None)
    with pytest.raises(AuditorError, match="no script"):
        list(claims(Target(path=none), "", lambda said: None))
    script = (folder(tmp_path / "b") / "train_gpt.py").read_text()
    bare = "# Example\n\n**val_bpb = 1.1304**\n"
    two = folder(tmp_path / "c", train_gpt__py=None, train_a__py=script, train_b__py=script + "#\n", README__md=bare)
    with pytest.raises(AuditorError, match="several scripts"):
        list(claims(Target(path=two), "", lambda said: None))
    chosen = next(claims(Target(path=two), "train_b.py", lambda said: None))
    assert chosen.entry.path == "train_b.py"
    assert the_script(chosen.evidence, "train_b.py").path == "train_b.py"
    with pytest.raises(UsageError, match=r"--script other.py"):
        list(claims(Target(path=two), "other.py", lambda said: None))


def test_settings_that_no_command_makes_are_found(tmp_path: Path) -> None:
    from rules.samples.records import log

    settings = ("ttt_lr: 0.004", "max_wallclock_seconds: 600.0")
    logs = {
        f"train_seed{s}__log": log(seed=s, bpb=b, settings=settings)
        for s, b in ((1337, 1.13), (42, 1.1304), (2025, 1.1308))
    }
    script = (folder(tmp_path / "a") / "train_gpt.py").read_text()
    text = script.replace("import torch\n", 'import torch\n\nTTT_LR = float(os.environ.get("TTT_LR", "0.002"))\n')
    claim = next(claims(Target(path=folder(tmp_path / "b", train_gpt__py=text, **logs)), "", lambda said: None))
    assert undocumented(claim.config, claim.entry.text) == {"TTT_LR": ("0.002", "0.004")}


def test_this_machine_is_known() -> None:
    m = machine()
    assert m.cores >= 1
    assert m.memory_bytes > 1 << 28
    assert m.python == ".".join(map(str, sys.version_info[:3]))
    assert m.device
