"""What the parts of the corpus share: its error and how they report progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class CorpusError(Exception):
    """Data cannot be fetched or built: one sentence that names the file or address and says what to do."""


@dataclass(frozen=True)
class Progress:
    """How far one step has come: `done` of `total` (None if nobody knows) in `unit`."""

    what: str
    done: int
    total: int | None
    unit: str = "bytes"


Tell = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report to nobody."""
