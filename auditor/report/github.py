"""Annotations on the lines of a pull request, as workflow commands that a CI runner reads.

GitHub shows at most ten errors, ten warnings and ten notices of one step; so the worst nine of
each kind are given, and the tenth says how many more there are. A plain summary follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.audit import Audit
from auditor.report import words
from auditor.report.options import DEFAULT, Options
from auditor.report.places import repo_path, shown
from auditor.report.steps import shipped
from auditor.report.text import plain, quiet
from rules.evidence import Location
from rules.finding import Finding, Status

PER_KIND = 10
KINDS = {"error": "error", "warning": "warning", "note": "notice"}
LONGEST = 2_000  # characters of one message


def render(audits: Sequence[Audit], options: Options = DEFAULT) -> str:
    """One command a line, errors first, then one plain line for each record folder."""
    commands: dict[str, list[str]] = {kind: [] for kind in KINDS.values()}
    alarms = [(a, f) for a in audits for f in a.alarms]
    for audit, f in sorted(alarms, key=lambda x: (x[1].status.rank, x[1].severity.rank)):
        kind = KINDS[words.level(f)]
        commands[kind].append(_command(kind, f, audit))
    for audit in audits:
        if unseen := _unseen(audit):
            commands["notice"].append(unseen)
    lines = [line for kind, found in commands.items() for line in _limited(kind, found)]
    return "\n".join([*lines, *(quiet(line) for line in _summary(audits))]) + "\n"


def _limited(kind: str, found: list[str]) -> Iterator[str]:
    if len(found) <= PER_KIND:
        yield from found
        return
    yield from found[: PER_KIND - 1]
    rest = len(found) - PER_KIND + 1
    yield f"::{kind} title=scorefirst::{data(f'{rest} more of this kind are not shown here; the full report has them')}"


def _command(kind: str, f: Finding, audit: Audit) -> str:
    at = f.locations[0] if f.locations else None
    where = (
        []
        if at is None
        else [f"file={value(repo_path(audit.submission.folder, at.file))}", f"line={_line(at, shipped(f, at))}"]
    )
    properties = ",".join([*where, f"title={value(f'{f.status}: {words.title(f.rule)} ({f.rule})')}"])
    return f"::{kind} {properties}::{data(_message(f, audit, at))}"


def _message(f: Finding, audit: Audit, at: Location | None) -> str:
    parts = [plain(f.message, LONGEST)]
    if at is None:
        parts.append(f"Record folder: {plain(audit.submission.folder)}")
    elif at.layer:
        parts.append(f"The line stands in the unpacked text: {plain(shown(at, shipped(f, at)))}")
    parts += [f"Open dispute {plain(d)}: no side is taken." for d in f.disputes]
    parts += [f"Instead: {plain(f.instead)}"] if f.instead else []
    parts += [f"Show again: {plain(f.show_again)}"] if f.show_again else []
    return "\n".join(parts)[:LONGEST]


def _line(at: Location, packed: Location | None) -> int:
    """The line of the shipped file; that of the payload for a line of unpacked text."""
    return (packed.line if packed else None) or 1 if at.layer else at.line or 1


def _unseen(audit: Audit) -> str:
    rules = [plain(f.rule) for f in words.with_status(audit, Status.UNVERIFIABLE)]
    if not rules and not audit.coverage:
        return ""
    parts = [f"{plain(audit.submission.folder)}: {len(dict.fromkeys(rules))} rules could not be decided"]
    parts += [", ".join(dict.fromkeys(rules))] if rules else []
    parts += [f"not looked at: {plain(g.what)}: {plain(g.why)}" for g in audit.coverage[:5]]
    parts += [f"and {len(audit.coverage) - 5} more"] if len(audit.coverage) > 5 else []
    return f"::notice title=scorefirst%3A not decided::{data(chr(10).join(parts)[:LONGEST])}"


def _summary(audits: Sequence[Audit]) -> Iterator[str]:
    for a in audits:
        yield f"scorefirst: {a.verdict}: {plain(a.submission.folder)}: {words.tally(a)}"
    if not audits:
        yield "scorefirst: no record folder was found"


def data(text: str) -> str:
    """Text as the message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: str) -> str:
    """Text as a property of a workflow command."""
    return data(plain(text)).replace(":", "%3A").replace(",", "%2C")
