"""Whether programs can be run here at all."""

from __future__ import annotations

import os
import runpy
from importlib.util import find_spec

NEEDED = ("torch", "numpy", "sentencepiece")


def missing(device: str = "cpu") -> str:
    """What stands in the way of running a submission, in a sentence; "" if nothing does."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        return f"running a submission needs {', '.join(lacking)}: pip install 'scorefirst[run]'"
    if device == "cuda" and (why := no_gpu()):
        return why
    from auditor.trace.sandbox import NoSandbox, mode

    try:
        mode()
    except NoSandbox as e:
        return str(e)
    return ""


def no_gpu() -> str:
    """Why no GPU can be used; torch itself is not imported for that, which takes seconds."""
    if not os.path.exists("/dev/nvidiactl"):
        return "--device cuda needs an NVIDIA GPU, and this machine has none"
    torch = find_spec("torch")
    folder = next(iter(torch.submodule_search_locations or ()), "") if torch else ""
    version = os.path.join(folder, "version.py")
    if os.path.exists(version) and not runpy.run_path(version).get("cuda"):
        return "--device cuda needs a torch that was built for CUDA"
    return ""
