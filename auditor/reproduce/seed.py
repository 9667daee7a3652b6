"""One seed: a folder of its own, the sandbox around it, its output written down as it comes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from auditor.claims.logs import is_log_name
from auditor.reproduce.plan import Plan
from auditor.reproduce.state import SCHEMA, Kept, Record, State, digest
from auditor.submission.base import AuditorError
from auditor.trace.sandbox import Box, Outcome, run, take
from auditor.trace.sandbox.places import remove

Tell = Callable[[str], None]
MOST_LOG = 32 << 20  # bytes of one log that a program wrote itself
MOST_LOGS, MOST_LEFT, MOST_DEPTH = 16, 200, 8
LAST = 3  # lines of a traceback that a person is shown
_RANK = re.compile(r"^\[rank\d+\]:\s?", re.M)
_ERROR = re.compile(r"^(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*(?:Error|Exception|Interrupt|Exit|NotImplemented\w*))\b", re.M)
_LAUNCHERS = ("ChildFailedError", "SignalException")  # torchrun's own, behind those of the program


class Listener:
    """Writes the program's output to files while it comes and tells of its last line."""

    def __init__(self, log: Path, errors: Path, tell: Tell) -> None:
        self.files = {"stdout": log.open("wb"), "stderr": errors.open("wb")}
        self.tell = tell
        self.rest = {"stdout": b"", "stderr": b""}

    def take(self, stream: str, data: bytes) -> None:
        self.files[stream].write(data)
        self.files[stream].flush()
        *lines, self.rest[stream] = (self.rest[stream] + data)[-8000:].replace(b"\r", b"\n").split(b"\n")
        said = next((line for line in reversed(lines) if line.strip()), b"")
        if said and stream == "stdout":
            self.tell(said.decode("utf-8", "replace").strip())

    def close(self) -> None:
        for f in self.files.values():
            f.close()


def run_seed(
    plan: Plan, seed: int, state: State, folder: str, tell: Tell, launch: Callable[..., Outcome] = run
) -> Record:
    """Run one seed and write its record. On Ctrl-C nothing of the run is left but its output so far.

    `launch` is what runs a command in a box.
    """
    work = state.folder / f"work-{seed}"
    remove(work)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    log, errors = f"seed-{seed}.log", f"seed-{seed}.err"
    with ExitStack() as stack:
        work.mkdir(mode=0o711)
        stack.callback(remove, work)
        for name, data in plan.files.items():
            at = work / name
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(data)
        before = dict(files_in(work))
        box = Box(
            read_only=plan.data.mounts,
            work=work,
            env=plan.variables(seed),
            limits=plan.limits(),
            devices=("cuda",) if plan.device == "cuda" else (),
        )
        listener = Listener(state.folder / log, state.folder / errors, tell)
        try:
            outcome = launch(box, plan.command(seed), mode=plan.mode, tell=listener.take)
        finally:
            listener.close()
        left = [(name, size) for name, size in files_in(work) if before.get(name) != size]
        own = tuple(own_logs(work, [name for name, _ in left], state, seed))
    record = Record(
        schema=SCHEMA,
        key=plan.key,
        seed=seed,
        folder=folder,
        entry=plan.entry,
        entry_sha256=digest(plan.files[plan.entry]),
        command=plan.command(seed),
        environment=plan.variables(seed),
        ranks=plan.ranks,
        device=plan.machine.device if plan.device == "cuda" else plan.machine.cpu,
        driver=plan.machine.driver,
        versions={"python": plan.machine.python, **plan.machine.versions},
        mode=plan.mode.value,
        started=started,
        ended=outcome.words(),
        code=outcome.code,
        signal=outcome.signal,
        wall_s=outcome.wall_s,
        cpu_s=outcome.cpu_s,
        peak_memory=outcome.peak_memory,
        log=kept(state, log),
        errors=kept(state, errors),
        own=own,
        left=tuple(left[:MOST_LEFT]),
        finished=outcome.ok,
        last_words="" if outcome.ok else last_words(outcome.stderr.decode("utf-8", "replace")),
        train_shards=plan.data.train_shards,
        val_tokens=plan.data.val_tokens,
    )
    state.write(record)
    return record


def kept(state: State, name: str) -> Kept:
    data = (state.folder / name).read_bytes()
    return Kept(name, digest(data), len(data))


def files_in(work: Path, inside: str = "", depth: int = 0) -> Iterator[tuple[str, int]]:
    """(path below `work`, bytes) of plain files; links are not followed, nor what is very deep."""
    try:
        entries = sorted(os.scandir(work / inside), key=lambda e: e.name)
    except OSError:
        return
    for entry in entries:
        name = f"{inside}/{entry.name}" if inside else entry.name
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth < MOST_DEPTH and name != "data" and not entry.name.startswith("__"):
                    yield from files_in(work, name, depth + 1)
            elif entry.is_file(follow_symlinks=False):
                yield name, entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue


def own_logs(work: Path, names: Sequence[str], state: State, seed: int) -> Iterator[Kept]:
    """The logs that the program wrote itself, copied into the state folder."""
    for name in [n for n in names if is_log_name(n)][:MOST_LOGS]:
        try:
            data = take(work, name, MOST_LOG)
        except (AuditorError, OSError):
            continue
        yield state.keep(f"seed-{seed}.files/{re.sub(r'[^A-Za-z0-9._-]', '_', name)[-120:]}", data)


def last_words(stderr: str) -> str:
    """What a program that died said last: its own error, not the launcher's."""
    text = _RANK.sub("", stderr)
    for m in reversed(list(_ERROR.finditer(text))):
        if m[1] not in _LAUNCHERS:
            following = text[m.start() :].splitlines()[:LAST]
            return " ".join(
                line.strip()
                for line in following
                if line.strip() and not line.startswith(("Traceback", "W0", "E0", "W1", "E1"))
            )[:400]
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())[-400:]
