"""Printed numbers derived from the book again."""

from __future__ import annotations

import math

import pytest

np = pytest.importorskip("numpy")

from auditor.trace.explain import BITS, BPB, NATS, Explained, explain, unbooked  # noqa: E402
from auditor.trace.ledger import Record  # noqa: E402
from tests.trace import books  # noqa: E402

N = 64
RNG = np.random.default_rng(3)
LOSS = RNG.gamma(4.0, 1.2, N)
BYTES = RNG.integers(1, 7, N)
MEAN = float(LOSS.mean())
PER_BYTE = float(LOSS.sum() / math.log(2) / BYTES.sum())


def windows(size: int = 16) -> list[Record]:
    return [
        books.score(1 + i, list(range(i * size, (i + 1) * size)), LOSS[i * size : (i + 1) * size].tolist())
        for i in range(N // size)
    ]


def told(*texts: str, book: list[Record] | None = None, sizes: np.ndarray = BYTES) -> list[Explained]:
    book = windows() if book is None else book
    return explain([*book, *(books.prints(90 + i, t) for i, t in enumerate(texts))], sizes)


def test_a_mean_and_its_bits_per_byte() -> None:
    loss, bits, bpb = told(f"val_loss:{MEAN:.8f} bits:{MEAN / math.log(2):.8f} val_bpb:{PER_BYTE:.8f}")
    assert (loss.what, bits.what, bpb.what) == (NATS, BITS, BPB)
    for x in (loss, bits, bpb):
        assert x.group is not None
        assert x.group.positions.tolist() == list(range(N))
        assert x.error < 1e-8
    assert bpb.value == pytest.approx(PER_BYTE, abs=1e-8)
    assert bpb.at == 90


@pytest.mark.parametrize("digits", [3, 4, 6, 8])
def test_rounding_is_allowed_for_and_no_more(digits: int) -> None:
    [right] = told(f"val_bpb {PER_BYTE:.{digits}f}")
    assert right.what == BPB
    step = 10.0**-digits
    [wrong] = told(f"val_bpb {PER_BYTE + 3 * step + 2e-5:.{digits}f}")
    assert wrong.what == ""
    assert wrong.group is None


def test_a_later_accident_does_not_explain_what_the_scores_of_its_neighbour_do() -> None:
    accident = books.score(50, [7], [PER_BYTE * math.log(2) * float(BYTES[7])], line=80)
    loss, bpb = told(f"val_loss:{MEAN:.8f} val_bpb:{PER_BYTE:.8f}", book=[*windows(), accident])
    assert loss.group is not None
    assert bpb.group is loss.group
    assert bpb.what == BPB


def test_a_number_in_powers_of_ten_is_read() -> None:
    [x] = told(f"loss {MEAN:.6e}")
    assert x.what == NATS


def test_short_numbers_and_versions_are_not_asked_about() -> None:
    assert told("lr 0.01 step 3 torch 2.9.1 took 1.5s seed 1337 v1.2345.6") == []


def test_duplicates_at_the_tail_of_a_window_are_part_of_the_number() -> None:
    """A last window that is moved back scores its first tokens again; the program counts them twice."""
    last = list(range(N - 24, N))
    book = [*windows()[:3], books.score(4, last, LOSS[last].tolist())]
    positions = [*range(48), *last]
    bpb = LOSS[positions].sum() / math.log(2) / BYTES[positions].sum()
    [x] = told(f"val_bpb:{bpb:.8f}", book=book)
    assert x.what == BPB
    assert x.group is not None
    assert sorted(x.group.positions.tolist()) == sorted(positions)


def test_only_what_was_scored_before_the_print_counts() -> None:
    early = books.prints(2, f"val_loss:{MEAN:.8f}")
    book = windows()
    [x] = explain(
        [book[0], early, *(Record(r.n + 5, r.kind, r.where, r.fields, r.positions, r.values) for r in book[1:])], BYTES
    )
    assert x.what == ""


def test_the_latest_of_two_equal_evaluations_is_meant() -> None:
    again = [books.score(r.n + 10, r.positions.tolist(), r.values.tolist(), call=8) for r in windows()]  # type: ignore[union-attr]
    [x] = told(f"val_bpb:{PER_BYTE:.8f}", book=[*windows(), *again])
    assert x.group is not None
    assert x.group.records[0].n == 11


def test_a_wrong_count_of_bytes_is_not_explained_as_bits_per_byte() -> None:
    wrong = LOSS.sum() / math.log(2) / (BYTES.sum() * 1.17)
    loss, bpb = told(f"val_loss:{MEAN:.8f} val_bpb:{wrong:.8f}")
    assert loss.what == NATS
    assert bpb.what == ""
    assert bpb.right == pytest.approx(PER_BYTE), "what it should have been"
    assert loss.right == 0.0


def test_a_book_without_scores_explains_nothing() -> None:
    [x] = told("val_bpb:1.23456", book=[])
    assert (x.what, x.value) == ("", 1.23456)


def test_sums_of_log_probabilities_and_of_bits_are_explained_too() -> None:
    for factor in (-1.0, 1 / math.log(2), -1 / math.log(2)):
        book = [books.score(1, list(range(N)), (LOSS * factor).tolist())]
        [x] = told(f"val_bpb:{PER_BYTE:.8f}", book=book)
        assert x.what == BPB


def test_a_number_that_is_not_called_bits_per_byte_is_not_asked_to_be_some() -> None:
    loss, other = told(f"val_loss:{MEAN:.8f} seconds:12.345")
    assert (loss.what, other.what, other.right) == (NATS, "", 0.0)
    bpb, late = told("val_bpb:7.89123", f"val_bpb:7.89123 val_loss:{MEAN:.8f}")[:2]
    assert (bpb.right, late.right) == (0.0, 0.0), "no loss stands before it"


@pytest.mark.parametrize(
    "rest",
    [
        "target_bpb:1.08100",
        "baseline bpb 1.22440",
        "delta_bpb:0.12345",
        "val_bpb:2.25 seconds:12.345",
        "2.25 bpb | 12.345 s",
        f"val_bpb:{PER_BYTE:.8f} best_bpb:1.08100 quantized_bpb:1.23456",
    ],
)
def test_a_goal_another_run_and_what_stands_behind_bits_per_byte_are_no_wrong_count(rest: str) -> None:
    assert {x.right for x in told(f"val_loss:{MEAN:.8f} {rest}")} == {0.0}


@pytest.mark.parametrize(
    "name", ["val_bpb:", "bpb=", "bpb_int8_roundtrip: ", "bits per byte (int6) ", "final_best_of bpb "]
)
def test_a_wrong_count_is_one_by_any_name(name: str) -> None:
    _, bpb = told(f"val_loss:{MEAN:.8f} {name}{PER_BYTE / 1.17:.8f}")
    assert bpb.right == pytest.approx(PER_BYTE)


def test_lines_that_are_written_past_the_stream_are_read_where_the_book_has_none() -> None:
    said = f"loading\nval_loss:{MEAN:.8f} val_bpb:{PER_BYTE:.8f}\n"
    book = [*windows(), books.prints(60, "loading")]
    lines = unbooked(book, said)
    assert [x.what for x in explain([*book, *lines], BYTES)] == [NATS, BPB]
    assert unbooked([*book, books.prints(61, "seconds 1.234")], said) == []
    assert unbooked([], "") == []
