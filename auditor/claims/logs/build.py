"""From what was read of a log to the `Run` that rules look at."""

from __future__ import annotations

import re
from collections.abc import Iterable

from auditor.claims.logs import evaluations as ev
from auditor.claims.logs import phases as ph
from auditor.claims.logs.draft import Draft
from auditor.claims.logs.figures import count
from auditor.claims.logs.training import last_clock
from rules.evidence import Location, Number, Phase, PhaseKind, Run, Words


def is_run(d: Draft) -> bool:
    """Whether enough was found to call this a training or evaluation log."""
    facts = sum(
        x is not None for x in (d.seed, d.val_tokens, d.train_shards, d.params, d.world_size, d.cap, d.tokenizer)
    )
    facts += bool(d.sizes.totals) + bool(d.sizes.models) + bool(d.sizes.codes) + bool(d.gpus)
    losses = [e for e in d.evaluations if e.val_bpb or e.val_loss]
    if d.train_lines >= 2:
        return facts >= 1 or len(losses) >= 1 or d.train_lines >= 5
    periodic = sum(e.training for e in losses)
    timed = any(e.seconds for e in losses)
    return bool(losses) and (
        facts >= 2 or periodic >= 2 or timed or (facts >= 1 and any(e.val_loss and e.val_bpb for e in losses))
    )


def finished(d: Draft, note: str) -> Run:
    """The run as evidence. `note` is what is to say about the file's encoding.

    `family` names how the training loop is written (`training.FAMILIES`), "other" for any other
    way, "evaluation" for a log without training.
    """
    last_clock(d)
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
        facts=d.passing.facts,
        starts=d.passing.starts,
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
