"""The books of several ranks as one: what stands before what, and what one rank can have learned from another."""

from __future__ import annotations

from dataclasses import replace

import pytest

np = pytest.importorskip("numpy")

from auditor.trace.groups import groups  # noqa: E402
from auditor.trace.ledger import BadLedger, Reader, Record  # noqa: E402
from auditor.trace.order import before  # noqa: E402
from auditor.trace.ranks import merged, reaches  # noqa: E402
from tests.trace import books  # noqa: E402


def at(r: Record, t: int, *known: int) -> Record:
    return replace(r, fields={**r.fields, "t": t, "known": list(known)})


FIRST = [  # scores 0 to 3, hears gradients in an exchange, steps, scores 8 to 11
    at(books.score(1, range(4), [1.0] * 4, line=40, call=2), 0, 0, 0),
    at(books.update(2), 1, 1, 1),
    at(books.score(3, range(8, 12), [1.0] * 4, line=40, call=2), 1, 1, 1),
]
SECOND = [  # scores 4 to 7, trains on what the other scores next
    at(books.score(1, range(4, 8), [1.0] * 4, line=40, call=5), 0, 0, 0),
    at(books.score(2, range(8, 12), [1.0] * 4, line=50, call=6), 0, 0, 0),
    at(books.train(3, 2), 0, 0, 0),
    at(books.update(4), 1, 1, 1),
]


def test_exchanges_order_the_ranks_and_numbers_are_given_anew() -> None:
    book = merged([FIRST, SECOND])
    assert [(r.n, r.rank, r.kind) for r in book] == [
        (1, 0, "score"),
        (2, 1, "score"),
        (3, 1, "score"),
        (4, 1, "train"),
        (5, 0, "update"),
        (6, 0, "score"),
        (7, 1, "update"),
    ]
    assert book[3]["of"] == [3], "the second rank's second record"
    assert merged([FIRST]) == tuple(FIRST)


def test_scores_that_all_ranks_take_in_one_place_stand_together() -> None:
    book = merged([FIRST, SECOND])
    found = {g.positions.tolist().__str__(): g for g in groups(book) if g.line[1] == 40}
    assert str([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) in found
    assert str([0, 1, 2, 3, 8, 9, 10, 11]) in found, "and each rank's own"


def test_training_of_one_rank_counts_for_another_once_that_may_have_heard_of_it() -> None:
    book = merged([FIRST, SECOND])
    together = max((g for g in groups(book) if g.line[1] == 40), key=lambda g: len(g.positions))
    [b] = before(book, together)
    assert b.positions.tolist() == [8, 9, 10, 11]
    assert (b.doing.rank, b.scored.rank) == (1, 0)
    assert b.changed is not None
    assert b.changed.rank == 0


def test_training_that_no_other_rank_heard_of_does_not_count_for_it() -> None:
    deaf = [at(r, r["t"], r["known"][0], 0) for r in FIRST]
    book = merged([deaf, SECOND])
    together = max((g for g in groups(book) if g.line[1] == 40), key=lambda g: len(g.positions))
    assert before(book, together) == []
    assert not reaches(book[3], book[4])
    assert reaches(book[3], book[6]), "its own update"


@pytest.mark.parametrize(
    "fields", [{}, {"t": "1", "known": [0, 0]}, {"t": 1, "known": [0]}, {"t": 1, "known": [0, "0"]}]
)
def test_a_record_without_its_time_is_refused(fields: dict[str, object]) -> None:
    bad = replace(books.update(1), fields=dict(fields))
    with pytest.raises(BadLedger):
        merged([FIRST, [bad]])


def test_a_book_does_not_say_whose_it_is() -> None:
    reader = Reader()
    reader.take(books.written(replace(books.update(1), fields={"rank": "first"})))
    assert reader.problem == ""
    assert reader.records[0].rank == 0
