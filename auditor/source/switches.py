"""What a condition asks about, in words, and what would make it go the other way.

Settings are followed from the variable of the environment or the option of the command line to the name that the
condition uses; sizes, ranks, times and counts are told by the words in their names.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

LONG = 160  # characters of a condition that are shown
_KINDS = (
    ("rank", re.compile(r"rank|world_?size|is_main|is_master|master_process|num_gpus|n_gpu|device_count", re.I)),
    ("time", re.compile(r"elapsed|time|clock|second|deadline|budget|wallclock|(?:^|_)ms\b|(?:^|_)t0\b|duration", re.I)),
    (
        "size",
        re.compile(
            r"\blen\(|numel|\.size\b|shape|tok|total_(?:len|count)|num_val|n_val|seq_?len|vocab|\bsize\b|nbytes", re.I
        ),
    ),
    (
        "count",
        re.compile(
            r"step|iter|epoch|chunk|batch|count|seen|idx|index|pass|doc|window|round|\b[ijkn]\b|\bn_|num|it\b|pos", re.I
        ),
    ),
)
_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_SIGN = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=", ast.In: "in", ast.NotIn: "not in"}  # fmt: skip
_TURNED: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE}
_OFF = frozenset(("", "0", "false", "no", "off", "none"))
_HOLDS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


@dataclass(frozen=True)
class Named:
    """A setting behind a name: `NAME` of the environment or `--name` of the command line, and what it is by itself."""

    name: str
    default: str = ""


@dataclass(frozen=True)
class Switch:
    """`kind`: "setting", "rank", "time", "size" or "count". `words`: what would open it. `name`, `value`: of a setting.

    `met`: the setting is as it would have to be, so that it is another part of the condition that keeps it shut.
    """

    kind: str
    words: str
    name: str = ""
    value: str = ""
    met: bool = False


class Settings:
    """The names of a program that stand for its settings."""

    def __init__(self, trees: Iterable[ast.AST], readers: Iterable[str] = ()) -> None:
        self.readers = frozenset(("getenv", *readers))
        self.by: dict[str, Named] = {}
        self.numbers: dict[str, float] = {}
        for tree in trees:
            for n in ast.walk(tree):
                if isinstance(n, ast.Assign | ast.AnnAssign) and n.value is not None:
                    for t in n.targets if isinstance(n, ast.Assign) else [n.target]:
                        self._assigned(t, n.value)
                elif isinstance(n, ast.Call):
                    self._option(n)
                    for k in n.keywords:
                        if k.arg and (found := self.read(k.value)):
                            self.by.setdefault(k.arg.lower(), found)

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
        if not name:
            return
        if found := self.read(value):
            self.by.setdefault(name.lower(), found)
        elif isinstance(value, ast.Constant | ast.BinOp) and (number := self.number(value, {})) is not None:
            known = self.numbers.setdefault(name.lower(), number)
            if known != number:
                self.numbers[name.lower()] = float("nan")  # more than one value: nobody can tell

    def read(self, e: ast.expr) -> Named | None:
        """The variable that an expression reads, if it reads one and little else."""
        if len(list(ast.walk(e))) > 40:
            return None
        for n in ast.walk(e):
            match n:
                case ast.Call(
                    func=ast.Attribute(attr="get" | "pop", value=where), args=[ast.Constant(value=str(name)), *rest]
                ):
                    if "environ" in ast.unparse(where):
                        return Named(name, _plain(rest))
                case ast.Call(func=ast.Attribute(attr=f) | ast.Name(id=f), args=[ast.Constant(value=str(name)), *rest]):
                    if f in self.readers and name.isupper():
                        return Named(name, _plain(rest))
                case ast.Subscript(value=where, slice=ast.Constant(value=str(name))) if "environ" in ast.unparse(where):
                    return Named(name)
        return None

    def _option(self, n: ast.Call) -> None:
        if isinstance(n.func, ast.Attribute) and n.func.attr == "add_argument":
            words = [a.value for a in n.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            for w in words:
                if w.startswith("--"):
                    default = next((k.value for k in n.keywords if k.arg == "default"), None)
                    self.by.setdefault(w[2:].replace("-", "_").lower(), Named(w, _plain([default] if default else [])))

    def of(self, e: ast.expr) -> Named | None:
        """The setting that an expression is."""
        while (
            isinstance(e, ast.Call)
            and isinstance(e.func, ast.Name)
            and e.func.id in ("int", "float", "bool", "str")
            and e.args
        ):
            e = e.args[0]
        if isinstance(e, ast.Name | ast.Attribute):
            return self.by.get((e.id if isinstance(e, ast.Name) else e.attr).lower())
        return self.read(e) if isinstance(e, ast.Call | ast.Subscript) else None

    def number(self, e: ast.expr, now: Mapping[str, str]) -> float | None:
        """What an expression comes to, where it is a plain number or a setting that is one."""
        if isinstance(e, ast.Constant) and isinstance(e.value, int | float):
            return float(e.value)
        if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.USub):
            inner = self.number(e.operand, now)
            return None if inner is None else -inner
        if isinstance(e, ast.BinOp) and isinstance(e.op, ast.Mult | ast.Add | ast.Sub | ast.LShift | ast.Pow | ast.Div):
            a, b = self.number(e.left, now), self.number(e.right, now)
            return None if a is None or b is None else _counted(e.op, a, b)
        if found := self.of(e):
            text = now.get(found.name, found.default)
            try:
                return float(text)
            except ValueError:
                return None
        if isinstance(e, ast.Name | ast.Attribute):
            n = self.numbers.get((e.id if isinstance(e, ast.Name) else e.attr).lower())
            return n if n == n else None
        return None

    def switches(self, test: ast.expr, wanted: bool, now: Mapping[str, str]) -> Iterator[Switch]:
        """What would make a condition come to `wanted`, part by part. `now`: the settings of the run."""
        match test:
            case ast.UnaryOp(op=ast.Not()):
                yield from self.switches(test.operand, not wanted, now)
            case ast.BoolOp():
                for v in test.values:
                    yield from self.switches(v, wanted, now)
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                yield from self._compared(left, op, right, wanted, now)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                for a, op, b in zip([left, *rights], ops, rights, strict=False):
                    yield from self._compared(a, op, b, wanted, now)
            case ast.Name() | ast.Attribute() | ast.Call() | ast.Subscript():
                if found := self.of(test):
                    value = "1" if wanted else "0"
                    met = (now.get(found.name, found.default).lower() not in _OFF) is wanted
                    yield Switch("setting", f"{found.name}={value}", found.name, value, met)
                elif (kind := kind_of(test)) in ("rank", "time"):
                    yield Switch(kind, f"{'' if wanted else 'not '}{short(test)}")

    def _compared(
        self, left: ast.expr, op: ast.cmpop, right: ast.expr, wanted: bool, now: Mapping[str, str]
    ) -> Iterator[Switch]:
        sign = type(op) if wanted else _NEGATED.get(type(op), type(op))
        if self.of(left) is None and (self.of(right) is not None or self.number(left, now) is not None):
            left, right, sign = right, left, _TURNED.get(sign, sign)
        other = self.number(right, now)
        if (found := self.of(left)) is not None:
            if (value := _needed(sign, right, other, found.default)) is not None:
                yield Switch(
                    "setting", f"{found.name}={value}", found.name, value, _met(sign, self.number(left, now), other)
                )
            elif kind_of(right):
                yield Switch("setting", f"{found.name} {_SIGN.get(sign, '?')} {short(right)}", found.name)
            return
        if sign in (ast.Is, ast.IsNot):
            return
        kind = kind_of(left) or kind_of(right)
        if not kind or (isinstance(right, ast.Constant) and isinstance(right.value, str)):
            return
        told = f"{other:,.12g}" if other is not None else short(right)
        if other is not None and kind == "size" and sign in (ast.Gt, ast.GtE):
            yield Switch(kind, f"at least {other + (sign is ast.Gt):,.12g} in {short(left)}")
        elif other is not None and kind == "time" and sign in (ast.Gt, ast.GtE):
            yield Switch(kind, f"after {told} in {short(left)}")
        else:
            yield Switch(kind, f"{short(left)} {_SIGN.get(sign, '?')} {told}")


def _met(sign: type[ast.cmpop], value: float | None, other: float | None) -> bool:
    if value is None or other is None or sign not in _HOLDS:
        return False
    return bool(_HOLDS[sign](value, other))


def kind_of(e: ast.expr) -> str:
    """What kind of quantity an expression is, by its words; "" if nobody can tell."""
    if isinstance(e, ast.Constant):
        return ""
    text = ast.unparse(e)
    return next((kind for kind, words in _KINDS if words.search(text)), "") if len(text) < 400 else ""


def short(e: ast.expr) -> str:
    text = ast.unparse(e)
    return text if len(text) <= LONG else text[: LONG - 1] + "…"


def _plain(values: list[ast.expr]) -> str:
    """A default as text."""
    if not values:
        return ""
    e = values[0]
    while isinstance(e, ast.Call) and len(e.args) == 1:
        e = e.args[0]
    return str(e.value) if isinstance(e, ast.Constant) else ""


def _counted(op: ast.operator, a: float, b: float) -> float | None:
    try:
        match op:
            case ast.Mult():
                return a * b
            case ast.Add():
                return a + b
            case ast.Sub():
                return a - b
            case ast.Div():
                return a / b
            case ast.LShift() if 0 <= b < 64 and a == int(a):
                return float(int(a) << int(b))
            case ast.Pow() if abs(b) < 64:
                return float(a**b)
    except (OverflowError, ZeroDivisionError, ValueError, TypeError):
        pass
    return None


def _needed(sign: type[ast.cmpop], right: ast.expr, number: float | None, default: str) -> str | None:
    """A value of the setting that fulfils the comparison."""
    if isinstance(right, ast.Constant) and isinstance(right.value, str):
        if sign is ast.Eq:
            return right.value
        return None if sign is not ast.NotEq else {"0": "1", "1": "0", "": "1"}.get(right.value)
    if isinstance(right, ast.Tuple | ast.List | ast.Set) and sign is ast.In:
        first = next((x.value for x in right.elts if isinstance(x, ast.Constant)), None)
        return None if first is None else str(first)
    if number is None or sign not in _SIGN:
        return None
    fraction = number != int(number) or "." in default
    step = 0.1 if fraction else 1
    if sign in (ast.Gt, ast.NotEq):
        number += step
    elif sign is ast.Lt:
        number -= step
    return f"{number:.12g}"
