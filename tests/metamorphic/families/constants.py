"""Numbers and strings that are computed, and attributes that are looked up by name."""

from __future__ import annotations

import ast
from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import Edits, Program, code, expression, some, walk


def constants(text: str, rng: Random) -> str:
    """Write integers, floats, booleans and strings as expressions that give the same values."""
    program = Program(text)
    kinds = (cst.Integer, cst.Float, cst.SimpleString)
    skip = {id(n) for s in program.nodes(cst.ConcatenatedString) for n in walk(s)}
    skip |= {id(e.value) for e in program.nodes(cst.Expr)}  # docstrings
    nodes = [n for n in program.nodes(kinds) if id(n) not in skip]
    nodes += [n for n in program.nodes(cst.Name) if n.value in ("True", "False")]
    edits: Edits = {n: expression(_spelled(ast.literal_eval(code(n)), rng)) for n in some(rng, nodes)}
    return program.swap(edits)


def _spelled(value: Any, rng: Random) -> str:
    if isinstance(value, bool):
        return rng.choice(("not 0", "1 == 1", "bool(1)") if value else ("not 1", "1 == 2", "bool(0)"))
    if isinstance(value, int):
        return rng.choice(_whole(value, rng))
    if isinstance(value, float):
        return rng.choice(
            (f'float("{value!r}")', f'float.fromhex("{value.hex()}")', f"({value!r} + 0.0)", f"abs({value!r})")
        )
    if isinstance(value, bytes):
        return f'bytes.fromhex("{value.hex()}")'
    return rng.choice(_text(value, rng))


def _whole(value: int, rng: Random) -> list[str]:
    a = rng.randint(1, 99)
    ways = [
        f"({value + a} - {a})",
        f'int("{value}")',
        f"({value * a} // {a})",
        f"int({hex(value)})",
        f"({value ^ a} ^ {a})",
        f"sum(({a}, {value - a}))",
    ]
    if value and not value & (value - 1):
        ways += [f"(1 << {value.bit_length() - 1})", f"2 ** {value.bit_length() - 1}"]
    if 0 <= value < 40:
        ways.append(f"len({'x' * value!r})")
    return ways


def _text(value: str, rng: Random) -> list[str]:
    cut = rng.randint(0, len(value))
    ways = [
        f"{value[:cut]!r} + {value[cut:]!r}",
        f"''.join(({value[:cut]!r}, {value[cut:]!r}))",
        f"{value[::-1]!r}[::-1]",
        f"bytes.fromhex('{value.encode().hex()}').decode()",
        f"''.join(map(chr, {[ord(c) for c in value]}))",
        f"'%s%s' % ({value[:cut]!r}, {value[cut:]!r})",
        f"'{{1}}{{0}}'.format({value[cut:]!r}, {value[:cut]!r})",
    ]
    return ways if value else ["''", "str()"]


def lookups(text: str, rng: Random) -> str:
    """Read attributes through getattr, operator.attrgetter, vars-like lookups and operator.methodcaller."""
    program = Program(text)
    loads = _loaded(program)
    edits: Edits = {}
    for node in some(rng, loads, 30):
        name = node.attr.value
        way = rng.choice(("getattr", "getattr", "joined", "attrgetter"))

        def look(a: Any, name: str = name, way: str = way) -> cst.BaseExpression:
            inside = code(a.value)
            if way == "attrgetter":
                return expression(f"__import__('operator').attrgetter('{name}')({inside})")
            word = f"'{name}'" if way == "getattr" else f"'{name[:1]}' + '{name[1:]}'"
            return expression(f"getattr({inside}, {word})")

        edits[node] = look
    for call in program.nodes(cst.Call):
        if call.func in edits and isinstance(call.func.value, cst.Name) and rng.random() < 0.4:
            if any(a.star for a in call.args):
                continue
            del edits[call.func]

            def ask(c: Any, call: cst.Call = call) -> cst.BaseExpression:
                args = ", ".join(
                    [
                        f"'{call.func.attr.value}'",
                        *(code(a.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for a in c.args),
                    ]
                )  # type: ignore[attr-defined]
                return expression(f"__import__('operator').methodcaller({args})({code(c.func.value)})")

            edits[call] = ask
    return program.swap(edits)


def _loaded(program: Program) -> list[cst.Attribute]:
    """Attributes that are read: not those that are set, deleted, decorate, or stand in an import."""
    skip: set[int] = set()
    for node in program.nodes(
        (cst.AssignTarget, cst.AugAssign, cst.Del, cst.Import, cst.ImportFrom, cst.Decorator, cst.For, cst.With)
    ):
        target = node.target if isinstance(node, cst.AssignTarget | cst.AugAssign | cst.Del | cst.For) else node
        if isinstance(node, cst.With):
            continue
        skip |= {id(n) for n in walk(target)}
    supers = {id(c) for c in program.nodes(cst.Call) if code(c.func) == "super"}
    return [
        n
        for n in program.nodes(cst.Attribute)
        if id(n) not in skip and id(n.value) not in supers and not n.attr.value.startswith("__")
    ]
