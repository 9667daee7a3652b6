"""The command line as a user sees it: output, exit codes, one-sentence errors."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor import cli
from auditor.audit import Audit, SubmissionId
from auditor.exit_codes import exit_code
from auditor.trace.ready import missing
from rules.finding import Finding, Severity, Status
from rules.samples.records import record

Run = Callable[..., tuple[int, str, str]]
GOOD = (1.0900, 1.0904, 1.0908)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["scorefirst", *map(str, args)])
        try:
            cli.main()
            code = 0
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "2026-03-24_Mine", **changes: object) -> Path:
        at = tmp_path / "records" / "track_10min_16mb" / name
        at.mkdir(parents=True)
        for file, text in record(GOOD, **changes).items():  # type: ignore[arg-type]
            (at / file).write_text(text)
        return at

    return make


def test_a_clean_folder(run: Run, folder: Callable[..., Path]) -> None:
    code, out, _ = run("audit", folder())
    assert code == 0
    assert "violation[" not in out
    assert "verdict: unverifiable" in out


def test_a_folder_over_the_cap(run: Run, folder: Callable[..., Path]) -> None:
    at = folder(model=16_300_000)
    code, out, _ = run("audit", at)
    assert code == 13
    assert "violation[SIZE1-artifact]" in out
    assert "train_seed1337.log:14" in out
    assert run("audit", at, "--exit-zero")[0] == 0
    assert run("audit", at, "--fail-on", "fatal")[0] == 0
    assert run("audit", at, "--only", "PKG2")[0] == 0


def test_json_is_the_contract(run: Run, folder: Callable[..., Path]) -> None:
    code, out, _ = run("audit", folder(model=16_300_000), "--format", "json", "--no-run")
    data = json.loads(out)
    assert code == 13
    assert {"submission", "verdict", "findings", "coverage"} <= data.keys()
    assert {"pr", "head", "folder", "files_read"} <= data["submission"].keys()
    assert "train_seed1337.log" in data["submission"]["files_read"]
    size = next(f for f in data["findings"] if f["rule"] == "SIZE1-artifact")
    assert {"status", "severity", "locations", "evidence", "show_again"} <= size.keys()
    assert size["show_again"].startswith("sed -n 14p ")


def test_several_folders_are_a_list_and_output_goes_to_a_file(
    run: Run, folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder("2026-03-24_One")
    folder("2026-03-25_Two")
    code, out, err = run("audit", tmp_path / "records", "-f", "json", "-o", tmp_path / "deep" / "a.json")
    assert code == 0
    assert out == ""
    assert "a.json" in err
    assert len(json.loads((tmp_path / "deep" / "a.json").read_text())) == 2


def test_sarif_exits_zero(run: Run, folder: Callable[..., Path]) -> None:
    code, out, _ = run("audit", folder(model=16_300_000), "-f", "sarif")
    assert code == 0
    assert any(r["ruleId"].startswith("SIZE1") for r in json.loads(out)["runs"][0]["results"])


def test_stored_evidence_is_judged_again(run: Run, folder: Callable[..., Path], tmp_path: Path) -> None:
    stored = tmp_path / "a.json"
    run("audit", folder(model=16_300_000), "-f", "json", "--keep-evidence", "-o", stored)
    code, out, _ = run("judge", stored, "--edition", "2026-03-18", "-f", "json")
    assert code == 13
    again = json.loads(out)
    assert again["edition"] == "2026-03-18"
    assert next(f for f in again["findings"] if f["rule"] == "NG1-target-in-key")["status"] == "not-applicable"
    run("audit", tmp_path / "records", "-f", "json", "-o", stored)
    code, _, err = run("judge", stored)
    assert code == 2
    assert "--keep-evidence" in err


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("audit",), 2, "name one of"),
        (("audit", "nowhere"), 2, "nowhere"),
        (("audit", ".", "--edition", "someday"), 2, "someday"),
        (("audit", ".", "--edition", "2026-01-01"), 2, "2026-03-18"),
        (("audit", ".", "--only", "NG99"), 2, "NG1-target-in-key"),
        (("audit", ".", "--pr", "3"), 2, "--repo"),
        (("audit", "https://example.org/x/pull/3"), 2, "https://github.com/"),
        (("audit", ".", "--waivers", "none.toml"), 2, "none.toml"),
        (("audit", "."), 3, "nothing to audit"),
        (("judge", "none.json"), 2, "none.json"),
        (("sweep", "--repo", ".", "-o", "out"), 2, "git"),
        (("gate", "--base", "main"), 2, "git"),
        (("rules", "XYZ"), 2, "XYZ"),
        (("rules", "--severity", "grave"), 2, "eligibility"),
        (("rules", "--kind", "odd"), 2, "dispute"),
        (("unpack", "none.py"), 2, "none.py"),
        (("fly",), 2, "fly"),
    ],
)
def test_an_error_is_one_sentence_and_a_code(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = run(*args)
    assert got == code
    assert says in " ".join(err.split())
    assert "Traceback" not in err
    assert out == ""


def test_an_unwritable_output_is_an_error_of_the_call(run: Run, folder: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run("audit", folder(), "-o", tmp_path / "file" / "a.md")
    assert code == 2
    assert "cannot write" in err


def test_an_unexpected_crash_is_one_sentence_and_exit_1(
    run: Run, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("auditor.api.audit", crash)
    code, _, err = run("audit", folder())
    assert code == 1
    assert "broken" in err
    assert "report" in err


def test_a_terminal_without_the_letters() -> None:
    call = [sys.executable, "-m", "auditor.cli", "rules", "NG5"]
    done = subprocess.run(call, capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"NG5-latent-mixing")


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("[" * 200_000 + "]" * 200_000, 2, "nested"),
        ("[]", 3, "empty list"),
        (json.dumps({"schema_version": "x" * 100_000}), 2, "schema_version"),
    ],
)
def test_other_json_cannot_be_judged(run: Run, tmp_path: Path, text: str, code: int, says: str) -> None:
    (tmp_path / "a.json").write_text(text)
    got, out, err = run("judge", tmp_path / "a.json")
    assert (got, out) == (code, "")
    assert says in err
    assert len(err) < 1_000
    assert err.count("\n") == 1


def test_a_terminal_does_not_obey_what_a_script_holds(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train_gpt.py").write_text("x = 1  # \x1b[2J\ny = 2\n")
    assert run("unpack", tmp_path / "train_gpt.py")[1] == "x = 1  # \x1b[2J\ny = 2\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run("unpack", tmp_path / "train_gpt.py")[1] == "x = 1  # \\x1b[2J\ny = 2\n"


def test_a_closed_or_full_standard_output(folder: Callable[..., Path]) -> None:
    call = f"{sys.executable} -m auditor.cli audit {shlex.quote(str(folder(model=16_300_000)))}"
    closed = subprocess.run(["sh", "-c", f"{call} >&-"], capture_output=True, text=True, check=False)
    assert (closed.returncode, closed.stderr) == (13, "")
    if Path("/dev/full").exists():
        full = subprocess.run(["sh", "-c", f"{call} >/dev/full"], capture_output=True, text=True, check=False)
        assert full.returncode == 1
        assert full.stderr.startswith("error: cannot write to standard output")


def test_rules_are_listed_filtered_and_explained(run: Run) -> None:
    assert run("rules")[0] == 0
    every = json.loads(run("rules", "--json")[1])
    assert len([r for r in every if r["kind"] != "dispute"]) == 52
    assert len([r for r in every if r["kind"] == "dispute"]) == 20
    early = {r["id"] for r in json.loads(run("rules", "--json", "--edition", "2026-03-18")[1])}
    assert "SIZE1-artifact" in early
    assert "NG1-target-in-key" not in early
    fatal = json.loads(run("rules", "--json", "--severity", "fatal")[1])
    assert fatal
    assert {r["severity"] for r in fatal} == {"fatal"}
    text = run("rules", "ng5")[1]
    assert "NG5-latent-mixing" in text
    assert "Legal look-alikes" in text
    assert "#1017" in text
    assert "D-06" in run("rules", "D-06")[1]


def test_unpack_prints_the_text_inside(run: Run, tmp_path: Path) -> None:
    import base64
    import zlib

    inner = "print('hello from inside')\n" * 40
    packed = base64.b64encode(zlib.compress(inner.encode())).decode()
    script = tmp_path / "train_gpt.py"
    script.write_text(f"import base64,zlib\nexec(zlib.decompress(base64.b64decode({packed!r})))\n")
    assert run("unpack", script)[1] == inner
    assert "zlib" in run("unpack", script, "--layers")[1]


def test_help_shows_examples(run: Run) -> None:
    for command in ("audit", "judge", "rules", "gate", "sweep", "unpack"):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert f"scorefirst {command}" in out


@pytest.mark.parametrize(
    ("status", "severity", "code"),
    [
        (Status.VIOLATION, Severity.FATAL, 14),
        (Status.LIKELY, Severity.ELIGIBILITY, 13),
        (Status.VIOLATION, Severity.PACKAGING, 12),
        (Status.LIKELY, Severity.ADVISORY, 11),
        (Status.DISPUTED, Severity.FATAL, 11),
        (Status.NEEDS_HUMAN, Severity.ELIGIBILITY, 11),
        (Status.UNVERIFIABLE, Severity.FATAL, 0),
        (Status.OK, Severity.FATAL, 0),
    ],
)
def test_exit_codes(status: Status, severity: Severity, code: int) -> None:
    audit = Audit("1.0", "0", "2026-05-02", SubmissionId("f"), status, (Finding("X1-x", status, severity, "x"),))
    assert exit_code([audit]) == code
    assert exit_code([audit], "never") == 0
    assert exit_code([audit], always_zero=True) == 0
    assert exit_code([]) == 0


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("def f(:\n", "train_gpt.py cannot be run: is not valid Python"),
        (b"# caf\xe9\n", "train_gpt.py cannot be run: is not valid utf-8"),
        (Path("nowhere"), "holds no program that can be run; train_gpt.py is a symlink"),
    ],
)
def test_a_trace_of_nothing_that_runs_says_why(run: Run, tmp_path: Path, script: str | bytes | Path, said: str) -> None:
    if reason := missing():
        pytest.skip(reason)
    at = tmp_path / "train_gpt.py"
    if isinstance(script, Path):
        at.symlink_to(script)
    else:
        at.write_bytes(script if isinstance(script, bytes) else script.encode())
    (tmp_path / "README.md").write_text("# Run\n")
    code, out, err = run("trace", tmp_path, "--no-cache")
    assert code == 3
    assert "no program that can be run" in out
    assert said in " ".join(err.split())


def test_what_is_run_where_nobody_said(run: Run, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    at = folder()
    monkeypatch.delenv("SCOREFIRST_RUN")
    monkeypatch.setattr("auditor.api.audit", lambda *a, run, **k: asked.append(run) or [])
    monkeypatch.setattr("auditor.trace.ready.missing", lambda device: "")
    for words in ((), ("--only", "PKG2"), ("--only", "C3"), ("--no-run",)):
        run("audit", at, *words)
    assert asked == [True, False, True, False]
    monkeypatch.setattr("auditor.trace.ready.missing", lambda device: "torch is missing")
    _, _, err = run("audit", at)
    assert asked[-1] is False
    assert "only read, and not run: torch is missing" in err
    assert run("audit", at, "--run")[0] == 2
