"""What to try when a small run fails: at most two more, each with something undone or added that the failure points to.

A run that ends by a limit was not small enough: its built-in sizes are made small, in a copy of the text, and it is told to
do less; then it is the first of eight ranks, which has an eighth of the work of one that is alone. One that breaks
may have been made too small (layers too narrow, batches too small for what they are cut into), may have been given
settings that it does not take, or may want to be one of eight ranks. What was changed is part of the run's record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from auditor.trace.execute import Job, Plan, Traced, trace
from auditor.trace.failures import error

MORE = 2
RANKS = 8
_RANKS = re.compile(r"world.?size|nproc|\branks?\b|\bgpus\b", re.I)
_SETTING = re.compile(r"invalid literal for int|could not convert string to float|unexpected keyword argument")
_CUT = re.compile(
    r"shape '\[-1, \d+[^']*' is invalid for input|(?:not|n't|must be) (?:evenly )?divisible by|at least one sequence|batch\S* too small",
    re.I,
)
_WIDTH = re.compile(r"dim\b|dim=|head|width|features?\b", re.I)
_NUMBER = re.compile(r"(?:bpb|bits.per.byte|loss)\D{0,12}(\d+\.\d+|nan|inf)", re.I)


def attempt(job: Job, run: Callable[[Job], Traced] = trace) -> tuple[Job, Traced]:
    """Run the job, and again while it fails and something is left to try; the best of the runs, and how it was made."""
    best, done = job, run(job)
    tried = {job.plan}
    latest, result = best, done
    for _ in range(MORE):
        plans = [p for p in wanted(latest.plan, result) if job.ranks == 1 or p.ranks == 1]  # real ones need no seeming
        plan = next((p for p in plans if p not in tried), None)
        if plan is None:
            break
        tried.add(plan)
        latest = replace(job, plan=plan)
        result = run(latest)
        if worth(result) > worth(done):
            best, done = latest, result
    return best, done


def worth(run: Traced) -> tuple[bool, bool, int]:
    """Came to its end with a number, with a number at all, and how far."""
    number = bool(numbers(run))
    return run.outcome.ok and number, number, sum(r.kind == "print" for r in run.records)


def numbers(run: Traced) -> list[str]:
    return [n for n in _NUMBER.findall(run.stdout) if n.lower() not in ("nan", "inf")]


def wanted(plan: Plan, run: Traced) -> Iterator[Plan]:
    """What to try after a run, the likeliest first."""
    if run.outcome.limit:
        yield replace(plan, constants=True, hurried=True)
        yield replace(plan, constants=True, hurried=True, ranks=RANKS)
        return
    if run.outcome.ok and (numbers(run) or "nan" not in run.stdout.lower()):
        return
    kind, text = error(run.stderr)
    said = f"{kind}: {text}" if kind else run.stderr[-400:]
    if plan.ranks == 1 and _RANKS.search(said):
        yield replace(plan, ranks=RANKS)
    if kind in ("ModuleNotFoundError", "FileNotFoundError", "SyntaxError"):
        return
    if plan.claimed and _SETTING.search(said):
        yield replace(plan, claimed=False)
    if not plan.roomy and _CUT.search(said) and not _WIDTH.search(said):
        yield replace(plan, roomy=True)
    if plan.widths:
        yield replace(plan, widths=False)
    if plan.claimed:
        yield replace(plan, claimed=False)
