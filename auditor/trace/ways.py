"""How a user wants programs to be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.trace.cache import Cache


@dataclass(frozen=True)
class Ways:
    """Each run within `wall_s` seconds, on "cpu" or "cuda", as so many `ranks`, and compared with others if `probing`.

    `given`: settings of the program that the user chose. `cache`: where finished traces are kept.
    """

    wall_s: float = 120.0
    probing: bool = True
    device: str = "cpu"
    ranks: int = 1
    given: Mapping[str, str] = field(default_factory=dict)
    cache: Cache | None = None


WAYS = Ways()
