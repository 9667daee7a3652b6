from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sentencepiece")

from evaluator import artifact  # noqa: E402
from evaluator.shards import write_shard  # noqa: E402
from tests.evaluator.small import naive, network, stream  # noqa: E402


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact, a shard of tokens, and their bytes."""
    folder = tmp_path_factory.mktemp("eval")
    net, (tokens, sizes) = network(layers=2), stream(1, 1500)
    sizes = sizes * (tokens != 1)  # documents begin with token 1, which has no bytes
    artifact.save(folder / "net.pt", net, "decoder", asdict(net.shape))
    write_shard(folder / "val.bin", tokens[0].numpy())
    write_shard(folder / "sizes.bin", sizes[0].numpy())
    return folder


def scorefirst(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command, *more = arguments
    return subprocess.run(
        [sys.executable, "-m", "auditor.cli", command, "--artifact", "net.pt", "--tokens", "val.bin", *more],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )


EVAL = ("eval", "--sidecar", "sizes.bin", "--sequence", "32", "--stride", "8", "--json")


def test_the_number_is_that_of_a_naive_loop(files: Path) -> None:
    net, (tokens, sizes) = network(layers=2), stream(1, 1500)
    sizes = sizes * (tokens != 1)
    nats, count, size = naive(net, tokens, sizes, 32, 8)
    ended = scorefirst(files, *EVAL)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert (said["tokens"], said["bytes"]) == (count, size)
    assert said["bpb"] == pytest.approx(nats / math.log(2) / size, abs=2e-8)
    assert said["timing"]["scored_s"] <= said["timing"]["whole_s"]


def test_adaptation_and_mixing_help_and_a_picture_is_drawn(files: Path) -> None:
    pytest.importorskip("matplotlib")
    more = ("--chunk", "200", "--rate", "0.02", "--step-sequences", "4", "--schedule", "constant")
    found = {}
    for mode in ("sliding", "ttt", "ttt+hedge"):
        ended = scorefirst(files, *EVAL, *more, "--mode", mode, "--plot", f"{mode}.svg")
        assert ended.returncode == 0, ended.stderr
        said = json.loads(ended.stdout)
        found[mode] = said["bpb"]
        assert (files / f"{mode}.svg").read_text().count("<use") > 100, "a dot for each part of the stream"
        assert ("regret" in said["regret"]) == ("hedge" in mode)
    assert found["ttt+hedge"] < found["ttt"] < found["sliding"]


def test_state_goes_on_to_the_same_total(files: Path) -> None:
    """The state is kept after each chunk here; a second process is killed in the middle and a third goes on."""
    script = """
import sys
from pathlib import Path
from evaluator import checkpoint
from evaluator.evaluate import Plan
from evaluator.adapt import Recipe
from evaluator.run import Job, run
stop = int(sys.argv[1])
keep = checkpoint.Checkpoint.keep
def keeping(self, r):
    keep(self, r)
    if r.chunks == stop:
        import os
        os._exit(9)
checkpoint.Checkpoint.keep = keeping
checkpoint.Checkpoint.after = lambda self, r: self.keep(r)
recipe = Recipe("adamw", rate=0.003, sequence=32, batch=4)
job = Job(Path("net.pt"), "val.bin", None, "sizes.bin", "ttt+hedge", Plan(32, 8, 200, 8), recipe, None, Path("run.state"))
print(repr(run(job).result.totals))
"""

    def go(stop: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, str(stop)],
            cwd=files,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            check=False,
        )

    whole = go(0)
    assert whole.returncode == 0, whole.stderr
    assert not (files / "run.state").exists(), "nothing is left behind by a run that came to its end"
    assert go(4).returncode == 9
    assert (files / "run.state").exists()
    again = go(0)
    assert again.returncode == 0, again.stderr
    assert again.stdout == whole.stdout


def test_a_round_trip_from_the_command_line(files: Path) -> None:
    pytest.importorskip("constriction")
    ended = scorefirst(
        files,
        "roundtrip",
        "--streams",
        "6",
        "--length",
        "41",
        "--sequence",
        "16",
        "--stride",
        "8",
        "--chunk",
        "12",
        "--json",
    )
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert said["equal"] is True
    assert said["tokens"] == 240
    assert 0 < (files / "coded.bin").stat().st_size - said["coded"] // 8 < 256, "a header and what was coded"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("eval", "--json"), "--tokenizer"),
        (("eval", "--sidecar", "nowhere.bin"), "nowhere.bin"),
        (("eval", "--sidecar", "sizes.bin", "--artifact", "val.bin"), "val.bin is no artifact"),
        (("eval", "--sidecar", "sizes.bin", "--tokens", "net.pt"), "net.pt"),
        (("eval", "--sidecar", "sizes.bin", "--mode", "ttt", "--freeze", "nothing_like_it"), "names no parameter"),
        (("eval", "--sidecar", "sizes.bin", "--mode", "ttt", "--rate-of", "down"), "REGEX=FACTOR"),
        (("roundtrip", "--streams", "64", "--length", "257"), "64 streams of 257"),
    ],
)
def test_bad_input_is_one_clear_sentence(files: Path, arguments: tuple[str, ...], word: str) -> None:
    ended = scorefirst(files, *arguments)
    assert ended.returncode not in (0, 1), ended.stdout
    assert word in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
