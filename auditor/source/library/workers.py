"""Functions that are handed on to be called: by threads and processes, by a timer, at exit, or by a library."""

from __future__ import annotations

import ast

from auditor.source import attributes, calls, loops
from auditor.source.values import (
    NONE,
    Args,
    Bound,
    Const,
    Data,
    Dict,
    Func,
    Inst,
    Kw,
    LibObj,
    Method,
    Native,
    Seq,
    Value,
)
from auditor.source.walk import Walk

BASES = ("threading.Thread", "multiprocessing.Process", "multiprocessing.context.Process")
MAX_ENDINGS = 8


def _worker(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`Thread(target=f, args=…)`, `Process(…)`, `Timer(delay, f, args)`."""
    o = LibObj("thread")
    names = ("interval", "target", "args", "kwargs") if p.endswith("Timer") else ("group", "target", "name", "args")
    for name, v in [*zip(names, a, strict=False), *k.items()]:
        o.attrs["@target" if name == "function" else f"@{name}"] = v
    return o


def started(w: Walk, o: LibObj, n: ast.AST | None) -> Value:
    """`worker.start()`: what it does is done, as far as anybody knows, at once."""
    target = o.attrs.get("@target")
    if target is not None:
        given, named = o.attrs.get("@args"), o.attrs.get("@kwargs")
        kw = {name: v for name, v in named.items.items() if isinstance(name, str)} if isinstance(named, Dict) else {}
        calls.call(w, target, list(given.items) if isinstance(given, Seq) else [], kw, n)
    return NONE


def own_started(w: Walk, o: Inst, name: str, n: ast.AST | None) -> bool:
    """`start()` of an object of an own class of threads or processes, which runs its `run`."""
    if name != "start" or not any(p.endswith(("Thread", "Process")) for p in o.cls.library_bases()):
        return False
    run = attributes.find_method(o, "run")
    if run is not None:
        calls.call(w, run, [], {}, n)
    return True


def _at_exit(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`atexit.register(f, …)`, `weakref.finalize(x, f, …)`."""
    given = a[1:] if p.startswith("weakref") else a
    if given and len(w.endings) < MAX_ENDINGS:
        fn, rest = given[0], given[1:]
        w.endings.append(lambda: calls.call(w, fn, rest, k, n))
    return given[0] if given else LibObj("decorator")


def end(w: Walk) -> None:
    """The end of the program: what was registered runs, the last first."""
    while w.endings:
        w.endings.pop()()


def callback(w: Walk, path: str, a: Args, k: Kw, n: ast.AST | None) -> None:
    """A function of a library that nobody described gets a function first, and then what to call it with.

    Whether it is called, and with what, is not known: what it does hangs on a condition that nobody decided.
    """
    if len(a) < 2 or not isinstance(a[0], (Func, Bound, Native)) or path.rsplit(".", 1)[-1][:1].isupper():
        return
    given: Args = []
    for v in a[1:]:
        items = loops.sample(w, v)[0] if isinstance(v, (Seq, Dict)) or (isinstance(v, Const) and _many(v)) else [v]
        given.append(items[0] if items else Data())
    if isinstance(a[0], Func) and len(given) > len(a[0].node.args.args) and a[0].node.args.vararg is None:
        return
    with w.branch(f"{w.number(('callback', w.site))}:then"):
        calls.call(w, a[0], given, {}, n)


def _many(v: Const) -> bool:
    return isinstance(v.v, (range, tuple, list))


def _method(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`types.MethodType(f, x)`: f as a method of x."""
    if len(a) < 2:
        return NONE
    return Bound(a[0], a[1]) if isinstance(a[0], (Func, Native)) else Method(a[1], "call")


FUNCTIONS = {
    **{
        f"{m}.{q}": _worker
        for m in ("threading", "multiprocessing", "torch.multiprocessing", "multiprocessing.context")
        for q in ("Thread", "Process", "Timer")
    },
    "atexit.register": _at_exit,
    "weakref.finalize": _at_exit,
    "types.MethodType": _method,
}
