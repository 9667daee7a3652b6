"""The record that stood on a day, and the seeds of a submission compared with it.

`frontier.csv` holds the accepted records: `date` the day the submission was made, `listed` the day it
appeared in the README's table, `pr`, `name`, mean `bpb`, and the values of its `seeds` (from its own
logs) where they are known. Facts from the challenge's README and the logs of the merged folders.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources

from evaluator import statistics
from rules import view
from rules.constants import CANONICAL_BYTES, LN2, RECORD_MARGIN_NATS
from rules.evidence import Comparison, Evidence, FrontierRow, Number, SeedStatistics, Track


@cache
def table() -> tuple[tuple[FrontierRow, str], ...]:
    """(row, day it was listed) for each accepted record, in order of date."""
    text = resources.files("auditor").joinpath("frontier.csv").read_text(encoding="utf-8")
    rows = []
    for r in csv.DictReader(text.splitlines()):
        seeds = tuple(float(s) for s in r["seeds"].split()) if r["seeds"] else ()
        rows.append((FrontierRow(r["date"], int(r["pr"]), r["name"], float(r["bpb"]), seeds), r["listed"]))
    return tuple(sorted(rows, key=lambda x: x[0].date))


def standing(day: str, *, pr: int | None, listed: bool) -> FrontierRow | None:
    """The best record before `day` (ISO), by the README's table or by date of submission.

    A pull request is never compared with itself.
    """
    rows = [r for r, shown in table() if (shown if listed else r.date) < day[:10] and r.pr != pr]
    return min(rows, key=lambda r: r.val_bpb, default=None)


def seed_statistics(e: Evidence) -> SeedStatistics:
    """Mean, spread and comparisons of the logs that stand behind the claim."""
    results: dict[tuple[int | None, float], Number] = {}
    for run in view.claim_runs(e):
        ev = view.headline(run, e)
        if ev and ev.val_bpb:
            seed = int(run.seed.value) if run.seed else None
            results.setdefault((seed, ev.val_bpb.value), ev.val_bpb)
    if not results:
        return SeedStatistics()
    numbers = tuple(results.values())
    values = [n.value for n in numbers]
    day = view.day(e)
    compared = tuple(_compare(e, values, day)) if day and e.package.track is Track.RECORD else ()
    return SeedStatistics(
        numbers, tuple(s for s, _ in results), statistics.mean(values), statistics.sample_std(values), compared
    )


def _compare(e: Evidence, values: Sequence[float], day: str) -> Iterator[Comparison]:
    ours = statistics.mean(values)
    tokens = next((r.val_tokens.value for r in view.claim_runs(e) if r.val_tokens), None)
    per_token = LN2 * CANONICAL_BYTES / tokens if tokens else None
    for listed, name in ((False, "frontier"), (True, "listed record")):
        row = standing(day, pr=e.package.pr, listed=listed)
        if row is None:
            continue
        label = (
            f"{name} of its day, #{row.pr} at {row.val_bpb:.4f}"
            if row.pr
            else f"{name} of its day, {row.name} at {row.val_bpb:.4f}"
        )
        theirs = row.seeds or (row.val_bpb,)
        gain = row.val_bpb - ours
        if not listed:
            yield Comparison(label, "bpb", 0.0, gain, statistics.welch_less(values, theirs), len(values), len(theirs))
            continue
        for unit, scale in (("nats per byte", LN2), ("nats per token", per_token)):
            if scale:
                p = statistics.welch_less([v * scale for v in values], [v * scale for v in theirs], RECORD_MARGIN_NATS)
                yield Comparison(label, unit, RECORD_MARGIN_NATS, gain * scale, p, len(values), len(theirs))
