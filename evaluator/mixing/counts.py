"""Counts by key, kept as sorted runs: `SortedCounts`, and `Ranks`, which counts within a chunk.

A run is a sorted tensor of distinct keys beside its columns of counts. What is added becomes a new run; two runs of
like size are merged into one, so that there are never more than about log2(n) of them and each entry moves about
log2(n) times. Keys are never spread out into V^k places: memory grows with the distinct keys alone. All steps are
tensor operations on one device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class _Run:
    keys: Tensor  # (m,) int64, rising, distinct
    values: Tensor  # (m, columns) int32


def _distinct(keys: Tensor, values: Tensor) -> _Run:
    """Sorted `keys` (n,) with repeats and their `values` (n, columns): each key once, its values added up."""
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[1:] != keys[:-1]
    group = torch.cumsum(first, 0) - 1
    total = values.new_zeros((int(group[-1]) + 1, values.shape[1]))
    return _Run(keys[first], total.index_add_(0, group, values))


def _merged(a: _Run, b: _Run) -> _Run:
    """Both runs in one, without sorting again: a key's place is its rank in its own run plus that in the other."""
    keys = a.keys.new_empty(len(a.keys) + len(b.keys))
    values = a.values.new_empty((len(keys), a.values.shape[1]))
    for own, other, right in ((a, b, False), (b, a, True)):
        place = torch.arange(len(own.keys), device=keys.device)
        place += torch.searchsorted(other.keys, own.keys, right=right)
        keys[place], values[place] = own.keys, own.values
    return _distinct(keys, values)


class SortedCounts:
    """A map from int64 keys to `columns` counts each, 8 + 4 * columns bytes an entry (see `nbytes`)."""

    def __init__(self, columns: int, device: torch.device | str = "cpu") -> None:
        self.columns = columns
        self.device = torch.device(device)
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        """Entries kept; a key that lies in several runs counts several times."""
        return sum(len(run.keys) for run in self._runs)

    @property
    def nbytes(self) -> int:
        """Bytes that the tables hold. A merge needs as much again for its largest two runs while it lasts."""
        return len(self) * (8 + 4 * self.columns)

    def add(self, keys: Tensor, values: Tensor) -> None:
        """Adds `values` (n, columns) to the counts of `keys` (n,); keys may repeat."""
        if not len(keys):
            return
        keys, order = torch.sort(keys)
        self._runs.append(_distinct(keys, values[order].to(torch.int32)))
        while len(self._runs) > 1 and 2 * len(self._runs[-1].keys) >= len(self._runs[-2].keys):
            last = self._runs.pop()
            self._runs[-1] = _merged(self._runs[-1], last)

    def get(self, keys: Tensor) -> Tensor:
        """Counts (n, columns) int64 of `keys` (n,); zero for a key never added."""
        found = torch.zeros((len(keys), self.columns), dtype=torch.int64, device=self.device)
        for run in self._runs:
            place = torch.searchsorted(run.keys, keys).clamp_(max=len(run.keys) - 1)
            hit = run.keys[place] == keys
            found += torch.where(hit[:, None], run.values[place], 0)
        return found

    def between(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All entries with low[i] <= key < high[i], for each i of n: (i, key, values), a key once for each run that
        has it.
        """
        parts = []
        for run in self._runs:
            start, end = torch.searchsorted(run.keys, low), torch.searchsorted(run.keys, high)
            length = end - start
            owner = torch.repeat_interleave(torch.arange(len(low), device=self.device), length)
            skipped = torch.cumsum(length, 0) - length
            place = torch.arange(len(owner), device=self.device) + (start - skipped)[owner]
            parts.append((owner, run.keys[place], run.values[place]))
        if not parts:
            none = torch.zeros(0, dtype=torch.int64, device=self.device)
            return none, none, torch.zeros((0, self.columns), dtype=torch.int32, device=self.device)
        owners, keys, values = zip(*parts, strict=True)
        return torch.cat(owners), torch.cat(keys), torch.cat(values)


class Ranks:
    """Positions of a chunk sorted by group and, within a group, by step: what came earlier in each one's group.

    `groups` (n,) are any int64 and `steps` (n,) say when; positions of one step do not come before each other. One sort
    (two where steps do not rise), then sums: no loop over positions.
    """

    def __init__(self, groups: Tensor, steps: Tensor) -> None:
        if bool((steps[1:] >= steps[:-1]).all()):
            sorted_groups, self.order = torch.sort(groups, stable=True)
        else:
            by_step = torch.sort(steps, stable=True).indices
            sorted_groups, within = torch.sort(groups[by_step], stable=True)
            self.order = by_step[within]
        sorted_steps = steps[self.order]
        place = torch.arange(len(groups), device=groups.device)
        new_group, new_step = torch.ones_like(place, dtype=torch.bool), torch.ones_like(place, dtype=torch.bool)
        new_group[1:] = sorted_groups[1:] != sorted_groups[:-1]
        new_step[1:] = new_group[1:] | (sorted_steps[1:] != sorted_steps[:-1])
        self._start = torch.cummax(torch.where(new_group, place, 0), 0).values  # the first of its group
        self._here = torch.cummax(torch.where(new_step, place, 0), 0).values  # the first of its group and step
        self._new_group = new_group

    def first(self) -> Tensor:
        """Whether each position is the first of its group, one for each group: (n,) bool."""
        return self.unsorted(self._new_group)

    def earlier(self, marked: Tensor | None = None) -> Tensor:
        """How many of each one's group have a lower step, of those `marked` (n,) bool if given: (n,) int64."""
        if marked is None:
            return self.unsorted(self._here - self._start)
        marks = marked[self.order].to(torch.int64)
        before = torch.cumsum(marks, 0) - marks
        return self.unsorted(before[self._here] - before[self._start])

    def unsorted(self, values: Tensor) -> Tensor:
        """`values` (n, ...) in the order of the sort, put back into the chunk's order."""
        out = torch.empty_like(values)
        out[self.order] = values
        return out
