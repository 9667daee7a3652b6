"""Stretches of time that a log measures, each once.

Scripts print the same stretch under several names (`ttt:done`, `ttt_total`), inside one another
(`total_eval_time` around the scored pass) and as running clocks. Only lines that end something
count. A stretch that may lie inside a later, longer one of its own kind is left out, since a sum
that counts time twice would accuse wrongly.

Preparation before scoring, such as looking up n-gram hints for all positions, is a `WARMUP` that
reads validation data, and only where the log shows that it lies outside the evaluation's timer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from auditor.claims.logs.evaluations import agree
from auditor.claims.logs.figures import LITERAL, place, seconds
from rules.evidence import Evaluation, Number, Phase, PhaseKind

_TIME = re.compile(
    rf"(?i)(?:\bin|elapsed|time|took|seconds|post_time|done|\(|wallclock|wall_ms|warmup|completed?|"
    rf"(?<=[ =:])t)\s{{0,2}}[:=]?\s{{0,2}}"
    rf"({LITERAL})\s?(ms|secs?|seconds|s|min|m)\b"
)
_FINISHED = re.compile(
    r"(?i)\b(?:done|complete[d]?|collected|calibrated|generated|loaded|finished|took|quantized|compressed|"
    r"serialize_wallclock)\b|(?<![a-z])warmup\b|_done\b|"
    r"elapsed[=:]|total_time|_time[:=]|\bin \d|pre-filled|time[:=]|wallclock:"
)
_NOT_ONE = re.compile(
    r"(?i)max_wallclock|reserv|timeout|\bbudget|\[\s{0,6}\d[\d,]{0,12}/|epoch[: ]|\bchunk[_ :=]|train_time|"
    r"step_avg|\beta\b|progress|"
    r"\bdownload|install|fetch|estimate|\d%|steps/s|\brank ?[:=]? ?[1-9]|wait[=:]|warmup_step|\bper[_ ](?:step|"
    r"seed|chunk|doc)|phase_breakdown|"
    r"short_docs|long_docs|batch \d"
)
_SUMMARY = re.compile(r"(?i)\btotal|_total\b|all_done|wallclock|\boverall|with_compile|phase\d:elapsed")
_TOTAL_BEHIND = re.compile(r" total(?!\w)")
_INSIDE_TIMER = re.compile(r"(?i)^(?:beginning|starting) .{0,40}timer")

# The first that matches names the kind. `data` is what the words themselves say.
_KINDS: tuple[tuple[PhaseKind, str, re.Pattern[str]], ...] = (
    (
        PhaseKind.WARMUP,
        "",
        re.compile(r"(?i)compile[ _-]?warm|warmup[ _]compile|pre-?warm|precompile|warming up|compile_time|autotune"),
    ),
    (PhaseKind.LOAD, "", re.compile(r"(?i)decompress|deserializ|dequant|decode_time|decoded")),
    (PhaseKind.WARMUP, "validation", re.compile(r"(?i)precompute|prefill|pre-filled|cache[_ ]buil[dt]")),
    (PhaseKind.CALIBRATION, "generated", re.compile(r"(?i)\bgenerated \d|\bar[_ ](?:gen|selfgen)|self-?gen")),
    (PhaseKind.CALIBRATION, "", re.compile(r"(?i)hessian|calibrat|calib\b|act_stats")),
    (
        PhaseKind.SERIALISE,
        "",
        re.compile(
            r"(?i)quantiz|quantis|serializ|compress|gptq:? ?done|qep_gptq|prune|\bpack(?:ed|ing)\b|similarity sort|"
            r"entropy cod"
        ),
    ),
    (PhaseKind.EVAL, "", re.compile(r"(?i)^(?:total|inner)_\w*eval\w*_(?:time|wallclock)")),
    (PhaseKind.ADAPT, "", re.compile(r"(?i)^[\w .:\[\]-]{0,24}ttt|^eggroll|^lcq:|^reptile|test-time|adaptation")),
)
_ADAPTED = re.compile(r"(?i)ttt|adapt|lora")
_CALIBRATES = re.compile(r"(?i)gptq|calib|hessian|self-?gen")
_SOURCES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("generated", re.compile(r"(?i)autoregressive|self-?gen|\bAR\b|generated|generating|random tokens")),
    ("validation", re.compile(r"(?i)\bval(?:idation)?(?:[ _]|\b)(?!bpb|loss)")),
    (
        "train",
        re.compile(
            r"(?i)\btrain(?:ing)?[ _-](?:data|shard|batch|token|set|seq|stream)|from train\b|train_loader|"
            r"fineweb_train"
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Timed:
    """A line that says how long something took, before anything is left out."""

    kind: PhaseKind
    name: str
    seconds: Number
    data: str
    order: int  # line number
    summary: bool


def read(text: str, raw: str, file: str, line: int) -> Timed | None:
    """The stretch of time that this line ends, or None. Evaluations are not read here."""
    if len(text) > 400 or "bpb" in text or "val_loss" in text or not _FINISHED.search(text) or _NOT_ONE.search(text):
        return None
    m = _TIME.search(text)
    found = next(((k, d) for k, d, p in _KINDS if p.search(text)), None) if m else None
    if m is None or found is None:
        return None
    took = seconds(m[1], m[2], place(file, line, raw))
    if took is None or took.value < 0:
        return None
    name = text[: m.start()].strip(" \t:=([,-._") or text[: m.end()]
    summary = bool(_SUMMARY.search(name)) or bool(_TOTAL_BEHIND.match(text, m.end()))
    return Timed(found[0], name[:100], took, found[1], line, summary)


def source(text: str) -> str:
    """Which tokens a line about calibration says it reads; "" if it says nothing."""
    if not _CALIBRATES.search(text):
        return ""
    return next((name for name, p in _SOURCES if p.search(text)), "")


def opens_timer(text: str) -> bool:
    """Whether an evaluation's own timer starts at this line."""
    return bool(_INSIDE_TIMER.search(text))


def phases(
    timed: Sequence[Timed],
    timers: Sequence[int],
    evaluations: Sequence[Evaluation],
    final: int,
    artifact_line: int | None,
) -> tuple[Phase, ...]:
    """All measured stretches in the order of the log, each counted once.

    `timers` are the lines at which an evaluation's timer starts; `artifact_line` is the line that
    gives the artifact's size, which divides building from evaluating.
    """
    scored = _evaluations(evaluations, final)
    out: list[tuple[int, Phase]] = list(scored)
    kept: list[Timed] = []
    for t in timed:
        if t.kind is PhaseKind.EVAL:
            if not any(p.kind is PhaseKind.EVAL for _, p in scored) and not any(k.kind is PhaseKind.EVAL for k in kept):
                kept.append(t)
        elif (
            not (t.summary and any(_same_work(k, t) for k in kept))
            and not _repeats(kept, t)
            and not _inside(t, timers, scored)
        ):
            kept.append(t)
    out += [(t.order, Phase(t.kind, t.name, t.seconds, t.data)) for t in kept]
    out.sort(key=lambda pair: pair[0])
    return tuple(_staged(p, line, artifact_line) for line, p in out)


def _staged(p: Phase, line: int, artifact_line: int | None) -> Phase:
    if artifact_line is None:
        return p
    return replace(p, stage="build" if line < artifact_line else "evaluate")


def _evaluations(evaluations: Sequence[Evaluation], final: int) -> list[tuple[int, Phase]]:
    """One phase for each timed evaluation; a value printed again under another name is one pass."""
    out: list[tuple[int, Phase]] = []
    values: list[Evaluation] = []
    for i, e in enumerate(evaluations):
        if e.training or e.seconds is None:
            continue
        kind = PhaseKind.EVAL if i == final else PhaseKind.DIAGNOSTIC
        phase = Phase(kind, e.name, e.seconds, "validation")
        line = e.seconds.at.line or 0
        if values and _one_pass(values[-1], e):
            # The outer clock includes the inner one; the result's own line keeps its kind.
            old = out[-1][1]
            longer = phase if phase.seconds.value >= old.seconds.value else old
            kind = PhaseKind.EVAL if PhaseKind.EVAL in (kind, old.kind) else kind
            out[-1] = (line, replace(longer, kind=kind))
        else:
            out.append((line, phase))
        values.append(e)
    return out


def _one_pass(a: Evaluation, b: Evaluation) -> bool:
    if not (a.val_bpb and b.val_bpb and a.seconds and b.seconds):
        return False
    near = abs(a.seconds.value - b.seconds.value) <= max(3.0, 0.05 * b.seconds.value)
    return near and agree(a.val_bpb, b.val_bpb) and agree(a.val_loss, b.val_loss)


def _same_work(a: Timed, b: Timed) -> bool:
    building = (PhaseKind.CALIBRATION, PhaseKind.SERIALISE)
    return a.kind is b.kind or (a.kind in building and b.kind in building)


def _repeats(kept: Sequence[Timed], t: Timed) -> bool:
    """The same stretch under a second name: same kind, close by, same duration."""
    return any(
        k.kind is t.kind
        and t.order - k.order <= 6
        and abs(k.seconds.value - t.seconds.value) <= max(0.25, k.seconds.step, t.seconds.step, 0.002 * k.seconds.value)
        for k in kept
    )


def _inside(t: Timed, timers: Sequence[int], scored: Sequence[tuple[int, Phase]]) -> bool:
    """Whether the stretch may lie inside the timer of the next timed evaluation."""
    if (
        t.kind is PhaseKind.ADAPT
        and t.summary
        and any(line < t.order and p.seconds.value <= t.seconds.value and _ADAPTED.search(p.name) for line, p in scored)
    ):
        return True  # a total printed after the scored pass that it contains
    following = next(((line, p) for line, p in scored if line >= t.order), None)
    if t.kind not in (PhaseKind.ADAPT, PhaseKind.WARMUP) or following is None:
        return False
    line, evaluation = following
    opened = [at for at in timers if at < line]
    if opened and opened[-1] > t.order:
        return False  # the timer starts after this stretch ended
    if opened and opened[-1] < t.order:
        return evaluation.seconds.value >= t.seconds.value
    if t.kind is PhaseKind.WARMUP:
        return t.data == "validation" and "outside" not in t.name and evaluation.seconds.value >= t.seconds.value
    return bool(_ADAPTED.search(evaluation.name)) and evaluation.seconds.value >= t.seconds.value
