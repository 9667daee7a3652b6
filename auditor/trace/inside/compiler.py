"""`torch.compile` that leaves functions as they are, and the compiler's package without its import.

Nothing is compiled on a CPU in seconds. Importing the compiler alone takes as long as importing the rest of torch, and
the wrappers that keep it away from optimizers cost time at each call; both are left out until a script asks
for something of the package that is not here.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import torch

PACKAGE = "torch._dynamo"


def compiled(model: Any = None, **_: object) -> Any:
    """`torch.compile`, as it behaves: the same function."""
    if model is None:
        return lambda f: f
    return model


def same(f: Any = None, *_: object, **__: object) -> Any:
    """A decorator, with or without brackets, that changes nothing."""
    return f if callable(f) else (lambda g: g)


def nothing(*_: object, **__: object) -> None:
    return None


class Settings(ModuleType):
    """The compiler's settings: any can be set, and is there when looked up."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None

    @contextlib.contextmanager
    def patch(self, *_: object, **__: object) -> Iterator[None]:
        yield


class Light(ModuleType):
    """The package, as far as scripts and torch itself use it; what else is asked for brings in the real one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(real(), name)


def real() -> ModuleType:
    """The true package in the place of the light one."""
    if isinstance(sys.modules.get(PACKAGE), Light):
        for name in [n for n in sys.modules if n.startswith(PACKAGE)]:
            del sys.modules[name]
        torch._dynamo = importlib.import_module(PACKAGE)
    return sys.modules[PACKAGE]


class Finder(importlib.abc.MetaPathFinder):
    """Whoever imports another part of the package gets the true one."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name.startswith(PACKAGE + ".") and isinstance(sys.modules.get(PACKAGE), Light):
            real()
        return None


def install() -> None:
    torch.compile = compiled
    torch.jit.script = lambda f=None, *a, **k: f  # type: ignore[assignment]
    torch.compiler.cudagraph_mark_step_begin = nothing
    _unwrapped()
    if PACKAGE in sys.modules:
        return
    light, settings = Light(PACKAGE), Settings(PACKAGE + ".config")
    light.__path__ = list(getattr(importlib.util.find_spec(PACKAGE), "submodule_search_locations", None) or [])
    answers: dict[str, Callable[..., Any]] = {
        "disable": same,
        "allow_in_graph": same,
        "run": same,
        "assume_constant_result": same,
        "optimize": lambda *a, **k: same,
        "is_compiling": lambda: False,
        **dict.fromkeys(("graph_break", "reset", "mark_dynamic", "maybe_mark_dynamic", "mark_static"), nothing),
        "mark_static_address": nothing,
    }
    for name, f in answers.items():
        setattr(light, name, f)
    light.config = settings  # type: ignore[attr-defined]
    sys.modules[PACKAGE], sys.modules[PACKAGE + ".config"] = light, settings
    torch._dynamo = light
    sys.meta_path.insert(0, Finder())


def _unwrapped() -> None:
    """Functions that torch keeps from the compiler (by importing it): they are told that this has been done."""
    wrap = getattr(torch, "_disable_dynamo", None)
    if wrap is None:
        return
    code = getattr(wrap(lambda: None), "__code__", None)
    for f in [x for x in gc.get_objects() if type(x) is FunctionType and x.__code__ is code]:
        inner = getattr(f, "__wrapped__", None)
        if isinstance(inner, FunctionType):
            inner.__dict__["__dynamo_disable"] = inner
