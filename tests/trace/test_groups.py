"""Scores put together as scripts make totals: those of one line within one call."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from auditor.trace.groups import groups  # noqa: E402
from auditor.trace.ledger import Record  # noqa: E402
from tests.trace import books  # noqa: E402


def test_the_scores_of_one_call_stand_together_and_those_of_two_apart() -> None:
    book = [
        books.score(1, [0, 1], [1, 2], call=3),
        books.score(2, [2], [3], call=3),
        books.score(3, [0, 1, 2], [1, 1, 1], call=4),
    ]
    found = {tuple(r.n for r in g.records): g for g in groups(book)}
    assert (1, 2) in found
    assert (3,) in found
    first = found[1, 2]
    assert first.within == ("train_gpt.py", 0, "evaluate", 3)
    assert first.line[1] == 40
    assert first.positions.tolist() == [0, 1, 2]
    assert first.values.tolist() == [1, 2, 3]
    assert first.times.tolist() == [1, 1, 2]


def test_lines_are_not_mixed() -> None:
    book = [books.score(1, [0], [1], line=40), books.score(2, [0], [9], line=41), books.score(3, [1], [1], line=40)]
    assert (1, 3) in {tuple(r.n for r in g.records) for g in groups(book)}


def test_a_way_further_out_to_the_same_scores_is_not_given_twice() -> None:
    book = [books.score(1, [0], [1], call=3), books.score(2, [1], [1], call=4)]
    found = [tuple(r.n for r in g.records) for g in groups(book)]
    assert len(found) == len(set(found))
    assert set(found) >= {(1,), (2,), (1, 2)}, "each call alone, and the module around both"


def test_records_without_frames_or_positions_do_no_harm() -> None:
    empty = np.empty(0, "<i4")
    book = [
        Record(1, "score"),
        Record(2, "score", (), {}, empty, np.empty(0)),
        Record(3, "score", (), {}, np.array([5], "<i4"), np.array([0.5])),
        books.prints(4, "x"),
    ]
    assert [g.positions.tolist() for g in groups(book)] == [[5]]


def test_two_sums_on_one_line_are_two_places() -> None:
    """Losses and bytes of the same tokens, added up on one line of a program without line breaks."""
    book = []
    for i in range(3):
        book.append(books.score(2 * i + 1, [i], [2.0 + i], step=10))
        book.append(books.score(2 * i + 2, [i], [7.0], step=30))
    assert [g.values.tolist() for g in groups(book) if len(g.records) == 3] == [[2.0, 3.0, 4.0], [7.0, 7.0, 7.0]]
