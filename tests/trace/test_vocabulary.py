"""The made-up vocabulary against the library that reads it, and the shards against their own reader."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")

from auditor.trace.data import shards, vocabulary  # noqa: E402

SIZES = [260, 290, 400, 1024, 8192]


@pytest.mark.parametrize("size", SIZES)
def test_the_library_reads_the_model_as_it_is_meant(size: int, tmp_path: Path) -> None:
    library = pytest.importorskip("sentencepiece")
    path = tmp_path / "made.model"
    path.write_bytes(vocabulary.model(size))
    sp = library.SentencePieceProcessor(model_file=str(path))
    assert sp.vocab_size() == size
    assert sp.bos_id() == vocabulary.BOS
    lengths = vocabulary.byte_lengths(size)
    spaced = np.array([text.startswith("▁") for text, _ in vocabulary.pieces(size)])
    for i in range(size):
        piece = sp.id_to_piece(i)
        if sp.is_control(i) or sp.is_unknown(i):
            assert lengths[i] == 0
        elif sp.is_byte(i):
            assert lengths[i] == 1
        else:
            assert lengths[i] == len(piece.removeprefix("▁").encode()) + piece.startswith("▁")
            assert spaced[i] == piece.startswith("▁")


@pytest.mark.parametrize("size", [n for n in SIZES if n >= 400])  # single bytes in a row are no text
def test_bytes_of_a_text_are_those_that_the_library_decodes(size: int, tmp_path: Path) -> None:
    library = pytest.importorskip("sentencepiece")
    sp = library.SentencePieceProcessor(model_proto=vocabulary.model(size))
    ids = shards.tokens(3000, size, 11)
    ids = ids[np.flatnonzero(ids == vocabulary.BOS)[0] :]
    begins = [*np.flatnonzero(ids == vocabulary.BOS).tolist(), len(ids)]
    counted = vocabulary.bytes_at(ids, size)
    for a, b in pairwise(begins):
        text = sp.decode(ids[a:b].tolist())
        assert counted[a:b].sum() == len(text.encode()), "a space in front of a document is no byte of it"


@pytest.mark.parametrize("text", ["", "a na ta", "Zürich 12.5%", "no  two", "\u4e2d\u6587"])
def test_the_library_encodes_and_decodes_with_it(text: str) -> None:
    library = pytest.importorskip("sentencepiece")
    sp = library.SentencePieceProcessor(model_proto=vocabulary.model(1024))
    assert sp.decode(sp.encode(text)) == text


def test_pieces_are_different_and_as_many_as_asked_for() -> None:
    for size in SIZES:
        texts = [text for text, _ in vocabulary.pieces(size)]
        assert len(texts) == size
        assert len(set(texts)) == size


def test_a_vocabulary_needs_room_for_bytes() -> None:
    with pytest.raises(ValueError, match="no room"):
        vocabulary.model(259)


def test_in_a_vocabulary_of_bytes_every_token_is_one() -> None:
    ids = shards.tokens(2000, 260, 4)
    sizes = vocabulary.bytes_at(ids, 260)
    assert set(sizes[ids != vocabulary.BOS].tolist()) == {1}
    assert set(sizes[ids == vocabulary.BOS].tolist()) == {0}


def test_a_shard_comes_back(tmp_path: Path) -> None:
    ids = shards.tokens(5000, 1024, 1)
    path = tmp_path / "val.bin"
    shards.shard(path, ids)
    assert path.stat().st_size == 1024 + 2 * 5000
    header = np.fromfile(path, dtype="<i4", count=256)
    assert header[:3].tolist() == [shards.MAGIC, shards.VERSION, 5000]
    assert shards.read(path).tolist() == ids.tolist()


@pytest.mark.parametrize("data", [b"", b"\0" * 1024, b"short"])
def test_what_is_no_shard_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not a token shard"):
        shards.read(path)


def test_streams_are_the_same_every_time_and_differ_by_seed() -> None:
    one = shards.tokens(4000, 1024, 3)
    assert one.tolist() == shards.tokens(4000, 1024, 3).tolist()
    assert one.tolist() != shards.tokens(4000, 1024, 4).tolist()
    assert one[0] == vocabulary.BOS
    assert one.max() < 1024
    assert set(one.tolist()) - {vocabulary.BOS} <= set(range(vocabulary.first_used(1024), 1024))


def test_a_few_tokens_in_a_row_tell_where_they_stand() -> None:
    ids = shards.tokens(8000, 1024, 2).astype(np.int64)
    grams = {tuple(ids[i : i + 12].tolist()) for i in range(len(ids) - 12)}
    assert len(grams) > 0.999 * (len(ids) - 12)
