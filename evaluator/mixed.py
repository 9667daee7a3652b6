"""The door between the evaluation and a mixture of experts."""

from __future__ import annotations

from torch import Tensor

from evaluator.mixing.experts import Network, NgramExperts
from evaluator.mixing.mixture import Mixture, MixtureChunk
from evaluator.mixing.ngram import Ngram, contexts_of
from evaluator.past import OrderError

ORDER = 5  # of the longest n-gram


def hedge(vocabulary: int, streams: int = 1, device: str = "cpu", *, online: bool = False) -> Mixture:
    """The network and n-grams of orders 1 to 5, mixed by Bayes' rule: weights move token by token, counts chunk by chunk.

    The network has half of the weight at the beginning. `online`: counts move token by token, too.
    """
    experts = (Network(), NgramExperts(Ngram(vocabulary, ORDER, device=device), online=online))
    prior = [float(ORDER), *[1.0] * ORDER]
    return Mixture(experts, streams, prior=prior, device=device)


class Mixed:
    """Hands the chunks of an evaluation to a mixture. All rows have the same length."""

    def __init__(self, mixture: Mixture, order: int = ORDER) -> None:
        self.mixture, self.order = mixture, order
        self.open: MixtureChunk | None = None

    def score(self, own: Tensor, tokens: Tensor) -> Tensor:
        """own (K, n) nats of the network for the last n of tokens (K, c + n) -> nats of the mixture (K, n)."""
        n = own.shape[1]
        contexts = contexts_of(tokens, self.order)[:, -n:]
        self.open = self.mixture.chunk(contexts, tokens[:, -n:], scored=-own)
        return -self.open.score()

    def learn(self) -> None:
        if self.open is None:
            raise OrderError("nothing was scored that could be learned")
        self.open.learn()
        self.open = None

    def state(self) -> dict[str, object]:
        return self.mixture.hedge.state()

    def resume(self, state: dict[str, object], tokens: Tensor) -> None:
        """Go on from `state`, behind tokens (K, n) that were all scored: they are counted again."""
        self.mixture.hedge.resume(state)
        contexts = contexts_of(tokens, self.order)[:, 1:].flatten(0, 1)
        for expert in self.mixture.experts:
            expert.learn(contexts, tokens[:, 1:].flatten())
