"""Puts numbers that were given per seed together into one `SeedClaim` per seed.

Both submission.json and README tables give several numbers per seed, often several bpb of
different stages. Which one is the claim is decided once for the whole group: the one that is
plainly named, else the one that reproduces the headline, else the only one of its rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditor.claims import numbers
from auditor.claims.vocabulary import PLAIN, VAGUE, Meaning, Quantity
from rules.evidence import Number, SeedClaim


@dataclass(frozen=True, slots=True)
class Candidate:
    """A number under a label, for one seed of one group (a JSON container, a table).

    `seed` is None where only the position in a list is known; `index` is that position.
    """

    group: tuple[str, ...]
    seed: int | None
    index: int | None
    label: str
    meaning: Meaning
    number: Number


Column = dict[int | tuple[int], Number]  # by seed; by (position,) where the seed is not named
_FIELDS = (Quantity.LOSS, Quantity.TOTAL, Quantity.STEPS, Quantity.TRAIN, Quantity.EVAL)


def assemble(
    candidates: Iterable[Candidate], seeds: Sequence[int | None], headline: Number | None
) -> tuple[SeedClaim, ...]:
    """One claim per seed. `seeds` gives the seeds of parallel lists of the same length.

    The first group with a usable bpb that agrees with the headline leads, else the first one;
    other groups only add what it lacks about the same seeds.
    """
    groups = _columns(candidates, seeds)
    chosen = [
        {q: c for q in (Quantity.BPB, *_FIELDS) if (c := _choose(q, labels, headline)) is not None} for labels in groups
    ]
    leading = [c for c in chosen if Quantity.BPB in c]
    lead = next(
        (c for c in leading if headline and reproduces(c[Quantity.BPB].values(), headline)),
        leading[0] if leading else None,
    )
    if lead is None:
        lead = next((c for c in chosen if c), None)
    if lead is None:
        return ()
    keys = list(dict.fromkeys(k for column in lead.values() for k in column))
    merged = dict(lead)
    for other in chosen:
        for q, column in other.items():
            if q is not Quantity.BPB and q not in merged and set(column) <= set(keys):
                merged[q] = column
    return tuple(
        SeedClaim(
            seed=k if isinstance(k, int) else None,
            val_bpb=merged.get(Quantity.BPB, {}).get(k),
            val_loss=merged.get(Quantity.LOSS, {}).get(k),
            total_bytes=merged.get(Quantity.TOTAL, {}).get(k),
            steps=merged.get(Quantity.STEPS, {}).get(k),
            train_seconds=merged.get(Quantity.TRAIN, {}).get(k),
            eval_seconds=merged.get(Quantity.EVAL, {}).get(k),
        )
        for k in keys
    )


def reproduces(values: Iterable[Number], headline: Number) -> bool:
    """Whether the headline is the mean, or one, of the values, within what was rounded away."""
    values = list(values)
    return averages_to(values, headline) or any(numbers.agree(v, headline) for v in values)


def averages_to(values: Iterable[Number], headline: Number) -> bool:
    """Whether the headline is the mean of the values, within what was rounded away."""
    values = list(values)
    if not values:
        return False
    mean = sum(v.value for v in values) / len(values)
    return numbers.agree(Number(mean, headline.at, max(v.step for v in values)), headline)


Labels = dict[str, tuple[Meaning, Column]]


def _columns(candidates: Iterable[Candidate], seeds: Sequence[int | None]) -> list[Labels]:
    """Per group the columns by label. A column that names one seed twice with two values is dropped."""
    groups: dict[tuple[str, ...], Labels] = {}
    bad: set[tuple[tuple[str, ...], str]] = set()
    listed = list(candidates)
    length: dict[tuple[tuple[str, ...], str], int] = {}
    for c in listed:
        if c.seed is None and c.index is not None:
            length[c.group, c.label] = max(length.get((c.group, c.label), 0), c.index + 1)
    for c in listed:
        key: int | tuple[int]
        if c.seed is not None:
            key = c.seed
        elif c.index is not None:
            parallel = length[c.group, c.label] == len(seeds)
            named = seeds[c.index] if parallel else None
            key = named if named is not None else (c.index,)
        else:
            continue
        _, column = groups.setdefault(c.group, {}).setdefault(c.label, (c.meaning, {}))
        if key in column and column[key].value != c.number.value:
            bad.add((c.group, c.label))
        column.setdefault(key, c.number)
    return [{label: v for label, v in labels.items() if (group, label) not in bad} for group, labels in groups.items()]


def _choose(quantity: Quantity, labels: Labels, headline: Number | None) -> Column | None:
    """The column that holds a quantity, or None when it is not clear which one does."""
    found = [
        (m.rank, column)
        for m, column in labels.values()
        if m.quantity is quantity and m.usable and m.aggregate != "std"
    ]
    if not found:
        return None
    best = min(rank for rank, _ in found)
    leading = [column for rank, column in found if rank == best]
    if quantity is not Quantity.BPB or best == PLAIN:
        return leading[0]
    if headline:
        fitting = [column for _, column in found if averages_to(column.values(), headline)]
        fitting += [column for _, column in found if any(numbers.agree(v, headline) for v in column.values())]
        if fitting:
            return fitting[0]
    unclear = any(rank == VAGUE for rank, _ in found) and not headline
    return leading[0] if len(leading) == 1 and best < VAGUE and not unclear else None
