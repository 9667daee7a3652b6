"""One way to name a place in a submission."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """A place that a person can open: a file of the submission and a line in it.

    `line` counts from 1; None means the file as a whole. `text` is the line as it stands there,
    cut to 240 characters. `layer` is 0 for the file as shipped and k for the text after k
    unpacking steps, in which case `line` counts in the unpacked text.
    """

    file: str
    line: int | None = None
    text: str = ""
    layer: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where} (unpacked)" if self.layer else where
