"""One file as the byte-table search sees it: its functions, calls by name, imports, constants, and what is reachable."""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from auditor.source.byte_table.expressions import Known
from auditor.source.byte_table.values import PIECE_METHODS, tokenizer_method
from auditor.source.plain.text import plain, words_of
from auditor.unpack.parse import walk
from rules.evidence import Script
from rules.place import Location

Function = ast.FunctionDef | ast.AsyncFunctionDef
_WANTED = frozenset((ast.FunctionDef, ast.AsyncFunctionDef, ast.Import, ast.ImportFrom))
_PLAIN = frozenset(("property", "staticmethod", "classmethod"))
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(eq=False, slots=True)
class Unit:
    """A function or method with all that is nested in it, or the module's own statements (`node` is None)."""

    module: Module
    node: Function | None
    owner: str = ""  # the class it is a method of
    static: bool = False
    _nodes: list[ast.AST] = field(default_factory=list)
    _words: frozenset[str] | None = None
    _mentioned: frozenset[str] | None = None

    @property
    def name(self) -> str:
        return self.node.name if self.node else ""

    @property
    def body(self) -> list[ast.stmt]:
        return self.node.body if self.node else self.module.statements

    def nodes(self) -> list[ast.AST]:
        if not self._nodes:
            self._nodes = [n for s in self.body for n in walk(s)]
        return self._nodes

    def words(self) -> frozenset[str]:
        """All words in its text, comments included: a quick look before a closer one."""
        if self._words is None:
            lines = self.module.lines
            if self.node is not None:
                lines = lines[self.node.lineno - 1 : self.node.end_lineno]
            self._words = frozenset(_WORD.findall("\n".join(lines))) | words_of(self.module.tree)
        return self._words

    def mentions(self, name: str) -> bool:
        """Whether its code names it: as a name, an attribute, or a text such as getattr takes."""
        if name not in self.words():
            return False
        if self._mentioned is None:
            nodes = [*self.nodes(), *(_outside(self) if self.node is None else ())]
            self._mentioned = frozenset(w for n in nodes if (w := _word(n)))
        return name in self._mentioned

    def parameters(self) -> list[str]:
        """Names of the positional parameters, without a method's own object."""
        if self.node is None:
            return []
        a = self.node.args
        names = [p.arg for p in (*a.posonlyargs, *a.args)]
        return names[1:] if self.owner and not self.static else names


@dataclass(eq=False)
class Module:
    """A parsed file. `pieces` are calls that ask a tokenizer for the pieces of its vocabulary."""

    script: Script
    tree: ast.Module
    units: list[Unit] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    calls: dict[str, list[ast.Call]] = field(default_factory=lambda: defaultdict(list))
    pieces: list[ast.Call] = field(default_factory=list)
    statements: list[ast.stmt] = field(default_factory=list)
    known: Known = field(default_factory=lambda: Known({}, {}, {}))
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)

    def at(self, line: int) -> Location:
        text = self.lines[line - 1].strip()[:240] if 0 < line <= len(self.lines) else ""
        return Location(self.script.path, line or None, text, len(self.script.layers))

    def unit_at(self, line: int) -> Unit:
        """The function or method that a line belongs to, or the module itself."""
        i = bisect_right(self._starts, line) - 1
        if i >= 0 and (self._units[i].node.end_lineno or 0) >= line:  # type: ignore[union-attr]
            return self._units[i]
        return self.units[0]

    def function_at(self, line: int) -> Function | None:
        """The innermost function around a line."""
        around = [f for f in self.functions if f.lineno <= line <= (f.end_lineno or 0)]
        return max(around, key=lambda f: f.lineno) if around else None

    def __post_init__(self) -> None:
        self.lines = self.script.text.split("\n")
        top = Unit(self, None)
        self.units = [top]
        functions: dict[str, tuple[Function, bool]] = {}
        constants: dict[str, ast.expr] = {}
        imports: dict[str, str] = {}
        self._body(self.tree.body, functions, constants, "")
        for node in walk(self.tree):
            kind = type(node)
            if kind is ast.Call:
                assert isinstance(node, ast.Call)
                f = node.func
                name = f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else ""
                self.calls[name].append(node)
                if type(f) is ast.Attribute and (
                    tokenizer_method(name) in PIECE_METHODS
                    or (name in ("decode", "Decode") and node.args and type(node.args[0]) is ast.List)
                ):
                    self.pieces.append(node)
            elif kind not in _WANTED:
                continue
            elif isinstance(node, Function):
                self.functions.append(node)
                functions.setdefault(node.name, (node, False))
            elif isinstance(node, ast.Import):
                for a in node.names:
                    imports[a.asname or a.name.partition(".")[0]] = a.name if a.asname else a.name.partition(".")[0]
            elif isinstance(node, ast.ImportFrom):
                for a in node.names:
                    imports[a.asname or a.name] = f"{node.module or ''}.{a.name}"
        self.known = Known(functions, constants, imports)
        self._units = sorted((u for u in self.units if u.node), key=lambda u: u.node.lineno)  # type: ignore[union-attr]
        self._starts = [u.node.lineno for u in self._units]  # type: ignore[union-attr]

    def _body(
        self,
        body: list[ast.stmt],
        functions: dict[str, tuple[Function, bool]],
        constants: dict[str, ast.expr],
        owner: str,
    ) -> None:
        for s in body:
            if isinstance(s, Function):
                static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in s.decorator_list)
                self.units.append(Unit(self, s, owner, static))
                functions[s.name] = (s, bool(owner))
            elif isinstance(s, ast.ClassDef):
                self.classes[s.name] = s
                if not owner:
                    self._body(s.body, functions, constants, s.name)
            elif not owner:
                if isinstance(s, ast.If | ast.Try | ast.With) and any(
                    isinstance(n, Function | ast.ClassDef) for n in walk(s)
                ):
                    self._body(s.body, functions, constants, "")
                    self._body(getattr(s, "orelse", []), functions, constants, "")
                    continue
                self.statements.append(s)
                if isinstance(s, ast.Assign) and len(s.targets) == 1 and isinstance(s.targets[0], ast.Name):
                    constants[s.targets[0].id] = s.value
                elif (
                    isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Tuple) and isinstance(s.value, ast.Tuple)
                ):
                    for t, v in zip(s.targets[0].elts, s.value.elts, strict=False):
                        if isinstance(t, ast.Name):
                            constants[t.id] = v
                elif isinstance(s, ast.AnnAssign) and s.value and isinstance(s.target, ast.Name):
                    constants[s.target.id] = s.value


def read(script: Script) -> Module | None:
    """The file's module, None when it is no Python."""
    tree = plain(script.text).tree if script.text else None
    return Module(script, tree) if tree is not None else None


class Program:
    """All modules of a submission, and what of them may run: code that may run names it.

    Modules run when they are imported. Methods that Python calls by itself run where their class is named.
    """

    def __init__(self, modules: list[Module]) -> None:
        self.modules = modules
        self._words: dict[str, list[Unit]] | None = None
        self._runs: dict[Unit, bool] = {}

    def mentioning(self, name: str) -> list[Unit]:
        """Functions whose code names it."""
        if self._words is None:
            self._words = defaultdict(list)
            for u in (u for m in self.modules for u in m.units):
                for word in u.words():
                    self._words[word].append(u)
        return [u for u in self._words.get(name, ()) if u.mentions(name)]

    def runs(self, *units: Unit) -> bool:
        return all(self._one_runs(u) for u in units)

    def _one_runs(self, unit: Unit) -> bool:
        todo, seen = [unit], {unit}
        while todo:
            at = todo.pop()
            if at.node is None or self._runs.get(at) or _registered(at):
                self._runs[unit] = True
                return True
            if at in self._runs:
                continue
            by_itself = at.owner and (at.name.startswith("__") or at.name == "forward")
            for u in self.mentioning(at.owner if by_itself else at.name):
                if u not in seen:
                    seen.add(u)
                    todo.append(u)
        self._runs.update(dict.fromkeys(seen, False))
        return False


def _registered(unit: Unit) -> bool:
    """Handed to an object of the module by a decorator, as frameworks that start functions by themselves want it."""
    for d in unit.node.decorator_list if unit.node else ():
        root = d.func if isinstance(d, ast.Call) else d
        while isinstance(root, ast.Attribute):
            root = root.value
        known = unit.module.known
        if (
            isinstance(root, ast.Name)
            and root.id not in _PLAIN
            and root.id not in known.imports
            and root.id not in known.functions
        ):
            return True
    return False


def _word(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 80 else ""


def _outside(unit: Unit) -> list[ast.AST]:
    """Decorators and class bodies, which run with the module."""
    if unit.node is not None:
        return []
    out: list[ast.AST] = []
    for c in unit.module.classes.values():
        for s in c.body:
            if not isinstance(s, Function):
                out += ast.walk(s)
    for f in unit.module.units:
        if f.node:
            out += [n for d in f.node.decorator_list for n in ast.walk(d)]
    return out
