"""What running a submission small, sealed off and unchanged, showed: plain facts, as the auditor wrote them down.

The auditor keeps a book of the run: which validation tokens were scored, trained on or counted, by
which line, in which order. Every printed number is derived from the book again. Probes run the same
program with other tokens and compare the scores that may not know of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rules.place import Location


class How(StrEnum):
    """What was done with tokens before their score."""

    TRAINED = "trained on"  # their loss reached `backward`, and parameters changed afterwards
    COUNTED = "counted"  # they chose the places of a table that were written to


@dataclass(frozen=True, slots=True)
class Printed:
    """A number that was printed and what it is made of.

    `what` is "bits per byte", "mean loss in nats" and the like, "" when no sum of scores gives it. `scores` is how many
    scores went into it, `at` the line that took them. `right` is set where a number is called bits per byte, stands
    beside the mean loss of these scores, and is another: what their bits per byte are.
    """

    text: str
    value: float
    what: str = ""
    scores: int = 0
    at: Location | None = None
    right: float = 0.0


@dataclass(frozen=True, slots=True)
class Early:
    """Tokens that something was done with before they were scored for the headline.

    `count` of its `of` positions, from `first` to `last`; `at` is the line that did it, `changed` the line that
    changed parameters thereafter, `scored` the line of the first score that came after. `during` is whether
    scores of the headline had been taken before the last of it (it happens inside the evaluation, and not before it).
    """

    how: How
    count: int
    of: int
    first: int
    last: int
    at: Location
    scored: Location
    changed: Location | None = None
    during: bool = False


class Act(StrEnum):
    """What was done with tokens."""

    SCORED = "scored"
    TRAINED = "trained on"
    COUNTED = "counted"
    UPDATED = "updated"  # parameters changed; no tokens


@dataclass(frozen=True, slots=True)
class Stretch:
    """Something that was done with the tokens from `first` to `last`, in the order of the book.

    `n` to `until` are the numbers of the book's records. `headline`: these scores are part of the headline.
    `early`: it was done before the headline scored these tokens. Near stretches of one kind may have become one.
    """

    n: int
    until: int
    act: Act
    first: int = -1
    last: int = -1
    headline: bool = False
    early: bool = False


ROUNDING = 1e-5  # nats: so little is the order of sums, as in a Fourier transform that is padded behind the end


class Changed(StrEnum):
    """What a probe changed."""

    FUTURE = "future"  # the tokens from a cut on
    ORDER = "order"  # nothing was learnt from validation tokens


@dataclass(frozen=True, slots=True)
class Closeup:
    """The book between the positions `first` and `last` in full, where the timeline had to put stretches together."""

    first: int
    last: int
    timeline: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """One comparison of whole runs. FUTURE: all tokens from `cut` on were others. ORDER: adaptation was switched off, as far as it
    learns `at` this line.

    `compared` scores must have stayed: those before the cut, or those before anything was learnt inside of the evaluation.
    `moved` did not, by `most` nats at most, from position `first` to `last`. `noise` is how much two runs on the same
    tokens differ. `problem` says why nothing could be compared.
    """

    kind: Changed
    cut: int
    compared: int
    moved: int = 0
    most: float = 0.0
    first: int = -1
    last: int = -1
    noise: float = 0.0
    problem: str = ""
    at: Location | None = None

    @property
    def leak(self) -> bool:
        return self.moved > 0 and not self.problem and self.most > max(4 * self.noise, ROUNDING)


@dataclass(frozen=True, slots=True)
class Foresight:
    """Scores that, by the run's dataflow, know tokens behind their own, or (`own`) were picked by what knows their own already."""

    count: int
    first: int
    last: int
    at: Location
    own: bool = False


TOO_MUCH = 0.01  # above one: more than rounding makes
UNKNOWN = -1.0  # an error that cannot be told


@dataclass(frozen=True, slots=True)
class Sum:
    """What the scores of every token of the vocabulary at the position `at` add up to, as probabilities.

    `asked` of the `of` tokens came to a score: the frequent ones and others at random. `total` is theirs, `estimate` that of all,
    within `error` (one standard error, or UNKNOWN). `score` is that of the token that stands there, in nats. `confirmed` whole runs gave the same scores as
    the branches that were added up. `problem` says why the sum is not to be trusted.
    """

    at: int
    asked: int
    of: int
    total: float
    estimate: float
    error: float
    score: float
    confirmed: int = 0
    problem: str = ""

    @property
    def improper(self) -> bool:
        """More than one, whatever the tokens that were not asked would add."""
        return self.total > 1 + TOO_MUCH and not self.problem

    @property
    def doubtful(self) -> bool:
        """Far more than one, by the tokens that were asked."""
        return self.error >= 0 and self.estimate - 4 * self.error > 1 + 5 * TOO_MUCH and not self.problem

    @property
    def proper(self) -> bool:
        """As good as one."""
        return 0 <= self.error <= 0.25 and abs(self.estimate - 1) <= 0.05 + 2 * self.error and not self.problem


@dataclass(frozen=True, slots=True)
class Reduced:
    """A setting that made the run small."""

    name: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition that kept a piece of the evaluation, lines `first` to `last`, from running in the small run.

    `kind` is what it asks for: "size", "count", "time", "rank" or "setting". `what` says what the piece would do, read from its
    text. `switch` says what would open it; `settings` are those of the environment among that, as NAME=VALUE.
    """

    at: Location
    condition: str
    kind: str
    what: str
    switch: str
    settings: tuple[str, ...] = ()
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """A place that ran and looked at `what`: whether the program is being watched, where, and on what.

    `decides` is what the code that hangs on the answer does, as far as its text tells.
    """

    at: Location
    what: str
    decides: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """A run. `ended` is how, in words; `failure` names the class of a failure, "" if it came to its end.

    `printed` are the numbers it printed, in order; `headline` is the index of the one that stands for the claim,
    -1 if none was explained. `after` is one that was printed later, of scores whose tokens were learnt before, where no log
    says which of the two is claimed. `again` counts positions that stand in it more than once. `timeline` is the book in
    at most 2,000 stretches. `manner` says in words what was not as in a first, plain attempt: "" for nothing.
    `device` is "cuda" where a real GPU did the work, `ranks` the number of processes. `unrun` are the lines that
    did not run, "file:first-last", of the files in `watched`; `gates` the conditions that kept parts of the evaluation from
    running. `given` are settings that the user chose for the run.
    """

    entry: str
    sealed: str
    ended: str
    failure: str = ""
    seconds: float = 0.0
    positions: int = 0
    reduced: tuple[Reduced, ...] = ()
    printed: tuple[Printed, ...] = ()
    headline: int = -1
    after: int = -1
    early: tuple[Early, ...] = ()
    again: int = 0
    probes: tuple[Probe, ...] = ()
    foresight: tuple[Foresight, ...] = ()
    sums: tuple[Sum, ...] = ()
    timeline: tuple[Stretch, ...] = ()
    manner: str = ""
    device: str = "cpu"
    ranks: int = 1
    watched: tuple[str, ...] = ()
    unrun: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    given: tuple[str, ...] = ()
    closeups: tuple[Closeup, ...] = ()  # around the first tokens of each finding
    looks: tuple[Look, ...] = ()  # where it looked whether it is watched
    cached: str = ""  # when the run was made, if it was not made for this report

    def executed(self, at: Location) -> bool | None:
        """Whether a line ran; None where nobody can tell."""
        if at.line is None or at.file not in self.watched:
            return None
        for span in self.unrun:
            file, _, lines = span.rpartition(":")
            first, _, last = lines.partition("-")
            if file == at.file and int(first) <= at.line <= int(last):
                return False
        return True

    @property
    def explained(self) -> bool:
        return self.headline >= 0
