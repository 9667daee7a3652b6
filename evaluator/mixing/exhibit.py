"""Exhibit: an "expert" that is no distribution. It is here to be measured, never to be scored with.

A known system hands its mixer the entropy of the network's own prediction as if it were one more expert's loss:
whatever the token turns out to be, it is charged H(p) nats, that is, given probability exp(-H). The same number for
each of V tokens adds up to V exp(-H), which is one for the uniform prediction alone and grows as the network gets
surer: a network that is nearly certain lets it promise nearly probability one to every token at once. No code could
decode such a score."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from evaluator.mixing.experts import Given
from evaluator.mixing.ngram import Since


def entropy(logits: Tensor) -> Tensor:
    """Entropy (nats) of the softmax of each of `logits` (n, V): (n,) float64."""
    logp = logits.double().log_softmax(-1)
    return -(logp.exp() * logp).nan_to_num(0.0).sum(-1)


class EntropyPseudoExpert:
    """exp(-H) for every token alike. A `Mixture` refuses it unless it is asked for an exhibit, and reports its mass."""

    names = ("entropy (exhibit)",)
    online = False
    normalised = False

    def logp_of(self, given: Given, tokens: Tensor) -> Tensor:
        """-H of the network's prediction, whatever the tokens: (1, n)."""
        return -entropy(self._logits(given))[None]

    def rows(self, given: Given, since: Since | None) -> Iterator[Tensor]:
        """-H in every place: (n, V), of mass V exp(-H)."""
        logits = self._logits(given)
        yield -entropy(logits)[:, None].expand(-1, logits.shape[1])

    def learn(self, contexts: Tensor, tokens: Tensor) -> None:
        """Nothing to learn."""

    @staticmethod
    def _logits(given: Given) -> Tensor:
        if given.logits is None:
            raise ValueError("the entropy pseudo-expert needs the network's logits")
        return given.logits
