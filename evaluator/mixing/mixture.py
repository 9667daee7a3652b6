"""A mixture of experts that keeps order by construction: chunks that are scored once, and learned only after.

`Mixture.chunk` scores many known tokens at once, as an evaluation does. `Mixture.steps` makes whole rows before each
token is known and takes the token in afterwards, as a decoder must; both give the same numbers. No other way leads to
the experts' `learn`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from evaluator.mixing.experts import MASS_TOLERANCE, Expert, Given, MassError, check_mass, mass
from evaluator.mixing.hedge import Hedge, HedgeChunk, Per, mixed
from evaluator.mixing.ngram import Since
from evaluator.past import OrderError


class ExhibitError(ValueError):
    """Something that is no distribution was put into a mixture that scores."""


class Mixture:
    """`experts` mixed by Hedge, over `streams` parallel streams; `eta`, `share`, `per` and `prior` as in `Hedge`.

    Of each chunk with logits, `sample` positions are worked out as whole rows, whose mass must be one and whose entries
    must be what was scored (MassError otherwise); `mass_error` keeps the largest distance from one that was met. An
    expert that is no distribution raises ExhibitError, unless `exhibit` asks for it; then its mass is kept in
    `exhibit_mass`.
    """

    def __init__(
        self,
        experts: Sequence[Expert],
        streams: int = 1,
        eta: float = 1.0,
        share: float = 0.0,
        per: Per = "token",
        prior: Sequence[float] | None = None,
        device: torch.device | str = "cpu",
        sample: int = 8,
        exhibit: bool = False,
    ) -> None:
        odd = [name for expert in experts if not expert.normalised for name in expert.names]
        if odd and not exhibit:
            raise ExhibitError(f"{', '.join(odd)}: no distribution, so no score can be made with it")
        names = [name for expert in experts for name in expert.names]
        self.experts, self.sample, self.exhibit = tuple(experts), sample, bool(odd)
        self.hedge = Hedge(names, streams, eta, share, per, prior, device)
        self.mass_error = 0.0
        self.exhibit_mass: dict[str, float] = dict.fromkeys(odd, 0.0)
        self._busy: object | None = None

    def chunk(
        self, contexts: Tensor, tokens: Tensor, logits: Tensor | None = None, scored: Tensor | None = None
    ) -> MixtureChunk:
        """A chunk of `tokens` (streams, n) after `contexts` (streams, n, L).

        The network comes in by its `logits` (streams, n, V), or by `scored` (streams, n), its log-probabilities of the
        tokens. One stream may leave the first dimension out. Column t of all streams is one step: its tokens do not see
        each other. Raises OrderError while another chunk is open.
        """
        self._free()
        if tokens.ndim == 1:
            contexts, tokens = contexts[None], tokens[None]
            logits, scored = (None if x is None else x[None] for x in (logits, scored))
        self._busy = made = MixtureChunk(self, contexts, tokens, logits, scored)
        return made

    def steps(self) -> Steps:
        """A chunk whose tokens are not known yet. Raises OrderError while another chunk is open."""
        self._free()
        self._busy = made = Steps(self)
        return made

    def _free(self) -> None:
        if self._busy is not None:
            raise OrderError("the chunk before was not learned yet")

    def rows(self, given: Given, since: Since | None) -> Iterator[tuple[str, Tensor]]:
        """The name and the rows (n, V) of each expert in turn."""
        for expert in self.experts:
            yield from zip(expert.names, expert.rows(given, since), strict=True)

    def logp_of(self, given: Given, tokens: Tensor) -> Tensor:
        """The experts' log-probabilities of `tokens` (n,): (N, n) float64."""
        device = self.hedge.log_weights.device
        return torch.cat([expert.logp_of(given, tokens).to(device, torch.float64) for expert in self.experts])

    def note(self, name: str, rows: Tensor) -> Tensor:
        """`rows` (n, V) after their mass was checked and kept."""
        if name in self.exhibit_mass or (self.exhibit and name == "mixture"):
            self.exhibit_mass[name] = max(self.exhibit_mass.get(name, 0.0), float(mass(rows).max()))
        else:
            self.mass_error = max(self.mass_error, check_mass(rows, name))
        return rows


class MixtureChunk:
    """Known tokens: `score` them once, then `learn` them once."""

    def __init__(
        self, mixture: Mixture, contexts: Tensor, tokens: Tensor, logits: Tensor | None, scored: Tensor | None
    ) -> None:
        streams, n = tokens.shape
        if streams != mixture.hedge.streams or contexts.shape[:2] != tokens.shape:
            raise ValueError(
                f"{mixture.hedge.streams} streams: tokens {tuple(tokens.shape)}, contexts {tuple(contexts.shape)}"
            )
        self._mixture, self._shape = mixture, (streams, n)
        self._tokens = tokens.reshape(-1)
        self._given = Given(
            contexts.reshape(streams * n, -1),
            None if logits is None else logits.reshape(streams * n, -1),
            None if scored is None else scored.reshape(-1),
            torch.arange(n, device=tokens.device).repeat(streams),
        )
        self._hedge: HedgeChunk | None = None

    def score(self) -> Tensor:
        """The mixture's log-probability (nats) of each token: (streams, n). Raises OrderError the second time."""
        if self._hedge is not None:
            raise OrderError("this chunk was scored already: every token is scored once")
        of = self._mixture.logp_of(self._given, self._tokens)
        chunk = self._mixture.hedge.chunk(of.view(-1, *self._shape))
        logp = chunk.score()
        self._hedge = chunk
        if self._mixture.sample and (self._given.logits is not None or self._given.scored is None):
            self._check(chunk, of, logp)
        return logp

    def _check(self, chunk: HedgeChunk, of: Tensor, logp: Tensor) -> None:
        """Whole rows at some positions: each sums to one and holds what was scored."""
        mixture, given, tokens = self._mixture, self._given, self._tokens
        count = min(mixture.sample, len(tokens))
        at = torch.linspace(0, len(tokens) - 1, count, device=tokens.device, dtype=torch.float64).round().long()
        steps = given.steps
        assert steps is not None
        since = Since(given.contexts, tokens, steps, steps[at])
        rows = [mixture.note(name, row) for name, row in mixture.rows(given.part(at), since)]
        whole = mixture.note("mixture", chunk.rows(rows, at // self._shape[1], at % self._shape[1]))
        for name, row, value in zip(
            (*mixture.hedge.names, "mixture"), (*rows, whole), (*of[:, at], logp.view(-1)[at]), strict=True
        ):
            entry = row.double().gather(1, tokens[at, None])[:, 0]
            if not bool(((entry - value).abs() <= MASS_TOLERANCE * (1 + value.abs())).all()):
                raise MassError(f"{name}: what was scored is not what its distribution holds")

    def learn(self) -> None:
        """Hands the scored tokens to the weights and experts. Raises OrderError before `score` and the second time."""
        if self._hedge is None:
            raise OrderError("this chunk was not scored yet: a token may be learned only after it was scored")
        self._hedge.learn()
        for expert in self._mixture.experts:
            expert.learn(self._given.contexts, self._tokens)
        self._mixture._busy = None


class Steps:
    """A chunk met one step at a time: `rows`, then `observe`, again and again; `close` ends it."""

    def __init__(self, mixture: Mixture) -> None:
        self._mixture = mixture
        self._given: Given | None = None
        self._past: list[tuple[Tensor, Tensor, Tensor]] = []  # contexts, tokens, log-probabilities of each step
        self._closed = False

    def rows(self, contexts: Tensor, logits: Tensor | None = None) -> Tensor:
        """The mixture's log-probabilities of each stream's next token: (streams, V) float64.

        From `contexts` (streams, L) and the network's `logits` (streams, V). Raises OrderError before the token of the
        step before was observed.
        """
        if self._closed or self._given is not None:
            raise OrderError("observe() the tokens of this step first" if not self._closed else "this chunk is closed")
        self._given = Given(contexts, logits)
        rows = [row for _, row in self._mixture.rows(self._given, None)]
        self._experts = torch.stack([row.double() for row in rows])
        return mixed(rows, self._mixture.hedge.log_weights)

    def observe(self, tokens: Tensor) -> Tensor:
        """Takes in the tokens (streams,) that followed: their log-probabilities (streams,), as `rows` had them."""
        if self._given is None:
            raise OrderError("rows() come first: a token may be learned only after it was scored")
        hedge, contexts = self._mixture.hedge, self._given.contexts
        of = self._experts.gather(2, tokens.expand(len(hedge.names), -1)[..., None])
        logp = torch.logsumexp(of[..., 0].T + hedge.log_weights, -1)
        if hedge.per == "token":
            chunk = hedge.chunk(of)
            chunk.score()
            chunk.learn()
        for expert in self._mixture.experts:
            if expert.online:
                expert.learn(contexts, tokens)
        self._past.append((contexts, tokens, of))
        self._given = None
        return logp

    def close(self) -> None:
        """Ends the chunk: what learns by whole chunks learns now. Raises OrderError in the middle of a step."""
        if self._closed or self._given is not None:
            raise OrderError("a chunk is closed once, after the last step's tokens were observed")
        self._closed, self._mixture._busy = True, None
        if not self._past:
            return
        if self._mixture.hedge.per == "chunk":
            chunk = self._mixture.hedge.chunk(torch.cat([of for _, _, of in self._past], 2))
            chunk.score()
            chunk.learn()
        contexts, tokens = (torch.cat([step[i] for step in self._past]) for i in (0, 1))
        for expert in self._mixture.experts:
            if not expert.online:
                expert.learn(contexts, tokens)
