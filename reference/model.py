"""The network of the known systems: one decoder with a switch for each thing that sets them apart.

Layers that are passed more than once (depth recurrence) share their matrices and have scales of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch._dynamo as dynamo
import torch.nn.functional as F
from torch import Tensor, nn

from evaluator.attention import attend


@dataclass(frozen=True)
class Shape:
    """Sizes and switches. `layers` have matrices of their own; those in `repeated` are passed a second time, behind the last of them."""

    vocabulary: int = 1024
    layers: int = 11
    width: int = 512
    heads: int = 8
    groups: int = 4  # heads of keys and values
    hidden: float = 3.0  # of the MLP, in widths
    slope: float = 0.0  # of the squared ReLU below zero
    repeated: tuple[int, ...] = ()
    exclusive: int = 0  # of the last passes: XSA, attention without what a token says of itself
    rotary: int = 64  # features of a head that turn with the position
    base: float = 10_000.0
    trained: int = 1024  # length beyond which the rotary base grows (NTK)
    layer_scale: bool = False  # inputs of layer n shrink by sqrt(n)
    smear: bool = False
    bigrams: int = 0  # rows of the table of hashed pairs
    bigram_width: int = 128
    value_layers: tuple[int, ...] = ()  # passes whose values are told the token
    value_width: int = 128
    value_residual: bool = False
    gated: bool = False
    softcap: float = 30.0
    gain: float = 1.5
    attention_scale: float | None = None  # None: 1 / sqrt(size of a head)

    @property
    def passes(self) -> tuple[int, ...]:
        """The layer of each pass, in order."""
        if not self.repeated:
            return tuple(range(self.layers))
        cut = max(self.repeated) + 1
        return (*range(cut), *sorted(self.repeated), *range(cut, self.layers))


class Matrices(NamedTuple):
    query: Tensor
    key: Tensor
    value: Tensor
    out: Tensor
    up: Tensor
    down: Tensor


class Scales(NamedTuple):
    attention: Tensor  # (width,)
    mlp: Tensor  # (width,)
    mix: Tensor  # (2, width): of the stream and of its beginning
    gain: Tensor  # (heads,)
    factor: Tensor  # ()
    residual: Tensor | None  # (2,): of the first pass's values and of its own
    gate: Tensor | None  # (heads, width)
    gate_bias: Tensor | None  # (heads,)


class Layer(nn.Module):
    """The matrices of one layer."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        narrow, hidden = s.width // s.heads * s.groups, int(s.hidden * s.width)
        sizes = Matrices(
            (s.width, s.width),
            (narrow, s.width),
            (narrow, s.width),
            (s.width, s.width),
            (hidden, s.width),
            (s.width, hidden),
        )
        for name, size in sizes._asdict().items():
            setattr(self, name, nn.Parameter(torch.empty(size)))

    def matrices(self) -> Matrices:
        return Matrices(self.query, self.key, self.value, self.out, self.up, self.down)


class Pass(nn.Module):
    """What one pass through a layer has of its own."""

    def __init__(self, s: Shape, n: int) -> None:
        super().__init__()
        self.attention = nn.Parameter(torch.ones(s.width))
        self.mlp = nn.Parameter(torch.ones(s.width))
        self.mix = nn.Parameter(torch.stack((torch.ones(s.width), torch.zeros(s.width))))
        self.gain = nn.Parameter(torch.full((s.heads,), s.gain))
        self.register_buffer("factor", torch.tensor(1.0 / math.sqrt(n + 1) if s.layer_scale else 1.0), persistent=False)
        self.residual = nn.Parameter(torch.full((2,), 0.5)) if s.value_residual else None
        self.gate = nn.Parameter(torch.zeros(s.heads, s.width)) if s.gated else None
        self.gate_bias = nn.Parameter(torch.full((s.heads,), 4.0)) if s.gated else None

    def scales(self) -> Scales:
        return Scales(
            self.attention, self.mlp, self.mix, self.gain, self.factor, self.residual, self.gate, self.gate_bias
        )


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """x (B, n, H, D): the first features, as many as there are angles twice, turned by those of the last n positions."""
    n, half = x.shape[1], cos.shape[-1]
    cos, sin = cos[:, cos.shape[1] - n :].to(x.dtype), sin[:, sin.shape[1] - n :].to(x.dtype)
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat((a * cos + b * sin, b * cos - a * sin, rest), -1)


def passed(
    x: Tensor,
    start: Tensor,
    first: Tensor | None,
    told: Tensor | None,
    skip: tuple[Tensor, Tensor] | None,
    m: Matrices,
    p: Scales,
    angles: tuple[Tensor, Tensor],
    shape: Shape,
    exclusive: bool,
    last: int,
) -> tuple[Tensor, Tensor]:
    """One pass. x, start (B, T, width); first, told (B, T, G, D) -> (B, `last`, width) and the values (B, T, G, D).

    `start`: the stream before the first layer; `first`: the values of the first pass; `told`: what is added to the values;
    `skip`: (weights (width,), stream (B, T, width)) of an earlier pass that is added.
    Of the last positions only are queries made and all that comes behind them.
    """
    b, t, width = x.shape
    kind, size, begin = x.dtype, width // shape.heads, t - last
    x = x if skip is None else x + skip[0].to(kind) * skip[1]
    mix = p.mix.to(kind)
    x = mix[0] * x + mix[1] * start
    h = F.rms_norm(x, (width,)) * p.factor.to(kind)
    x, own = x[:, begin:], h[:, begin:]
    narrow = shape.groups * size
    if last == t:  # one product is faster than three
        q, k, v = F.linear(h, torch.cat((m.query, m.key, m.value)).to(kind)).split((width, narrow, narrow), -1)
    else:
        q = F.linear(own, m.query.to(kind))
        k, v = F.linear(h, torch.cat((m.key, m.value)).to(kind)).chunk(2, -1)
    q = q.view(b, last, shape.heads, size)
    k, v = (x.view(b, t, shape.groups, size) for x in (k, v))
    v = v if told is None else v + told
    values = v
    if p.residual is not None and first is not None:
        share = p.residual.to(v.dtype)
        v = share[0] * first + share[1] * v
    q = turned(F.rms_norm(q, (size,)), *angles) * p.gain.to(q.dtype)[:, None]
    k = turned(F.rms_norm(k, (size,)), *angles)
    y = attend(q.to(v.dtype), k.to(v.dtype), v, scale=shape.attention_scale)
    if exclusive:
        y = y.reshape(b, last, shape.groups, -1, size)
        itself = F.normalize(v[:, begin:], dim=-1).unsqueeze(-2)
        y = (y - (y * itself).sum(-1, keepdim=True) * itself).reshape(b, last, shape.heads, size)
    if p.gate is not None:
        y = y * torch.sigmoid(F.linear(own, p.gate.to(kind), p.gate_bias.to(kind))).unsqueeze(-1)  # type: ignore[union-attr]
    x = x + p.attention.to(kind) * F.linear(y.reshape(b, last, width), m.out.to(y.dtype))
    h = F.rms_norm(x, (width,)) * p.factor.to(kind)
    h = F.leaky_relu(F.linear(h, m.up.to(kind)), shape.slope).square()
    return x + p.mlp.to(kind) * F.linear(h, m.down.to(h.dtype)), values


class Bigrams(nn.Module):
    """Each pair of neighbours adds a row of a table; several pairs may share one."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.zeros(s.bigrams, s.bigram_width))
        self.out = nn.Parameter(torch.zeros(s.width, s.bigram_width))
        self.scale = nn.Parameter(torch.tensor(0.05))

    def forward(self, tokens: Tensor) -> Tensor:
        at = self.rows.shape[0] - 1
        t = tokens.to(torch.int32)
        pair = torch.bitwise_xor(36313 * t[:, 1:], 27191 * t[:, :-1]).remainder(at)
        h = F.embedding(F.pad(pair, (1, 0), value=at), self.rows)
        return F.linear(h, self.out.to(h.dtype)) * self.scale.to(h.dtype)


class Told(nn.Module):
    """Tells values which token it is: one table, projected, with a scale for each pass."""

    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(s.vocabulary, s.value_width) * 0.01)
        self.out = nn.Parameter(torch.zeros(s.width // s.heads * s.groups, s.value_width))
        self.scale = nn.Parameter(torch.tensor(0.1))
        self.each = nn.Parameter(torch.ones(len(s.value_layers)))

    def forward(self, tokens: Tensor) -> Tensor:
        h = F.embedding(tokens, self.rows)
        return F.linear(h, self.out.to(h.dtype)) * self.scale.to(h.dtype)


class Network(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        if shape.width % shape.heads or shape.heads % shape.groups:
            raise ValueError(f"{shape.heads} heads in {shape.groups} groups do not divide a width of {shape.width}")
        self.shape, self.vocabulary = shape, shape.vocabulary
        self.embedding = nn.Parameter(torch.randn(shape.vocabulary, shape.width) * 0.005)
        self.bigrams = Bigrams(shape) if shape.bigrams else None
        self.smear = nn.Parameter(torch.zeros(shape.width)) if shape.smear else None
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.passes = nn.ModuleList(Pass(shape, n) for n in range(len(shape.passes)))
        self.encoders = len(shape.passes) // 2
        self.skips = nn.Parameter(torch.ones(self.encoders, shape.width))
        self.told = Told(shape) if shape.value_layers else None
        self.passed = passed  # a compiled one may stand here
        for layer in self.layers:
            for name, w in layer.named_parameters():
                nn.init.zeros_(w) if name in ("out", "down") else nn.init.orthogonal_(w)

    def quicken(self) -> None:
        """Compile a pass once for all layers, instead of the network as a whole."""
        dynamo.config.recompile_limit = max(
            32, dynamo.config.recompile_limit
        )  # one for each kind of pass, and for each length
        self.passed = torch.compile(passed, dynamic=False, fullgraph=True)

    def angles(self, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """cos and sin (1, T, 1, D/2), float32."""
        s = self.shape
        base = s.base * max(1.0, length / s.trained) ** (s.rotary / (s.rotary - 2))
        steps = base ** (-torch.arange(0, s.rotary, 2, dtype=torch.float32, device=device) / s.rotary)
        a = torch.outer(torch.arange(length, dtype=torch.float32, device=device), steps)[None, :, None]
        return a.cos(), a.sin()

    def forward(self, tokens: Tensor, last: int | None = None) -> Tensor:
        """tokens (B, T) int64 -> logits (B, `last`, V)."""
        s, t = self.shape, tokens.shape[1]
        last = t if last is None else last
        x = F.embedding(tokens, self.embedding)
        if self.bigrams is not None:
            x = x + self.bigrams(tokens)
        x = F.rms_norm(x, (s.width,))
        if self.smear is not None:
            g = torch.sigmoid(self.smear.to(x.dtype))
            x = (1 - g) * x + g * F.pad(x[:, :-1], (0, 0, 1, 0))
        start, first = x, None
        skips: list[Tensor] = []
        angles = self.angles(t, x.device)
        told = self.told(tokens) if self.told is not None else None
        for i, (layer, p) in enumerate(zip(s.passes, self.passes, strict=True)):
            skip = (self.skips[i - self.encoders], skips.pop()) if i >= self.encoders and skips else None
            mine = None
            if told is not None and self.told is not None and i in s.value_layers:
                mine = told * self.told.each[s.value_layers.index(i)].to(told.dtype)
                mine = mine.view(*tokens.shape, s.groups, -1)
            exclusive, end = i >= len(s.passes) - s.exclusive, i == len(s.passes) - 1
            x, values = self.passed(
                x,
                start,
                first,
                mine,
                skip,
                self.layers[layer].matrices(),
                p.scales(),
                angles,
                s,
                exclusive,
                last if end else t,
            )
            first = values if first is None else first
            if i < self.encoders:
                skips.append(x)
        x = F.rms_norm(x[:, x.shape[1] - last :], (s.width,))
        return s.softcap * torch.tanh(F.linear(x, self.embedding.to(x.dtype)) / s.softcap)


def build(shape: dict[str, Any]) -> Network:
    """For `evaluator.artifact`. Raises TypeError for sizes that it does not have."""
    lists = {name: tuple(x) for name, x in shape.items() if isinstance(x, list)}
    return Network(Shape(**{**shape, **lists}))
