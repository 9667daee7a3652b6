"""Which mode is chosen, and what is said when there is none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from auditor.trace.sandbox import Mode, NoSandbox, detect, launcher, view
from auditor.trace.sandbox.box import Box, Limits
from auditor.trace.sandbox.places import places
from auditor.trace.sandbox.sealing import landlock_rules, rlimits
from auditor.trace.sandbox.watch import below, tasks_of_user, unlinked, written
from tests.trace.sandbox.conftest import available

BOTH = (Mode.BUBBLEWRAP, Mode.LANDLOCK)


def choose(monkeypatch: pytest.MonkeyPatch, **reasons: str) -> Mode:
    monkeypatch.setattr(detect, "why_not", lambda mode: reasons.get(mode.value, ""))
    return detect.mode()


def test_the_strongest_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose(monkeypatch) is Mode.BUBBLEWRAP
    assert choose(monkeypatch, bubblewrap="bwrap is not installed") is Mode.LANDLOCK


def test_never_unsealed_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoSandbox, match=r"bubblewrap: gone; landlock: too old\)\. Install bubblewrap.*unsealed"):
        choose(monkeypatch, bubblewrap="gone", landlock="too old")


def test_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = detect.why_not.__wrapped__
    monkeypatch.setattr("auditor.trace.sandbox.bubblewrap.program", lambda: None)
    assert fresh(Mode.BUBBLEWRAP) == "bwrap is not installed"
    monkeypatch.setattr(detect, "landlock_abi", lambda: 2)
    assert "Landlock has version 2, needed is" in fresh(Mode.LANDLOCK)
    monkeypatch.setattr(detect, "machine", lambda: "")
    assert "no filter of system calls for" in fresh(Mode.LANDLOCK)


@pytest.mark.parametrize("uid", [0, 1000])
def test_an_ordinary_user_needs_landlock_against_signals(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    assert detect.landlock_needed() == (6 if uid else 3)


def test_a_user_for_one_run_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(view, "mapped", lambda number, table: True)
    made = {view.new_user() for _ in range(5)}
    assert len(made) == 5
    assert all(uid is not None and uid >= launcher.FIRST_UID for uid in made)
    monkeypatch.setattr(view, "mapped", lambda number, table: number == view.NOBODY)
    assert view.new_user() == view.NOBODY
    monkeypatch.setattr(view, "mapped", lambda number, table: False)
    assert view.new_user() is None
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert view.new_user() is None


@pytest.mark.parametrize("abi", range(1, 8))
def test_landlock_is_asked_only_for_what_it_knows(abi: int) -> None:
    handled = launcher.HANDLED[min(abi, 5)]
    assert handled < 1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)
    for rights in launcher.KINDS.values():
        assert rights & handled <= handled
    assert not launcher.KINDS["read"] & launcher.WRITE_FILE
    assert not launcher.KINDS["write"] & launcher.MAKE_BLOCK


def test_the_graphics_card_is_shown_only_when_asked_for() -> None:
    mode = available(Mode.LANDLOCK)
    with places(Box(), mode) as where:
        plain = {path for path, _ in landlock_rules(Box(), where)}
        cuda = {path for path, _ in landlock_rules(Box(devices=("cuda",)), where)}
    assert not any("nvidia" in path for path in plain)
    assert {"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0"} <= cuda - plain
    assert "LD_LIBRARY_PATH" in view.environment(Box(devices=("cuda",)), "/home", "/tmp")
    assert "LD_LIBRARY_PATH" not in view.environment(Box(), "/home", "/tmp")


def test_the_processes_are_counted_where_the_kernel_can() -> None:
    box = Box(limits=Limits(processes=50))
    assert 50 <= rlimits(box, Mode.BUBBLEWRAP, launcher.FIRST_UID + 5)["RLIMIT_NPROC"] <= 60
    assert rlimits(box, Mode.LANDLOCK, launcher.FIRST_UID + 5)["RLIMIT_NPROC"] == 50
    assert rlimits(box, Mode.LANDLOCK, None)["RLIMIT_NPROC"] == pytest.approx(50 + tasks_of_user(os.geteuid()), abs=40)


def test_what_is_written_is_counted_up_to_a_bound(tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / f"f{n}").write_bytes(b"x" * 8192)
    (tmp_path / "loop").symlink_to(tmp_path)
    size, count = written((tmp_path,), 1000)
    assert count == 21
    assert 20 * 8192 <= size <= 40 * 8192
    assert written((tmp_path,), 5)[1] == 6


def test_deleted_files_are_counted(tmp_path: Path) -> None:
    before = unlinked(os.getpid())
    with open(tmp_path / "hidden", "wb", 0) as f:
        os.unlink(f.name)
        f.write(b"x" * (1 << 20))
        assert unlinked(os.getpid()) - before >= 1 << 20


def test_descendants_are_found() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 60 & wait"]) as shell:
        try:
            while len(below(shell.pid)) < 1:
                pass
            [child] = below(shell.pid)
            assert child in below(os.getpid())
            assert shell.pid in below(os.getpid())
        finally:
            for pid in [*below(shell.pid), shell.pid]:
                os.kill(pid, 9)
