"""Models as files: weights and the sizes of the network that they belong to. Nothing in such a file is executed.

Which networks there are is said by the entry points of the group "scorefirst.models": each is a function from sizes to a
module that is a `model.Model`. A package that brings a network of its own names it there.
"""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import torch
from torch import nn

FORMAT = "scorefirst artifact 1"
GROUP = "scorefirst.models"
LARGEST = 1 << 34  # bytes


class ArtifactError(ValueError):
    """A file that is no artifact, or not one of a network that is known: one sentence with the file and what to do."""


@dataclass(frozen=True)
class Artifact:
    model: nn.Module
    name: str
    shape: dict[str, Any]
    size: int  # bytes of the file


def save(path: Path, model: nn.Module, name: str, shape: dict[str, Any]) -> None:
    """Write an artifact: first beside it, then put in place whole."""
    beside = path.with_name(f".{path.name}.part")
    torch.save({"format": FORMAT, "model": name, "shape": shape, "weights": model.state_dict()}, beside)
    os.replace(beside, path)


def load(path: Path) -> Artifact:
    """The model of a file, on the CPU, in evaluation mode. Raises ArtifactError."""
    if not path.is_file():
        raise ArtifactError(f"{path} is no file: give an artifact that `evaluator.artifact.save` or the trainer wrote")
    size = path.stat().st_size
    if size > LARGEST:
        raise ArtifactError(f"{path} has {size:,} bytes: artifacts of more than {LARGEST:,} are not read")
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError, AttributeError, OSError) as e:
        raise ArtifactError(
            f"{path} is no artifact, or a broken one: {str(e).splitlines()[0] if str(e) else e!r}"
        ) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ArtifactError(f"{path} is no artifact of this program: it does not say {FORMAT!r}")
    name, shape = data.get("model"), data.get("shape")
    known = {e.name: e for e in entry_points(group=GROUP)}
    if name not in known or not isinstance(shape, dict):
        raise ArtifactError(f"{path}: a network called {name!r} is not known here; known: {', '.join(sorted(known))}")
    try:
        model = known[name].load()(shape)
        model.load_state_dict(data["weights"])
    except (TypeError, ValueError, RuntimeError, KeyError, AttributeError, MemoryError) as e:
        raise ArtifactError(f"{path}: its weights do not fit its network: {str(e).splitlines()[0]}") from None
    return Artifact(model.eval(), name, shape, size)
