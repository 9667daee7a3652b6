"""The audit as SARIF 2.1.0, for code scanning and other viewers.

One run holds all record folders. `violation` and `likely` are results of kind "fail" with a level.
What a person must judge (`disputed`, `needs-human`) is of kind "review", and has no level: the
standard forbids one there (3.27.9, 3.27.10), and a viewer that knows no kinds falls back to the
rule's default level, which is "note". What could not be decided is no result, so it raises no alert; it is a
notification of the invocation, as are crashes of our own. Waived findings are suppressed results.

Limits: 25,000 results in a run and 1,000 locations in a result, as GitHub has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from auditor.audit import Audit
from auditor.report import words
from auditor.report.fingerprint import VERSION, named
from auditor.report.options import DEFAULT, Options
from auditor.report.places import repo_folder, repo_path, shown, uri, web_url
from auditor.report.steps import parts, shipped
from auditor.report.text import plain
from rules import registry
from rules.evidence import Location
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
CHALLENGE = "https://github.com/openai/parameter-golf"  # where the rules were stated
RESULTS = 25_000
LOCATIONS = 1_000
STEPS = 100  # locations of one path
TAGS = 20
LONGEST = 2_000  # characters of one sentence
RANK = {Severity.FATAL: 100.0, Severity.ELIGIBILITY: 70.0, Severity.PACKAGING: 40.0, Severity.ADVISORY: 10.0}

Json = dict[str, Any]


def render(audits: Sequence[Audit], options: Options = DEFAULT) -> str:
    """The SARIF log, as ASCII JSON."""
    order = _order(audits)
    found = [(a, name, f) for a in audits for name, f in named(a) if f.status.is_alarm]
    found.sort(key=lambda x: (bool(x[2].waiver), x[2].status.rank, x[2].severity.rank))
    results = [_result(a, name, f, order) for a, name, f in found[:RESULTS]]
    notes = [n for a in audits for n in _notifications(a, order)]
    if len(found) > RESULTS:
        text = f"{len(found) - RESULTS} further results were left out: a run holds {RESULTS}"
        notes.append({"level": "error", "message": {"text": text}})
    run: Json = {
        "tool": {"driver": _driver(audits, order, options)},
        "automationDetails": {"id": "scorefirst/"},
        "invocations": [
            {
                "executionSuccessful": not any(words.crashed(f) for a in audits for f in a.findings),
                "toolExecutionNotifications": notes,
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "verdict": words.worst(audits).value,
            "editions": list(dict.fromkeys(a.edition for a in audits)),
            "submissions": [_submission(a) for a in audits],
        },
    }
    if web_url(options.repo_url):
        heads = dict.fromkeys(a.submission.head for a in audits if a.submission.head)
        run["versionControlProvenance"] = [{"repositoryUri": web_url(options.repo_url), "revisionId": h} for h in heads]
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=True).replace("##[", "##\\u005b") + "\n"


def _order(audits: Sequence[Audit]) -> dict[str, int]:
    """Every rule id with its place in the driver: the whole law, then ids that only the audits know."""
    ids = [r.id for r in registry.all_rules()]
    ids += [f.rule for a in audits for f in a.findings]
    return {name: i for i, name in enumerate(dict.fromkeys(ids))}


def _driver(audits: Sequence[Audit], order: dict[str, int], options: Options) -> Json:
    law = {r.id: r for r in registry.all_rules()}
    versions = [a.tool_version for a in audits]
    driver: Json = {
        "name": "scorefirst",
        "rules": [
            _descriptor(law[i], options) if i in law else {"id": plain(i), "shortDescription": {"text": plain(i)}}
            for i in order
        ],
    }
    if versions:
        driver["version"] = versions[0]
    if re.fullmatch(r"\d+\.\d+\.\d+", driver.get("version", "")):
        driver["semanticVersion"] = driver["version"]
    return driver


def _descriptor(rule: Rule, options: Options) -> Json:
    authority = rule.authority()
    tags = [
        rule.severity.value,
        rule.kind.value,
        *(f"track:{t}" for t in rule.tracks),
        *([f"authority:{authority}"] if authority else []),
    ]
    tags += [f"dispute:{d}" for d in rule.disputes]
    first, _, _ = rule.doc.partition("\n\n")
    doc = rule.doc or rule.title
    return {
        "id": rule.id,
        "name": "".join(w[:1].upper() + w[1:] for w in rule.id.split("-")[1:]) or rule.id,
        "shortDescription": {"text": _message(rule.title)},
        "fullDescription": {"text": _message(" ".join(first.split()) or rule.title)},
        "help": {"text": doc, "markdown": doc},
        "helpUri": _help_uri(rule, options),
        "defaultConfiguration": {"level": "note", "rank": RANK[rule.severity]},
        "properties": {
            "tags": list(dict.fromkeys(tags))[:TAGS],
            "severity": rule.severity.value,
            "problem.severity": "error" if rule.severity.rank < Severity.PACKAGING.rank else "recommendation",
            "since": rule.since,
            "decidedBy": list(rule.decided_by),
        },
    }


def _help_uri(rule: Rule, options: Options) -> str:
    """The rule's page where pages are published, else the thread in which it was first stated."""
    base = web_url(options.docs_url)
    if base:
        return f"{base}/{uri(rule.id)}"
    threads = [s.thread[1:] for s in rule.sources if re.fullmatch(r"#\d+", s.thread)]
    readme = any(s.thread.casefold() == "readme" for s in rule.sources)
    return f"{CHALLENGE}/issues/{threads[0]}" if threads and not readme else f"{CHALLENGE}#readme"


def _result(audit: Audit, name: str, f: Finding, order: dict[str, int]) -> Json:
    places = list(f.locations) or [_anywhere(audit)]
    main = {(at.file, at.line, at.layer) for at in places}
    related = [
        (e.label, e.at) for e in f.evidence if e.at and e.at.file and (e.at.file, e.at.line, e.at.layer) not in main
    ]
    result: Json = {
        "ruleId": plain(f.rule),
        "ruleIndex": order[f.rule],
        "message": {"text": _message(_says(f))},
        "locations": [_location(audit, at, packed=shipped(f, at)) for at in places[:LOCATIONS]],
        "partialFingerprints": {f"scorefirst/v{VERSION}": name, "primaryLocationLineHash": f"{name}:1"},
        "rank": RANK[f.severity],
        "properties": _properties(audit, f),
    }
    if f.status in (Status.DISPUTED, Status.NEEDS_HUMAN):
        result["kind"] = "review"
    else:
        # GitHub raises an alert for a suppressed result too; let it not fail a check.
        result["level"] = "note" if f.waiver else words.level(f)
    room = LOCATIONS - len(result["locations"])
    if related[:room]:
        result["relatedLocations"] = [
            _location(audit, at, label, i, shipped(f, at)) for i, (label, at) in enumerate(related[:room], 1)
        ]
    steps = [x for x in parts(f).steps if x.at and x.at.file][:STEPS]
    if steps:
        path = [_step(audit, x, n) for n, x in enumerate(steps, 1)]
        result["codeFlows"] = [
            {"message": {"text": "from the tokens to the number"}, "threadFlows": [{"locations": path}]}
        ]
    if f.waiver:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": plain(f.waiver)}]
    return result


def _step(audit: Audit, x: Fact, number: int) -> Json:
    """One step of a path; viewers show them in order and can be walked through."""
    assert x.at is not None
    importance = "essential" if number == 1 else "important"
    return {
        "location": _location(audit, x.at, x.value, packed=x.shipped),
        "executionOrder": number,
        "importance": importance,
    }


def _says(f: Finding) -> str:
    """The message, and what a reader of an alert needs beside it: each on its own line."""
    lines = [plain(f.message, LONGEST)]
    for d in f.disputes:
        known = words.dispute(d)
        sides = f" One side: {plain(known.side_a)} The other: {plain(known.side_b)}" if known else ""
        lines.append(f"Open dispute {plain(d)}, no side is taken.{sides}")
    lines += [f"Instead: {plain(f.instead)}"] if f.instead else []
    lines += [f"Show again: {plain(f.show_again)}"] if f.show_again else []
    return "\n".join(lines)


def _properties(audit: Audit, f: Finding) -> Json:
    return {
        "status": f.status.value,
        "severity": f.severity.value,
        "folder": plain(audit.submission.folder),
        "head": plain(audit.submission.head),
        "evidence": [
            {"label": plain(e.label), "value": plain(e.value), "at": plain(shown(e.at, e.shipped)) if e.at else ""}
            for e in f.evidence
        ],
        "disputes": [plain(d) for d in f.disputes],
    }


def _location(
    audit: Audit, at: Location, label: str = "", number: int | None = None, packed: Location | None = None
) -> Json:
    """A place. Lines of unpacked text do not exist in the repository; the payload's line, or 1, stands for them."""
    region: Json = {"startLine": ((packed.line if packed else None) or 1) if at.layer else at.line or 1}
    if at.line and at.text and not at.layer:
        region["snippet"] = {"text": plain(at.text)}
    place: Json = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri(repo_path(audit.submission.folder, at.file)), "uriBaseId": "%SRCROOT%"},
            "region": region,
        }
    }
    if at.layer:
        label = f"{label}: " if label else ""
        label += (
            f"line {at.line} of the text after {at.layer} unpacking steps: {plain(at.text)}"
            if at.line
            else "unpacked text"
        )
    if label:
        place["message"] = {"text": _message(plain(label))}
    if number is not None:
        place["id"] = number
    return place


def _anywhere(audit: Audit) -> Location:
    """A file to hang a finding on that concerns the folder as a whole; a result needs a place."""
    read = audit.submission.files_read
    known = next((f for f in ("submission.json", "README.md") if f in read), read[0] if read else "")
    return Location(known)


def _notifications(audit: Audit, order: dict[str, int]) -> Iterator[Json]:
    folder = plain(audit.submission.folder)
    here = [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": uri(repo_folder(audit.submission.folder)), "uriBaseId": "%SRCROOT%"}
            }
        }
    ]
    for f in words.with_status(audit, Status.UNVERIFIABLE):
        yield {
            "level": "error" if words.crashed(f) else "note",
            "message": {"text": _message(f"{folder}: {plain(f.rule)} could not be decided: {plain(f.message)}")},
            "descriptor": {"id": "crash" if words.crashed(f) else "undecided"},
            "associatedRule": {"id": plain(f.rule), "index": order[f.rule]},
            "locations": here,
        }
    for g in audit.coverage:
        where = [_location(audit, Location(g.file))] if g.file else here
        yield {
            "level": "error" if " crashed" in g.why else "warning",
            "message": {"text": _message(f"{folder}: not looked at: {plain(g.what)}: {plain(g.why)}")},
            "descriptor": {"id": "crash" if " crashed" in g.why else "not-looked-at"},
            "locations": where,
        }


def _submission(audit: Audit) -> Json:
    s = audit.submission
    return {
        "folder": plain(s.folder),
        "head": plain(s.head),
        "pr": s.pr,
        "track": plain(s.track),
        "verdict": audit.verdict.value,
        "waived": sum(bool(f.waiver) for f in audit.findings),
    }


def _message(text: str) -> str:
    """Text as a SARIF message: no placeholders (3.11.5) and no embedded links (3.11.6)."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")
