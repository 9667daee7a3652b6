"""Which differences are the same, explained, or flagged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auditor.reproduce.compare import Conditions, Row, Verdict, compare, mean_row, over_seeds
from auditor.reproduce.figures import Figures

ONE = Figures(
    seed=1,
    bpb=1.1300,
    step=1e-8,
    steps=12_000,
    train_s=600.0,
    scored_s=88.0,
    evaluation_s=92.0,
    total_bytes=15_400_861,
    code_bytes=861,
)
CLAIM = (ONE, replace(ONE, seed=2, bpb=1.1304), replace(ONE, seed=3, bpb=1.1308))
ALIKE = Conditions()
SLOWER = Conditions(speed=("1x NVIDIA H200 instead of 8x H100",), share=1 / 8)


def row(what: str, how: Conditions = ALIKE, claim: tuple[Figures, ...] = CLAIM, **now: object) -> Row:
    again = replace(ONE, **now)  # type: ignore[arg-type]
    return next(r for r in compare(claim, [again], how) if r.what.startswith(what))


@pytest.mark.parametrize(
    ("bpb", "verdict"),
    [(1.1300, Verdict.SAME), (1.1306, Verdict.SAME), (1.1400, Verdict.FLAGGED), (1.12, Verdict.FLAGGED)],
)
def test_bpb_by_the_claims_own_spread(bpb: float, verdict: Verdict) -> None:
    found = row("bpb", bpb=bpb)
    assert found.verdict is verdict
    assert found.difference == pytest.approx(bpb - 1.13)
    assert found.errors == pytest.approx((bpb - 1.13) / (0.0004 * 2**0.5))


def test_fewer_steps_explain_a_worse_bpb_and_never_a_better_one() -> None:
    assert row("bpb", SLOWER, bpb=1.16, steps=3000).verdict is Verdict.EXPLAINED
    assert row("bpb", SLOWER, bpb=1.10, steps=3000).verdict is Verdict.FLAGGED
    assert row("bpb", SLOWER, bpb=1.10, steps=15_000).verdict is Verdict.EXPLAINED
    assert row("bpb", SLOWER, bpb=1.16).verdict is Verdict.FLAGGED  # a slow device with as many steps


def test_other_text_cannot_be_compared() -> None:
    found = row("bpb", Conditions(text=("1,040,298 validation tokens instead of 62,021,632",)), bpb=1.13)
    assert found.verdict is Verdict.OTHER
    assert "1,040,298" in found.why


def test_another_line_of_the_log_is_named() -> None:
    claim = tuple(replace(f, line="final_ttt_exact") for f in CLAIM)
    assert "its line is final_int6, the claim's is final_ttt_exact" in row("bpb", claim=claim, line="final_int6").why
    assert "its line" not in row("bpb", claim=claim, line="final_ttt_exact").why


def test_missing_shards_explain() -> None:
    assert row("bpb", Conditions(training=("2 training shards instead of 80",)), bpb=1.2).verdict is Verdict.EXPLAINED


def test_without_a_spread_only_the_usual_one_is_left() -> None:
    one = (replace(ONE, bpb=1.13),)
    assert row("bpb", claim=one, bpb=1.1315).verdict is Verdict.SAME
    assert row("bpb", claim=one, bpb=1.1330).verdict is Verdict.FLAGGED


def test_a_seed_that_is_not_claimed_meets_the_mean() -> None:
    found = row("bpb", seed=99, bpb=1.1304)
    assert found.claim == pytest.approx(1.1304)
    assert found.verdict is Verdict.SAME


def test_over_the_cap_is_flagged_whatever_explains_it() -> None:
    found = row("artifact", Conditions(training=("x",)), total_bytes=16_000_001)
    assert found.verdict is Verdict.FLAGGED
    assert "1 bytes over" in found.why
    assert row("artifact", total_bytes=15_450_000).verdict is Verdict.SAME
    assert row("artifact", total_bytes=14_000_000).verdict is Verdict.FLAGGED
    assert row("artifact", SLOWER, total_bytes=14_000_000, steps=3000).verdict is Verdict.EXPLAINED


def test_other_code_is_flagged() -> None:
    assert row("code").verdict is Verdict.SAME
    assert row("code", code_bytes=862).verdict is Verdict.FLAGGED
    assert row("code", Conditions(code=("a copy",)), code_bytes=862).verdict is Verdict.EXPLAINED


def test_times() -> None:
    assert row("step time", steps=12_400).verdict is Verdict.SAME
    assert row("step time", steps=6_000).verdict is Verdict.FLAGGED
    assert row("step time", SLOWER, steps=3_000).verdict is Verdict.EXPLAINED
    assert row("step time").claim == pytest.approx(50.0)
    assert row("evaluation clock, scored", scored_s=300.0).verdict is Verdict.FLAGGED
    assert row("evaluation clock, scored", SLOWER, scored_s=300.0).verdict is Verdict.EXPLAINED
    assert row("evaluation clock, scored", SLOWER, scored_s=5000.0).verdict is Verdict.FLAGGED  # 7 times the GPU time
    assert row("evaluation clock, scored", SLOWER, scored_s=100.0).verdict is Verdict.FLAGGED  # a seventh of it
    assert row("evaluation clock, all", evaluation_s=None).verdict is Verdict.UNKNOWN


def test_a_clock_that_should_have_stopped_training_is_flagged_on_any_device() -> None:
    assert row("training clock", train_s=605.0).verdict is Verdict.SAME
    assert row("training clock", SLOWER, train_s=900.0, steps=9_000).verdict is Verdict.FLAGGED
    assert row("training clock", SLOWER, train_s=4000.0).verdict is Verdict.EXPLAINED  # the same, fixed number of steps


def test_the_mean_is_judged_by_the_test_over_seeds() -> None:
    near = [replace(f, bpb=(f.bpb or 0) + 0.0002) for f in CLAIM]
    far = [replace(f, bpb=(f.bpb or 0) + 0.003) for f in CLAIM]  # each alone may be chance, all three are not

    def judged(again: list[Figures], how: Conditions = ALIKE) -> Row:
        found = over_seeds(CLAIM, again)
        assert found
        row = mean_row(CLAIM, again, how, found)
        assert row
        return row

    assert judged(near).verdict is Verdict.SAME
    assert judged(far).verdict is Verdict.FLAGGED
    assert {r.verdict for r in compare(CLAIM, far, ALIKE) if r.what == "bpb"} == {Verdict.SAME}
    assert judged(far, Conditions(training=("2 shards instead of 80",))).verdict is Verdict.EXPLAINED
    assert judged(far, Conditions(text=("other",))).verdict is Verdict.OTHER


def test_the_test_over_seeds() -> None:
    again = [replace(f, bpb=(f.bpb or 0) + 0.01) for f in CLAIM]
    found = over_seeds(CLAIM, again)
    assert found
    assert found.difference == pytest.approx(0.01)
    assert found.error == pytest.approx(0.0004 * (2 / 3) ** 0.5)
    assert found.p is not None
    assert found.p < 1e-4
    one = over_seeds(CLAIM, again[:1])
    assert one
    assert one.name.startswith("one value against several")
    assert one.p is not None
    assert one.p < 0.01
    alone = over_seeds(CLAIM[:1], again[:1])
    assert alone
    assert alone.p is None
    assert over_seeds((), again) is None
