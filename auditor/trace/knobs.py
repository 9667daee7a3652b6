"""Which of a script's own settings make it small, and to what.

A program that trains for ten minutes on eight GPUs is run in seconds on one core by the variables that it reads
itself: the text is not changed. What each setting means is told by its name, as its author meant it to be.
Settings that say how something is done (rates, switches, which layers) keep the claimed run's values.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

SEQUENCE = 128  # tokens
STRIDE = 64
HEAD = 16  # width of one attention head
STEPS = 6
CHUNK = 1024  # tokens
BATCHES = 8 * SEQUENCE  # tokens: one sequence for each of the eight shares of a step
VALIDATION = 4_096  # tokens
MOST_VALIDATION = 20_480

_DEFAULT = re.compile(
    r"""environ(?:\.get|\.setdefault)?\s*[\(\[]\s*["']([A-Z][A-Z0-9_]*)["']\s*(?:,\s*([^,()\n]*(?:\([^()\n]*\))?))?|"""
    r"""\b(?:getenv|env|_env|e|get_env|env_int|env_float|env_bool|env_str|_e|_env_int|_env_float|_env_bool)\(\s*["']([A-Z][A-Z0-9_]*)["']\s*(?:,\s*([^,()\n]*(?:\([^()\n]*\))?))?"""
)
_THRESHOLD = re.compile(r"(?:tokens?|count|seen|scored|total|n|num\w*|warm\w*)\s*(?:<|>=?)\s*(\d[\d_]{3,6})\b")
Rule = tuple[re.Pattern[str], Callable[[float | None], float | None]]


@dataclass(frozen=True)
class Knobs:
    """The environment of the small run. `reduced` says for each changed variable what it was, "" if unknown."""

    environment: dict[str, str] = field(default_factory=dict)
    reduced: dict[str, str] = field(default_factory=dict)


def at_most(n: float) -> Callable[[float | None], float | None]:
    """The setting's own value where that is smaller; 0 and below mean "off" or "all" and stay."""
    return lambda was: n if was is None else was if was <= n else n


def exactly(n: float) -> Callable[[float | None], float | None]:
    return lambda was: n


def _rule(names: str, to: Callable[[float | None], float | None]) -> Rule:
    return re.compile(rf"(?:{names})\Z"), to


RULES: tuple[Rule, ...] = (
    _rule(r"VAL_LOSS_EVERY|EVAL_EVERY|VAL_EVERY", exactly(0)),
    _rule(r"(?:.*_)?(?:NUM_)?ITERATIONS|(?:NUM_|MAX_|TOTAL_)?TRAIN(?:ING)?_STEPS|MAX_STEPS|NUM_STEPS|MAX_ITERS|NUM_ITERS", at_most(STEPS)),
    _rule(r"(?:.*_)?WARMUP_STEPS|COMPILE_WARMUP.*", at_most(1)),
    _rule(r"(?:TRAIN_|MICRO_|DEVICE_)?BATCH_(?:TOKENS|SIZE_TOKENS)|TRAIN_BATCH_TOKENS|TOKENS_PER_BATCH", exactly(BATCHES)),
    _rule(r"VAL_BATCH_(?:SIZE|TOKENS)|EVAL_BATCH_TOKENS|VAL_TOKENS_PER_BATCH", exactly(64 * SEQUENCE)),
    _rule(r"(?:.*_)?(?:SEQ_LEN|SEQLEN|SEQUENCE_LENGTH|BLOCK_SIZE|CONTEXT_LEN(?:GTH)?|CTX_LEN|MAX_LEN)", at_most(SEQUENCE)),
    _rule(r"(?:.*_)?STRIDE", at_most(STRIDE)),
    _rule(r"(?:.*_)?CHUNK(?:_TOKENS|_SIZE|_LEN)?|(?:.*_)?CHUNK_TOKENS_.*", at_most(CHUNK)),
    _rule(r"(?:.*_)?BATCH_SEQS|EVAL_BATCH(?:_SIZE)?|TTT_BATCH(?:_SIZE)?|SLOT_BATCH(?:_SIZE)?|.*_EVAL_BATCH", at_most(32)),
    _rule(r"(?:.*_)?(?:EPOCHS|PASSES)|TTT_STEPS|SLOT_STEPS|(?:.*_)?INNER_STEPS|(?:TTT|SLOT|LORA)_.*_STEPS", at_most(2)),
    _rule(r"(?!VOCAB_SIZE).*_(?:VOCAB_SIZE|BUCKETS|NUM_BUCKETS|TABLE_SIZE|HASH_SIZE)|NGRAM_BUCKETS", at_most(4096)),
    _rule(r".*_(?:LOG2_BUCKETS|BUCKET_BITS|TABLE_BITS|HASH_BITS|LOG2_SIZE|BITS_TABLE)", at_most(14)),
    _rule(r".*(?:CALIB|GPTQ|HESSIAN|AR_|SELF_?GEN).*(?:BATCHES|SAMPLES|SEQS|NSAMPLES|STEPS|SEQUENCES)", at_most(2)),
    _rule(r".*(?:CALIB|GPTQ|HESSIAN|AR_|SELF_?GEN).*(?:TOKENS|SEQ_?LEN|LENGTH)", at_most(256)),
    _rule(r"(?:SWA|LAWA|EMA|CHECKPOINT|SAVE|TRAIN_LOG|LOG)_(?:EVERY|INTERVAL)", at_most(1)),
)  # fmt: skip
WIDTHS = re.compile(r"(?:MODEL_DIM|D_MODEL|N_EMBD|EMBED_DIM|HIDDEN_DIM|HIDDEN_SIZE|DIM)\Z")
HEADS = re.compile(r"(?:NUM_HEADS|N_HEADS?|HEADS)\Z")
QUIET = {"WANDB_MODE": "disabled", "TOKENIZERS_PARALLELISM": "false"}


def knobs(text: str, claimed: Mapping[str, str]) -> Knobs:
    """The small run's environment for a program's text. `claimed`: what the claimed run had, by variable."""
    found = dict(defaults(text))
    spelt = {name: spelled(value, found.get(name, ""), wants(text, name)) for name, value in claimed.items()}
    claimed = {name: value for name, value in spelt.items() if value is not None}
    now = {name: claimed.get(name, value) for name, value in found.items()}
    heads = next((int(n) for name, v in now.items() if HEADS.match(name) and (n := number(v))), 8)
    environment = {n: v for n, v in claimed.items() if n not in QUIET}
    reduced: dict[str, str] = {}
    for name, value in now.items():
        was = number(value)
        to: float | None = None
        if WIDTHS.match(name):
            to = HEAD * heads if was is None or was > HEAD * heads else None
        else:
            for pattern, rule in RULES:
                if pattern.match(name):
                    to = rule(was)
                    break
        if to is not None and to != was:
            environment[name] = str(int(to))
            reduced[name] = value
    return Knobs({**environment, **QUIET}, reduced)


def validation_tokens(text: str) -> int:
    """How many validation tokens a run needs: past the numbers of tokens that the program waits for before it does something."""
    waits = [int(n.replace("_", "")) for n in _THRESHOLD.findall(text)]
    longest = max((n for n in waits if n * 5 // 4 <= MOST_VALIDATION), default=0)
    return max(VALIDATION, -(-longest * 5 // 4 // 1024) * 1024)


def defaults(text: str) -> Iterator[tuple[str, str]]:
    """(name, default as written, "" if it has none or none that is plain) of the variables that a program reads."""
    seen: set[str] = set()
    for m in _DEFAULT.finditer(text):
        name, value = (m[1], m[2]) if m[1] else (m[3], m[4])
        if name not in seen:
            seen.add(name)
            yield name, (value or "").strip().strip("\"'")


def wants(text: str, name: str) -> str:
    """What the program makes of a variable: "int", "float", or "" for text."""
    m = re.search(rf"\b(int|float)\(\s*(?:os\.)?(?:environ\.get|getenv|environ)\s*[(\[]\s*[\"']{re.escape(name)}[\"']", text)
    return m[1] if m else ""


def spelled(value: str, default: str, kind: str) -> str | None:
    """A value that a log printed, as the variable takes it: `True` where a number is wanted is `1`; None if it takes none."""
    switch = {"true": "1", "false": "0"}.get(value.lower())
    plain = number(value)
    if switch and (kind or number(default) is not None):
        return switch
    if kind and plain is None:
        return None
    if plain is not None and plain == int(plain) and "." in value and (default.isdigit() or kind == "int"):
        return str(int(plain))
    return value


def number(text: str) -> float | None:
    """The number in a plain expression such as "524288", "8 * 1024" or "1 << 20", None if it is none."""
    text = text.strip().strip("\"'")
    m = re.fullmatch(r"(?:str|int|float)\((.*)\)", text)
    try:
        tree = ast.parse(m[1] if m else text, mode="eval").body
        return _folded(tree)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _folded(tree: ast.expr) -> float:
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float | str):
        return float(tree.value)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return -_folded(tree.operand)
    if isinstance(tree, ast.BinOp):
        a, b = _folded(tree.left), _folded(tree.right)
        if isinstance(tree.op, ast.Mult):
            return a * b
        if isinstance(tree.op, ast.Add):
            return a + b
        if isinstance(tree.op, ast.Sub):
            return a - b
        if isinstance(tree.op, ast.Div | ast.FloorDiv):
            return a / b
        if isinstance(tree.op, ast.LShift) and 0 <= b < 64:
            return a * 2**b
        if isinstance(tree.op, ast.Pow) and abs(b) < 64:
            return float(a**b)
    raise ValueError("not a plain number")
