"""A finding's evidence in its parts: the path through the code, the settings that make it live, and the rest."""

from __future__ import annotations

import re
from typing import NamedTuple

from rules.evidence import Location
from rules.finding import Fact, Finding

_STEP = re.compile(r"step \d+\Z")


class Parts(NamedTuple):
    """`steps` in order, from where the value comes from to where it ends; `settings`; every other fact."""

    steps: tuple[Fact, ...]
    settings: tuple[Fact, ...]
    others: tuple[Fact, ...]


def parts(f: Finding) -> Parts:
    """The facts of a finding, sorted by what they are; the order within each part is kept."""
    steps = tuple(x for x in f.evidence if _STEP.match(x.label))
    settings = tuple(x for x in f.evidence if x.label == "setting")
    return Parts(steps, settings, tuple(x for x in f.evidence if x not in steps and x not in settings))


def places(f: Finding) -> tuple[Location, ...]:
    """The places to quote: all, or only the first of those that the path shows anyway."""
    told = {x.at for x in (*parts(f).steps, *parts(f).settings)} if parts(f).steps else set()
    return tuple(p for i, p in enumerate(f.locations) if p.file and (i == 0 or p not in told))


def shipped(f: Finding, at: Location | None) -> Location | None:
    """Where the packed text that a place lies in stands in the file as shipped, if that is known."""
    if at is None or not at.layer:
        return None
    return next((x.shipped for x in f.evidence if x.shipped and x.at and x.at.file == at.file), None)
