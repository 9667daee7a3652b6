"""submission.json, read into a `Statement` whatever its keys are called.

Submitters invent their own keys (several thousand spellings exist). Every number is classified by
the words of its key and of the objects around it; what belongs to somebody else (a baseline, an
ablation), to the configuration, or to an earlier stage of the run is left out. `uses` tells for
each number what became of it, so that what was not understood stays countable.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from auditor.claims import lenient_json, metadata_keys, numbers
from auditor.claims.lenient_json import Document, Node
from auditor.claims.metadata_keys import MAX_SEEDS, SEED_KEY, Box, Leaf, Use, seed_number
from auditor.claims.seeds import Candidate, assemble
from auditor.claims.vocabulary import BYTES, PLAIN, TIMES, VAGUE, Meaning, Quantity, classify
from rules.evidence import Location, Number, SeedClaim, Statement, Words

_LONGEST_BARE_TIME = 200_000.0  # seconds; a larger number without a unit is probably in ms

_PENDING = re.compile(r"\s*(?:tbd|tba|todo|pending|n/?a|none|null|unknown|xx+|\?+|-+|<[^>]*>|\.{3}|)\s*", re.IGNORECASE)
_STARTS_WITH_NUMBER = re.compile(r"\s*[~≈<>=≤≥$*` ]{0,4}[-+]?\.?\d")
_TITLE_LIKE = re.compile(r"[\d+_|:/]|(?:\S+\s+){4}")


@dataclass(slots=True)
class _Reading:
    """What is being collected from one document."""

    document: Document
    file: str
    problems: list[str]
    mapped: set[int] = field(default_factory=set)  # ids of the number nodes that became claims
    mebibytes: list[Location] = field(default_factory=list)
    megabytes: list[Number] = field(default_factory=list)  # figures given in MB
    origin: dict[int, Node] = field(default_factory=dict)  # id of a Number → its node
    kept: list[Number] = field(default_factory=list)  # keeps those ids from being given again


def read_metadata(data: bytes, file: str) -> Statement:
    """Read a submission.json. Never raises; what is wrong with its form is in `problems`."""
    return _read(data, file)[0]


def uses(data: bytes) -> Iterator[tuple[str, Use]]:
    """For every number: its keys joined by dots, and what `read_metadata` did with it."""
    _, reading, leaves = _read(data, "")
    for leaf in leaves:
        if leaf.node.kind != "number":
            continue
        if id(leaf.node) in reading.mapped:
            use = Use.MAPPED
        elif leaf.standing is not Use.MAPPED:
            use = leaf.standing
        elif leaf.meaning.quantity is not None or leaf.meaning.foreign or leaf.meaning.setting:
            use = Use.IGNORED
        else:
            use = Use.UNKNOWN
        yield ".".join(leaf.path), use


def tally(data: bytes) -> Counter[Use]:
    """How many numbers of a submission.json were mapped, ignored and not understood."""
    return Counter(use for _, use in uses(data))


def _read(data: bytes, file: str) -> tuple[Statement, _Reading, list[Leaf]]:
    document = lenient_json.parse(data)
    reading = _Reading(document, file, list(document.problems))
    root = document.root
    if root is not None and root.kind == "array" and len(root.items) == 1:
        reading.problems.append("the object stands inside an array")
        root = root.items[0]
    if root is None or root.kind != "object":
        if root is not None:
            reading.problems.append(f"the file holds {_a(root.kind)}, not an object")
        return Statement(file, problems=tuple(reading.problems)), reading, []
    leaves = list(metadata_keys.leaves(root, Box()))
    return _statement(reading, root, leaves), reading, leaves


def _a(kind: str) -> str:
    return {"array": "an array", "string": "a text", "number": "a number", "null": "null"}.get(kind, "a boolean")


# --- choosing ----------------------------------------------------------------------------------


def _statement(reading: _Reading, root: Node, leaves: list[Leaf]) -> Statement:
    own = [leaf for leaf in leaves if leaf.standing is Use.MAPPED]
    single = [leaf for leaf in own if leaf.seed is None and leaf.index is None and not leaf.seed_list]
    val_bpb = _headline(reading, single, Quantity.BPB)
    seeds = _seeds(reading, own, val_bpb)
    if val_bpb is None and len(seeds) == 1:
        val_bpb = seeds[0].val_bpb
    found = {q: _best(reading, single, q) for q in (*BYTES, *TIMES, Quantity.TOKENS, Quantity.P_VALUE)}
    for q in (Quantity.TOKENS, Quantity.CODE):
        found[q] = found[q] or _same_for_all(reading, own, q)
    chosen = [*found.values(), val_bpb]
    std = _best(reading, single, Quantity.BPB, std=True)
    loss = _headline(reading, single, Quantity.LOSS)
    for n in (*chosen, std, loss, *(v for s in seeds for v in _numbers_of(s))):
        if n is not None and id(n) in reading.origin:
            reading.mapped.add(id(reading.origin[id(n)]))
    for leaf in own:
        if leaf.meaning.quantity is Quantity.SEED:
            reading.mapped.add(id(leaf.node))
    _megabyte_traps(reading, found, seeds)
    author, name = _author_and_name(reading, root)
    return Statement(
        file=reading.file,
        val_bpb=val_bpb,
        val_bpb_std=std,
        val_loss=loss,
        seeds=seeds,
        total_bytes=found[Quantity.TOTAL],
        code_bytes=found[Quantity.CODE],
        model_bytes=found[Quantity.MODEL],
        train_seconds=found[Quantity.TRAIN],
        eval_seconds=found[Quantity.EVAL],
        val_tokens=found[Quantity.TOKENS],
        p_value=found[Quantity.P_VALUE],
        author=author,
        github_id=_words(
            reading, root, "github_id", "github", "github_username", "github_handle", "github_ids", "author_github"
        ),
        name=name,
        track=_words(reading, root, "track", "submission_track", "category"),
        date=_words(reading, root, "date", "submission_date", "submitted_at", "created_at", "timestamp"),
        hardware=_hardware(reading, root),
        mebibytes=tuple(dict.fromkeys(reading.mebibytes)),
        problems=tuple(reading.problems),
    )


def _same_for_all(reading: _Reading, own: list[Leaf], quantity: Quantity) -> Number | None:
    """A quantity that is given per seed and is the same for all of them."""
    leaves = [
        x
        for x in own
        if (x.seed is not None or x.index is not None) and x.meaning.quantity is quantity and x.meaning.usable
    ]
    best = min((x.meaning.rank for x in leaves), default=VAGUE)
    found = [n for x in leaves if x.meaning.rank == best < VAGUE and (n := _number(reading, x)) is not None]
    return found[0] if found and len({n.value for n in found}) == 1 else None


def _numbers_of(s: SeedClaim) -> tuple[Number | None, ...]:
    return s.val_bpb, s.val_loss, s.total_bytes, s.steps, s.train_seconds, s.eval_seconds


_ORDER = {"": 0, "max": 1, "mean": 2, "best": 3, "min": 4}
_SCORE_ORDER = {"": 0, "mean": 1, "best": 3, "max": 4, "min": 4}


def _headline(reading: _Reading, leaves: list[Leaf], quantity: Quantity) -> Number | None:
    """The score itself: `val_bpb` before its mean, the final stage before earlier ones.

    A plain key that is present but empty (`"val_bpb": null`) says that there is no score yet, so
    numbers of other stages do not stand in for it.
    """
    plain = [x for x in leaves if x.meaning.quantity is quantity and x.meaning.usable and x.meaning.rank == PLAIN]
    withheld = any(_is_pending(x.node) for x in plain if not x.meaning.aggregate and len(x.path) == 1)
    worst = PLAIN if withheld else VAGUE - 1
    return _best(reading, leaves, quantity, worst=worst, order=_SCORE_ORDER)


def _best(
    reading: _Reading,
    leaves: list[Leaf],
    quantity: Quantity,
    std: bool = False,
    worst: int = VAGUE,
    order: dict[str, int] | None = None,
) -> Number | None:
    """The most direct number for a quantity; the first one in the file among equals."""
    candidates = [
        x
        for x in leaves
        if x.meaning.quantity is quantity
        and x.meaning.usable
        and x.meaning.rank <= worst
        and (x.meaning.aggregate == "std") == std
    ]
    candidates.sort(key=lambda x: (x.meaning.rank, (order or _ORDER).get(x.meaning.aggregate, 0), len(x.path)))
    for leaf in candidates:
        number = _number(reading, leaf)
        if number is not None:
            return number
    return None


def _seeds(reading: _Reading, own: list[Leaf], headline: Number | None) -> tuple[SeedClaim, ...]:
    listed = [x for x in own if x.seed_list]
    ids = [seed_number(x.node) for x in listed]
    candidates = []
    for leaf in own:
        if leaf.seed_list or leaf.meaning.quantity in (None, Quantity.SEED) or not leaf.meaning.usable:
            continue
        if leaf.meaning.aggregate in ("std", "mean") and leaf.seed is None:
            continue
        if leaf.group is None:
            continue
        number = _number(reading, leaf)
        if number is not None and leaf.meaning.quantity is not None:
            label = next((p for p in reversed(leaf.path) if not SEED_KEY.fullmatch(p)), "")
            candidates.append(Candidate(leaf.group, leaf.seed, leaf.index, label, leaf.meaning, number))
    candidates += _numbered_keys(reading, own)
    claims = assemble(candidates, ids, headline)
    if claims:
        return claims[:MAX_SEEDS]
    lone = [i for x in own if x.path == ("seed",) and (i := seed_number(x.node)) is not None]
    return tuple(SeedClaim(i) for i in dict.fromkeys([i for i in ids if i is not None] or lone))[:MAX_SEEDS]


def _numbered_keys(reading: _Reading, own: list[Leaf]) -> Iterator[Candidate]:
    """`val_bpb_seed42`: a quantity and its seed in one key."""
    for leaf in own:
        m = re.fullmatch(r"(.{1,60}?)_?seed_?(\d{1,10})(.{0,30})", leaf.path[-1], re.IGNORECASE)
        if not m or leaf.seed is not None or leaf.index is not None:
            continue
        meaning = classify(m[1] + m[3])
        number = _number(reading, leaf, meaning) if meaning.usable else None
        if number is not None:
            yield Candidate((*leaf.path[:-1], "*"), int(m[2]), None, m[1] + m[3], meaning, number)


# --- values ------------------------------------------------------------------------------------


def _is_pending(node: Node) -> bool:
    return node.kind == "null" or (node.kind == "string" and not _STARTS_WITH_NUMBER.match(str(node.value)))


def _number(reading: _Reading, leaf: Leaf, meaning: Meaning | None = None) -> Number | None:
    """The value of a leaf in base units, or None where it is empty or makes no sense."""
    meaning = meaning or leaf.meaning
    node = leaf.node
    figure = _figure(node, meaning)
    if figure is None or (figure.bound and meaning.quantity is not Quantity.P_VALUE):
        return None
    label = ".".join(leaf.path)[:60]
    why = _nonsense(figure.value, meaning)
    if why:
        sentence = (
            f"{label} = {node.raw or str(node.value)[:30]} was not taken: {why} ({reading.document.place(node.start)})"
        )
        if sentence not in reading.problems:
            reading.problems.append(sentence)
        return None
    at = reading.document.at(reading.file, node.start)
    number = figure.at(at)
    reading.origin[id(number)] = node
    if meaning.quantity in BYTES:
        if meaning.mebi or figure.mebi:
            reading.mebibytes.append(at)
        elif figure.step >= 1e4:
            reading.megabytes.append(number)
    reading.kept.append(number)
    return number


def _figure(node: Node, meaning: Meaning) -> numbers.Figure | None:
    q = meaning.quantity
    if node.kind == "string":
        text = str(node.value)
        if not _STARTS_WITH_NUMBER.match(text):
            return None
        if q in BYTES:
            return numbers.read_bytes(text, meaning.scale or 1.0)
        if q in TIMES:
            return numbers.read_seconds(text, meaning.scale or 1.0)
        return numbers.read_count(text) if q in (Quantity.STEPS, Quantity.TOKENS) else numbers.read_plain(text)
    if node.kind != "number" or not isinstance(node.value, float) or not math.isfinite(node.value):
        return None
    scale = (meaning.scale or 1.0) if q in BYTES or q in TIMES else 1.0
    value = node.value * scale
    written = next(numbers.figures(node.raw.lstrip("+")), None)
    step = written.step * scale if written else 0.0
    if not step and q in BYTES:
        step = numbers.step_of_integer(value) if scale == 1.0 else scale
    elif not step and q in TIMES:
        step = scale
    return numbers.Figure(value, step, 0, 0)


def _nonsense(value: float, meaning: Meaning) -> str:
    """Why a value cannot be what its key says; "" if it can."""
    q = meaning.quantity
    if value == 0 and meaning.aggregate != "std" and q is not Quantity.P_VALUE:
        return "0 is a placeholder"
    if value < 0:
        return "it is negative"
    if q in BYTES and value < 1000:
        return "it is too small to be a number of bytes"
    if q in TIMES and meaning.scale is None and value > _LONGEST_BARE_TIME:
        return "its unit of time is unclear"
    if q is Quantity.P_VALUE and value > 1:
        return "a probability is at most 1"
    return ""


def _megabyte_traps(reading: _Reading, found: dict[Quantity, Number | None], seeds: tuple[SeedClaim, ...]) -> None:
    counts = [n for q in BYTES if (n := found[q])] + [s.total_bytes for s in seeds if s.total_bytes]
    exact = [n for n in counts if n.step < 1000]
    reading.mebibytes += [n.at for n in reading.megabytes if numbers.is_mebibytes(n, exact)]


# --- words -------------------------------------------------------------------------------------


def _words(reading: _Reading, root: Node, *keys: str) -> Words | None:
    """The text under the first of `keys` that has one; lists are joined by commas."""
    fields = root.fields()
    for key in keys:
        node = fields.get(key)
        text = _text(node) if node is not None else ""
        if node is not None and text and not _PENDING.fullmatch(text):
            return Words(text, reading.document.at(reading.file, node.start))
    return None


def _text(node: Node) -> str:
    if node.kind == "string":
        return str(node.value).strip()[:400]
    if node.kind == "number":
        return node.raw[:40]
    parts = [_text(n) for n in [v for _, v in node.entries[:12]] + node.items[:12] if n.kind in ("string", "number")]
    return ", ".join(p for p in parts if p)[:400]


def _author_and_name(reading: _Reading, root: Node) -> tuple[Words | None, Words | None]:
    """`name` is the submission's title beside an `author`, else a person's name.

    The challenge asks for the submitter's name and GitHub id, so `name` beside a `github_id`
    and without `author` is a person, unless it reads like a title.
    """
    author = _words(reading, root, "author", "authors", "author_name", "submitter")
    name = _words(reading, root, "name")
    title = _words(reading, root, "submission_name", "title", "run_name", "model_name", "run_id")
    has_id = _words(reading, root, "github_id", "github", "github_username") is not None
    if author is None and name is not None and has_id and not _TITLE_LIKE.search(name.value):
        return name, title
    return author, name or title


def _hardware(reading: _Reading, root: Node) -> Words | None:
    kind = _words(
        reading,
        root,
        "hardware",
        "gpu",
        "gpus",
        "gpu_type",
        "gpu_config",
        "device",
        "accelerator",
        "platform",
        "hardware_used",
        "compute",
    )
    if kind is None or re.match(r"\s*\d+\s*[x×*]", kind.value):
        return kind
    count = next(
        (root.fields()[k] for k in ("num_gpus", "gpu_count", "n_gpus", "world_size") if k in root.fields()), None
    )
    if count is not None and count.kind == "number" and count.raw.isdigit():
        return Words(f"{count.raw}x {kind.value}", kind.at)
    return kind
