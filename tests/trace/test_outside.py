"""Losses that leave the tensors: numpy arrays and plain numbers that know which token they are about."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from auditor.trace.inside import arrays, floats  # noqa: E402

LOSS = np.array([1.5, 2.5, 3.5, 4.5, 5.5, 6.5])
AT = np.arange(10, 16)


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], list[float]]]:
    """(positions, values) of each score."""
    out: list[tuple[list[int], list[float]]] = []

    def array(values: Any, places: Any, how: str) -> None:
        v, p = np.broadcast_to(values, places.shape).ravel(), places.ravel()
        out.append((p[p >= 0].tolist(), v[p >= 0].tolist()))

    def one(value: float, place: int, how: str) -> None:
        assert type(value) is float
        out.append(([place], [value]))

    monkeypatch.setattr(arrays.Carried, "score", staticmethod(array), raising=False)
    monkeypatch.setattr(floats.Number, "score", staticmethod(one), raising=False)
    return out


def losses() -> Any:
    return arrays.carry(LOSS.copy(), AT)


def test_a_mixture_with_a_table_and_its_sum(book: Any) -> None:
    table = np.full(4, 0.25)
    mixed = -np.log(np.clip(0.5 * np.exp(-losses()[1:5].astype(np.float64)) + 0.5 * table, 1e-12, 1.0))
    total = mixed.sum()
    assert total == pytest.approx(-np.log(0.5 * np.exp(-LOSS[1:5]) + 0.125).sum())
    [(places, values)] = book
    assert places == [11, 12, 13, 14]
    assert sum(values) == pytest.approx(total)


@pytest.mark.parametrize(
    ("moved", "places"),
    [
        (lambda a: a.reshape(2, 3).T.ravel(), [10, 13, 11, 14, 12, 15]),
        (lambda a: a[::2].copy(), [10, 12, 14]),
        (lambda a: a[::-1], [15, 14, 13, 12, 11, 10]),
        (lambda a: a[[5, 0]], [15, 10]),
        (lambda a: a[a > 3], [12, 13, 14, 15]),
        (lambda a: np.concatenate([a[:2], np.array([9.0]), a[4:]]), [10, 11, 14, 15]),
        (lambda a: np.where(a > 3, a, 0.0), [12, 13, 14, 15]),
        (lambda a: np.where(a > 3, a, 1e-9), [10, 11, 12, 13, 14, 15]),
        (lambda a: np.maximum(a, 2.0), [10, 11, 12, 13, 14, 15]),
        (lambda a: np.log(np.exp(np.stack([a, a + 1], axis=1)).sum(axis=1)), [10, 11, 12, 13, 14, 15]),
    ],
)
def test_positions_follow_what_is_done(book: Any, moved: Any, places: list[int]) -> None:
    value = moved(losses())
    book.clear()
    total = value.sum()
    assert [p for p, _ in book] == [places]
    assert total == pytest.approx(np.asarray(moved(LOSS.copy())).sum())


def test_losses_kept_by_position_in_an_array_that_is_added_up_at_the_end(book: Any) -> None:
    kept = np.zeros(16).view(arrays.Carried)
    kept[10:13] = losses()[:3]
    kept[np.array([14, 15])] = losses()[4:]
    kept[11] = 0.0
    assert kept.mean() == pytest.approx((1.5 + 3.5 + 5.5 + 6.5) / 16)
    assert book[-1][0] == [10, 12, 14, 15]


def test_a_number_written_in_a_tokens_place_is_about_the_token_and_a_zero_leaves_it_out(book: Any) -> None:
    a = losses()
    a[1] = 9.0
    a[2] = 0.0
    a[3:] = 1.0
    a.sum()
    assert book[-1] == ([10, 11], [1.5, 9.0])
    fresh = np.zeros(4).view(arrays.Carried)
    fresh[2] = one(2.0, 77)
    fresh.sum()
    assert book[-1] == ([77], [2.0])


def test_what_is_written_in_place_is_seen_through_every_view(book: Any) -> None:
    a = losses()
    view = a[2:4]
    view += 1
    a *= 2
    a.sum()
    assert book[-1] == (AT.tolist(), [3.0, 5.0, 9.0, 11.0, 11.0, 13.0])
    view.sum()
    assert book[-1][0] == [12, 13]


def test_one_element_that_is_taken_out_is_a_score(book: Any) -> None:
    assert losses()[3] == 4.5
    assert book == [([13], [4.5])]


def test_sums_of_what_is_about_no_token_are_no_scores(book: Any) -> None:
    plain = np.zeros(8).view(arrays.Carried)
    plain += 1
    assert (plain.sum(), (losses() > 2).sum(), losses().astype(np.int64).sum()) == (8.0, 5, 21)
    assert book == []


def test_an_array_looks_like_any_other(book: Any) -> None:
    a = losses()
    assert (repr(a), str(a)) == (repr(LOSS), str(LOSS))
    assert type(a).__name__ == "ndarray"
    assert type(a).__module__ == "numpy"
    assert isinstance(a, np.ndarray)
    assert type(pickle.loads(pickle.dumps(a))) is np.ndarray
    assert copy.deepcopy(a).tolist() == LOSS.tolist()


def one(value: float, place: int) -> Any:
    return floats.number(value, place)


def test_a_number_keeps_its_place_while_it_is_mixed_and_a_total_is_made_of_scores(book: Any) -> None:
    total, expected = 0.0, 0.0
    for i, value in enumerate(LOSS.tolist()):
        probability = 0.7 * (1.0 / (1.0 + one(value, i))) + 0.3 * 0.01
        mixed = max(probability, 1e-9)
        total += 1.0 - mixed
        expected += 1.0 - (0.7 / (1.0 + value) + 0.003)
    assert total == pytest.approx(expected)
    assert [p for p, _ in book] == [[i] for i in range(6)]
    assert sum(v[0] for _, v in book) == pytest.approx(expected)


def test_what_float_and_sum_take_is_told(book: Any) -> None:
    plain = float(one(2.0, 4))
    assert type(plain) is float
    assert sum([one(1.0, 1), one(2.0, 2)]) == 3.0
    assert book == [([4], [2.0]), ([1], [1.0]), ([2], [2.0])]


def test_a_mean_and_a_plain_number_are_no_scores(book: Any) -> None:
    total = one(1.0, 1) + one(2.0, 2)
    book.clear()
    assert type(total / 2) is float
    assert total + 1.0 == 4.0
    assert book == []


def test_a_number_looks_like_any_other(book: Any) -> None:
    x = one(1.25, 3)
    assert (repr(x), f"{x:.3f}", json.dumps([x]), hash(x)) == ("1.25", "1.250", "[1.25]", hash(1.25))
    assert type(x).__name__ == "float"
    assert isinstance(x, float)
    assert type(pickle.loads(pickle.dumps(x))) is float
    assert {x: 1}[1.25] == 1
    assert (-x, abs(-x), x**2, 1 / x, 2 - x) == (-1.25, 1.25, 1.5625, 0.8, 0.75)
    assert math.isnan(x * float("nan"))
