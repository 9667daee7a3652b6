"""Lines that report a loss or a bpb over validation tokens, and which of them is the result.

Scripts name their evaluations freely, so a line counts by its form: a figure under a key such as
`val_bpb`, `bpb` or `vl`, not a running value of a loop that is still going on. Periodic ones of the
training loop carry a step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from auditor.claims.logs.figures import LITERAL, figure, place, seconds
from rules.evidence import Evaluation, Number

_READ = 1_500  # characters of a line that are looked at
_PAIR = re.compile(
    rf"(?<![A-Za-z0-9_])([A-Za-z][\w.\-]{{0,60}})\"?(?:[ \t]{{0,2}}\([^()]{{1,30}}\))?[ \t]{{0,3}}[:=]"
    rf"[ \t]{{0,20}}\"?({LITERAL}|nan|-?inf)(ms|secs?|s|min|m)?"
    rf"|\b((?:val_)?(?:loss|bpb))[ \t]{{1,3}}(\d{{1,3}}\.\d{{2,12}})()",
    re.IGNORECASE,
)
_STEP = re.compile(r"(?:\W{0,3}\b(?:step|iter|iteration|s)\W{0,4})(\d{1,9})|(\d{1,9})/\d{1,9}\b", re.IGNORECASE)
_BPB = re.compile(r"(?:\w*[_.\-])?(?:bpb|bits_per_byte)(?:_exact)?$")
_NO_BPB = re.compile(
    r"(?:.*_)?(?:run|running|rb|batch|bb|train|delta|d|gain|best|chunk|target|improvement|gap|diff|est|cur|partial|"
    r"ref|"
    r"baseline|expected|prev|sota|record|penalty|cost|ema|avg|probe|dev|std)_?bpb$|.*(?:delta|gain|gap)"
)
_LOSSES = ("val_loss", "vl", "eval_loss", "validation_loss", "test_loss", "loss")
_TIMES = (
    "eval_time",
    "elapsed",
    "time",
    "t",
    "eval",
    "eval_s",
    "eval_seconds",
    "wall",
    "eval_time_ms",
    "took",
    "eval_ms",
    "elapsed_s",
)
_PROGRESS = re.compile(
    r"\[\s{0,6}\d[\d,]{0,12}\s?/\s?\d|\d%|progress|running|\bepoch\b|\bep\s?\d|\bbatch\s?\d|\bchunk[ :]\s?\d|search|"
    r"\brank\s?[:=]?\s?\d|\bnum_|_chunk\b|\bETA\b|\bAR \d+/\d|\bwindows?\s?\d|\bdoc\s?\d|\blr[:=]|\bbest_ckpt:save",
    re.IGNORECASE,
)
_PASS = re.compile(r"(?i)(?<![a-z])pass[ _]?\d")
_DONE = re.compile(r"\b(?:done|final|total|complete[d]?|result)\b|^final|_total\b", re.IGNORECASE)
_NOT_ONE = re.compile(
    r"(?i)(?<![a-z])(?:gap|gain|delta|improvement|target|baseline|expected|sota|budget|threshold|assert|warning|"
    r"improved|vs\.?|"
    r"compared?|using|selected|selecting|best_averaging|applying|saving|saved|wrote|previous|reference|leaderboard|"
    r"mean|average|avg|"
    r"strategy|early_stop|reverting|std)(?![a-z])|^seed\W{0,3}\d{1,8}\W{0,3}$"
)
_TRAIN_WORDS = re.compile(r"train_loss|train_time|\btt:|step_avg|\btok/s")
_EXACT = re.compile(r"[_ ]?(?:exact|_x)$|_exact(?=\b|_| )|_x$")


def read(text: str, raw: str, file: str, line: int) -> tuple[Evaluation, ...]:
    """The evaluations that one line reports; empty for progress, comparisons and plain words.

    `text` is the line without time stamps, `raw` as it stands. NaN and infinite figures give an
    evaluation without that figure.
    """
    text = text[:_READ]
    pairs = [((m[1] or m[4]).lower(), m[2] or m[5], m[3] or "", m.start()) for m in _PAIR.finditer(text)]
    metrics = [p for p in pairs if _BPB.match(p[0]) and not _NO_BPB.match(p[0])]
    loss = next((p for key in _LOSSES for p in pairs if p[0] == key), None)
    if not metrics and not (loss and loss[0] != "loss"):
        return ()
    plain = [p for p in metrics if p[0] in ("val_bpb", "bpb", "val-bpb", "val.bpb")][:1]
    first = min(p[3] for p in (*metrics, *((loss,) if loss else ())))
    name = text[:first].strip(" \t:=|,;({[\"'*#>-–—.")
    training, step = _training(text, name)
    if not training and (
        (_PROGRESS.search(text) and not _DONE.search(text)) or _NOT_ONE.search(name) or _PASS.search(name)
    ):
        return ()
    at = place(file, line, raw)
    timed = [p for p in pairs if _time_unit(p)]
    named = (p for key in _TIMES for p in timed if p[0] == key)
    took = next((seconds(p[1], _time_unit(p), at) for p in (*named, *_own_timers(timed))), None)
    val_loss = figure(loss[1], at) if loss else None
    out = []
    exact = next((figure(p[1], at) for p in pairs if p[0] == "exact"), None)
    for p in plain or metrics or (None,):
        bpb = figure(p[1], at) if p else None
        label = (name if p is None or p in plain else f"{name} {p[0]}".strip()) or (p or ("val_loss",))[0]
        out.append(
            Evaluation(
                name="" if training and step is not None else label[:120],
                val_loss=val_loss if p is None or p in plain or len(metrics) == 1 else None,
                val_bpb=exact if bpb and exact and agree(bpb, exact) else bpb,
                seconds=None if training else took,
                step=step,
                training=training,
            )
        )
    return tuple(out)


def has_nan(text: str) -> bool:
    """Whether a loss or a bpb on this line is no finite number."""
    return any(
        m[2] is not None
        and m[2].lstrip("-").lower() in ("nan", "inf")
        and ("loss" in m[1].lower() or "bpb" in m[1].lower())
        for m in _PAIR.finditer(text[:_READ])
    )


def _time_unit(pair: tuple[str, str, str, int]) -> str:
    """The unit of a time, from behind the figure or from the key; "" when neither says it."""
    key, _, unit, _ = pair
    if unit:
        return unit
    return "ms" if key.endswith("_ms") else "s" if key.endswith(("_s", "_seconds")) else ""


def _own_timers(pairs: Sequence[tuple[str, str, str, int]]) -> Iterator[tuple[str, str, str, int]]:
    """Timers that carry the name of what they time, such as `ngram_eval_time`."""
    return (p for p in pairs if p[0].endswith("_eval_time"))


def _training(text: str, name: str) -> tuple[bool, int | None]:
    m = _STEP.match(text) or (_STEP.search(text[:200]) if text.startswith(("{", "[")) or "checkpoint" in name else None)
    if m and not name.lower().startswith(("final", "quant")):
        return True, int(m[1] or m[2])
    return bool(_TRAIN_WORDS.search(text)) and not _DONE.search(name), None


def within_loop(e: Evaluation, loop_line: int) -> Evaluation:
    """The evaluation, marked as one of the training loop if that loop still runs at `loop_line` after it."""
    return e if e.training or _line(e) >= loop_line else replace(e, training=True)


def stem(name: str) -> str:
    """The name without the mark of an exact repeat: `legal_ttt_exact` and `legal_ttt` are one."""
    bare = _EXACT.sub("", name).strip(" :_")
    return "" if bare in ("val_loss", "val_bpb") else bare  # a label of its own line only


def agree(a: Number | None, b: Number | None) -> bool:
    """Whether two figures can be the same one, each rounded; True when either is missing."""
    return a is None or b is None or abs(a.value - b.value) <= max(a.step, b.step) * 1.0000001


def fold(found: list[Evaluation]) -> list[Evaluation]:
    """Put an evaluation and its exact repeat together: exact figures, the time of the first line.

    A line that stands there once more (other ranks, a summary at the end) is dropped.
    """
    out: list[Evaluation] = []
    seen: set[tuple[object, ...]] = set()
    for e in found:
        key = (e.name, e.step, e.training, *(n.value if n else None for n in (e.val_loss, e.val_bpb, e.seconds)))
        if key in seen:
            continue
        seen.add(key)
        twin = next((i for i in range(len(out) - 1, max(-1, len(out) - 4), -1) if _is_twin(out[i], e)), None)
        if twin is None:
            out.append(e)
            continue
        old = out[twin]
        out[twin] = replace(
            old,
            name=e.name if len(e.name) > len(old.name) else old.name,
            val_loss=_finer(old.val_loss, e.val_loss),
            val_bpb=_finer(old.val_bpb, e.val_bpb),
            seconds=old.seconds or e.seconds,
        )
    return out


def _is_twin(a: Evaluation, b: Evaluation) -> bool:
    return (
        stem(a.name) == stem(b.name)
        and (a.training, a.step) == (b.training, b.step)
        and bool(a.val_bpb or b.val_bpb)
        and agree(a.val_bpb, b.val_bpb)
        and agree(a.val_loss, b.val_loss)
    )


def _finer(a: Number | None, b: Number | None) -> Number | None:
    if a is None or b is None:
        return a or b
    return b if b.step < a.step else a


# Names of evaluations that do not measure the artifact as submitted.
_DIAGNOSTIC = re.compile(
    r"(?i)diag|(?<!post[-_ ])pre[-_ ]?quant|post[-_ ]?(?:ema|swa|average|train)|(?<![a-z])ema(?![a-z])|^swa|"
    r"swa_eval|candidate|raw|"
    r"static|neural_only|nn_only|fp32|fp16|bf16|unquant|before|without|no_ttt|ablation|subset|sample|teacher|"
    r"\bfloat|checkpoint|calib|token-level|sanity|smoke|llm_bpb|model_bpb|ppm_only|nn_\w*bpb|ngram_only"
)


def choose(evaluations: list[Evaluation], artifact_line: int | None = None) -> int:
    """The index of the evaluation that the run reports as its result, -1 if it has none.

    Scripts try several ways of scoring the same artifact in a row, and authors report the best. So
    it is the lowest bpb among the evaluations that come after the artifact's size (all, where none
    does) and are not called diagnostics. Where the same value was printed under several names, the
    line with most digits and with a time stands for it.
    """
    after = [i for i, e in enumerate(evaluations) if not e.training and e.val_bpb]
    proper = [i for i in after if not _DIAGNOSTIC.search(evaluations[i].name)] or after
    if not after:
        return -1
    shipped = [i for i in proper if artifact_line is not None and _line(evaluations[i]) > artifact_line] or proper
    best = min(shipped, key=lambda i: (_bpb(evaluations[i]), -i))
    same = [i for i in after if abs(i - best) <= 3 and _equal(evaluations[i], evaluations[best])]
    return min(same, key=lambda i: (*_digits(evaluations[i]), evaluations[i].seconds is None, i))


def _bpb(e: Evaluation) -> float:
    return e.val_bpb.value if e.val_bpb else math.inf


def _line(e: Evaluation) -> int:
    number = e.val_bpb or e.val_loss
    return (number.at.line if number else None) or 0


def _digits(e: Evaluation) -> tuple[float, float]:
    """Last written digit of bpb and loss: the smaller, the more exact the line."""
    return (e.val_bpb.step if e.val_bpb else math.inf, e.val_loss.step if e.val_loss else math.inf)


def _equal(a: Evaluation, b: Evaluation) -> bool:
    return bool(a.val_bpb and b.val_bpb) and agree(a.val_bpb, b.val_bpb) and agree(a.val_loss, b.val_loss)
