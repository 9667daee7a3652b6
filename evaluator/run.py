"""One evaluation from files to a number: what the command line asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from evaluator import artifact, scale
from evaluator import bytes as byte_count
from evaluator.adapt import Recipe, Tuned
from evaluator.checkpoint import Checkpoint, fingerprint
from evaluator.evaluate import Plan, Progress, Result, evaluate
from evaluator.mixed import Mixed, hedge
from evaluator.past import Adapter, Past
from evaluator.shards import Tokens
from evaluator.timing import Clock, Phase, Timing

Mode = Literal["sliding", "ttt", "hedge", "ttt+hedge"]


class RunError(ValueError):
    """What was asked for does not go together: one sentence that says what to do."""


@dataclass(frozen=True)
class Job:
    """`tokens`: shards, by name or pattern; `limit`: the first so many tokens; `sidecar`: bytes by token instead of a tokenizer."""

    artifact: Path
    tokens: str
    tokenizer: Path | None = None
    sidecar: str | None = None
    mode: Mode = "sliding"
    plan: Plan = field(default_factory=Plan)
    recipe: Recipe = field(default_factory=Recipe)
    limit: int | None = None
    state: Path | None = None


@dataclass(frozen=True)
class Outcome:
    result: Result
    timing: Timing
    regret: str  # of the mixture, in words; "" without one
    artifact_bytes: int
    ranks: int


def stream(job: Job) -> tuple[np.ndarray, np.ndarray]:
    """The ids and the bytes of each token, (N,) int64."""
    tokens = Tokens.open(job.tokens)
    n = len(tokens) if job.limit is None else min(job.limit, len(tokens))
    if job.sidecar is not None:
        counted: Any = byte_count.SidecarBytes(Tokens.open(job.sidecar), tokens)
    elif job.tokenizer is not None:
        counted = byte_count.TableBytes(byte_count.load(job.tokenizer), tokens)
    else:
        raise RunError(
            "bits per byte need the tokenizer (--tokenizer FILE.model) or a sidecar of bytes (--sidecar FILE.bin)"
        )
    return tokens[:n].astype(np.int64), counted.between(0, n)


def run(job: Job, progress: Callable[[Progress], None] = lambda p: None) -> Outcome:
    """Evaluate. With torchrun each rank calls this; all get the same outcome.

    Raises RunError, ArtifactError, ShardError, BytesError, CheckpointError, or ValueError for tokens the model does not have.
    """
    clock = Clock()
    ranks, device = scale.join()
    with clock.phase(Phase.LOADING):
        loaded = artifact.load(job.artifact)
        model = loaded.model.to(device)
        ids, sizes = stream(job)
        tokens, counts = (torch.from_numpy(x).to(device)[None] for x in (ids, sizes))
    adapts, mixes = "ttt" in job.mode, "hedge" in job.mode
    adapter = Tuned(model, job.recipe, ranks, job.plan.autocast) if adapts else None
    mixer = Mixed(hedge(vocabulary(model), device=str(device))) if mixes else None
    kept = checkpoint(job, model, tokens, adapter, mixer)
    result = kept.begin() if kept else Result()
    with clock.phase(Phase.WARMUP):
        score = quick(model, tokens, job.plan)
    timed = Timed(adapter, clock) if adapter else None
    with clock.phase(Phase.SCORING):
        evaluate(
            model, tokens, counts, job.plan, adapter=timed, mixer=mixer, ranks=ranks, result=result,
            progress=progress, after=kept.after if kept and not ranks.rank else lambda r: None, score=score,
        )  # fmt: skip
    clock.number()
    if kept and not ranks.rank:
        kept.done()
    regret = mixer.mixture.hedge.regret().text() if mixer is not None else ""
    return Outcome(result, clock.timing(), regret, loaded.size, ranks.world)


def vocabulary(model: nn.Module) -> int:
    n = getattr(model, "vocabulary", None)
    if not isinstance(n, int):
        raise RunError("the model does not say how many tokens it knows")
    return n


def checkpoint(
    job: Job, model: nn.Module, tokens: Tensor, adapter: Tuned | None, mixer: Mixed | None
) -> Checkpoint | None:
    if job.state is None:
        return None
    of = fingerprint(model, tokens, job.mode, job.plan, job.recipe if adapter else None)
    return Checkpoint(job.state, of, model, tokens, adapter, mixer)


def quick(model: nn.Module, tokens: Tensor, plan: Plan) -> Callable[[Tensor, int], Tensor] | None:
    """The model, compiled and captured for the shape that nearly all windows have, on a GPU."""
    if tokens.device.type != "cuda":
        return None
    from evaluator.compiled import Fast

    fast = Fast(model, plan.autocast)
    if tokens.shape[1] > plan.sequence:
        fast.warm(tokens[:, : plan.sequence].expand(plan.batch, -1), plan.stride)
    return fast


class Timed:
    """An adapter whose time is told apart from that of the scores."""

    def __init__(self, adapter: Adapter, clock: Clock) -> None:
        self.adapter, self.clock = adapter, clock

    def learn(self, past: Past) -> None:
        with self.clock.phase(Phase.ADAPTATION):
            self.adapter.learn(past)

    def state(self) -> dict[str, object]:
        return self.adapter.state()

    def resume(self, state: dict[str, object]) -> None:
        self.adapter.resume(state)
