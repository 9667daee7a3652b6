"""The JSON contract, version 1.0: what other programs may rely on.

Fields are only added within a major version. A reader should ignore fields it does not know.
"""

from __future__ import annotations

import msgspec

from auditor.audit import Audit, SubmissionId, Waiver
from auditor.report.fingerprint import named
from rules.events import Suspect
from rules.evidence import Evidence, Gap, Location
from rules.finding import Fact, Finding, Severity, Status

VERSION = "1.0"  # of the documents; `auditor.audit.SCHEMA_VERSION` says the same


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """Which folder at which commit was audited; `files_read` are paths within the folder."""

    pr: int | None
    head: str
    base: str
    folder: str
    track: str
    date: str
    source: str
    files_read: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of one rule. `waiver` is "" unless a maintainer let the finding pass."""

    rule: str
    status: Status
    severity: Severity
    message: str
    locations: tuple[Location, ...]
    evidence: tuple[Fact, ...]
    disputes: tuple[str, ...]
    instead: str
    show_again: str
    waiver: str
    fingerprint: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One audit of one record folder. `evidence` is there when it was asked for.

    `suspects` are functions that would matter if they ran, and why they did not; they are not judged.
    """

    schema_version: str
    tool_version: str
    edition: str
    submission: Submission
    verdict: Status
    findings: tuple[Answer, ...]
    coverage: tuple[Gap, ...]
    waivers: tuple[Waiver, ...]
    suspects: tuple[Suspect, ...] = ()
    evidence: Evidence | msgspec.UnsetType = msgspec.UNSET


def document(audit: Audit, keep_evidence: bool = False) -> Document:
    """The audit in the form of the contract."""
    s = audit.submission
    return Document(
        schema_version=audit.schema_version,
        tool_version=audit.tool_version,
        edition=audit.edition,
        submission=Submission(
            pr=s.pr,
            head=s.head,
            base=s.base,
            folder=s.folder,
            track=s.track,
            date=s.date,
            source=s.source,
            files_read=s.files_read,
        ),
        verdict=audit.verdict,
        findings=tuple(_answer(name, f) for name, f in named(audit)),
        coverage=audit.coverage,
        waivers=audit.waivers,
        suspects=audit.suspects,
        evidence=audit.evidence if keep_evidence and audit.evidence else msgspec.UNSET,
    )


def _answer(name: str, f: Finding) -> Answer:
    return Answer(
        rule=f.rule,
        status=f.status,
        severity=f.severity,
        message=f.message,
        locations=f.locations,
        evidence=f.evidence,
        disputes=f.disputes,
        instead=f.instead,
        show_again=f.show_again,
        waiver=f.waiver,
        fingerprint=name,
    )


def audit(document: Document) -> Audit:
    """The audit that a document was made from, as far as the contract holds it."""
    s = document.submission
    return Audit(
        schema_version=document.schema_version,
        tool_version=document.tool_version,
        edition=document.edition,
        submission=SubmissionId(
            folder=s.folder,
            head=s.head,
            base=s.base,
            pr=s.pr,
            track=s.track,
            date=s.date,
            source=s.source,
            files_read=s.files_read,
        ),
        verdict=document.verdict,
        findings=tuple(
            Finding(
                rule=a.rule,
                status=a.status,
                severity=a.severity,
                message=a.message,
                locations=a.locations,
                evidence=a.evidence,
                disputes=a.disputes,
                instead=a.instead,
                show_again=a.show_again,
                waiver=a.waiver,
                fingerprint=a.fingerprint,
            )
            for a in document.findings
        ),
        coverage=document.coverage,
        waivers=document.waivers,
        suspects=document.suspects,
        evidence=None if document.evidence is msgspec.UNSET else document.evidence,
    )
