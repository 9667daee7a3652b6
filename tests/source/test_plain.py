"""Roundabout spellings are written out, and nothing else changes."""

from __future__ import annotations

import ast

import pytest

from auditor.source.plain.text import plain

CONSTANTS = {
    'int("5") + sum((3, 4))': 12,
    "'cba'[::-1]": "abc",
    "''.join(map(chr, [97, 98]))": "ab",
    "'{1}{0}'.format('x', 'y')": "yx",
    "'%s%s' % ('q', 'r')": "qr",
    'float.fromhex("0x1.8p+1")': 3.0,
    "bytes.fromhex('6162').decode()": "ab",
    "not 1": False,
    "(1 << 4) ^ 3": 19,
    "max(3, 4)": 4,
    "len('xxx') == 3": True,
    "(lambda x: x * 2)(4)": 8,
    '{"a": 7}["a"]': 7,
    '"A".lower() if 1 == 1 else 3': "a",
    "''.join(c.upper() for c in 'ab' if c != 'b')": "A",
}


def written(text: str) -> str:
    tree = plain(text).tree
    assert tree is not None
    return ast.unparse(tree)


@pytest.mark.parametrize("spelling", CONSTANTS)
def test_constants(spelling: str) -> None:
    assert written(f"x = {spelling}") == f"x = {CONSTANTS[spelling]!r}"


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("import numpy as np\nlib = {'f': np.load}\nlib['f'](3)", "np.load(3)"),
        ("import numpy as np\ngetattr(np, 'lo' + 'ad')(3)", "np.load(3)"),
        ("import operator\nimport numpy as np\noperator.attrgetter('a.b')(np)", "np.a.b"),
        ("import operator\nimport numpy as np\noperator.methodcaller('f', 2)(np)", "np.f(2)"),
        ("from functools import partial\nimport numpy as np\npartial(np.f, 1)(2, c=3)", "np.f(1, 2, c=3)"),
        ("from types import SimpleNamespace as S\nimport numpy as np\nn = S(f=np.f)\nn.f(1)", "np.f(1)"),
        ("def g(x):\n    return x\nT = {}\nT['k'] = g\nT['k'](1)", "g(1)"),
        ("import numpy as np\nload = np.load\nload(3)", "np.load(3)"),
    ],
)
def test_other_names(text: str, last: str) -> None:
    assert written(text).splitlines()[-1] == last


@pytest.mark.parametrize(
    "text",
    [
        "d = {'f': print}\nd['f'] = input\nd['f'](3)",  # set twice
        "d = {'f': print}\nchange(d)\nd['f'](3)",  # given away
        "int = float\nx = int('5')",  # not Python's own
        "x = 'a' * 10000000",  # too long
        "x = 2 ** 99999999",
        "f = g\nf(3)\nf = h",
        "i = 0\nwhile i < n:\n    if xs[i]:\n        continue\n    i += 1",
        "i = 0\nwhile i < n:\n    print(i)\n    i += 1\nprint(i)",  # looked at later
    ],
)
def test_left_as_it_is(text: str) -> None:
    assert written(text) == ast.unparse(ast.parse(text))


def test_text_that_is_run() -> None:
    assert written("exec('def f' + '(x):\\n    return x', globals())\nf(int('1'))") == "def f(x):\n    return x\nf(1)"
    inside = "def g():\n    exec('x = 1')"
    assert written(inside) == inside


def test_loops() -> None:
    counted = (
        "def f(n):\n    at, end, by = 0, n, 2\n    while at < end:\n        i = at\n        at += by\n        print(i)"
    )
    assert "for at in range(0, end, by):" in written(counted)
    asked = "def f(n):\n    it, stop = iter(n), object()\n    while True:\n        if not ((x := next(it, stop)) is not stop):\n            break\n        print(x)"
    assert "for x in n:" in written(asked)


def test_loops_of_one_turn() -> None:
    assert "while" not in written("go = True\nwhile go:\n    go = False\n    print(1)")
    assert "for" not in written("for x in (y,):\n    print(x)")
    for kept in ("for x in (y,):\n    if x:\n        break\n    print(x)", "for x in (y, z):\n    print(x)"):
        assert written(kept) == ast.unparse(ast.parse(kept))


def test_lines_stay() -> None:
    tree = plain("x = 1\n\n\ny = int('2')\n").tree
    assert tree is not None
    assert [s.lineno for s in tree.body] == [1, 4]
