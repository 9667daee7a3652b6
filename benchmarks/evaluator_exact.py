"""The evaluator against loops that do the same in the plainest way: `python -m benchmarks.evaluator_exact SHARD TOKENIZER [--tokens N]`.

Window by window and token by token, sums in float64, counts in dictionaries; the network in float32, or in bf16 on a GPU. Prints the bpb of both and
the difference, for sliding windows, adaptation, and adaptation with Hedge; and for other batches.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluator import bytes as byte_count
from evaluator.adapt import Recipe, Tuned
from evaluator.decoder import Decoder, Shape
from evaluator.evaluate import Plan, chunks, evaluate
from evaluator.mixed import ORDER, Mixed, hedge
from evaluator.run import quick
from evaluator.shards import Tokens
from evaluator.windows import windows

PLAN = Plan(sequence=256, stride=64, chunk=4096, batch=16)
RECIPE = Recipe(rate=0.05, epochs=2, sequence=256, batch=4)


def network(vocabulary: int) -> Decoder:
    torch.manual_seed(0)
    return Decoder(Shape(vocabulary, layers=3, width=96, heads=4, groups=2))


def naive(net: Decoder, ids: Tensor, *, adapt: bool, mix: bool) -> Tensor:
    """nats of each position but the first, (N - 1,) float64."""
    out = []
    optimiser = torch.optim.SGD(net.parameters(), lr=RECIPE.rate, momentum=RECIPE.momentum)
    grams: list[dict[tuple[int, ...], Counter[int]]] = [defaultdict(Counter) for _ in range(ORDER)]
    weights = [math.log(0.5), *[math.log(0.5 / ORDER)] * ORDER]
    parts = list(chunks(PLAN, len(ids), "cpu", adaptive=adapt or mix))
    for i, (begin, end) in enumerate(parts):
        scored = []
        for w in windows(begin, end, PLAN.sequence, PLAN.stride):
            with torch.no_grad():
                logits = net(ids[w.start : w.start + w.length][None])[0].double()
            for p in range(w.end - w.scored, w.end):
                row = logits[p - 1 - w.start]
                scored.append(float(torch.logsumexp(row, 0) - row[ids[p]]))
        if mix:
            for n, p in enumerate(range(begin, end)):
                each = [-scored[n], *told(grams, ids, p, net.vocabulary)]
                most = max(w + x for w, x in zip(weights, each, strict=True))
                total = most + math.log(sum(math.exp(w + x - most) for w, x in zip(weights, each, strict=True)))
                scored[n] = -total
                weights = [w + x - total for w, x in zip(weights, each, strict=True)]
            for p in range(begin, end):
                for k in range(ORDER):
                    if p >= k:
                        grams[k][tuple(ids[p - k : p].tolist())][int(ids[p])] += 1
        out += scored
        if adapt and i + 1 < len(parts):
            share = 0.5 * (1 + math.cos(math.pi * i / max(1, len(parts) - 1)))
            starts = list(range(begin - 1, end - 1, RECIPE.sequence))
            for _ in range(RECIPE.epochs):
                for s in range(0, len(starts), RECIPE.batch):
                    read = [ids[a : min(a + RECIPE.sequence, end - 1) + 1] for a in starts[s : s + RECIPE.batch]]
                    losses = [F.cross_entropy(net(x[None, :-1])[0], x[1:], reduction="sum") for x in read]
                    optimiser.zero_grad()
                    (torch.stack(losses).sum() / sum(len(x) - 1 for x in read)).backward()
                    torch.nn.utils.clip_grad_norm_(net.parameters(), RECIPE.clip)
                    for group in optimiser.param_groups:
                        group["lr"] = RECIPE.rate * share
                    optimiser.step()
    return torch.tensor(out, dtype=torch.float64)


def told(grams: list[dict[tuple[int, ...], Counter[int]]], ids: Tensor, p: int, vocabulary: int) -> list[float]:
    """What n-grams of each order say of the token at p, in log-probabilities: Witten-Bell down to the uniform distribution."""
    probability, out = 1.0 / vocabulary, []
    for k in range(ORDER):
        seen = grams[k].get(tuple(ids[p - k : p].tolist())) if p >= k else None
        if seen:
            kinds, total = len(seen), sum(seen.values())
            probability = (seen[int(ids[p])] + kinds * probability) / (total + kinds)
        out.append(math.log(probability))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shard")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument(
        "--device", default="cpu", help="cuda: ours in bf16 there, the plain loops on the CPU all the same"
    )
    o = parser.parse_args()
    plan = replace(PLAN, autocast=None if o.device == "cpu" else torch.bfloat16)
    stream, table = Tokens.open(o.shard), byte_count.load(o.tokenizer)
    ids = torch.from_numpy(stream[: o.tokens].astype("int64"))
    sizes = torch.from_numpy(byte_count.TableBytes(table, stream).between(0, o.tokens))
    whole = float(sizes[1:].sum()) * math.log(2)
    for name, adapt, mix in (("sliding", False, False), ("ttt", True, False), ("ttt+hedge", True, True)):
        plain = float(naive(network(len(table)), ids, adapt=adapt, mix=mix).sum()) / whole
        for batch in (1, PLAN.batch, 64):
            net = network(len(table)).to(o.device)
            own = evaluate(
                net, ids[None].to(o.device), sizes[None].to(o.device), replace(plan, batch=batch),
                adapter=Tuned(net, RECIPE, autocast=plan.autocast) if adapt else None,
                mixer=Mixed(hedge(len(table), device=o.device)) if mix else None,
                score=quick(net, ids[None].to(o.device), replace(plan, batch=batch)),
            ).totals  # fmt: skip
            print(
                f"{name:10} batch {batch:3}: naive {plain:.12f}  evaluator {own.bpb:.12f}  difference {own.bpb - plain:+.1e}"
            )


if __name__ == "__main__":
    main()
