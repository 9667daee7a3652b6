"""Dated editions of the law, so that an old submission can be judged by the rules of its day.

Which rules bind on a date, and by whose authority, follows from the dates of each rule's sources;
an edition adds the thresholds that were applied then.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules import constants


@dataclass(frozen=True, slots=True)
class Edition:
    """The law as it stood on `date` (ISO). Thresholds in the units of `rules.constants`."""

    date: str
    title: str
    p_record: float = constants.P_README  # the p-value that organizers applied on that date
    artifact_cap: int = constants.ARTIFACT_CAP
    train_cap: float = constants.TRAIN_CAP
    eval_cap: float = constants.EVAL_CAP


EDITIONS = (
    Edition("2026-03-18", "launch: the caps, no network or training data at evaluation, the record margin"),
    Edition("2026-03-20", "no validation data in training, paid prefix named, TTT only on evaluated tokens, packages"),
    Edition("2026-03-28", "hashed caches, two-pass scoring and late calibration closed; the four conditions"),
    Edition(
        "2026-05-02", "organizers' final audit: byte mixtures, overlap, chronological frontier", constants.P_APPLIED
    ),
)
LATEST = EDITIONS[-1]


def edition(name: str) -> Edition:
    """The edition in force on an ISO date; "latest" is the last one.

    Raises ValueError for text that is no date and for a date before the first edition.
    """
    if name == "latest":
        return LATEST
    parts = name.split("-")
    if len(parts) != 3 or not all(p.isdigit() for p in parts) or len(name) != 10:
        raise ValueError(f"{name!r} is no edition: use 'latest', 'own' or a date such as 2026-03-28")
    inforce = [e for e in EDITIONS if e.date <= name]
    if not inforce:
        raise ValueError(f"no rules were in force on {name}; the first edition is {EDITIONS[0].date}")
    return inforce[-1]
