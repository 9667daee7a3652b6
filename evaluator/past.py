"""The order of things: a token is learnt from only after it was scored.

Whoever adapts is handed a `Past`, which holds no more than the tokens that were scored, and has no way to the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn


class OrderError(RuntimeError):
    """Something was learnt where only scores are made."""


@dataclass(frozen=True)
class Past:
    """`tokens` (K, 1 + n): the n of the last chunk, all scored, behind the one before them. `scored`: how many of each row's n there are.

    What lies behind a row's end is padding. `chunk` counts from 0, of `chunks`.
    """

    tokens: Tensor
    scored: tuple[int, ...]
    chunk: int
    chunks: int


class Adapter(Protocol):
    """Changes the model between chunks."""

    def learn(self, past: Past) -> None: ...

    def state(self) -> dict[str, object]:
        """What is needed to go on later, besides the model's parameters."""

    def resume(self, state: dict[str, object]) -> None: ...


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Raises OrderError if a parameter or buffer was written to meanwhile: scoring changes nothing."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    before = [(t.data_ptr(), t._version) for _, t in tensors]
    yield
    after = [(t.data_ptr(), t._version) for _, t in tensors]
    if changed := [name for (name, _), a, b in zip(tensors, before, after, strict=True) if a != b]:
        raise OrderError(f"{changed[0]} was changed while tokens were scored: adapt in `learn`, after the score")
