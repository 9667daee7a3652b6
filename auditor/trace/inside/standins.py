"""Everything that a script expects of a GPU machine, put in place together."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from . import attention, book, clock, cuda, devices, entries, files, groups, operators, packages, positions, tracer
from .triton import modules as triton_modules


@contextlib.contextmanager
def running(plan: dict[str, Any], descriptor: int) -> Iterator[None]:
    torch.set_num_threads(plan.get("threads", 1))
    cuda.install()
    groups.install()
    attention.install()
    packages.install()
    files.install(files.Files(plan["places"]))
    clock.install(clock.Clock())
    if not plan["ledger"]:
        triton_modules.install()
        threads(lambda: (devices.OnCpu(),))
        operators.install(lambda: (devices.OnCpu(),), set())
        with devices.OnCpu():
            yield
        return
    ledger = book.Book(descriptor, os.getcwd())
    finder = positions.Finder(np.fromfile(plan["places"]["validation"], dtype="<u2", offset=1024))
    t = tracer.Tracer(ledger, finder)
    entries.printed(ledger)
    entries.opened(t)
    threads(lambda: (devices.OnCpu(), entries.Doors(t)))
    triton_modules.install(t)
    operators.install(lambda: (devices.OnCpu(), entries.Doors(t), t), t.opened)
    with devices.OnCpu(), entries.Doors(t), t:
        yield


def threads(modes: Callable[[], Sequence[contextlib.AbstractContextManager[Any]]]) -> None:
    """Modes hold for one thread: those that the script starts get their own."""
    run = threading.Thread.run

    def with_modes(self: threading.Thread) -> None:
        with contextlib.ExitStack() as stack:
            for mode in modes():
                stack.enter_context(mode)
            run(self)

    threading.Thread.run = with_modes  # type: ignore[method-assign]
