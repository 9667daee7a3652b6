"""One evaluation on 1, 2, … processes: `python -m benchmarks.evaluator_scale SHARD [--ranks 1,2,8] [--mode sliding|ttt|ttt+hedge]`.

A network of #745's shape (27 million parameters) with random weights, windows of 2,048 tokens, 64 apart; one GPU for each process, or the
CPU with a small network. Starts torchrun for each number of processes and prints one table: tokens/s, speed-up, cold start, memory, the
seconds that the challenge's 62,021,632 tokens would take at that speed, and the total in nats, which has to be the same in each row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evaluator import scale
from evaluator.adapt import Recipe, Tuned
from evaluator.evaluate import Plan, evaluate
from evaluator.mixed import Mixed, hedge
from evaluator.run import quick
from reference.model import Network, Shape

TOKENS = 62_021_632  # of the challenge's validation split
CHUNK = 32_768
LARGE = Shape(
    hidden=3.0, slope=0.5, repeated=(4, 5), exclusive=13, rotary=16, layer_scale=True, smear=True, bigrams=6144, value_layers=(9, 10),
    value_residual=True, gated=True,
)  # fmt: skip
SMALL = Shape(layers=3, width=64, heads=4, groups=2, rotary=8)


def one(shard: Path, mode: str, tokens: int, batch: int) -> dict[str, Any]:
    """What one rank does. The same on each, and rank 0 speaks."""
    ranks, device = scale.join()
    large = device.type == "cuda"
    torch.manual_seed(0)
    net = Network(LARGE if large else SMALL)
    for layer in net.layers:
        torch.nn.init.normal_(layer.out, std=0.02)
        torch.nn.init.normal_(layer.down, std=0.02)
    kind = torch.bfloat16 if large else None
    net = net.to(device)
    plan = Plan(2048 if large else 256, 64, CHUNK if large else 2048, batch, kind)
    ids = torch.from_numpy(np.fromfile(shard, dtype="<u2", offset=1024, count=tokens + 1).astype(np.int64)).to(device)
    row = ids[None]
    began = time.perf_counter()
    score = quick(net, row, plan)

    def go(part: torch.Tensor) -> Any:
        adapter = Tuned(net, Recipe(batch=8), ranks, kind) if "ttt" in mode else None
        mixer = Mixed(hedge(net.vocabulary, device=str(device))) if "hedge" in mode else None
        return evaluate(
            net, part, torch.ones_like(part), plan, adapter=adapter, mixer=mixer, ranks=ranks, score=score
        ).totals

    if adapts := "ttt" in mode:
        kept = {name: x.clone() for name, x in net.state_dict().items()}
    go(row[:, : plan.sequence + 2 * batch * plan.stride + (2 * plan.chunk if adapts and plan.chunk else 0)])
    wait(device)
    cold = time.perf_counter() - began
    if adapts:
        net.load_state_dict(kept)
    began = time.perf_counter()
    totals = go(row)
    wait(device)
    return {
        "ranks": ranks.world, "rank": ranks.rank, "cold": cold, "seconds": time.perf_counter() - began, "nats": totals.nats, "tokens": totals.tokens,
        "device": torch.cuda.get_device_name() if large else "CPU", "torch": torch.__version__,
        "memory": torch.cuda.max_memory_allocated() / 1e9 if large else 0.0,
    }  # fmt: skip


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shard", type=Path)
    parser.add_argument("--ranks", default="1", help="numbers of processes, one GPU each")
    parser.add_argument("--mode", default="sliding", choices=("sliding", "ttt", "ttt+hedge"))
    parser.add_argument("--tokens", type=int, default=1 << 19)
    parser.add_argument("--batch", type=int, default=64, help="windows side by side on each rank")
    o = parser.parse_args()
    if "LOCAL_RANK" in os.environ:
        found = one(o.shard, o.mode, o.tokens, o.batch)
        scale.leave()
        if not found["rank"]:
            print(json.dumps(found), flush=True)
        return
    rows = []
    for n in o.ranks.split(","):
        done = subprocess.run(
            [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", n, "-m", "benchmarks.evaluator_scale", *sys.argv[1:]],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        rows.append(json.loads(done.stdout.strip().splitlines()[-1]))
    first = rows[0]
    print(f"{first['device']}, torch {first['torch']}, {o.mode}, {first['tokens']:,} tokens\n")
    print(
        "| processes | tokens/s | speed-up | cold, s | memory, GB | 62,021,632 tokens, s | nats |\n|---:|---:|---:|---:|---:|---:|---:|"
    )
    for r in rows:
        rate = r["tokens"] / r["seconds"]
        print(
            f"| {r['ranks']} | {rate:,.0f} | {first['seconds'] / r['seconds']:.2f} | {r['cold']:.1f} | {r['memory']:.1f} "
            f"| {TOKENS / rate:,.1f} | {r['nats']!r} |"
        )


if __name__ == "__main__":
    main()
