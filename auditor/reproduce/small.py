"""The small run: on the CPU, with stand-ins and small sizes. Does it run at all, to which numbers, does the ledger explain them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from auditor.claims.logs import read_run
from auditor.reproduce.claim import Claim
from auditor.reproduce.figures import Figures, like, of_run
from auditor.trace.attempts import attempt
from auditor.trace.collect import Reading, claimed_line, job
from auditor.trace.ways import Ways
from rules.trace import Trace

MEANS_NOTHING = (
    "the bpb of a small run, of narrow layers trained for a few steps on made-up tokens, means nothing about the claim"
)


@dataclass(frozen=True)
class Small:
    """One small run: what the tracer saw, and the figures that the log reader finds in what it printed."""

    seed: int
    trace: Trace
    figures: Figures | None
    changed_code: bool

    @property
    def ran(self) -> bool:
        """Whether it came to its end with a number."""
        return not self.trace.failure and bool(self.trace.printed)


def run_small(
    claim: Claim,
    seed: int,
    tell: Callable[[str], None],
    *,
    wall_s: float = 120.0,
    given: Mapping[str, str] | None = None,
) -> Small:
    """Run a claim's script small. Raises `NoSandbox` where nothing can seal it."""
    settings = {"SEED": str(seed), **(given or {})}
    ways = Ways(wall_s=wall_s, probing=False, given=settings)
    work = replace(job(claim.evidence, claim.submission, claim.entry, ways), seed=0)
    tell(f"seed {seed}: running it small, sealed off")
    work, done = attempt(work)
    label = claimed_line(claim.config)
    beside = {
        s.path: s.text for s in claim.evidence.package.scripts if s.role == "module" and s.path != claim.entry.path
    }
    trace = Reading(done, claim.entry, label, beside).written()
    run = read_run(done.outcome.stdout, "small run")
    figures = None
    if run is not None:
        figures = replace(of_run(run, like(run, [f.line for f in claim.figures]), claim.evidence), seed=seed)
    return Small(seed, trace, figures, done.plan.constants or done.plan.older)
