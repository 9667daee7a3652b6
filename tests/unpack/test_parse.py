"""Parsing: newer spellings on an older Python, and the flat scan of literals."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.unpack.lexer import literals
from auditor.unpack.parse import downgrade, parse

NEWER = {
    "same quotes": 'x = f"{d["a"]}"\ny = 1\n',
    "same quotes deep": "x = f'{a['b']:>{w['c']}}' + f'{f'{d['e']}'}'\ny = 1\n",
    "line break": "x = f'{\n    a\n}'\ny = 1\n",
    "backslash": "x = f'{'\\n'.join(a)}'\ny = 1\n",
    "comment": "x = f'''{a  # why\n}'''\ny = 1\n",
    "type alias": "type Pair[T] = tuple[T, T]\ny = 1\n",
    "type parameters": "class A[T]:\n    async def f[*Ts, **P](self, x: T = 1) -> T: ...\ny = 1\n",
    "t-string": "x = t'{a}'\ny = 1\n",
}


@pytest.mark.parametrize("name", NEWER)
def test_newer_syntax_is_parsed_with_lines_in_place(name: str) -> None:
    found = parse(NEWER[name])
    assert found.tree is not None, found.problem
    last = found.tree.body[-1]
    assert isinstance(last, ast.Assign)
    assert last.lineno == NEWER[name].count("\n")


@pytest.mark.parametrize("name", NEWER)
def test_rewriting_gives_text_for_the_oldest_python(name: str) -> None:
    older = downgrade(NEWER[name])
    assert older.count("\n") == NEWER[name].count("\n")
    ast.parse(older, feature_version=(3, 11))


def test_names_inside_braces_survive_requoting() -> None:
    tree = ast.parse(downgrade("f'{call(d['k'])!r:>{width}}'"))
    assert {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} == {"call", "d", "width"}
    assert "k" in {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}


def test_what_is_no_python_is_reported_with_its_line() -> None:
    found = parse("x = 1\ny = = 2\n")
    assert (found.tree, found.line) == (None, 2)
    assert found.problem.startswith("is not valid Python")


_atoms = st.sampled_from(
    [
        "x",
        " + ",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        "\n",
        "# it's\n",
        "'a'",
        '"b"',
        "'''c\n\"'''",
        'rb"\\"',
        "f'{x}'",
        'f"{x:{y}}"',
        "f'{{}}'",
    ]
)


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(_atoms, max_size=25))
def test_literals_are_those_of_the_tokenizer(parts: list[str]) -> None:
    """Where Python itself parses the text, its string nodes start exactly where the scan says."""
    text = " ".join(parts)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    lines = text.split("\n")
    offsets = [sum(len(x) + 1 for x in lines[:i]) for i in range(len(lines))]
    found = {lit.start for lit in literals(text)}
    inside = {id(c) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for c in ast.walk(n) if c is not n}
    for node in ast.walk(tree):
        textual = isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
        )
        if isinstance(node, ast.expr) and textual and id(node) not in inside:
            assert offsets[node.lineno - 1] + node.col_offset in found


@settings(max_examples=200, deadline=None)
@given(text=st.text("'\"{}frbt\\#\n:!a[]()= ", max_size=60))
def test_scan_and_rewriting_never_fail(text: str) -> None:
    for lit in literals(text):
        assert 0 <= lit.start < lit.end <= len(text)
    assert downgrade(text).count("\n") >= 0
    assert (parse(text).tree is None) == bool(parse(text).problem)
