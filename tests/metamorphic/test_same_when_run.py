"""The rewritings keep what a program prints: shown by running our own programs before and after."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.metamorphic.bases import Base, dealt, first_that_works
from tests.metamorphic.families import FAMILIES
from tests.metamorphic.running import results, run
from tests.metamorphic.toys import TOYS
from tests.metamorphic.trees import Files, NotApplicable

TOY_SEEDS = 2
NEEDS_TORCH = ("round-trip",)  # its ways back and forth are torch's own
SAMPLE = ("through-closure", "inlined", "outlined", "split", "lookups", "round-trip")
SLOW = ("thousands of seeds", "inside the budget")  # examples that run by the clock, or thousands of times


def runs(base: Base) -> bool:
    """Whether an example comes to a loss, without a clock or thousands of times."""
    told = any("val_loss" in text for text in base.example.files.values())
    return told and not any(s in base.name for s in SLOW)


def test_toys_print_the_same(tmp_path: Path) -> None:
    folders: list[Files] = list(TOYS.values())
    names = list(TOYS)
    for family in set(FAMILIES) - set(NEEDS_TORCH):
        for seed in range(TOY_SEEDS):
            for name, files in TOYS.items():
                try:
                    folders.append(FAMILIES[family](dict(files), Random(f"{family} {seed}")))
                except NotApplicable:
                    continue
                names.append(f"{family} {seed} {name}")
    printed = dict(zip(names, run(folders, tmp_path, torch=False), strict=True))
    assert {n.split()[0] for n in names if n not in TOYS} == set(FAMILIES) - set(NEEDS_TORCH)
    for name, output in printed.items():
        original = printed[name.split()[-1]]
        assert "answer:" in results(original)
        assert output.endswith("exit 0\n"), f"{name}\n{output}\n{folders[names.index(name)]}"
        assert results(output) == results(original), f"{name}\n{folders[names.index(name)]}"


def test_examples_print_the_same(tmp_path: Path) -> None:
    """One example for each of the families that move most; their outputs are compared digit by digit."""
    pytest.importorskip("torch")
    folders: list[Files] = []
    names = []
    for family in SAMPLE:
        case = next(c for c in dealt()[len(FAMILIES) :] if c[0] == family and runs(c[2]))
        base, files = first_that_works(*case)
        folders += [base.example.files, files]
        names.append(f"{family} {base.name}")
    printed = run(folders, tmp_path)
    for i, name in enumerate(names):
        original, changed = printed[2 * i : 2 * i + 2]
        assert changed.splitlines()[-1] == original.splitlines()[-1], f"{name}\n{changed}\n{folders[2 * i + 1]}"
        assert results(changed) == results(original), f"{name}\n{folders[2 * i + 1]}"
    assert sum("val_loss" in results(output) for output in printed) == len(folders)
