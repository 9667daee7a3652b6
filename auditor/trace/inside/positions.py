"""Which validation token stands where: found by content, however the tokens came in."""

from __future__ import annotations

import numpy as np

GRAM = 6  # tokens in a row that tell a place
RUN = 12  # tokens in a row that must agree before a place is believed
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Finder:
    """Looks up runs of token ids in the validation stream. `ids`: shape (N,), integers."""

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = ids.astype(np.int64)
        keys = _keys(self.ids)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        single = np.ones(len(ordered), dtype=bool)
        single[1:] &= ordered[1:] != ordered[:-1]
        single[:-1] &= ordered[:-1] != ordered[1:]
        self.keys, self.places = ordered[single], order[single]

    def find(self, ids: np.ndarray) -> np.ndarray:
        """Places of `ids` (shape (n,)), -1 where unknown; shape (n,), int64."""
        n = len(ids)
        out = np.full(n, -1, dtype=np.int64)
        if n < GRAM or not len(self.keys):
            return out
        keys = _keys(ids.astype(np.int64))
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        hit = self.keys[at] == keys
        start = np.where(hit, self.places[at], -1)
        offset = np.where(hit, start - np.arange(len(keys)), np.iinfo(np.int64).min)
        for first, last, shift in _stretches(offset):
            if last - first + GRAM < min(RUN, n):
                continue
            a, b = first, last + GRAM  # widen to both sides while the tokens agree
            while a > 0 and a + shift > 0 and ids[a - 1] == self.ids[a - 1 + shift]:
                a -= 1
            while b < n and b + shift < len(self.ids) and ids[b] == self.ids[b + shift]:
                b += 1
            out[a:b] = np.arange(a, b) + shift
        return out


def _keys(ids: np.ndarray) -> np.ndarray:
    n = len(ids) - GRAM + 1
    out = np.zeros(max(n, 0), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for k in range(GRAM):
            out = (out ^ ids[k : k + len(out)].astype(np.uint64)) * _FACTOR
            out ^= out >> np.uint64(29)
    return out


def _stretches(offset: np.ndarray) -> list[tuple[int, int, int]]:
    """(first, last, shift) of the stretches with one offset."""
    known = offset != np.iinfo(np.int64).min
    out: list[tuple[int, int, int]] = []
    at = np.flatnonzero(known)
    if not len(at):
        return out
    cut = np.flatnonzero((np.diff(at) != 1) | (np.diff(offset[at]) != 0))
    firsts = np.concatenate(([0], cut + 1))
    lasts = np.concatenate((cut, [len(at) - 1]))
    return [(int(at[a]), int(at[b]), int(offset[at[a]])) for a, b in zip(firsts, lasts, strict=True)]
