"""Roundabout spellings written out: constants that are computed, and things that are reached by another name.

`int("5")`, `"x" + "y"` and `[1, 2][0]` become constants; `getattr(x, "f")`, `operator.attrgetter("f")(x)`, `partial(f, a)(b)`
and what is kept in a dict, a namespace or a default argument only to be taken out again become what they stand for.
Nothing is run: constants are computed by the reader of wrappers, which has its own limits. Lines stay.
"""

from __future__ import annotations

import ast
import functools
import keyword
import operator
from collections.abc import Callable
from typing import Any

from auditor.source.plain.loops import written_out
from auditor.source.plain.scopes import Comprehension, Scope, Scopes
from auditor.unpack import expressions
from auditor.unpack.folder import Folder
from auditor.unpack.limits import Budget, Stop
from auditor.unpack.machine import Machine
from auditor.unpack.nodes import Node, Raised
from auditor.unpack.parse import Parsed, children, fields, parse, walk
from auditor.unpack.values import Scope as Names
from auditor.unpack.wordset import wordset

WORK = 20_000  # of the reader, for one expression
TOTAL = 400_000  # for one file
MAX_TEXTS = 3  # texts in texts that are run
DEEP = 8  # stores in stores
MAX_LENGTH = 20_000  # of a constant that is put in
BUILTINS = wordset(
    "int float bool str bytes bytearray len ord chr abs hex sum min max map list tuple sorted reversed range zip "
    "enumerate filter round divmod set frozenset dict slice any all"
)
_ROUNDABOUT = frozenset(
    (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Subscript, ast.JoinedStr)
)
_LOOPS = (ast.While, ast.For)
_GETTERS = ("operator.attrgetter", "operator.itemgetter", "operator.methodcaller")
_SPACES = ("types.SimpleNamespace", "argparse.Namespace")


@functools.lru_cache(maxsize=8)
def plain(text: str) -> Parsed:
    """Like `parse`, with roundabout spellings written out. The tree is shared between callers: do not change it."""
    first = parse(text)
    if first.tree is None:
        return first
    try:
        tree = _Plain(first.tree).run()
        for _ in range(MAX_TEXTS):
            opened = _opened(tree)
            if opened is tree:
                break
            tree = _Plain(opened).run()
        return Parsed(tree, rewritten=first.rewritten)
    except RecursionError:
        return first


def _opened(tree: ast.Module) -> ast.Module:
    """The module with the statements of the texts that its own level runs; they stand in the line of the call."""
    body: list[ast.stmt] = []
    for s in tree.body:
        text = _run_text(s)
        inner = parse(text).tree if text else None
        if inner is None:
            body.append(s)
            continue
        copy = ast.parse(ast.unparse(inner))
        for n in ast.walk(copy):
            if isinstance(n, ast.stmt | ast.expr | ast.excepthandler | ast.arg):
                n.lineno = n.end_lineno = s.lineno
        body += copy.body
    return tree if len(body) == len(tree.body) and all(map(operator.is_, body, tree.body)) else ast.Module(body, [])


def _run_text(s: ast.stmt) -> str:
    """The text of `exec("…")` or `exec("…", globals())`, "" for any other statement."""
    e = s.value if isinstance(s, ast.Expr) else None
    if not (isinstance(e, ast.Call) and isinstance(e.func, ast.Name) and e.func.id == "exec" and not e.keywords):
        return ""
    first = e.args[0] if e.args else None
    here = len(e.args) == 1 or (
        len(e.args) == 2
        and isinstance(g := e.args[1], ast.Call)
        and isinstance(g.func, ast.Name)
        and g.func.id == "globals"
    )
    text = first.value if here and isinstance(first, ast.Constant) else ""
    return text if isinstance(text, str) and len(text) <= MAX_LENGTH else ""


def words_of(tree: ast.Module) -> frozenset[str]:
    """Attributes of the tree whose names may stand nowhere in the text."""
    found: frozenset[str] = getattr(tree, "_scorefirst_words", frozenset())
    return found


class _Plain:
    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.scopes = Scopes(tree)
        self.left = TOTAL
        self.depth = 0
        self.words: set[str] = set()  # names that stand nowhere in the text
        self.imports: set[str] = set()  # modules that `__import__` names and no statement imports
        self.stores: dict[tuple[int, str], dict[str | int, ast.expr] | ast.expr | None] = {}
        self.here: list[Scope] = [self.scopes.top]
        self.open = self.scopes.above(self._is_free)  # expressions with a name in them that is no constant

    def _is_free(self, n: ast.Name) -> bool:
        return (n.id not in BUILTINS or n.id in self.rebound) and n.id not in self.scopes.own

    def run(self) -> ast.Module:
        tree = self.go(self.tree)
        assert isinstance(tree, ast.Module)
        if self.imports:
            added = [ast.Import([ast.alias(m)], lineno=1, col_offset=0) for m in sorted(self.imports)]
            at = next((i for i, s in enumerate(tree.body) if not _is_head(s)), len(tree.body))
            tree = ast.Module([*tree.body[:at], *added, *tree.body[at:]], tree.type_ignores)
        if self.words:
            tree._scorefirst_words = frozenset(self.words)  # type: ignore[attr-defined]
        return tree

    def go(self, node: ast.AST) -> ast.AST:
        """The node itself, or a copy where something below it changed."""
        kind = type(node)
        if kind is ast.Constant:
            return node
        if kind is ast.Name:
            assert isinstance(node, ast.Name)
            meant = self.name(node)
            return ast.copy_location(meant, node) if meant is not node else node
        inner = self.scopes.of.get(id(node))
        if kind in _ROUNDABOUT and id(node) not in self.open and isinstance(node, ast.expr) and self.is_closed(node):
            value = self.constant(node)
            if value is not None:
                return ast.copy_location(value, node)
        if inner is not None:
            self.here.append(inner)
        new: dict[str, object] | None = None
        for name in fields(kind):
            value = getattr(node, name, None)
            changed: object = value
            if type(value) is list:
                if not value:
                    continue
                items: list[Any] = [self.go(v) if isinstance(v, ast.AST) else v for v in value]
                if isinstance(value[0], ast.stmt) and any(isinstance(v, _LOOPS) for v in items):
                    items = written_out(items, self.scopes, self.here[-1])
                if len(items) != len(value) or not all(map(operator.is_, items, value)):
                    changed = items
            elif isinstance(value, ast.AST):
                changed = self.go(value)
            if changed is not value:
                new = new or dict(node.__dict__)
                new[name] = changed
        if inner is not None:
            self.here.pop()
        if new is not None:
            copy = type(node)()
            copy.__dict__.update({k: v for k, v in new.items() if not k.startswith("_scorefirst")})
            node = self.moved(node, copy)
        rule = _RULES.get(kind)
        out = rule(self, node) if rule is not None else node
        if out is not node and isinstance(out, ast.expr) and isinstance(node, ast.expr):
            out = ast.copy_location(out, node)
        return out

    def moved(self, old: ast.AST, new: ast.AST) -> ast.AST:
        if id(old) in self.scopes.of:
            self.scopes.of[id(new)] = self.scopes.of[id(old)]
            self.kept.append(new)
        return new

    @functools.cached_property
    def kept(self) -> list[ast.AST]:
        """New nodes, kept so that no other object takes their number."""
        return []

    # Constants.

    def is_closed(self, node: ast.expr) -> bool:
        """Whether an expression needs nothing but constants and Python's own functions."""
        todo: list[tuple[ast.AST, frozenset[str]]] = [(node, frozenset())]
        seen = 0
        while todo:
            n, own = todo.pop()
            seen += 1
            if isinstance(n, ast.Name):
                free = n.id in BUILTINS and n.id not in self.rebound
                if not free and n.id not in own:
                    return False
            elif isinstance(n, ast.Attribute):
                if n.attr.startswith("_"):
                    return False
            elif isinstance(n, ast.Lambda):
                if n.args.vararg or n.args.kwarg:
                    return False
                own |= {p.arg for p in (*n.args.posonlyargs, *n.args.args, *n.args.kwonlyargs)}
            elif isinstance(n, Comprehension):
                own |= {x.id for g in n.generators for x in ast.walk(g.target) if isinstance(x, ast.Name)}
            elif isinstance(n, ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.Await | ast.Starred):
                return False
            if seen > 4000:
                return False
            todo += [(c, own) for c in children(n)]
        return True

    @functools.cached_property
    def put(self) -> frozenset[str]:
        """Attributes that the text sets, of whatever object: a module's function may be another one afterwards."""
        out: set[str] = set()
        for n in walk(self.tree):
            if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store):
                out.add(n.attr)
            elif (
                isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "setattr" and len(n.args) > 1
            ):
                out.update(x.value for x in n.args[1:2] if isinstance(x, ast.Constant) and isinstance(x.value, str))
        return frozenset(out)

    @functools.cached_property
    def rebound(self) -> frozenset[str]:
        return frozenset(name for s in self.scopes.of.values() for name in s.bound if name in BUILTINS)

    def constant(self, node: ast.expr) -> ast.expr | None:
        """The constant that a closed expression stands for."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant) and isinstance(node.op, ast.USub):
            return None  # a negative number, as everybody writes it
        if self.left <= 0:
            return None
        budget = Budget(min(WORK, self.left), MAX_LENGTH)
        machine = Machine(Folder("x.py", b"", lambda _: None, budget), budget, Node(""))
        try:
            value = expressions.evaluate(machine, node, Names())
        except (Stop, Raised, ArithmeticError, ValueError, TypeError, LookupError):
            return None
        finally:
            self.left -= WORK - max(0, budget.work_left) if budget.work_limit == WORK else WORK
        return _written(value)

    # Other names.

    def resolved(self, node: ast.expr) -> str:
        """The dotted name of something imported, "" for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        found = self.scopes.once(self.here[-1].owner(node.id), node.id)
        if node.id in self.imports:
            path = node.id
        elif isinstance(found, ast.Import):
            path = next(
                (
                    a.name if a.asname else node.id
                    for a in found.names
                    if (a.asname or a.name.partition(".")[0]) == node.id
                ),
                "",
            )
        elif isinstance(found, ast.ImportFrom) and not found.level:
            path = next((f"{found.module}.{a.name}" for a in found.names if (a.asname or a.name) == node.id), "")
        else:
            return ""
        return ".".join([path, *reversed(parts)])

    def store(self, scope: Scope, name: str) -> dict[str | int, ast.expr] | ast.expr | None:
        """What is kept under a name only to be taken out again: by key, by attribute, or by a call."""
        key = (id(scope), name)
        if key not in self.stores:
            self.stores[key] = None  # while it is looked for
            self.stores[key] = self._store(scope, name)
        return self.stores[key]

    def _store(self, scope: Scope, name: str) -> dict[str | int, ast.expr] | ast.expr | None:
        made = self.scopes.once(scope, name)
        if not isinstance(made, ast.Assign) or len(made.targets) != 1 or scope.kind == "class":
            return None
        target, value = made.targets[0], made.value
        if not (isinstance(target, ast.Name) and target.id == name):
            return None
        if isinstance(value, ast.Lambda) and not any(ast.iter_child_nodes(value.args)):
            return value.body if self.is_stable(value.body, scope) else None
        if isinstance(value, ast.Name | ast.Attribute):
            return value if self.is_stable(value, scope) else None
        kept = self._kept(value, scope)
        if kept is None:
            return None
        for use in self.scopes.uses.get((id(scope), name), ()):
            above = self.scopes.up[id(use)]
            if use is target:
                continue
            k = _key(above, use)
            if k is None:
                return None
            if isinstance(above.ctx, ast.Load):  # type: ignore[attr-defined]
                continue
            put = self.scopes.up[id(above)]
            if (
                not isinstance(put, ast.Assign)
                or len(put.targets) != 1
                or k in kept
                or self.scopes.at[id(use)] is not scope
                or not self.is_stable(put.value, scope)
            ):
                return None
            kept[k] = put.value
        return kept

    def _kept(self, value: ast.expr, scope: Scope) -> dict[str | int, ast.expr] | None:
        """The items that a store is made with; None if it is no store."""
        if isinstance(value, ast.Dict):
            keys = [k.value if isinstance(k, ast.Constant) else None for k in value.keys]
            if not all(isinstance(k, str | int) for k in keys) or not all(
                self.is_stable(v, scope) for v in value.values
            ):
                return None
            return dict(zip(keys, value.values, strict=True))  # type: ignore[arg-type]
        if not isinstance(value, ast.Call) or value.args:
            return None
        self.here.append(scope)
        path = self.resolved(self.imported(value.func))
        self.here.pop()
        if path in _SPACES:
            if not all(k.arg and self.is_stable(k.value, scope) for k in value.keywords):
                return None
            return {k.arg: k.value for k in value.keywords if k.arg}
        if isinstance(value.func, ast.Name) and not value.keywords:
            kind = self.scopes.once(scope.owner(value.func.id), value.func.id)
            bare = isinstance(kind, ast.ClassDef) and not kind.bases and not kind.decorator_list
            if bare and all(isinstance(s, ast.Pass | ast.Expr) for s in kind.body):  # type: ignore[union-attr]
                return {}
        return None

    def is_stable(self, e: ast.expr, scope: Scope) -> bool:
        """Whether an expression names one thing that nothing else is bound to later."""
        root = e
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Call) and root is not e:
            return self.imported(root) is not root
        if not isinstance(root, ast.Name):
            return False
        owner = scope.owner(root.id)
        found = self.scopes.once(owner, root.id)
        if found is None:
            return owner.parent is None and root.id not in owner.bound and root.id in _KNOWN
        if isinstance(e, ast.Attribute):
            return isinstance(found, ast.Import | ast.ImportFrom) and e.attr not in self.put
        return owner.kind != "class"

    def taken(self, name: ast.expr, key: str | int | None) -> ast.expr | None:
        """What a store holds under a key; with no key, what a name or a call of it stands for."""
        if not isinstance(name, ast.Name) or self.depth > DEEP:
            return None
        here = self.here[-1]
        scope = here.owner(name.id)
        held = self.store(scope, name.id)
        found = held.get(key) if isinstance(held, dict) and key is not None else held if key is None else None
        if not isinstance(found, ast.expr):
            return None
        root = found
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and here.owner(root.id) is not scope.owner(root.id):
            return None  # the name means something else where it is used
        self.depth += 1
        self.here.append(scope)
        try:
            out = self.go(found)
        finally:
            self.here.pop()
            self.depth -= 1
        assert isinstance(out, ast.expr)
        return _copy(out)

    def imported(self, e: ast.expr) -> ast.expr:
        """`__import__("m")` and what is below it, as a name."""
        if isinstance(e, ast.Attribute):
            below = self.imported(e.value)
            return e if below is e.value else ast.copy_location(ast.Attribute(below, e.attr, ast.Load()), e)
        if isinstance(e, ast.Call) and len(e.args) == 1 and not e.keywords and isinstance(e.args[0], ast.Constant):
            called = isinstance(e.func, ast.Name) and e.func.id == "__import__"
            called = called or self.resolved(e.func) == "importlib.import_module"
            module = e.args[0].value
            if called and isinstance(module, str) and module.isidentifier():
                bound = self.here[-1].owner(module).bound.get(module, ())
                if not bound:
                    self.imports.add(module)
                if not bound or all(isinstance(b, ast.Import) for b in bound):
                    return ast.copy_location(ast.Name(module, ast.Load()), e)
        return e

    # What is written out, by kind of node.

    def name(self, n: ast.Name) -> ast.expr:
        if not isinstance(n.ctx, ast.Load):
            return n
        owner = self.here[-1].owner(n.id)
        found = self.scopes.once(owner, n.id)
        if isinstance(found, ast.arg):
            return self._default(n, owner, found) or n
        if isinstance(found, ast.Assign) and isinstance(found.value, ast.Name | ast.Attribute):
            meant = self.taken(n, None)
            if meant is not None and (isinstance(meant, ast.Attribute) or self._is_definition(meant)):
                return meant
        return n

    def _is_definition(self, e: ast.expr) -> bool:
        """Whether a name is that of a function, a class or a module."""
        if not isinstance(e, ast.Name):
            return False
        found = self.scopes.once(self.here[-1].owner(e.id), e.id)
        return isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom)

    def _default(self, n: ast.Name, owner: Scope, p: ast.arg) -> ast.expr | None:
        """A parameter that is only given by keyword, and that no call gives: its default."""
        f = owner.node
        if not isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) or p not in f.args.kwonlyargs:
            return None
        default = f.args.kw_defaults[f.args.kwonlyargs.index(p)]
        outside = owner.parent
        if default is None or outside is None or p.arg in self.given or not self.is_stable(default, outside):
            return None
        if not isinstance(default, ast.Name) or self.here[-1].owner(default.id) is not outside.owner(default.id):
            return None
        found = self.scopes.once(outside.owner(default.id), default.id)
        if not isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
            return None
        return _copy(default)

    @functools.cached_property
    def given(self) -> frozenset[str]:
        """Every keyword that some call gives, and every key of a text, which might be given by `**`."""
        names = {k.arg for n in walk(self.tree) if isinstance(n, ast.Call) for k in n.keywords if k.arg}
        return frozenset(names)

    def attribute(self, n: ast.Attribute) -> ast.expr:
        if not isinstance(n.ctx, ast.Load):
            return n
        out = self.taken(n.value, n.attr)
        if out is None and isinstance(n.value, ast.Call):
            return self.imported(n)
        return out or n

    def subscript(self, n: ast.Subscript) -> ast.expr:
        key = n.slice
        if not isinstance(n.ctx, ast.Load) or not isinstance(key, ast.Constant) or not isinstance(key.value, str | int):
            return n
        if isinstance(n.value, ast.Dict):
            keys = [k.value if isinstance(k, ast.Constant) else None for k in n.value.keys]
            if keys.count(key.value) == 1 and None not in keys:
                return n.value.values[keys.index(key.value)]
        return self.taken(n.value, key.value) or n

    def call(self, n: ast.Call) -> ast.expr:
        f = n.func
        if isinstance(f, ast.Name):
            if f.id == "getattr" and len(n.args) == 2 and not n.keywords and self._identifier(n.args[1]):
                name = n.args[1].value  # type: ignore[attr-defined]
                self.words.add(name)
                out = ast.Attribute(n.args[0], name, ast.Load())
                return self.attribute(ast.copy_location(out, n))
            if not n.args and not n.keywords:
                owner = self.here[-1].owner(f.id)
                made = self.scopes.once(owner, f.id)
                if isinstance(made, ast.Assign) and isinstance(made.value, ast.Lambda):
                    return self.taken(f, None) or n
            if f.id == "__import__":
                return self.imported(n)
        if isinstance(f, ast.Call):
            return self._called_twice(n, f)
        return self.imported(n)

    def _identifier(self, e: ast.expr) -> bool:
        v = e.value if isinstance(e, ast.Constant) else None
        return isinstance(v, str) and v.isidentifier() and not keyword.iskeyword(v)

    def _called_twice(self, n: ast.Call, f: ast.Call) -> ast.expr:
        """`attrgetter("x")(y)`, `partial(f, a)(b)` and their kin."""
        path = self.resolved(f.func)
        first = f.args[0] if f.args else None
        if first is None or isinstance(first, ast.Starred):
            return n
        if path == "functools.partial":
            return ast.Call(first, [*f.args[1:], *n.args], [*f.keywords, *n.keywords])
        if path not in _GETTERS or len(n.args) != 1 or n.keywords or isinstance(n.args[0], ast.Starred):
            return n
        owner = n.args[0]
        if path == "operator.itemgetter" and len(f.args) == 1:
            return ast.Subscript(owner, first, ast.Load())
        if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
            return n
        parts = first.value.split(".")
        if not all(p.isidentifier() and not keyword.iskeyword(p) for p in parts):
            return n
        self.words.update(parts)
        if path == "operator.methodcaller" and len(parts) == 1:
            method = ast.copy_location(ast.Attribute(owner, parts[0], ast.Load()), n)
            return ast.Call(self.attribute(method), f.args[1:], f.keywords)
        if path == "operator.attrgetter" and len(f.args) == 1:
            out: ast.expr = owner
            for p in parts:
                out = self.attribute(ast.copy_location(ast.Attribute(out, p, ast.Load()), n))
            return out
        return n


_KNOWN = frozenset(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)
_RULES: dict[type[ast.AST], Callable[[_Plain, ast.AST], ast.AST]] = {
    ast.Attribute: _Plain.attribute,  # type: ignore[dict-item]
    ast.Subscript: _Plain.subscript,  # type: ignore[dict-item]
    ast.Call: _Plain.call,  # type: ignore[dict-item]
}


def _key(above: ast.AST, use: ast.Name) -> str | int | None:
    """The key under which something is put into or taken out of the name; None for any other use."""
    if isinstance(above, ast.Attribute):
        return above.attr
    if isinstance(above, ast.Subscript) and above.value is use and isinstance(above.slice, ast.Constant):
        key = above.slice.value
        return key if isinstance(key, str | int) else None
    return None


def _is_head(s: ast.stmt) -> bool:
    if isinstance(s, ast.ImportFrom):
        return s.module == "__future__"
    return isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)


def _written(value: object) -> ast.expr | None:
    """A constant as an expression; lists and the like stay as they were written."""
    if value is None or isinstance(value, bool | int | float):
        return ast.Constant(value)
    if isinstance(value, str) and len(value) <= MAX_LENGTH:
        return ast.Constant(str.__str__(value) if type(value) is str else "".join(value))
    if isinstance(value, bytes) and len(value) <= MAX_LENGTH:
        return ast.Constant(bytes(bytearray(value)))
    return None


def _copy(e: ast.expr) -> ast.expr:
    """Names and attributes anew, so that one node does not stand in two places."""
    if isinstance(e, ast.Name):
        return ast.Name(e.id, ast.Load())
    if isinstance(e, ast.Attribute):
        return ast.Attribute(_copy(e.value), e.attr, ast.Load())
    return e
