"""The verdict discipline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rules.editions import EDITIONS, LATEST, Edition, edition
from rules.evidence import Evidence, Package, Track
from rules.finding import Finding, Severity, Status
from rules.judge import ask, judge, verdict
from rules.registry import all_rules
from rules.rule import RECORD_ONLY, Authority, Kind, Rule, Source

RECORD = Evidence(Package("f", track=Track.RECORD))


def rule(
    authority: Authority = Authority.README, date: str = "2026-03-18", tracks: tuple[Track, ...] = (Track.RECORD,)
) -> Rule:
    source = Source("README", date, "somebody", "something", authority)
    return Rule(
        "X1-example",
        "example",
        Kind.REQUIREMENT,
        Severity.FATAL,
        (source,),
        ("claims",),
        "a log would decide it",
        tracks,
    )


def accuse(r: Rule) -> Rule:
    @r.check("claims")
    def check(e: Evidence, ed: Edition) -> Iterator[Finding]:
        yield r.finding(Status.VIOLATION, "wrong")

    return r


def statuses(r: Rule, evidence: Evidence = RECORD, ed: Edition = LATEST) -> list[Status]:
    return [f.status for f in ask(r, evidence, ed)]


@pytest.mark.parametrize("authority", list(Authority))
def test_only_readme_and_organizers_convict(authority: Authority) -> None:
    expected = Status.VIOLATION if authority.can_convict else Status.LIKELY
    assert statuses(accuse(rule(authority))) == [expected]


def test_authority_grows_with_the_edition() -> None:
    early = Source("#1", "2026-03-18", "a", "b", Authority.COMMUNITY)
    late = Source("#2", "2026-04-28", "a", "b", Authority.ORGANIZER)
    r = accuse(replace(rule(), sources=(early, late), checks=[]))
    assert statuses(r, ed=edition("2026-03-20")) == [Status.LIKELY]
    assert statuses(r, ed=LATEST) == [Status.VIOLATION]


def test_a_rule_not_yet_stated_is_not_asked() -> None:
    r = accuse(rule(date="2026-03-28"))
    assert statuses(r, ed=edition("2026-03-20")) == [Status.NOT_APPLICABLE]


def test_a_rule_that_does_not_bind_the_track_is_not_asked() -> None:
    r = accuse(rule(tracks=RECORD_ONLY))
    assert statuses(r, Evidence(Package("f", track=Track.NON_RECORD))) == [Status.NOT_APPLICABLE]


def test_missing_evidence_is_unverifiable_and_says_what_would_decide() -> None:
    found = list(ask(rule(), replace(RECORD, stages=())))
    assert [f.status for f in found] == [Status.UNVERIFIABLE]
    assert found[0].message == "a log would decide it"


def test_a_crashing_check_is_unverifiable_and_named() -> None:
    r = rule()

    @r.check("claims")
    def broken(e: Evidence, ed: Edition) -> Iterator[Finding]:
        raise ZeroDivisionError("oops")
        yield

    found = list(ask(r, RECORD))
    assert [f.status for f in found] == [Status.UNVERIFIABLE]
    assert "broken" in found[0].message


def test_a_crash_does_not_lose_what_the_check_found_before() -> None:
    r = rule()

    @r.check("claims")
    def half(e: Evidence, ed: Edition) -> Iterator[Finding]:
        yield r.finding(Status.LIKELY, "found")
        raise ValueError

    assert statuses(r) == [Status.LIKELY, Status.UNVERIFIABLE]


def test_a_check_needs_all_its_stages() -> None:
    r = rule()

    @r.check("claims", "scripts")
    def both(e: Evidence, ed: Edition) -> Iterator[Finding]:
        yield r.finding(Status.OK, "fine")

    assert statuses(r) == [Status.OK]
    assert statuses(r, replace(RECORD, stages=("package", "claims"))) == [Status.UNVERIFIABLE]


def test_findings_are_sorted_worst_first_and_every_rule_answers() -> None:
    found = judge(RECORD)
    assert [f.status.rank for f in found] == sorted(f.status.rank for f in found)
    assert {f.rule for f in found} == {r.id for r in all_rules()}


def test_verdict_is_the_worst_open_status() -> None:
    r = rule()
    bad, doubt = r.finding(Status.VIOLATION, "a"), r.finding(Status.DISPUTED, "b")
    unknown, fine = r.finding(Status.UNVERIFIABLE, "c"), r.finding(Status.OK, "d")
    assert verdict((bad, doubt, fine)) is Status.VIOLATION
    assert verdict((replace(bad, waiver="let pass"), doubt)) is Status.DISPUTED
    assert verdict((unknown, fine)) is Status.UNVERIFIABLE
    assert verdict((fine,)) is Status.OK


def test_editions_by_date() -> None:
    assert edition("2026-04-15").date == "2026-03-28"
    assert edition("latest") is EDITIONS[-1]
    for wrong in ("2026-01-01", "yesterday", "2026-3-1", ""):
        with pytest.raises(ValueError, match=r"edition|in force"):
            edition(wrong)
