"""The door through which a model comes in: tokens to logits, of as many of the last positions as are scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Model(Protocol):
    """A torch module that predicts the next token at each position from the tokens up to it."""

    vocabulary: int

    def __call__(self, tokens: Tensor, last: int | None = None) -> Tensor:
        """tokens (B, T) int64 -> logits (B, `last`, V) of the last positions; of all T when `last` is None.

        Row t may depend on tokens 0 to t of its own sequence only, and not on how many positions are asked for.
        """


class Whole(nn.Module):
    """Makes a model of a module that always computes all positions: tokens (B, T) -> logits (B, T, V)."""

    def __init__(self, module: nn.Module, vocabulary: int, logits: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.module, self.vocabulary = module, vocabulary
        self.logits = logits or module

    def forward(self, tokens: Tensor, last: int | None = None) -> Tensor:
        out: Tensor = self.logits(tokens)
        return out if last is None else out[:, out.shape[1] - last :]


def log_probabilities(logits: Tensor) -> Tensor:
    """(..., V) of any floating type -> log-probabilities: float64 on a CPU, float32 on a GPU, where float64 is slow."""
    return torch.log_softmax(logits.double() if logits.device.type == "cpu" else logits.float(), -1)


def nats(logits: Tensor, targets: Tensor) -> Tensor:
    """logits (B, n, V), targets (B, n) int64 -> negative log-likelihood of each target, (B, n) float64."""
    x = logits.double() if logits.device.type == "cpu" else logits.float()
    picked = x.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (torch.logsumexp(x, -1) - picked).double()
