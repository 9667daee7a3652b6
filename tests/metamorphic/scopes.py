"""Which scope a name in a script belongs to, and a fast way through libcst's trees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import libcst as cst


@dataclass(eq=False)
class Scope:
    """A module, function, class or comprehension, with the names that it binds."""

    kind: str
    node: cst.CSTNode
    parent: Scope | None
    bound: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)  # declared global or nonlocal

    def owner(self, name: str) -> Scope:
        """The scope that a name used here belongs to; the module's for builtins too."""
        here: Scope = self
        first = True
        while here.parent is not None:
            if name in here.bound and name not in here.elsewhere and (first or here.kind != "class"):
                return here
            here, first = here.parent, False
        return here

    @property
    def function(self) -> Scope:
        """The nearest enclosing scope that is no comprehension."""
        return self.parent.function if self.kind == "comprehension" and self.parent else self


@dataclass(eq=False, frozen=True)
class Use:
    """One appearance of a name. `node` is None for `import torch`, which binds without a node of its own."""

    name: str
    how: str  # "load", "store", "param", "import", "declare"
    scope: Scope
    node: cst.Name | None
    statement: int  # which statement of the module it stands in


class Walk:
    """Visits a tree by the rules of scopes: what a `visit_` method returns False for, it visited itself."""

    def __init__(self) -> None:
        self.uses: list[Use] = []
        self.keywords: list[tuple[cst.Call, cst.Arg, Scope]] = []
        self.scopes: dict[cst.CSTNode, Scope] = {}
        self.here: Scope | None = None
        self.statement = 0

    def go(self, node: cst.CSTNode) -> None:
        method = getattr(self, f"visit_{type(node).__name__}", None)
        if method is None or method(node) is not False:
            for child in children(node):
                self.go(child)

    def note(self, name: str, how: str, node: cst.Name | None) -> None:
        assert self.here is not None
        if how != "load":
            scope = self.here.function if how == "walrus" else self.here
            (scope.elsewhere if how == "declare" else scope.bound).add(name)
        self.uses.append(Use(name, "store" if how == "walrus" else how, self.here, node, self.statement))

    def inside(self, kind: str, node: cst.CSTNode, parts: Iterable[Callable[[], object]]) -> None:
        self.here = self.scopes[node] = Scope(kind, node, self.here)
        for part in parts:
            part()
        self.here = self.here.parent

    def store(self, target: cst.CSTNode, how: str = "store") -> None:
        if isinstance(target, cst.Name):
            self.note(target.value, how, target)
        elif isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self.store(element.value, how)
        else:
            self.go(target)

    def visit_Module(self, node: cst.Module) -> bool:
        self.inside("module", node, [lambda i=i: self._at(node, i) for i in range(len(node.body))])
        return False

    def _at(self, module: cst.Module, i: int) -> None:
        self.statement = i
        self.go(module.body[i])

    def visit_Name(self, node: cst.Name) -> None:
        self.note(node.value, "load", node)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        self.go(node.value)
        return False

    def visit_Call(self, node: cst.Call) -> bool:
        self.go(node.func)
        for arg in node.args:
            if arg.keyword is not None:
                assert self.here is not None
                self.keywords.append((node, arg, self.here))
            self.go(arg.value)
        return False

    def visit_AssignTarget(self, node: cst.AssignTarget) -> bool:
        self.store(node.target)
        return False

    def visit_AugAssign(self, node: cst.AugAssign) -> bool:
        self.store(node.target)
        self.go(node.value)
        return False

    def visit_AnnAssign(self, node: cst.AnnAssign) -> bool:
        self.go(node.annotation.annotation)
        if node.value:
            self.go(node.value)
        self.store(node.target)
        return False

    def visit_NamedExpr(self, node: cst.NamedExpr) -> bool:
        self.store(node.target, "walrus")
        self.go(node.value)
        return False

    def visit_AsName(self, node: cst.AsName) -> bool:
        self.store(node.name)
        return False

    def visit_For(self, node: cst.For) -> bool:
        self.store(node.target)
        self.go(node.iter)
        self.go(node.body)
        if node.orelse:
            self.go(node.orelse)
        return False

    def visit_Del(self, node: cst.Del) -> bool:
        self.store(node.target)
        return False

    def visit_Import(self, node: cst.Import) -> bool:
        self._imports(node.names)
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        if not isinstance(node.names, cst.ImportStar):
            self._imports(node.names)
        return False

    def _imports(self, aliases: Sequence[cst.ImportAlias]) -> None:
        for alias in aliases:
            if alias.asname and isinstance(alias.asname.name, cst.Name):
                self.note(alias.asname.name.value, "import", alias.asname.name)
            else:
                self.note(code(alias.name).split(".")[0], "import", None)

    def visit_Global(self, node: cst.Global) -> bool:
        for item in node.names:
            self.note(item.name.value, "declare", item.name)
        return False

    visit_Nonlocal = visit_Global  # type: ignore[assignment]

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        self.note(node.name.value, "store", node.name)
        for d in node.decorators:
            self.go(d)
        self._function(node, node.params)
        return False

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        self._function(node, node.params)
        return False

    def _function(self, node: cst.FunctionDef | cst.Lambda, params: cst.Parameters) -> None:
        every = list(parameters(params))
        for p in every:
            if p.default:
                self.go(p.default)
        take = [lambda p=p: self.note(p.name.value, "param", p.name) for p in every]
        self.inside("function", node, [*take, lambda: self.go(node.body)])

    def visit_ClassDef(self, node: cst.ClassDef) -> bool:
        self.note(node.name.value, "store", node.name)
        for part in (*node.decorators, *node.bases, *node.keywords):
            self.go(part.value if isinstance(part, cst.Arg) else part)
        self.inside("class", node, [lambda: self.go(node.body)])
        return False

    def _comprehension(self, node: Any) -> bool:
        self.go(node.for_in.iter)
        results = [node.key, node.value] if isinstance(node, cst.DictComp) else [node.elt]
        self.inside(
            "comprehension", node, [lambda: self._clause(node.for_in, True)] + [lambda r=r: self.go(r) for r in results]
        )
        return False

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def _clause(self, clause: cst.CompFor, first: bool) -> None:
        if not first:
            self.go(clause.iter)
        self.store(clause.target)
        for condition in clause.ifs:
            self.go(condition.test)
        if clause.inner_for_in:
            self._clause(clause.inner_for_in, False)


_SPACE = (
    "whitespace",
    "lpar",
    "rpar",
    "comma",
    "leading_lines",
    "lines_after",
    "header",
    "footer",
    "trailing",
    "semicolon",
    "indent",
)


@cache
def fields(kind: type) -> tuple[str, ...]:
    """Fields of a node that hold code, in order; white space and brackets are left out."""
    return tuple(f.name for f in dataclasses.fields(kind) if not f.name.startswith(_SPACE))


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Nodes right below a node; libcst's own `children` visits white space too and takes ten times as long."""
    for name in fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            yield value
        elif isinstance(value, list | tuple):
            yield from (v for v in value if isinstance(v, cst.CSTNode))


def parameters(params: cst.Parameters) -> Iterator[cst.Param]:
    yield from (*params.posonly_params, *params.params, *params.kwonly_params)
    for star in (params.star_arg, params.star_kwarg):
        if isinstance(star, cst.Param):
            yield star


def code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)
