"""Asks every rule about one submission. Pure: evidence in, findings out.

The verdict discipline is enforced here, not left to each rule: a rule without README or organizer
authority cannot say `violation`; a rule that is not yet in force, or does not bind the track,
is not asked; a rule whose evidence is missing, or that crashes, answers `unverifiable`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rules.editions import LATEST, Edition
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Status
from rules.registry import all_rules
from rules.rule import Rule
from rules.trace import Trace


def judge(evidence: Evidence, edition: Edition = LATEST, only: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """Findings of all rules (or of those whose short name or id is in `only`), worst first."""
    found = [f for r in all_rules() if not only or {r.id, r.short} & only for f in ask(r, evidence, edition)]
    return tuple(sorted(found, key=lambda f: (f.status.rank, f.severity.rank)))


def ask(rule: Rule, evidence: Evidence, edition: Edition = LATEST) -> Iterator[Finding]:
    """The answers of one rule; always at least one."""
    authority = rule.authority(edition.date)
    if authority is None:
        yield rule.finding(
            Status.NOT_APPLICABLE, f"not stated before {rule.since}; judged by the rules of {edition.date}"
        )
        return
    if evidence.package.track not in rule.tracks:
        yield rule.finding(Status.NOT_APPLICABLE, f"does not bind the {evidence.package.track} track")
        return
    answers = 0
    for stages, check in rule.checks:
        if not set(stages) <= set(evidence.stages):
            continue
        try:
            for finding in check(evidence, edition):
                answers += 1
                if finding.status is Status.VIOLATION and not authority.can_convict:
                    finding = replace(finding, status=Status.LIKELY)
                if stages == ("source",) and evidence.program is not None and evidence.program.assumed:
                    finding = _assumed(finding)
                if "source" in stages and "trace" not in stages and evidence.trace is not None:
                    finding = _not_run(finding, evidence.trace)
                yield finding
        except Exception as e:
            answers += 1
            yield rule.finding(
                Status.UNVERIFIABLE, f"the check {check.__name__} of this rule crashed ({e!r}); please report it"
            )
    if not answers:
        yield rule.finding(Status.UNVERIFIABLE, rule.undecided)


def _assumed(f: Finding) -> Finding:
    """What was read in code whose switches no command and no log shows to be on convicts nobody."""
    if not f.status.is_alarm:
        return f
    why = "; no command or log shows the settings, but the documented ones do not explain the claimed number"
    return replace(f, status=Status.LIKELY if f.status is Status.VIOLATION else f.status, message=f.message + why)


def _not_run(f: Finding, t: Trace) -> Finding:
    """What was read in code that the small run left out stays as it is, and says so."""
    if not f.status.is_alarm:
        return f
    at = next((p for p in f.locations if t.executed(p) is False), None)
    if at is None:
        return f
    gate = next((g for g in t.gates if g.at.file == at.file and g.first <= (at.line or 0) <= g.last), None)
    how = f"; it would take {gate.switch}" if gate else ""
    return replace(f, evidence=(*f.evidence, Fact("run", f"the small run did not come to this line{how}", at)))


def verdict(findings: tuple[Finding, ...]) -> Status:
    """The worst status among the findings that are not waived.

    `unverifiable` when nothing alarms but some fatal rule could not be decided, `ok` otherwise.
    """
    open_ = [f for f in findings if not f.waiver]
    alarms = [f.status for f in open_ if f.status.is_alarm]
    if alarms:
        return min(alarms, key=lambda s: s.rank)
    undecided = any(f.status is Status.UNVERIFIABLE for f in open_)
    return Status.UNVERIFIABLE if undecided else Status.OK
