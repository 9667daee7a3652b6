"""Score-first test-time training: steps of an optimiser on the chunk that was scored last."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evaluator.past import Past
from evaluator.scale import Ranks

Schedule = Literal["constant", "cosine over chunks", "cosine over steps"]


@dataclass(frozen=True)
class Recipe:
    """How to adapt. `rates` and `frozen`: regular expressions for names of parameters; a rate multiplies the learning rate.

    `sequence` in tokens, `batch` in sequences for each step, `epochs` over each chunk. `keep`: the optimiser's memory is kept from chunk
    to chunk. `warm`: the adapted parameters go on from chunk to chunk; else each chunk starts from the weights that were given.
    """

    optimiser: Literal["sgd", "adamw"] = "sgd"
    rate: float = 0.002
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.95)
    decay: float = 0.0
    epochs: int = 1
    sequence: int = 2048
    batch: int = 8
    schedule: Schedule = "cosine over chunks"
    clip: float = 1.0
    rates: Mapping[str, float] = field(default_factory=dict)
    frozen: Sequence[str] = ()
    keep: bool = True
    warm: bool = True


class Tuned:
    """Adapts a model by a recipe. Gradients are summed in float64 on CPUs, sequence by sequence, so that ranks change nothing."""

    def __init__(
        self, model: nn.Module, recipe: Recipe, ranks: Ranks | None = None, autocast: torch.dtype | None = None
    ) -> None:
        self.model, self.recipe, self.ranks, self.autocast = model, recipe, ranks or Ranks(), autocast
        self.groups = parameters(model, recipe)
        self.first = [p.detach().clone() for _, p, _ in self.groups] if not recipe.warm else []
        self.optimiser = optimiser(self.groups, recipe)

    def learn(self, past: Past) -> None:
        r = self.recipe
        if not r.warm:
            with torch.no_grad():
                for (_, p, _), was in zip(self.groups, self.first, strict=True):
                    p.copy_(was)
        if not r.keep:
            self.optimiser = optimiser(self.groups, r)
        read = list(sequences(past, r.sequence))
        steps = [read[i : i + r.batch] for i in range(0, len(read), r.batch)]
        training = self.model.training
        self.model.train()
        wanted = {id(p) for _, p, _ in self.groups}
        was = [(p, p.requires_grad) for p in self.model.parameters()]
        for p, _ in was:
            p.requires_grad_(id(p) in wanted)
        for epoch in range(r.epochs):
            for i, step in enumerate(steps):
                self.step(past, step, share(r.schedule, past, epoch * len(steps) + i, r.epochs * len(steps)))
        for p, wanted_before in was:
            p.requires_grad_(wanted_before)
        self.model.train(training)

    def step(self, past: Past, read: Sequence[tuple[int, int, int]], share: float) -> None:
        """One step on (row, begin, end) of the past's tokens."""
        total = sum(end - begin - 1 for _, begin, end in read)
        exact = past.tokens.device.type == "cpu"
        sums = self.gradients(past, self.ranks.mine(read), total, exact=exact)
        for (_, p, _), g in zip(self.groups, sums, strict=True):
            p.grad = self.ranks.add(g).to(p.dtype)
        if self.recipe.clip:
            nn.utils.clip_grad_norm_([p for _, p, _ in self.groups], self.recipe.clip)
        for group, (_, _, rate) in zip(self.optimiser.param_groups, self.groups, strict=True):
            group["lr"] = self.recipe.rate * rate * share
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def gradients(self, past: Past, read: Sequence[tuple[int, int, int]], total: int, *, exact: bool) -> list[Tensor]:
        """Of the mean loss over `total` tokens, this rank's part."""
        kind = torch.float64 if exact else torch.float32
        sums = [torch.zeros(p.shape, dtype=kind, device=p.device) for _, p, _ in self.groups]
        alike: dict[int, list[tuple[int, int]]] = {}
        for row, begin, end in read:
            alike.setdefault(end - begin, []).append((row, begin))
        for length, found in alike.items():
            for part in [[x] for x in found] if exact else [found]:
                x = torch.stack([past.tokens[row, begin : begin + length] for row, begin in part])
                with torch.autocast(x.device.type, self.autocast or torch.bfloat16, enabled=self.autocast is not None):
                    logits = self.model(x[:, :-1])
                loss = F.cross_entropy(logits.float().flatten(0, 1), x[:, 1:].flatten(), reduction="sum") / total
                given = torch.autograd.grad(loss, [p for _, p, _ in self.groups], allow_unused=True)
                for s, g in zip(sums, given, strict=True):
                    if g is not None:
                        s += g
        return sums

    def state(self) -> dict[str, object]:
        return {"optimiser": self.optimiser.state_dict(), "first": self.first}

    def resume(self, state: dict[str, object]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])
        self.first = state["first"]  # type: ignore[assignment]


def parameters(model: nn.Module, r: Recipe) -> list[tuple[str, nn.Parameter, float]]:
    """(name, parameter, rate) of what is adapted. Raises ValueError for an expression that names nothing, and when nothing is left."""
    names = [name for name, _ in model.named_parameters()]
    for pattern in (*r.rates, *r.frozen):
        if not any(re.search(pattern, name) for name in names):
            raise ValueError(f"{pattern!r} names no parameter of the model; there are {', '.join(names[:4])} …")
    out = []
    for name, p in model.named_parameters():
        if any(re.search(pattern, name) for pattern in r.frozen):
            continue
        rate = math.prod(x for pattern, x in r.rates.items() if re.search(pattern, name))
        out.append((name, p, rate))
    if not out:
        raise ValueError("all parameters are frozen: nothing to adapt")
    return out


def optimiser(groups: Sequence[tuple[str, nn.Parameter, float]], r: Recipe) -> torch.optim.Optimizer:
    each = [{"params": [p], "lr": r.rate * rate} for _, p, rate in groups]
    if r.optimiser == "adamw":
        return torch.optim.AdamW(each, lr=r.rate, betas=r.betas, weight_decay=r.decay)
    return torch.optim.SGD(each, lr=r.rate, momentum=r.momentum, weight_decay=r.decay)


def sequences(past: Past, length: int) -> Iterator[tuple[int, int, int]]:
    """(row, begin, end) of tokens, `length` + 1 at most: their targets are the positions of the last chunk, once each."""
    for row, n in enumerate(past.scored):
        for at in range(0, n, length):
            yield row, at, min(at + length, n) + 1


def share(schedule: Schedule, past: Past, step: int, steps: int) -> float:
    """Of the learning rate."""
    if schedule == "constant":
        return 1.0
    at, of = (past.chunk, past.chunks - 1) if schedule == "cosine over chunks" else (step, steps)
    return 0.5 * (1.0 + math.cos(math.pi * at / max(1, of)))
