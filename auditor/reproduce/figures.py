"""What of a run is set against the claim, read from its log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rules import view
from rules.evidence import Evaluation, Evidence, Number, Run, SeedClaim
from rules.time2_eval_600 import all_seconds, scored_seconds

_FIGURE = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Figures:
    """One seed's figures; None where nobody says. Seconds, bytes, bits per byte, nats per token.

    `scored_s`: the pass that makes the claim, adaptation included; `evaluation_s`: loading, warm-up and checks after the
    artifact was made, too. `line` is the label of the log line that `bpb` stands on, `step` its last written digit. `wall_s` is
    measured from outside, for a run of ours only.
    """

    seed: int | None = None
    bpb: float | None = None
    step: float = 0.0
    loss: float | None = None
    line: str = ""
    steps: float | None = None
    train_s: float | None = None
    scored_s: float | None = None
    evaluation_s: float | None = None
    total_bytes: float | None = None
    code_bytes: float | None = None
    val_tokens: float | None = None
    train_shards: float | None = None
    world_size: int | None = None
    device: str = ""
    file: str = ""
    wall_s: float | None = None

    @property
    def step_ms(self) -> float | None:
        """Mean time of a training step, in milliseconds."""
        return 1000 * self.train_s / self.steps if self.train_s and self.steps else None


def value(n: Number | None) -> float | None:
    return n.value if n else None


def label(name: str) -> str:
    """The name of an evaluation without the figures in it."""
    return _FIGURE.sub("#", name)


def of_run(run: Run, shown: Evaluation | None, evidence: Evidence) -> Figures:
    """The figures of a log; `shown` is the line that counts as its result."""
    bpb = shown.val_bpb if shown else None
    scored = scored_seconds(run, evidence)
    whole = all_seconds(run)
    return Figures(
        seed=int(run.seed.value) if run.seed else None,
        bpb=value(bpb),
        step=bpb.step if bpb else 0.0,
        loss=value(shown.val_loss) if shown else None,
        line=shown.name if shown else "",
        steps=value(run.steps),
        train_s=value(run.train_seconds),
        scored_s=scored or None,
        evaluation_s=whole or None,
        total_bytes=value(view.total_bytes(run)),
        code_bytes=value(run.code_bytes),
        val_tokens=value(run.val_tokens),
        train_shards=value(run.train_shards),
        world_size=int(run.world_size.value) if run.world_size else None,
        device=run.device.value if run.device else "",
        file=run.file,
    )


def claimed(evidence: Evidence) -> tuple[Figures, ...]:
    """The claim by seed: what submission.json or the README say, and what the log of that seed adds.

    A single figure without a seed where there is only a headline; nothing where nothing is claimed.
    """
    logs = [of_run(r, view.headline(r, evidence), evidence) for r in view.claim_runs(evidence)]
    logs = [f for f in logs if f.bpb is not None]
    said = [c for c in view.seed_claims(evidence) if c.val_bpb]
    if said:
        known = {c.seed for c in said if c.seed is not None}
        rest = [f for f in logs if f.seed is not None and f.seed not in known] if known else []
        return tuple(stated(c, next((f for f in logs if f.seed == c.seed), None)) for c in said) + tuple(rest)
    if logs:
        return tuple(logs)
    head = evidence.claims.val_bpb
    return (Figures(bpb=head.value, step=head.step, file=head.at.file),) if head else ()


def stated(c: SeedClaim, log: Figures | None) -> Figures:
    """A seed's statement, and its log where there is one. The log's figures go first: they have more digits."""
    base = log or Figures()
    bpb, step = base.bpb, base.step
    if c.val_bpb and (bpb is None or abs(bpb - c.val_bpb.value) > max(c.val_bpb.step, step)):
        bpb, step = c.val_bpb.value, c.val_bpb.step  # another figure than the log's: the statement is the claim
    return Figures(
        seed=c.seed,
        bpb=bpb,
        step=step,
        loss=base.loss if base.loss is not None else value(c.val_loss),
        line=base.line,
        steps=base.steps or value(c.steps),
        train_s=base.train_s or value(c.train_seconds),
        scored_s=base.scored_s or value(c.eval_seconds),
        evaluation_s=base.evaluation_s,
        total_bytes=base.total_bytes or value(c.total_bytes),
        code_bytes=base.code_bytes,
        val_tokens=base.val_tokens,
        train_shards=base.train_shards,
        world_size=base.world_size,
        device=base.device,
        file=base.file or (c.val_bpb.at.file if c.val_bpb else ""),
    )


def like(run: Run, names: Sequence[str]) -> Evaluation | None:
    """The evaluation of a fresh log that has the claimed line's name, else its own result."""
    shown = [e for e in run.evaluations if not e.training and e.val_bpb]
    wanted = {label(n) for n in names if n}
    same = [e for e in shown if label(e.name) in wanted]
    return same[-1] if same else run.result
