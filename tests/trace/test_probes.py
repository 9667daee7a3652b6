"""The future probe: what it changes, and how two runs are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

np = pytest.importorskip("numpy")

from auditor.trace.data import shards  # noqa: E402
from auditor.trace.data.vocabulary import BOS, first_used  # noqa: E402
from auditor.trace.groups import Group, groups  # noqa: E402
from auditor.trace.ledger import Record  # noqa: E402
from auditor.trace.probes import MOST, changed, compared, future, measured, of  # noqa: E402
from rules.trace import Changed, Probe  # noqa: E402
from tests.trace import books  # noqa: E402


@pytest.mark.parametrize("size", [260, 300, 400, 1024, 8192])
@pytest.mark.parametrize("cut", [0, 1, 701, 1999, 2000])
@pytest.mark.parametrize("text", [True, False])
def test_every_token_from_the_cut_on_is_another_and_none_before(size: int, cut: int, text: bool) -> None:
    ids = shards.tokens(2000, size, 5)
    now = changed(ids, cut, size, text=text)
    assert now.dtype == ids.dtype
    assert len(now) == len(ids)
    assert (now[:cut] == ids[:cut]).all()
    begins = ids == BOS
    assert (now[begins] == BOS).all(), "documents begin where they did"
    assert begins[cut:].sum() == (now[cut:] == BOS).sum(), "and nowhere else"
    rest = ~begins & (np.arange(len(ids)) >= cut)
    assert (now[rest] != ids[rest]).all()
    assert ((now[rest] >= first_used(size)) & (now[rest] < size)).all()


def test_tokens_that_no_made_up_text_has_are_changed_too() -> None:
    ids = np.array([BOS, 0, 2, 3, 4, 259, 260, 1023], dtype=np.uint16)
    now = changed(ids, 0, 1024)
    assert now[0] == BOS
    assert (now[1:] != ids[1:]).all()
    assert (now[1:] >= first_used(1024)).all()


def numbers(values: list[float], positions: list[int] | None = None, line: int = 40, call: int = 7) -> Group:
    [g] = list(groups([books.score(1, positions or list(range(len(values))), values, line=line, call=call)]))[:1]
    return g


BASE = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_scores_before_the_cut_that_stay() -> None:
    f = compared(numbers(BASE), numbers([1, 2, 3, 4, 50, 60]), 4)
    assert (f.compared, f.moved, f.most, f.problem, f.leak) == (4, 0, 0.0, "", False)


def test_scores_before_the_cut_that_move() -> None:
    f = compared(numbers(BASE), numbers([1, 2.5, 3, 4.25, 5, 6]), 4)
    assert (f.moved, f.first, f.last) == (2, 1, 3)
    assert f.most == pytest.approx(0.5)
    assert f.leak


def test_what_is_no_number_counts_as_moved() -> None:
    f = compared(numbers(BASE), numbers([1, float("nan"), 3, 4, 5, 6]), 4)
    assert (f.moved, f.first, f.last, f.most) == (1, 1, 1, MOST)


def test_a_difference_that_equal_runs_show_too_is_no_leak() -> None:
    assert not Probe(Changed.FUTURE, 4, 4, 1, 3e-6, noise=1e-6).leak
    assert Probe(Changed.FUTURE, 4, 4, 1, 3e-3, noise=1e-6).leak


def test_what_the_order_of_sums_makes_is_no_leak() -> None:
    assert not Probe(Changed.FUTURE, 4, 4, 1, 7e-7).leak, "a Fourier transform mixes all its inputs, and rounds"
    assert Probe(Changed.FUTURE, 4, 4, 1, 2e-5).leak


def test_positions_scored_twice_are_paired_in_their_order() -> None:
    positions = [0, 1, 2, 1, 2, 3]
    f = compared(numbers(BASE, positions), numbers([1, 2, 3, 4.5, 5, 6], positions), 3)
    assert (f.compared, f.moved, f.first) == (5, 1, 1)


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        (None, "did not come to these scores"),
        (numbers(BASE[:3]), "other positions"),
        (numbers(BASE, [0, 2, 1, 3, 4, 5]), "other positions"),
    ],
)
def test_what_cannot_be_compared_says_so(other: Group | None, problem: str) -> None:
    f = compared(numbers(BASE), other, 4)
    assert problem in f.problem
    assert not f.leak


@dataclass(frozen=True)
class Run:
    """As much of a run as the probe looks at."""

    group: Group
    ok: bool = True
    code: int | None = 0
    limit: str = ""

    @property
    def outcome(self) -> Run:
        return self

    @property
    def records(self) -> tuple[Record, ...]:
        return self.group.records

    @property
    def world(self) -> SimpleNamespace:
        return SimpleNamespace(validation=shards.tokens(400, 1024, 3), vocabulary=1024)


LONG = [float(i) for i in range(400)]


def probed(changed_by: float, again: Run) -> list[Probe]:
    """Two cuts, at which all scores move by some nats, and one more run on the same tokens."""

    def run(job: object, validation: np.ndarray | None = None, reach: bool = True) -> Run:
        return again if validation is None else Run(numbers([x + changed_by for x in LONG]))

    base = Run(numbers(LONG))
    found = future(None, base, base.group, run=run)  # type: ignore[arg-type]
    assert all(p.noise == 0 and not p.problem for p in found)
    found.append(replace(found[0], kind=Changed.ORDER))  # every kind of probe is measured
    return measured(None, base, base.group, found, run=run)  # type: ignore[arg-type]


def test_scores_that_move_are_a_leak_if_an_equal_run_stays() -> None:
    found = probed(0.5, Run(numbers(LONG)))
    assert [p.leak for p in found] == [True] * 3
    assert [(p.noise, p.most) for p in found] == [(0.0, 0.5)] * 3


def test_scores_that_move_in_every_run_are_none() -> None:
    assert [p.leak for p in probed(0.5, Run(numbers([x + 0.4 for x in LONG])))] == [False] * 3


def test_a_run_that_ends_with_the_exit_code_of_the_first_is_compared_and_one_that_a_limit_ended_is_not() -> None:
    base = Run(numbers(LONG), ok=False, code=3)
    for code, limit, known in ((3, "", True), (1, "", False), (None, "", False), (3, "wall", False)):
        assert (of(Run(numbers(LONG), False, code, limit), base, base.group) is not None) is known  # type: ignore[arg-type]


def test_without_an_equal_run_nothing_is_a_leak() -> None:
    found = probed(0.5, Run(numbers(LONG), ok=False, code=1))
    assert [p.leak for p in found] == [False] * 3
    assert all("equal runs" in p.problem for p in found)
