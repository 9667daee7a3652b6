"""The gate for CI: audit what a branch adds, write every report, and say pass or fail."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from auditor import api
from auditor import waivers as waiving
from auditor.audit import Audit, Waiver
from auditor.exit_codes import exit_code
from auditor.report import Options, render
from auditor.submission import Repo, Target
from auditor.submission.base import NothingToAudit, UsageError
from rules.finding import Status

REPORTS = {"audit.json": "json", "audit.sarif": "sarif", "audit.md": "md", "audit.html": "html"}


def run_gate(
    repo: Path,
    *,
    base: str,
    ref: str,
    pr: int | None = None,
    out: Path | None = None,
    waivers: str = "",
    law: str = "latest",
    fail_on: str = "eligibility",
    verbose: bool = False,
    dispute_url: str = "",
) -> int:
    """Exit code of the gate: 0 for pass, 11-14 for fail. Prints the report to stdout.

    `pr` is a label for the report; the change itself is base..ref. Waivers are read from the base, so that a submission cannot waive its own findings.
    """
    with Repo(repo) as clone:
        allowed = _waivers_on_base(clone, base, waivers)
        try:
            audits = list(
                api.audit(
                    Target(repo=repo, base=base, ref=ref), law=law, waivers=allowed, keep_evidence=True, repo=clone
                )
            )
        except NothingToAudit as e:
            print(f"scorefirst gate: nothing to audit ({e}); pass")
            return 0
    if pr is not None:
        audits = [replace(a, submission=replace(a.submission, pr=pr)) for a in audits]
    options = Options(verbose=verbose, dispute_url=dispute_url, color=False)
    if out is not None:
        for name, format_ in REPORTS.items():
            _write(out / name, render(format_, audits, options))
    print(render("terminal", audits, options))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print(render("github", audits, options))
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            _write(Path(summary), render("md", audits, options), "a")
    code = exit_code([a for a in audits if _accused(a)], fail_on)
    print(
        f"scorefirst gate: {'fail' if code else 'pass'} ({len(audits)} record folder(s), fails on {fail_on} and worse)",
        file=sys.stderr,
    )
    return code


def _write(path: Path, text: str, mode: str = "w") -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, mode, encoding="utf-8") as f:
            f.write(text)
    except OSError as e:
        raise UsageError(f"cannot write {path}: {e.strerror}") from None


def _accused(audit: Audit) -> bool:
    """Doubts and disputes are for people to settle; they never fail a build."""
    return any(f.status in (Status.VIOLATION, Status.LIKELY) for f in audit.alarms)


def _waivers_on_base(clone: Repo, base: str, path: str) -> tuple[Waiver, ...]:
    data = clone.read_path(base, path) if path else None
    return waiving.parse(data.decode("utf-8", "replace"), f"{base}:{path}") if data is not None else ()
