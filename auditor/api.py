"""The one way in: command line, gate, sweep and tests all call `audit`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import TYPE_CHECKING

from auditor import waivers as waiving
from auditor.audit import SCHEMA_VERSION, Audit, SubmissionId, Waiver
from auditor.gather import Tell, gather, silent
from auditor.report.fingerprint import fingerprint
from auditor.source.shipped import payload
from auditor.submission import Repo, Target, resolve
from auditor.submission.base import Submission
from rules.editions import LATEST, Edition, edition
from rules.evidence import Evidence, Gap, Package
from rules.finding import Fact, Finding
from rules.judge import judge, verdict

if TYPE_CHECKING:
    from auditor.trace.cache import Cache

try:
    TOOL_VERSION = version("scorefirst")
except PackageNotFoundError:  # run from a source tree
    TOOL_VERSION = "0+source"


def audit(
    target: Target,
    *,
    law: str = "latest",
    only: frozenset[str] = frozenset(),
    waivers: tuple[Waiver, ...] = (),
    keep_evidence: bool = False,
    repo: Repo | None = None,
    run: bool = False,
    device: str = "cpu",
    cache: Cache | None = None,
    tell: Tell = silent,
) -> Iterator[Audit]:
    """One audit for each record folder that the target names.

    `law` is "latest", a date, or "own" for the edition in force when the submission was made. With `run` the
    submission's program is run small in the sandbox, which needs torch; `device` "cuda" lets it use a GPU, `cache` keeps
    such runs.
    Raises AuditorError (with an exit code) when the target cannot be resolved; nothing else.
    """
    if law != "own":
        edition(law)  # a wrong date is an error of the call, found before any work
    tell("finding the files")
    for submission in resolve(target, repo=repo):
        yield audit_submission(
            submission,
            law=law,
            only=only,
            waivers=waivers,
            keep_evidence=keep_evidence,
            run=run,
            device=device,
            cache=cache,
            tell=tell,
        )


def audit_submission(
    submission: Submission,
    *,
    law: str = "latest",
    only: frozenset[str] = frozenset(),
    waivers: tuple[Waiver, ...] = (),
    keep_evidence: bool = False,
    run: bool = False,
    device: str = "cpu",
    cache: Cache | None = None,
    tell: Tell = silent,
) -> Audit:
    """Gather the evidence of one resolved submission and judge it; `tell` hears what is being done."""
    name = submission.package.folder.rstrip("/").rsplit("/", 1)[-1]
    evidence = gather(submission, lambda doing: tell(f"{name}: {doing}"), run=run, device=device, cache=cache)
    tell(f"{name}: asking the rules")
    return judge_evidence(evidence, law=law, only=only, waivers=waivers, keep_evidence=keep_evidence)


def judge_evidence(
    evidence: Evidence,
    *,
    law: str = "latest",
    only: frozenset[str] = frozenset(),
    waivers: tuple[Waiver, ...] = (),
    keep_evidence: bool = False,
) -> Audit:
    """Judge evidence, fresh or stored, by an edition of the law."""
    package = evidence.package
    gaps = evidence.gaps
    try:
        ed = own_edition(package) if law == "own" else edition(law)
    except ValueError as e:
        ed, gaps = LATEST, (*gaps, Gap("edition", f"{e}; judged by the edition of {LATEST.date}"))
    findings = tuple(_finish(f, package) for f in judge(evidence, ed, only))
    findings, used = waiving.apply(findings, package, waivers, datetime.now(UTC).date().isoformat())
    return Audit(
        schema_version=SCHEMA_VERSION,
        tool_version=TOOL_VERSION,
        edition=ed.date,
        submission=SubmissionId(
            folder=package.folder,
            head=package.head,
            base=package.base,
            pr=package.pr,
            track=package.track.value,
            date=package.date,
            source=package.source,
            files_read=package.read,
        ),
        verdict=verdict(findings),
        findings=findings,
        coverage=gaps,
        waivers=used,
        evidence=evidence if keep_evidence else None,
        suspects=evidence.program.suspects if evidence.program else (),
    )


def own_edition(package: Package) -> Edition:
    """The edition in force on the day of the submission's first commit."""
    return edition((package.created or package.date or "no date")[:10])


def _finish(f: Finding, package: Package) -> Finding:
    name = fingerprint(f, package.folder)
    return replace(f, show_again=show_again(f, package), fingerprint=name, evidence=_placed(f, package))


def _placed(f: Finding, package: Package) -> tuple[Fact, ...]:
    """The evidence, with the place in the shipped file beside each place in unpacked text."""
    inside = {at.file for at in (*f.locations, *(x.at for x in f.evidence if x.at)) if at.layer}
    stands = {s.path: at for s in package.scripts if s.path in inside and (at := payload(s))}
    facts = [replace(x, shipped=stands.get(x.at.file)) if x.at and x.at.layer else x for x in f.evidence]
    bare = inside - {x.at.file for x in facts if x.at and x.shipped}
    return (
        *facts,
        *(
            Fact("packed text", "begins on this line of the file as shipped", stands[n])
            for n in sorted(bare)
            if n in stands
        ),
    )


def show_again(f: Finding, package: Package) -> str:
    """A command that shows the line a finding rests on, or asks the rule again where there is no line."""
    at = next((p for p in f.locations if p.line), None)
    folder = package.folder if package.head else on_disk(package)
    path = "/".join(p for p in (folder, at.file) if p) if at else ""
    if at and at.layer:
        where = f"--repo . --ref {package.head} {shlex.quote(path)}" if package.head else shlex.quote(path)
        return f"scorefirst unpack {where} | sed -n {at.line}p"
    if at and package.head:
        return f"git show {shlex.quote(f'{package.head}:{path}')} | sed -n {at.line}p"
    if at:
        return f"sed -n {at.line}p {shlex.quote(path)}"
    place = (
        f"--repo . --ref {package.head} --folder {shlex.quote(package.folder)}"
        if package.head
        else shlex.quote(folder or ".")
    )
    return f"scorefirst audit {place} --only {f.rule.split('-')[0]}"


def on_disk(package: Package) -> str:
    """The path of a plain folder as its user can type it: what was named, and the rest of the way.

    `source` may name the record folder itself or a folder above it, and `folder` begins somewhere
    in that path, so the two overlap.
    """
    source, folder = PurePath(package.source).parts, PurePath(package.folder).parts
    for k in range(min(len(source), len(folder)), 0, -1):
        if source[-k:] == folder[:k]:
            return str(PurePath(*source, *folder[k:]))
    return str(PurePath(package.source, package.folder)) if package.source else package.folder
