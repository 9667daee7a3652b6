"""`scorefirst data` as a user calls it: built, checked, and one sentence for what is wrong."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from auditor.cli_data import data
from auditor.submission.base import AuditorError, UsageError

pytest.importorskip("sentencepiece")

app = typer.Typer(rich_markup_mode="markdown")
app.command()(data)


def call(*args: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in args], prog_name="scorefirst data")


def test_build_then_check(tmp_path: Path) -> None:
    source = tmp_path / "docs.jsonl"
    source.write_text("\n".join(json.dumps(f"Document {i} — with café and 🙂 {i * 7}") for i in range(60)))
    made = call("--text", source, "-o", tmp_path / "out", "--vocabulary", 300, "--shard-tokens", 500, "--json")
    assert made.exit_code == 0, made.output
    built = json.loads(made.stdout)
    assert (built["val"]["documents"], built["train"]["documents"]) == (3, 57)
    pattern = f"{built['folder']}/fineweb_train_*.bin"
    seen = call("--check", pattern, "--model", built["tokenizer"])
    assert seen.exit_code == 0
    assert f"{built['train']['bytes']:,} bytes" in seen.stdout
    assert "equal in 57 of 57 documents" in seen.stdout
    without = call("--check", pattern)
    assert "give --model FILE" in without.stdout
    again = call("--text", source, "-o", tmp_path / "out", "--vocabulary", 300)
    assert isinstance(again.exception, AuditorError)
    assert "there is a data set already" in str(again.exception)


def test_the_generated_text_needs_nothing(tmp_path: Path) -> None:
    made = call("--offline", "-o", tmp_path, "--vocabulary", 400)
    assert made.exit_code == 0, made.output
    assert "val: 200 documents" in made.stdout


def test_a_sidecar_is_compared_with_the_tokens(tmp_path: Path) -> None:
    from evaluator.shards import write_shard
    from tests.evaluator.models import CASE_MARKS, processor, trained
    from tests.evaluator.test_bytes import capital_marks

    marks = {"user_defined_symbols": ",".join(CASE_MARKS)}
    (tmp_path / "case.model").write_bytes(trained(**marks))
    text = "The RIVER and McStone"
    ids = processor(**marks).encode(capital_marks(text))
    write_shard(tmp_path / "val_0.bin", [1, *ids])
    write_shard(tmp_path / "val_bytes_0.bin", [0, len(text), *[0] * (len(ids) - 1)])
    base = ("--check", tmp_path / "val_*.bin", "--model", tmp_path / "case.model")
    seen = call(*base, "--sidecar", tmp_path / "val_bytes_*.bin")
    assert seen.exit_code == 0
    assert f"{len(text)} bytes" in seen.stdout
    assert f"the tokens alone say {len(text)} (+0" in seen.stdout
    assert "needs" not in seen.stdout
    refused = call(*base)
    assert "private-use" in str(refused.exception)
    assert f"{len(text)} bytes" in call(*base[:2], "--sidecar", tmp_path / "val_bytes_0.bin").stdout


@pytest.mark.parametrize(
    ("args", "what"),
    [
        ("--offline --text a.txt", "exclude each other"),
        ("--sidecar x", "is for --check"),
        ("--model x", "fetched shards come with theirs"),
    ],
)
def test_calls_that_mean_nothing(args: str, what: str) -> None:
    result = call(*shlex.split(args))
    assert isinstance(result.exception, UsageError)
    assert what in str(result.exception)


def test_no_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    result = call("-o", tmp_path)
    assert type(result.exception) is AuditorError
    assert "scorefirst data --offline" in str(result.exception)


def test_wrong_shards_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "t.bin").write_bytes(b"nothing")
    result = call("--check", tmp_path / "t.bin")
    assert type(result.exception) is AuditorError
    assert "t.bin" in str(result.exception)


def test_help_has_examples() -> None:
    shown = call("--help").stdout
    assert "scorefirst data --offline" in shown
