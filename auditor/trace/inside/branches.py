"""Branches of a run: at a place in the book the process forks, the tokens change under the branch, and it goes on to its score.

A branch costs the work between two scores and not a run, so that many positions can be asked about. What it changes
are the copies of the tokens that are there when it begins; what the program made of them before is as it was. Whether
that matters, the host finds out: it makes some of the branches once more as whole runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch

from .book import Book
from .positions import Finder
from .shadows import Shadows

KINDS = {1: ctypes.c_uint8, 2: ctypes.c_uint16, 4: ctypes.c_int32, 8: ctypes.c_int64}
DEPTH = 3  # containers in containers that are searched for tokens
MOST = 1 << 22  # items of one list that are looked at
WAIT = 0.05  # seconds

Put = Callable[[np.ndarray], None]
now = time.monotonic  # the real clock: the program's is put in place of it later


@dataclass
class Spending:
    """Seconds for all branches, and how many were begun: at any time as much is spent as was passed by."""

    seconds: float
    all: int
    seen: int = 0
    made: int = 0
    spent: float = 0.0

    def may(self, more: float = 0.0) -> bool:
        """Whether there is time for one more; `more` seconds were spent since the last count."""
        spent = self.spent + more
        return spent + spent / max(1, self.made) <= self.seconds * self.seen / self.all


class Branches:
    """Begins branches. `ids`: the validation tokens, found again by `finder`.

    Of the plan: "asked" are {"q", "after", "until", "at", "to"}: the token at `at` becomes `to`; "seconds" are shared among the
    places where branches begin.
    """

    def __init__(self, plan: dict[str, Any], book: Book, shadows: Shadows, finder: Finder) -> None:
        self.book, self.shadows, self.finder, self.ids = book, shadows, finder, finder.ids
        self.asked: dict[int, list[dict[str, int]]] = {}
        for a in plan["asked"]:
            self.asked.setdefault(a["after"], []).append(a)
        self.spending = Spending(float(plan["seconds"]), len(plan["asked"]))
        self.each_s = float(plan["each_s"])
        self.workers = int(plan["workers"])

    def reached(self, n: int) -> None:
        """The book has come to record `n`: begin the branches that begin here. Returns in the branches, too."""
        asked = self.asked.pop(n, None)
        if asked is None:
            return
        self.spending.seen += len(asked)
        if self.spending.may():
            began = now()
            if not self.begin(asked, list(self.copies())):
                self.spending.spent += now() - began

    def begin(self, asked: list[dict[str, int]], puts: list[Put]) -> bool:
        """True in a branch. Those that no time is left for are not begun."""
        running: dict[int, tuple[int, float, bytearray]] = {}
        todo = asked[::-1]
        began = now()
        while running or todo:
            while todo and len(running) < self.workers and self.spending.may(now() - began):
                a = todo.pop()
                self.spending.made += 1
                out, into = os.pipe()
                sys.stdout.flush()
                pid = os.fork()
                if not pid:
                    os.close(out)
                    self.branch(a, into, puts)
                    return True
                os.close(into)
                running[out] = pid, now(), bytearray()
            if not running:
                break
            self.attend(running)
        return False

    def attend(self, running: dict[int, tuple[int, float, bytearray]]) -> None:
        """Take what branches say; a branch that does not come to its end says nothing."""
        ready, _, _ = select.select(list(running), [], [], WAIT)
        for out in list(running):
            pid, began, data = running[out]
            piece = os.read(out, 1 << 20) if out in ready else b"-"
            if out in ready:
                data += piece
            late = now() - began > self.each_s
            if piece and not late:
                continue
            del running[out]
            os.close(out)
            if late:
                os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if not status and not late:
                self.book.raw(bytes(data))

    def branch(self, a: dict[str, int], into: int, puts: list[Put]) -> None:
        """In the branch: other tokens from here on, and its book goes to the one that it came from."""
        gc.disable()
        with contextlib.suppress(OSError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
        ids = self.ids.copy()
        ids[a["at"]] = a["to"]
        for put in puts:
            put(ids)
        self.book.branch(into, a["q"], a["until"], end)

    def copies(self) -> Iterator[Put]:
        """Every copy of the tokens in memory, as what puts others there."""
        for s in list(self.shadows.of.values()):
            if s.itemsize in KINDS and not s.ref.expired():
                storage = torch.UntypedStorage._new_with_weak_ptr(s.ref.cdata)
                if storage is None or storage.device.type != "cpu" or not storage.data_ptr():
                    continue
                kind = KINDS[s.itemsize]
                memory = np.ctypeslib.as_array((kind * len(s.places)).from_address(storage.data_ptr()))
                places = s.places.numpy()
                at = np.flatnonzero((places >= 0) & (places < len(self.ids)))
                if len(at) and (memory[at] == self.ids[places[at]]).all():
                    yield _into(memory, at, places[at], storage)
        yield from self.held()

    def held(self) -> Iterator[Put]:
        """Arrays and lists that the program's own frames and modules hold."""
        seen: set[int] = set()
        todo: list[tuple[Any, int]] = []
        frame = sys._getframe(1)
        while frame is not None:
            if self.book.mine(frame.f_code):
                todo += [(v, DEPTH) for v in frame.f_locals.values()]
                todo += [(v, DEPTH) for k, v in frame.f_globals.items() if not k.startswith("__")]
            frame = frame.f_back  # type: ignore[assignment]
        while todo:
            x, depth = todo.pop()
            if id(x) in seen:
                continue
            seen.add(id(x))
            kind = type(x)
            if issubclass(kind, np.ndarray):
                if x.dtype.kind in "iu" and x.flags.writeable and x.size:
                    yield from self.array(x)
            elif kind is list and len(x) <= MOST and x and type(x[0]) is int:
                yield from self.list(x)
            elif depth and kind in (list, tuple) and len(x) <= 4096:
                todo += [(v, depth - 1) for v in x]
            elif depth and kind is dict and len(x) <= 4096:
                todo += [(v, depth - 1) for v in list(x.values())]
            elif depth and self.book.theirs(str(getattr(sys.modules.get(kind.__module__), "__file__", None) or "")):
                todo += [(v, depth - 1) for v in list(getattr(x, "__dict__", {}).values())]

    def array(self, x: np.ndarray) -> Iterator[Put]:
        places = self.finder.find(x.reshape(-1).astype(np.int64))
        at = np.flatnonzero(places >= 0)
        if len(at):
            where = np.unravel_index(at, x.shape)

            def put(ids: np.ndarray) -> None:
                x[where] = ids[places[at]]

            yield put

    def list(self, x: list[Any]) -> Iterator[Put]:
        try:
            given = np.array(x, dtype=np.int64)
        except (TypeError, ValueError, OverflowError):
            return
        places = self.finder.find(given)
        at = np.flatnonzero(places >= 0)
        if len(at):

            def put(ids: np.ndarray) -> None:
                for i in at.tolist():
                    x[i] = int(ids[places[i]])

            yield put


def _into(memory: np.ndarray, at: np.ndarray, places: np.ndarray, storage: Any) -> Put:
    def put(ids: np.ndarray) -> None:
        memory[at] = ids[places].astype(memory.dtype)

    put.storage = storage  # type: ignore[attr-defined]  # keeps the memory
    return put


def end() -> NoReturn:
    """The end of a branch: nothing of the program's runs any more."""
    os._exit(0)
