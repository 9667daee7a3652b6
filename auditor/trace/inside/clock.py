"""A clock that runs with the work done and not with the machine: the same in every run.

Schedules of real scripts read the time: a slow machine would switch them elsewhere, and two runs could not be compared.
"""

from __future__ import annotations

import time
from typing import Any

TICK = 1e-4  # seconds that pass at each look


class Clock:
    def __init__(self, start: float = 1_774_000_000.0) -> None:
        self.now = 0.0
        self.start = start
        self.looks = 0
        self.real = time.perf_counter

    def look(self) -> float:
        self.looks += 1
        self.now += TICK
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, float(seconds))


def install(clock: Clock) -> None:
    patches: dict[str, Any] = {
        "time": lambda: clock.start + clock.look(),
        "perf_counter": clock.look,
        "monotonic": clock.look,
        "process_time": clock.look,
        "thread_time": clock.look,
        "time_ns": lambda: int((clock.start + clock.look()) * 1e9),
        "perf_counter_ns": lambda: int(clock.look() * 1e9),
        "monotonic_ns": lambda: int(clock.look() * 1e9),
        "process_time_ns": lambda: int(clock.look() * 1e9),
        "sleep": clock.sleep,
    }
    for name, f in patches.items():
        setattr(time, name, f)
