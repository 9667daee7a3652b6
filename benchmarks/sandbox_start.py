"""What the sandbox costs at the start, paired: `python benchmarks/sandbox_start.py [--pairs N]`.

Each pair runs the same small program twice, one right after the other: plainly (`subprocess.run`) and in the sandbox. The figures are
the median of the differences and of the ratios, so that a busy machine disturbs both alike. The differences include making and
removing the run's directories and reading its pipes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time

from auditor.trace.sandbox import Box, Mode, python_command, run, why_not


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    options = parser.parse_args()
    command = python_command("", code="print(1)")
    print("| mode | plain, ms | in the sandbox, ms | difference, ms | ratio |\n|---|---:|---:|---:|---:|")
    for mode in Mode:
        if why_not(mode):
            print(f"| {mode.value} | | | not here: {why_not(mode)} | |")
            continue
        plain, boxed = [], []
        for _ in range(options.pairs):
            start = time.perf_counter()
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
            middle = time.perf_counter()
            if not run(Box(), command, mode=mode).ok:
                raise SystemExit("the program failed in the sandbox")
            plain.append(middle - start)
            boxed.append(time.perf_counter() - middle)
        differences = [b - p for p, b in zip(plain, boxed, strict=True)]
        ratios = [b / p for p, b in zip(plain, boxed, strict=True)]
        figures = [1000 * statistics.median(x) for x in (plain, boxed, differences)]
        print(f"| {mode.value} | {' | '.join(f'{x:.0f}' for x in figures)} | {statistics.median(ratios):.1f} |")


if __name__ == "__main__":
    main()
