"""How the evaluation's time grows: `python -m benchmarks.evaluator_growth [--points 3]`.

Sliding windows with random weights over random tokens, each size changed on its own from a common point: tokens, stride, sequence length
and vocabulary. On a GPU a network of #745's shape, else a small one on the CPU. Prints tokens/s after a first pass, and the exponent
of the growth of time (1 is linear), fitted to the points of each size. Ranks: benchmarks/evaluator_scale.py.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.evaluator_scale import LARGE, SMALL, wait
from evaluator.evaluate import Plan, evaluate
from evaluator.run import quick
from reference.model import Network

GPU = {"tokens": 1 << 17, "stride": 64, "sequence": 2048, "vocabulary": 1024, "batch": 64}
CPU = {"tokens": 1 << 12, "stride": 64, "sequence": 256, "vocabulary": 1024, "batch": 16}


def seconds(sizes: dict[str, int], device: torch.device) -> float:
    """Of one evaluation, after one that compiles what is to be compiled."""
    torch.manual_seed(0)
    large = device.type == "cuda"
    net = Network(replace(LARGE if large else SMALL, vocabulary=sizes["vocabulary"])).to(device)
    tokens = torch.randint(sizes["vocabulary"], (1, sizes["tokens"] + 1), device=device)
    plan = Plan(sizes["sequence"], sizes["stride"], batch=sizes["batch"], autocast=torch.bfloat16 if large else None)
    score = quick(net, tokens, plan)
    counts = torch.ones_like(tokens)
    for n in (plan.sequence + 2 * plan.batch * plan.stride, sizes["tokens"]):
        part = tokens[:, : n + 1]
        wait(device)
        began = time.perf_counter()
        evaluate(net, part, counts[:, : n + 1], plan, score=score)
        wait(device)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=3, help="of each size, each twice the one before")
    o = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    base = GPU if device.type == "cuda" else CPU
    print(
        f"{torch.cuda.get_device_name() if device.type == 'cuda' else 'CPU'}, torch {torch.__version__}; from {base}\n"
    )
    print("| what | sizes | seconds | tokens/s | exponent |\n|---|---|---|---|---:|")
    for what in ("tokens", "stride", "sequence", "vocabulary"):
        points = [base[what] << i for i in range(o.points)]
        spent = [seconds({**base, what: n}, device) for n in points]
        many = [n if what == "tokens" else base["tokens"] for n in points]
        slope = float(np.polyfit(np.log(points), np.log(spent), 1)[0])
        print(
            f"| {what} | {', '.join(f'{n:,}' for n in points)} | {', '.join(f'{x:.2f}' for x in spent)} "
            f"| {', '.join(f'{n / x:,.0f}' for n, x in zip(many, spent, strict=True))} | {slope:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
