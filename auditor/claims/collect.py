"""Reads everything a record folder says about itself: README, submission.json, logs, commands."""

from __future__ import annotations

import re

from auditor.claims.commands import read_commands
from auditor.claims.logs import is_log_name, read_runs
from auditor.claims.metadata import read_metadata
from auditor.claims.readme import read_readme
from auditor.submission.base import Submission, Unreadable
from rules.evidence import Claims, FileFact, FileKind, Gap, Location, Words

MAX_LOGS = 80
MAX_LOG_BYTES = 64_000_000  # of all logs of one folder together

_SELF_CLAIM = re.compile(
    r"\b(fully legal|legal|compliant|looks clean|no leak(?:age)?|rule[- ]abiding|approved)\b", re.IGNORECASE
)
_MAX_SELF_CLAIMS = 20


def read_claims(submission: Submission) -> tuple[Claims, tuple[Gap, ...]]:
    """The claims of a folder, and what could not be read of them."""
    gaps: list[Gap] = []

    def read(f: FileFact) -> bytes | None:
        try:
            return submission.read(f.path)
        except Unreadable as e:
            gaps.append(Gap("file", str(e), f.path))
            return None

    metadata_file = _nearest(submission, "submission.json")
    data = read(metadata_file) if metadata_file else None
    metadata = read_metadata(data, metadata_file.path) if metadata_file and data is not None else None
    readme_file = _nearest(submission, "readme.md", "readme.txt", "readme", "readme.rst")
    text = read(readme_file) if readme_file else None
    readme = read_readme(text, readme_file.path) if readme_file and text is not None else None
    commands = read_commands(text, readme_file.path) if readme_file and text is not None else ()
    self_claims = _self_claims(text, readme_file.path) if readme_file and text is not None else ()

    logs: list[tuple[str, bytes]] = []
    spent = 0
    named = [f for f in submission.files if is_log_name(f.path) and f.kind is FileKind.FILE]
    for f in sorted(named, key=lambda f: (f.path.count("/"), f.path)):
        spent += f.size or 0
        if len(logs) >= MAX_LOGS or spent > MAX_LOG_BYTES:
            gaps.append(Gap("logs", f"only the first {len(logs)} of {len(named)} log files were read", f.path))
            break
        content = read(f)
        if content is not None:
            logs.append((f.path, content))
    runs = read_runs(logs)
    return Claims(metadata, readme, runs, commands, (), self_claims), tuple(gaps)


def _nearest(submission: Submission, *names: str) -> FileFact | None:
    """The file of one of these names that lies least deep; earlier names win at the same depth."""
    found = [f for f in submission.files if f.path.rsplit("/", 1)[-1].casefold() in names]
    return min(
        found, key=lambda f: (f.path.count("/"), names.index(f.path.rsplit("/", 1)[-1].casefold())), default=None
    )


def _self_claims(data: bytes, file: str) -> tuple[Words, ...]:
    found = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        m = _SELF_CLAIM.search(line[:2000])
        if m:
            found.append(Words(m[0].lower(), Location(file, number, line.strip()[:240])))
    return tuple(found[:_MAX_SELF_CLAIMS])
