"""A model made fast on a GPU: what repeats is compiled once, and a whole pass is captured as one CUDA graph per shape."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor, nn
from torch.compiler import set_stance
from torch.nn.attention import SDPBackend, sdpa_kernel

KERNELS = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]  # the first that takes the tensors
WARM = 2  # passes before the capture
RARE = 3  # a shape seen less often is not worth compiling


class Fast:
    """Called like the model, on a GPU: tokens (B, T), how many of the last -> logits.

    A shape that keeps coming is compiled and captured, and smaller batches of it are filled up; others, such as the first window of a
    stream, pass through the model as it is. The logits are valid until the next call. Parameters may change in place between calls, and may not
    be replaced.
    """

    def __init__(self, model: nn.Module, autocast: torch.dtype | None = None) -> None:
        quicken(model)
        self.model, self.autocast = model, autocast
        self.graphs: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}
        self.seen: Counter[tuple[int, int]] = Counter()

    def __call__(self, tokens: Tensor, last: int) -> Tensor:
        b, t = tokens.shape
        found = self.graphs.get((t, last))
        if found is None or found[1].shape[0] < b:
            self.seen[t, last] += 1
            if self.seen[t, last] < RARE:
                return self.plain(tokens, last)
            self.warm(tokens, last)
            found = self.graphs[t, last]
        graph, given, logits = found
        given[:b].copy_(tokens)
        graph.replay()
        return logits[:b]

    def warm(self, tokens: Tensor, last: int) -> None:
        """Compile and capture a shape that will come often."""
        self.graphs[tokens.shape[1], last] = self.captured(tokens, last)

    def plain(self, tokens: Tensor, last: int) -> Tensor:
        with torch.no_grad(), sdpa_kernel(KERNELS, set_priority=True), self.casting(), set_stance("force_eager"):
            return self.model(tokens, last)

    def captured(self, tokens: Tensor, last: int) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor]:
        given = tokens.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.no_grad(), sdpa_kernel(KERNELS, set_priority=True), self.casting():
            with torch.cuda.stream(side):
                for _ in range(WARM):
                    self.model(given, last)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                logits = self.model(given, last)
        return graph, given, logits

    def casting(self) -> torch.autocast:
        # Without the cache, weights are cast in the graph and changes of theirs are seen.
        return torch.autocast("cuda", self.autocast or torch.bfloat16, self.autocast is not None, cache_enabled=False)


def quicken(model: nn.Module) -> None:
    """Compile the model's repeated parts: by its own `quicken`, or module by module in lists of one kind; else the whole of it."""
    own = getattr(model, "quicken", None)
    if callable(own):
        own()
        return
    lists = [
        m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) > 1 and len({type(x) for x in m}) == 1
    ]
    for part in max(lists, key=len, default=[model]):
        part.compile(dynamic=False)
