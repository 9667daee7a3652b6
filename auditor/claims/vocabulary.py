"""What a label means: `bytes_total`, `Post-TTT BPB`, `train_time_s`, `Artifact (bytes)` are read alike.

JSON keys, table headings and the words before a colon are all broken into words and classified
by the words that occur. Doubt is part of the answer: a label that speaks of somebody else's
number (baseline, SOTA, gain) is `foreign`, one that names an earlier stage of the same run
(before quantisation, before adaptation) has a high `rank`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

MAX_LABEL = 100  # characters


class Quantity(StrEnum):
    """The quantities that a `Statement` or `SeedClaim` has a field for."""

    BPB = "val_bpb"
    LOSS = "val_loss"
    TOTAL = "total_bytes"
    CODE = "code_bytes"
    MODEL = "model_bytes"
    STEPS = "steps"
    TRAIN = "train_seconds"
    EVAL = "eval_seconds"
    TOKENS = "val_tokens"
    P_VALUE = "p_value"
    SEED = "seed"


BYTES = (Quantity.TOTAL, Quantity.CODE, Quantity.MODEL)
TIMES = (Quantity.TRAIN, Quantity.EVAL)

PLAIN = 0  # the quantity itself
STAGE = 1  # the stage that usually is the last one: adapted, mixed
SLIDING = 2
QUANTISED = 3
VAGUE = 5  # with words that are not understood
EARLY = 8  # an earlier stage of the run; never a claim


@dataclass(frozen=True, slots=True)
class Meaning:
    """A classified label.

    `scale` is what one unit is worth in base units, None if the label names no unit; `mebi` says
    that the unit is MiB or KiB. `aggregate` is "", "mean", "std", "max", "min" or "best". `rank`
    says how directly the label names the quantity. `foreign`: the number is not this run's own.
    """

    quantity: Quantity | None
    rank: int = PLAIN
    scale: float | None = None
    mebi: bool = False
    aggregate: str = ""
    foreign: bool = False
    setting: bool = False

    @property
    def usable(self) -> bool:
        """May a number under this label stand for its quantity?"""
        return self.quantity is not None and not self.foreign and self.rank < EARLY


def words(label: str) -> tuple[str, ...]:
    """The lower-case words of a label; digits are cut off names like `int6` and `seed42`."""
    text = label[:MAX_LABEL].replace("Δ", " delta ").replace("δ", " delta ").replace("σ", " std ").replace("\\_", "_")
    text = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text).lower()
    text = text.replace("bits per byte", "bpb").replace("bits/byte", "bpb").replace("bits-per-byte", "bpb")
    return tuple(_GLUED.get(w, w) for w in re.findall(r"[a-z]+", text))


def word_set(text: str) -> frozenset[str]:
    """The words of a text, to write a set down legibly."""
    return frozenset(text.split())


_GLUED = {
    "valbpb": "bpb",
    "bpp": "bpb",
    "bpbs": "bpb",
    "valloss": "loss",
    "losses": "loss",
    "prequant": "pre",
    "prettt": "pre",
    "posttt": "ttt",
    "postttt": "ttt",
    "training": "train",
    "trained": "train",
    "evaluation": "eval",
    "evaluate": "eval",
    "validation": "val",
    "average": "mean",
    "avg": "mean",
    "stdev": "std",
    "stddev": "std",
    "sd": "std",
    "deviation": "std",
    "maximum": "max",
    "worst": "max",
    "largest": "max",
    "minimum": "min",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "milliseconds": "ms",
    "mins": "minutes",
    "minute": "minutes",
    "hour": "hours",
    "hrs": "hours",
    "hr": "hours",
    "byte": "bytes",
    "megabytes": "mb",
    "mebibytes": "mib",
    "step": "steps",
    "token": "tokens",
    "seeds": "seed",
    "wall": "wallclock",
    "walltime": "wallclock",
    "runtime": "time",
    "duration": "time",
    "timer": "time",
    "pvalue": "p",
    "quantised": "quantized",
    "quant": "quantized",
    "quantisation": "quantized",
    "quantization": "quantized",
}

_FOREIGN = word_set("""delta gain gains improvement improvements diff difference vs versus baseline baselines sota prior previous prev
    merged leaderboard reference control controls comparison compare compared base parent upstream gap recovery
    recovered published reproduced target expected projected projection estimated estimate threshold goal record beats
    better worse upper lower bound oracle ablation retracted draft pr percent pct ratio reduction saved saving
    savings cost penalty overhead their theirs other official margin without competitor predicted anticipated
    hypothetical relative change regression required requirement need needed""")
_EARLY = word_set("""pre raw ema swa unquantized fp fp32 bf float checkpoint before init initial intermediate
    periodic diagnostic no base prequantized untuned smoke proxy partial preliminary live""")
_STAGES = word_set("ttt slot ngram gram mixer mix mixture blend ppm cache adapted legal lora phased backoff hedge etlb")
_SLIDING = word_set("sliding stride sw")
_QUANTISED = word_set(
    "quantized roundtrip rt int gptq zlib lzma zstd brotli exported export standard full bit bits ternary post round trip"
)
_NEUTRAL_BPB = word_set("""val bpb loss nats nll final mean std max min best seed seeds three two four five six single multi exact score scored
    submission submitted overall headline our ours this result results metric of over across for the is was a an and
    at by to fineweb reported report value n sp v s w window eval per tok tokens compression post achieved achieves
    sample main primary claimed test set model on with in run runs new dev validation""")
_UNITS_BYTES = {"bytes": 1.0, "b": 1.0, "kb": 1e3, "kib": 1024.0, "mb": 1e6, "mib": 1048576.0}
_UNITS_TIME = {"s": 1.0, "ms": 1e-3, "minutes": 60.0, "min": 60.0, "hours": 3600.0, "h": 3600.0}
_NOT_A_SIZE = word_set("""raw uncompressed fp unquantized saved headroom margin limit cap budget over under free left overhead layer per log
    tokenizer vocab vocabulary memory peak vram ram gpu shard shards bucket buckets table tables batch cache 
    fits fit bpb scored decoded page threshold before original ngram hash parameter parameters params step steps
    tokens token dataset data plain readme sidecar val train spread delta diff gap pad unused tolerance embedding embeddings embed sha md digest path """)
_NOT_A_TIME = word_set("""gptq reserve cap limit budget compile warmup overhead process per milestones calibration quantized hessian hessians first step steps load decompress serialize compress prep prefix stop
    serialization precompute tokens headroom margin remaining start under buffer ema throughput tok ppm
    download setup export slowdown speedup late qat swa warmdown sliding roundtrip diagnostic delta bytes state""")
_NOT_STEPS = word_set("""ms s avg time warmup warmdown eval ttt recur start accum checkpoint best per slot every max grad momentum
    minutes hours k tok sec qat late swa interval inner outer loop adapt lr bpb loss size adamw sgd ppm ngram ema log
    seconds second planned target total cooldown decay muon ns newton backend schulz frac at curriculum phase distill
    gptq calibration tto refine opt optim activate activation """)
_SETTINGS = word_set("""lr rate layers layer dim dims heads head vocab momentum wd decay epochs epoch rank order count bits bit alpha beta
    gamma eps epsilon dropout mult width depth seq len length stride batch chunk chunks size iters iterations warmup
    warmdown frac fraction ratio base clip softcap gain init norm freq interval period num n k gpus gpu world nproc
    shards shard params param parameters year hidden kv experts expert hash bucket buckets dimension dimensions mlp rope
    theta scale factor coefficient coef lambda weight weights threshold percentile quantile version level index 
    model block blocks group groups window sweep max cap limit reserve enabled damp pr id start stop end loops
    loop passes phases docs doc prune qk temperature temp power exponent""")


@lru_cache(maxsize=8192)
def classify(label: str) -> Meaning:
    """Classify a JSON key, a column heading or the words before a number."""
    found = words(label)
    present = frozenset(found)
    aggregate = next((a for a in ("std", "mean", "max", "min", "best") if a in present), "")
    foreign = bool(present & _FOREIGN)
    if not found:
        return Meaning(None)
    if "bpb" in present or ("score" in present and present <= _SCORE):
        return Meaning(Quantity.BPB, _stage(found), aggregate=_not_min(aggregate, present), foreign=foreign)
    if present & {"bytes", "mb", "mib", "kb", "kib", "size", "artifact"} and not present & {"loss", "time"}:
        return _size(found, present, aggregate, foreign)
    if _is_loss(present):
        return Meaning(Quantity.LOSS, _stage(found), aggregate=aggregate, foreign=foreign)
    if "tokens" in present and present & {"val", "eval", "target", "scored"} and not present & _NOT_TOKENS:
        return Meaning(
            Quantity.TOKENS,
            PLAIN if "val" in present else STAGE,
            aggregate=aggregate,
            foreign=bool(present & (_FOREIGN - {"target"})),
        )
    if "p" in present and (present <= _P_WORDS):
        return Meaning(Quantity.P_VALUE, PLAIN if present <= {"p", "value", "val"} else STAGE)
    if present == {"seed"}:
        return Meaning(Quantity.SEED)
    if present & _TIME_WORDS or found[-1] in ("s", "ms") or present & {"minutes", "hours"}:
        return _time(found, present, aggregate, foreign)
    if "steps" in present or {"iterations", "completed"} <= present:
        if not present & _NOT_STEPS and not foreign:
            plain = present <= {"steps", "stop", "train", "completed", "num", "final", "n", "reached"}
            return Meaning(Quantity.STEPS, PLAIN if plain else VAGUE, aggregate=aggregate)
        return Meaning(None, foreign=foreign, setting=True)
    if present & {"train", "eval"} and present <= {"train", "eval", "total", "inference"} and len(present) <= 2:
        # "Train | 600s": only a duration if its value has a unit of time; the caller checks.
        return Meaning(Quantity.TRAIN if "train" in present else Quantity.EVAL, VAGUE)
    return Meaning(None, foreign=foreign, setting=bool(present & _SETTINGS))


_SCORE = word_set("score final submission mean std official")
_NOT_TOKENS = word_set(
    "train seen acc accuracy batch per chunk ms s sec loss processed subset docs doc bpb step steps seq shard shards limit window prefix"
)
_P_WORDS = word_set("p value val welch one two sided tailed t test paired student sample approx")
_TIME_WORDS = word_set("time wallclock")


def _stage(found: tuple[str, ...]) -> int:
    """How close to the final score a label's stage is."""
    present = frozenset(found)
    if "pre" in present or present & _EARLY:
        return EARLY
    if "train" in present and "bpb" in present and not present & {"post"}:
        return EARLY
    if "post" in present and present & {"ema", "swa"}:
        return EARLY
    rest = present - _NEUTRAL_BPB
    if not rest - {"zero", "shot"} and not present & _SLIDING:
        return PLAIN
    known = _STAGES | _SLIDING | _QUANTISED
    if (
        present & _STAGES and len(rest - known) <= 2
    ):  # adaptation and mixing come last, whatever they are called in detail
        return STAGE
    return (SLIDING if present & _SLIDING else QUANTISED) if rest <= known else VAGUE


def _is_loss(present: frozenset[str]) -> bool:
    if "train" in present:
        return False
    if "loss" in present:
        return bool(present & {"val", "nats", "eval", "final"}) or present <= {"loss", "mean", "std", "seed", "score"}
    return "nats" in present and present <= {"nats", "val", "per", "tokens", "mean", "std", "final", "score", "tok"}


def _size(found: tuple[str, ...], present: frozenset[str], aggregate: str, foreign: bool) -> Meaning:
    unit = next((u for u in ("mib", "kib", "mb", "kb", "bytes", "b") if u in found), "")
    scale, mebi = _UNITS_BYTES.get(unit), unit in ("mib", "kib")
    if present & _NOT_A_SIZE or {"full", "precision"} <= present or "effective" in present:
        return Meaning(None, foreign=foreign, setting=True)
    whole = present & {"total", "submission", "artifact", "counted"}
    code = present & {"code", "script", "source", "wrapper", "py"}
    model = present & {
        "model",
        "weights",
        "blob",
        "compressed",
        "serialized",
        "ptz",
        "checkpoint",
        "quantized",
        "zlib",
        "lzma",
        "zstd",
        "brotli",
        "int",
    }
    if code and not (whole & {"total", "submission"}) and not present & {"model", "weights"}:
        return Meaning(Quantity.CODE, PLAIN if present <= _CODE_WORDS else STAGE, scale, mebi, aggregate, foreign)
    if whole:
        rank = PLAIN if whole & {"total", "submission", "counted"} and not present & {"model"} else STAGE
        if present - _TOTAL_WORDS or (whole == {"artifact"} and present & _CODEC_WORDS):
            rank = VAGUE  # "compressed artifact" may leave the code out
        if present & {"model"} and not present & {"code", "total"}:
            return Meaning(Quantity.MODEL, STAGE, scale, mebi, aggregate, foreign)
        return Meaning(Quantity.TOTAL, rank, scale, mebi, aggregate, foreign)
    if model:
        return Meaning(Quantity.MODEL, PLAIN if "model" in present else STAGE, scale, mebi, aggregate, foreign)
    if present <= {
        "size",
        "bytes",
        "mb",
        "mib",
        "kb",
        "max",
        "mean",
        "min",
        "seed",
        "file",
        "std",
        "final",
        "b",
        "on",
        "disk",
    }:
        return Meaning(Quantity.TOTAL, SLIDING, scale, mebi, aggregate, foreign)
    return Meaning(None, foreign=foreign, setting=bool(present & _SETTINGS))


_CODEC_WORDS = word_set("int gptq zlib lzma zstd brotli quantized compressed packed mixed model")
_TOTAL_WORDS = word_set("""total submission artifact counted size bytes mb mib kb kib b final max mean min best seed seeds across all reported of the our model
    code plus and int gptq zlib lzma zstd brotli quantized compressed packed mixed on disk file three observed in us measured sizes this by
    per exact level actual canonical std largest""")
_CODE_WORDS = word_set("code bytes size kb mb kib train gpt py script max mean seed")


def _time(found: tuple[str, ...], present: frozenset[str], aggregate: str, foreign: bool) -> Meaning:
    unit = next((u for u in ("ms", "s", "minutes", "hours", "h") if u in found), "")
    if not unit and found[-1] == "min":
        unit, aggregate = "min", ""
    scale = _UNITS_TIME.get(unit)
    if present & _NOT_A_TIME or (present & _STAGES and "eval" not in present):
        return Meaning(None, foreign=foreign, setting=True)
    if "max" in present and not present & {"train", "eval"}:
        return Meaning(None, setting=True)  # MAX_WALLCLOCK_SECONDS is the cap
    if "eval" in present or "inference" in present:
        rank = (
            PLAIN
            if present <= _EVAL_WORDS
            else STAGE
            if present <= _EVAL_WORDS | _STAGES | {"score", "scored"}
            else VAGUE
        )
        return Meaning(Quantity.EVAL, rank if "train" not in present else EARLY, scale, False, aggregate, foreign)
    if "train" in present:
        return Meaning(Quantity.TRAIN, PLAIN if present <= _TRAIN_WORDS else VAGUE, scale, False, aggregate, foreign)
    if "wallclock" in present and present <= {
        "wallclock",
        "s",
        "ms",
        "minutes",
        "hours",
        "time",
        "h",
        "mean",
        "max",
        "clock",
    }:
        return Meaning(Quantity.TRAIN, SLIDING, scale, False, aggregate, foreign)
    return Meaning(None, foreign=foreign, setting=True)


_EVAL_WORDS = word_set("eval inference time s ms minutes hours h min total wallclock mean max std clock seed final by ")
_TRAIN_WORDS = word_set("train time s ms minutes hours h min total wallclock mean max std clock seed by actual loop")


def _not_min(aggregate: str, present: frozenset[str]) -> str:
    """In a bpb label "min" is a minimum, and the best seed is one of several."""
    return "best" if aggregate == "min" or "best" in present else aggregate
