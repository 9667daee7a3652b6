"""Hostile code: what it makes impossible is named, and what was found beside it stands."""

from __future__ import annotations

import ast
import time

import pytest

from auditor.gather import gather
from auditor.source import collect, suspects
from rules import order
from rules.evidence import Evidence
from rules.samples.programs import HEAD, program
from tests.support import submission

CHEAT = """
def evaluate(model, val_tokens, seq=1024):
    train(model, val_tokens)
    total = 0.0
    with torch.no_grad():
        for at in range(0, val_tokens.numel() - 1, seq):
            x, y = val_tokens[at : at + seq], val_tokens[at + 1 : at + seq + 1]
            total += F.cross_entropy(model(x[: y.numel()]), y, reduction="sum").item()
    return total
"""
OWN = "holder = []\nholder.append(holder)\n"
DOUBLED = "tree = {}\nfor i in range(90):\n    tree = {'a': tree, 'b': tree}\n"


def look(before: str = "", **beside: str) -> Evidence:
    """The evidence on a script that trains on validation tokens, with hostile code before it."""
    files = {f"{name}.py": text for name, text in beside.items()}
    return gather(submission({"train_gpt.py": program(CHEAT, head=f"{HEAD}\n{before}\n"), **files}))


def why(e: Evidence) -> str:
    return "; ".join(g.why for g in e.gaps if g.what != "behaviour when run")


def still_found(e: Evidence) -> bool:
    assert e.program is not None
    return any(list(order.conflicts(e.program, r)) for r in order.headlines(e.program))


@pytest.mark.parametrize(
    "before",
    [
        "x = [*range(10**10)]",
        "x = {*range(10**10)}",
        "x = (*range(10**10),)",
        "a, *b = range(10**10)",
        "print(*range(10**10))",
        OWN + "len(holder)\n",
        DOUBLED + "len(tree)\nstr(tree)\ntree == tree\n",
    ],
)
def test_huge_and_endless_values(before: str) -> None:
    start = time.process_time()
    e = look(before)
    assert "crashed" not in why(e)
    assert still_found(e)
    assert e.program is not None
    assert e.program.finished
    assert time.process_time() - start < 20


def test_a_statement_that_nests_too_deeply_ends_only_itself() -> None:
    e = look(OWN + 'sum(holder)\nprint(f"{holder}")\nprint(str(holder))\n')
    assert still_found(e)
    assert e.program is not None
    assert not e.program.finished
    assert "train_gpt.py is nested too deeply" in why(e)


def test_a_statement_that_the_analyser_fails_at_ends_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyError("nobody thought of this")

    monkeypatch.setattr("auditor.source.expressions._EVAL", {**_eval(), ast.Set: fails})
    e = look("name = {VOCAB}")
    assert e.program is not None
    assert "nobody thought of this" in why(e)
    assert "please report it" in why(e)
    assert "line " in why(e)
    assert e.program.events
    assert not e.program.finished


def _eval() -> dict[type, object]:
    from auditor.source import expressions

    return dict(expressions._EVAL)


@pytest.mark.parametrize("part", ["byte_tables", "sweep", "with_suspects"])
def test_one_look_that_fails_takes_nothing_from_the_others(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("out of its depth")

    monkeypatch.setattr(collect, part, fails)
    e = look()
    assert still_found(e)
    assert "out of its depth" in why(e)


def test_a_module_that_is_no_python_is_named() -> None:
    e = look("import helper", helper="def (:\n")
    assert still_found(e)
    assert e.program is not None
    assert not e.program.finished
    assert "helper.py" in why(e)


def test_thousands_of_functions_take_seconds() -> None:
    many = "".join(f"def f{i}(x):\n    return x + {i}\n\n\n" for i in range(6000))
    start = time.process_time()
    e = look(many + "".join(f"f{i}({i})\n" for i in range(6000)))
    assert time.process_time() - start < 30
    assert still_found(e)
    assert len(e.program.suspects if e.program else ()) <= suspects.MAX_SUSPECTS
