"""The state folder: one JSON for each seed, written whole or not at all; a finished seed is not run again."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from auditor.submission.base import AuditorError, UsageError

SCHEMA = 1


@dataclass(frozen=True)
class Kept:
    """A file that a run left in the state folder."""

    path: str  # relative to the folder of its plan
    sha256: str
    size: int


@dataclass(frozen=True)
class Record:
    """One seed's run. `log` is its standard output, `own` the logs that it wrote itself, `left` (name, bytes) of all new files.

    `finished`: the program came to its end by itself, without an error.
    """

    schema: int
    key: str
    seed: int
    folder: str
    entry: str
    entry_sha256: str
    command: tuple[str, ...]
    environment: dict[str, str]
    ranks: int
    device: str
    driver: str
    versions: dict[str, str]
    mode: str
    started: str
    ended: str
    code: int | None
    signal: int | None
    wall_s: float
    cpu_s: float
    peak_memory: int
    log: Kept
    errors: Kept
    own: tuple[Kept, ...] = ()
    left: tuple[tuple[str, int], ...] = ()
    finished: bool = False
    last_words: str = ""
    train_shards: int | None = None
    val_tokens: int | None = None


@dataclass(frozen=True)
class State:
    """The folder of one plan below `--out`."""

    root: Path
    key: str
    notes: list[str] = field(default_factory=list, compare=False)

    @property
    def folder(self) -> Path:
        return self.root / self.key

    def file(self, seed: int) -> Path:
        return self.folder / f"seed-{seed}.json"

    def done(self, seed: int) -> Record | None:
        """The record of a finished run whose log is still as it was; None if the seed has to be run."""
        try:
            record = msgspec.json.decode(self.file(seed).read_bytes(), type=Record)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as e:
            self.notes.append(f"{self.file(seed)} cannot be read ({e}): seed {seed} is run again")
            return None
        if record.schema != SCHEMA or record.key != self.key or record.seed != seed or not record.finished:
            return None
        for kept in (record.log, *record.own):
            at = self.folder / kept.path
            if not at.is_file() or digest(at.read_bytes()) != kept.sha256:
                self.notes.append(f"{at} is not as the run left it: seed {seed} is run again")
                return None
        return record

    def write(self, record: Record) -> None:
        """Put a record down, whole or not at all."""
        data = msgspec.json.format(msgspec.json.encode(record), indent=2)
        new = self.file(record.seed).with_suffix(".new")
        new.write_bytes(data)
        os.replace(new, self.file(record.seed))

    def keep(self, name: str, data: bytes) -> Kept:
        """Write a file of a run."""
        at = self.folder / name
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)
        return Kept(name, digest(data), len(data))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def opened(root: Path, key: str) -> Iterator[State]:
    """The state folder, ours alone until the end. Raises UsageError where it cannot be had."""
    state = State(root, key)
    try:
        state.folder.mkdir(parents=True, exist_ok=True)
        lock = open(state.folder / ".lock", "w")  # noqa: SIM115
    except OSError as e:
        raise UsageError(f"cannot use {root}: {e.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AuditorError(
                f"another scorefirst reproduce is at work in {state.folder}: wait for it, or use another --out"
            ) from None
        yield state
