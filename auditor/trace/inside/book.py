"""The ledger as it is written: one record after another, through a descriptor that the host reads.

A record is a line of JSON; arrays follow it as raw bytes, their kinds and lengths named in the line.
"""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import numpy as np


class Book:
    """Writes records. `folder`: only frames of files under it are named."""

    def __init__(self, descriptor: int, folder: str) -> None:
        self.descriptor = descriptor
        self.folder = folder
        self.count = 0
        self.frames = 0
        self.step = ""  # columns of the expression in the innermost frame that `where` gave last
        self.within = -1  # and the number of that frame's call
        self.steps: dict[tuple[CodeType, int], str] = {}
        self.few: tuple[Any, dict[str, Any], list[float], list[int]] | None = None
        self._mine: dict[CodeType, bool] = {}
        self.reached: Callable[[int], None] | None = None  # told of each record
        self.question = -1  # in a branch: which
        self.until = 0
        self.kept: list[bytes] = []  # the scores of a branch: all of them are given away, or none
        self.end: Callable[[], object] = lambda: None
        self.stamp: Callable[[], dict[str, Any]] = dict  # what else a record says: of several ranks, its time
        self.process = os.getpid()  # whose book it is: what the program forks writes none

    def branch(self, descriptor: int, question: int, until: int, end: Callable[[], object]) -> None:
        """From here on the book of a branch: scores alone go to `descriptor`, and after record `until` it ends."""
        self.descriptor, self.question, self.until, self.end = descriptor, question, until, end
        self.reached, self.process = None, os.getpid()

    def score_one(self, value: float, place: int, **fields: Any) -> None:
        """A score of one token: those that follow each other on one line become one record."""
        where = self.where()
        fields["step"] = self.step
        if self.few is None or self.few[0] != where or self.few[1] != fields or len(self.few[2]) >= 4096:
            self.flush()
            self.few = where, fields, [], []
        self.few[2].append(value)
        self.few[3].append(place)

    def flush(self) -> None:
        if self.few is not None:
            where, fields, values, places = self.few
            self.few = None
            arrays = {"positions": np.array(places, dtype="<i4"), "values": np.array(values, dtype="<f8")}
            self.write("score", arrays, where=where, others=0, **fields)

    def write(self, kind: str, arrays: dict[str, np.ndarray] | None = None, **fields: Any) -> int:
        if fields.get("where"):
            fields.setdefault("step", self.step)
        if os.getpid() != self.process:
            return self.count
        self.flush()
        self.count += 1
        fields |= self.stamp()
        fields["n"], fields["kind"] = self.count, kind
        if self.question >= 0:
            fields["q"] = self.question
        if arrays:
            fields["arrays"] = [(name, a.dtype.str, int(a.size)) for name, a in arrays.items()]
        out = [json.dumps(fields, separators=(",", ":")).encode(), b"\n"]
        if arrays:
            out += [np.ascontiguousarray(a).tobytes() for a in arrays.values()]
        if self.question < 0:
            self.raw(b"".join(out))
        else:
            self.kept += out if kind == "score" else ()
            if self.count >= self.until:
                self.raw(b"".join(self.kept))
                self.end()
        if self.reached is not None:
            self.reached(self.count)
        return self.count

    def raw(self, given: bytes) -> None:
        """Records as they are."""
        data = memoryview(given)
        while data:
            try:
                data = data[os.write(self.descriptor, data) :]
            except BlockingIOError:
                select.select([], [self.descriptor], [])

    def where(self) -> list[tuple[str, int, str, int]]:
        """The submission's frames, innermost first: (file, line, function, number of this call)."""
        out: list[tuple[str, int, str, int]] = []
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            code = frame.f_code
            if self.mine(code):
                call = self.call(frame)
                if not out:
                    self.within = call
                    self.step = self.steps.get((code, frame.f_lasti)) or self._step(code, frame.f_lasti)
                name = code.co_filename.removeprefix(self.folder).lstrip("/")
                out.append((name, frame.f_lineno, code.co_name, call))
            frame = frame.f_back
        return out

    def _step(self, code: CodeType, instruction: int) -> str:
        """Where on its line an instruction stands; instructions of one expression stand in one place."""
        found = list(code.co_positions())
        _, _, first, last = found[instruction // 2] if 0 <= instruction // 2 < len(found) else (0, 0, 0, 0)
        step = self.steps[code, instruction] = f"{first}-{last}"
        return step

    def mine(self, code: CodeType) -> bool:
        """Whether code is the program's."""
        known = self._mine.get(code)
        if known is None:
            known = self._mine[code] = self.theirs(code.co_filename)
        return known

    def theirs(self, name: str) -> bool:
        """Whether code is the program's: not the library's, not ours. Code of no file is `<string>` and the like."""
        return name.startswith((self.folder, "<")) and not name.startswith(("<frozen", "<__array"))

    def call(self, frame: FrameType) -> int:
        """A number for one call of a function: kept on the frame itself, so it ends with it."""
        mark = frame.f_trace
        if not isinstance(mark, _Mark):
            self.frames += 1
            mark = _Mark(self.frames)
            frame.f_trace = mark
        return mark.number


class _Mark:
    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:  # a trace function that wants nothing
        return None
