"""The book in stretches: exact where it is small, bounded where it is not."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from auditor.trace.groups import Group, groups  # noqa: E402
from auditor.trace.ledger import Record  # noqa: E402
from auditor.trace.timeline import closeups, runs, timeline  # noqa: E402
from rules.place import Location  # noqa: E402
from rules.trace import Act, Early, How, Probe  # noqa: E402
from tests.trace import books  # noqa: E402


def headline(book: list[Record]) -> Group:
    return max((g for g in groups(book) if g.line[1] == 40), key=lambda g: len(g.positions))


def losses(n: int, positions: range, line: int = 50) -> Record:
    return books.score(n, list(positions), [1.0] * len(positions), line=line)


def test_runs_of_positions() -> None:
    assert list(runs(np.array([5, 3, 4, 9, 9, 11, 12]))) == [(3, 5), (9, 9), (11, 12)]
    assert list(runs(np.array([], dtype=np.int32))) == []


def test_every_kind_of_record_has_its_stretch() -> None:
    book = [
        losses(1, range(8), line=40),
        losses(2, range(4, 12)),
        books.train(3, 2),
        books.table(4, [10, 11, 30]),
        books.update(5),
        losses(6, range(8, 16), line=40),
        books.prints(7, "val_bpb:1.234"),
    ]
    found = [(s.n, s.act, s.first, s.last, s.headline, s.early) for s in timeline(book, headline(book))]
    assert found == [
        (1, Act.SCORED, 0, 7, True, False),
        (2, Act.SCORED, 4, 11, False, False),
        (3, Act.TRAINED, 4, 7, False, False),
        (3, Act.TRAINED, 8, 11, False, True),
        (4, Act.COUNTED, 30, 30, False, False),
        (4, Act.COUNTED, 10, 11, False, True),
        (5, Act.UPDATED, -1, -1, False, False),
        (6, Act.SCORED, 8, 15, True, False),
    ]


def test_training_that_changes_nothing_before_the_score_is_not_early() -> None:
    book = [losses(1, range(8)), books.train(2, 1), losses(3, range(8), line=40), books.update(4)]
    assert not any(s.early for s in timeline(book, headline(book)))


def test_without_a_headline_nothing_is_early() -> None:
    book = [losses(1, range(8)), books.train(2, 1), books.update(3)]
    assert [s.act for s in timeline(book, None)] == [Act.SCORED, Act.TRAINED, Act.UPDATED]
    assert timeline([], None) == ()


@pytest.mark.parametrize("most", [10, 100, 2000])
def test_a_long_book_is_bounded_and_keeps_what_is_early(most: int) -> None:
    book = [losses(1, range(64)), books.train(2, 1), books.update(3)]
    for i in range(3000):
        book.append(losses(len(book) + 1, range(2 * i, 2 * i + 2), line=40))
    found = timeline(book, headline(book), most)
    assert len(found) <= most
    early = [s for s in found if s.early]
    assert [(s.first, s.last) for s in early] == [(0, 63)]
    scored = [s for s in found if s.headline]
    assert (scored[0].first, scored[-1].last) == (0, 5999)
    assert [s.n for s in scored] == sorted(s.n for s in scored)


def test_a_book_that_jumps_about_is_bounded_too() -> None:
    rng = np.random.default_rng(1)
    book = [
        losses(i + 1, range(p, p + 1), line=40 + i % 2) for i, p in enumerate(rng.integers(0, 1 << 20, 5000).tolist())
    ]
    assert 0 < len(timeline(book, headline(book), 500)) <= 500


def test_closeups_hold_the_book_around_a_finding_unmerged() -> None:
    book = [losses(1, range(4000), line=60), books.train(2, 1), books.update(3)]
    book += [losses(4 + i, range(10 * i, 10 * i + 10), line=40) for i in range(400)]
    early = Early(How.TRAINED, 4000, 4000, 1000, 3999, Location("a.py", 50), Location("a.py", 40))
    leak = Probe("future", 2001, 2000, 50, 0.5, 1900, 2000)
    clean = Probe("future", 3001, 2000)
    found = closeups(book, headline(book), [early, early], [leak, clean])
    assert [(c.first, c.last) for c in found] == [(936, 1447), (1553, 2064)]
    scored = [s for s in found[0].timeline if s.headline]
    assert len(scored) == 52
    assert (scored[0].first, scored[0].last, scored[-1].last) == (936, 939, 1447)
    assert any(s.early for s in found[0].timeline)
    assert closeups(book, None, [], []) == ()
