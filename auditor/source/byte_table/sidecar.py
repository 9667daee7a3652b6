"""Bytes per token that are read from a file beside the tokens, and where they are added up."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from auditor.source.byte_table.module import Program, Unit
from auditor.unpack.parse import walk
from rules.events import ByteCount, ByteTable, Step

# Part of a file name, as written in the code: val_bytes_*.bin and the like.
_FILE = re.compile(
    r"(?:val|valid|validation)[A-Za-z0-9_]{0,20}_bytes|_bytes_[*0-9{%]|bytes_\*|bytes?(?:_counts?)?\.(?:bin|npy)"
)
MAX_VISITS = 300
MAX_NODES = 1_000_000  # that are looked at on the way


def sidecars(program: Program) -> list[tuple[ByteTable, Unit, Unit]]:
    """Sums of values that come from such a file, with the units that load and that add; at most one per file."""
    if not any(_FILE.search(m.script.text) for m in program.modules):
        return []
    follower = _Follower(program)
    follower.run()
    if follower.seed is None:
        return []
    unit, node = follower.seed
    found = follower.sums()
    if found is None:
        return []
    adder, line = found
    start, end = unit.module.at(getattr(node, "lineno", 0)), adder.module.at(line)
    path = (Step(start, "the file of bytes per token is named"), Step(end, "its values are added up"))
    what = "bytes per token come from a file beside the tokens; whether they are the original text's is not seen here"
    return [(ByteTable(ByteCount.SIDECAR, start, what, path), unit, adder)]


class _Follower:
    """Names that hold such a file's name or values. Names of one function are kept apart from another's."""

    def __init__(self, program: Program) -> None:
        self.program, self.modules = program, program.modules
        self.left = MAX_NODES
        self.names: dict[Unit, set[str]] = defaultdict(set)
        self.attributes: set[str] = set()
        self.returns: set[str] = set()
        self.seed: tuple[Unit, ast.AST] | None = None
        self.units: dict[str, list[Unit]] = defaultdict(list)
        self.todo: list[Unit] = []
        for m in self.modules:
            for u in m.units:
                self.units[u.name if u.name != "__init__" else u.owner].append(u)

    def run(self) -> None:
        for m in self.modules:
            for node in walk(m.tree):
                if type(node) is ast.Constant and isinstance(node.value, str) and self.is_file(node.value):
                    self.todo.append(m.unit_at(node.lineno))
            for c in m.classes.values():
                for s in c.body:
                    if isinstance(s, ast.Assign | ast.AnnAssign) and s.value and self.holds(s.value, m.units[0]):
                        targets = s.targets if isinstance(s, ast.Assign) else [s.target]
                        for t in targets:
                            if isinstance(t, ast.Name):
                                self.mark(t.id)
        for _ in range(MAX_VISITS):
            if not self.todo or self.left < 0:
                break
            self.visit(self.todo.pop(0))

    @staticmethod
    def is_file(text: str) -> bool:
        return len(text) < 200 and "\n" not in text and " " not in text.strip() and bool(_FILE.search(text))

    def holds(self, e: ast.AST, unit: Unit) -> bool:
        """Whether an expression has the file's name or values in it, comparisons left out."""
        todo = [e]
        while todo:
            n = todo.pop()
            if isinstance(n, ast.Compare | ast.Lambda | ast.IfExp):
                todo += [n.body, n.orelse] if isinstance(n, ast.IfExp) else []
                continue
            if isinstance(n, ast.comprehension):
                todo.append(n.iter)
                continue
            if isinstance(n, ast.Constant) and isinstance(n.value, str) and self.is_file(n.value):
                if self.seed is None:
                    self.seed = unit, n
                return True
            if isinstance(n, ast.Name) and n.id in self.names[unit]:
                return True
            if isinstance(n, ast.Attribute):
                if n.attr in self.attributes:
                    return True
                if n.attr in ("numel", "shape", "size", "exists", "dtype", "device"):
                    continue
            if isinstance(n, ast.Call):
                name = (
                    n.func.id
                    if isinstance(n.func, ast.Name)
                    else n.func.attr
                    if isinstance(n.func, ast.Attribute)
                    else ""
                )
                if name in self.returns:
                    return True
                if name in self.units and name not in self.returns:
                    continue  # a function of the program: what it gives back is known from its return
                if name in ("len", "print", "isinstance", "int", "log", "log0"):
                    continue
            todo += ast.iter_child_nodes(n)
        return False

    def mark(self, attribute: str) -> None:
        if attribute not in self.attributes:
            self.attributes.add(attribute)
            self.todo += [u for u in self.program.mentioning(attribute) if u not in self.todo]

    def visit(self, unit: Unit) -> None:
        for _ in range(4):
            before = len(self.names[unit])
            self.left -= len(unit.nodes())
            for n in unit.nodes():
                if isinstance(n, ast.Assign | ast.AnnAssign | ast.NamedExpr) and n.value is not None:
                    for t in n.targets if isinstance(n, ast.Assign) else [n.target]:
                        self.take(t, n.value, unit)
                elif isinstance(n, ast.Call):
                    self.arguments(n, unit)
                elif isinstance(n, ast.Return) and n.value is not None and unit.node and self.holds(n.value, unit):
                    if isinstance(n.value, ast.Tuple):
                        continue
                    name = unit.name
                    if name not in self.returns:
                        self.returns.add(name)
                        self.todo += [m.unit_at(c.lineno) for m in self.modules for c in m.calls.get(name, ())]
            if len(self.names[unit]) == before:
                return

    def take(self, target: ast.expr, value: ast.expr, unit: Unit) -> None:
        """target = value, part by part where both are tuples."""
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for t, v in zip(target.elts, value.elts, strict=True):
                self.take(t, v, unit)
        elif self.holds(value, unit):
            self.bind(target, unit)

    def bind(self, target: ast.expr, unit: Unit) -> None:
        if isinstance(target, ast.Name):
            self.names[unit].add(target.id)
        elif isinstance(target, ast.Attribute):
            self.mark(target.attr)

    def arguments(self, call: ast.Call, unit: Unit) -> None:
        name = (
            call.func.id
            if isinstance(call.func, ast.Name)
            else call.func.attr
            if isinstance(call.func, ast.Attribute)
            else ""
        )
        for u in self.units.get(name, ()):
            given = u.parameters()
            pairs = [(given[k], a) for k, a in enumerate(call.args) if k < len(given)]
            pairs += [(k.arg, k.value) for k in call.keywords if k.arg]
            for parameter, a in pairs:
                if parameter not in self.names[u] and not isinstance(a, ast.Constant) and self.holds(a, unit):
                    self.names[u].add(parameter)
                    self.todo.append(u)
                elif isinstance(a, ast.Constant) and isinstance(a.value, str) and self.is_file(a.value) and u.node:
                    if self.seed is None:
                        self.seed = unit, a
                    self.returns.add(u.name)  # the function reads what it is given the name of
                    self.todo.append(unit)

    def sums(self) -> tuple[Unit, int] | None:
        """Where a slice of the values is summed into something."""
        for unit in [u for m in self.modules for u in m.units]:
            if not self.names[unit] and not any(unit.mentions(a) for a in self.attributes):
                continue
            for n in unit.nodes():
                if not isinstance(n, ast.AugAssign | ast.Assign | ast.Return) or n.value is None:
                    continue
                if (isinstance(n, ast.AugAssign) and self.holds(n.value, unit)) or _has_sum(n.value, self, unit):
                    return unit, n.lineno
        return None


def _has_sum(e: ast.expr, follower: _Follower, unit: Unit) -> bool:
    sums = (
        n for n in walk(e) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr == "sum"
    )
    return any(follower.holds(v, unit) for n in sums for v in (n.func.value, *n.args))  # type: ignore[attr-defined]
