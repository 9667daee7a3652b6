"""What every kind of source gives the auditor: a record folder whose files can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rules.evidence import FileFact, Gap, Package

MAX_FILE = 24_000_000  # bytes; a larger file is listed, not read


class AuditorError(Exception):
    """An error a user can act on: one sentence that names the file and says what to do."""

    exit_code = 1


class UsageError(AuditorError):
    """The call itself is off, e.g. a PR that the clone does not have."""

    exit_code = 2


class NothingToAudit(AuditorError):
    """The place exists, but holds no record folder."""

    exit_code = 3


class Unreadable(AuditorError):
    """One file cannot be read; the audit goes on and lists it under coverage."""


@dataclass(frozen=True)
class Submission:
    """One record folder. `read(path)` gives a file's bytes or raises `Unreadable`.

    `package` holds names, sizes and commit, not yet scripts and mentions. Paths are relative to
    the record folder and use `/`.
    """

    package: Package
    read: Callable[[str], bytes]
    gaps: tuple[Gap, ...] = ()

    @property
    def files(self) -> tuple[FileFact, ...]:
        return self.package.files
