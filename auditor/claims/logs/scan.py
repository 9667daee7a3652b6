"""One pass over a log: every line is offered to the readers once, and runs are told apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from auditor.claims.logs import evaluations as ev
from auditor.claims.logs import phases as ph
from auditor.claims.logs import settings as st
from auditor.claims.logs import text as tx
from auditor.claims.logs.figures import LITERAL, count, figure, place, seconds
from auditor.claims.logs.sizes import Sizes
from rules.evidence import Evaluation, Location, Number, Words

MAX_EVALUATIONS = 4_000
MAX_PHASES = 1_000
MAX_RUNS = 100

# Lines of loops that are still going on: never looked at.
_NOISE = (
    "warmup_step", "ttt_chunk", "tttg:", "ttp:", "ttpp:", "ttpr:", "sliding_eval [", "ttt_epoch", "ttt_progress", "loop_warmup_step",
    "slot_batch", "ngram_chunk", "cache_eval [", "tc[", "warmup:", "ttt [", "passthrough_tensor", "layer_bits", "  ttt_chunk", "selective_prune",
)  # fmt: skip
_NEEDED = (
    "bpb", "BPB", "val", "vl:", "loss", "Loss", "tl:", "Time", "bytes", "size", "seed", "Seed", "SEED", "shards", "param", "Param", "world_size", "ws:", "wall", "Wall",
    "stop", "Training", "token", "GPU", "Hessian", "GPTQ", "gptq", "done", "elapsed", "warmup", "time", "artifact", "Artifact", "budget:",
    "Hyper", "quantiz", "Serial", "device", "Device", "calib", "complete", "code:", "Python", " in ", "NVIDIA", "bpb:sp", "collected", "nan",
    "prefill", "pre-filled", "precompute", "timer", "budget", "Config", "config", "submission",
)  # fmt: skip

_START = re.compile(
    r"val_bpb:enabled|Hyperparameters:\s*$|--- Hyperparameters|(?:Running )?Python \d|train_loader:dataset|model_params:\d|params:\d|step:0/\d|0/\d+ val_loss"
)


def scan(lines: list[str], file: str) -> list[Draft]:
    """The runs of one file, in order, with all that their lines say."""
    drafts = [Draft(file, 1)]
    block = 0  # the last line of the block of hyper-parameters that is open, 0 if none is
    for number, raw in _readable(lines):
        for piece in tx.pieces(raw):
            head = piece.lstrip()
            if head.startswith(_NOISE):
                continue
            if block and (pair := _block_pair(piece, head)):
                _set(drafts[-1], pair, raw, number)
                _facts(drafts[-1], head, raw, number)
                block = number
                continue
            block = block if number - block < 4 else 0  # warnings may stand inside a block
            text = tx.bare(piece)
            if not any(w in piece for w in _NEEDED):
                if not drafts[-1].has_content and (":" in text or "=" in text):
                    _settings(drafts[-1], text, raw, number)
                continue
            if drafts[-1].has_content and len(drafts) < MAX_RUNS and _begins_anew(drafts[-1], text):
                drafts.append(Draft(file, number))
            if st.is_block_head(text):
                block = number
            drafts[-1].last_line = number
            _line(drafts[-1], text, raw, number)
    for d in drafts:
        d.evaluations = ev.fold([ev.within_loop(e, d.loop_line) for e in d.evaluations])
    return _joined(drafts)


def _block_pair(piece: str, head: str) -> tuple[str, str] | None:
    """(name, value) of an indented line, or of one behind a rank, in a block of hyper-parameters."""
    inner = tx.unprefixed(piece)
    return st.block_line(inner) if head and inner[:1] in (" ", "\t") else None


def _readable(lines: list[str]) -> Iterator[tuple[int, str]]:
    """(number, line) of all lines that are not program text."""
    at = 0
    for start, end in tx.skipped(lines):
        yield from enumerate(lines[at:start], at + 1)
        at = end
    yield from enumerate(lines[at:], at + 1)


def _begins_anew(draft: Draft, text: str) -> bool:
    """Whether this line opens another run, rather than repeat a start mark within this one."""
    if _START.match(text):
        if text.startswith(("step:0/", "0/")):
            return draft.train_lines > 1 or draft.finals > 0
        return draft.train_lines > 1 or draft.finals > 0 or draft.periodic > 1
    if not draft.finals:
        return False
    title = _SEED_TITLE.match(text)
    if title:
        return draft.seed is None or int(title[1]) != draft.seed.value
    if draft.train_lines < 6 or text[:1] not in "sS0123456789[iI":
        return False
    m = _TRAIN_STEP.match(text)  # the training loop starts over after a final evaluation
    return bool(m and int(m["step"]) <= 1 and (m["form"], m["of"]) == draft.loop and _TRAIN_LOSS.search(m["rest"]))


def _joined(drafts: list[Draft]) -> list[Draft]:
    """Put a piece that only evaluates to the training run before it, if no seed speaks against it."""
    out: list[Draft] = []
    for d in drafts:
        if not d.has_content and not d.sizes.totals:
            if out:
                continue
        before = out[-1] if out else None
        if before and before.train_lines and not d.train_lines and _same_seed(before, d):
            absorb(before, d)
        elif before and not before.has_content:
            absorb(d, before)
            out[-1] = d
        else:
            out.append(d)
    return out


def _same_seed(a: Draft, b: Draft) -> bool:
    return a.seed is None or b.seed is None or a.seed.value == b.seed.value


def _set(draft: Draft, pair: tuple[str, str], raw: str, number: int) -> None:
    if len(draft.settings) < st.MAX_SETTINGS:
        draft.settings.setdefault(pair[0], Words(pair[1], place(draft.file, number, raw)))


def _settings(draft: Draft, text: str, raw: str, number: int) -> None:
    for pair in st.inline(text):
        _set(draft, pair, raw, number)


def _line(draft: Draft, text: str, raw: str, number: int) -> None:
    if _train_step(draft, text, raw, number):
        return
    if not draft.train_lines and not draft.finals:
        _settings(draft, text, raw, number)
    _facts(draft, text, raw, number)
    if "stop" in text or text[:8].lower() in ("training", "phase:tr"):
        _stop(draft, text, raw, number)
    if ("bpb" in text or "BPB" in text or "val_loss" in text or "vl:" in text) and not _is_code(text):
        found = ev.read(text, raw, draft.file, number)
        draft.add(found)
        if found and not draft.nan_line and ev.has_nan(text):
            draft.nan_line = number
    elif len(draft.timed) < MAX_PHASES:
        if ph.opens_timer(text):
            draft.timers.append(number)
        draft.calibrates_on = ph.source(text) or draft.calibrates_on
        timed = ph.read(text, raw, draft.file, number)
        if timed and timed.kind is ph.PhaseKind.CALIBRATION and not timed.data:
            timed = ph.Timed(timed.kind, timed.name, timed.seconds, draft.calibrates_on, timed.order, timed.summary)
        if timed:
            if timed.data == "generated":
                draft.calibrates_on = "generated"
            draft.timed.append(timed)
    draft.sizes.read(text, raw, draft.file, number)


_CODE_SIGNS = re.compile(
    r"\b(?:log0?|print|torch|math|self|os|dist|args)\b[.(]|\bf[\"']|\{\w+[:}.]|\b(?:def|return|import) "
)


def _is_code(text: str) -> bool:
    """Whether a line outside the dumped source is still program text, e.g. out of a traceback."""
    return bool(_CODE_SIGNS.search(text[:600]))


