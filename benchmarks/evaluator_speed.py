"""The evaluator beside the loops that a submission carries: `python -m benchmarks.evaluator_speed SCRIPT SHARD [--seconds N]`.

One process, one GPU, the same weights (random) and the same tokens. SCRIPT is a train_gpt.py of the family that benchmarks/carried.py
knows, out of a clone; SHARD a .bin of tokens. Prints one JSON object: tokens/s after warm-up, cold start, peak memory, the share of
the ceiling that this card's matrix products reach, and bpb of both, which are of random weights and only have to agree.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import carried
from evaluator.adapt import Recipe, Tuned
from evaluator.calibrate import ceiling
from evaluator.compiled import Fast
from evaluator.evaluate import Plan, evaluate
from evaluator.mixed import Mixed, hedge
from evaluator.model import nats


def timed(f: Callable[[], Any]) -> tuple[float, Any]:
    torch.cuda.synchronize()
    began = time.perf_counter()
    out = f()
    torch.cuda.synchronize()
    return time.perf_counter() - began, out


def work(shape: Any, length: int) -> float:
    """FLOPs of one pass over one token in a window of that length, head and causal half of attention included."""
    w, n = shape.width, len(shape.passes)
    each = 2 * w * w * (2 + 2 * shape.groups / shape.heads + 2 * shape.hidden) + 2 * length * w
    return float(n * each + 2 * w * shape.vocabulary)


def halved(net: Any) -> Any:
    """The types that the script's own evaluation gives its network: bf16, with matrices and small parameters in float32."""
    net = net.cuda().bfloat16()
    for name, p in net.named_parameters():
        if "bank" in name or "proj" in name or p.ndim < 2:
            p.data = p.data.float()
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=Path)
    parser.add_argument("shard", type=Path)
    parser.add_argument("--batches", type=int, default=100, help="batches of 32 windows for the script's sliding loop")
    parser.add_argument("--chunks", type=int, default=4, help="chunks of 32,768 tokens for adaptation")
    parser.add_argument("--batch", type=int, default=64, help="windows side by side in ours")
    parser.add_argument("--only", default="sliding,ttt,mixer")
    o = parser.parse_args()
    names = carried.definitions(o.script)
    args = names["Hyperparameters"]()
    args.train_seq_len, stride = 2048, 64
    ids = torch.from_numpy(np.fromfile(o.shard, dtype="<u2", offset=1024).astype(np.int64))
    out: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "ceiling": ceiling().flops,
    }
    luts = (
        torch.ones(1024, dtype=torch.int16, device="cuda"),
        *(torch.zeros(1024, dtype=torch.bool, device="cuda") for _ in "ab"),
    )

    def theirs(loop: str, tokens: Tensor, net: nn.Module, **more: Any) -> Callable[[], tuple[float, float]]:
        return lambda: names[loop](
            args, net, 0, 1, torch.device("cuda"), tokens, *luts, stride=stride, batch_seqs=32, **more
        )

    def our(tokens: Tensor, plan: Plan, net: Any, fast: Fast, recipe: Recipe | None = None) -> Callable[[], Any]:
        row = tokens.cuda()[None]

        def go() -> Any:
            adapter = Tuned(net, recipe, autocast=torch.bfloat16) if recipe else None
            return evaluate(net, row, torch.ones_like(row), plan, adapter=adapter, score=fast).totals

        return go

    def measure(what: str, first: Callable[[], Any], then: Callable[[], Any], tokens: int) -> None:
        torch.cuda.reset_peak_memory_stats()
        cold, _ = timed(first)
        warm, found = timed(then)
        loss = found[0] if isinstance(found, tuple) else found.loss
        memory = torch.cuda.max_memory_allocated() / 1e9
        out[what] = {"cold_s": cold, "seconds": warm, "tokens_per_s": tokens / warm, "loss": loss, "memory_gb": memory}
        print(what, out[what], file=sys.stderr, flush=True)

    plan = Plan(2048, stride, batch=o.batch)
    repeated = tuple(int(x) for x in args.recur_layers_str.split(",") if x.strip())
    if "sliding" in o.only:
        peer = halved(carried.other(names, repeated))
        net = carried.ours(peer, names, scale=1.0).cuda().bfloat16()
        n = 32 * stride * o.batches
        few, many = ids[: 32 * stride * 2 + 1], ids[: n + 1]
        fast = Fast(net)

        def first() -> Any:
            fast.warm(few[None, :2048].cuda().expand(o.batch, -1), stride)
            return our(few, plan, net, fast)()

        measure("ours sliding", first, our(many, plan, net, fast), n)
        measure("their sliding", theirs("eval_val_sliding", few, peer), theirs("eval_val_sliding", many, peer), n)
        out["work"] = work(net.shape, 2048) * 2048 / stride
        out["share ours"] = out["work"] * out["ours sliding"]["tokens_per_s"] / out["ceiling"]
        out["share theirs"] = out["work"] * out["their sliding"]["tokens_per_s"] / out["ceiling"]
        out["sliding ratio"] = out["ours sliding"]["tokens_per_s"] / out["their sliding"]["tokens_per_s"]
        del peer, net, fast
        torch.cuda.empty_cache()
    if "ttt" in o.only:
        args.use_mixer = False
        peer = halved(carried.other(names, repeated))
        net = carried.ours(peer, names, scale=1.0).cuda()
        n = 32768 * o.chunks
        few, many = ids[: 32768 + 2049], ids[: n + 1]
        recipe = Recipe(
            rate=args.ttt_lr, momentum=args.ttt_momentum, epochs=args.ttt_epochs, batch=args.ttt_batch_seqs, clip=1.0
        )
        adapt = Plan(2048, stride, chunk=32768, batch=o.batch, autocast=torch.bfloat16)
        fast = Fast(net, torch.bfloat16)
        measure("ours ttt", our(few, adapt, net, fast, recipe), our(many, adapt, net, fast, recipe), n)
        quiet = {"log0": lambda *a, **k: None}
        measure(
            "their ttt",
            theirs("eval_val_sliding_ttt", few, peer, **quiet),
            theirs("eval_val_sliding_ttt", many, peer, **quiet),
            n,
        )
        out["ttt ratio"] = out["ours ttt"]["tokens_per_s"] / out["their ttt"]["tokens_per_s"]
    if "mixer" in o.only:
        out |= mixers(names, args, ids, stride)
    print(json.dumps(out, indent=1))


def mixers(names: dict[str, Any], args: Any, ids: Tensor, stride: int, chunk: int = 32768) -> dict[str, Any]:
    """Both mixers over the second of two chunks, logits given: scored, weights learnt, counts learnt. tokens/s of scored tokens."""
    device, v = torch.device("cuda"), 1024
    ids = ids[: 2 * chunk + 1].cuda()
    starts = torch.arange(chunk + stride - 2048, 2 * chunk + stride - 2048, stride, device=device)
    logits = torch.randn(32, 2048, v, device=device, dtype=torch.bfloat16)
    theirs = names["LogisticContextMixer"](vocab_size=v, device="cuda", eta=args.mixer_eta)

    def other(at: int) -> float:
        """A chunk, windows by 32; the last `stride` positions of each count."""
        total = torch.zeros((), dtype=torch.float64, device=device)
        for s in (starts + at).split(32):
            read = ids[s[:, None] + torch.arange(2049, device=device)]
            nll, each = theirs.mix_and_score(logits[: len(s)].float(), read[:, :-1], read[:, 1:], [2048] * len(s))
            theirs.update_weights(each, [2048] * len(s))
            total += nll[:, -stride:].double().sum()
        theirs.update(ids[chunk + at : 2 * chunk + at + 1])
        return float(total)

    own = Mixed(hedge(v, device="cuda"))
    few = logits.flatten(0, 1)[: 32 * stride]

    def mine(at: int) -> float:
        begin = 1 + chunk + at
        each = [
            nats(few[: min(len(few), chunk - a)], ids[begin + a : begin + a + len(few)])
            for a in range(0, chunk, len(few))
        ]
        found = own.score(torch.cat(each)[None], ids[None, max(0, begin - 64) : begin + chunk])
        own.learn()
        return float(found.sum())

    out: dict[str, Any] = {}
    for name, go in (("their mixer", other), ("our mixer", mine)):
        if name == "their mixer":
            theirs.update(ids[: chunk + 1])
        else:
            mine(-chunk)
        torch.cuda.reset_peak_memory_stats()
        timed(lambda go=go: go(0))  # type: ignore[misc]
        seconds, nll = timed(lambda go=go: go(0))  # type: ignore[misc]
        memory = torch.cuda.max_memory_allocated() / 1e9
        out[name] = {"tokens_per_s": chunk / seconds, "loss": nll / chunk, "memory_gb": memory}
    out["mixer ratio"] = out["our mixer"]["tokens_per_s"] / out["their mixer"]["tokens_per_s"]
    return out


if __name__ == "__main__":
    main()
