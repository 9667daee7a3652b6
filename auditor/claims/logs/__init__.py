"""Reads training and evaluation logs into numbers, each with the line it stands on.

One file may hold several runs (a loop over seeds, a restart). `runs_in` returns them all,
`read_run` the last complete one. `read_runs` takes a whole folder: it drops copies of the same
log, puts a training log and the evaluation log of the same seed together where they are plainly a
pair, and keeps, of several runs of one seed in one file, the last complete one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from auditor.claims.logs.build import finished, is_run
from auditor.claims.logs.pairing import pair, same_run
from auditor.claims.logs.scan import scan
from auditor.claims.logs.text import decode, split
from rules.evidence import Run

__all__ = ["is_log_name", "read_run", "read_runs", "runs_in"]

_EXTENSION = re.compile(r"(?i)\.(?:log|txt|out|jsonl|ndjson|stdout|console)(?:\.\d{1,3})?$")
_NOT_LOG = re.compile(
    r"(?i)^(?:.*requirements.*|license.*|notice.*|readme.*|cmakelists.*|.*vocab.*|manifest.*|.*sha256.*|"
    r".*pip[_-]?(?:freeze|list).*|"
    r"environment.*|todo.*|.*prompt.*|tokens?|merges|.*\.patch)\.(?:txt|out|log)$"
)
_BARE = re.compile(r"(?i)^(?:(?:train|run|eval|console|nohup|slurm|log|stdout|output)[\w.-]{0,60}|.*_log)$")
_PLACEHOLDER = re.compile(r"(?i)\bplaceholder\b")  # "replace this file by the log": figures without a run


def is_log_name(path: str) -> bool:
    """Whether a file of this name may be a log; `read_runs` looks inside to be sure."""
    name = path.rsplit("/", 1)[-1]
    if _NOT_LOG.match(name):
        return False
    return bool(_EXTENSION.search(name) or ("." not in name and _BARE.match(name)))


def read_run(data: bytes, file: str) -> Run | None:
    """The run in this file, the last complete one of several; None when it is no log of one."""
    runs = runs_in(data, file)
    complete = [r for r in runs if r.final >= 0]
    return complete[-1] if complete else runs[-1] if runs else None


def runs_in(data: bytes, file: str) -> tuple[Run, ...]:
    """Every run in one file, in order. Empty when the file is no log of one. Never raises on any bytes."""
    text, note = decode(data)
    drafts = [d for d in scan(split(text), file) if is_run(d)]
    if _PLACEHOLDER.search(text[:2_000]):
        drafts = [d for d in drafts if d.train_lines]
    runs: list[tuple[int, Run]] = []
    for d in drafts:
        run = finished(d, note)
        _keep_fuller(runs, d.first_line, run)
    if len(runs) < 2:
        return tuple(r for _, r in runs)
    return tuple(
        replace(r, problems=(f"the file holds {len(runs)} runs; this one starts at line {line}", *r.problems))
        for line, r in runs
    )


def _keep_fuller(runs: list[tuple[int, Run]], line: int, run: Run) -> None:
    """Add a run, or put it in the place of a copy of itself that says less (console and log file in one)."""
    twin = next((i for i, (_, r) in enumerate(runs) if same_run(r, run)), None)
    if twin is None:
        runs.append((line, run))
    elif _weight(run) > _weight(runs[twin][1]):
        runs[twin] = (line, run)


def read_runs(files: Iterable[tuple[str, bytes]]) -> tuple[Run, ...]:
    """The runs of a folder out of (path, bytes) of its logs, in the order given."""
    seen: set[bytes] = set()
    found: list[tuple[int, Run]] = []
    for path, data in files:
        if data not in seen:
            seen.add(data)
            for run in _one_per_seed(runs_in(data, path)):
                _keep_fuller(found, 0, run)
    return pair(run for _, run in found)


def _one_per_seed(runs: tuple[Run, ...]) -> list[Run]:
    """Of several runs in one file, the last complete one of each seed; an aborted one if none is.

    Runs that state no seed are all kept, since nothing tells a repetition from another seed.
    """
    complete = [r for r in runs if r.final >= 0]
    last = {r.seed.value: r for r in complete if r.seed}
    kept = [r for r in complete if r.seed is None or last[r.seed.value] is r]
    return kept or list(runs[-1:])


def _weight(run: Run) -> int:
    """How much a log says, to keep the fuller one of two copies."""
    facts = (run.seed, run.val_tokens, run.train_shards, run.device, run.total_bytes, run.world_size)
    known = sum(x is not None for x in facts)
    return len(run.settings) + len(run.evaluations) + len(run.phases) + 20 * known
