"""What the ledger costs a run, paired: `python benchmarks/trace_overhead.py --repo CLONE (--prs N,N-M | --sample N) [--pairs N]`.

Each entry script is run small in the sandbox, without and with the ledger, one right after the other. The stand-ins and the
virtual clock are there both times: the ratio is what keeping the books costs. Processor seconds, so that a busy machine
disturbs it little; memory is the peak of the whole run.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from auditor.gather import gather
from auditor.submission import Repo, Target, all_prs, resolve
from auditor.submission.base import NothingToAudit
from auditor.sweep import parse_range
from auditor.trace.attempts import attempt
from auditor.trace.collect import job
from auditor.trace.execute import Job, trace
from auditor.trace.sandbox import Outcome
from auditor.trace.ways import Ways


def jobs(repo: Repo, numbers: list[int], wall_s: float) -> Iterator[tuple[str, Job]]:
    for n in numbers:
        try:
            folders = list(resolve(Target(repo=repo.path, pr=n), repo=repo))
        except NothingToAudit:
            continue
        for folder in folders:
            e = gather(folder)
            entry = e.package.entry
            if entry is not None and entry.text and not entry.syntax_error:
                yield f"#{n}", job(e, folder, entry, Ways(wall_s=wall_s))


def pair(work: Job) -> tuple[Outcome, Outcome] | None:
    """The same run without and with the ledger; None if one of them failed."""
    plain = trace(replace(work, ledger=False)).outcome
    kept = trace(work).outcome
    return (plain, kept) if plain.ok and kept.ok else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", type=Path, required=True, help="a clone with pull request heads")
    parser.add_argument("--prs", default="", help="which pull requests: 5,8,20-30")
    parser.add_argument("--sample", type=int, default=12, help="or so many at random")
    parser.add_argument("--seed", type=int, default=1, help="of the random choice")
    parser.add_argument("--pairs", type=int, default=1, help="of each script")
    parser.add_argument("--wall", type=float, default=120.0, help="seconds that a run may take")
    options = parser.parse_args()
    ratios: list[float] = []
    memory: list[float] = []
    print("| script | without, s | with, s | ratio | without, MB | with, MB |\n|---|---:|---:|---:|---:|---:|")
    with Repo(options.repo) as repo:
        known = [n for n, _ in all_prs(repo)]
        wanted = parse_range(options.prs) if options.prs else random.Random(options.seed).sample(known, options.sample)
        for name, work in jobs(repo, sorted(n for n in known if n in wanted), options.wall):
            work, first = attempt(work)
            if not first.outcome.ok:
                print(f"| {name} | {first.outcome.words()} | | | | |", flush=True)
                continue
            for _ in range(options.pairs):
                if (found := pair(work)) is None:
                    continue
                plain, kept = found
                ratios.append(kept.cpu_s / plain.cpu_s)
                memory.append(kept.peak_memory / plain.peak_memory)
                print(
                    f"| {name} | {plain.cpu_s:.1f} | {kept.cpu_s:.1f} | {ratios[-1]:.2f} "
                    f"| {plain.peak_memory / 1e6:.0f} | {kept.peak_memory / 1e6:.0f} |",
                    flush=True,
                )
    if ratios:
        print(
            f"\n{len(ratios)} pairs: median ratio {statistics.median(ratios):.2f}, largest {max(ratios):.2f}; ", end=""
        )
        print(f"of memory {statistics.median(memory):.2f}, largest {max(memory):.2f}")


if __name__ == "__main__":
    main()
