"""What an evaluation comes to: numerators and denominators, added up in float64 and divided only at the end."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Totals:
    """Sums over scored tokens. `nats`: negative log-likelihood; `bytes`: UTF-8 bytes of the text that they stand for."""

    nats: float = 0.0
    tokens: int = 0
    bytes: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.nats + other.nats, self.tokens + other.tokens, self.bytes + other.bytes)

    @property
    def loss(self) -> float:
        """Nats per token. NaN when nothing was scored."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def bpb(self) -> float:
        """Bits per byte: nats / ln 2 / bytes. NaN when no byte was scored."""
        return self.nats / math.log(2.0) / self.bytes if self.bytes else math.nan
