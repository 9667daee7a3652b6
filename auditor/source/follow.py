"""Follow one program from its first line to its last, and write down what it does with tokens."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterable

from auditor.source import sights_native, statements
from auditor.source.config import Configuration
from auditor.source.graph import program
from auditor.source.values import ModuleValue
from auditor.source.walk import MAX_SECONDS, OutOfFuel, Walk
from auditor.source.witness import forced
from auditor.unpack.parse import parse
from rules.events import Program
from rules.evidence import Script

DEEP = 12_000


def follow(
    entry: Script,
    modules: Iterable[Script],
    config: Configuration,
    *,
    seconds: float = MAX_SECONDS,
    proven: bool = False,
) -> Program:
    """The event graph of `entry` with the modules beside it, under a configuration.

    Nothing is executed: names, values and calls are followed in the syntax tree. Stops after
    `seconds` and says so. With `proven`, branches around the print of the claimed line are taken.
    """
    w, problem = walk(entry, modules, config, seconds=seconds, proven=proven)
    return program(w, entry, {s.path: s for s in (entry, *modules)}, problem)


def walk(
    entry: Script,
    modules: Iterable[Script],
    config: Configuration,
    *,
    seconds: float = MAX_SECONDS,
    proven: bool = False,
) -> tuple[Walk, str]:
    w = Walk(config)
    w.deadline = time.monotonic() + seconds
    parsed = parse(entry.text)
    modules = tuple(modules)
    w.natives, w.native_suspects = sights_native.outcomes((entry, *(s for s in modules if s.path != entry.path)))
    if parsed.tree is None:
        return w, f"{entry.path} {parsed.problem}"
    for s in modules:
        if s.path != entry.path and s.role != "native" and s.path.endswith(".py"):
            tree = parse(s.text).tree
            if tree is not None:
                name = s.path.rsplit("!", 1)[-1].removesuffix(".py").replace("/", ".")
                w.modules.setdefault(name.removesuffix(".__init__"), (s.path, tree))
                w.modules.setdefault(name.rsplit(".", 1)[-1], (s.path, tree))
    if proven:
        w.forced = forced([parsed.tree, *(tree for _, tree in w.modules.values())], config)
        if not w.forced:
            return w, "nothing to prove"
    module = ModuleValue("__main__", entry.path, parsed.tree)
    w.loaded["__main__"] = module
    problem = ""
    limit = sys.getrecursionlimit()
    collecting = gc.isenabled()
    gc.disable()
    sys.setrecursionlimit(max(limit, DEEP))
    try:
        statements.block(w, parsed.tree.body, module.frame)
    except OutOfFuel:
        problem = "the code was not followed to its end: it takes more steps than are allowed"
    except RecursionError:
        problem = "the code was not followed to its end: it is nested too deeply"
    finally:
        sys.setrecursionlimit(limit)
        if collecting:
            gc.enable()
    return w, problem
