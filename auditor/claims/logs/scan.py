"""One pass over a log: every line is offered to the readers once, and runs are told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from auditor.claims.logs import evaluations as ev
from auditor.claims.logs import phases as ph
from auditor.claims.logs import settings as st
from auditor.claims.logs import text as tx
from auditor.claims.logs.draft import MAX_EVALUATIONS, MAX_SETTINGS, Draft, absorb
from auditor.claims.logs.facts import SEED_TITLE, read_facts
from auditor.claims.logs.figures import place
from auditor.claims.logs.training import LOOP_STARTS, read_step, read_stop, starts_over
from rules.evidence import PhaseKind, Words

MAX_PHASES = 1_000
MAX_RUNS = 100

# Lines of loops that are still going on: never looked at.
_NOISE = (
    "warmup_step", "loop_warmup_step", "warmup:", "ttt_chunk", "ttt_epoch", "ttt_progress", "ttt [", "tttg:",
    "ttp:", "ttpp:", "ttpr:", "tc[", "sliding_eval [", "slot_batch", "ngram_chunk", "cache_eval [",
    "passthrough_tensor", "layer_bits", "selective_prune",
)  # fmt: skip
# A line without any of these words states nothing that is read, except settings.
_NEEDED = (
    "bpb", "BPB", "val", "vl:", "loss", "Loss", "tl:", "Time", "bytes", "size", "seed", "Seed", "SEED",
    "shards", "param", "Param", "ws:", "wall", "Wall", "stop", "Training", "token", "GPU", "Hessian", "GPTQ",
    "gptq", "done", "elapsed", "warmup", "time", "artifact", "Artifact", "Hyper", "quantiz", "Serial", "device",
    "Device", "calib", "complete", "code:", "Python", " in ", "NVIDIA", "collected", "nan", "prefill",
    "pre-filled", "precompute", "budget", "Config", "config", "submission",
)  # fmt: skip
_START = re.compile(
    r"val_bpb:enabled|Hyperparameters:\s*$|--- Hyperparameters|(?:Running )?Python \d|train_loader:dataset|"
    r"model_params:\d|params:\d|step:0/\d|0/\d+ val_loss"
)


def scan(lines: list[str], file: str) -> list[Draft]:
    """The runs of one file, in order, with all that their lines say."""
    drafts = [Draft(file, 1)]
    block = 0  # the last line of the block of hyper-parameters that is open, 0 if none is
    for number, raw in _readable(lines):
        for piece in tx.pieces(raw):
            head = piece.lstrip()
            if block and (pair := _block_pair(piece, head)):
                _set(drafts[-1], pair, raw, number, dump=True)
                read_facts(drafts[-1], head, raw, number)
                block = number
                continue
            if head.startswith(_NOISE):
                drafts[-1].passing.begin(head)
                continue
            block = block if number - block < 4 else 0  # warnings may stand inside a block
            text = tx.bare(piece)
            if not any(w in piece for w in _NEEDED):
                if ":" in text or "=" in text:
                    if not drafts[-1].has_content:
                        _settings(drafts[-1], text, raw, number)
                    drafts[-1].passing.read(text, raw, number)
                drafts[-1].passing.begin(text)
                continue
            if drafts[-1].has_content and len(drafts) < MAX_RUNS and _begins_anew(drafts[-1], text):
                drafts.append(Draft(file, number))
            if st.is_block_head(text):
                block = number
            drafts[-1].last_line = number
            drafts[-1].passing.begin(text)
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
    title = SEED_TITLE.match(text)
    if title:
        return draft.seed is None or int(title[1]) != draft.seed.value
    return text[:1] in LOOP_STARTS and starts_over(draft, text)


def _joined(drafts: list[Draft]) -> list[Draft]:
    """Put a piece that only evaluates to the training run before it, if no seed speaks against it."""
    out: list[Draft] = []
    for d in drafts:
        before = out[-1] if out else None
        if before and not d.has_content and not d.sizes.totals:
            continue
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


def _set(draft: Draft, pair: tuple[str, str], raw: str, number: int, dump: bool = False) -> None:
    """Note a setting. The first one stands, but a dump outranks what other lines said before it."""
    if len(draft.settings) >= MAX_SETTINGS:
        return
    words = Words(pair[1], place(draft.file, number, raw))
    if dump and pair[0] not in draft.dumped:
        draft.dumped.add(pair[0])
        draft.settings[pair[0]] = words
    else:
        draft.settings.setdefault(pair[0], words)


def _settings(draft: Draft, text: str, raw: str, number: int) -> None:
    for pair in st.inline(text):
        _set(draft, pair, raw, number)


def _line(draft: Draft, text: str, raw: str, number: int) -> None:
    """Offer one line to every reader. `text` is the line without time stamps, `raw` as it stands."""
    if read_step(draft, text, raw, number):
        return
    if not draft.train_lines and not draft.finals:
        _settings(draft, text, raw, number)
    draft.passing.read(text, raw, number)
    read_facts(draft, text, raw, number)
    if "stop" in text or text[:8].lower() in ("training", "phase:tr"):
        read_stop(draft, text, raw, number)
    if ("bpb" in text or "BPB" in text or "val_loss" in text or "vl:" in text) and not _is_code(text):
        found = ev.read(text, raw, draft.file, number) if len(draft.evaluations) < MAX_EVALUATIONS else ()
        draft.add(found)
        if found and not draft.nan_line and ev.has_nan(text):
            draft.nan_line = number
    elif len(draft.timed) < MAX_PHASES:
        if ph.opens_timer(text):
            draft.timers.append(number)
        draft.calibrates_on = ph.source(text) or draft.calibrates_on
        timed = ph.read(text, raw, draft.file, number)
        if timed and timed.kind is PhaseKind.CALIBRATION:
            draft.calibrates_on = timed.data or draft.calibrates_on
            timed = replace(timed, data=draft.calibrates_on)
        if timed:
            draft.timed.append(timed)
    draft.sizes.read(text, raw, draft.file, number)


_CODE_SIGNS = re.compile(
    r"\b(?:log0?|print|torch|math|self|os|dist|args)\b[.(]|\bf[\"']|\{\w+[:}.]|\b(?:def|return|import) "
)


def _is_code(text: str) -> bool:
    """Whether a line outside the dumped source is still program text, e.g. out of a traceback."""
    return bool(_CODE_SIGNS.search(text[:600]))
