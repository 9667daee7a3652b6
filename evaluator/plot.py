"""A picture of bits per byte along the stream."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from evaluator.totals import Totals


def points(curve: Sequence[Totals]) -> tuple[list[float], list[float], list[float]]:
    """(tokens so far, bpb of each part, bpb of all up to it), where there are bytes."""
    x, each, whole = [], [], []
    total = Totals()
    for part in curve:
        total += part
        if part.bytes:
            x.append(float(total.tokens))
            each.append(part.bpb)
            whole.append(total.bpb)
    return x, each, whole


def draw(path: Path, curves: Mapping[str, Sequence[Totals]]) -> None:
    """Write the curves to `path`: SVG or PNG, by its ending. Needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for i, (name, curve) in enumerate(curves.items()):
        x, each, whole = points(curve)
        axes.plot(x, each, ".", ms=3, alpha=0.35, color=f"C{i}")
        end = whole[-1] if whole else math.nan
        axes.plot(x, whole, color=f"C{i}", label=f"{name}: {end:.4f}")
    axes.set_xlabel("scored tokens")
    axes.set_ylabel("bits per byte")
    axes.grid(alpha=0.3)
    axes.legend(title="up to here (dots: each part)")
    figure.savefig(path)
    plt.close(figure)
