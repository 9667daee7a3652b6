"""What a caller says about a run in the sandbox, and what it gets back."""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

from auditor.submission.base import AuditorError, UsageError

MB = 1 << 20
GB = 1 << 30


class NoSandbox(AuditorError):
    """This machine has nothing to seal a process with; the sentence says what was tried."""


class SandboxFailed(AuditorError):
    """The sandbox itself could not be set up; the program never started."""


class Mode(StrEnum):
    """How a run is sealed, strongest first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    UNSEALED = "unsealed"


class Limit(StrEnum):
    """Which limit ended a run."""

    NONE = ""
    WALL = "wall"
    CPU = "cpu"
    MEMORY = "memory"
    PROCESSES = "processes"
    OUTPUT = "output"
    DISK = "disk"
    CHANNEL = "channel"


@dataclass(frozen=True)
class Limits:
    """The most that a run may use; reaching one ends it, except where the kernel can refuse politely.

    `memory_bytes` is what all processes hold together (resident and swapped); `processes` counts threads too, as the
    kernel does; `output_bytes` is stdout and stderr together; `file_bytes` bounds one file, `disk_bytes` and `files`
    everything in the writable places.
    """

    wall_s: float = 600.0
    cpu_s: float = 1200.0
    memory_bytes: int = 8 * GB
    processes: int = 512
    output_bytes: int = 16 * MB
    file_bytes: int = 1 * GB
    disk_bytes: int = 2 * GB
    files: int = 20_000
    open_files: int = 1024

    def __post_init__(self) -> None:
        wrong = [name for name, value in vars(self).items() if not value > 0]
        if wrong:
            raise UsageError(f"limits of the sandbox must be positive: {', '.join(wrong)}")


@dataclass(frozen=True)
class Mount:
    """A host path that the child may read.

    It appears under its own absolute path, or, with `inside`, at that place in the work directory.
    """

    host: Path
    inside: str = ""

    def __post_init__(self) -> None:
        inside = PurePosixPath(self.inside)
        if not self.host.is_absolute():
            raise UsageError(f"a path for the sandbox must be absolute: {self.host}")
        if inside.is_absolute() or ".." in inside.parts:
            raise UsageError(f"a place in the work directory must be relative and below it: {self.inside}")


@dataclass(frozen=True)
class Channel:
    """A two-way byte stream between host and child, e.g. for the ledger.

    The child finds the number of its descriptor (a socket) in the environment variable
    `SCOREFIRST_<NAME>`. `take` is called on the host with each piece that arrives, and what it
    returns is sent back. More than `limit` bytes in either direction end the run: from the child in all, to
    the child waiting to be read.
    """

    name: str
    take: Callable[[bytes], bytes | None]
    limit: int = 256 * MB

    @property
    def variable(self) -> str:
        return f"SCOREFIRST_{self.name.upper()}"


@dataclass(frozen=True)
class Box:
    """What the child may see and use.

    `work` is the host directory that the child starts in and may write to; the caller owns it and may fill it before
    the run, and everything in it belongs to the child from then on: take a fresh one for each run. Without it, the child gets an empty one that
    vanishes with the run. Home and temporary directory are always empty and always vanish.
    """

    read_only: tuple[Mount, ...] = ()
    work: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    limits: Limits = Limits()
    devices: tuple[str, ...] = ()  # ("cuda",) lets the child use the NVIDIA devices

    def __post_init__(self) -> None:
        unknown = set(self.devices) - {"cuda"}
        if unknown:
            raise UsageError(f"the sandbox knows no device {', '.join(sorted(unknown))}; use cuda")


@dataclass(frozen=True)
class Outcome:
    """How a run ended and what it used.

    Exactly one of `code` and `signal` is set. In bubblewrap mode a program that exits with 128 + n reads as ended by
    signal n, as in a shell.
    """

    mode: Mode
    code: int | None
    signal: int | None
    limit: Limit
    wall_s: float
    cpu_s: float
    peak_memory: int
    peak_tasks: int
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        return self.code == 0 and not self.limit

    def words(self) -> str:
        """The ending in a few plain words."""
        if self.limit:
            return f"ended by its {self.limit.value} limit"
        if self.signal is not None:
            try:
                return f"ended by {signals.Signals(self.signal).name}"
            except ValueError:
                return f"ended by signal {self.signal}"
        return f"exit code {self.code}"
