"""Everything that a script expects of a GPU machine, put in place together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from . import attention, book, clock, cuda, devices, entries, groups, packages, positions, tracer


@contextlib.contextmanager
def running(plan: dict[str, Any], descriptor: int) -> Iterator[None]:
    torch.set_num_threads(plan.get("threads", 1))
    cuda.install()
    groups.install()
    attention.install()
    packages.install()
    clock.install(clock.Clock())
    if not plan["ledger"]:
        with devices.OnCpu():
            yield
        return
    ledger = book.Book(descriptor, os.getcwd())
    finder = positions.Finder(np.fromfile(plan["validation"], dtype="<u2", offset=1024))
    t = tracer.Tracer(ledger, finder)
    entries.printed(ledger)
    entries.opened(t)
    with devices.OnCpu(), entries.Doors(t), t:
        yield
