"""Which tokens are read together and which of them are scored.

A stream of N tokens has N - 1 scored positions: 1 to N - 1, each predicted from the tokens before it. A window reads up to `sequence`
tokens and scores the last of the positions that follow them. Every position is scored once, with as much context as the
stride leaves it: the first window scores all of its positions, each later one the `stride` that no window scored before.

Every window but those of a short stream has the full length. The loops that submissions carry let windows hang over the end
and score the last positions several times, or not at all; the totals differ by that tail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """Reads tokens `start` to `start + length - 1` and scores the `scored` positions up to `start + length`."""

    start: int
    length: int
    scored: int

    @property
    def end(self) -> int:
        """Behind the last position that is scored."""
        return self.start + self.length + 1


def windows(first: int, last: int, sequence: int, stride: int, reach: int = 0) -> Iterator[Window]:
    """Windows that score the positions `first` to `last` - 1 once each, in order.

    `reach`: the earliest token that may be read. A window at the beginning of the stream is as long as there are tokens before it.
    Raises ValueError where the stride leaves gaps.
    """
    if not 0 < stride <= sequence:
        raise ValueError(f"stride {stride}: give one between 1 and the sequence length {sequence}")
    if first <= reach:
        raise ValueError(f"position {first} has no token before it to be predicted from")
    at = first
    while at < last:
        fresh = (
            sequence - (at - 1 - reach) if at - 1 - reach < sequence else 0
        )  # the first window scores all that it reads
        end = min(at + max(stride, fresh), last)
        start = max(reach, end - 1 - sequence)
        yield Window(start, end - 1 - start, end - at)
        at = end
