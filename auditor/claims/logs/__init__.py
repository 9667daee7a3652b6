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

from auditor.claims.logs import evaluations as ev
from auditor.claims.logs import phases as ph
from auditor.claims.logs.figures import count
from auditor.claims.logs.pairing import pair, same_run
from auditor.claims.logs.scan import Draft, last_training_clock, scan
from auditor.claims.logs.text import decode, split
from rules.evidence import Location, Number, Phase, PhaseKind, Run, Words

__all__ = ["is_log_name", "read_run", "read_runs", "runs_in"]

_EXTENSION = re.compile(r"(?i)\.(?:log|txt|out|jsonl|ndjson|stdout|console)(?:\.\d{1,3})?$")
_NOT_LOG = re.compile(
    r"(?i)^(?:.*requirements.*|license.*|notice.*|readme.*|cmakelists.*|.*vocab.*|manifest.*|.*sha256.*|.*pip[_-]?(?:freeze|list).*|"
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
    return (complete or list(runs) or [None])[-1]


def runs_in(data: bytes, file: str) -> tuple[Run, ...]:
    """Every run in one file, in order. Empty when the file is no log of one. Never raises on any bytes."""
    text, note = decode(data)
    drafts = [d for d in scan(split(text), file) if _is_run(d)]
    if _PLACEHOLDER.search(text[:2_000]):
        drafts = [d for d in drafts if d.train_lines]
    runs: list[tuple[int, Run]] = []
    for d in drafts:
        run = _finished(d, note)
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
    """Of several runs in one file, the last complete one of each seed; an aborted one if none is."""
    last: dict[float | None, Run] = {}
    for run in runs:
        seed = run.seed.value if run.seed else None
        if run.final >= 0 or seed not in last:
            last[seed] = run
    kept = list(last.values())
    complete = [r for r in kept if r.final >= 0]
    return complete or kept[-1:]


def _weight(run: Run) -> int:
    """How much a log says, to keep the fuller one of two copies."""
    return len(run.settings) + len(run.evaluations) + len(run.phases) + 20 * sum(
        x is not None for x in (run.seed, run.val_tokens, run.train_shards, run.device, run.total_bytes, run.world_size)
    )


def _is_run(d: Draft) -> bool:
    """Whether enough was found to call this a training or evaluation log."""
    facts = sum(x is not None for x in (d.seed, d.val_tokens, d.train_shards, d.params, d.world_size, d.cap, d.tokenizer))
    facts += bool(d.sizes.totals) + bool(d.sizes.models) + bool(d.sizes.codes) + bool(d.gpus)
    losses = [e for e in d.evaluations if e.val_bpb or e.val_loss]
    if d.train_lines >= 2:
        return facts >= 1 or len(losses) >= 1 or d.train_lines >= 5
    periodic = sum(e.training for e in losses)
    timed = any(e.seconds for e in losses)
    return bool(losses) and (facts >= 2 or periodic >= 2 or timed or (facts >= 1 and any(e.val_loss and e.val_bpb for e in losses)))


def _finished(d: Draft, note: str) -> Run:
    last_training_clock(d)
    code, model, total = d.sizes.chosen()
    artifact = total or model
    artifact_line = artifact.at.line if artifact else None
    final = ev.choose(d.evaluations, artifact_line)
    seed = d.seed or _seed_in_name(d.file, short=True)
    timed = ph.phases(d.timed, d.timers, d.evaluations, final, artifact_line)
    return Run(
        file=d.file,
        family=d.family or ("evaluation" if d.finals else "other"),
        seed=seed,
        settings=d.settings,
        val_tokens=d.val_tokens,
        train_shards=d.train_shards,
        tokenizer=d.tokenizer,
        params=d.params,
        world_size=d.world_size,
        device=_device(d),
        steps=d.steps,
        cap_seconds=d.cap,
        train_seconds=d.train_seconds,
        code_bytes=code,
        model_bytes=model,
        total_bytes=total,
        evaluations=tuple(d.evaluations),
        final=final,
        phases=(*_train_phase(d), *timed),
        problems=tuple(_problems(d, note, final)),
    )


def _train_phase(d: Draft) -> tuple[Phase, ...]:
    return (Phase(PhaseKind.TRAIN, "training", d.train_seconds, "train", "build"),) if d.train_seconds else ()


def _device(d: Draft) -> Words | None:
    if not d.gpus:
        return None
    first = next(iter(d.gpus.values()))
    n = sum(key.isdigit() for key in d.gpus)
    return Words(f"{n}x {first.value}" if n else first.value, first.at)


_SEED_NAME = re.compile(r"(?i)(?:^|[^a-z])seed[_-]?(\d{1,10})(?!\d)")
_SHORT_SEED_NAME = re.compile(r"(?:^|[_-])s(\d{2,6})(?=[_.-]|$)")


def _seed_in_name(file: str, short: bool) -> Number | None:
    """The seed that the file's name gives, without a line; `_s1337` counts only where `short`."""
    name = file.rsplit("/", 1)[-1]
    m = _SEED_NAME.search(name) or (_SHORT_SEED_NAME.search(name) if short else None)
    return count(m[1], Location(file)) if m else None


def _problems(d: Draft, note: str, final: int) -> Iterable[str]:
    if note:
        yield note
    if d.nan_line or d.nan_train:
        yield f"a loss is not a finite number (line {d.nan_line or d.nan_train})"
    if final < 0 and d.train_lines:
        ended = d.stopped or (d.planned_steps is not None and d.steps is not None and d.steps.value >= d.planned_steps)
        when = "after training" if ended else "before training ends"
        yield f"truncated: the log stops at line {d.last_line}, {when}, without a final evaluation"
    named = _seed_in_name(d.file, short=False)
    if d.seed and named and d.seed.value != named.value:
        yield f"the log says seed {d.seed.value:.0f}, the file name says {named.value:.0f}"
