"""Gathers the evidence about one submission.

Each stage may fail alone. What failed is a gap, and rules that need it answer `unverifiable`; the rest stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from auditor.claims.collect import read_claims
from auditor.frontier import seed_statistics
from auditor.scripts import read_scripts
from auditor.source.collect import read_source
from auditor.submission.base import Submission
from rules.events import Program
from rules.evidence import Claims, Evidence, Gap, Mention, Script, SeedStatistics
from rules.trace import Trace

if TYPE_CHECKING:
    from auditor.trace.cache import Cache

T = TypeVar("T")

NOT_RUN = "the submission was not run; rules that need a run answer unverifiable"

Tell = Callable[[str], None]
DOING = {
    "scripts": "opening program files",
    "claims": "reading README, submission.json and logs",
    "statistics": "comparing seeds",
    "source": "following the code's values",
    "trace": "running it small, sealed off",
}


def silent(doing: str) -> None:
    """Nobody listens."""


def gather(
    submission: Submission, tell: Tell = silent, *, run: bool = False, device: str = "cpu", cache: Cache | None = None
) -> Evidence:
    """All evidence about a submission; with `run` its program is run, too. `tell` hears of each stage as it begins."""
    gaps: list[Gap] = list(submission.gaps)
    done = ["package"]

    def stage(name: str, work: Callable[[], T], nothing: T) -> T:
        tell(DOING[name])
        try:
            found = work()
            done.append(name)
            return found
        except Exception as e:
            gaps.append(Gap(name, f"this stage crashed ({e!r}); please report it"))
            return nothing

    no_scripts: tuple[tuple[Script, ...], tuple[Mention, ...], tuple[Gap, ...]] = ((), (), ())
    no_claims: tuple[Claims, tuple[Gap, ...]] = (Claims(), ())
    scripts, mentions, unread = stage("scripts", lambda: read_scripts(submission), no_scripts)
    claims, missed = stage("claims", lambda: read_claims(submission), no_claims)
    gaps += [*unread, *missed]
    package = replace(submission.package, scripts=scripts, mentions=mentions)
    evidence = Evidence(package=package, claims=claims)
    statistics = stage("statistics", lambda: seed_statistics(evidence), SeedStatistics())
    gaps += [Gap("file", text) for text in claims.problems]
    package = replace(package, read=tuple(sorted(submission.files_read)))
    evidence = replace(evidence, package=package, statistics=statistics)
    no_source: tuple[Program | None, tuple[Gap, ...]] = (None, ())
    program, unfollowed = stage("source", lambda: read_source(evidence), no_source)
    if program is None and "source" in done:
        done.remove("source")
    gaps += unfollowed
    evidence = replace(evidence, program=program)
    unseen = NOT_RUN
    if run:
        from auditor.trace.collect import read_trace
        from auditor.trace.ways import Ways

        nothing: Trace | None = None
        ways = Ways(device=device, cache=cache)
        trace = stage("trace", lambda: read_trace(evidence, submission, tell, ways), nothing)
        evidence = replace(evidence, trace=trace)
        unseen = why_undecided(trace)
        if unseen and "trace" in done:
            done.remove("trace")
    if unseen:
        gaps.append(Gap("behaviour when run", unseen))
    if evidence.trace is not None and evidence.trace.cached:
        gaps.append(Gap("a new run", f"the run was made on {evidence.trace.cached[:16]} UTC and taken from the cache"))
    return replace(evidence, stages=tuple(done), gaps=tuple(gaps))


def why_undecided(trace: Trace | None) -> str:
    """Why a run decides nothing, "" if it does."""
    if trace is None:
        return "the folder holds no program that can be run"
    if trace.explained:
        return ""
    if trace.failure:
        return f"the small run did not come to a number ({trace.failure}); rules that need a run answer unverifiable"
    return "the small run printed no number that its scores add up to; rules that need a run answer unverifiable"
