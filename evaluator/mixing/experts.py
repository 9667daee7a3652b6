"""Experts: one protocol for everything that may enter a mixture, and the ones there are.

An expert turns what is known before a token (`Given`) into log-probabilities over the whole vocabulary, learns from
tokens only after they were scored, and sums to one. `mass` measures the last point for any rows of log-probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from evaluator.mixing.ngram import Ngram, Since

MASS_TOLERANCE = 1e-5
_BLOCK = 2**25  # logits turned to float32 at a time: 128 MiB


class MassError(ValueError):
    """Probabilities that do not sum to one, or rows that do not hold what was scored."""


@dataclass(frozen=True)
class Given:
    """What is known before each of n tokens.

    `contexts` (n, L) int64 holds the tokens before, the nearest last, -1 where there is none. `logits` (n, V) are the
    network's; `scored` (n,) is the network's log-probability of each token, in place of logits that were not kept.
    `steps` (n,) orders the positions of a chunk: a token may be used for those of a higher step. None: for none of the
    chunk.
    """

    contexts: Tensor
    logits: Tensor | None = None
    scored: Tensor | None = None
    steps: Tensor | None = None

    def part(self, at: Tensor) -> Given:
        """The positions `at` (m,) alone."""
        return replace(self, **{k: v[at] for k, v in vars(self).items() if v is not None})


class Expert(Protocol):
    """One or more distributions from one state. `online` experts use a chunk's earlier steps, others whole chunks."""

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each distribution."""

    @property
    def online(self) -> bool:
        """Whether tokens of the running chunk already count for its later steps."""

    @property
    def normalised(self) -> bool:
        """Whether each of its rows sums to one."""

    def logp_of(self, given: Given, tokens: Tensor) -> Tensor:
        """Log-probabilities (nats) of `tokens` (n,): (names, n). Each must equal its row's entry."""

    def rows(self, given: Given, since: Since | None) -> Iterator[Tensor]:
        """For each name the log-probabilities of the whole vocabulary (n, V), fixed before the token is known."""

    def learn(self, contexts: Tensor, tokens: Tensor) -> None:
        """Takes in `tokens` (n,) that were scored, after `contexts` (n, L)."""


def mass(rows: Tensor) -> Tensor:
    """What the probabilities of each of `rows` (..., V), given as logarithms, add up to: (...) float64."""
    return torch.logsumexp(rows.to(torch.float64), -1).exp()


def check_mass(rows: Tensor, name: str, tolerance: float = MASS_TOLERANCE) -> float:
    """The largest distance from one of the mass of `rows` (..., V). Raises MassError beyond `tolerance` or for NaN."""
    off = float((mass(rows) - 1).abs().max())
    if not off <= tolerance:
        raise MassError(f"{name}: its probabilities add up to something {off:.3g} away from one")
    return off


def tilt(rows: Tensor, hint: Tensor, boost: Tensor) -> Tensor:
    """`rows` (n, V) of log-probabilities with token `hint` (n,) raised by `boost` (n,) nats, and renormalised: (n, V).

    p'(v) = p(v) exp(b [v = g]) / (1 + p(g) (exp(b) - 1)). Hint and boost must come from the tokens before alone.
    """
    at = hint[:, None]
    spread = torch.log1p(rows.gather(1, at).exp() * torch.expm1(boost.to(rows.dtype))[:, None])
    return rows.scatter_add(1, at, boost.to(rows.dtype)[:, None]) - spread


def tilt_of(logp: Tensor, logp_hint: Tensor, hit: Tensor, boost: Tensor) -> Tensor:
    """`tilt` for the targets alone, (n,) each: their log-probability, the hint's, whether they are it, the boost."""
    return logp + boost * hit - torch.log1p(logp_hint.exp() * torch.expm1(boost))


def logp_of_logits(logits: Tensor, tokens: Tensor) -> Tensor:
    """log softmax of `logits` (n, V) at `tokens` (n,): (n,) float64, worked out in float32, a block at a time."""
    out = []
    step = max(1, _BLOCK // logits.shape[1])
    for block, wanted in zip(logits.split(step), tokens.split(step), strict=True):
        exact = block if block.dtype == torch.float64 else block.float()
        out.append((exact.gather(1, wanted[:, None])[:, 0] - exact.logsumexp(1)).double())
    return torch.cat(out)


def _logits(given: Given) -> Tensor:
    if given.logits is None:
        raise ValueError("rows of the network need its logits, and only the tokens' scores were given")
    return given.logits


class Network:
    """The network's softmax. It learns elsewhere, between chunks."""

    names = ("network",)
    online = False
    normalised = True

    def logp_of(self, given: Given, tokens: Tensor) -> Tensor:
        """From `given.scored` if the network scored already, else from its logits: (1, n)."""
        if given.scored is not None:
            return given.scored[None].double()
        return logp_of_logits(_logits(given), tokens)[None]

    def rows(self, given: Given, since: Since | None) -> Iterator[Tensor]:
        """Log softmax of the logits, in float64."""
        yield _logits(given).double().log_softmax(1)

    def learn(self, contexts: Tensor, tokens: Tensor) -> None:
        """Nothing: weights are not changed here."""


class NgramExperts:
    """Every order of one `Ngram`, an expert each. `online`: counts grow within a chunk, too, step by step."""

    normalised = True

    def __init__(self, ngram: Ngram, online: bool = True) -> None:
        self.ngram, self.online = ngram, online
        self.names = tuple(f"{order}-gram" for order in range(1, ngram.order + 1))

    def logp_of(self, given: Given, tokens: Tensor) -> Tensor:
        """See `Ngram.logp_of`."""
        return self.ngram.logp_of(given.contexts, tokens, given.steps if self.online else None)

    def rows(self, given: Given, since: Since | None) -> Iterator[Tensor]:
        """See `Ngram.rows`."""
        return self.ngram.rows(given.contexts, since if self.online else None)

    def learn(self, contexts: Tensor, tokens: Tensor) -> None:
        """See `Ngram.learn`."""
        self.ngram.learn(contexts, tokens)


class Tilted:
    """The network tilted towards the token that followed the context most often in earlier chunks.

    The hint is the most frequent follower in the highest order of `ngram`, which this expert must have for itself; the
    boost is `boost` nats where the context was seen at least `seen` times and the hint followed in at least `share` of
    them, else 0.
    """

    names = ("tilted",)
    online = False
    normalised = True

    def __init__(self, ngram: Ngram, boost: float, seen: int = 2, share: float = 0.5) -> None:
        if not math.isfinite(boost):
            raise ValueError("the boost must be a finite number of nats")
        self.ngram, self.boost, self.seen, self.share = ngram, boost, seen, share

    def _hint(self, contexts: Tensor) -> tuple[Tensor, Tensor]:
        hints, boosts = [], []
        for block in contexts.to(self.ngram.device).split(max(1, _BLOCK // self.ngram.vocab)):
            counts = self.ngram.count_rows(block, self.ngram.order)
            most = counts.max(1)
            total = counts.sum(1)
            hints.append(
                (counts == most.values[:, None]).to(torch.uint8).argmax(1)
            )  # of equals the lowest id, on any device
            sure = (total >= self.seen) & (most.values >= self.share * total)
            boosts.append(torch.where(sure, self.boost, 0.0).double())
        return torch.cat(hints), torch.cat(boosts)

    def logp_of(self, given: Given, tokens: Tensor) -> Tensor:
        """From the network's logits: (1, n)."""
        hint, boost = self._hint(given.contexts)
        logits = _logits(given)
        return tilt_of(logp_of_logits(logits, tokens), logp_of_logits(logits, hint), hint == tokens, boost)[None]

    def rows(self, given: Given, since: Since | None) -> Iterator[Tensor]:
        """The tilted rows, in float64."""
        yield tilt(_logits(given).double().log_softmax(1), *self._hint(given.contexts))

    def learn(self, contexts: Tensor, tokens: Tensor) -> None:
        """Counts followers."""
        self.ngram.learn(contexts, tokens)
