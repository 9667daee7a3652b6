"""What came before what: training and counting against scoring."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from auditor.trace.groups import Group, groups  # noqa: E402
from auditor.trace.ledger import Record  # noqa: E402
from auditor.trace.order import COUNTED, TRAINED, before, scored_twice  # noqa: E402
from tests.trace import books  # noqa: E402


def headline(book: list[Record]) -> Group:
    """The scores of line 40."""
    return max((g for g in groups(book) if g.line[1] == 40), key=lambda g: len(g.positions))


def losses(n: int, positions: range, line: int = 50) -> Record:
    return books.score(n, list(positions), [1.0] * len(positions), line=line)


def test_training_on_tokens_before_they_are_scored_is_found() -> None:
    book = [losses(1, range(8)), books.train(2, 1), books.update(3), losses(4, range(16), line=40)]
    [b] = before(book, headline(book))
    assert b.how == TRAINED
    assert b.positions.tolist() == list(range(8))
    assert b.changed is not None
    assert (b.doing.n, b.changed.n, b.scored.n) == (2, 3, 4)


def test_without_a_change_of_weights_nothing_came_of_it() -> None:
    book = [losses(1, range(8)), books.train(2, 1), losses(3, range(16), line=40)]
    assert before(book, headline(book)) == []


def test_a_change_only_after_the_score_is_legal() -> None:
    book = [losses(1, range(8)), books.train(2, 1), losses(3, range(8), line=40), books.update(4)]
    assert before(book, headline(book)) == []


def chunks(epochs: int) -> list[Record]:
    """Score a chunk, train on it, go on to the next."""
    book: list[Record] = []
    for start in range(0, 32, 8):
        book.append(losses(len(book) + 1, range(start, start + 8), line=40))
        for _ in range(epochs):
            book.append(losses(len(book) + 1, range(start, start + 8)))
            book.append(books.train(len(book) + 1, len(book)))
            book.append(books.update(len(book) + 1))
    return book


@pytest.mark.parametrize("epochs", [1, 3])
def test_chunks_that_are_scored_first_are_legal_in_one_epoch_and_in_several(epochs: int) -> None:
    book = chunks(epochs)
    assert before(book, headline(book)) == []


def test_a_second_pass_over_everything_that_is_scored_again_is_found() -> None:
    first = [
        Record(r.n, r.kind, books.frames(30, "warm") if r.line == 40 else r.where, r.fields, r.positions, r.values)
        for r in chunks(1)
    ]
    book = [*first, losses(len(first) + 1, range(32), line=40)]
    [b] = before(book, headline(book))
    assert len(b.positions) == 32


def test_training_one_chunk_ahead_is_found_with_exactly_its_tokens() -> None:
    book: list[Record] = []
    for start in range(0, 24, 8):
        book.append(losses(len(book) + 1, range(start, start + 8), line=40))
        ahead = range(start + 4, start + 12)
        book.append(losses(len(book) + 1, ahead))
        book.append(books.train(len(book) + 1, len(book)))
        book.append(books.update(len(book) + 1))
    [b] = before(book, headline(book))
    assert b.positions.tolist() == [8, 9, 10, 11, 16, 17, 18, 19]
    assert b.doing.n == 3
    assert b.last is not None
    assert b.last.n == 7, "the last chunk that was taken ahead of time; what the third one took was never scored"
    assert b.scored.n == 5


def test_counting_before_and_after_scoring() -> None:
    after = [losses(1, range(8), line=40), books.table(2, list(range(8))), losses(3, range(8, 16), line=40)]
    assert before(after, headline(after)) == []
    first = [books.table(1, [2, 3, 40]), losses(2, range(8), line=40)]
    [b] = before(first, headline(first))
    assert (b.how, b.positions.tolist(), b.changed) == (COUNTED, [2, 3], None)


def test_lines_that_do_it_are_told_apart_and_their_tokens_put_together() -> None:
    book = [
        losses(1, range(4)),
        books.train(2, 1, line=50),
        books.update(3),
        losses(4, range(4, 8)),
        books.train(5, 4, line=50),
        books.update(6),
        books.table(7, [9], line=60),
        losses(8, range(16), line=40),
    ]
    found = {b.doing.line: b.positions.tolist() for b in before(book, headline(book))}
    assert found == {50: list(range(8)), 60: [9]}


def test_what_is_done_to_tokens_that_do_not_stand_in_the_number_is_no_concern() -> None:
    book = [losses(1, range(100, 108)), books.train(2, 1), books.update(3), losses(4, range(8), line=40)]
    assert before(book, headline(book)) == []


def test_training_on_a_score_that_is_not_in_the_book_does_no_harm() -> None:
    book = [books.train(1, 77), books.update(2), losses(3, range(8), line=40)]
    assert before(book, headline(book)) == []


def test_positions_that_stand_in_a_number_twice() -> None:
    book = [losses(1, range(8), line=40), losses(2, range(6, 14), line=40)]
    assert scored_twice(headline(book)).tolist() == [6, 7]
