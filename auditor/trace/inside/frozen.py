"""Adaptation switched off: what was learnt from is put back after every write to it.

From the first loss of validation tokens that reaches `backward` on, the parameters known by then keep the values that they
have, whoever writes to them and how. What such a run scores, it scores without having learnt from what it scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor


class Frozen:
    def __init__(self) -> None:
        self.held: set[int] = set()
        self.kept: dict[int, Any] = {}  # storages as they were before the first write

    def hold(self, parameters: Iterable[int]) -> None:
        """Parameters, by storage, that are to stay as they are."""
        self.held.update(parameters)

    def before(self, targets: Sequence[Tensor]) -> list[Any]:
        """Called before a write; gives what `after` is to put back."""
        out = []
        for t in targets:
            storage = t.untyped_storage()
            if storage._cdata in self.held:
                if storage._cdata not in self.kept:
                    self.kept[storage._cdata] = storage.clone()
                out.append(storage)
        return out

    def after(self, written: Sequence[Any]) -> None:
        for storage in written:
            storage.copy_(self.kept[storage._cdata])
