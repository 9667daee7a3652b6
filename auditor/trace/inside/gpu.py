"""A GPU that is there: its own API answers, but for what a run must not depend on and what no mode would see.

Time is the script's own clock, not the card's. Graphs are not captured: their replay shows no operation to a mode. Sums are made
in one order, so that two equal runs give equal scores.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from . import cuda


def install(gpus: int = 1) -> None:
    _in_order()
    cuda.infer()
    torch.cuda.CUDAGraph = cuda.Graph  # type: ignore[misc, assignment]
    torch.cuda.graph = cuda.nothing  # type: ignore[misc, assignment]
    torch.cuda.make_graphed_callables = lambda callables, *a, **k: callables
    if gpus > 1:
        torch.cuda.device_count = lambda: gpus
    _timed(torch.cuda.Event)


def _in_order() -> None:
    os.putenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for the library, not for the script to see
    asked = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[assignment]
    ask = torch.use_deterministic_algorithms

    def use(mode: bool, *, warn_only: bool = False) -> None:
        nonlocal asked
        asked = mode
        ask(True, warn_only=warn_only or not mode)

    torch.use_deterministic_algorithms = use
    torch.are_deterministic_algorithms_enabled = lambda: asked


def _timed(event: Any) -> None:
    """The moments of events are the clock's; they still order the work of streams."""
    import time

    record = event.record

    def recorded(self: Any, stream: Any = None) -> None:
        self.at = time.perf_counter()
        record(self, *(() if stream is None else (stream,)))

    event.record = recorded
    event.elapsed_time = lambda self, end: (end.at - self.at) * 1e3
