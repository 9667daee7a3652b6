"""Random numbers in kernels: the library's own generator, which gives the same numbers for the same seed and place."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .values import DTYPES, Block, block, lift, narrowed, raw, together


def umulhi(x: Any, y: Any) -> Block:
    """The upper half of the product of two numbers of 32 bits without sign."""
    a, b = (v & 0xFFFFFFFF for v in together(_data(x).long(), _data(y).long()))
    low, high = a & 0xFFFF, a >> 16
    return narrowed((high * b + (low * b >> 16)) >> 16 & 0xFFFFFFFF, DTYPES["uint32"])


def _data(x: Any) -> Tensor:
    return block(x).tensor


def philox(seed: Any, c0: Any, c1: Any, c2: Any, c3: Any, n_rounds: Any = 10) -> tuple[Block, ...]:
    seed = _data(seed).long()
    key = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF]
    c = [_data(v).long() & 0xFFFFFFFF for v in (c0, c1, c2, c3)]
    rank = max(t.ndim for t in c)
    c, key = [lift(t, rank) for t in c], [lift(t, rank) for t in key]
    for _ in range(int(raw(n_rounds))):
        a, b = torch.tensor([0xD2511F53]), torch.tensor([0xCD9E8D57])
        high0, high2 = (
            umulhi(Block(lift(a, rank)), Block(c[0])).tensor,
            umulhi(Block(lift(b, rank)), Block(c[2])).tensor,
        )
        c = [high2 ^ c[1] ^ key[0], _low(c[2], 0xCD9E8D57), high0 ^ c[3] ^ key[1], _low(c[0], 0xD2511F53)]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return tuple(Block(t, DTYPES["uint32"]) for t in torch.broadcast_tensors(*c))


def _low(a: Tensor, b: int) -> Tensor:
    return (a * (b & 0xFFFF) + ((a * (b >> 16) & 0xFFFF) << 16)) & 0xFFFFFFFF


def randint4x(seed: Any, offset: Any, n_rounds: Any = 10) -> tuple[Block, ...]:
    return philox(seed, offset, 0, 0, 0, n_rounds)


def randint(seed: Any, offset: Any, n_rounds: Any = 10) -> Block:
    return randint4x(seed, offset, n_rounds)[0]


def _uniform(x: Block) -> Block:
    """As the library has it: the sign folded away, in [0, 1)."""
    signed = x.tensor.to(torch.int32)
    return Block(torch.where(signed < 0, -signed - 1, signed).float() * 4.6566127342e-10)


def rand4x(seed: Any, offset: Any, n_rounds: Any = 10) -> tuple[Block, ...]:
    return tuple(_uniform(x) for x in randint4x(seed, offset, n_rounds))


def rand(seed: Any, offset: Any, n_rounds: Any = 10) -> Block:
    return _uniform(randint(seed, offset, n_rounds))


def _normal(a: Block, b: Block) -> tuple[Block, Block]:
    r = torch.sqrt(-2.0 * torch.log(a.tensor.clamp_min(1.0e-7)))
    angle = b.tensor * (2 * math.pi)
    return Block(r * torch.cos(angle)), Block(r * torch.sin(angle))


def randn4x(seed: Any, offset: Any, n_rounds: Any = 10) -> tuple[Block, ...]:
    u = rand4x(seed, offset, n_rounds)
    return (*_normal(u[0], u[1]), *_normal(u[2], u[3]))


def randn(seed: Any, offset: Any, n_rounds: Any = 10) -> Block:
    u = rand4x(seed, offset, n_rounds)
    return _normal(u[0], u[1])[0]
