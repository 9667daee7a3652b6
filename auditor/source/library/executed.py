"""Code that is run from a file or a text: `exec`, `eval`, `compile`, `runpy`, and loading a module by its path."""

from __future__ import annotations

import ast

from auditor.source import expressions, imports, statements
from auditor.source.library import files
from auditor.source.plain.text import plain
from auditor.source.values import NONE, Args, Const, Data, Dict, Frame, Kw, LibObj, ModuleValue, Value, all_labels
from auditor.source.walk import Walk

MAX_TEXT = 100_000
FILE = "file "  # the text of what was read from a file of code


def beside(w: Walk, path: str) -> str:
    """The import name of the submission's file that a path means, "" if there is none."""
    stem = path.replace("\\", "/").removesuffix(".py")
    names = [
        name for name in w.modules if stem == name.replace(".", "/") or stem.endswith("/" + name.replace(".", "/"))
    ]
    return max(names, key=len, default="")


def execute(w: Walk, args: Args, f: Frame, line: int) -> Value:
    """`exec(code)`: a file of the submission or a known text, walked in the names at hand or in those of a dict."""
    code = args[0] if args else NONE
    space = args[1] if len(args) > 1 else None
    path, tree = f.top.path, None
    if isinstance(code, Data) and code.text.startswith(FILE):
        name = beside(w, code.text.removeprefix(FILE))
        if name:
            path, tree = w.modules[name]
    elif isinstance(code, Const) and (text := _text(code)):
        tree = _at_line(plain(text).tree, line)
    if tree is None:
        return NONE
    top = f.top.frame
    if not isinstance(space, Dict) or space.items is top.locals:
        module = ModuleValue(f.top.name, path, tree)
        inner, module.frame = module.frame, top
        inner.locals = top.locals
        statements.block(w, tree.body, inner)
        # Functions made there see the names of this module as they will be, not as they were.
        top.locals, inner.locals = inner.locals, {}
        return NONE
    module = ModuleValue("", path, tree)
    module.frame.locals = space.items
    statements.block(w, tree.body, module.frame)
    space.items = module.frame.locals
    return NONE


def evaluate(w: Walk, args: Args, f: Frame, line: int) -> Value:
    """`eval("f(x)")` of a known text."""
    code = args[0] if args else NONE
    tree = _at_line(plain(text.strip()).tree, line) if isinstance(code, Const) and (text := _text(code)) else None
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return Data(all_labels(args, {}))
    return expressions.evaluate(w, tree.body[0].value, f)


def _text(code: Const) -> str:
    text = code.v.decode("utf-8", "replace") if isinstance(code.v, bytes) else code.v
    return text if isinstance(text, str) and len(text) <= MAX_TEXT else ""


_placed: dict[tuple[int, int], tuple[ast.Module, ast.Module]] = {}


def _at_line(tree: ast.Module | None, line: int) -> ast.Module | None:
    """A copy of the tree that stands wholly in one line: that of the call which runs it."""
    if tree is None:
        return None
    found = _placed.get((id(tree), line))
    if found is not None and found[0] is tree:
        return found[1]
    copy = ast.parse(ast.unparse(tree))
    for n in ast.walk(copy):
        if isinstance(n, ast.stmt | ast.expr | ast.excepthandler):
            n.lineno = n.end_lineno = line
    if len(_placed) > 200:
        _placed.clear()
    _placed[id(tree), line] = (tree, copy)
    return copy


def _compile(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return a[0] if a else NONE


def _spec(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """A module by its path: it is followed where the module object is made."""
    o = LibObj("module spec")
    path = a[1] if len(a) > 1 else k.get("location", k.get("path", NONE))
    o.attrs["@file"] = Const(beside(w, files.text_of_path(path)))
    o.attrs["loader"] = o
    return o


def _module(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    spec = a[0] if a else NONE
    return loaded(w, spec) if isinstance(spec, LibObj) else Data(all_labels(a, k))


def loaded(w: Walk, spec: LibObj) -> Value:
    """The module of a spec or loader."""
    name = spec.attrs.get("@file")
    found = imports.own_module(w, name.v) if isinstance(name, Const) and name.v else None
    return found if found is not None else LibObj("module")


def _run_path(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    name = beside(w, files.text_of_path(a[0])) if a else ""
    found = imports.own_module(w, name) if name else None
    return Dict(found.frame.locals) if found is not None else Dict({}, Data(all_labels(a, k)))


FUNCTIONS = {
    "compile": _compile,
    "importlib.util.spec_from_file_location": _spec,
    "importlib.util.module_from_spec": _module,
    "importlib.machinery.SourceFileLoader": _spec,
    "runpy.run_path": _run_path,
}
