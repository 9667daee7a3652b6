"""A clock that runs with the work done and not with the machine: the same in every run.

Schedules of real scripts read the time: a slow machine would switch them elsewhere, and two runs could not be compared.
A program that works until its time is up would work for ever, as time hardly passes: a hurried clock goes on by a large
step each time that one place of the program has looked at it often.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import CodeType
from typing import Any

TICK = 1e-4  # seconds that pass at each look
LARGE = 20.0  # and that pass where somebody waits
OFTEN = 8  # looks of one place


class Clock:
    """`hurried`: the folder of the program that is hurried, "" for none."""

    def __init__(self, start: float = 1_774_000_000.0, hurried: str = "") -> None:
        self.now = 0.0
        self.start = start
        self.looks = 0
        self.real = time.perf_counter
        self.hurried = hurried
        self.places: Counter[tuple[CodeType, int]] = Counter()

    def look(self) -> float:
        self.looks += 1
        self.now += LARGE if self.hurried and self.waits() else TICK
        return self.now

    def waits(self) -> bool:
        """Whether the place of the program that looks has done so often."""
        frame = sys._getframe(2)
        if frame.f_code.co_filename == __file__:
            frame = frame.f_back or frame
        if not frame.f_code.co_filename.startswith((self.hurried, "<string")):
            return False
        place = frame.f_code, frame.f_lasti
        self.places[place] += 1
        return self.places[place] > OFTEN

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
