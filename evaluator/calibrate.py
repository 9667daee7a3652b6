"""What the challenge's machine would take, estimated from a measurement on another one. An estimate, never a measurement.

tokens/s are taken to grow with the matrix products that a device can do per second. That holds for work that these products
limit; memory, launches and exchange between GPUs grow otherwise, so each of the three unknowns has its own, stated, error and the
result is an interval.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

H100_SXM = 989e12  # bf16 multiply-adds x 2 per second, dense, by NVIDIA's data sheet
SHARE = (
    0.70,
    0.10,
)  # of that which large products reach in practice, and its uncertainty: assumed, 590 to 790 TFLOP/s
SCALING = (0.95, 0.05)  # of eight GPUs' sum that evaluation over independent windows keeps
TRANSFER = 0.20  # relative error of "tokens/s grow with matrix products" itself
SIZE, ROUNDS, WARM = 8192, 20, 3


@dataclass(frozen=True)
class Ceiling:
    """Matrix products on a device: FLOP/s at the median of some rounds, and how far rounds differ (half the range between quartiles)."""

    flops: float
    spread: float
    size: int
    rounds: int
    dtype: str
    device: str


@dataclass(frozen=True)
class Estimate:
    """Seconds that another machine would take for `tokens`, with the interval that the stated errors leave (about 95 %).

    `kind` is always "estimate". The inputs are kept beside it.
    """

    kind: str
    target: str
    seconds: float
    low: float
    high: float
    tokens: int
    tokens_per_s: float
    ranks: int
    ceiling: float
    target_flops: float
    relative_error: float
    assumptions: tuple[str, ...]

    def words(self) -> str:
        """In a sentence that says what it is."""
        return f"estimate, not a measurement: {self.seconds:.0f} s on {self.target} (between {self.low:.0f} and {self.high:.0f} s)"

    def json(self) -> str:
        """All of it as a JSON object."""
        return json.dumps(asdict(self), indent=2)


def ceiling(device: str = "cuda", size: int = SIZE, rounds: int = ROUNDS) -> Ceiling:
    """Measure bf16 products of two `size` x `size` matrices on a device, `rounds` times after a warm-up.

    Takes about half a second on a data-centre GPU; on a CPU, choose a `size` of a few hundred. Raises ValueError for a size or number below 1.
    """
    if size < 1 or rounds < 1:
        raise ValueError("a matrix product wants a size and a number of rounds of at least one")
    import torch

    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for i in range(WARM + rounds):
        taken = _product(torch, a, b, device)
        if i >= WARM:
            seconds.append(taken)
    seconds.sort()
    work = 2.0 * size**3
    quarter = rounds // 4
    fast, slow = seconds[quarter], seconds[rounds - 1 - quarter]
    name = torch.cuda.get_device_name(a.device) if a.is_cuda else "cpu"
    return Ceiling(work / median(seconds), (work / fast - work / slow) / 2, size, rounds, "bfloat16", name)


def _product(torch: Any, a: Any, b: Any, device: str) -> float:
    """Seconds of one product, by CUDA's own events on a GPU."""
    if not device.startswith("cuda"):
        began = time.perf_counter()
        torch.mm(a, b)
        return time.perf_counter() - began
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    torch.mm(a, b)
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1000


def calibrate(
    tokens_per_s: float,
    here: Ceiling,
    tokens: int,
    *,
    ranks: int = 1,
    target_gpus: int = 8,
    nominal: float = H100_SXM,
    share: tuple[float, float] = SHARE,
    scaling: tuple[float, float] = SCALING,
    measured_share: bool = False,
) -> Estimate:
    """The seconds that `target_gpus` H100 SXM would take for `tokens`, where `ranks` devices like `here` did `tokens_per_s` together.

    `share`: (part of the `nominal` FLOP/s that products reach there, its standard error); say `measured_share` where it was measured
    on such a GPU. `scaling`: the same of the GPUs' sum. Errors are standard errors, taken as independent and added in
    logarithms; the interval is two of them wide on each side. Raises ValueError for what is not positive.
    """
    if min(tokens_per_s, here.flops, tokens, ranks, target_gpus, nominal, share[0], scaling[0]) <= 0:
        raise ValueError("a calibration wants positive rates, tokens and numbers of devices")
    if min(share[1], scaling[1], here.spread) < 0:
        raise ValueError("errors must not be negative")
    reached = nominal * share[0]
    rate = tokens_per_s / ranks * (reached / here.flops) * target_gpus * scaling[0]
    parts = (share[1] / share[0], scaling[1] / scaling[0], here.spread / here.flops, TRANSFER)
    error = math.sqrt(math.fsum(p * p for p in parts))
    seconds = tokens / rate
    factor = math.exp(2 * error)
    return Estimate(
        kind="estimate",
        target=f"{target_gpus}x H100 SXM",
        seconds=seconds,
        low=seconds / factor,
        high=seconds * factor,
        tokens=tokens,
        tokens_per_s=tokens_per_s,
        ranks=ranks,
        ceiling=here.flops,
        target_flops=reached,
        relative_error=error,
        assumptions=(
            f"products reach {share[0]:.0%} ± {share[1]:.0%} of {nominal / 1e12:.0f} TFLOP/s there ({'measured' if measured_share else 'assumed'})",
            f"{target_gpus} GPUs keep {scaling[0]:.0%} ± {scaling[1]:.0%} of their sum (assumed)",
            f"tokens/s grow with matrix products, to ± {TRANSFER:.0%} (assumed)",
            f"here products reach {here.flops / 1e12:.4g} ± {here.spread / 1e12:.2g} TFLOP/s ({here.dtype}, measured on {here.device})",
        ),
    )
