"""Every escape attempt, in every mode that this machine has; and a proof that they would succeed without a sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from auditor import cli
from auditor.trace.sandbox import Mode
from auditor.trace.sandbox.attempts import registry
from auditor.trace.sandbox.attempts.registry import Attempt, all_attempts, register
from auditor.trace.sandbox.check import Verdict, check
from auditor.trace.sandbox.view import open_to_all

ROOT = Path(__file__).parents[3]
GROUPS = list(dict.fromkeys(a.group for a in all_attempts()))
SURE = """
tcp-loopback udp unix-socket abstract-socket abstract-datagram unix-datagram
read read-symlink read-dots read-proc-root list-host
write-new write-over append truncate unlink rename-over rename-away link-out chmod utime
environment signal-victim signal-host signal-group signal-pidfd slow-down memfd
"""  # would succeed on any machine, for any user


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    names = [a.name for a in all_attempts()]
    assert len(set(names)) == len(names) >= 100
    for attempt in all_attempts():
        compile(attempt.code, attempt.name, "exec")


@pytest.mark.parametrize("group", GROUPS)
def test_none_gets_out(sealed: Mode, strongest: Mode, group: str) -> None:
    if group == "resources" and sealed is not strongest:
        pytest.skip("slow, and made in the stronger mode")
    results = list(check(sealed, [a for a in all_attempts() if a.group == group]))
    assert results
    assert {r.attempt.name: r.reason for r in results if r.verdict is not Verdict.HELD} == {}


def test_without_a_sandbox_they_do_get_out() -> None:
    sure = [a for a in all_attempts() if a.name in SURE.split()]
    assert len(sure) == len(SURE.split())
    held = {r.attempt.name: r.reason for r in check(Mode.UNSEALED, sure) if r.verdict is not Verdict.ESCAPED}
    assert held == {}


def test_the_harmful_are_not_made_unsealed() -> None:
    bombs = [a for a in all_attempts() if a.group == "resources"]
    assert list(check(Mode.UNSEALED, bombs)) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
@pytest.mark.parametrize("name", ["bubblewrap", "landlock"])
def test_as_an_ordinary_user(name: str) -> None:
    python = ordinary_python()
    code = f"""
import sys
from auditor.trace.sandbox.check import check, all_attempts
from auditor.trace.sandbox import Mode, why_not
mode = Mode({name!r})
if why_not(mode): sys.exit("cannot: " + why_not(mode))
wanted = [a for a in all_attempts() if a.group in ("files", "inheritance", "processes", "network") or a.name in ("fork-bomb", "thread-bomb")]
results = list(check(mode, wanted))
print([(r.attempt.name, r.reason) for r in results if r.verdict != "held"], len(results))
"""
    done = subprocess.run(
        [python, "-c", code],
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        user=61234,
        group=61234,
        extra_groups=[],
    )
    if done.stderr.startswith("cannot: "):
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[] "), done.stdout


def ordinary_python() -> str:
    """A Python new enough that an ordinary user may run and that finds this package."""
    for path in (sys.executable, "/usr/bin/python3"):
        if open_to_all([Path(os.path.realpath(path)), ROOT / "auditor" / "cli.py"], from_root=True):
            code = "import sys; sys.exit(sys.version_info < (3, 11))"
            if subprocess.run([path, "-I", "-c", code], check=False).returncode == 0:
                return path
    pytest.skip("no Python here that an ordinary user may run")


@pytest.fixture
def own_attempt() -> Iterator[Attempt]:
    attempt = register(Attempt("own-clock", "tracer", "set the tracer's clock", "got('another time')"))
    yield attempt
    registry._added.clear()


def test_another_module_can_add_its_own(own_attempt: Attempt, strongest: Mode) -> None:
    assert all_attempts()[-1] is own_attempt
    [result] = check(strongest, [own_attempt])
    assert (result.verdict, result.reason) == (Verdict.ESCAPED, "it got another time")
    with pytest.raises(ValueError, match="already an attempt"):
        register(own_attempt)
    with pytest.raises(ValueError, match="already an attempt"):
        register(replace(own_attempt, name="read"))


def test_an_attempt_that_fails_by_itself_proves_nothing(strongest: Mode) -> None:
    [result] = check(strongest, [Attempt("broken", "tracer", "do something", "no_such_name")])
    assert result.verdict is Verdict.UNPROVEN
    assert "NameError" in result.reason


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["scorefirst", "sandbox", "check", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("strongest")
def test_the_command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--only", "read", "--only", "tcp-loopback") == 0
    out = capfd.readouterr().out
    assert "2 of 2 attempts held" in out
    assert call(monkeypatch, "--only", "read", "--mode", "unsealed") == 1
    out = capfd.readouterr().out
    assert "it read a file" in out
    assert "unsealed: 0 of 1 attempts held" in out


@pytest.mark.usefixtures("strongest")
def test_errors_of_the_call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--only", "nonsense") == 2
    assert "the groups are network, files" in capfd.readouterr().err
    assert call(monkeypatch, "--mode", "nonsense") == 2
    assert "use auto, bubblewrap, landlock, unsealed" in capfd.readouterr().err
