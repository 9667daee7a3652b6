"""A fixed number of bytes per token: `loss / log(2) / 3.5` and its spellings.

A product is taken apart into its factors. One factor is the logarithm of two, one is not known (the
loss), and all others are numbers: their product is the bytes per token.
"""

from __future__ import annotations

import ast
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditor.source.byte_table import builtins
from auditor.source.byte_table.expressions import OneByOne, OutOfSteps, Raised, Scope
from auditor.source.byte_table.machine import Machine
from auditor.source.byte_table.module import Module, Unit
from auditor.source.byte_table.values import Number, Undecided
from auditor.unpack.parse import walk
from rules.events import ByteCount, ByteTable, Step

# Bytes per token of the validation text under the challenge's vocabularies, by their size.
TRUE_BYTES = {1024: 2.436, 4096: 3.319, 8192: 3.727}
MAX_FORMULAS = 200  # that are looked at
LOW, HIGH = 1.2, 8.0  # bytes per token that somebody may take for true
BYTE_VOCABULARY = 300
_NAMES = ("bpb", "bits_per_byte", "bpc", "bits per byte")


@dataclass(frozen=True, slots=True)
class Formula:
    """bits per byte made of a loss with a fixed number of bytes per token."""

    unit: Unit
    line: int
    bytes: float


def formulas(modules: list[Module]) -> Iterator[tuple[ByteTable, Unit]]:
    """The formulas for bits per byte that take a fixed number of bytes per token."""
    known: dict[Unit, dict[str, list[ast.expr | None]]] = {}
    tried = 0
    for m in modules:
        if not any(n in m.script.text for n in _NAMES):
            continue
        printed = {v.id for n in walk(m.tree) for v in _printed(n) if isinstance(v, ast.Name)}
        reporters = set(_reporters(m, printed))
        for node in walk(m.tree):
            if type(node) not in (ast.Assign, ast.AnnAssign, ast.Return, ast.Dict, ast.JoinedStr):
                continue
            for name, value in _named(node, m, reporters):
                if name not in printed and not any(n in name.lower() for n in _NAMES):
                    continue
                tried += 1
                if tried <= MAX_FORMULAS and (found := _formula(m, value, known)):
                    yield _table(found), found.unit


def _printed(node: ast.AST) -> Iterator[ast.expr]:
    """What stands in an f-string behind words that call it bits per byte."""
    before = ""
    for v in node.values if isinstance(node, ast.JoinedStr) else ():
        if isinstance(v, ast.Constant):
            before = str(v.value)[-24:].lower()
        elif isinstance(v, ast.FormattedValue):
            if any(n in before for n in _NAMES):
                yield v.value
            before = ""


def _reporters(m: Module, printed: set[str]) -> Iterator[str]:
    """Functions whose result is called bits per byte where they are called, or printed as such."""
    for node in walk(m.tree):
        if type(node) is ast.Assign and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
            names = [n.id for t in node.targets for n in walk(t) if isinstance(n, ast.Name)]
            if printed.intersection(names) or any(word in name.lower() for name in names for word in _NAMES):
                yield node.value.func.id
        for v in _printed(node):
            if isinstance(v, ast.Call) and isinstance(v.func, ast.Name):
                yield v.func.id


def _named(node: ast.AST, m: Module, reporters: set[str]) -> Iterator[tuple[str, ast.expr]]:
    """Values that the code itself calls bits per byte: assigned, returned, given by keyword or key."""
    if isinstance(node, ast.Assign):
        for t in node.targets:
            yield (t.id if isinstance(t, ast.Name) else t.attr if isinstance(t, ast.Attribute) else ""), node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
        yield node.target.id, node.value
    elif isinstance(node, ast.Return) and node.value is not None:
        f = m.function_at(node.lineno)
        name = f.name if f else ""
        for v in (node.value, *(node.value.elts if isinstance(node.value, ast.Tuple) else ())):
            yield ("bpb" if name in reporters else name), v
    elif isinstance(node, ast.Dict):
        for k, v in zip(node.keys, node.values, strict=True):
            if isinstance(k, ast.Constant) and isinstance(k.value, str):
                yield k.value, v
    else:
        for v in _printed(node):
            yield "bpb", v


def _formula(m: Module, e: ast.expr, known: dict[Unit, dict[str, list[ast.expr | None]]]) -> Formula | None:
    while isinstance(e, ast.Call) and isinstance(e.func, ast.Name) and e.func.id in ("float", "round") and e.args:
        e = e.args[0]
    unit = m.unit_at(e.lineno)
    factors = _Factors(m, unit, known)
    if isinstance(e, ast.Name):
        e = factors.assigned(e) or e
    if not isinstance(e, ast.BinOp):
        return None
    factors.take(e, 1)
    if factors.logs != 1 or factors.constant <= 0:
        return None
    per_token = 1 / factors.constant
    loss = [[1]] if abs(per_token - 1) < 1e-9 else [[1], [1, -1], [-1, 1]]  # or a sum divided by a number of tokens
    if factors.unknown not in loss:
        return None
    if not (LOW <= per_token <= HIGH or abs(per_token - 1) < 1e-9):
        return None
    return Formula(unit, e.lineno, per_token)


class _Factors:
    """The factors of a product: powers of log 2, the product of known numbers, the signs of unknown ones."""

    def __init__(self, m: Module, unit: Unit, known: dict[Unit, dict[str, list[ast.expr | None]]]) -> None:
        self.known = known
        self.machine = Machine(m.known, 3000)
        self.unit = unit
        self.logs = 0
        self.constant = 1.0
        self.unknown: list[int] = []
        self.depth = 0

    def take(self, e: ast.expr, power: int) -> None:
        self.depth += 1
        if self.depth > 40:
            self.unknown += [1, 1]
            return
        if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Mult | ast.Div):
            self.take(e.left, power)
            self.take(e.right, -power if isinstance(e.op, ast.Div) else power)
            return
        value = self.number(e)
        if value is None:
            own = self.assigned(e)
            if (
                own is not None
                and isinstance(own, ast.BinOp)
                and isinstance(own.op, ast.Mult | ast.Div)
                and self.depth < 12
            ):
                self.take(own, power)
            else:
                self.unknown.append(power)
        elif abs(value - math.log(2)) < 1e-4 or abs(value - 1 / math.log(2)) < 1e-4:
            self.logs += power if value > 1 else -power
        elif value > 0:
            self.constant *= value**power
        else:
            self.unknown.append(power)

    def number(self, e: ast.expr) -> float | None:
        if isinstance(e, ast.Call) and not e.args and isinstance(e.func, ast.Attribute):
            return None  # loss.item()
        if isinstance(e, ast.Call) and not all(self.is_settled(n) for a in e.args for n in walk(a)):
            return None
        try:
            value = self.machine.value(e, Scope())
            if not isinstance(value, int | float) and (own := self.assigned(e)) is not None:
                value = self.machine.value(own, Scope())
        except (Undecided, Raised, OneByOne, OutOfSteps):
            return None
        if isinstance(value, Number | bool) or not isinstance(value, int | float):
            return None
        return float(value)

    def is_settled(self, node: ast.AST) -> bool:
        """Not a name whose value comes from somewhere else."""
        known = self.machine.known
        return not isinstance(node, ast.Name) or any(
            node.id in k for k in (known.imports, known.constants, builtins.NAMES)
        )

    def assigned(self, e: ast.expr) -> ast.expr | None:
        """What a name or attribute is set to, if it is set in one place only."""
        if isinstance(e, ast.Name):
            if self.unit not in self.known:
                self.known[self.unit] = _settings(self.unit.nodes())
            found = self.known[self.unit].get(e.id, [])
        elif isinstance(e, ast.Attribute):
            found = [v for c in self.unit.module.classes.values() for v in _settings(c.body).get(e.attr, [])]
        else:
            found = []
        return found[0] if len(found) == 1 else None


def _settings(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr | None]]:
    """What each name is set to; None where it is changed in place."""
    out: dict[str, list[ast.expr | None]] = defaultdict(list)
    for n in nodes:
        if isinstance(n, ast.Assign):
            for t in n.targets:
                if isinstance(t, ast.Name):
                    out[t.id].append(n.value)
        elif isinstance(n, ast.AnnAssign | ast.AugAssign) and isinstance(n.target, ast.Name):
            out[n.target.id].append(n.value if isinstance(n, ast.AnnAssign) else None)
    return out


def _table(f: Formula) -> ByteTable:
    at = f.unit.module.at(f.line)
    if f.bytes == 1.0:
        size = _vocabulary(f.unit.module)
        if size is not None and size <= BYTE_VOCABULARY:
            what = f"one byte per token, with a vocabulary of {size}"
            return ByteTable(
                ByteCount.RAW_BYTES, at, what, (Step(at, "the loss per token is taken as per byte"),), inflation=1.0
            )
        what = "bits per token are called bits per byte here; whether bytes are counted later was not seen"
        return ByteTable(ByteCount.UNKNOWN, at, what, (Step(at, "the loss per token is taken as per byte"),))
    what = f"every token counts as {f.bytes:.4g} bytes"
    true = TRUE_BYTES.get(_vocabulary(f.unit.module) or 1024)
    path = (Step(at, "bits per byte are the loss and a fixed number"),)
    return ByteTable(ByteCount.CONSTANT, at, what, path, inflation=f.bytes / true if true else None)


def _vocabulary(m: Module) -> int | None:
    """The vocabulary's size where the code sets one."""
    machine = Machine(m.known, 3000)
    for node in walk(m.tree):
        name, value = "", None
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, value = node.target.id, node.value
        if value is not None and "vocab" in name.lower():
            try:
                size = machine.value(value, Scope())
            except (Undecided, Raised, OneByOne, OutOfSteps):
                return None
            if isinstance(size, int) and size > 1:
                return size
    return None
