"""What a small run left out: lines that did not run, the conditions before them, and the switches that open them."""

from __future__ import annotations

import base64
import zlib

import pytest

pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("sentencepiece")

from rules.place import Location
from rules.samples.scripts import HEAD
from rules.trace import Trace
from tests.trace.test_whole import BYTES, LOOP, SCORE, line, traced

GATED = """\
        if len(val) > 1_000_000:
            step(opt, nll(model, chunk).mean())
        if i > 10 and RANK > 0: step(opt, nll(model, chunk).mean())
        if os.environ.get("ADAPT_FIRST", "0") == "1":
            step(opt, nll(model, chunk).mean())
        if clock() - began < 900:
            continue_with = i
        else:
            losses = losses * 0.5
"""
SWITCHED = """\
        if os.environ.get("ADAPT_FIRST", "0") == "1":
            step(opt, nll(model, chunk).mean())
"""
BEFORE = """\
from time import perf_counter as clock
began = clock()
RANK = int(os.environ.get("RANK", 0))
if len(val) > 50_000_000:
    print("a large split")


def never_called():
    return 1


try:
    clock.nothing
    began = 0.0
except AttributeError:
    pass
"""
TEXT = HEAD + BYTES + BEFORE + LOOP.format(body=SCORE + GATED)


def places(text: str, part: str) -> list[int]:
    return [i for i, x in enumerate(text.split("\n"), 1) if part in x]


@pytest.fixture(scope="module")
def run() -> Trace:
    return traced(TEXT, probing=False)


def test_the_book_says_which_lines_did_not_run(run: Trace) -> None:
    assert run.failure == ""
    assert run.watched == ("train_gpt.py",)
    for part, ran in (
        ("losses.sum()", True),
        ("if len(val) > 1_000_000", True),
        ("continue_with", True),
        ("losses = losses * 0.5", False),
        ("a large split", False),
        ("def never_called", True),
        ("return 1", False),
        ("began = 0.0", False),
        ("if i > 10 and RANK", True),
    ):
        assert run.executed(Location("train_gpt.py", line(TEXT, part))) is ran, part
    assert run.executed(Location("other.py", 3)) is None
    assert run.executed(Location("train_gpt.py")) is None


def test_a_gate_has_its_condition_what_it_keeps_shut_and_the_switch(run: Trace) -> None:
    found = {g.at.line: g for g in run.gates}
    size, rank, setting, time = (
        found[line(TEXT, part)] for part in ("len(val) > 1_000_000", "RANK > 0", "ADAPT_FIRST", "clock() - began < 900")
    )
    assert (size.kind, size.what, size.switch) == ("size", "trains, takes scores", "at least 1,000,001 in len(val)")
    assert (size.first, size.last) == (size.at.line + 1, size.at.line + 1) if size.at.line else False
    assert rank.switch == "i > 10 and RANK=1"
    assert rank.settings == ("RANK=1",)
    assert (setting.kind, setting.switch, setting.settings) == ("setting", "ADAPT_FIRST=1", ("ADAPT_FIRST=1",))
    assert (time.kind, time.what) == ("time", "changes probabilities or losses")
    assert time.switch == "after 900 in clock() - began"
    assert time.condition == "not (clock() - began < 900)"
    assert line(TEXT, "len(val) > 50_000_000") not in found, "nothing that matters stands behind it"


def test_a_setting_that_the_user_gives_opens_its_gate() -> None:
    text = HEAD + BYTES + LOOP.format(body=SCORE + SWITCHED)
    shut = traced(text, probing=False)
    open_ = traced(text, probing=False, given={"ADAPT_FIRST": "1"})
    at = Location("train_gpt.py", line(text, "step(opt, nll(model, chunk)"))
    assert (shut.executed(at), [g.settings for g in shut.gates]) == (False, [("ADAPT_FIRST=1",)])
    assert (open_.executed(at), open_.gates, open_.given) == (True, (), ("ADAPT_FIRST=1",))


def test_a_script_that_dies_still_says_what_ran() -> None:
    text = HEAD + "print('begun')\nx = 1\nraise KeyError('no such thing')\ny = 2\n"
    t = traced(text, probing=False)
    assert t.failure.startswith("KeyError")
    ran = [t.executed(Location("train_gpt.py", line(text, part))) for part in ("begun", "x = 1", "raise", "y = 2")]
    assert ran == [True, True, True, False]


def test_text_that_a_wrapper_unpacks_is_watched_too() -> None:
    inner = HEAD + "if VOCAB > 10:\n    print('large')\nelse:\n    print('small')\n"
    packed = "import zlib, base64\nexec(zlib.decompress(base64.b85decode({!r})))\n"
    t = traced(packed.format(base64.b85encode(zlib.compress(inner.encode())).decode()), probing=False)
    ran = [t.executed(Location("train_gpt.py", line(inner, part), layer=1)) for part in ("'large'", "'small'")]
    assert ran == [True, False]
