"""What a small run's printed numbers say about its count of bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rules import bpb1_correct_bytes as bpb1
from rules.editions import LATEST
from rules.evidence import Evidence, Package, Script
from rules.finding import Status
from rules.trace import Printed, Trace

LOSS = Printed("val_loss:6.5 val_bpb", 6.5, "mean loss in nats", 4095)


def checked(*printed: Printed, text: str = "import sentencepiece", headline: int = 0) -> list[tuple[Status, str]]:
    entry = Script("train_gpt.py", "entry", "0" * 64, len(text), text=text)
    package = replace(Package("x"), scripts=(entry,))
    trace = Trace("train_gpt.py", "bubblewrap", "exit code 0", printed=printed, headline=headline)
    e = Evidence(package, trace=trace)
    return [(f.status, f.message) for f in bpb1.bytes_in_run(e, LATEST)]


def wrong(ratio: float) -> Printed:
    return Printed("val_loss:6.5 val_bpb", 2.9 / ratio, right=2.9)


def test_no_run_says_nothing() -> None:
    assert list(bpb1.bytes_in_run(Evidence(Package("x")), LATEST)) == []


def test_an_explained_headline_is_right() -> None:
    [(status, _)] = checked(Printed("val_bpb:2.9", 2.9, "bits per byte", 4095))
    assert status is Status.OK


def test_a_loss_alone_says_nothing() -> None:
    assert checked(LOSS) == []


def test_the_space_counted_twice_in_every_line_is_likely_a_fault() -> None:
    [(status, message)] = checked(LOSS, wrong(1.17), wrong(1.1701))
    assert status is Status.LIKELY
    assert "17.0" in message
    assert "too many" in message


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ((wrong(1.17),), "import sentencepiece"),  # one line: it may be the loss of a mixture's part
        ((wrong(1.17), wrong(1.21)), "import sentencepiece"),  # not one table
        ((wrong(1.17), wrong(1.17), Printed("val_bpb:2.9", 2.9, "bits per byte", 9)), "import sentencepiece"),
        ((wrong(1.17), wrong(1.17)), "ids = np.load('own.npz')"),  # a tokenizer of its own
        ((wrong(0.9), wrong(0.9)), "import sentencepiece"),  # fewer bytes make a score worse
        ((wrong(4.0), wrong(4.0)), "import sentencepiece"),  # far more than any table
    ],
)
def test_what_may_have_another_reason_is_for_a_person(printed: tuple[Printed, ...], text: str) -> None:
    assert [status for status, _ in checked(LOSS, *printed, text=text)] == [Status.NEEDS_HUMAN]


def test_a_difference_that_short_documents_make_is_none() -> None:
    assert checked(LOSS, wrong(1.002), wrong(1.002)) == []
