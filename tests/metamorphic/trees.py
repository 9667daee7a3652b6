"""What every rewriting needs of a program text: its scopes, its names, and one way to exchange nodes.

`Program(text)` parses a script with libcst and resolves each name to the scope that binds it.
`Program.swap({node: replacement})` gives the text with nodes exchanged; a replacement is a node, or a
function of the node whose children are already exchanged.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import keyword
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from random import Random
from typing import Any, TypeAlias

import libcst as cst

Files: TypeAlias = Mapping[str, str | bytes]
ENTRY = "train_gpt.py"
Edit: TypeAlias = Callable[[str, Random], str]
Family: TypeAlias = Callable[[Files, Random], Files]
Edits: TypeAlias = dict[cst.CSTNode, Any]


class NotApplicable(Exception):
    """The program has nothing that this rewriting could change."""


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


class _Walk:
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


def rebuilt(node: Any, edits: Edits) -> Any:
    """The node with nodes in it exchanged, from the leaves up; the node itself where nothing changed."""
    changed: dict[str, Any] = {}
    for name in _fields(type(node)):
        old = getattr(node, name)
        if isinstance(old, cst.CSTNode):
            new = rebuilt(old, edits)
            if new is not old:
                changed[name] = new
        elif isinstance(old, list | tuple):
            items: list[Any] = []
            for child in old:
                new = rebuilt(child, edits) if isinstance(child, cst.CSTNode) else child
                items += (
                    new.nodes
                    if isinstance(new, cst.FlattenSentinel)
                    else [new]
                    if new is not cst.RemoveFromParent()
                    else []
                )
            if len(items) != len(old) or any(i is not o for i, o in zip(items, old, strict=True)):
                changed[name] = items
    updated = node.with_changes(**changed) if changed else node
    if changed and isinstance(node, cst.FormattedString):
        updated = updated.visit(_Requote(node.quote))
    if node not in edits:
        return updated
    edit = edits[node]
    return edit if isinstance(edit, cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel) else edit(updated)


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
def _fields(kind: type) -> tuple[str, ...]:
    """Fields of a node that hold code, in order; white space and brackets are left out."""
    return tuple(f.name for f in dataclasses.fields(kind) if not f.name.startswith(_SPACE))


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Nodes right below a node; libcst's own `children` visits white space too and takes ten times as long."""
    for name in _fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            yield value
        elif isinstance(value, list | tuple):
            yield from (v for v in value if isinstance(v, cst.CSTNode))


class _Requote(cst.CSTTransformer):
    """Strings inside an f-string take the other quotes, as Python before 3.12 wants it."""

    def __init__(self, quote: str) -> None:
        super().__init__()
        self.quote = quote

    def leave_SimpleString(self, original_node: cst.SimpleString, updated_node: cst.SimpleString) -> cst.SimpleString:
        other = "'" if self.quote == '"' else '"'
        if updated_node.quote != self.quote or other in updated_node.value or len(self.quote) > 1:
            return updated_node
        return updated_node.with_changes(value=updated_node.value.replace(self.quote, other))


parse = lru_cache(1024)(cst.parse_module)
"""libcst's trees are never changed in place, so that a text needs to be parsed once only."""


@lru_cache(512)
def _analysed(text: str) -> tuple[cst.Module, _Walk]:
    module, walk = parse(text), _Walk()
    walk.go(module)
    return module, walk


class Program:
    """One script: its tree, its scopes and every use of a name in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.module, walk = _analysed(text)
        self.uses, self.keywords, self.scopes = walk.uses, walk.keywords, walk.scopes
        self.top = self.scopes[self.module]
        self._all: list[cst.CSTNode] | None = None
        self.by_owner: dict[tuple[Scope, str], list[Use]] = {}
        for use in self.uses:
            self.by_owner.setdefault((use.scope.owner(use.name), use.name), []).append(use)

    def swap(self, edits: Edits) -> str:
        """The text with nodes exchanged. Raises NotApplicable when there is nothing to exchange."""
        if not edits:
            raise NotApplicable("nothing to change")
        new = rebuilt(self.module, edits)
        assert isinstance(new, cst.Module)
        return new.code

    def of(self, name: str, scope: Scope | None = None) -> list[Use]:
        """The uses of a name that belongs to a scope (the module's if none is given)."""
        return self.by_owner.get((scope or self.top, name), [])

    def loads(self, name: str, scope: Scope | None = None) -> list[cst.Name]:
        return [u.node for u in self.of(name, scope) if u.how == "load" and u.node]

    def bindings(self, name: str, scope: Scope | None = None) -> int:
        return sum(u.how in ("store", "param", "import") for u in self.of(name, scope))

    def bound_before(self, statement: int) -> set[str]:
        """Names that the module's own level binds in the statements before the given one."""
        how = ("store", "import")
        return {u.name for u in self.uses if u.statement < statement and u.how in how and u.scope is self.top}

    def functions(self) -> dict[str, cst.FunctionDef]:
        """Functions of the module's own level whose name is bound once."""
        found = {s.name.value: s for s in self.module.body if isinstance(s, cst.FunctionDef)}
        return {n: f for n, f in found.items() if self.bindings(n) == 1}

    def imported(self) -> set[str]:
        """Names that imports at the module's level bind, and nothing else."""
        names = {u.name for u in self.uses if u.how == "import" and u.scope is self.top}
        return {n for n in names if all(u.how in ("import", "load") for u in self.of(n))}

    def nodes(self, kind: type | tuple[type, ...], root: cst.CSTNode | None = None) -> list[Any]:
        """All nodes of a kind, in order of the text, those inside f-strings left out."""
        if root is None:
            if self._all is None:
                self._all = list(walk(self.module))
            return [n for n in self._all if isinstance(n, kind)]
        return [n for n in walk(root) if isinstance(n, kind)]


def walk(root: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """A node and all below it, without what stands inside f-strings."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, cst.FormattedString):
            stack += reversed(list(children(node)))


def parameters(params: cst.Parameters) -> Iterator[cst.Param]:
    yield from (*params.posonly_params, *params.params, *params.kwonly_params)
    for star in (params.star_arg, params.star_kwarg):
        if isinstance(star, cst.Param):
            yield star


def code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def expression(text: str) -> cst.BaseExpression:
    """The expression, in parentheses unless it is an atom, so that it may stand anywhere."""
    node = cst.parse_expression(text)
    if isinstance(
        node, cst.Name | cst.Call | cst.Attribute | cst.Subscript | cst.Integer | cst.SimpleString | cst.List | cst.Dict
    ):
        return node
    return node if getattr(node, "lpar", ()) else cst.parse_expression(f"({text})")


def statements(text: str) -> list[Any]:
    return list(parse(text).body)


def before_first_definition(module: cst.Module) -> int:
    """Index of the statement behind the imports at the top of the module."""
    at = 0
    for i, s in enumerate(module.body):
        if not isinstance(s, cst.SimpleStatementLine):
            break
        if isinstance(s.body[0], cst.Import | cst.ImportFrom) or is_docstring(s):
            at = i + 1
    return at


def after_imports(text: str, addition: str) -> str:
    """The text with statements put in behind its imports."""
    module = parse(text)
    at = before_first_definition(module)
    return module.with_changes(body=[*module.body[:at], *statements(addition), *module.body[at:]]).code


def is_docstring(statement: cst.CSTNode) -> bool:
    return (
        isinstance(statement, cst.SimpleStatementLine)
        and isinstance(statement.body[0], cst.Expr)
        and isinstance(statement.body[0].value, cst.SimpleString | cst.ConcatenatedString)
    )


def one(statement: cst.CSTNode, kind: type) -> Any:
    """The small statement of that kind if the line holds only this one, else None."""
    if (
        isinstance(statement, cst.SimpleStatementLine)
        and len(statement.body) == 1
        and isinstance(statement.body[0], kind)
    ):
        return statement.body[0]
    return None


def identifiers(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d]\w*", text))


@dataclass
class Fresh:
    """Names that the program does not use yet."""

    rng: Random
    taken: set[str]

    def __call__(self, *wishes: str) -> str:
        wish = self.rng.choice(wishes or ("item", "thing", "part", "aux", "it", "node", "unit"))
        name, n = wish, 1
        while name in self.taken or name in RESERVED:
            n += 1
            name = f"{wish}{n}"
        self.taken.add(name)
        return name


RESERVED = {*dir(builtins), *keyword.kwlist, *keyword.softkwlist}


def fresh(rng: Random, *texts: str) -> Fresh:
    return Fresh(rng, set().union(*map(identifiers, texts)))


def some(rng: Random, items: Sequence[Any], most: int | None = None) -> list[Any]:
    """At least one of the items, in their order. Raises NotApplicable if there are none."""
    if not items:
        raise NotApplicable("no place found")
    n = rng.randint(1, min(len(items), most or len(items)))
    chosen = set(rng.sample(range(len(items)), n))
    return [x for i, x in enumerate(items) if i in chosen]


def scripts(files: Files) -> list[str]:
    return [name for name in files if name.endswith(".py")]


def everywhere(edit: Edit) -> Family:
    """A family that rewrites each Python file of the folder by itself; one of them at least must change."""

    def family(files: Files, rng: Random) -> Files:
        out, changed = dict(files), 0
        for name in scripts(files):
            text = files[name]
            assert isinstance(text, str)
            try:
                out[name] = edit(text, rng)
                changed += 1
            except NotApplicable:
                if name == ENTRY:
                    raise
        if not changed:
            raise NotApplicable("no script could be changed")
        return out

    family.__doc__ = edit.__doc__
    return family


def free_and_bound(text: str) -> tuple[set[str], set[str]]:
    """Names that statements read from outside their own nested scopes, and names that they bind."""
    program = Program(text)
    bound = {u.name for u in program.uses if u.how != "load" and u.scope.owner(u.name) is program.top}
    read = {u.name for u in program.uses if u.how == "load" and u.scope.owner(u.name) is program.top}
    augmented = {
        n.target.id
        for n in ast.walk(ast.parse(text))
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)
    }
    return read | augmented, bound


def put(body: cst.IndentedBlock, at: int, added: Sequence[Any]) -> cst.IndentedBlock:
    """The block with statements put in at an index."""
    return body.with_changes(body=[*body.body[:at], *added, *body.body[at:]])


def below(root: cst.CSTNode) -> list[cst.CSTNode]:
    """A node and all below it, with what stands inside f-strings."""
    out = [root]
    for node in out:
        out += children(node)
    return out


def path_to(root: cst.CSTNode, wanted: cst.CSTNode) -> list[cst.CSTNode]:
    """The nodes from `root` down to `wanted`, both included; empty if it is not there."""
    if root is wanted:
        return [root]
    for child in children(root):
        if found := path_to(child, wanted):
            return [root, *found]
    return []
