"""Which logs of a folder belong to the same run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rules.evidence import Number, Run


def same_run(a: Run, b: Run) -> bool:
    """Whether two logs show one run: console copy and log file, or the same log with other noise.

    The stop clock in milliseconds and every evaluation of the shorter log must be equal.
    """
    if not (a.evaluations and b.evaluations) or not _equal(a.train_seconds, b.train_seconds):
        return False
    if not _equal(a.steps, b.steps) or not _equal(a.seed, b.seed):
        return False
    if a.train_seconds is None and len(a.evaluations) < 2:
        return False
    ours, theirs = _values(a), _values(b)
    return ours == theirs


def pair(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Join a training log without final evaluation with the one evaluation log of the same seed.

    Only where exactly one log of each sort has that seed; everything else stays apart.
    """
    runs = list(runs)
    out: list[Run] = []
    used: set[int] = set()
    for run in runs:
        if id(run) in used:
            continue
        partner = _partner(run, runs)
        if partner is not None and id(partner) not in used:
            used.add(id(partner))
            out = [r for r in out if r is not partner]
            out.append(_joined(run, partner))
        else:
            out.append(run)
    return tuple(out)


def _partner(run: Run, runs: list[Run]) -> Run | None:
    """The evaluation log that goes with this training log, or None when it is not evident."""
    if run.seed is None or not _trains(run) or run.final >= 0:
        return None
    trained = [r for r in runs if _equal(r.seed, run.seed) and _trains(r)]
    evaluated = [r for r in runs if _equal(r.seed, run.seed) and not _trains(r) and r.final >= 0]
    if len(trained) != 1 or len(evaluated) != 1:
        return None
    other = evaluated[0]
    clash = any(
        a is not None and b is not None and a.value != b.value
        for a, b in ((run.val_tokens, other.val_tokens), (run.params, other.params))
    )
    return None if clash else other


def _joined(train: Run, evaluated: Run) -> Run:
    evaluations = (*train.evaluations, *evaluated.evaluations)
    return replace(
        train,
        settings=evaluated.settings | train.settings,
        val_tokens=train.val_tokens or evaluated.val_tokens,
        train_shards=train.train_shards or evaluated.train_shards,
        tokenizer=train.tokenizer or evaluated.tokenizer,
        params=train.params or evaluated.params,
        world_size=train.world_size or evaluated.world_size,
        device=train.device or evaluated.device,
        code_bytes=evaluated.code_bytes or train.code_bytes,
        model_bytes=evaluated.model_bytes or train.model_bytes,
        total_bytes=evaluated.total_bytes or train.total_bytes,
        evaluations=evaluations,
        final=len(train.evaluations) + evaluated.final,
        phases=(*train.phases, *(replace(p, stage="evaluate") for p in evaluated.phases)),
        problems=(
            *(p for p in train.problems if not p.startswith("truncated")),
            *evaluated.problems,
            f"the final evaluation stands in {evaluated.file}",
        ),
        facts=evaluated.facts | train.facts,
        starts=tuple(dict.fromkeys((*train.starts, *evaluated.starts))),
    )


def _trains(run: Run) -> bool:
    return run.steps is not None and any(e.training for e in run.evaluations)


def _equal(a: Number | None, b: Number | None) -> bool:
    return (a is None) == (b is None) and (a is None or b is None or a.value == b.value)


def _values(run: Run) -> list[tuple[float | None, float | None]]:
    return [(e.val_loss.value if e.val_loss else None, e.val_bpb.value if e.val_bpb else None) for e in run.evaluations]
