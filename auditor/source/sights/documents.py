"""What happens to a document's text before it is encoded: changes that cannot be undone.

Followed within one module by names, parameters and returns, from each encoder back to where its text comes from.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from auditor.unpack.parse import walk

ENCODERS = frozenset(
    [
        "encode",
        "EncodeAsIds",
        "encode_as_ids",
        "Encode",
        "encode_ordinary",
        "encode_batch",
        "encode_as_pieces",
        "EncodeAsPieces",
        "tokenize",
    ]
)
FOLDS = frozenset(("lower", "casefold", "upper", "swapcase", "title", "capitalize", "translate"))
DEPTH = 12
PRIVATE_USE = 0xE000


class _Module:
    def __init__(self, tree: ast.Module) -> None:
        self.functions: dict[str, ast.FunctionDef] = {}
        self.around: dict[int, ast.FunctionDef] = {}
        self.calls: dict[str, list[ast.Call]] = {}
        for n in walk(tree):
            if isinstance(n, ast.FunctionDef):
                self.functions.setdefault(n.name, n)
                for x in ast.walk(n):
                    self.around[id(x)] = n
            elif isinstance(n, ast.Call) and (name := _called(n)):
                self.calls.setdefault(name, []).append(n)
        self.tree = tree


def _called(n: ast.Call) -> str:
    return n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id if isinstance(n.func, ast.Name) else ""


def folds(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines at which text on its way to an encoder is changed for good, and how."""
    m = _Module(tree)
    found: dict[int, str] = {}
    for calls in m.calls.values():
        for n in calls:
            for k in n.keywords:
                if (
                    k.arg == "normalization_rule_name"
                    and isinstance(k.value, ast.Constant)
                    and isinstance(k.value.value, str)
                    and k.value.value.endswith("_cf")
                ):
                    found[k.value.lineno] = (
                        f"the tokenizer is trained with the normaliser {k.value.value}, which folds case"
                    )
    for name in ENCODERS:
        for n in m.calls.get(name, []):
            if isinstance(n.func, ast.Attribute) and n.args and not _codec(n):
                _trace(m, n.args[0], found, set(), 0)
    yield from sorted(found.items())


def _codec(n: ast.Call) -> bool:
    """`text.encode("utf-8")` is no tokenizer."""
    a = n.args[0]
    return isinstance(a, ast.Constant) and isinstance(a.value, str)


def _trace(m: _Module, n: ast.AST, found: dict[int, str], seen: set[int], depth: int) -> None:
    if id(n) in seen or depth > DEPTH:
        return
    seen.add(id(n))
    if isinstance(n, ast.Call):
        name = _called(n)
        if isinstance(n.func, ast.Attribute):
            if name in FOLDS and not _reversible(m, n):
                found[n.lineno] = f"{name}() changes the text before it is encoded"
            elif name == "normalize" and isinstance(n.func.value, ast.Name) and n.func.value.id == "unicodedata":
                found[n.lineno] = "unicodedata.normalize changes the text before it is encoded"
            _trace(m, n.func.value, found, seen, depth + 1)
        own = m.functions.get(name)
        if own is not None and isinstance(n.func, ast.Name):
            for r in ast.walk(own):
                if isinstance(r, ast.Return) and r.value is not None:
                    _trace(m, r.value, found, seen, depth + 1)
        for a in n.args:
            _trace(m, a, found, seen, depth + 1)
    elif isinstance(n, ast.Name):
        _name(m, n, found, seen, depth)
    elif isinstance(n, (ast.ListComp, ast.GeneratorExp)):
        _trace(m, n.elt, found, seen, depth + 1)
        for g in n.generators:
            _trace(m, g.iter, found, seen, depth + 1)
    elif isinstance(
        n, (ast.BinOp, ast.IfExp, ast.BoolOp, ast.JoinedStr, ast.FormattedValue, ast.Subscript, ast.List, ast.Tuple)
    ):
        for x in ast.iter_child_nodes(n):
            if not isinstance(n, ast.IfExp) or x is not n.test:
                _trace(m, x, found, seen, depth + 1)


def _name(m: _Module, n: ast.Name, found: dict[int, str], seen: set[int], depth: int) -> None:
    """Where a name got its value: assignments, loops, and the arguments of a parameter."""
    scope: ast.AST = m.around.get(id(n), m.tree)
    for s in ast.walk(scope):
        if isinstance(s, ast.Assign) and any(isinstance(t, ast.Name) and t.id == n.id for t in s.targets):
            _trace(m, s.value, found, seen, depth + 1)
        elif isinstance(s, ast.For) and isinstance(s.target, ast.Name) and s.target.id == n.id:
            _trace(m, s.iter, found, seen, depth + 1)
    if isinstance(scope, ast.FunctionDef):
        names = [a.arg for a in scope.args.args]
        if n.id in names:
            at = names.index(n.id)
            for c in m.calls.get(scope.name, []):
                if isinstance(c.func, ast.Name) and at < len(c.args):
                    _trace(m, c.args[at], found, seen, depth + 1)


def _reversible(m: _Module, n: ast.Call) -> bool:
    """Whether the function around writes marks of its own (private-use characters) for what it takes away."""
    scope = m.around.get(id(n))
    if scope is None:
        return False
    for x in ast.walk(scope):
        if (
            isinstance(x, ast.Constant)
            and isinstance(x.value, str)
            and any(0xE000 <= ord(c) <= 0xF8FF for c in x.value)
        ):
            return True
        if isinstance(x, ast.Name) and x.id.isupper() and _is_mark(m, x.id):
            return True
    return False


def _is_mark(m: _Module, name: str) -> bool:
    """Whether a constant of the module is a single character outside ordinary text."""
    for s in m.tree.body:
        if isinstance(s, (ast.Assign, ast.AnnAssign)):
            targets = s.targets if isinstance(s, ast.Assign) else [s.target]
            if any(isinstance(t, ast.Name) and t.id == name for t in targets):
                v = s.value
                if (
                    isinstance(v, ast.Call)
                    and _called(v) == "chr"
                    and v.args
                    and isinstance(v.args[0], ast.Constant)
                    and isinstance(v.args[0].value, int)
                ):
                    return v.args[0].value >= PRIVATE_USE
                return (
                    isinstance(v, ast.Constant)
                    and isinstance(v.value, str)
                    and len(v.value) == 1
                    and ord(v.value) >= 0x2000
                )
    return False
