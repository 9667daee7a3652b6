"""Which sandbox this machine can offer, found by trying it."""

from __future__ import annotations

import os
from functools import cache

from auditor.trace.sandbox import bubblewrap
from auditor.trace.sandbox.box import MB, Box, Limits, Mode, NoSandbox, SandboxFailed
from auditor.trace.sandbox.launcher import landlock_abi
from auditor.trace.sandbox.syscalls import machine

ABI_TRUNCATE, ABI_SIGNALS = 3, 6  # Linux 6.2 and 6.12


def mode() -> Mode:
    """The strongest mode that works here; raises `NoSandbox` with what was tried."""
    tried = []
    for candidate in (Mode.BUBBLEWRAP, Mode.LANDLOCK):
        reason = why_not(candidate)
        if not reason:
            return candidate
        tried.append(f"{candidate.value}: {reason}")
    raise NoSandbox(
        f"no sandbox on this machine ({'; '.join(tried)}). Install bubblewrap, or use Linux 6.12 or later; to run the "
        "program without a sandbox, say so explicitly (mode unsealed)"
    )


@cache
def why_not(candidate: Mode) -> str:
    """The reason why a mode is not to be had here, or an empty string. It is tried once per process."""
    from auditor.trace.sandbox.session import run

    if candidate is Mode.UNSEALED:
        return ""
    if not machine():
        return f"no filter of system calls for {os.uname().machine}"
    if candidate is Mode.BUBBLEWRAP and bubblewrap.program() is None:
        return "bwrap is not installed"
    if candidate is Mode.LANDLOCK:
        abi, needed = landlock_abi(), landlock_needed()
        if abi < needed:
            return f"the kernel's Landlock has version {abi}, needed is {needed}"
    try:
        outcome = run(Box(limits=Limits(wall_s=20, memory_bytes=256 * MB)), ["/bin/sh", "-c", "exit 7"], mode=candidate)
    except SandboxFailed as e:
        return str(e)
    except OSError as e:
        return f"{e.strerror or e}"
    return "" if outcome.code == 7 else f"a trial run ended wrongly: {outcome.words()}"


def landlock_needed() -> int:
    """An ordinary user's child could signal the user's other processes, so Landlock must forbid that; a child that
    runs as a user of its own cannot."""
    return ABI_TRUNCATE if os.geteuid() == 0 else ABI_SIGNALS
