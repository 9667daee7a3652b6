"""One rank of an adapting evaluation; the first one prints its totals. Started by test_ranks.py, several at a time."""

from __future__ import annotations

import torch

from evaluator import scale
from evaluator.adapt import Recipe, Tuned
from evaluator.evaluate import Plan, evaluate
from tests.evaluator.small import network, stream

if __name__ == "__main__":
    torch.set_num_threads(1)
    ranks, _ = scale.join()
    net, (tokens, sizes) = network(), stream(2, 700)
    adapter = Tuned(net, Recipe("adamw", rate=0.003, epochs=2, sequence=32, batch=5), ranks)
    got = evaluate(net, tokens, sizes, Plan(32, 8, chunk=120, batch=3), adapter=adapter, ranks=ranks).totals
    if not ranks.rank:
        print(repr(got.nats), got.tokens, got.bytes)
    scale.leave()
