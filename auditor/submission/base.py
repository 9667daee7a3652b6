"""What every kind of source gives the auditor: a record folder whose files can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rules.evidence import FileFact, Gap, Package

MAX_FILE = 24_000_000  # bytes; a larger file is listed, not read
MAX_FILES = 10_000  # files of one folder; further ones are named as a gap
MAX_DEPTH = 64  # nested directories
MAX_OUTSIDE = 200  # names of changed files outside the record folders


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
    the record folder and use `/`, in the shown form of `auditor.submission.names`. `files_read`
    lists what `read` has given out so far, so that the audit can say what it rests on.
    """

    package: Package
    read: Callable[[str], bytes]
    gaps: tuple[Gap, ...] = ()
    _given: dict[str, None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        inner, given = self.read, self._given

        def read(path: str) -> bytes:
            data = inner(path)
            given[path] = None
            return data

        object.__setattr__(self, "read", read)

    @property
    def files(self) -> tuple[FileFact, ...]:
        return self.package.files

    @property
    def files_read(self) -> tuple[str, ...]:
        """Paths whose bytes were read, in order of the first reading."""
        return tuple(self._given)
