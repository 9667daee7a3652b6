"""The order of things: a token is learnt from only after it was scored.

Whoever adapts is handed a `Past`, which holds no more than the tokens that were scored, and has no way to the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn


class OrderError(RuntimeError):
    """Something was learnt where only scores are made, before its score, or twice."""


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
    """Raises OrderError if a parameter or buffer was changed meanwhile: scoring changes nothing.

    Bytes are added up besides torch's own count of writes, which writes to `.data` pass by.
    """
    tensors = [*model.named_parameters(), *model.named_buffers()]
    before = seen([t for _, t in tensors])
    yield
    after = seen([t for _, t in tensors])
    if changed := [name for (name, _), a, b in zip(tensors, before, after, strict=True) if a != b]:
        raise OrderError(f"{changed[0]} was changed while tokens were scored: adapt in `learn`, after the score")


def seen(tensors: Sequence[Tensor]) -> list[tuple[int, int, int]]:
    """Of each tensor its place, how often it was written to, and the sum of its bytes."""
    if not tensors:
        return []
    sums = torch.stack([t.detach().reshape(-1).view(torch.uint8).sum(dtype=torch.int64) for t in tensors]).tolist()
    return [(t.data_ptr(), t._version, int(s)) for t, s in zip(tensors, sums, strict=True)]
