"""Speed of a Hedge mixture over a network and 1- to 5-grams: `python benchmarks/mixing.py [--tokens FILE]`.

Network logits are random, V = 1024; tokens are a challenge shard's if one is given, else drawn with habits of their
own. One run measures, chunk by chunk and side by side on the same device: the network's log-probabilities alone, the
whole mixture scored and learned (counts that grow token by token, and by chunk), and the dense alternative, whole rows
of every expert mixed for every token. Ratios are of times from this run. Figures hold for the counts reached so far:
later chunks search larger tables.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from evaluator.mixing.experts import Given, Network, NgramExperts, logp_of_logits
from evaluator.mixing.mixture import Mixture
from evaluator.mixing.ngram import Ngram, Smoothing, contexts_of

VOCAB, ORDER = 1024, 5
SMOOTHING = Smoothing("absolute", 0.7)


def shard(path: Path, count: int) -> torch.Tensor:
    """The first `count` tokens of a shard: (n,) int64."""
    return torch.from_numpy(np.fromfile(path, dtype="<u2", offset=1024, count=count).astype(np.int64))


def drawn(count: int) -> torch.Tensor:
    """Tokens with a skewed frequency, a third of them set by the two before: (count,) int64."""
    generator = np.random.default_rng(0)
    ids = (generator.zipf(1.2, count) - 1) % VOCAB
    for t in np.flatnonzero(generator.random(count) < 0.33)[2:]:
        ids[t] = (ids[t - 1] * 31 + ids[t - 2]) % VOCAB
    return torch.from_numpy(ids.astype(np.int64))


def seconds(device: torch.device, work: Callable[[], object]) -> float:
    """Time of `work`: by the clock on a GPU, its queue emptied before and after; in processor seconds on the CPU.

    Those add up all threads, and a busy machine disturbs them little.
    """
    if device.type == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(device: torch.device, tokens: torch.Tensor, chunk: int, dense: int) -> None:
    """Prints one table for a device."""
    tokens = tokens.to(device)
    contexts = contexts_of(tokens, ORDER)
    parts = torch.arange(len(tokens), device=device).split(chunk)
    torch.manual_seed(0)
    logits = torch.randn(
        (chunk, VOCAB), device=device, dtype=torch.bfloat16 if device.type == "cuda" else torch.float32
    )

    def ngram() -> Ngram:
        return Ngram(VOCAB, ORDER, SMOOTHING, device=device)

    online = Mixture([Network(), NgramExperts(ngram())], device=device)
    frozen = Mixture([Network(), NgramExperts(ngram(), online=False)], device=device)
    times: dict[str, list[float]] = {"network's score alone": [], "mixture, by token": [], "mixture, by chunk": []}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def run(mixture: Mixture, part: torch.Tensor) -> None:
        made = mixture.chunk(contexts[part], tokens[part], logits[: len(part)])
        made.score()
        made.learn()

    for part in parts:
        times["network's score alone"].append(
            seconds(device, partial(logp_of_logits, logits[: len(part)], tokens[part]))
        )
        times["mixture, by token"].append(seconds(device, partial(run, online, part)))
        times["mixture, by chunk"].append(seconds(device, partial(run, frozen, part)))
    head = parts[-1][:dense]
    of_rows = Given(contexts[head], logits[: len(head)])

    def rows() -> None:
        weights = online.hedge.log_weights[0]
        total = torch.full((len(head), VOCAB), -torch.inf, dtype=torch.float64, device=device)
        for i, (_, row) in enumerate(online.rows(of_rows, None)):
            total = torch.logaddexp(total, row + weights[i])

    seconds(device, rows)
    dense_rate = len(head) / seconds(device, rows)
    name = (
        torch.cuda.get_device_name()
        if device.type == "cuda"
        else f"{platform.processor() or 'CPU'}, {torch.get_num_threads()} threads"
    )
    print(
        f"\n{name}: V {VOCAB}, {len(tokens):,} tokens in chunks of {chunk:,}, logits {logits.dtype}, "
        f"torch {torch.__version__}\n"
    )
    unit = "s" if device.type == "cuda" else "processor second"
    print(
        f"| what | tokens/{unit}, after the first chunk | last chunk | mixture's time / this one's |\n|---|---:|---:|---:|"
    )
    later = {k: v[1:] if len(v) > 1 else v for k, v in times.items()}
    counted = sum(len(p) for p in (parts[1:] or parts))
    whole = sum(later["mixture, by token"])
    for what, spent in later.items():
        print(
            f"| {what} | {counted / sum(spent):,.0f} | {len(parts[-1]) / spent[-1]:,.0f} | {whole / sum(spent):.2f} |"
        )
    print(
        f"| every row of every expert, {len(head):,} tokens | {dense_rate:,.0f} | "
        f"| {dense_rate * whole / counted:.3f} |"
    )
    print(f"\ncold: first chunk by token {times['mixture, by token'][0]:.2f} s", end="")
    for mixture, how in ((online, "by token"), (frozen, "by chunk")):
        print(f"\n{how}: {mixture.hedge.regret().text()}; largest mass error {mixture.mass_error:.1e}")
    tables = sum(e.ngram.nbytes for e in online.experts if isinstance(e, NgramExperts))
    peak = (
        torch.cuda.max_memory_allocated()
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    print(
        f"memory: counts {tables / 1e6:,.0f} MB ({tables / len(tokens):.0f} bytes a token), "
        f"peak of the run {peak / 1e6:,.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=Path, help="a shard of tokens below 1024")
    parser.add_argument("--chunks", type=int, default=8, help="how many")
    parser.add_argument("--chunk", type=int, default=32768, help="tokens in a chunk")
    parser.add_argument("--dense", type=int, default=2048, help="tokens for which whole rows are made")
    options = parser.parse_args()
    count = options.chunks * options.chunk
    tokens = shard(options.tokens, count) if options.tokens else drawn(count)
    measure(torch.device("cpu"), tokens, options.chunk, options.dense)
    if torch.cuda.is_available():
        measure(torch.device("cuda"), tokens, options.chunk, options.dense)
    else:
        print("\nno CUDA device: nothing measured there")


if __name__ == "__main__":
    main()
