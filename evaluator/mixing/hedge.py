"""Hedge: weights over N experts that fall with their losses, mixed in probability, and the bound on what that can cost.

The mixture is p(v) = sum_i w_i p_i(v), a distribution whenever the experts are. After a token (or a chunk) was scored,
w_i is multiplied by p_i(token)^eta and the weights are normalised. With log loss and eta = 1 that is Bayes' rule
(Freund and Schapire, 1997; Vovk, 1998). `share` a moves a part of all weight to the uniform one after each round, so
that the best expert may change (fixed share; Herbster and Warmuth, 1998).

What holds when, for every sequence, against every expert i, in nats (C is the complexity -ln w_i, that is ln N for
equal weights, plus (rounds - 1) ln 1/(1 - a + a/N) with fixed share; each of several streams pays its own):

- one token a round and eta <= 1: regret <= C / eta, because log loss is exp-concave. ln N for Bayes.
- otherwise: regret <= C / eta + (eta / 8) sum_r R_r^2, with R_r the spread of the experts' losses in round r
  (Hoeffding). If no spread exceeds R, the best eta makes that R sqrt(rounds ln N / 2). Spreads of log losses are
  known only afterwards: a chunk's can be hundreds of nats, and then this bound says little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from evaluator.past import OrderError

Per = Literal["token", "chunk"]
_STATE = ("log_weights", "_tokens", "_rounds", "_longest", "_mixture", "_losses", "_spread")


@dataclass(frozen=True)
class Regret:
    """The mixture against its best expert over all that was learned, in nats; `why` says which bound holds."""

    tokens: int
    mixture_nats: float
    expert_nats: dict[str, float]
    bound_nats: float
    why: str

    @property
    def best(self) -> str:
        """The name of the expert with the smallest total."""
        return min(self.expert_nats, key=lambda name: self.expert_nats[name])

    @property
    def regret_nats(self) -> float:
        """What the mixture lost beyond the best expert; below zero where mixing gained."""
        return self.mixture_nats - self.expert_nats[self.best]

    def text(self) -> str:
        """One line for a log."""
        return (
            f"Hedge over {len(self.expert_nats)} experts, {self.tokens} tokens: {self.mixture_nats:.4f} nats, "
            f"best expert {self.best} {self.expert_nats[self.best]:.4f}; "
            f"regret {self.regret_nats:+.4f}, bound {self.bound_nats:.4f} ({self.why})"
        )


class Hedge:
    """Weights (streams, N) over the experts `names`, one set for each of so many independent streams.

    `per` "token": a round is one token of each stream. "chunk": a round is all that one chunk holds.
    `prior` are N starting weights above zero (equal if None).
    """

    def __init__(
        self,
        names: Sequence[str],
        streams: int = 1,
        eta: float = 1.0,
        share: float = 0.0,
        per: Per = "token",
        prior: Sequence[float] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if not names or len(set(names)) != len(names):
            raise ValueError("Hedge needs at least one expert, and a name of its own for each")
        if not 0 < eta < math.inf or not 0 <= share < 1 or streams < 1 or per not in ("token", "chunk"):
            raise ValueError(
                f"Hedge needs eta > 0, 0 <= share < 1, a stream and per token or chunk: "
                f"{eta}, {share}, {streams}, {per}"
            )
        prior = [1.0] * len(names) if prior is None else list(prior)
        if len(prior) != len(names) or not all(0 < w < math.inf for w in prior):
            raise ValueError("the prior needs one weight above zero for each expert")
        self.names, self.streams, self.eta, self.share, self.per = tuple(names), streams, eta, share, per
        weights = torch.tensor(prior, dtype=torch.float64, device=device)
        self.prior = (weights / weights.sum()).log()
        self.log_weights = self.prior.expand(streams, -1).clone()
        self._open: HedgeChunk | None = None
        self._tokens, self._rounds, self._longest = 0, 0, 0
        self._mixture = torch.zeros((), dtype=torch.float64, device=device)
        self._losses = torch.zeros(len(names), dtype=torch.float64, device=device)
        self._spread = torch.zeros((), dtype=torch.float64, device=device)

    def chunk(self, logp: Tensor) -> HedgeChunk:
        """A chunk from the experts' log-probabilities of its tokens, `logp` (N, streams, n), or (N, n) for one stream.

        Raises OrderError while the chunk before it is not learned, ValueError for what cannot be log-probabilities.
        """
        if self._open is not None:
            raise OrderError("the chunk before was not learned yet: score() and learn() it first")
        logp = logp.to(self.log_weights.device, torch.float64)
        logp = logp[:, None] if logp.ndim == 2 else logp
        if logp.ndim != 3 or logp.shape[:2] != (len(self.names), self.streams) or not logp.shape[2]:
            raise ValueError(
                f"Hedge over {len(self.names)} experts and {self.streams} streams: log-probabilities "
                f"{tuple(logp.shape)}"
            )
        if not bool((logp <= 1e-6).all() & (logp.amax(0) > -math.inf).all()):  # NaN fails the first
            raise ValueError("log-probabilities above zero or NaN, or a token that no expert thinks possible")
        self._open = HedgeChunk(self, logp)
        return self._open

    def state(self) -> dict[str, Any]:
        """What `resume` needs to go on after the last chunk that was learned."""
        return {name: getattr(self, name) for name in _STATE}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from `state`. Raises OrderError in the middle of a chunk."""
        if self._open is not None:
            raise OrderError("a chunk is open: resume before the first one")
        for name in _STATE:
            value = state[name]
            setattr(self, name, value.to(self.log_weights.device) if isinstance(value, Tensor) else value)

    def regret(self) -> Regret:
        """Totals over all learned chunks, beside the bound that holds for them."""
        n, rounds = len(self.names), self._rounds
        losses = self._losses.tolist()
        best = min(range(n), key=losses.__getitem__)
        complexity = -float(self.prior[best])
        if self.share:
            complexity -= max(rounds - 1, 0) * math.log1p(-self.share + self.share / n)
        bound = self.streams * complexity / self.eta
        what = f"C/eta, C = {complexity:.4f}" + (f" for each of {self.streams} streams" if self.streams > 1 else "")
        if self._longest <= 1 and self.eta <= 1:
            why = f"{what}; a token a round and eta <= 1: for any sequence"
        else:
            bound += self.eta / 8 * float(self._spread)
            reason = "several tokens a round" if self._longest > 1 else "eta > 1"
            why = f"{what}, plus eta/8 times the squared spreads of {rounds} rounds; {reason}: known afterwards only"
        totals = dict(zip(self.names, losses, strict=True))
        return Regret(self._tokens, float(self._mixture), totals, bound, why)


class HedgeChunk:
    """Tokens that can be scored once and learned once, in this order."""

    def __init__(self, hedge: Hedge, logp: Tensor) -> None:
        self._hedge, self._logp = hedge, logp
        self._scored: Tensor | None = None
        self._learned = False
        self._after = hedge.log_weights
        self.log_weights = torch.empty(0)  # (streams, n, N), those that each token was scored with

    def score(self) -> Tensor:
        """The mixture's log-probability (nats) of each token: (streams, n). Raises OrderError the second time."""
        if self._scored is not None:
            raise OrderError("this chunk was scored already: every token is scored once")
        logp = self._logp.permute(1, 2, 0)
        self.log_weights, self._after = self._weights(logp)
        self._scored = torch.logsumexp(self.log_weights + logp, -1)
        return self._scored

    def rows(self, rows: Sequence[Tensor], stream: Tensor, at: Tensor) -> Tensor:
        """The mixture's rows (m, V) at places `at` (m,) of streams `stream` (m,), from the experts' N rows there."""
        if self._scored is None:
            raise OrderError("a chunk's weights are known once it was scored")
        return mixed(rows, self.log_weights[stream, at])

    def learn(self) -> None:
        """Moves the weights on by what was scored. Raises OrderError before score() and the second time."""
        if self._scored is None:
            raise OrderError("this chunk was not scored yet: a token may be learned only after it was scored")
        if self._learned:
            raise OrderError("this chunk was learned already")
        hedge, n = self._hedge, self._logp.shape[2]
        token = hedge.per == "token"
        rounds = self._logp if token else self._logp.sum(2, keepdim=True)
        hedge._rounds += rounds.shape[2]
        hedge._longest = max(hedge._longest, 1 if token else n)
        hedge._tokens += self._scored.numel()
        hedge._mixture -= self._scored.sum()
        hedge._losses -= self._logp.sum((1, 2))
        hedge._spread += (rounds.amax(0) - rounds.amin(0)).square().sum()
        hedge.log_weights = self._after
        hedge._open = None
        self._learned = True

    def _weights(self, logp: Tensor) -> tuple[Tensor, Tensor]:
        """Log weights before each token of `logp` (streams, n, N), and after the last: (streams, n, N) and (streams,
        N).
        """
        hedge = self._hedge
        now = hedge.log_weights
        if hedge.per == "chunk":
            after = _normal(now + hedge.eta * logp.sum(1))
            return now[:, None].expand_as(logp), _shared(after, hedge.share)
        gain = hedge.eta * (logp - logp.amax(-1, keepdim=True))  # the best expert's is 0: sums stay small and exact
        if not hedge.share:
            sums = torch.cumsum(gain, 1)
            before = torch.cat([torch.zeros_like(sums[:, :1]), sums[:, :-1]], 1)
            return _normal(now[:, None] + before), _normal(now + sums[:, -1])
        n = len(hedge.names)
        even = torch.full((n, n), hedge.share / n, dtype=gain.dtype, device=gain.device)
        step = (even + (1 - hedge.share) * torch.eye(n, dtype=gain.dtype, device=gain.device)) * gain.exp()[
            ..., None, :
        ]
        all_weights = torch.cat([now.exp()[:, None], (_products(step) @ now.exp()[:, None, :, None])[..., 0]], 1)
        weights = _normal(all_weights.log())
        return weights[:, :-1], weights[:, -1]


def mixed(rows: Sequence[Tensor], log_weights: Tensor) -> Tensor:
    """log sum_i w_i p_i of N `rows` (n, V), with `log_weights` (n, N) or (N,): (n, V) float64; two rows' memory
    beside them.
    """
    total: Tensor | None = None
    for i, row in enumerate(rows):
        part = row.double() + log_weights[..., i, None]
        total = part if total is None else torch.logaddexp(total, part)
    if total is None:
        raise ValueError("a mixture of no experts")
    return total


def _normal(log_weights: Tensor) -> Tensor:
    return log_weights - torch.logsumexp(log_weights, -1, keepdim=True)


def _shared(log_weights: Tensor, share: float) -> Tensor:
    return ((1 - share) * log_weights.exp() + share / log_weights.shape[-1]).log() if share else log_weights


def _products(steps: Tensor) -> Tensor:
    """All running products M_t ... M_1 M_0 of `steps` (streams, n, N, N), each up to a factor, by log2(n) doublings."""
    out, reach = steps, 1
    while reach < out.shape[1]:
        longer = out[:, reach:] @ out[:, :-reach]
        out = torch.cat([out[:, :reach], longer / longer.amax((-1, -2), keepdim=True)], 1)
        reach *= 2
    return out
