"""A small predictor for the coder's tests: a torch network, n-grams and Hedge, step by step. Decodes when run as a
program.

`python -m tests.evaluator.toy FILE STEPS [--peek TOKENS]` writes the tokens decoded from FILE to standard output, as
JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import torch

from evaluator.codec import CodecError, decode
from evaluator.mixing.experts import Network, NgramExperts, Tilted
from evaluator.mixing.mixture import Mixture, Steps
from evaluator.mixing.ngram import Ngram, Smoothing

VOCAB, STREAMS, CHUNK, ORDER = 96, 128, 32, 5
PLAN = b"toy network, seed 7; 5-grams; Bayes by token"


def text_tokens(steps: int) -> np.ndarray:
    """(STREAMS, steps): English from Python's own help pages, as characters from 32 on (line ends are blanks)."""
    text = " ".join(" ".join(topics[name].split()) for name in sorted(topics))
    ids = np.frombuffer(text.encode("ascii", "ignore"), dtype=np.uint8).astype(np.int64) - 32
    ids = ids[(ids >= 0) & (ids < VOCAB)]
    return np.stack([ids[s : s + steps] for s in np.linspace(0, len(ids) - steps, STREAMS).astype(int)])


class TinyNetwork(torch.nn.Module):
    """A recurrent network with fixed random weights: (K,) tokens and (K, 32) states to (K, VOCAB) logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.embedding, self.cell, self.head = (
            torch.nn.Embedding(VOCAB, 32),
            torch.nn.GRUCell(32, 32),
            torch.nn.Linear(32, VOCAB),
        )

    def forward(self, tokens: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state = self.cell(self.embedding(tokens), state)
        return self.head(state), state


class ToyPredictor:
    """The network adapts by a gradient step after each chunk, from tokens that were scored; the mixture learns as it
    goes.
    """

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.network = TinyNetwork()
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=0.5)
        self.mixture = Mixture(
            [
                Network(),
                NgramExperts(Ngram(VOCAB, ORDER, Smoothing("dirichlet", 4.0))),
                Tilted(Ngram(VOCAB, 4), boost=3.0),
            ],
            streams=STREAMS,
        )
        self.past = torch.zeros((STREAMS, ORDER), dtype=torch.int64)  # blanks stand before the first
        self.chunk: Steps = self.mixture.steps()
        self.start = self.state = torch.zeros(STREAMS, 32)

    def logp(self) -> np.ndarray:
        with torch.no_grad():
            logits, self.state = self.network(self.past[:, -1], self.state)
        return self.chunk.rows(self.past[:, -ORDER + 1 :], logits).numpy()

    def observe(self, tokens: np.ndarray) -> None:
        ids = torch.from_numpy(tokens)
        self.chunk.observe(ids)
        self.past = torch.cat([self.past, ids[:, None]], 1)
        if (self.past.shape[1] - ORDER) % CHUNK == 0:
            self._adapt()

    def _adapt(self) -> None:
        self.chunk.close()
        state, losses = self.start, []
        inputs, targets = self.past[:, -CHUNK - 1 : -1], self.past[:, -CHUNK:]
        for step in range(CHUNK):
            logits, state = self.network(inputs[:, step], state)
            losses.append(torch.nn.functional.cross_entropy(logits, targets[:, step]))
        self.optimiser.zero_grad()
        torch.stack(losses).mean().backward()
        self.optimiser.step()
        self.start, self.chunk = self.state, self.mixture.steps()


class Peeking:
    """A planted leak: half of the probability goes to the token that comes, if the tokens are at hand."""

    def __init__(self, inner: ToyPredictor, tokens: np.ndarray | None) -> None:
        self.inner, self.tokens, self.step = inner, tokens, 0

    def logp(self) -> np.ndarray:
        p = np.exp(self.inner.logp()) / 2
        column = p.argmax(1) if self.tokens is None else self.tokens[:, self.step]
        p[np.arange(len(p)), column] += 0.5
        return np.log(p)

    def observe(self, tokens: np.ndarray) -> None:
        self.step += 1
        self.inner.observe(tokens)


if __name__ == "__main__":
    toy = ToyPredictor()
    predictor = Peeking(toy, None) if "--peek" in sys.argv else toy
    try:
        decoded = decode(predictor, Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), PLAN)
    except CodecError as error:
        sys.exit(str(error))
    print(json.dumps(decoded.tolist()))
