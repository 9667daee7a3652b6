"""The book as it comes through the channel, whole, in pieces, and spoilt by the program that is traced."""

from __future__ import annotations

import json

import pytest

np = pytest.importorskip("numpy")

from auditor.trace.ledger import MOST_ARRAY, MOST_LINE, Reader  # noqa: E402
from tests.trace import books  # noqa: E402

BOOK = (
    books.score(1, [3, 4, 5], [1.5, 2.5, 0.25], grad=True),
    books.train(2, 1),
    books.update(3),
    books.table(4, [9, 11]),
    books.prints(5, "val_bpb: 1.2345\n{not json}"),
)
BYTES = b"".join(books.written(r) for r in BOOK)


def read(*pieces: bytes) -> Reader:
    reader = Reader()
    for p in pieces:
        reader.take(p)
    return reader


def same(reader: Reader) -> bool:
    """Whether what was read is a beginning of the book, value by value."""
    for was, now in zip(BOOK, reader.records, strict=False):
        assert (was.n, was.kind, was.where, was.fields) == (now.n, now.kind, now.where, now.fields)
        for a, b in ((was.positions, now.positions), (was.values, now.values)):
            assert (a is None) == (b is None)
            assert a is None or (a.dtype == b.dtype and a.tolist() == b.tolist())
    return len(reader.records) == len(BOOK)


def test_a_book_comes_back_as_it_was_written() -> None:
    reader = read(BYTES)
    assert same(reader)
    assert (reader.problem, bytes(reader.rest)) == ("", b"")
    assert reader.records[0].line == 40
    assert reader.records[0]["grad"] is True
    assert reader.records[4].line == 0


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000])
def test_pieces_may_be_torn_anywhere(size: int) -> None:
    assert same(read(*(BYTES[i : i + size] for i in range(0, len(BYTES), size))))


def test_a_record_waits_for_the_end_of_its_arrays() -> None:
    first = books.written(BOOK[0])
    assert read(first[:-1]).records == []
    assert len(read(first[:-1], first[-1:]).records) == 1


def line(**fields: object) -> bytes:
    return json.dumps({"n": 9, "kind": "score", **fields}).encode() + b"\n"


SPOILT = {
    "no JSON": b"hello from the program\n",
    "no object": b"[1, 2]\n",
    "a number alone": b"7\n",
    "a text alone": b'"x"\n',
    "no number": json.dumps({"kind": "score"}).encode() + b"\n",
    "no kind": json.dumps({"n": 3}).encode() + b"\n",
    "a number that is none": json.dumps({"n": "x", "kind": "score"}).encode() + b"\n",
    "an array of negative size": line(arrays=[["values", "<f8", -1]]),
    "an array of impossible size": line(arrays=[["values", "<f8", MOST_ARRAY + 1]]),
    "an array of half a size": line(arrays=[["values", "<f8", 1.5]]),
    "an array of objects": line(arrays=[["values", "|O", 1]]) + b"12345678",
    "arrays that are no list": line(arrays=7),
    "an array of another name": line(arrays=[["places", "<i4", 1]]) + b"1234",
    "positions that are no integers": line(arrays=[["positions", "<f8", 1]]) + b"12345678",
    "a position before the first": line(arrays=[["positions", "<i4", 1]]) + b"\xff\xff\xff\xff",
    "a position beyond every stream": line(arrays=[["positions", "<i4", 1]]) + b"\xff\xff\xff\x7f",
    "more values than positions": line(arrays=[["positions", "<i4", 1], ["values", "<f8", 2]]) + b"\0" * 20,
    "a score without values": line(arrays=[["positions", "<i4", 1]]) + b"\0" * 4,
    "a number beyond all": b'{"n": 1e999, "kind": "left"}\n',
    "a number that was there": books.written(books.update(3)),
    "a training of nothing": json.dumps({"n": 9, "kind": "train"}).encode() + b"\n",
    "a print of nothing": json.dumps({"n": 9, "kind": "print", "text": 4}).encode() + b"\n",
    "a frame that is none": line(where=[["a.py", 1]]),
    "no text at all": b"\xff\xfe\x00\n",
    "a line without end": b"x" * MOST_LINE,
    "deep nesting": b"[" * 200_000 + b"\n",
}


@pytest.mark.parametrize("spoilt", SPOILT.values(), ids=SPOILT)
def test_what_a_program_writes_into_the_channel_ends_the_book_and_keeps_what_was_read(spoilt: bytes) -> None:
    reader = read(BYTES, spoilt, BYTES)
    assert same(reader), "what was read before stays, and nothing after it is believed"
    assert reader.problem.startswith(f"record {len(BOOK) + 1} of the ledger cannot be read")
    assert not reader.rest


def test_an_array_that_never_comes_is_waited_for_and_no_more() -> None:
    reader = read(BYTES, line(arrays=[["positions", "<i4", 1000]]), b"1234")
    assert same(reader)
    assert reader.problem == ""


def test_a_size_that_is_a_truth_value_is_no_size() -> None:
    assert read(line(arrays=[["positions", "<i4", True]]) + b"1234").problem
