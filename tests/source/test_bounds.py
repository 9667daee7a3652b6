"""Small code that asks for a huge text or for hours of counting is followed, but not computed."""

from __future__ import annotations

import ast

import pytest

from auditor.gather import gather
from auditor.source.library.texts import grows
from auditor.source.operators import fold
from tests.support import submission

COSTLY = [
    '"%999999999d" % 1',
    '"%*d" % (999999999, 1)',
    'b"%(x)999999999d" % {b"x": 1}',
    '"{:>1000000000}".format(1)',
    '"{:{}}".format(1, 10**9)',
    '("a" * 100000).replace("a", "b" * 90000)',
    '("x" * 100000).join(("y",) * 100000)',
    "max(range(big))",
    "1.5 in range(big)",
    "range(big).index(1.5)",
    "math.factorial(10**9)",
    "math.prod(range(1, big))",
    "sorted(range(big))",
]


@pytest.mark.parametrize("asked", COSTLY)
def test_costly_constants(asked: str) -> None:
    program = gather(submission({"train_gpt.py": f"import math\nbig = 10**12\nx = {asked}\nprint(x)\n"})).program
    assert program is not None
    assert program.finished


@pytest.mark.parametrize(("template", "huge"), [("%5.3f of 100000", False), ("%99999d", True), ("{:.4f} {}", False)])
def test_templates(template: str, huge: bool) -> None:
    assert grows(template) is huge


def test_small_templates_are_filled_in() -> None:
    assert fold(ast.Mod, "step %03d of 20000", 7) == ("step 007 of 20000",)
