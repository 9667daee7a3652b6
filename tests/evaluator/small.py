"""A small network with random weights, and a stream that it finds more than noise in."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from evaluator.decoder import Decoder, Shape
from evaluator.windows import windows

VOCABULARY = 61


def network(seed: int = 0, layers: int = 3, width: int = 32) -> Decoder:
    torch.manual_seed(seed)
    net = Decoder(Shape(VOCABULARY, layers, width, heads=4, groups=2, hidden=2))
    for p in net.parameters():
        p.data.mul_(4.0 if p.ndim > 1 else 1.0)
    return net


def stream(rows: int, length: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """tokens and sizes (K, L)."""
    g = torch.Generator().manual_seed(seed)
    start = torch.randint(0, VOCABULARY, (rows, 1), generator=g)
    steps = torch.randint(0, 3, (rows, length), generator=g)
    return (start + steps.cumsum(1)) % VOCABULARY, torch.randint(0, 7, (rows, length), generator=g)


@torch.no_grad()
def naive(net: nn.Module, tokens: Tensor, sizes: Tensor, sequence: int, stride: int) -> tuple[float, int, int]:
    """Window by window and token by token, in float64, the network in its own type: (nats, tokens, bytes)."""
    total, count, size = [], 0, 0
    for row in range(tokens.shape[0]):
        for w in windows(1, tokens.shape[1], sequence, stride):
            logits = net(tokens[row : row + 1, w.start : w.start + w.length])[0].double()
            for p in range(w.end - w.scored, w.end):
                x = logits[p - 1 - w.start]
                total.append(float(torch.logsumexp(x, 0) - x[tokens[row, p]]))
                count += 1
                size += int(sizes[row, p])
    return math.fsum(total), count, size
