"""The programs that are rewritten, how they are dealt out to the rewritings, and what the auditor says of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

from auditor.gather import gather
from rules.evidence import Evidence
from rules.finding import Status
from rules.judge import ask
from rules.registry import all_disputes, all_rules, examples, find
from rules.rule import Dispute, Example, Rule
from tests.metamorphic.families import EVASIVE, FAMILIES
from tests.metamorphic.trees import Files, NotApplicable
from tests.support import submission

SEEDS = 12  # of each family; with 20 families that is more than there are programs
FEW = 4  # seeds of the families that take the odd detours: the suite has to stay short
ONLY = {"dead-code": True, "reassuring": False}  # families that go into legal, or into illegal, programs only


@dataclass(frozen=True, eq=False)
class Base:
    """One example of one rule or dispute. `name` is how the command line finds it."""

    entry: Rule | Dispute
    valid: bool
    example: Example

    @property
    def name(self) -> str:
        short = self.entry.id if isinstance(self.entry, Dispute) else self.entry.short
        return f"{short}-{'valid' if self.valid else 'invalid'}-{self.example.name}"


@cache
def bases() -> tuple[Base, ...]:
    """Every example that reading the source decides, each set of files once."""
    found: dict[tuple[tuple[str, str], ...], Base] = {}
    for base in every_example():
        found.setdefault(tuple(sorted(base.example.files.items())), base)
    return tuple(found.values())


@cache
def every_example() -> tuple[Base, ...]:
    """The same with the examples that several rules share."""
    return tuple(
        Base(entry, valid, example)
        for entry in (*all_rules(), *all_disputes())
        for valid, example in examples(entry)
        if example.stage == "source"
    )


def rewritten(family: str, seed: int, base: Base) -> Files:
    """The files of the base after one rewriting. Raises NotApplicable when the family finds nothing to do."""
    return FAMILIES[family](dict(base.example.files), Random(f"{family} {seed} {base.name}"))


@cache
def dealt() -> tuple[tuple[str, int, Base], ...]:
    """Which base each (family, seed) rewrites first: every base has its turn, and no base twice before all had one.

    Code that looks suspicious goes into legal programs, reassuring code into illegal ones.
    """
    out: list[tuple[str, int, Base]] = []
    waiting: list[Base] = []
    for seed in range(SEEDS):
        for family in FAMILIES:
            if seed >= FEW and family in EVASIVE:
                continue
            if len(waiting) < 2 * len(FAMILIES):
                fresh = list(bases())
                Random(f"{family} {seed}").shuffle(fresh)
                waiting += fresh
            base = next(b for b in waiting if ONLY.get(family, b.valid) is b.valid)
            waiting.remove(base)
            out.append((family, seed, base))
    return tuple(out)


def first_that_works(family: str, seed: int, base: Base) -> tuple[Base, Files]:
    """The base and its rewriting; where the family finds nothing to do, another base of the same kind."""
    every = [b for b in bases() if b.valid is base.valid]
    at = every.index(base)
    for other in every[at:] + every[:at]:
        try:
            files = rewritten(family, seed, other)
        except NotApplicable:
            continue
        if files != other.example.files:
            return other, files
    raise AssertionError(f"{family} changes none of {len(every)} programs")


def look(example: Example, files: Files) -> Evidence:
    """What the auditor gathers about an example with other files in it."""
    evidence = gather(submission(files, example.track, example.date, example.outside))
    crashed = [g for g in evidence.gaps if "crashed" in g.why]
    assert not crashed, crashed
    assert "source" in evidence.stages, evidence.gaps
    return evidence


def verdicts(entry: Rule | Dispute, evidence: Evidence) -> dict[str, Status]:
    """Worst status by short name: of the rule itself, or of every rule that the dispute touches."""
    rules = [entry] if isinstance(entry, Rule) else [r for n in entry.rules if isinstance(r := find(n), Rule)]
    ready = [r for r in rules if reads_source(r)]
    assert ready, f"no check of {', '.join(r.short for r in rules)} asks the source"
    return {r.short: status(r, evidence) for r in ready}


def reads_source(rule: Rule) -> bool:
    return any("source" in stages for stages, _ in rule.checks)


def status(rule: Rule, evidence: Evidence) -> Status:
    """The worst answer of a rule that asks the source."""
    assert reads_source(rule), rule.short
    return min((f.status for f in ask(rule, evidence)), key=lambda s: s.rank)


@cache
def before(base: Base) -> dict[str, Status]:
    return verdicts(base.entry, look(base.example, base.example.files))


def found(name: str) -> Base:
    """The example whose name contains the words. Raises KeyError unless exactly one does."""
    wanted = name.casefold()
    hits = [b for b in every_example() if b.name.casefold() == wanted]
    hits = hits or [b for b in every_example() if wanted in b.name.casefold()]
    if len(hits) != 1:
        raise KeyError(f"{len(hits)} examples have {name!r} in their name: {', '.join(b.name for b in hits[:9])}")
    return hits[0]
