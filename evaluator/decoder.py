"""A plain decoder of the family that the challenge trains: the example of a model that computes no more than what is scored.

Grouped-query attention with rotary positions and normalised queries and keys, squared ReLU, tied embeddings, soft-capped logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evaluator.attention import attend


@dataclass(frozen=True)
class Shape:
    vocabulary: int
    layers: int = 11
    width: int = 512
    heads: int = 8
    groups: int = 4  # heads of keys and values
    hidden: int = 3  # times the width
    base: float = 10_000.0  # of the rotary frequencies
    softcap: float = 30.0
    gain: float = 1.5  # of normalised queries


class Rotary(nn.Module):
    """Turns pairs of features by angles that grow with the position."""

    def __init__(self, size: int, base: float) -> None:
        super().__init__()
        self.register_buffer("steps", base ** (-torch.arange(0, size, 2, dtype=torch.float32) / size), persistent=False)

    def forward(self, length: int) -> tuple[Tensor, Tensor]:
        angles = torch.arange(length, device=self.steps.device, dtype=torch.float32)[:, None] * self.steps
        return angles.cos()[None, :, None, :], angles.sin()[None, :, None, :]


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x (B, n, H, D) turned by the angles of its positions, the last n of those given."""
    n = x.shape[1]
    cos, sin = cos[:, -n:].to(x.dtype), sin[:, -n:].to(x.dtype)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class Block(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.heads, self.groups, self.size = s.heads, s.groups, s.width // s.heads
        self.query = nn.Linear(s.width, s.width, bias=False)
        self.keys = nn.Linear(s.width, 2 * s.groups * self.size, bias=False)
        self.out = nn.Linear(s.width, s.width, bias=False)
        self.up = nn.Linear(s.width, s.hidden * s.width, bias=False)
        self.down = nn.Linear(s.hidden * s.width, s.width, bias=False)
        self.gain = nn.Parameter(torch.full((s.heads, 1), s.gain))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, last: int) -> Tensor:
        """x (B, T, width) -> (B, `last`, width): queries and everything behind them are of the last positions only."""
        b, t, _ = x.shape
        h = F.rms_norm(x, x.shape[-1:])
        x, own = x[:, t - last :], h[:, t - last :]
        q = self.query(own).view(b, last, self.heads, self.size)
        k, v = self.keys(h).view(b, t, 2 * self.groups, self.size).chunk(2, 2)
        q, k = (turned(F.rms_norm(y, y.shape[-1:]), cos, sin) for y in (q, k))
        x = x + self.out(attend(q * self.gain.to(q.dtype), k, v).reshape(b, last, -1))
        return x + self.down(F.relu(self.up(F.rms_norm(x, x.shape[-1:]))).square())


class Decoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        if shape.width % shape.heads or shape.heads % shape.groups:
            raise ValueError(f"{shape.heads} heads in {shape.groups} groups do not divide a width of {shape.width}")
        self.shape, self.vocabulary = shape, shape.vocabulary
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.rotary = Rotary(shape.width // shape.heads, shape.base)
        for p in self.parameters():
            if p.ndim > 1 and p.shape[-1] > 1:
                nn.init.normal_(p, std=0.02)

    def forward(self, tokens: Tensor, last: int | None = None) -> Tensor:
        t = tokens.shape[1]
        last = t if last is None else last
        x = F.rms_norm(self.embedding(tokens), (self.shape.width,))
        cos, sin = self.rotary(t)
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin, last if i == len(self.blocks) - 1 else t)
        logits = F.rms_norm(x[:, x.shape[1] - last :], x.shape[-1:]) @ self.embedding.weight.to(x.dtype).T
        return self.shape.softcap * torch.tanh(logits / self.shape.softcap)


def build(shape: dict[str, Any]) -> Decoder:
    """For `evaluator.artifact`. Raises TypeError for sizes that it does not have."""
    return Decoder(Shape(**shape))
