"""The clock on a clock of our own; the estimate against its formula."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from contextlib import suppress

import pytest

from evaluator import timing
from evaluator.calibrate import Ceiling, calibrate, ceiling
from evaluator.timing import Clock, Device, Phase

HERE = Device("a card", "cuda", 1)


class Hand:
    """A clock that a test moves; `wait` counts how often the device was waited for."""

    def __init__(self) -> None:
        self.at, self.waits = 100.0, 0

    def now(self) -> float:
        return self.at

    def wait(self) -> None:
        self.waits += 1


def clock(hand: Hand) -> Clock:
    return Clock(hand.wait, hand.now, began=90.0)


def test_each_second_counts_once() -> None:
    hand = Hand()
    c = clock(hand)
    with c.phase(Phase.LOADING):
        hand.at += 5
    hand.at += 1
    with c.phase(Phase.SCORING):
        hand.at += 20
        with c.phase(Phase.ADAPTATION):
            hand.at += 7
        hand.at += 3
        with c.phase(Phase.DIAGNOSTICS):
            hand.at += 2
    c.number()
    hand.at += 50
    t = c.timing(HERE)
    assert t.seconds == {
        "start": 10.0, "loading": 5.0, "other": 51.0, "scoring": 23.0, "adaptation": 7.0, "diagnostics": 2.0
    }  # fmt: skip
    assert t.scored_s == 30.0
    assert t.whole_s == 10 + 5 + 1 + 32  # what comes after the last number does not count
    assert hand.waits >= 9  # at both ends of every phase, at the number and at the end


def test_the_wider_accounting_ends_at_the_last_number_or_now() -> None:
    hand = Hand()
    c = clock(hand)
    c.number()
    assert c.timing(HERE).whole_s == 10.0
    c = clock(hand)
    hand.at += 4
    assert c.timing(HERE).whole_s == 14.0


def test_a_phase_that_fails_is_counted_and_left() -> None:
    hand = Hand()
    c = clock(hand)
    with suppress(RuntimeError), c.phase(Phase.SCORING):
        hand.at += 3
        raise RuntimeError
    hand.at += 1
    assert c.timing(HERE).seconds["scoring"] == 3.0


def test_both_accountings_can_differ_in_verdict() -> None:
    hand = Hand()
    c = clock(hand)
    with c.phase(Phase.WARMUP):
        hand.at += 90
    with c.phase(Phase.SCORING):
        hand.at += 550
    t = c.timing(HERE)
    assert t.within == (True, False)
    data = json.loads(t.json())
    assert data["within"] == {"scored": True, "whole": False}
    assert data["device"]["name"] == "a card"
    assert "550.0 s in the scored function" in t.words()


def test_the_start_of_the_process_is_known() -> None:
    code = (
        "import time; time.sleep(0.4); from evaluator.timing import Clock, this_device, loaded_torch; c = Clock(); "
        "t = c.timing(); print(t.seconds['start'], loaded_torch() is None, t.peak_process)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert float(said[0]) >= 0.35  # the kernel counts in hundredths
    assert said[1] == "True"
    assert int(said[2]) > 1 << 20


def test_a_device_without_a_gpu_is_the_processor() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    d = timing.this_device()
    assert d.kind == "cpu"
    assert d.versions["torch"]
    assert (d.cuda, timing.peak_gpu()) == ("", 0)


def test_the_estimate_is_an_interval_and_says_so() -> None:
    here = Ceiling(flops=700e12, spread=7e12, size=8192, rounds=20, dtype="bfloat16", device="a card")
    e = calibrate(100_000, here, 60_000_000, share=(0.7, 0.1), scaling=(1.0, 0.0))
    assert e.seconds == pytest.approx(60_000_000 / (100_000 * 989e12 * 0.7 / 700e12 * 8))
    error = math.sqrt((0.1 / 0.7) ** 2 + 0.01**2 + 0.2**2)
    assert e.relative_error == pytest.approx(error)
    assert (e.low, e.high) == pytest.approx((e.seconds / math.exp(2 * error), e.seconds * math.exp(2 * error)))
    assert e.kind == "estimate"
    assert e.words().startswith("estimate, not a measurement")
    assert json.loads(e.json())["kind"] == "estimate"
    assert any("assumed" in a for a in e.assumptions)


def test_less_is_known_where_the_measurement_wavers() -> None:
    steady = Ceiling(7e14, 0.0, 8192, 20, "bfloat16", "a card")
    wavering = Ceiling(7e14, 2e14, 8192, 20, "bfloat16", "a card")
    a, b = (calibrate(1e5, c, 10**6) for c in (steady, wavering))
    assert a.seconds == b.seconds
    assert b.high > a.high
    two = calibrate(2e5, steady, 10**6, ranks=2)
    assert two.seconds == pytest.approx(a.seconds)


@pytest.mark.parametrize("wrong", [{"tokens_per_s": 0.0}, {"tokens": 0}, {"ranks": 0}, {"share": (0.0, 0.1)}])
def test_wrong_calls(wrong: dict[str, object]) -> None:
    here = Ceiling(7e14, 0.0, 8192, 20, "bfloat16", "a card")
    call: dict[str, object] = {"tokens_per_s": 1e5, "here": here, "tokens": 100, **wrong}
    with pytest.raises(ValueError, match="positive"):
        calibrate(**call)  # type: ignore[arg-type]


def test_products_are_measured() -> None:
    pytest.importorskip("torch")
    c = ceiling("cpu", size=128, rounds=5)
    assert c.flops > 1e6
    assert c.spread >= 0
    with pytest.raises(ValueError, match="at least one"):
        ceiling("cpu", size=0)
