"""Imports: files beside the script are followed, everything else is a library."""

from __future__ import annotations

import ast

from auditor.source import attributes, statements
from auditor.source.values import Const, Frame, Lib, ModuleValue, Value
from auditor.source.walk import Walk


def do_import(w: Walk, n: ast.Import | ast.ImportFrom, f: Frame) -> str | None:
    if isinstance(n, ast.Import):
        for a in n.names:
            module = own_module(w, a.name)
            if a.asname:
                f.locals[a.asname] = module or Lib(a.name)
            else:
                top = a.name.split(".")[0]
                f.locals[top] = own_module(w, top) or module or Lib(top)
        return None
    base = "." * 0 + (n.module or "")
    module = own_module(w, base) if base else None
    for a in n.names:
        if a.name == "*":
            if module is not None:
                for name, public in module.frame.locals.items():
                    if not name.startswith("_"):
                        f.locals[name] = public
            continue
        v: Value
        if module is not None:
            v = module.frame.locals.get(a.name) or own_module(w, f"{base}.{a.name}") or Lib(f"{base}.{a.name}")
        else:
            inner = own_module(w, f"{base}.{a.name}" if base else a.name)
            v = inner if inner is not None else attributes.library_name(w, base, a.name)
        f.locals[a.asname or a.name] = v
    return None


def own_module(w: Walk, name: str) -> ModuleValue | None:
    """A module of the submission by its import name, followed when it is first imported."""
    found = w.loaded.get(name)
    if found is not None:
        return found
    source = w.modules.get(name) or w.modules.get(name.rsplit(".", 1)[-1] if "." in name else "")
    if source is None:
        return None
    path, tree = source
    for m in w.loaded.values():
        if m.path == path:
            w.loaded[name] = m
            return m
    module = ModuleValue(name, path, tree)
    w.loaded[name] = module
    module.frame.locals["__name__"] = Const(name)
    site, turns, guards = w.site, list(w.turns), list(w.guards)
    try:
        statements.block(w, tree.body, module.frame)
    finally:
        w.site = site
        w.turns[:] = turns
        w.guards[:] = guards
    return module
