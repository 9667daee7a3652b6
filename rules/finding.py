"""What a rule answers: one finding, with a status, a severity and the places that prove it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rules.evidence import Location


class Status(StrEnum):
    """How sure we are. Only `violation` accuses; see `docs/architecture.md`, verdict discipline."""

    VIOLATION = "violation"
    LIKELY = "likely"
    NEEDS_HUMAN = "needs-human"
    DISPUTED = "disputed"
    UNVERIFIABLE = "unverifiable"
    OK = "ok"
    NOT_APPLICABLE = "not-applicable"

    @property
    def rank(self) -> int:
        """0 for the worst; the order in which findings are shown and verdicts are formed."""
        return list(Status).index(self)

    @property
    def is_alarm(self) -> bool:
        """True for the four statuses that ask somebody to look."""
        return self.rank < Status.UNVERIFIABLE.rank


class Severity(StrEnum):
    """What is at stake if the rule is broken."""

    FATAL = "fatal"  # the score is not a valid measurement
    ELIGIBILITY = "eligibility"  # cannot be a record row, may be a non-record one
    PACKAGING = "packaging"  # an error of form that can be repaired
    ADVISORY = "advisory"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of evidence: a label, the value as shown, and where it stands.

    Steps of a path through the code are labelled "step 1", "step 2", …; a "setting" is what makes it live.
    `shipped` is where the text that `at` lies in begins in the file as shipped, when that was packed; the
    auditor fills it in.
    """

    label: str
    value: str
    at: Location | None = None
    shipped: Location | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of one rule about one submission.

    `message` is a sentence for a person. `evidence` are the facts it rests on. `disputes` names
    the open questions (`D-06`) that stand between this finding and a verdict. `instead` says what
    would make it right. `show_again` is a command that shows the evidence again; the auditor
    fills it in, since only the auditor knows how the submission was named.
    """

    rule: str
    status: Status
    severity: Severity
    message: str
    locations: tuple[Location, ...] = ()
    evidence: tuple[Fact, ...] = ()
    disputes: tuple[str, ...] = ()
    instead: str = ""
    decided_by: tuple[str, ...] = ()
    show_again: str = ""
    waiver: str = ""
    fingerprint: str = ""
