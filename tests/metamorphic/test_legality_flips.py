"""The mirror image of kept meaning: a small edit that changes legality must change the verdict of the named rule."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from rules.registry import find
from rules.rule import Example, Rule
from tests.metamorphic.bases import found, look, status
from tests.metamorphic.flips import EXTRA, FINE, TO_ILLEGAL, TO_LEGAL, Edit
from tests.metamorphic.known import FLIPS


def marks(name: str) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.xfail(reason=FLIPS[name], strict=True),) if name in FLIPS else ()


NAMED = [(f"{e.rule}-{e.what}", e) for e in (*TO_ILLEGAL, *TO_LEGAL)]
EDITS = [pytest.param(e, id=name, marks=marks(name)) for name, e in NAMED]


def example_of(edit: Edit) -> Example:
    example = EXTRA[edit.base] if edit.base in EXTRA else found(edit.base).example
    return replace(example, date=edit.date) if edit.date else example


@pytest.mark.parametrize("edit", EDITS)
def test_verdict_flips(edit: Edit) -> None:
    example, rule = example_of(edit), find(edit.rule)
    assert isinstance(rule, Rule)
    changed = edit.apply(example.files)
    ast.parse(changed[edit.file])
    before = status(rule, look(example, example.files))
    after = status(rule, look(example, changed))
    assert (before in FINE) is (edit in TO_ILLEGAL), f"{rule.short} says {before} before the edit"
    assert after in edit.after, f"{rule.short} says {before} before and {after} after\n{changed[edit.file]}"


def test_there_are_enough_edits_of_both_kinds() -> None:
    assert len(TO_ILLEGAL) >= 25
    assert len(TO_LEGAL) >= 10
    assert len({e.rule for e in (*TO_ILLEGAL, *TO_LEGAL)}) >= 15
    assert len({e.what for e in (*TO_ILLEGAL, *TO_LEGAL)}) == len(TO_ILLEGAL) + len(TO_LEGAL)
