"""The words that every format shares: verdicts in plain English, counts, and what the law says.

One place decides how an audit is put into words, so that the formats cannot disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from auditor.audit import Audit
from rules import registry
from rules.finding import Finding, Severity, Status
from rules.rule import Dispute, Rule

STAKES = MappingProxyType(
    {
        Severity.FATAL: "whether the score is a valid measurement",
        Severity.ELIGIBILITY: "whether it can be a record row; it may still be a non-record one",
        Severity.PACKAGING: "an error of form that can be repaired",
        Severity.ADVISORY: "no more than advice",
    }
)
MEANINGS = MappingProxyType(
    {
        Status.VIOLATION: "a stated rule is broken and the evidence is decisive",
        Status.LIKELY: "strong evidence that is not decisive, or a rule that no organizer stated",
        Status.NEEDS_HUMAN: "a program cannot decide this; a person must look",
        Status.DISPUTED: "rests on an open question; both sides are shown and no side is taken",
        Status.UNVERIFIABLE: "could not be decided from what could be seen",
        Status.OK: "looked at, and holds",
        Status.NOT_APPLICABLE: "does not bind this submission",
    }
)
_WORDS = MappingProxyType(
    {
        Status.VIOLATION: ("violation", "violations"),
        Status.LIKELY: ("likely", "likely"),
        Status.NEEDS_HUMAN: ("needs a person", "need a person"),
        Status.DISPUTED: ("disputed", "disputed"),
        Status.UNVERIFIABLE: ("not decided", "not decided"),
        Status.OK: ("ok", "ok"),
        Status.NOT_APPLICABLE: ("not applicable", "not applicable"),
    }
)


def status_word(status: Status, n: int = 1) -> str:
    """`violation`, `violations`, `not decided`, …"""
    return _WORDS[status][n != 1]


def counts(audit: Audit) -> Counter[Status]:
    """How many findings have each status, waived ones left out."""
    return Counter(f.status for f in audit.findings if not f.waiver)


def tally(audit: Audit) -> str:
    """`1 violation, 2 disputed, 3 not decided, 20 ok, 1 waived`."""
    n = counts(audit)
    words = [f"{n[s]} {status_word(s, n[s])}" for s in Status if n[s]]
    waived = sum(bool(f.waiver) for f in audit.findings)
    return ", ".join([*words, *([f"{waived} waived"] if waived else [])]) or "nothing was asked"


def headline(audit: Audit) -> str:
    """The verdict as one sentence in plain words."""
    n = {s: len({f.rule for f in audit.findings if f.status is s and not f.waiver}) for s in Status}
    match audit.verdict:
        case Status.VIOLATION:
            return f"Breaks {_rules(n[audit.verdict])}, on decisive evidence."
        case Status.LIKELY:
            return f"Probably breaks {_rules(n[audit.verdict])}: strong evidence, but not decisive."
        case Status.NEEDS_HUMAN:
            return f"A person must look: {_rules(n[audit.verdict])} cannot be decided by a program{_blind(n)}."
        case Status.DISPUTED:
            resting = f"{_rules(n[audit.verdict])} {_verb(n[audit.verdict])} on an open dispute"
            return f"{resting}; no violation was found{_blind(n)}."
        case Status.UNVERIFIABLE:
            return f"No alarm in what was looked at; {_rules(n[audit.verdict])} could not be decided."
        case Status.OK:
            return f"No alarm: {_rules(n[Status.OK])} looked at, all hold."
        case _:
            return "No rule binds this submission."


def headline_of_all(audits: Sequence[Audit]) -> str:
    """The worst verdict of several record folders as one sentence."""
    if not audits:
        return "No record folder was found."
    verdict = worst(audits)
    n = sum(a.verdict is verdict for a in audits)
    folders = f"{n} of {len(audits)} record folders"
    match verdict:
        case Status.VIOLATION:
            return f"{folders} {'breaks' if n == 1 else 'break'} a rule, on decisive evidence."
        case Status.LIKELY:
            return f"{folders} probably {'breaks' if n == 1 else 'break'} a rule."
        case Status.NEEDS_HUMAN:
            return f"{folders} {'needs' if n == 1 else 'need'} a person to look."
        case Status.DISPUTED:
            return f"{folders} {_verb(n)} on an open dispute."
        case Status.UNVERIFIABLE:
            return f"No alarm; in {folders} some rules could not be decided."
        case _:
            return "No alarm in " + ("the record folder." if len(audits) == 1 else f"{len(audits)} record folders.")


def _rules(n: int) -> str:
    return "1 rule" if n == 1 else f"{n} rules"


def _blind(n: Mapping[Status, int]) -> str:
    """What a verdict short of an accusation must not hide: how much could not be seen."""
    unseen = n[Status.UNVERIFIABLE]
    return f", and {_rules(unseen)} could not be decided" if unseen else ""


def _verb(n: int) -> str:
    return "rests" if n == 1 else "rest"


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Sorted by status, then by what is at stake; equal ones keep their order."""
    return sorted(findings, key=lambda f: (f.status.rank, f.severity.rank))


def with_status(audit: Audit, *statuses: Status) -> list[Finding]:
    """The findings of these statuses that are not waived, worst first."""
    return worst_first([f for f in audit.findings if f.status in statuses and not f.waiver])


def waived(audit: Audit) -> list[Finding]:
    """The findings that a maintainer let pass, worst first."""
    return worst_first([f for f in audit.findings if f.waiver])


def worst(audits: Sequence[Audit]) -> Status:
    """The worst verdict of several audits; `ok` for none."""
    return min((a.verdict for a in audits), key=lambda s: s.rank, default=Status.OK)


def level(finding: Finding) -> str:
    """How loud a tool with three voices says it: "error", "warning" or "note".

    Only a violation that concerns the score or its eligibility is an error. What a person must
    judge never is.
    """
    grave = finding.severity in (Severity.FATAL, Severity.ELIGIBILITY)
    match finding.status:
        case Status.VIOLATION:
            return "error" if grave else "warning" if finding.severity is Severity.PACKAGING else "note"
        case Status.LIKELY | Status.NEEDS_HUMAN:
            return "warning" if grave else "note"
        case _:
            return "note"


def crashed(finding: Finding) -> bool:
    """True when a check failed to run, which is our fault and not the submission's."""
    return finding.status is Status.UNVERIFIABLE and " crashed" in finding.message


def rule(name: str) -> Rule | None:
    """The rule of that id, or None when the law does not know it (an older or newer audit)."""
    return next((r for r in registry.all_rules() if r.id == name), None)


def dispute(name: str) -> Dispute | None:
    """The open dispute that a finding names (`D-06`), or None."""
    wanted = name.casefold()
    return next(
        (d for d in registry.all_disputes() if d.id.casefold() == wanted or d.id.casefold().startswith(wanted + "-")),
        None,
    )


def title(name: str) -> str:
    """The rule's title in plain words; its id when the law does not know it."""
    found = rule(name)
    return found.title if found else name


def subject(audit: Audit) -> str:
    """What was audited, in a few words: `#1234 at 3f2a9c1b, record track, 2026-04-27`."""
    s = audit.submission
    named = " ".join([*([f"#{s.pr}"] if s.pr else []), *([f"at {s.head[:10]}"] if s.head else [])])
    return ", ".join(w for w in (named, f"{s.track[:40]} track", s.date[:10]) if w)
