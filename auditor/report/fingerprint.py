"""A name for a finding that survives edits around it, for alerts, waivers and deltas.

It is made of the rule, the record folder, the finding's message without its figures, the labels
of its evidence, and the first place: its file and the text of the line. Line numbers, commits
and the status are left out, so a finding keeps its name when lines move above it, and when
further evidence turns `likely` into `violation`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator

from auditor.audit import Audit
from auditor.report.places import repo_folder
from rules.finding import Finding

VERSION = "1"
_FIGURE = re.compile(r"[0-9][0-9.,_]*")


def fingerprint(finding: Finding, folder: str) -> str:
    """32 hex digits naming the finding in that record folder."""
    place = finding.locations[0] if finding.locations else None
    parts = [
        VERSION,
        finding.rule,
        repo_folder(folder),
        _FIGURE.sub("#", _squeeze(finding.message)),
        sorted({f.label for f in finding.evidence}),
        [place.file, _squeeze(place.text)] if place else [],
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:32]


def named(audit: Audit) -> Iterator[tuple[str, Finding]]:
    """(fingerprint, finding) for every finding; a repeated one is told apart by `-2`, `-3`, …

    A fingerprint that the auditor already filled in is kept.
    """
    seen: Counter[str] = Counter()
    for f in audit.findings:
        name = f.fingerprint or fingerprint(f, audit.submission.folder)
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name}-{seen[name]}"), f


def _squeeze(text: str) -> str:
    return " ".join(text.split())
