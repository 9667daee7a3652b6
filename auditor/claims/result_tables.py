"""Results per seed out of README tables.

A table counts when its rows or its columns are seeds. Tables that compare with other people's
runs, or list variants, name the same seed several times or stand under a heading that says so;
they are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from auditor.claims import numbers
from auditor.claims.markdown import Table, Text
from auditor.claims.seeds import Candidate, assemble
from auditor.claims.vocabulary import BYTES, EARLY, PLAIN, STAGE, TIMES, VAGUE, Meaning, Quantity, classify, words
from rules.evidence import Location, Number, SeedClaim

_SEED_CELL = re.compile(
    r"(?:(?:run|trial)\s{0,2}\d{1,2}\s{0,2}[(,:-]?\s{0,2})?(?:seed|s)?\s{0,2}[=:#_]?\s{0,2}(\d{1,10})"
    r"\s{0,2}(?:\([^()]{0,40}\)|[★✓✅*†‡]|best|seed){0,2}\s*",
    re.IGNORECASE,
)
_MEAN_ROW = re.compile(r"\W*(?:(?:\d|three|two|five|all)[- ]seeds?\W{0,3})?(?:mean|average|avg)\b", re.IGNORECASE)
_STD_ROW = re.compile(
    r"\W*(?:(?:\d|three|two|five|all)[- ]seeds?\W{0,3})?(?:sample |population )?(?:std|stdev|sd|σ|±|standard dev)",
    re.IGNORECASE,
)
FOREIGN_HEADING = re.compile(
    r"\b(?:ablat|compar|prior|previous|baseline|sota|leaderboard|related|credit|lineage|acknowledg|attribut|histor|failed|failure"
    r"|negative result|did ?n.t|tried|experiment|background|motivat|future|next step|expected|project|sweep|appendix|why|vs\.?\b"
    r"|earlier|original|old\b|superseded|retract|diagnostic|exploration|unsuccess|reference|trajectory|progress|smoke|local|other"
    r"|proxy|counterfactual|alternative|evolution|journey|pre-fix|draft|lesson|scaling|budget|limit|hyper-?param|control)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Averages:
    """What the Mean and Std rows under per-seed results say of the column that was chosen."""

    bpb: Number | None = None
    std: Number | None = None


@lru_cache(maxsize=1024)
def foreign(headings: tuple[str, ...]) -> bool:
    """Whether the headings say that what stands below is not this run's result."""
    return any(FOREIGN_HEADING.search(h) for h in headings[1:])


def read_seeds(text: Text, headline: Number | None) -> tuple[tuple[SeedClaim, ...], Averages]:
    """Claims per seed, from the tables under headings that do not speak of others' results."""
    candidates: list[Candidate] = []
    averages: list[tuple[tuple[str, ...], str, str, Number]] = []
    for own in (True, False):
        for t in text.tables:
            if foreign(t.headings) == own:
                continue
            found = list(_by_row(text, t)) or list(_by_column(text, t))
            kept = [c for c in found if isinstance(c, Candidate)]
            if not own and not _mentions(kept, headline):
                continue
            candidates += kept
            averages += [c for c in found if not isinstance(c, Candidate)]
        if candidates:
            break
    if (
        headline is None
        and len({c.group for c in candidates if c.meaning.quantity is Quantity.BPB and c.meaning.usable}) > 1
    ):
        return (), Averages()  # several tables, and nothing says which of them is the claim
    claims = assemble(candidates, (), headline)
    return claims, _averages(claims, candidates, averages)


def _mentions(candidates: list[Candidate], headline: Number | None) -> bool:
    return headline is not None and any(
        c.meaning.quantity is Quantity.BPB and numbers.agree(c.number, headline) for c in candidates
    )


def _averages(
    claims: tuple[SeedClaim, ...], candidates: list[Candidate], averages: list[tuple[tuple[str, ...], str, str, Number]]
) -> Averages:
    """The averages of the very column that the claims were taken from."""
    first = next((s.val_bpb for s in claims if s.val_bpb), None)
    source = next(((c.group, c.label) for c in candidates if c.number is first), None)
    mine = [(kind, n) for group, label, kind, n in averages if (group, label) == source]
    return Averages(next((n for k, n in mine if k == "mean"), None), next((n for k, n in mine if k == "std"), None))


Found = Candidate | tuple[tuple[str, ...], str, str, Number]


def _by_row(text: Text, t: Table) -> Iterator[Found]:
    """Tables with one row per seed."""
    where = next((i for i, h in enumerate(t.header) if classify(h).quantity is Quantity.SEED), None)
    if where is None:
        if not t.rows or not any(
            re.fullmatch(r"seed\s?[=:#]?\s?\d{1,10}.{0,20}", r[0], re.IGNORECASE) for _, r in t.rows
        ):
            return
        where = 0
    group = (f"table {t.line}",)
    meanings = _meanings(t)
    for line, cells in t.rows:
        at = text.at(line)
        head = cells[where] or (cells[0] if where else "")
        seed = _SEED_CELL.fullmatch(head)
        average = "std" if _STD_ROW.match(head or cells[0]) else "mean" if _MEAN_ROW.match(head or cells[0]) else ""
        if not average and where:
            average = "std" if _STD_ROW.match(cells[0]) else "mean" if _MEAN_ROW.match(cells[0]) else ""
        if not seed and not average:
            continue
        for i, cell in enumerate(cells):
            if i == where or not cell:
                continue
            meaning = _emphasised(meanings[i], t, i, meanings)
            number = read_cell(cell, meaning, at)
            if number is None:
                continue
            if average:
                yield group, t.header[i], average, number
                spread = numbers.read_spread(cell) if average == "mean" else None
                if spread:
                    yield group, t.header[i], "std", spread.at(at)
            elif seed:
                yield Candidate(group, int(seed[1]), None, t.header[i], meaning, number)


def _by_column(text: Text, t: Table) -> Iterator[Found]:
    """Tables with one column per seed and one row per quantity."""
    seeds = {
        i: int(m[1])
        for i, h in enumerate(t.header)
        if i and (m := re.fullmatch(r".{0,20}?\bseed\s?[=:#_]?\s?(\d{1,10})\W{0,2}.{0,12}", h, re.IGNORECASE))
    }
    if len(seeds) < 2 and not (seeds and re.fullmatch(r"metric|quantity|measure|", t.header[0], re.IGNORECASE)):
        return
    group = (f"table {t.line}",)
    for line, cells in t.rows:
        at = text.at(line)
        meaning = classify(cells[0])
        if not meaning.usable or meaning.aggregate == "std":
            continue
        for i, cell in enumerate(cells[1:], 1):
            number = read_cell(cell, meaning, at) if cell else None
            if number is None:
                continue
            if i in seeds:
                yield Candidate(group, seeds[i], None, cells[0], meaning, number)
            elif _MEAN_ROW.match(t.header[i]):
                yield group, cells[0], "mean", number
            elif _STD_ROW.match(t.header[i]):
                yield group, cells[0], "std", number


def _meanings(t: Table) -> list[Meaning]:
    """The meaning of each column. "Post-TTT" beside "Pre-TTT" needs its values to be understood."""
    meanings = []
    for i, h in enumerate(t.header):
        meaning = classify(h)
        if (meaning.quantity is None and not meaning.setting and not meaning.foreign) or "ttt" in words(h):
            values = [f for _, r in t.rows if (f := numbers.read_plain(r[i]))]
            if values and all(0.05 < f.value < 5 and f.step and f.step <= 1e-3 for f in values) and _names_a_stage(h):
                meaning = classify(f"{h} bpb")
        meanings.append(meaning)
    return meanings


def _names_a_stage(heading: str) -> bool:
    present = set(words(heading))
    return bool(
        present & {"ttt", "sliding", "roundtrip", "quantized", "post", "pre", "slot", "ngram", "final"}
    ) and not present & {
        "gain",
        "time",
        "delta",
        "loss",
    }


def _emphasised(meaning: Meaning, t: Table, column: int, meanings: list[Meaning]) -> Meaning:
    """A column that alone is printed bold among several bpb columns is what the author claims."""
    if meaning.quantity is not Quantity.BPB or meaning.rank in (PLAIN, EARLY):
        return meaning
    rivals = [i for i, m in enumerate(meanings) if m.quantity is Quantity.BPB and m.usable]
    seeds = {
        r for r, (_, cells) in enumerate(t.rows) if not any(_MEAN_ROW.match(c) or _STD_ROW.match(c) for c in cells[:2])
    }
    bold = {i for r, i in t.bold if i in rivals and r in seeds}
    if len(rivals) > 1 and bold == {column}:
        return Meaning(Quantity.BPB, min(meaning.rank, STAGE))
    return meaning


_LEADING = re.compile(
    r"(?:[~≈=<>≤\s*`:($]|about|approx(?:imately|\.)?|mean|max(?:imum)?|avg|average|total|ca\.|p\b)*", re.IGNORECASE
)
_RANGE = re.compile(
    r"\d\s?(?:MB|MiB|bytes|B|s|sec|ms)?\s?(?:–|—|-|to|\.\.|/)\s?~?(?!16(?:\.0+)?\s?MB|16,000,000|600)\d", re.IGNORECASE
)
_PLAUSIBLE = {
    Quantity.BPB: (1e-9, 20.0),
    Quantity.LOSS: (1e-9, 20.0),
    Quantity.P_VALUE: (0.0, 1.0),
    Quantity.TOTAL: (1e3, 1e11),
    Quantity.MODEL: (1e3, 1e11),
    Quantity.CODE: (1e2, 1e9),
    Quantity.STEPS: (1.0, 1e9),
    Quantity.TOKENS: (1e3, 1e13),
    Quantity.TRAIN: (1e-3, 1e8),
    Quantity.EVAL: (1e-3, 1e8),
}


def read_cell(cell: str, meaning: Meaning, at: Location) -> Number | None:
    """A table cell, or the text after a label, as the quantity that the label names.

    The number must come first in it, and must not be one of several (`599.4–599.6 s`).
    """
    q = meaning.quantity
    if q is None or q is Quantity.SEED or meaning.foreign:
        return None
    figure = _figure(cell, meaning)
    if figure is None or (figure.bound and q is not Quantity.P_VALUE):
        return None
    low, high = _PLAUSIBLE[q]
    if not low <= figure.value <= high or not _LEADING.fullmatch(cell[: figure.start]):
        return None
    if _RANGE.match(cell, figure.end - 1) or re.match(r"\s?[*+^=]\s?[\w(]|\s?%", cell[figure.end :]):
        return None
    return figure.at(at)


def _figure(cell: str, meaning: Meaning) -> numbers.Figure | None:
    q = meaning.quantity
    if q in BYTES:
        return numbers.read_bytes(cell, meaning.scale if meaning.scale != 1.0 else None)
    if q in TIMES:
        return numbers.read_seconds(cell, meaning.scale if meaning.rank < VAGUE or meaning.scale else None)
    if q in (Quantity.BPB, Quantity.LOSS):
        figure = numbers.read_plain(cell)
        return figure if figure and figure.step else None
    if q is Quantity.P_VALUE:
        return numbers.read_plain(cell)
    figure = numbers.read_count(cell)
    return (
        figure
        if figure and figure.value == int(figure.value) and not re.match(r"\s?m?s\b", cell[figure.end :])
        else None
    )
