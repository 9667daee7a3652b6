"""Which number of a submission.json stands where: its keys, its seed, and whose number it is.

Walks the parsed object and hands out its scalars, each with the meaning of its key and its
standing: a claim of this run, somebody else's number or a setting, or not understood.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from auditor.claims.lenient_json import Node
from auditor.claims.vocabulary import SLIDING, Meaning, Quantity, classify, word_set, words

MAX_SEEDS = 100
_FOREIGN_BOX = word_set("""ablation ablations experiment experiments variant variants sweep sweeps draft retracted original additional old fix
    smoke attempts history credits attribution credit planned reference references probe comparison comparisons compare
    baseline baselines sota vs previous prior lineage base parent control controls failed negative superseded other
    others companion extra supporting exploratory proxy conservative aggressive progression scaling diagnostics
    diagnostic package continuation untrained local pareto disclosure counterfactual alternate alternative curve""")
_SETTING_BOX = word_set("""config configuration hyperparameters hyperparams hparams architecture arch env environment settings parameters
    params quantization optimizer optimization model technique techniques tokenizer dataset data recipe
    schedule kept changes budget slopes metadata overrides quantisation features compute""")
_OWN_BOX = word_set("""results result metrics metric final summary headline numbers number primary submission timing timings time times size sizes
    artifact artifacts evaluation eval statistics stats scores score validation val performance train training reported
    official main values per claim record compliance bpb loss exact int run bytes mean tracks track mins seed seeds""")
_GENERIC = word_set(
    "results result metrics metric seed per run runs by final summary headline numbers primary compliance"
)
SEED_KEY = re.compile(r"(?:seed|run_seed|s)?[ _=-]?(\d{1,10})", re.IGNORECASE)


class Use(StrEnum):
    """What became of a number."""

    MAPPED = "mapped"
    IGNORED = "ignored"  # understood, but not a claim of this run's result
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar with its keys, outermost first, and where it stands among seeds."""

    path: tuple[str, ...]
    node: Node
    meaning: Meaning
    standing: Use = Use.MAPPED
    group: tuple[str, ...] | None = None  # the container of seeds it is in
    seed: int | None = None
    index: int | None = None
    seed_list: bool = False  # an entry of a list of seed numbers


@dataclass(frozen=True, slots=True)
class Box:
    """The object or array around a leaf."""

    path: tuple[str, ...] = ()
    standing: Use = Use.MAPPED
    seeds: bool = False  # its keys may be seeds
    group: tuple[str, ...] | None = None
    seed: int | None = None
    index: int | None = None


def leaves(node: Node, box: Box) -> Iterator[Leaf]:
    """All scalars below `node`. The reader bounds the depth, so recursion is safe."""
    if node.kind == "object":
        inner = node.fields()
        own_seed = inner.get("seed")
        if own_seed is not None and box.index is not None and box.seed is None:
            box = Box(box.path, box.standing, False, box.group, seed_number(own_seed), box.index)
        for key, child in inner.items():
            yield from _entry(key, child, box)
    elif node.kind == "array":
        for i, child in enumerate(node.items[: MAX_SEEDS * 10]):
            yield from _item(i, child, node, box)


def _entry(key: str, child: Node, box: Box) -> Iterator[Leaf]:
    """One key of an object."""
    path = (*box.path, key)
    seed = _seed_of_key(key, child, box)
    if seed is not None:
        group = (*(box.group or ()), *box.path)
        if child.kind in ("object", "array"):
            yield from leaves(child, Box(path, box.standing, False, group, seed, box.index))
        else:
            meaning = _seed_value_meaning(key, child, box)
            yield Leaf(path, child, meaning, box.standing, group, seed)
        return
    if child.kind not in ("object", "array"):
        meaning = classify(key)
        if box.path and not meaning.setting and (meaning.quantity is None or meaning.rank >= SLIDING):
            wider = _with_parent(box.path, key)
            if wider.quantity is not None or wider.foreign or wider.setting:
                meaning = wider
        yield Leaf(path, child, meaning, box.standing, box.group, box.seed, box.index)
        return
    found = frozenset(words(key))
    standing = _standing(key, found, box.standing)
    plain_list = child.kind == "array" and all(n.kind not in ("object", "array") for n in child.items)
    if plain_list and "seed" in found and classify(key).quantity in (None, Quantity.SEED) and _integers(child):
        for n in child.items[:MAX_SEEDS]:
            yield Leaf(
                path, n, Meaning(Quantity.SEED), standing, seed_list=found <= {"seed", "completed", "used", "run"}
            )
        return
    seeds = "seed" in found or bool(box.seeds and standing is Use.MAPPED and child.kind == "array")
    yield from leaves(child, Box(path, standing, seeds, box.group, box.seed, box.index))


def _item(i: int, child: Node, array: Node, box: Box) -> Iterator[Leaf]:
    """One item of an array."""
    if child.kind in ("object", "array"):
        yield from leaves(child, Box(box.path, box.standing, False, box.group or box.path, box.seed, i))
        return
    meaning = _list_meaning(box, child)
    yield Leaf(box.path, child, meaning, box.standing, box.path if box.seed is None else box.group, box.seed, i)


def _list_meaning(box: Box, child: Node) -> Meaning:
    key = box.path[-1] if box.path else ""
    meaning = classify(key)
    if meaning.quantity is None and box.seeds:
        return _seed_value_meaning(key, child, box)
    if meaning.quantity is None and len(box.path) > 1:
        return _with_parent(box.path[:-1], key)
    return meaning


def _with_parent(path: tuple[str, ...], key: str) -> Meaning:
    """The meaning of a key together with the nearest container that is no seed."""
    parent = next((p for p in reversed(path) if not SEED_KEY.fullmatch(p)), "")
    return classify(key if set(words(parent)) <= _GENERIC else f"{parent} {key}")


def _seed_of_key(key: str, child: Node, box: Box) -> int | None:
    """The seed that a key names, if it names one: `seed_42` anywhere, `42` where seeds are expected."""
    if box.seed is not None:
        return None
    m = SEED_KEY.fullmatch(key)
    if not m:
        return None
    if not key[0].isdigit():
        return int(m[1]) if key[:2] not in ("s_", "S_") or box.seeds else None
    if box.seeds:
        return int(m[1])
    label = box.path[-1] if box.path else ""
    if classify(label).usable or (frozenset(words(label)) & _OWN_BOX and child.kind == "object"):
        return int(m[1])
    return None


def _seed_value_meaning(key: str, child: Node, box: Box) -> Meaning:
    """The meaning of the bare number in `"seed_results": {"42": 1.07}`: bpb, unless the container says other."""
    label = box.path[-1] if box.path else ""
    meaning = classify(label)
    if meaning.quantity not in (None, Quantity.SEED):
        return meaning
    value = child.value if child.kind == "number" else None
    plausible = isinstance(value, float) and 0 < value < 20 and value != int(value)
    return Meaning(Quantity.BPB) if plausible and not meaning.foreign else Meaning(None)


def _standing(key: str, found: frozenset[str], outer: Use) -> Use:
    """Whether what stands inside a container can be a claim of this run."""
    if outer is not Use.MAPPED:
        return outer
    if found & _FOREIGN_BOX or classify(key).foreign:
        return Use.IGNORED
    if found & _OWN_BOX or classify(key).usable or not found:
        return Use.MAPPED
    return Use.IGNORED if found & _SETTING_BOX or classify(key).setting else Use.UNKNOWN


def _integers(array: Node) -> bool:
    return bool(array.items) and all(seed_number(n) is not None for n in array.items)


def seed_number(node: Node) -> int | None:
    if node.kind == "number" and isinstance(node.value, float) and math.isfinite(node.value):
        return int(node.value) if node.value == int(node.value) and 0 <= node.value < 1e10 else None
    if node.kind == "string":
        m = re.search(r"(?<!\d)\d{1,10}(?!\d)", str(node.value)[:40])
        return int(m[0]) if m else None
    return None
