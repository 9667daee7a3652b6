"""The form of a rule: what every file beside this one fills in.

A rule file has a docstring (its documentation page), one `RULE`, checks registered with
`@RULE.check`, and the examples `VALID` and `INVALID`. A dispute file has `DISPUTE` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from rules.editions import Edition
from rules.evidence import Evidence, Location, Number, Track
from rules.finding import Fact, Finding, Severity, Status


class Authority(StrEnum):
    """Whose word a rule is, strongest first."""

    README = "readme"  # text of the challenge's README
    ORGANIZER = "organizer"  # an organizer's words, seen directly
    ORGANIZER_QUOTED = "organizer-quoted"  # an organizer's ruling known through others
    PRECEDENT = "precedent"  # organizers merged, listed or removed accordingly
    COMMUNITY = "community"
    DERIVED = "derived"  # follows from README or organizer text

    @property
    def can_convict(self) -> bool:
        """Only README and organizer authority support the status `violation`."""
        return self in (Authority.README, Authority.ORGANIZER, Authority.ORGANIZER_QUOTED)


class Kind(StrEnum):
    PROHIBITION = "prohibition"
    REQUIREMENT = "requirement"
    PERMISSION = "permission"  # a legal pattern, named so that it is not accused


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule was stated: a thread ("#1017") or "README", the ISO date, who, and what in our words."""

    thread: str
    date: str
    who: str
    says: str
    authority: Authority


@dataclass(frozen=True, slots=True)
class Example:
    """A small submission of our own writing, and what the rule should say of it.

    `files` maps paths in the record folder to text. `status` is the status expected once every
    stage in the rule's `decided_by` exists; `stage` is the stage that decides this example.
    While that stage is not gathered the rule must answer `unverifiable`. `track` and `note` as named.
    """

    name: str
    files: dict[str, str]
    status: Status
    stage: str = "claims"
    track: Track = Track.RECORD
    dispute: str = ""  # the dispute the finding must name, if any
    note: str = ""
    date: str = "2026-03-24T12:00:00+00:00"  # of its one commit
    outside: tuple[str, ...] = ()  # files that the same change touches outside the folder


Check = Callable[[Evidence, Edition], Iterator[Finding]]
BOTH_TRACKS = (Track.RECORD, Track.NON_RECORD, Track.UNKNOWN)
RECORD_ONLY = (Track.RECORD,)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the challenge.

    `id` is the rulebook's short name and a slug (`NG5-latent-mixing`); it never changes.
    `sources` are in order of date; the earliest says since when the rule binds, and the rule's
    authority on a date is the strongest stated by then. `decided_by` names the stages of evidence
    that can decide it ("claims", "source", "trace"), cheapest first. `undecided` says, in one
    sentence, what would decide it; it is shown while that evidence is missing.
    """

    id: str
    title: str
    kind: Kind
    severity: Severity
    sources: tuple[Source, ...]
    decided_by: tuple[str, ...]
    undecided: str
    tracks: tuple[Track, ...] = BOTH_TRACKS
    disputes: tuple[str, ...] = ()
    doc: str = ""
    checks: list[tuple[tuple[str, ...], Check]] = field(default_factory=list)

    @property
    def short(self) -> str:
        """`NG5` of `NG5-latent-mixing`."""
        return self.id.split("-")[0]

    @property
    def since(self) -> str:
        """ISO date from which the rule binds."""
        return min(s.date for s in self.sources)

    def authority(self, on: str = "9999-12-31") -> Authority | None:
        """The strongest authority stated by the ISO date `on`; None if the rule did not exist yet."""
        stated = [s.authority for s in self.sources if s.date <= on]
        return min(stated, key=list(Authority).index) if stated else None

    def check(self, *stages: str) -> Callable[[Check], Check]:
        """Register a check that needs all the given stages of evidence (see `Evidence.stages`)."""

        def register(f: Check) -> Check:
            self.checks.append((stages, f))
            return f

        return register

    def finding(
        self,
        status: Status,
        message: str,
        *facts: Fact,
        at: tuple[Location, ...] | None = None,
        disputes: tuple[str, ...] = (),
        instead: str = "",
        severity: Severity | None = None,
    ) -> Finding:
        """Make a finding of this rule. Locations default to those of the facts, each once."""
        places = at if at is not None else tuple(dict.fromkeys(f.at for f in facts if f.at))
        return Finding(
            rule=self.id,
            status=status,
            severity=severity or self.severity,
            message=message,
            locations=places,
            evidence=facts,
            disputes=disputes,
            instead=instead,
            decided_by=self.decided_by,
        )


@dataclass(frozen=True, slots=True)
class Dispute:
    """An open question: authorities disagree, or precedent contradicts the text.

    `examples` are submissions on which the named rule must answer `disputed` and name this
    dispute. `informational` disputes never attach to a finding by themselves.
    """

    id: str
    title: str
    question: str
    side_a: str
    side_b: str
    state: str
    sources: tuple[Source, ...]
    rules: tuple[str, ...] = ()  # short names of the rules it touches
    doc: str = ""
    informational: bool = False


def fact(label: str, number: Number | None, form: str = ",.0f", unit: str = "") -> Fact:
    """A fact out of a number that was written down somewhere.

    >>> fact("cap", Number(16e6, Location("README.md", 3)), unit=" bytes").value
    '16,000,000 bytes'
    """
    if number is None:
        return Fact(label, "not stated")
    return Fact(label, f"{number.value:{form}}{unit}", number.at)
