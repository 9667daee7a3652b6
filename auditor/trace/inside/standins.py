"""Everything that a script expects of a GPU machine, put in place together."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch._library import simple_registry

from . import (
    absent,
    arrays,
    attention,
    book,
    branches,
    clock,
    collectives,
    compiler,
    cuda,
    devices,
    elsewhere,
    entries,
    files,
    floats,
    frozen,
    gpu,
    groups,
    lines,
    looks,
    operators,
    packages,
    positions,
    programs,
    ranks,
    reach,
    spelling,
    tracer,
)
from .triton import modules as triton_modules


@contextlib.contextmanager
def running(plan: dict[str, Any], descriptors: Sequence[int]) -> Iterator[None]:
    torch.set_num_threads(plan.get("threads", 1))
    spelling.install(plan.get("older", {}))
    processes = len(descriptors)
    exchange = ranks.split(processes) if processes > 1 else None  # from here on, this is one of them
    me = exchange.rank if exchange else 0
    gpus = processes if exchange else int(plan.get("ranks", 1))
    devices.OnCpu.real = real = plan.get("device") == "cuda"
    (gpu if real else cuda).install(gpus)
    compiler.install()
    groups.install(gpus)
    between = collectives.install(exchange) if exchange else None
    if exchange:
        os.environ["RANK"] = os.environ["LOCAL_RANK"] = str(me)
        for other in {*descriptors} - {descriptors[me]}:
            os.close(other)
    attention.install(real)
    packages.install()
    programs.install()
    absent.install()
    folders = {os.path.dirname(p) for p in plan["places"].values()}
    away = elsewhere.Elsewhere(os.getcwd(), sorted({*folders, *map(os.path.dirname, folders)}, key=len, reverse=True))
    kept = files.Files(plan["places"], away.reading)
    elsewhere.install(away)
    files.install(kept)
    watch = clock.Clock(hurried=os.getcwd() if plan.get("hurried") else "")
    clock.install(watch)
    if exchange:
        exchange.clock = watch
    if not plan["ledger"]:
        triton_modules.install()
        threads(lambda: (devices.OnCpu(),))
        operators.install(lambda: (devices.OnCpu(),), set())
        with devices.OnCpu():
            yield
        return
    ledger = book.Book(descriptors[me], os.getcwd())
    finder = positions.Finder(np.fromfile(plan["places"]["validation"], dtype="<u2", offset=1024))
    t = tracer.Tracer(
        ledger,
        finder,
        reach.Reach() if plan.get("reach") else None,
        frozen.Frozen(plan["frozen"]) if plan.get("frozen") else None,
    )
    if exchange and between:
        ledger.stamp, between.shadows, exchange.before = exchange.stamp, t.shadows, t.settle
    if plan.get("branches"):
        ledger.reached = branches.Branches(plan["branches"], ledger, t.shadows, finder).reached
    ran = lines.Lines(ledger)
    if plan["lines"]:
        lines.install(ran)
    looks.install(ledger)
    rest = entries.printed(ledger, ran.write)
    entries.opened(t)
    entries.called_back(t)
    simple_registry.find_torch_dispatch_rule = lambda *_: None  # asked at each operation, and there is none
    arrays.install(t.outside, ledger.mine)
    floats.install(t.one, ledger.call)
    triton_modules.install(t)
    operators.install(lambda: (entries.Doors(t), t), t.opened)
    threads(lambda: (entries.Doors(t),))
    with entries.Doors(t), t:
        try:
            yield
        finally:
            rest()
            ledger.flush()
            ran.write()


def threads(modes: Callable[[], Sequence[contextlib.AbstractContextManager[Any]]]) -> None:
    """Modes hold for one thread: those that the script starts get their own."""
    run = threading.Thread.run

    def with_modes(self: threading.Thread) -> None:
        with contextlib.ExitStack() as stack:
            for mode in modes():
                stack.enter_context(mode)
            run(self)

    threading.Thread.run = with_modes  # type: ignore[method-assign]
