"""Which scope each name of a file belongs to, and what is bound to it there."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from auditor.unpack.parse import fields

Function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
Comprehension = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_PATTERNS = (ast.MatchAs, ast.MatchStar, ast.MatchMapping)
_DECLARED = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)
_BINDING = frozenset(
    (*Function, *Comprehension, *_PATTERNS, *_DECLARED, ast.ClassDef, ast.NamedExpr, ast.ExceptHandler)
)


@dataclass(eq=False, slots=True)
class Scope:
    """A module, function, class or comprehension. `bound` has the node of every binding of a name."""

    kind: str
    node: ast.AST
    parent: Scope | None
    bound: dict[str, list[ast.AST]] = field(default_factory=lambda: defaultdict(list))
    outer: set[str] = field(default_factory=set)  # declared global or nonlocal

    def owner(self, name: str) -> Scope:
        """The scope that a name used here belongs to; the module's for builtins too."""
        here, first = self, True
        while here.parent is not None:
            if name in here.bound and name not in here.outer and (first or here.kind != "class"):
                return here
            here, first = here.parent, False
        return here

    @property
    def function(self) -> Scope:
        """The nearest scope around that is no comprehension."""
        here = self
        while here.kind == "comprehension" and here.parent is not None:
            here = here.parent
        return here


class Scopes:
    """The scopes of a tree: `at` has the scope of every name that is read or written, `up` the node above each node."""

    def __init__(self, tree: ast.Module) -> None:
        self.top = Scope("module", tree, None)
        self.at: dict[int, Scope] = {}
        self.up: dict[int, ast.AST] = {}
        self.of: dict[int, Scope] = {id(tree): self.top}
        self.names: list[ast.Name] = []
        self.statement: ast.AST = tree
        for s in tree.body:
            self._visit(s, tree, self.top)
        self.uses: dict[tuple[int, str], list[ast.Name]] = defaultdict(list)
        shared = {n for s in self.of.values() for n in s.outer}
        self.shared = shared  # set from several scopes
        self.own = self._own()
        for n in self.names:
            self.uses[id(self.at[id(n)].owner(n.id)), n.id].append(n)

    def once(self, scope: Scope, name: str) -> ast.AST | None:
        """The one node that binds a name of this scope; None if there are several."""
        found = scope.bound.get(name, ())
        if len(found) > 1 and len({_imported(b, name) for b in found}) == 1 and _imported(found[0], name):
            return found[0]  # the same import several times
        return found[0] if len(found) == 1 and name not in self.shared else None

    def _own(self) -> set[str]:
        """The names that comprehensions and lambdas bind for themselves."""
        out: set[str] = set()
        for s in self.of.values():
            n = s.node
            if isinstance(n, ast.Lambda):
                out.update(p.arg for p in (*n.args.posonlyargs, *n.args.args, *n.args.kwonlyargs))
            elif isinstance(n, Comprehension):
                out.update(x.id for g in n.generators for x in ast.walk(g.target) if isinstance(x, ast.Name))
        return out

    def above(self, chosen: Callable[[ast.Name], bool]) -> set[int]:
        """The expressions, by identity, that have a chosen name in them."""
        found: set[int] = set()
        for n in self.names:
            if not chosen(n):
                continue
            node: ast.AST = n
            while id(node) not in found:
                found.add(id(node))
                node = self.up[id(node)]
                if isinstance(node, ast.stmt | ast.Module):
                    break
        return found

    def _visit(self, node: ast.AST, above: ast.AST, scope: Scope) -> None:
        self.up[id(node)] = above
        kind = type(node)
        if kind is ast.Constant:
            return
        if kind is ast.Name:
            assert isinstance(node, ast.Name)
            self.names.append(node)
            self.at[id(node)] = scope
            if not isinstance(node.ctx, ast.Load):
                scope.bound[node.id].append(self.statement)
            return
        if kind in _BINDING and self._binds(node, scope):
            return
        is_statement = isinstance(node, ast.stmt)
        if is_statement:
            self.statement = node
        for name in fields(kind):
            value = getattr(node, name, None)
            if type(value) is list:
                for v in value:
                    if isinstance(v, ast.AST):
                        self._visit(v, node, scope)
                        if is_statement:
                            self.statement = node
            elif isinstance(value, ast.AST):
                self._visit(value, node, scope)

    def _binds(self, node: ast.AST, scope: Scope) -> bool:
        """Note what a node binds or opens; whether that was all there is to see in it."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._function(node, scope)
                return True
            case ast.ClassDef():
                scope.bound[node.name].append(node)
                for part in (*node.decorator_list, *node.bases, *node.keywords):
                    self._visit(part, node, scope)
                inner = self.of[id(node)] = Scope("class", node, scope)
                for s in node.body:
                    self._visit(s, node, inner)
                return True
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                inner = self.of[id(node)] = Scope("comprehension", node, scope)
                for k, g in enumerate(node.generators):
                    self.up[id(g)] = node
                    self._visit(g.iter, g, scope if k == 0 else inner)
                    kept, self.statement = self.statement, g
                    self._visit(g.target, g, inner)
                    self.statement = kept
                    for test in g.ifs:
                        self._visit(test, g, inner)
                for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
                    self._visit(part, node, inner)
                return True
            case ast.NamedExpr():
                self.up[id(node.target)] = node
                at = scope.function
                self.names.append(node.target)
                self.at[id(node.target)] = at
                at.bound[node.target.id].append(node)
                self._visit(node.value, node, scope)
                return True
            case ast.Import() | ast.ImportFrom():
                for a in node.names:
                    scope.bound[a.asname or a.name.partition(".")[0]].append(node)
                return True
            case ast.Global() | ast.Nonlocal():
                scope.outer.update(node.names)
                for name in node.names:
                    scope.bound[name].append(node)
                return True
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
                if node.name:
                    scope.bound[node.name].append(node)
            case ast.MatchMapping():
                if node.rest:
                    scope.bound[node.rest].append(node)
        return False

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope) -> None:
        a = node.args
        outside = [*a.defaults, *(d for d in a.kw_defaults if d)]
        if not isinstance(node, ast.Lambda):
            scope.bound[node.name].append(node)
            outside += node.decorator_list
        for d in outside:
            self._visit(d, node, scope)
        inner = self.of[id(node)] = Scope("function", node, scope)
        for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x)):
            inner.bound[p.arg].append(p)
        for s in node.body if isinstance(node.body, list) else [node.body]:
            self._visit(s, node, inner)


def _imported(node: ast.AST, name: str) -> str:
    """What an import binds to a name, "" for any other node."""
    if isinstance(node, ast.Import):
        return next(
            (a.name if a.asname else name for a in node.names if (a.asname or a.name.partition(".")[0]) == name), ""
        )
    if isinstance(node, ast.ImportFrom):
        return next((f"{node.level}:{node.module}.{a.name}" for a in node.names if (a.asname or a.name) == name), "")
    return ""
