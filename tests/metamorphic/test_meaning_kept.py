"""A rewriting that keeps a program's meaning keeps the verdict: same rule, same status."""

from __future__ import annotations

import pytest

from tests.metamorphic.bases import SEEDS, Base, bases, before, dealt, first_that_works, look, verdicts
from tests.metamorphic.families import FAMILIES
from tests.metamorphic.known import MEANING
from tests.metamorphic.trees import ENTRY


def marks(name: str) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.xfail(reason=MEANING[name], strict=True),) if name in MEANING else ()


NAMED = [(f"{case[0]}-{case[1]}-{case[2].name}", case) for case in dealt()]
CASES = [pytest.param(*case, id=name, marks=marks(name)) for name, case in NAMED]


@pytest.mark.parametrize(("family", "seed", "base"), CASES)
def test_same_verdict(family: str, seed: int, base: Base) -> None:
    base, files = first_that_works(family, seed, base)
    for name, content in files.items():
        if name.endswith(".py") and isinstance(content, str):
            compile(content, name, "exec", dont_inherit=True)
    expected = before(base)
    found = verdicts(base.entry, look(base.example, files))
    assert found == expected, f"{base.name}\n{files[ENTRY]}"


def test_every_example_is_rewritten_by_some_family() -> None:
    assert {b.name for _, _, b in dealt()} == {b.name for b in bases()}
    assert len(FAMILIES) >= 17
    assert SEEDS >= 10
