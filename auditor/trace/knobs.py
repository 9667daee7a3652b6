"""Which of a script's own settings make it small, and to what.

A program that trains for ten minutes on eight GPUs is run in seconds on one core by the variables that it reads
itself: the text is not changed. What each setting means is told by its name, as its author meant it to be.
Settings that say how something is done (rates, switches, which layers) keep the claimed run's values.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from auditor.unpack.parse import parse, walk

SEQUENCE = 128  # tokens
STRIDE = 64
HEAD = 16  # width of one attention head
STEPS = 4
HURRIED_STEPS = 2
CHUNK = 1024  # tokens
BATCHES = 8 * SEQUENCE  # tokens: one sequence for each of the eight shares of a step
VALIDATION = 4_096  # tokens
HURRIED_VALIDATION = 2_048
MOST_VALIDATION = 20_480

_VALUE = r"""\s*["']([A-Z][A-Z0-9_]*)["']\s*(?:,\s*([^,()\n]*(?:\([^()\n]*\))?))?"""
_OPTION = re.compile(r"""add_argument\(\s*(?:["']-\w["'],\s*)?["']--([\w-]+)["'](?=([^)]*))""")
_THRESHOLD = re.compile(r"(?:tokens?|count|seen|scored|total|n|num\w*|warm\w*)\s*(?:<|>=?)\s*(\d[\d_]{3,6})\b")
Rule = tuple[re.Pattern[str], Callable[[float | None], float | None]]


@dataclass(frozen=True)
class Knobs:
    """The environment of the small run. `reduced` says for each changed variable what it was, "" if unknown.

    Options of the command line and numbers in the text are in `reduced`, too; `other` says what they are now.
    """

    environment: dict[str, str] = field(default_factory=dict)
    reduced: dict[str, str] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)

    def now(self, name: str) -> str:
        """What a reduced variable is in the small run."""
        return self.other.get(name) or self.environment.get(name, "")


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
    _rule(r"(?:EVAL_|MAX_)?STEPS", at_most(STEPS)),
    _rule(r"(?:TRAIN_|MICRO_|DEVICE_)?BATCH_(?:TOKENS|SIZE_TOKENS)|TRAIN_BATCH_TOKENS|TOKENS_PER_BATCH", exactly(BATCHES)),
    _rule(r"(?:LOCAL_|MICRO)BATCH_TOKENS|(?:LOCAL|MICROBATCH|DEVICE)_(?:BATCH_)?TOKENS", at_most(BATCHES)),
    _rule(r"(?:TRAIN_)?BATCH_BYTES", exactly(BATCHES)),
    _rule(r"VAL_BATCH_BYTES", exactly(VALIDATION)),
    _rule(r"VAL_BATCH_(?:SIZE|TOKENS)|EVAL_BATCH_TOKENS|VAL_TOKENS_PER_BATCH", exactly(2 * VALIDATION)),
    _rule(r"(?:.*_)?(?:SEQ_LEN|SEQLEN|SEQUENCE_LENGTH|BLOCK_SIZE|CONTEXT_LEN(?:GTH)?|CTX_LEN|MAX_LEN)", at_most(SEQUENCE)),
    _rule(r"(?:.*_)?STRIDE", at_most(STRIDE)),
    _rule(r"(?:.*_)?CHUNK(?:_TOKENS|_SIZE|_LEN)?|(?:.*_)?CHUNK_TOKENS_.*", at_most(CHUNK)),
    _rule(r"TTT_BATCH(?:_SIZE)?|SLOT_BATCH(?:_SIZE)?", at_most(8)),
    _rule(r"(?:.*_)?BATCH_SEQS|EVAL_BATCH(?:_SIZE)?|.*_EVAL_BATCH", at_most(32)),
    _rule(r"(?:.*_)?(?:EPOCHS|PASSES)|TTT_STEPS|SLOT_STEPS|(?:.*_)?INNER_STEPS|(?:TTT|SLOT|LORA)_.*_STEPS", at_most(2)),
    _rule(r"(?!VOCAB_SIZE).*_(?:VOCAB_SIZE|BUCKETS|NUM_BUCKETS|TABLE_SIZE|HASH_SIZE)|NGRAM_BUCKETS", at_most(4096)),
    _rule(r".*_(?:LOG2_BUCKETS|BUCKET_BITS|TABLE_BITS|HASH_BITS|LOG2_SIZE|BITS_TABLE)", at_most(14)),
    _rule(r".*(?:CALIB|GPTQ|HESSIAN|AR_|SELF_?GEN).*(?:BATCHES|SAMPLES|SEQS|NSAMPLES|STEPS|SEQUENCES)", at_most(2)),
    _rule(r".*(?:AR_|SELF_?GEN).*(?:TOKENS|SEQ_?LEN|LENGTH)", at_most(SEQUENCE)),
    _rule(r".*(?:CALIB|GPTQ|HESSIAN).*(?:SEQ_?LEN|LENGTH)", at_most(SEQUENCE)),
    _rule(r".*(?:CALIB|GPTQ|HESSIAN).*TOKENS", at_most(BATCHES)),
    _rule(r".*_SEQS(?:_PER_[A-Z]+)?", at_most(32)),
    _rule(r"(?:SWA|LAWA|EMA|CHECKPOINT|SAVE|TRAIN_LOG|LOG)_(?:EVERY|INTERVAL)", at_most(1)),
)  # fmt: skip
HURRIED: tuple[Rule, ...] = (
    _rule(r"(?:.*_)?(?:NUM_)?ITERATIONS|(?:NUM_|MAX_|TOTAL_)?TRAIN(?:ING)?_STEPS|MAX_STEPS|NUM_STEPS|MAX_ITERS|NUM_ITERS", at_most(HURRIED_STEPS)),
    _rule(r"WARMUP_STEPS|COMPILE_WARMUP_(?:STEPS|ITERS)", exactly(0)),
    _rule(r"(?:.*_)?(?:EPOCHS|PASSES)|TTT_STEPS|SLOT_STEPS|(?:.*_)?INNER_STEPS|(?:TTT|SLOT|LORA)_.*_STEPS", at_most(1)),
)  # fmt: skip
VALIDATIONS = re.compile(r"(?:NUM_|MAX_)?(?:VAL|EVAL)_(?:MAX_)?(?:TOKENS|BYTES)(?:_LIMIT|_MAX)?\Z")
WIDTHS = re.compile(r"(?:MODEL_DIM|D_MODEL|N_EMBD|EMBED_DIM|HIDDEN_DIM|HIDDEN_SIZE|DIM)\Z")
EMBEDDINGS = re.compile(r"(?:.*_)?EMBED(?:DING)?_DIM\Z")  # of the layers' width, unless it has one of its own
ROTARY = re.compile(r"(?:PARTIAL_)?ROPE_DIMS?\Z|ROTARY_DIMS?\Z")
SCHEDULES = re.compile(r".*SEQ(?:_?LENS?|UENCE)?_SCHEDULE\Z|.*SEQ_?LENS\Z")
HEADS = re.compile(r"(?:NUM_HEADS|N_HEADS?|HEADS)\Z")
QUIET = {"WANDB_MODE": "disabled", "TOKENIZERS_PARALLELISM": "false"}


def knobs(
    text: str, claimed: Mapping[str, str], widths: bool = True, hurried: bool = False, batches: int = BATCHES
) -> Knobs:
    """The small run's environment for a program's text. `claimed`: what the claimed run had, by variable.

    `widths`: whether layers are made narrow, too. `hurried`: whether less is done than is wanted. `batches`: tokens of a step.
    """
    found = dict(defaults(text))
    spelt = {name: spelled(value, found.get(name, ""), wants(text, name)) for name, value in claimed.items()}
    claimed = {name: value for name, value in spelt.items() if value is not None}
    now = {name: claimed.get(name, value) for name, value in found.items()}
    environment = {n: v for n, v in claimed.items() if n not in QUIET}
    reduced: dict[str, str] = {}
    for name, to in (*smaller(text, now, widths, hurried, batches).items(), *schedules(text, claimed)):
        environment[name] = to
        reduced[name] = now[name]
    return Knobs({**environment, **QUIET}, reduced)


def smaller(
    text: str, now: Mapping[str, str], widths: bool = True, hurried: bool = False, batches: int = BATCHES
) -> dict[str, str]:
    """The settings that make a program small, by name. `now`: what they are without that."""
    heads = next((int(n) for name, v in now.items() if HEADS.match(name) and (n := number(v))), 8)
    turned = next((int(n) for name, v in now.items() if ROTARY.match(name) and (n := number(v))), 0)
    rules = (*HURRIED, *RULES) if hurried else RULES
    wide = {was for name, v in now.items() if WIDTHS.match(name) and (was := number(v))}
    out: dict[str, str] = {}
    for name, value in now.items():
        was = number(value)
        to: float | None = None
        if was is None and re.search(r"[:@|;]", value):
            continue  # a list of several things
        if WIDTHS.match(name) or (was in wide and EMBEDDINGS.match(name)):
            to = width(was, heads, turned) if widths else None
        elif VALIDATIONS.match(name):
            to = at_most(validation_tokens(text, hurried) // 1024 * 1024)(was)
        else:
            to = next((rule(was) for pattern, rule in rules if pattern.match(name)), None)
            if to == 2 * VALIDATION and any(VALIDATIONS.match(n) for n in now):
                to = VALIDATION  # a whole number of batches
            to = batches if to == BATCHES and "BATCH" in name else to
        if to is not None and to != was:
            out[name] = str(int(to))
    return out


def schedules(text: str, claimed: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Lists of lengths that sequences have one after the other, such as "0:512,0.5:1024"."""
    for name, _ in defaults(text):
        if SCHEDULES.match(name):
            written = re.search(rf"""[\"']{re.escape(name)}[\"']\s*,\s*([\"'])(.*?)\1""", text)
            was = claimed.get(name) or (written[2] if written else "")
            to = re.sub(r"(?<![\d.])\d{3,}(?![\d.])", lambda m: str(min(SEQUENCE, int(m[0]))), was)
            if to != was:
                yield name, to


def width(was: float | None, heads: int, turned: int) -> float | None:
    """A small width: wide enough for the part of each head that is turned, a multiple of three if it was one.

    What is cut in three and has few heads is as wide as three of the others: each third has whole heads.
    """
    head = max(HEAD, -(-turned // 8) * 8)
    if was is not None and was % 3 == 0:
        head = 3 * HEAD if heads <= 4 else next((h for h in range(head, head + 24, 8) if h * heads % 3 == 0), head)
    return head * heads if was is None or was > head * heads else None


def arguments(
    text: str, given: Sequence[str], hurried: bool = False
) -> tuple[tuple[str, ...], dict[str, tuple[str, str]]]:
    """The command line of the small run, and what each changed option was and is.

    Options that the program does not know are left out: they come from a text about another program.
    """
    known = {m[1].replace("-", "_").upper(): (m[1], m[2]) for m in _OPTION.finditer(text)}
    if not known:
        return tuple(given), {}
    kept: list[str] = []
    now: dict[str, str] = {}
    took = False
    for i, word in enumerate(given):
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            key = name.replace("-", "_").upper()
            took = key in known
            if took and not value and i + 1 < len(given) and not given[i + 1].startswith("--"):
                value = given[i + 1]
            if took:
                now[key] = value
        if took or (not word.startswith("-") and not kept):
            kept.append(word)
    for key, (_, rest) in known.items():
        default = re.search(r"default\s*=\s*([^,()\n]+)", rest)
        if key not in now and default and number(default[1]) is not None:
            now[key] = default[1].strip()
    plain = {k: v for k, v in now.items() if number(v) is not None}
    changed = {k: to for k, to in smaller(text, plain, hurried=hurried).items() if to != "0"}
    for key, to in changed.items():
        kept += [f"--{known[key][0]}", to]  # the last one counts
    return tuple(kept), {f"--{known[key][0]}": (now[key], to) for key, to in changed.items()}


def validation_tokens(text: str, hurried: bool = False) -> int:
    """How many validation tokens a run needs: past the numbers of tokens that the program waits for before it does something."""
    waits = [int(n.replace("_", "")) for n in _THRESHOLD.findall(text)]
    longest = max((n for n in waits if n * 5 // 4 <= MOST_VALIDATION), default=0)
    return max(HURRIED_VALIDATION if hurried else VALIDATION, -(-longest * 5 // 4 // 1024) * 1024)


def defaults(text: str) -> Iterator[tuple[str, str]]:
    """(name, default as written, "" if it has none or none that is plain) of the variables that a program reads."""
    names = "|".join(re.escape(n) for n in dict.fromkeys(("getenv", *readers(text))))
    pattern = re.compile(rf"environ(?:\.get|\.setdefault)?\s*[\(\[]{_VALUE}|(?<![\w.])(?:os\.)?(?:{names})\({_VALUE}")
    seen: set[str] = set()
    for m in pattern.finditer(text):
        name, value = (m[1], m[2]) if m[1] else (m[3], m[4])
        if name not in seen:
            seen.add(name)
            yield name, (value or "").strip().strip("\"'")


@lru_cache(maxsize=4)
def readers(text: str) -> dict[str, str]:
    """The program's own functions that read a variable, and what they make of it: "int", "float" or ""."""
    tree = parse(text).tree
    out: dict[str, str] = {}
    for node in walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef) and node.args.args and len(node.body) <= 12:
            name, body = node.name, node.body
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if not isinstance(node.value, ast.Lambda | ast.Attribute | ast.Name):
                continue
            name, body = node.targets[0].id, [ast.Expr(node.value)]
        else:
            continue
        said = " ".join(ast.unparse(b) for b in body)
        if re.search(r"\benviron\b|\bgetenv\b", said):
            kind = re.search(r"\b(int|float)\(", said)
            out[name] = kind[1] if kind else ""
    return out


def wants(text: str, name: str) -> str:
    """What the program makes of a variable: "int", "float", or "" for text."""
    m = re.search(
        rf"\b(int|float)\(\s*(?:os\.)?(?:environ\.get|getenv|environ)\s*[(\[]\s*[\"']{re.escape(name)}[\"']", text
    )
    if m:
        return m[1]
    by = re.search(rf"(?<![\w.])(\w+)\(\s*[\"']{re.escape(name)}[\"']", text)
    return readers(text).get(by[1], "") if by else ""


def spelled(value: str, default: str, kind: str) -> str | None:
    """A value that a log printed, as the variable takes it: `True` where a number is wanted is `1`; None if it takes none."""
    switch = {"true": "1", "false": "0"}.get(value.lower())
    plain = number(value)
    if switch and (kind or number(default) is not None):
        return switch
    if kind and plain is None:
        return None
    if value[:1] in "([" and (
        plain is None or value[-1:] in ")]"
    ):  # a list as a log prints it; a torn one says nothing
        return ",".join(value[1:-1].replace(" ", "").split(",")).strip(",") if value[-1:] in ")]" else None
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
