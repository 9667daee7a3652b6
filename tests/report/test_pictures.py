"""The pictures say what the figures say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.report.pictures import LEFT, RIGHT, WIDTH, Picture, byte_budget, pictures, seeds, time_budgets
from rules.editions import LATEST
from rules.evidence import Claims, Evidence, Location, Number, Package, SeedStatistics
from tests.report import samples


def made(p: Picture | None) -> Picture:
    assert p is not None
    return p


def test_no_evidence_no_picture() -> None:
    assert list(pictures(samples.undecided())) == []
    empty = replace(samples.audit(), evidence=Evidence(Package("x")))
    assert list(pictures(empty)) == []


def test_three_pictures_of_a_full_audit() -> None:
    assert [p.name for p in pictures(samples.audit())] == ["seeds", "bytes", "times"]


def test_seeds_stand_in_the_order_of_their_values() -> None:
    p = made(seeds(samples.evidence()))
    x = {r.label: r.shapes[-1].x for r in p.rows}
    assert x["seed 314"] < x["claimed"] < x["seed 42"] < x["seed 999"] < x["frontier"]
    span = next(s for r in p.rows for s in r.shapes if s.kind == "span")
    assert span.x < x["mean ± 0.0005"] < span.x + span.width
    # The strip is linear: equal steps in bpb are equal steps on paper.
    scale = (x["seed 999"] - x["seed 314"]) / (1.07950456 - 1.07852345)
    assert x["frontier"] - x["seed 314"] == pytest.approx(scale * (1.08081345 - 1.07852345), abs=0.2)


def test_frontier_is_worked_back_from_the_gain() -> None:
    assert ("frontier (frontier of its day, #1122 at 1.0808)", "1.080813") in made(seeds(samples.evidence())).table


def test_bytes_are_in_proportion_and_the_largest_seed_counts() -> None:
    p = made(byte_budget(samples.evidence(), LATEST))
    shipped, logged, claimed = p.rows
    assert shipped.value == "16,138,775 · 138,775 over"
    assert logged.value == "16,012,345 · 12,345 over"
    assert (claimed.value, claimed.faint) == ("15,990,000", " · 10,000 left")
    cap = p.rules[0].x
    end = logged.shapes[-1].x + logged.shapes[-1].width
    assert end / cap == pytest.approx(16_012_345 / 16_000_000, abs=1.5 / WIDTH)
    assert claimed.shapes[0].width < cap


def test_times_are_shown_both_ways() -> None:
    p = made(time_budgets(samples.evidence(), LATEST))
    assert [(r.label, r.value + r.faint) for r in p.rows] == [
        ("training, its clock", "599.6 s · 0.4 left"),
        ("training, and calibration", "603.7 s · 3.7 over"),
        ("evaluation, scored", "508.8 s · 91.2 left"),
        ("evaluation, all work", "741.0 s · 141.0 over"),
    ]
    assert [s.says for s in p.rows[3].shapes] == [
        "score-first adaptation: 508.8 s",
        "compile warm-up: 137.6 s",
        "decompress: 44.6 s",
        "quantised, no adaptation: 50.0 s",
    ]
    assert p.rules[0].x == pytest.approx(WIDTH * 600 / (741 * 1.04), abs=0.1)


def test_one_bar_when_both_ways_agree() -> None:
    e = samples.evidence()
    plain = tuple(replace(r, phases=()) for r in e.claims.runs)
    p = made(time_budgets(replace(e, claims=replace(e.claims, runs=plain)), LATEST))
    assert [r.label for r in p.rows] == ["training"]
    assert "disputed" not in p.note


def test_every_figure_is_in_the_text_alternative() -> None:
    for p in pictures(samples.audit()):
        for row in p.rows:
            if p.name != "seeds":
                assert row.value.split(" ")[0] in p.description
        assert p.description
        assert p.table


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30),
    st.floats(allow_nan=True, allow_infinity=True),
)
def test_any_numbers_stay_on_the_paper(values: list[float], claim: float) -> None:
    at = Location("a.log", 1)
    good = [v for v in values if math.isfinite(v)]
    mean = sum(good) / len(good) if good else None
    e = Evidence(
        Package("x"),
        Claims(),
        SeedStatistics(tuple(Number(v, at) for v in values), tuple(range(len(values))), mean, claim),
    )
    p = seeds(e)
    for row in p.rows if p else ():
        for s in row.shapes:
            assert LEFT <= s.x <= RIGHT
            assert 0 <= s.width <= RIGHT - LEFT


def test_the_slowest_run_and_the_largest_log_are_drawn() -> None:
    e = samples.evidence()
    slower = samples.run(7, 1.079, 16_020_000)
    slower = replace(
        slower, phases=tuple(replace(p, seconds=Number(2 * p.seconds.value, p.seconds.at)) for p in slower.phases)
    )
    for runs in ((*e.claims.runs, slower), (slower, *e.claims.runs)):
        more = replace(e, claims=replace(e.claims, runs=runs))
        assert made(time_budgets(more, LATEST)).rows[-1].value.startswith("1,482.0 s")
        assert made(byte_budget(more, LATEST)).rows[1].value.startswith("16,020,000")
