"""Which settings open or shut the conditions around a line of code.

Only conditions that can be told from settings alone count: `if args.ttt_enabled:`, `if STRIDE > 0 and …`.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from auditor.unpack.parse import parse, walk
from rules.events import Setting
from rules.evidence import Script

MAX_LINE = 2_000  # characters of a line in which names are looked for
_WORD = re.compile(r"\w+")
_BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case, ast.Module)  # what holds statements
_LEAVES = (ast.Return, ast.Continue)
_NO = frozenset(("", "0", "false", "no", "off", "none"))
_UNKNOWN = object()
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True)
class _Range:
    """Lines that run only when a condition is met (or not)."""

    first: int
    last: int
    met: bool
    names: tuple[str, ...]  # the settings that decide the condition


class Guards:
    """The conditions of a few scripts, by the lines that they decide.

    A condition is decided by a setting when its value follows from the setting's, by name or through a
    variable that was made from this one setting.
    """

    def __init__(self, scripts: Iterable[Script], settings: Iterable[Setting]) -> None:
        self.settings = {s.name.lower(): s for s in settings}
        self.ranges: dict[str, tuple[_Range, ...]] = {}
        self.aliases: dict[str, set[str]] = {}
        self.known: dict[tuple[str, int, bool], tuple[Setting, ...]] = {}
        if not self.settings:
            return
        texts = {s.path: s.text for s in scripts if s.role != "native"}
        trees = {path: tree for path, text in texts.items() if (tree := parse(text).tree) is not None}
        for path, tree in trees.items():
            self._alias(tree, texts[path])
        for path, tree in trees.items():
            self.ranges[path] = tuple(self._ranges(tree))

    def around(self, path: str, line: int, *, met: bool) -> tuple[Setting, ...]:
        """The settings that open a line (`met`), or that shut it, outermost first."""
        key = (path, line, met)
        if key not in self.known:
            held = (r for r in self.ranges.get(path, ()) if r.first <= line <= r.last and r.met is met)
            self.known[key] = tuple({n: self.settings[n] for r in held for n in r.names}.values())
        return self.known[key]

    def _alias(self, tree: ast.Module, text: str) -> None:
        lines = self._lines(text)
        for node in walk(tree):
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
                continue
            last = node.end_lineno or node.lineno
            if last - node.lineno > 3 or not any(i in lines for i in range(node.lineno, last + 1)):
                continue
            said = {w for w in _words(node.value) if w in self.settings}
            for t in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if said and isinstance(t, (ast.Name, ast.Attribute)):
                    name = t.id if isinstance(t, ast.Name) else t.attr
                    self.aliases.setdefault(name.lower(), set()).update(said if _plain(node.value) else {"", *said})

    def _lines(self, text: str) -> set[int]:
        """The lines on which a setting is named."""
        plain = frozenset(self.settings)
        odd = [name for name in self.settings if not _WORD.fullmatch(name)]
        other = re.compile(r"\b(?:" + "|".join(map(re.escape, odd)) + r")\b", re.IGNORECASE) if odd else None
        found = set()
        for i, line in enumerate(text.splitlines(), 1):
            line = line[:MAX_LINE]
            if not plain.isdisjoint(_WORD.findall(line.lower())) or (other and other.search(line)):
                found.add(i)
        return found

    def _ranges(self, tree: ast.Module) -> Iterator[_Range]:
        for node in walk(tree):
            if not isinstance(node, _BLOCKS):
                continue
            for block in (getattr(node, "body", None), getattr(node, "orelse", None), getattr(node, "finalbody", None)):
                if not isinstance(block, list):
                    continue
                for i, s in enumerate(block):
                    if isinstance(s, ast.For):
                        yield from self._rounds(s)
                    if not isinstance(s, ast.If):
                        continue
                    value, names = self._value(s.test)
                    if value is _UNKNOWN or not names:
                        continue
                    yield _Range(s.body[0].lineno, s.body[-1].end_lineno or 0, bool(value), names)
                    if s.orelse:
                        yield _Range(s.orelse[0].lineno, s.orelse[-1].end_lineno or 0, not value, names)
                    elif isinstance(s.body[-1], _LEAVES) and i + 1 < len(block):
                        yield _Range(block[i + 1].lineno, block[-1].end_lineno or 0, not value, names)

    def _rounds(self, loop: ast.For) -> Iterator[_Range]:
        """The body of a loop whose number of rounds is a setting: it runs unless that is 0."""
        match loop.iter:
            case ast.Call(func=ast.Name(id="range"), args=[ast.expr() as last]):
                value, names = self._value(last)
                if names and isinstance(value, bool | int | float):
                    yield _Range(loop.body[0].lineno, loop.body[-1].end_lineno or 0, value > 0, names)

    def _value(self, e: ast.expr) -> tuple[object, tuple[str, ...]]:
        """What an expression comes to, and the settings that it came from; `_UNKNOWN` if they do not decide it."""
        match e:
            case ast.Constant():
                return e.value, ()
            case ast.Name() | ast.Attribute():
                return self._setting(e.id if isinstance(e, ast.Name) else e.attr)
            case ast.UnaryOp(op=ast.Not()):
                value, names = self._value(e.operand)
                return (value if value is _UNKNOWN else not value), names
            case ast.BoolOp():
                return self._joined(e)
            case ast.Compare(ops=[op], comparators=[right]) if type(op) in _COMPARE:
                (a, mine), (b, others) = self._value(e.left), self._value(right)
                if (isinstance(a, bool | int | float) and isinstance(b, bool | int | float)) or (
                    isinstance(a, str) and isinstance(b, str)
                ):
                    return _COMPARE[type(op)](a, b), (*mine, *others)
        return _UNKNOWN, ()

    def _joined(self, e: ast.BoolOp) -> tuple[object, tuple[str, ...]]:
        shuts = isinstance(e.op, ast.Or)  # the value of one part that decides the whole
        parts = [self._value(v) for v in e.values]
        for value, names in parts:
            if value is not _UNKNOWN and bool(value) is shuts:
                return shuts, names
        if any(value is _UNKNOWN for value, _ in parts):
            return _UNKNOWN, ()
        return not shuts, tuple(n for _, names in parts for n in names)

    def _setting(self, word: str) -> tuple[object, tuple[str, ...]]:
        name = word.lower()
        if name not in self.settings:
            others = self.aliases.get(name, set())
            if len(others) != 1:
                return _UNKNOWN, ()
            (name,) = others
        text = self.settings[name].value.strip()
        if text.lower() in ("true", "yes", "on"):
            return True, (name,)
        try:
            return (float(text) if text.lower() not in _NO else 0), (name,)
        except ValueError:
            return text, (name,)


def _plain(e: ast.expr) -> bool:
    """Whether an expression is a setting as it is: its name, or its read from the environment, converted."""
    while (
        isinstance(e, ast.Call)
        and isinstance(e.func, ast.Name)
        and e.func.id in ("int", "float", "bool", "str")
        and e.args
    ):
        e = e.args[0]
    if isinstance(e, ast.Call):
        return (isinstance(e.func, ast.Attribute) and e.func.attr in ("get", "getenv")) or isinstance(e.func, ast.Name)
    return isinstance(e, (ast.Name, ast.Attribute, ast.Subscript))


def _words(e: ast.AST) -> Iterator[str]:
    for n in walk(e):
        if isinstance(n, ast.Name):
            yield n.id.lower()
        elif isinstance(n, ast.Attribute):
            yield n.attr.lower()
        elif isinstance(n, ast.Constant) and isinstance(n.value, str):
            yield n.value.lower()
