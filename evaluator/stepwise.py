"""The evaluation step by step, as a decoder must run it: rows of log-probabilities before the tokens are known.

Each position is predicted from the window that scores it in `evaluate`, and what adapts does so behind the same chunks. A row rests on
tokens that were observed, because there are no others here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evaluator.evaluate import Plan, chunks
from evaluator.mixing.mixture import Mixture, Steps
from evaluator.model import log_probabilities
from evaluator.past import Adapter, Past, unchanged
from evaluator.windows import Window, windows


class Stepwise:
    """Predicts K streams of `length` tokens each, the first of which is given: `first` (K,).

    `order`: how many tokens back the mixture's experts look, themselves included. For `evaluator.codec`.
    """

    def __init__(
        self,
        model: nn.Module,
        first: Sequence[int],
        length: int,
        plan: Plan,
        adapter: Adapter | None = None,
        mixture: Mixture | None = None,
        order: int = 5,
    ) -> None:
        device = next(model.parameters()).device
        self.model, self.plan, self.adapter, self.mixture, self.order = model, plan, adapter, mixture, order
        self.tokens = torch.zeros(len(first), length, dtype=torch.int64, device=device)
        self.tokens[:, 0] = torch.tensor(first, device=device)
        adaptive = adapter is not None or mixture is not None
        self.chunks = list(chunks(plan, length, device.type, adaptive=adaptive))
        self.at, self.chunk = 1, 0  # the position that comes next, and its chunk
        self.windows: list[Window] = []
        self.steps: Steps | None = None
        model.eval()

    def logp(self) -> Tensor:
        """Log-probabilities of the next token of each stream, (K, V) float64."""
        begin, end = self.chunks[self.chunk]
        if self.at == begin:
            self.windows = list(windows(begin, end, self.plan.sequence, self.plan.stride))
            self.steps = self.mixture.steps() if self.mixture is not None else None
        while self.windows[0].end <= self.at:
            self.windows.pop(0)
        with unchanged(self.model), torch.no_grad():
            logits = self.model(self.tokens[:, self.windows[0].start : self.at], 1)[:, 0]
        if self.steps is None:
            return log_probabilities(logits).double().cpu()
        return self.steps.rows(self.context(), logits).cpu()

    def context(self) -> Tensor:
        """The tokens before the next one, (K, order - 1), the nearest last, -1 where there is none."""
        seen = self.tokens[:, max(0, self.at - self.order + 1) : self.at]
        return nn.functional.pad(seen, (self.order - 1 - seen.shape[1], 0), value=-1)

    def observe(self, tokens: NDArray[np.int64]) -> None:
        """The tokens (K,) that came."""
        came = torch.from_numpy(tokens).to(self.tokens.device)
        self.tokens[:, self.at] = came
        if self.steps is not None:
            self.steps.observe(came)
        self.at += 1
        begin, end = self.chunks[self.chunk]
        if self.at < end:
            return
        if self.steps is not None:
            self.steps.close()
        if self.adapter is not None and self.chunk + 1 < len(self.chunks):
            scored = (end - begin,) * len(self.tokens)
            self.adapter.learn(Past(self.tokens[:, begin - 1 : end].clone(), scored, self.chunk, len(self.chunks)))
        self.chunk += 1
