"""The result of looking at one record folder, in the form that every report is made from."""

from __future__ import annotations

from dataclasses import dataclass

from rules.events import Suspect
from rules.evidence import Evidence, Gap
from rules.finding import Finding, Severity, Status

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class SubmissionId:
    """Which folder at which commit was audited, and the files whose bytes were read."""

    folder: str
    head: str = ""
    base: str = ""
    pr: int | None = None
    track: str = "unknown"
    date: str = ""
    source: str = ""
    files_read: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiver:
    """A maintainer's decision to let a finding pass: which, why, who, and since when (ISO date)."""

    rule: str
    reason: str
    author: str
    date: str
    folder: str = "*"
    pr: int | None = None
    expires: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit. `coverage` lists what was not looked at and why; `evidence` is kept on request."""

    schema_version: str
    tool_version: str
    edition: str
    submission: SubmissionId
    verdict: Status
    findings: tuple[Finding, ...]
    coverage: tuple[Gap, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    evidence: Evidence | None = None
    suspects: tuple[Suspect, ...] = ()  # code that would matter if it ran, shown and never judged

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that ask somebody to look, waived ones left out, worst first."""
        return tuple(f for f in self.findings if f.status.is_alarm and not f.waiver)

    @property
    def worst_severity(self) -> Severity | None:
        """Highest severity among `violation` and `likely`; `advisory` if only doubts remain."""
        sure = [f.severity for f in self.alarms if f.status in (Status.VIOLATION, Status.LIKELY)]
        if sure:
            return min(sure, key=lambda s: s.rank)
        return Severity.ADVISORY if self.alarms else None
