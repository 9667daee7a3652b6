"""How long the source stage takes: `python benchmarks/source_speed.py [--repo CLONE (--prs N,N-M | --sample N --seed S)]`.

With a clone: processor seconds for each entry script, median and 95th percentile. Always: how the time grows
with the size of generated scripts, as ratios to the smallest one in the same run (each the better of two, since
a busy machine shows in processor time too). Nothing of a script is parsed before it is timed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from auditor.gather import gather
from auditor.source.collect import read_source
from auditor.source.plain.text import plain
from auditor.submission import Repo, Target, all_prs, resolve
from auditor.submission.base import NothingToAudit
from auditor.sweep import parse_range
from auditor.unpack.parse import parse
from rules.evidence import Evidence, Package, Script

SIZES = (50, 100, 200, 400, 500)  # kB
Part = Callable[[int], str]


def straight(n: int) -> str:
    return f"a_{n} = {n} * 3 + len('word {n}')\nb_{n} = a_{n} - {n}\nprint(f'step {{a_{n}}} of {{b_{n}}}')\n"


def functions(n: int) -> str:
    return f"""
def work_{n}(x, scale={n}):
    y = x * scale
    if y > {n}:
        y = y - 1
    return y

v_{n} = work_{n}({n})
"""


def classes(n: int) -> str:
    return f"""
class Layer{n}(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.w = nn.Linear(dim, {n})

    def forward(self, x):
        return x + self.w(x) * {n}

layer_{n} = Layer{n}(8)
out_{n} = layer_{n}(torch.zeros(8))
"""


def table(n: int) -> str:
    return f"    'name_{n}': ({n}, {n} * 2, 'text {n}'),\n"


def nested(n: int) -> str:
    return f"""
def deep_{n}(x):
    for i in range(x + 1):
        for j in range(x + 2):
            for k in range(x + 3):
                x = x + i * {n} + j * k
    return x

d_{n} = deep_{n}({n})
"""


KINDS: dict[str, tuple[str, Part, str]] = {
    "straight code": ("", straight, ""),
    "functions": ("", functions, ""),
    "classes": ("import torch\nfrom torch import nn\n", classes, ""),
    "one dict": ("table = {\n", table, "}\n"),
    "nested loops": ("", nested, ""),
}


def generated(kind: str, size: int) -> Evidence:
    """A folder with one script of about `size` kB."""
    head, part, tail = KINDS[kind]
    out, length, n = [head], 0, 0
    while length < size * 1000:
        out.append(part(n))
        length += len(out[-1])
        n += 1
    text = "".join([*out, tail])
    script = Script("train_gpt.py", role="entry", sha256="", size=len(text), text=text, shipped_text=text)
    return Evidence(package=Package("records/generated", scripts=(script,)))


def seconds(e: Evidence) -> tuple[float, bool]:
    """Processor seconds of the source stage, and whether it came to the end of the script."""
    parse.cache_clear()
    plain.cache_clear()
    start = time.process_time()
    program, _ = read_source(e)
    return time.process_time() - start, program is not None and program.finished


def heads(repo: Repo, numbers: list[int]) -> Iterator[Evidence]:
    for n in numbers:
        try:
            folders = list(resolve(Target(repo=repo.path, pr=n), repo=repo))
        except NothingToAudit:
            continue
        for folder in folders:
            e = gather(folder)
            if e.package.entry is not None:
                yield e


def chosen(repo: Repo, prs: str, sample: int, seed: int) -> list[int]:
    known = [n for n, _ in all_prs(repo)]
    if prs:
        wanted = parse_range(prs)
        return [n for n in known if n in wanted]
    return sorted(random.Random(seed).sample(known, min(sample, len(known))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", type=Path, help="a clone with pull request heads")
    parser.add_argument("--prs", default="", help="which pull requests: 5,8,20-30")
    parser.add_argument("--sample", type=int, default=60, help="or so many at random")
    parser.add_argument("--seed", type=int, default=1, help="of the random choice")
    options = parser.parse_args()
    seconds(generated("functions", 2))  # imports that wait for their first use
    if options.repo:
        with Repo(options.repo) as repo:
            numbers = chosen(repo, options.prs, options.sample, options.seed)
            took = [seconds(e) for e in heads(repo, numbers)]
        if took:
            spent = sorted(t for t, _ in took)
            late = spent[min(len(spent) - 1, int(0.95 * len(spent)))]
            print(f"{len(spent)} entry scripts, {sum(not done for _, done in took)} not followed to the end\n")
            print("| median | p95 | longest |\n|---:|---:|---:|")
            print(f"| {statistics.median(spent):.2f} s | {late:.2f} s | {spent[-1]:.2f} s |\n")
    print(f"| code | {SIZES[0]} kB | " + " | ".join(f"{s} kB" for s in SIZES[1:]) + " |\n|---|" + "---:|" * len(SIZES))
    for kind in KINDS:
        growth = [min(seconds(e), seconds(e)) for e in (generated(kind, s) for s in SIZES)]
        base = growth[0][0]
        cells = [f"{t / base:.1f}{'' if done else ' (stopped)'}" for t, done in growth[1:]]
        print(f"| {kind} | {base:.2f} s | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
