"""What a run is made on: GPUs, driver, processor, memory, versions of the libraries that matter."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, field
from glob import glob
from importlib.metadata import PackageNotFoundError, version

from auditor.submission.base import UsageError

LIBRARIES = ("torch", "triton", "flash-attn", "flash-attn-3", "flash-attn-4", "numpy", "sentencepiece")
QUERY = ("--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits")
PATIENCE = 30  # seconds that the driver's tool may take


@dataclass(frozen=True)
class Machine:
    """`gpus`: their names, in the driver's order. `visible`: what CUDA_VISIBLE_DEVICES leaves of them, "" for all."""

    gpus: tuple[str, ...] = ()
    driver: str = ""
    visible: str = ""
    cpu: str = ""
    cores: int = 1
    memory_bytes: int = 0
    python: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def device(self) -> str:
        """In words, e.g. "2x NVIDIA H200"."""
        if not self.gpus:
            return self.cpu or "a CPU"
        names = dict.fromkeys(self.gpus)
        return " + ".join(f"{self.gpus.count(n)}x {n}" for n in names)


def machine() -> Machine:
    """This machine. No library is imported for it."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    gpus, driver = graphics()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if visible:
        chosen = [v for v in visible.split(",") if v.strip() and not v.strip().startswith("-")]
        named = [gpus[int(v)] if v.strip().isdecimal() and int(v) < len(gpus) else "GPU" for v in chosen]
        gpus = tuple(named) if gpus else ()
    return Machine(
        gpus=gpus,
        driver=driver,
        visible=visible if gpus else "",
        cpu=processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        python=platform.python_version(),
        versions=versions,
    )


def graphics() -> tuple[tuple[str, ...], str]:
    """(names of the NVIDIA GPUs, version of the driver); the device files are counted where its tool is missing."""
    tool = shutil.which("nvidia-smi")
    if tool:
        try:
            said = subprocess.run([tool, *QUERY], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            said = ""
        rows = [line.split(", ") for line in said.splitlines() if line.count(", ") >= 2]
        if rows:
            return tuple(f"{r[0]} ({int(r[2]) // 1024} GiB)" if r[2].isdecimal() else r[0] for r in rows), rows[0][1]
    return tuple("NVIDIA GPU" for _ in glob("/dev/nvidia[0-9]*")), ""


def processor() -> str:
    """The processor's name."""
    try:
        with open("/proc/cpuinfo", errors="replace") as f:
            for line in f:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def ranks_for(present: int, wanted: int | None, claimed: int) -> int:
    """How many ranks to start: as asked for, else the most that divide the claimed run's, whose batch they share.

    Raises UsageError for more ranks than GPUs.
    """
    if wanted is not None:
        if wanted > present:
            raise UsageError(f"--gpus {wanted}: this machine has {present}")
        return wanted
    return max((n for n in range(1, present + 1) if claimed % n == 0), default=1)
