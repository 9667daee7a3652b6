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

_TRAIN_STEP = re.compile(
    rf"(?i)^(?P<form>step[: ]\s{{0,8}}|\[?step\]?[ :=]{{1,3}}|s:|iter[: ]\s{{0,8}})?(?P<step>\d{{1,9}})(?:/(?P<of>\d{{1,9}}))?\b(?P<rest>.{{0,400}})"
)
_TRAIN_LOSS = re.compile(r"(?i)\b(?:train_?loss|loss|tl|ce|train)\b[ :=]{1,3}(?:\d|nan)")
_TRAIN_TIME = re.compile(rf"(?i)\b(?:train_time|elapsed|t|tt|time)\s?[:=]\s?({LITERAL})(ms|s|m)\b")
_STOP = re.compile(rf"(?i)\b(?:train_time|tt|total_train_time)\s?[:=]\s?({LITERAL})\s?(ms|s|m)\b")
_STOP_STEP = re.compile(r"(?i)\b(?:steps?|s)[:= ]\s?(\d{1,9})\b")
_STOP_OTHER = re.compile(
    rf"(?i)^(?:phase:train wall_ms:(?P<ms>{LITERAL}) steps:(?P<n1>\d+)|training(?: complete| finished| done| time)?:?[ a-z]{{0,12}}"
    rf"(?:(?P<n2>\d[\d,]*) steps,? ?(?:in )?)?(?P<t>{LITERAL}) ?(?P<u>ms|seconds|s|min|m)\b(?:.{{0,20}}?\((?P<n3>\d[\d,]*) steps)?)"
)
_SEED = re.compile(r"(?i)(?:^|[\s,({\"])\"?(?:random_|global_)?seed\"?\s{0,2}[:=]\s{0,2}(\d{1,10})\b")
_SEED_TITLE = re.compile(r"(?i)^\W{0,80}(?:running |run |training )?seed[ :=]{1,3}(\d{1,10})(?:\W{0,80}$|\W{1,6}start)")
_VAL_TOKENS = re.compile(
    r"(?i)\b(?:val[_ ]tokens|validation tokens|val_token_count)\s{0,2}[:=]\s{0,3}(\d[\d,_]{2,20})\b|\bval_loader:.{0,400}?\btokens[:=]\s?(\d[\d,]{2,20})\b|"
    r"^val(?:idation)?[: ].{0,60}?\b(\d[\d,]{5,20}) tokens"
)
_SCORED_TOKENS = re.compile(r"\(eval on (\d[\d,]{2,20})\)")
_SHARDS = re.compile(r"\btrain_shards\s?[:=]\s?(\d{1,7})\b|^(?:train|data)[\w:]{0,40} (?:\S{1,60} )?shards[:=](\d{1,7})\b")
_TOKENIZER = re.compile(r"\btokenizer(?:_path)?\s?[:=]\s{0,2}(\S{1,300})|^bpb:sp=(\S{1,300})")
_PARAMS = re.compile(
    r"(?i)(?<![\w.])(?:model_params|num_params|n_params|total_params|total params|trainable params|model parameters|total parameters|params|parameters)\s{0,2}[:=]\s{0,6}(\d[\d,_]{3,20})(?![\d.]*\s?[MB]\b)(?!\.\d)"
)
_WORLD = re.compile(r"(?i)\bworld_size\s?[:=]\s{0,2}(\d{1,5})\b|\bws:(\d{1,5})\b")
_CAP = re.compile(
    rf"(?i)\bmax_wallclock_seconds\"?\s?[:=]\s{{0,2}}({LITERAL})|\bwall:({LITERAL})s\b|\b(?:wallclock|time) budget: ?({LITERAL}) ?s\b|\bwallclock[=:]({LITERAL})s\b"
)
_SMI = re.compile(r"^\|\s{1,4}(\d{1,2})\s{1,3}((?:NVIDIA|Tesla|GeForce|Quadro|AMD)[\w .\-/]{0,60}?)\s{2,}\S")
_GPU_NAME = re.compile(
    r"(?i)^(?:gpu|cuda device|device|hardware|gpus?)(?:[ _]?(?P<i>\d{1,2}|name|type))?\s?[:=]\s?(?P<name>[^,;|]{0,40}\b(?:NVIDIA|H100|H200|A100|B200|RTX|GTX|Tesla|L40S?|A10G?|T4|V100|MI300X|GB10|Apple M\d)[^,;|(\n]{0,60})"
)
_START = re.compile(r"val_bpb:enabled|Hyperparameters:\s*$|--- Hyperparameters|(?:Running )?Python \d|train_loader:dataset|model_params:\d|params:\d|step:0/\d|0/\d+ val_loss")


@dataclass(slots=True)
class Draft:
    """What has been read of one run so far. Lines are numbers in `file`."""

    file: str
    first_line: int
    family: str = ""
    seed: Number | None = None
    settings: dict[str, Words] = field(default_factory=dict)
    val_tokens: Number | None = None
    train_shards: Number | None = None
    tokenizer: Words | None = None
    params: Number | None = None
    params_named: bool = False  # the figure stands under `model_params`
    world_size: Number | None = None
    cap: Number | None = None
    gpus: dict[str, Words] = field(default_factory=dict)
    steps: Number | None = None
    train_seconds: Number | None = None
    stopped: bool = False
    sizes: Sizes = field(default_factory=Sizes)
    evaluations: list[Evaluation] = field(default_factory=list)
    timed: list[ph.Timed] = field(default_factory=list)
    timers: list[int] = field(default_factory=list)
    calibrates_on: str = ""
    train_lines: int = 0
    loop: tuple[str | None, str | None] = (None, None)  # how the first line of the training loop is written
    loop_line: int = 0  # where the training loop was last seen
    last_train: tuple[str, str, int] | None = None  # text, raw, line
    planned_steps: int | None = None
    nan_line: int | None = None
    nan_train: int = 0
    last_line: int = 0

    periodic: int = 0  # evaluations of the training loop so far
    finals: int = 0  # evaluations after it so far

    @property
    def has_content(self) -> bool:
        return self.train_lines > 0 or self.periodic > 0 or self.finals > 0

    def add(self, found: Iterable[Evaluation]) -> None:
        for e in found:
            if (e.val_bpb or e.val_loss) and len(self.evaluations) < MAX_EVALUATIONS:
                self.evaluations.append(e)
                self.periodic += e.training
                self.finals += not e.training


def scan(lines: list[str], file: str) -> list[Draft]:
    """The runs of one file, in order, with all that their lines say."""
    drafts = [Draft(file, 1)]
    in_block = 0
    for number, raw in _readable(lines):
        draft = drafts[-1]
        head = raw.lstrip()
        if head.startswith(_NOISE):
            continue
        if in_block:
            inner = raw if raw[:1] in " \t" else tx.bare(raw)
            pair = st.block_line(inner) if head and inner != head else None
            if pair:
                _set(draft, pair, raw, number)
                _facts(draft, raw.strip(), raw, number)
                in_block = number
                continue
            in_block = in_block if not head and number - in_block < 2 else 0
        if not any(w in raw for w in _NEEDED):
            if not draft.has_content and (":" in raw or "=" in raw):
                for pair in st.inline(tx.bare(raw)):
                    _set(draft, pair, raw, number)
            continue
        for piece in tx.pieces(raw):
            text = tx.bare(piece)
            if draft.has_content and _begins_anew(draft, text):
                draft = Draft(file, number)
                drafts.append(draft)
            if st.is_block_head(text):
                in_block = number
            draft.last_line = number
            _line(draft, text, raw, number)
    for d in drafts:
        d.evaluations = ev.fold([ev.within_loop(e, d.loop_line) for e in d.evaluations])
    return _joined(drafts)


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


def absorb(a: Draft, b: Draft) -> None:
    """Fill what `a` lacks from `b`, and put b's evaluations and times behind a's."""
    for name in ("seed", "val_tokens", "train_shards", "tokenizer", "params", "world_size", "cap", "steps", "train_seconds"):
        if getattr(a, name) is None:
            setattr(a, name, getattr(b, name))
    for key, words in b.settings.items():
        a.settings.setdefault(key, words)
    if not a.gpus:
        a.gpus = b.gpus
    a.add(b.evaluations)
    a.timed += b.timed
    a.timers += b.timers
    a.sizes.totals += b.sizes.totals
    a.sizes.models += b.sizes.models
    a.sizes.codes += b.sizes.codes
    a.sizes.rough += b.sizes.rough
    a.nan_line = a.nan_line or b.nan_line
    a.last_line = max(a.last_line, b.last_line)


def _set(draft: Draft, pair: tuple[str, str], raw: str, number: int) -> None:
    if len(draft.settings) < st.MAX_SETTINGS:
        draft.settings.setdefault(pair[0], Words(pair[1], place(draft.file, number, raw)))


def _line(draft: Draft, text: str, raw: str, number: int) -> None:
    if _train_step(draft, text, raw, number):
        return
    if not draft.train_lines and not draft.finals:
        for pair in st.inline(text):
            _set(draft, pair, raw, number)
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


_CODE_SIGNS = re.compile(r"\b(?:log0?|print|torch|math|self|os|dist|args)\b[.(]|\bf[\"']|\{\w+[:}.]|\b(?:def|return|import) ")


def _is_code(text: str) -> bool:
    """Whether a line outside the dumped source is still program text, e.g. out of a traceback."""
    return bool(_CODE_SIGNS.search(text[:600]))


def _train_step(draft: Draft, text: str, raw: str, number: int) -> bool:
    """Note a line of the training loop; only the last one is read for figures."""
    if text[:1] not in "sS0123456789[iI":
        return False
    if "bpb" in text or "val_loss" in text or "vl:" in text:
        if "step" in text[:6] and "nan" not in text:
            draft.last_train = (text, raw, number) if "train_time" in text else draft.last_train
        return False
    m = _TRAIN_STEP.match(text)
    if not m or not _TRAIN_LOSS.search(m["rest"]):
        return False
    if not m["form"] and not m["of"]:
        return False
    draft.train_lines += 1
    if draft.train_lines == 1:
        draft.loop = (m["form"], m["of"])
    if draft.loop == (m["form"], m["of"]):
        draft.loop_line = number
    draft.last_train = (text, raw, number)
    if not draft.family:
        form = (m["form"] or "").lower()
        draft.family = "step" if form.startswith("step:") else "short" if form == "s:" else "dump" if not form else "other"
    if "nan" in m["rest"] and re.search(r"(?i)loss[:= ]{1,3}nan", m["rest"]):
        draft.nan_train = draft.nan_train or number
    return True


def _stop(draft: Draft, text: str, raw: str, number: int) -> None:
    """The clock and the step at which training stopped."""
    at = place(draft.file, number, raw)
    if "stop" in text[:24]:
        m = _STOP.search(text)
        if m:
            draft.train_seconds = seconds(m[1], m[2], at)
            draft.stopped = True
        n = _STOP_STEP.search(text)
        if n and m:
            draft.steps = count(n[1], at)
        return
    o = _STOP_OTHER.match(text)
    if o and not draft.stopped:
        took = figure(o["ms"], at, 1e-3) if o["ms"] else seconds(o["t"], o["u"], at)
        draft.train_seconds = took or draft.train_seconds
        n_text = o["n1"] or o["n2"] or o["n3"]
        draft.steps = count(n_text, at) if n_text else draft.steps
        draft.stopped = True


def _facts(draft: Draft, text: str, raw: str, number: int) -> None:
    """The single figures of a run; the first line that states one wins."""
    if len(text) > 4_000:
        text = text[:4_000]

    def at() -> Location:
        return place(draft.file, number, raw)

    low = text.lower()
    if draft.seed is None and "seed" in low and (m := _SEED.search(text) or _SEED_TITLE.match(text)):
        draft.seed = count(m[1], at())
    if draft.val_tokens is None and "val" in low and "oken" in low and (m := _VAL_TOKENS.search(text)):
        scored = _SCORED_TOKENS.search(text)
        draft.val_tokens = count(scored[1] if scored else m[1] or m[2] or m[3], at())
    if draft.train_shards is None and "shards" in text and "val_" not in text and (m := _SHARDS.search(text)):
        draft.train_shards = count(m[1] or m[2], at())
    if draft.tokenizer is None and ("tokenizer" in text or text.startswith("bpb:sp")) and (m := _TOKENIZER.search(text)):
        draft.tokenizer = Words(m[1] or m[2], at())
    if "param" in low and (draft.params is None or not draft.params_named) and (m := _PARAMS.search(text)):
        named = m[0].startswith("model_params")
        if draft.params is None or named:
            draft.params, draft.params_named = count(m[1], at()), named
    if ("world_size" in text or "ws:" in text) and draft.world_size is None and (m := _WORLD.search(text)):
        draft.world_size = count(m[1] or m[2], at())
    if draft.seed is None and text.startswith("params:") and (m := re.search(r"\bs:(\d{1,10})$", text)):
        draft.seed = count(m[1], at())
    if draft.cap is None and ("wall" in low or "budget" in low) and (m := _CAP.search(text)):
        cap = figure(m[1] or m[2] or m[3] or m[4], at())
        draft.cap = cap if cap and cap.value > 0 else None  # 0 switches the cap off
    if "NVIDIA" in text or "evice" in text or "GPU" in text or "gpu" in text or text.startswith("| "):
        _gpu(draft, text, raw, number)


def _gpu(draft: Draft, text: str, raw: str, number: int) -> None:
    m = _SMI.match(raw.strip()) or _SMI.match(text)
    if m:
        draft.gpus.setdefault(m[1], Words(m[2].strip(), place(draft.file, number, raw)))
        return
    g = _GPU_NAME.match(text)
    if g:
        draft.gpus.setdefault(g["i"] or "", Words(g["name"].strip(), place(draft.file, number, raw)))


def last_training_clock(draft: Draft) -> None:
    """Take steps and time from the last line of the training loop where no line says it stopped."""
    if draft.last_train and not (draft.steps and draft.train_seconds):
        text, raw, number = draft.last_train
        at = place(draft.file, number, raw)
        m = _TRAIN_STEP.match(text)
        if m and draft.steps is None:
            draft.steps = count(m["step"], at)
            draft.planned_steps = int(m["of"]) if m["of"] else None
        t = _TRAIN_TIME.search(text)
        if t and draft.train_seconds is None:
            draft.train_seconds = seconds(t[1], t[2], at)
    last = max((e for e in draft.evaluations if e.step is not None), key=lambda e: e.step or 0, default=None)
    if last and not draft.stopped and (draft.steps is None or (last.step or 0) > draft.steps.value):
        number_of = last.val_bpb or last.val_loss
        draft.steps = Number(float(last.step or 0), number_of.at) if number_of else draft.steps
