"""Follow one program from its first line to its last, and write down what it does with tokens."""

from __future__ import annotations

import ast
import sys
import time
from collections.abc import Iterable

from auditor.source import statements
from auditor.source.config import Configuration
from auditor.source.graph import program
from auditor.source.library import workers
from auditor.source.plain.text import plain
from auditor.source.sights import native_calls
from auditor.source.values import ModuleValue
from auditor.source.walk import MAX_SECONDS, OutOfFuel, Walk
from auditor.source.witness import agreement, proven
from rules.events import Program
from rules.evidence import Script

DEEP = 12_000


def follow(
    entry: Script,
    modules: Iterable[Script],
    config: Configuration,
    *,
    seconds: float = MAX_SECONDS,
) -> Program:
    """The event graph of `entry` with the modules beside it, under a configuration.

    Nothing is executed: names, values and calls are followed in the syntax tree. Stops after
    `seconds` and says so. Where the log of the claimed run has lines that the code would not print
    under the known settings, the branches that print them are taken in a second walk.
    """
    modules = tuple(modules)
    w, problem = walk(entry, modules, config, seconds=seconds)
    if not problem:
        proof = proven(trees(w), config, {text for text, _, _ in w.printed}, _claimed(w, config) > 0)
        if any(n in w.ways and w.ways[n][2] & {not way, None} for n, way in proof.items()):  # else it walks the same
            other, unfinished = walk(entry, modules, config, seconds=seconds, proof=proof, like=w)
            if not unfinished and _claimed(other, config) >= _claimed(w, config):
                w = other
    return program(w, entry, {s.path: s for s in (entry, *modules)}, problem)


def _claimed(w: Walk, config: Configuration) -> int:
    """How well the line that the claim rests on was printed on the walk: letters of it; 1 if nobody knows the line."""
    said = (config.label_text or config.label).lower()
    return max((agreement(r.text.lower(), said) for r in w.reports if r.scores), default=0) if said else 1


def trees(w: Walk) -> list[ast.Module]:
    main = w.loaded["__main__"].tree
    return [t for t in (main, *(tree for _, tree in w.modules.values())) if t is not None]


def walk(
    entry: Script,
    modules: Iterable[Script],
    config: Configuration,
    *,
    seconds: float = MAX_SECONDS,
    proof: dict[int, bool] | None = None,
    like: Walk | None = None,
) -> tuple[Walk, str]:
    """One walk; `proof` says which way some `if` nodes of the walk `like` must have gone."""
    w = Walk(config)
    w.deadline = time.thread_time() + seconds  # of work: a busy machine must not change what is found
    modules = tuple(modules)
    if like is not None:
        w.natives, w.native_suspects, w.modules = like.natives, like.native_suspects, like.modules
        w.unread = like.unread
        w.forced = proof or {}
        tree = like.loaded["__main__"].tree
    else:
        parsed = plain(entry.text)
        w.natives, w.native_suspects = native_calls.outcomes((entry, *(s for s in modules if s.path != entry.path)))
        if parsed.tree is None:
            return w, f"{entry.path} {parsed.problem}"
        tree = parsed.tree
        for s in modules:
            if s.path != entry.path and s.role != "native" and s.path.endswith(".py"):
                beside = plain(s.text)
                other = beside.tree
                if other is None:
                    w.unread.append(f"{s.path} {s.syntax_error or beside.problem}")
                else:
                    name = s.path.rsplit("!", 1)[-1].removesuffix(".py").replace("/", ".")
                    w.modules.setdefault(name.removesuffix(".__init__"), (s.path, other))
                    w.modules.setdefault(name.rsplit(".", 1)[-1], (s.path, other))
    assert tree is not None
    module = ModuleValue("__main__", entry.path, tree)
    w.loaded["__main__"] = module
    problem = ""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEEP))
    try:
        statements.block(w, tree.body, module.frame)
        workers.end(w)
    except OutOfFuel:
        problem = "the code was not followed to its end: it takes more steps than are allowed"
    finally:
        sys.setrecursionlimit(limit)
    if w.unread and not problem:
        problem = f"the code was not followed everywhere: {w.unread[0]}"
    elif w.failures and not problem:
        site, why = next(iter(w.failures.items()))
        more = f", and {len(w.failures) - 1} more like it" if len(w.failures) > 1 else ""
        problem = f"the code was not followed everywhere: line {site.line} of {site.path} {why}{more}"
    return w, problem
