"""What every rewriting needs of a program text: its scopes, its names, and one way to exchange nodes.

`Program(text)` parses a script with libcst and resolves each name to the scope that binds it.
`Program.swap({node: replacement})` gives the text with nodes exchanged; a replacement is a node, or a
function of the node whose children are already exchanged.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, TypeAlias

import libcst as cst

from tests.metamorphic.scopes import Scope, Use, Walk, children, code, fields, parameters

Files: TypeAlias = Mapping[str, str | bytes]
__all__ = ["Scope", "children", "code", "parameters"]
ENTRY = "train_gpt.py"
Edit: TypeAlias = Callable[[str, Random], str]
Family: TypeAlias = Callable[[Files, Random], Files]
Edits: TypeAlias = dict[cst.CSTNode, Any]


class NotApplicable(Exception):
    """The program has nothing that this rewriting could change."""


def rebuilt(node: Any, edits: Edits) -> Any:
    """The node with nodes in it exchanged, from the leaves up; the node itself where nothing changed."""
    changed: dict[str, Any] = {}
    for name in fields(type(node)):
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
def _analysed(text: str) -> tuple[cst.Module, Walk]:
    module, walk = parse(text), Walk()
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
