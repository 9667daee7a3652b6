"""From a box and a mode to the one command that is started, launcher included."""

from __future__ import annotations

import marshal
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auditor.trace.sandbox import bubblewrap
from auditor.trace.sandbox.box import GB, MB, Box, Mode, SandboxFailed
from auditor.trace.sandbox.launcher import FIRST_UID, landlock_abi
from auditor.trace.sandbox.places import Places
from auditor.trace.sandbox.view import SYSTEM, SYSTEM_FILES, interpreter, python_places
from auditor.trace.sandbox.watch import tasks_of_user

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
PROC_FILES = ("cpuinfo", "meminfo", "stat", "version", "loadavg", "filesystems", "sys/vm/overcommit_memory")
HELPERS = 4  # bubblewrap's first process and the launcher's own count, too


def command_line(
    box: Box, mode: Mode, where: Places, fds: dict[str, int], channels: list[int], command: Sequence[str]
) -> list[str]:
    """The argument vector that sets up the sandbox and then becomes `command`."""
    spec: dict[str, Any] = {
        "status": fds["status"],
        "cwd": bubblewrap.WORK if mode is Mode.BUBBLEWRAP else str(where.work),
        "keep": channels,
        "rlimits": rlimits(box, mode, where.uid),
        "uid": where.uid,
        "read_all": where.read_all,
        "landlock": None,
        "seccomp": None,
        "life": fds.get("life"),
    }
    if mode is Mode.BUBBLEWRAP:
        bwrap = bubblewrap.program()
        if bwrap is None:
            raise SandboxFailed("bubblewrap (bwrap) is not installed")
        folders = {
            "work": where.work,
            "home": where.home,
            "tmp": where.temporary,
            "etc": where.etc,
            "launcher": where.launcher,
        }
        start = bubblewrap.arguments(bwrap, box, folders, where.uid, where.read_all, fds)
        return [*start, marshal.dumps(spec).hex(), *command]
    if mode is Mode.LANDLOCK:
        spec["landlock"] = {"abi": landlock_abi(), "rules": landlock_rules(box, where)}
        spec["seccomp"] = where.filter.hex()
    return [str(interpreter()), "-I", "-S", str(where.launcher), marshal.dumps(spec).hex(), *command]


def landlock_rules(box: Box, where: Places) -> list[tuple[str, str]]:
    """Which paths may be read, written, or used as devices. `/proc/self` is the program's own, not its children's."""
    seen: list[Path | str] = [*SYSTEM, *SYSTEM_FILES, *python_places(), *(m.host for m in box.read_only)]
    rules = [(os.path.realpath(path), "read") for path in seen]
    rules += [(f"/proc/{name}", "read") for name in PROC_FILES]
    rules += [("/proc/self", "read")]
    rules += [(name, "device") for name in DEVICES]
    if "cuda" in box.devices:
        rules += [(name, "device") for name in bubblewrap.GPU_FILES]
        rules += [
            (name, "read") for name in (*bubblewrap.GPU_PLACES, "/proc/driver/nvidia", "/proc/sys/vm/mmap_min_addr")
        ]
        rules += [("/proc/self/task", "write")]  # the driver names its threads there, or gives up
    return rules + [(str(path), "write") for path in where.writable]


def rlimits(box: Box, mode: Mode, uid: int | None) -> dict[str, int]:
    """The limits that the kernel itself keeps, for each process.

    Memory: RLIMIT_AS is useless, torch reserves far more addresses than it uses. RLIMIT_DATA stops one leap
    that the watcher would see too late; reserved but untouched memory has room up to twice the limit.
    """
    limits = box.limits
    found = {
        "RLIMIT_DATA": 2 * limits.memory_bytes + GB,
        "RLIMIT_CPU": int(limits.cpu_s) + 1,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CORE": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_RTPRIO": 0,
        "RLIMIT_NICE": 0,
        "RLIMIT_MEMLOCK": 64 * MB,
    }
    fresh = uid is not None and uid >= FIRST_UID
    if mode is Mode.BUBBLEWRAP and (fresh or uid is None):
        found["RLIMIT_NPROC"] = limits.processes + HELPERS  # a user, or user namespace, of its own to count in
    elif fresh:
        found["RLIMIT_NPROC"] = limits.processes
    elif mode is not Mode.UNSEALED or os.geteuid():  # shared with all the user runs; root is exempt, the watcher is not
        found["RLIMIT_NPROC"] = limits.processes + tasks_of_user(os.geteuid() if uid is None else uid)
    return found
