"""What a number costs in time, phase by phase, and what 8x H100 would take by estimate.

A `Clock` puts every second from the start of the process into one phase. Two accountings of the challenge's 600 s follow: the scored
function alone (scoring and adaptation), and everything from the start of the process to the last number. GPU work is waited for
at the ends of each phase, so that a phase holds its own work and not what the one before left in the queue.

What another machine would take is estimated in `calibrate.py`.
"""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

CAP_S = 600.0  # of the challenge, for training and for evaluation
LIBRARIES = ("torch", "triton", "flash-attn", "flash-attn-3", "flash-attn-4", "numpy", "sentencepiece")


class Phase(StrEnum):
    """What a stretch of time was spent on."""

    START = "start"  # the process itself: interpreter, imports
    LOADING = "loading"  # tokens, weights, byte tables
    WARMUP = "warm-up"  # compiling, tuning, capturing
    SCORING = "scoring"  # the evaluation that makes the number
    ADAPTATION = "adaptation"  # learning from tokens that were scored
    DIAGNOSTICS = "diagnostics"  # further numbers, checks, reports
    OTHER = "other"  # between phases


SCORED = (Phase.SCORING, Phase.ADAPTATION)


@dataclass(frozen=True)
class Device:
    """What a run was made on. `total_memory`: bytes of one GPU; `cuda` and `driver` are "" without one."""

    name: str
    kind: str
    count: int = 1
    total_memory: int = 0
    driver: str = ""
    cuda: str = ""
    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Timing:
    """The sums of a clock. Seconds; bytes of memory at its peak, of the GPU and of the process.

    `scored_s`: the scored function alone; `whole_s`: from the start of the process to the last number.
    """

    seconds: Mapping[str, float]
    scored_s: float
    whole_s: float
    peak_gpu: int
    peak_process: int
    device: Device

    @property
    def within(self) -> tuple[bool, bool]:
        """Whether each accounting keeps the 600 s: (scored function only, everything)."""
        return self.scored_s <= CAP_S, self.whole_s <= CAP_S

    def words(self) -> str:
        """Both accountings in a sentence."""
        return (
            f"{self.scored_s:.1f} s in the scored function, {self.whole_s:.1f} s from the start of the process to the last "
            f"number, of {CAP_S:.0f} s, on {self.device.count}x {self.device.name}"
        )

    def json(self) -> str:
        """All of it as a JSON object."""
        out = asdict(self)
        out["cap_s"] = CAP_S
        out["within"] = {"scored": self.within[0], "whole": self.within[1]}
        return json.dumps(out, indent=2)


class Clock:
    """Times phases. Each second counts once: a phase inside another is taken off that one.

    `wait` blocks until the device is idle (by default CUDA's synchronisation if torch is loaded and uses it); `now` gives
    seconds; `began` is where the process started on that clock (by default found from the operating system).
    """

    def __init__(
        self,
        wait: Callable[[], None] | None = None,
        now: Callable[[], float] = time.perf_counter,
        began: float | None = None,
    ) -> None:
        self.wait, self.now = wait or synchronise, now
        at = now()
        self.began = at - since_start() if began is None else began
        self.spent: dict[Phase, float] = dict.fromkeys(Phase, 0.0)
        self.spent[Phase.START] = max(at - self.began, 0.0)
        self.stack: list[Phase] = []
        self.mark = at
        self.last: float | None = None

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Everything inside belongs to `phase`, also if it ends with an error."""
        self._turn()
        self.stack.append(phase)
        try:
            yield
        finally:
            self._turn()
            self.stack.pop()

    def number(self) -> None:
        """A number has come out: the wider accounting runs until the last of them."""
        self._turn()
        self.last = self.mark

    def _turn(self) -> None:
        """Give the time since the last turn to the phase that is on."""
        self.wait()
        at = self.now()
        self.spent[self.stack[-1] if self.stack else Phase.OTHER] += at - self.mark
        self.mark = at

    def timing(self, device: Device | None = None) -> Timing:
        """The sums so far; the last number is the last call of `number`, or now if there was none."""
        self._turn()
        return Timing(
            seconds={str(p.value): s for p, s in self.spent.items() if s > 0 or p in SCORED},
            scored_s=math.fsum(self.spent[p] for p in SCORED),
            whole_s=(self.mark if self.last is None else self.last) - self.began,
            peak_gpu=peak_gpu(),
            peak_process=peak_process(),
            device=device or this_device(),
        )


def loaded_torch() -> Any:
    """torch if the program has it already; importing it takes seconds that nobody asked for."""
    return sys.modules.get("torch")


def synchronise() -> None:
    """Wait for the current CUDA device where there is one in use."""
    torch = loaded_torch()
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def since_start() -> float:
    """Seconds since this process started, from the kernel's books; 0.0 where they cannot be read."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        up = float(Path("/proc/uptime").read_text().split()[0])
        return max(up - int(fields[19]) / os.sysconf("SC_CLK_TCK"), 0.0)
    except (OSError, ValueError, IndexError):
        return 0.0


def peak_gpu() -> int:
    """Bytes that torch's allocator had in use at most, on the GPU that used most; 0 without one."""
    torch = loaded_torch()
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return 0
    return max(int(torch.cuda.max_memory_allocated(i)) for i in range(torch.cuda.device_count()))


def peak_process() -> int:
    """Bytes of memory that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def this_device(ranks: int = 1) -> Device:
    """The device that torch would compute on, with driver and versions; the processor where torch is not loaded or has no GPU."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    python = platform.python_version()
    torch = loaded_torch()
    if torch is None or not torch.cuda.is_available():
        return Device(processor(), "cpu", ranks, python=python, versions=versions)
    facts = torch.cuda.get_device_properties(torch.cuda.current_device())
    return Device(
        name=facts.name,
        kind="cuda",
        count=ranks,
        total_memory=int(facts.total_memory),
        driver=driver(),
        cuda=str(torch.version.cuda or ""),
        python=python,
        versions=versions,
    )


def driver() -> str:
    """Version of NVIDIA's kernel driver, "" where it does not say."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text().split()
    except OSError:
        return ""
    return next((w for w in words if w.count(".") >= 1 and w[0].isdigit()), "")


def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
