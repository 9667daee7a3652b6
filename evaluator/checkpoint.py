"""What is needed to go on with an evaluation that was interrupted, to the same total."""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evaluator.evaluate import Mixer, Result
from evaluator.past import Adapter
from evaluator.totals import Totals

EVERY_S = 30.0


class CheckpointError(ValueError):
    """A file that cannot be gone on from: one sentence with the file and what to do."""


def fingerprint(model: nn.Module, tokens: Tensor, *plan: Any) -> str:
    """Of the weights that an evaluation begins with, its tokens and its settings."""
    h = hashlib.sha256(repr(plan).encode())
    for name, t in sorted(model.state_dict().items()):
        h.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        h.update(t.detach().cpu().contiguous().view(torch.uint8).numpy() if t.numel() else b"")
    h.update(tokens.cpu().contiguous().numpy())
    return h.hexdigest()


@dataclass
class Checkpoint:
    """Keeps an evaluation in a file. `of`: its fingerprint; a file of another one is refused."""

    path: Path
    of: str
    model: nn.Module
    tokens: Tensor  # (K, L), as they are evaluated
    adapter: Adapter | None = None
    mixer: Mixer | None = None
    every: float = EVERY_S
    last: float = field(default_factory=time.monotonic)

    def begin(self) -> Result:
        """The result so far, with model and adapter as they were; a new one if there is no file."""
        if not self.path.exists():
            return Result()
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
            of, chunks, curve = kept["of"], int(kept["chunks"]), [Totals(*t) for t in kept["curve"]]
            totals, weights, adapter, mixer = (
                Totals(*kept["totals"]),
                kept["weights"],
                kept["adapter"],
                kept["mixer"],
            )
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, OSError):
            raise CheckpointError(
                f"{self.path} is no state of an evaluation, or a broken one: remove it to begin anew"
            ) from None
        if of != self.of:
            raise CheckpointError(
                f"{self.path} belongs to another model, text or plan: remove it, or give another name"
            )
        if weights:
            self.model.load_state_dict(weights)
        if self.adapter is not None:
            self.adapter.resume(adapter)
        if self.mixer is not None:
            self.mixer.resume(mixer, self.tokens[:, : 1 + totals.tokens // len(self.tokens)])
        return Result(totals, curve, chunks)

    def after(self, r: Result) -> None:
        if time.monotonic() - self.last >= self.every:
            self.keep(r)

    def keep(self, r: Result) -> None:
        adapts = self.adapter is not None
        beside = self.path.with_name(f".{self.path.name}.part")
        kept = {
            "of": self.of,
            "chunks": r.chunks,
            "totals": (r.totals.nats, r.totals.tokens, r.totals.bytes),
            "curve": [(t.nats, t.tokens, t.bytes) for t in r.curve],
            "weights": self.model.state_dict() if adapts else {},
            "adapter": self.adapter.state() if self.adapter is not None else {},
            "mixer": self.mixer.state() if self.mixer is not None else {},
        }
        torch.save(kept, beside)
        os.replace(beside, self.path)
        self.last = time.monotonic()

    def done(self) -> None:
        self.path.unlink(missing_ok=True)
