"""Leaks planted in honest programs: every edit fits every host, and one of each kind of run comes out as it must."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

import pytest

pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("sentencepiece")

from auditor.trace.ready import missing
from benchmarks.leaks import hosts, matrix, plant
from benchmarks.leaks.table import caught, gain, table

SEAMS = {"scores", "losses", "evaluate"}


def made_at_top(body: list[ast.stmt]) -> Iterator[str]:
    """Names that are given twice."""
    found: Counter[str] = Counter()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] += 1
        for target in node.targets if isinstance(node, ast.Assign) else ():
            found.update(x.id for x in ast.walk(target) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store))
    yield from (name for name, times in found.items() if times > 1)


@pytest.mark.parametrize("host", hosts.names())
def test_every_leak_can_be_planted_in_a_host(host: str) -> None:
    honest = hosts.text(host)
    made = {node.name for node in ast.parse(honest).body if isinstance(node, ast.FunctionDef)}
    assert made >= SEAMS
    assert 80 <= len(honest.splitlines()) <= 260
    for family in plant.families():
        tree = ast.parse(plant.planted(honest, family, 3))
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert any(names.count(seam) == 2 for seam in SEAMS), f"{family} takes no function over"
        assert names[-1] == "main"
        again = set(made_at_top(tree.body)) - SEAMS
        assert not again, f"{family} takes a name of the host's"


def test_a_program_without_the_seam_is_refused() -> None:
    with pytest.raises(ValueError, match="no seam"):
        plant.planted("print(1)\n", "slot", 1)


def test_an_honest_host_is_explained_without_an_alarm_and_a_leak_in_it_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if reason := missing():
        pytest.skip(reason)
    monkeypatch.setattr("auditor.trace.collect.added_up", lambda *_: [])  # sums take long, and have tests of their own
    honest, leaky = (
        {"host": "blocks", "family": f, "seed": 1, **matrix.run(("blocks", f, 1), 60.0)}
        for f in ("clean", "weights_edited")
    )
    assert honest["failure"] == leaky["failure"] == ""
    assert (honest["what"], honest["unexplained"]) == ("bits per byte", [])
    assert [(p["problem"], p["moved"]) for p in honest["probes"]] == [("", 0)] * len(honest["probes"])
    assert caught(honest) == []
    better = gain(leaky, [honest])
    assert better is not None
    assert better > 0.01, "the leak is worth something"
    assert "C1 violation" in caught(leaky)
    assert "1 of 1 leaks caught; 0 of 1 honest runs with an alarm" in table([honest, leaky])


def test_only_the_named_cells_are_run_and_unknown_names_are_refused() -> None:
    wanted = list(matrix.cells(matrix.chosen("blocks", hosts.names()), ["clean", "slot"], [1, 2]))
    assert wanted == [("blocks", "clean", 1), ("blocks", "slot", 1), ("blocks", "clean", 2), ("blocks", "slot", 2)]
    with pytest.raises(SystemExit, match="unknown: nonsense"):
        matrix.chosen("nonsense", hosts.names())
    assert len({matrix.key(c, "x") for c in wanted}) == 4


def test_the_table_says_in_how_many_seeds_a_leak_was_caught() -> None:
    said = [["C1-strict-causal", "violation", ""], ["C2-normalized", "unverifiable", ""]]
    rows = [
        {"host": "blocks", "family": "slot", "seed": n, "bpb": 1.0, "findings": said if n == 1 else []} for n in (1, 2)
    ]
    shown = table([*rows, {**rows[0], "host": "sliding"}, {**rows[1], "family": "clean"}])
    assert "| slot | 2 of 3 | C1 (1 of 2) | C1 |" in shown
    assert "| slot | blocks | 1 | 0.00000 | C1 violation |" in shown
    assert "2 of 3 leaks caught; 0 of 1 honest runs with an alarm" in shown
