"""The score: windows over rows of tokens, in chunks; what adapts does so between chunks, from what was scored.

A row is one stream of tokens. The classical evaluation has one row, documents on their own are one row each, and a codec has as many
as it decodes side by side.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from evaluator.model import nats
from evaluator.past import Adapter, Past, unchanged
from evaluator.scale import Ranks
from evaluator.totals import Totals
from evaluator.windows import Window, windows

SEGMENT = {"cpu": 1 << 13, "cuda": 1 << 20}  # positions between two reports where nothing adapts
BEFORE = 64  # tokens before a chunk that a mixer is shown: more than any expert's context
BINS = 256  # points of the curve


@dataclass(frozen=True)
class Plan:
    """`sequence` and `stride` in tokens; `chunk`: positions of each row between two adaptations; `batch`: windows side by side.

    `autocast`: the type that a GPU multiplies in; None for the model's own.
    """

    sequence: int = 2048
    stride: int = 64
    chunk: int | None = None
    batch: int = 32
    autocast: torch.dtype | None = None


@dataclass(frozen=True)
class Progress:
    """`done` of `all` positions are scored, in `seconds`; `bpb` of those so far."""

    done: int
    all: int
    seconds: float
    bpb: float


@dataclass
class Result:
    """`curve`: totals of equal parts of the stream, in order. `chunks`: how many are done."""

    totals: Totals = field(default_factory=Totals)
    curve: list[Totals] = field(default_factory=lambda: [Totals()] * BINS)
    chunks: int = 0


class Mixer(Protocol):
    """Mixes the network with experts of its own, all of them distributions."""

    def score(self, own: Tensor, tokens: Tensor) -> Tensor:
        """own (K, n): the network's nats for the last n of tokens (K, c + n) -> nats of the mixture (K, n).

        The c tokens before them are context. What is said of a token rests on the tokens before it.
        """

    def learn(self) -> None:
        """Take in what was scored last."""

    def state(self) -> dict[str, object]: ...

    def resume(self, state: dict[str, object], tokens: Tensor) -> None:
        """Go on behind tokens (K, n) that were scored before."""


@dataclass(frozen=True)
class Item:
    row: int
    window: Window


def evaluate(
    model: nn.Module,
    tokens: Tensor,
    sizes: Tensor,
    plan: Plan,
    *,
    lengths: Sequence[int] | None = None,
    adapter: Adapter | None = None,
    mixer: Mixer | None = None,
    ranks: Ranks | None = None,
    result: Result | None = None,
    progress: Callable[[Progress], None] = lambda p: None,
    after: Callable[[Result], None] = lambda r: None,
    score: Callable[[Tensor, int], Tensor] | None = None,
) -> Result:
    """Score every position of every row but its first.

    tokens (K, L) int64 and sizes (K, L) int64, UTF-8 bytes of each token, on the model's device. `lengths`: tokens of each row, all L
    if not given. `result`: one that was begun before, with the same model, adapter and mixer. `after` is called behind each chunk.
    `score`: tokens (B, T), how many of the last -> logits, in place of the model; it is what a compiled model is called by.

    Raises ValueError for tokens beyond the vocabulary, and OrderError if scoring changes the model.
    """
    ranks, result = ranks or Ranks(), result or Result()
    ends = tuple(lengths or [tokens.shape[1]] * tokens.shape[0])
    checked(model, tokens, sizes, ends)
    if mixer is not None and len(set(ends)) > 1:
        raise ValueError("a mixture needs rows of one length")
    parts = list(chunks(plan, max(ends), tokens.device.type, adaptive=adapter is not None or mixer is not None))
    everything, began, fresh = sum(n - 1 for n in ends), time.monotonic(), result.totals.tokens
    for i, (begin, end) in enumerate(parts):
        if i < result.chunks:
            continue
        with unchanged(model):
            found = scored(model, tokens, ends, begin, end, plan, ranks, score)
        if mixer is not None:
            found = mixer.score(found, tokens[:, max(0, begin - BEFORE) : end])
        add(result, found, sizes, ends, begin, max(ends))
        result.chunks = i + 1
        seconds = time.monotonic() - began
        progress(Progress(result.totals.tokens - fresh, everything - fresh, seconds, result.totals.bpb))
        if mixer is not None:
            mixer.learn()
        if adapter is not None and i + 1 < len(parts):  # nothing comes after the last chunk
            kept = tuple(max(0, min(n, end) - begin) for n in ends)
            adapter.learn(Past(tokens[:, begin - 1 : end].clone(), kept, i, len(parts)))
        after(result)
    return result


def checked(model: nn.Module, tokens: Tensor, sizes: Tensor, ends: Sequence[int]) -> None:
    if tokens.ndim != 2 or tokens.shape != sizes.shape or len(ends) != tokens.shape[0]:
        raise ValueError(
            f"tokens {tuple(tokens.shape)}, sizes {tuple(sizes.shape)}, {len(ends)} lengths: one (K, L) for all is needed"
        )
    if not tokens.numel() or max(ends) < 2:
        raise ValueError("nothing to score: a row needs two tokens at least")
    low, high = int(tokens.min()), int(tokens.max())
    vocabulary = getattr(model, "vocabulary", None)
    if low < 0 or (vocabulary is not None and high >= vocabulary):
        raise ValueError(
            f"token {low if low < 0 else high} is outside the model's vocabulary of {vocabulary}: another tokenizer?"
        )


def chunks(plan: Plan, length: int, device: str, *, adaptive: bool) -> Iterator[tuple[int, int]]:
    """Parts of the positions 1 to `length` - 1. Where nothing adapts, their bounds are bounds of windows: the parts change nothing."""
    step = plan.chunk if adaptive and plan.chunk else max(1, SEGMENT.get(device, 1 << 20) // plan.stride) * plan.stride
    at = 1
    while at < length:
        end = at + step
        if not adaptive and at == 1:
            end += plan.sequence  # the first window scores all of its positions
        yield at, min(end, length)
        at = end


def scored(
    model: nn.Module,
    tokens: Tensor,
    ends: Sequence[int],
    begin: int,
    end: int,
    plan: Plan,
    ranks: Ranks,
    score: Callable[[Tensor, int], Tensor] | None = None,
) -> Tensor:
    """nats (K, end - begin) float64 of the positions of one chunk; zero behind a row's end."""
    items = [
        Item(row, w)
        for row, n in enumerate(ends)
        if n > begin
        for w in windows(begin, min(end, n), plan.sequence, plan.stride)
    ]
    out = torch.zeros(tokens.shape[0], end - begin, dtype=torch.float64, device=tokens.device)
    was = model.training
    model.eval()
    for batch in batches(ranks.mine(items), plan):
        score_batch(score or model, tokens, out, begin, batch, plan)
    model.train(was)
    return ranks.add(out)


def batches(items: Sequence[Item], plan: Plan) -> Iterator[Sequence[Item]]:
    """Windows of one length together; those that score no more than the stride apart from those that score all."""
    shapes: dict[tuple[int, bool], list[Item]] = {}
    for x in items:
        shapes.setdefault((x.window.length, x.window.scored > plan.stride), []).append(x)
    for alike in shapes.values():
        for i in range(0, len(alike), plan.batch):
            yield alike[i : i + plan.batch]


@torch.no_grad()
def score_batch(
    score: Callable[[Tensor, int], Tensor], tokens: Tensor, out: Tensor, begin: int, batch: Sequence[Item], plan: Plan
) -> None:
    """Write the nats of a batch of windows of one length to their places in `out`."""
    device = tokens.device
    length, most = batch[0].window.length, max(x.window.scored for x in batch)
    # Two counts for each length and no more: each is compiled.
    last = plan.stride if most <= plan.stride <= length else length
    rows = torch.tensor([x.row for x in batch], device=device)[:, None]
    starts = torch.tensor([x.window.start for x in batch], device=device)[:, None]
    read = tokens[rows, starts + torch.arange(length, device=device)]
    with torch.autocast(device.type, plan.autocast or torch.bfloat16, enabled=plan.autocast is not None):
        logits = score(read, last)
    at = starts + torch.arange(length - last + 1, length + 1, device=device)
    found = nats(logits, tokens[rows, at])
    counts = torch.tensor([x.window.scored for x in batch], device=device)[:, None]
    own = torch.arange(last, device=device) >= last - counts
    out[rows.expand_as(at)[own], at[own] - begin] = found[own]


def add(result: Result, found: Tensor, sizes: Tensor, ends: Sequence[int], begin: int, length: int) -> None:
    """Add the nats of a chunk to the totals and to its part of the curve."""
    end = begin + found.shape[1]
    there = torch.arange(begin, end, device=found.device) < torch.tensor(ends, device=found.device)[:, None]
    bounds = sorted({begin, end, *(b for b in (1 + (length - 1) * i // BINS for i in range(BINS)) if begin < b < end)})
    for a, b in itertools.pairwise(bounds):
        cut = slice(a - begin, b - begin)
        part = Totals(
            float(found[:, cut].sum()),
            int(there[:, cut].sum()),
            int((sizes[:, a:b] * there[:, cut]).sum()),
        )
        result.totals += part
        i = min(BINS - 1, (a - 1) * BINS // max(1, length - 1))
        result.curve[i] += part
