"""`scorefirst sandbox check`: run every escape attempt in the sandbox and judge from outside whether it held."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from auditor.trace.sandbox.attempts.registry import Attempt, all_attempts
from auditor.trace.sandbox.attempts.scene import Scene, scene
from auditor.trace.sandbox.box import Box, Channel, Mode, Mount, Outcome, SandboxFailed
from auditor.trace.sandbox.places import remove
from auditor.trace.sandbox.session import run
from auditor.trace.sandbox.view import python_command

PRELUDE = """\
import ctypes, json, os, sys
F = json.loads(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def got(what): print("GOT", what, flush=True)
def call(name, *arguments):
    nr = F["nr"].get(name)
    if nr is None: raise OSError(38, "not on this machine")
    words = [a if isinstance(a, (bytes, ctypes.Array)) or hasattr(a, "_obj") else ctypes.c_long(a) for a in arguments]
    result = libc.syscall(ctypes.c_long(nr), *words)
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def door(name, *arguments):
    "A call that cannot succeed: any answer but a refusal shows that the kernel listened."
    try: call(name, *arguments)
    except OSError as e:
        if e.errno in (1, 13, 38): return
        got(f"an answer to {name}: {e.strerror}")
    else: got(name)
try:
    exec(compile(sys.argv[2], "attempt", "exec"), globals())
except (OSError, MemoryError) as e:
    print("REFUSED", repr(e))
print("TRIED", flush=True)
"""


class Verdict(StrEnum):
    HELD = "held"
    ESCAPED = "escaped"
    UNPROVEN = "not tried"  # the attempt itself failed: nothing is known


@dataclass(frozen=True)
class Result:
    """How one attempt went."""

    attempt: Attempt
    mode: Mode
    verdict: Verdict
    reason: str
    wall_s: float = 0.0


def check(mode: Mode, attempts: Iterable[Attempt] | None = None) -> Iterator[Result]:
    """Make the attempts one after the other. Unsealed, only those that do no harm are made."""
    with ExitStack() as stack:
        here = stack.enter_context(scene())
        for attempt in all_attempts() if attempts is None else attempts:
            if mode not in attempt.only or (mode is Mode.UNSEALED and not attempt.harmless):
                continue
            try:
                result = make(attempt, here, mode)
            except SandboxFailed as e:
                result = Result(attempt, mode, Verdict.UNPROVEN, str(e))
            yield result
            if result.verdict is not Verdict.HELD:  # the scene may be in ruins
                stack.close()
                here = stack.enter_context(scene())


def make(attempt: Attempt, here: Scene, mode: Mode) -> Result:
    """Make one attempt."""
    work = Path(tempfile.mkdtemp(prefix="scorefirst-attempt-"))
    try:
        for name, text in attempt.files:
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_text(text)
        box = Box(
            read_only=(Mount(here.folder / "given.txt", "given.txt"),),
            work=work,
            env={"SCOREFIRST_MARK": here.mark},
            channels=(Channel("ledger", lambda data: None, limit=1 << 20),),
            limits=attempt.limits,
        )
        command = python_command("", json.dumps(here.facts), attempt.code, code=PRELUDE)
        outcome = run(box, command, mode=mode)
        verdict, reason = judge(attempt, here, outcome)
        return Result(attempt, mode, verdict, reason, outcome.wall_s)
    finally:
        remove(work)
        if os.path.lexists(work):
            raise SandboxFailed(f"cannot remove what an attempt left: {work}")


def judge(attempt: Attempt, here: Scene, outcome: Outcome) -> tuple[Verdict, str]:
    """What the scene, the secrets, the limits and the attempt's own words say."""
    boasts = [line for line in outcome.stdout.decode("utf-8", "replace").splitlines() if line.startswith("GOT ")]
    escaped = here.disturbed() or here.leaked(outcome.stdout, outcome.stderr)
    escaped = escaped or (attempt.judge(here, outcome) if attempt.judge else "")
    escaped = escaped or (f"it got {boasts[0][4:]}" if boasts else "")
    if escaped:
        return Verdict.ESCAPED, escaped
    if outcome.limit:
        if outcome.limit in attempt.ends:
            return Verdict.HELD, outcome.words()
        return Verdict.UNPROVEN, f"{outcome.words()}, which was not expected"
    if attempt.must_end and not (b"REFUSED" in outcome.stdout or b"Cannot allocate" in outcome.stderr):
        return Verdict.UNPROVEN, f"no limit ended it: {outcome.words()}"
    if b"TRIED" not in outcome.stdout and outcome.code != 0:
        said = outcome.stderr.decode("utf-8", "replace").strip().splitlines() or [""]
        return Verdict.UNPROVEN, f"{outcome.words()}: {said[-1]}"
    refusals = [x for x in outcome.stdout.decode("utf-8", "replace").splitlines() if x.startswith("REFUSED")]
    return Verdict.HELD, refusals[0].removeprefix("REFUSED ") if refusals else ""
