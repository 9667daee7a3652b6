from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.submission.names import is_safe, show, unshow

raw_names = st.binary(max_size=40).map(lambda b: b.decode("utf-8", "surrogateescape"))


@given(raw_names)
def test_every_name_comes_back(raw: str) -> None:
    assert unshow(show(raw)) == raw


@given(raw_names)
def test_a_shown_name_prints_and_is_json(raw: str) -> None:
    shown = show(raw)
    assert shown.isprintable()
    assert json.loads(json.dumps(shown).encode("utf-8")) == shown


@given(raw_names, raw_names)
def test_two_names_never_look_the_same(a: str, b: str) -> None:
    assert (show(a) == show(b)) == (a == b)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain name.py", "plain name.py"),
        ("caf\u00e9/\u5b57", "caf\u00e9/\u5b57"),
        ("a\nb", r"a\x0ab"),
        ("back\\slash", r"back\\slash"),
        ("\\x0a", r"\\x0a"),
        ("\udcff", r"\xff"),
        ("\u202egpj.exe", r"\xe2\x80\xaegpj.exe"),
    ],
)
def test_shown_forms(raw: str, shown: str) -> None:
    assert show(raw) == shown


@pytest.mark.parametrize("name", ["", ".", "..", ".git", ".GIT", "a/b", "a\0"])
def test_refused_components(name: str) -> None:
    assert not is_safe(name)


@pytest.mark.parametrize("name", ["...", ".gitignore", "a b", "-rf"])
def test_allowed_components(name: str) -> None:
    assert is_safe(name)
