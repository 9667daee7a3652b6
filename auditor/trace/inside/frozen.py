"""Adaptation switched off: what was learnt from is put back after every write to it.

After a loss of validation tokens has reached `backward` at one of the lines in question, the parameters known by then keep
the values that they have, whoever writes to them and how, until such a loss comes from elsewhere. What such a run scores, it
scores without having learnt there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor


class Frozen:
    def __init__(self, lines: Sequence[tuple[str, int]]) -> None:
        self.lines = {(str(file), int(line)) for file, line in lines}
        self.on = False
        self.held: set[int] = set()
        self.kept: dict[int, Any] = {}  # storages as they were before the first write

    def learning(self, line: tuple[str, int], parameters: Iterable[int]) -> None:
        """A loss reached `backward` at a line: `parameters`, by storage, are to stay as they are."""
        self.on = line in self.lines
        if self.on:
            self.held.update(parameters)
        else:
            self.kept.clear()

    def before(self, targets: Sequence[Tensor]) -> list[Any]:
        """Called before a write; gives what `after` is to put back."""
        out = []
        for t in targets:
            storage = t.untyped_storage()
            if self.on and storage._cdata in self.held:
                if storage._cdata not in self.kept:
                    self.kept[storage._cdata] = storage.clone()
                out.append(storage)
        return out

    def after(self, written: Sequence[Any]) -> None:
        for storage in written:
            storage.copy_(self.kept[storage._cdata])
