"""Bytes by token against the decoded text, on models of every make and on real text where it is at hand."""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator import bytes as bytes_module
from evaluator import decoded
from evaluator.bytes import (
    BytesError,
    ByteTable,
    SidecarBytes,
    TableBytes,
    load,
    of_processor,
    raw_bytes,
    total_bytes,
)
from evaluator.decoded import against_decoder, documents
from tests.evaluator.models import CASE_MARKS, processor, sentences, trained

DATA = Path(os.environ.get("SCOREFIRST_DATA", "nowhere"))
real = pytest.mark.skipif(not DATA.is_dir(), reason="SCOREFIRST_DATA names no folder with real text")

MAKES = [
    {"kind": kind, "byte_fallback": fallback, "add_dummy_prefix": dummy, "remove_extra_whitespaces": squeeze}
    for kind in ("bpe", "unigram")
    for fallback in (True, False)
    for dummy in (True, False)
    for squeeze in (True, False)
]
TEXT = st.text(
    st.one_of(st.sampled_from("the river  stone 1984 ▁é—\n\t"), st.characters(exclude_categories=("Cs",))), max_size=40
)


def table_of(unknown: Any = "zero", **make: Any) -> ByteTable:
    sp = processor(**make)
    return of_processor(sp, sp.vocab_size(), "small", unknown=unknown)


@pytest.mark.parametrize("make", MAKES, ids=lambda m: "-".join(str(v) for v in m.values()))
def test_counts_equal_the_decoded_text_of_what_is_encoded(make: dict[str, Any]) -> None:
    table, spelled = table_of(**make), table_of("decoded", **make)
    sp = table.processor

    @settings(max_examples=60)
    @given(st.lists(TEXT, min_size=1, max_size=4))
    def check(texts: list[str]) -> None:
        encoded = [sp.encode(t) for t in texts]
        stream = np.array([i for ids in encoded for i in (1, *ids)])
        found = list(against_decoder(table, stream))
        assert len(found) == len(texts)
        assert all(d.equal for d in found)
        assert sum(d.counted for d in found) == table.total(stream)
        for (
            ids
        ) in encoded:  # with the unknown written out, the whole document's text is counted, not stretch by stretch
            assert int(spelled.of(np.array([1, *ids]), None).sum()) == len(sp.decode(ids).encode())

    check()


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_bytes_of_the_original_where_nothing_is_lost(kind: str) -> None:
    make = {"normalization_rule_name": "identity", "add_dummy_prefix": False, "remove_extra_whitespaces": False}
    table = table_of(kind=kind, **make)

    @given(TEXT.map(lambda t: t.replace("▁", "_").replace("\0", "0")))  # what SentencePiece itself cannot tell apart
    def check(text: str) -> None:
        ids = table.processor.encode(text)
        assert int(table.of(np.array([1, *ids]), None).sum()) == len(text.encode())

    check()


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 8) | st.integers(258, 300), max_size=60),
    st.lists(st.integers(0, 60), max_size=8),
    st.booleans(),
)
def test_sums_do_not_depend_on_the_windows(ids: list[int], cuts: list[int], dummy: bool) -> None:
    table = table_of(add_dummy_prefix=dummy)
    stream = np.array(ids, dtype=np.uint16) % len(table)
    whole = table.of(stream, None)
    counted = TableBytes(table, stream)
    edges = sorted({0, len(stream), *(c for c in cuts if c < len(stream))})
    for a, b in pairwise(edges):
        before = int(stream[a - 1]) if a else None
        assert np.array_equal(table.of(stream[a:b], before), whole[a:b])
        assert np.array_equal(counted.between(a, b), whole[a:b])
    assert total_bytes(counted) == int(whole.sum()) == table.total(stream)
    if len(stream) > 1:  # pairs in any shape, as a batch of windows has them
        pairs = table.of(stream[None, 1:], stream[None, :-1])
        assert np.array_equal(pairs[0], whole[1:])
        luts = table.luts(len(table) + 7)
        y, x = stream[1:], stream[:-1]
        assert np.array_equal(luts.base_bytes[y] + (luts.has_leading_space[y] & ~luts.is_boundary[x]), whole[1:])
        assert len(luts.base_bytes) == len(table) + 7
        assert luts.is_boundary[-7:].all()


@settings(max_examples=100)
@given(st.lists(st.integers(0, 10_000), max_size=40))
def test_any_ids_under_a_decoder_that_drops_nothing(ids: list[int]) -> None:
    table = table_of(add_dummy_prefix=False, remove_extra_whitespaces=False)
    stream = np.array([i % len(table) for i in ids], dtype=np.int64)
    assert all(d.equal for d in against_decoder(table, stream))


def test_no_edge_of_a_chunk_loses_a_space(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of()
    stream = np.array([i for text in sentences(20) for i in (1, *table.processor.encode(text))])
    whole, found = int(table.of(stream, None).sum()), list(documents(stream))
    assert len(found) == 20
    for size in (1, 2, 7):
        monkeypatch.setattr(bytes_module, "CHUNK", size)
        monkeypatch.setattr(decoded, "CHUNK", size)
        assert table.total(stream) == total_bytes(TableBytes(table, stream)) == whole
        assert list(documents(stream)) == found


def test_what_each_kind_of_token_counts() -> None:
    sp = processor(user_defined_symbols="[mark]", control_symbols="<turn>", add_dummy_prefix=False)
    table = of_processor(sp, sp.vocab_size(), "small")
    of = {name: sp.piece_to_id(name) for name in ("<0xE2>", "[mark]", "<turn>", "<s>", "<unk>", "▁")}
    word = next(i for i in range(len(table)) if sp.id_to_piece(i).startswith("▁") and len(sp.id_to_piece(i)) > 2)
    length = len(sp.decode([word]).encode())
    row = {k: int(table.of(np.array([i]), of["[mark]"])[0]) for k, i in of.items()}
    assert row == {"<0xE2>": 1, "[mark]": 6, "<turn>": 0, "<s>": 0, "<unk>": 0, "▁": 1}
    assert table.of(np.array([word]), of["[mark]"]).tolist() == [length + 1]
    for boundary in (of["<turn>"], of["<s>"], of["<unk>"], None):
        assert table.of(np.array([word]), boundary).tolist() == [length]


def test_a_cut_character_counts_its_bytes_though_the_decoder_writes_a_replacement() -> None:
    table = table_of()
    emoji = table.processor.encode("the 🙂")
    (cut,) = against_decoder(table, np.array([1, *emoji[:-1]]))
    assert (cut.equal, cut.broken, cut.counted) == (True, 3, len("the ") + 3)


def test_suffix_spaces_are_counted_too() -> None:
    table = table_of(treat_whitespace_as_suffix=True)
    stream = np.array([1, *table.processor.encode("the river  stone, seven")])
    assert all(d.equal for d in against_decoder(table, stream))


def test_a_decoder_that_rewrites_text_is_refused(tmp_path: Path) -> None:
    rule = tmp_path / "rule.tsv"
    rule.write_text("65\t61 61 61\n")  # e becomes aaa
    sp = processor(denormalization_rule_tsv=str(rule))
    with pytest.raises(BytesError, match=r"decoder writes.*sidecar"):
        of_processor(sp, sp.vocab_size(), "rewriting")


@pytest.mark.parametrize(
    ("tokens", "previous", "what"),
    [
        ([5000], None, "id 5000 is beyond"),
        ([-1], None, "id -1 is beyond"),
        ([5], 5000, "id 5000"),
        ([[5, 5]], None, "one for each"),
        ([5, 5], np.array([5]), "one for each"),
        ([0.5], None, "integers"),
    ],
)
def test_wrong_ids_are_one_clear_error(tokens: Any, previous: Any, what: str) -> None:
    with pytest.raises(BytesError, match=what):
        table_of().of(np.array(tokens), previous)


def test_a_smaller_model_than_the_tokenizer_is_refused() -> None:
    with pytest.raises(BytesError, match="own tokenizer"):
        table_of().luts(10)


def test_a_piece_that_is_no_text_is_one_clear_error(tmp_path: Path) -> None:
    model = trained()
    at = model.index("▁s".encode())
    path = tmp_path / "x.model"
    path.write_bytes(model[:at] + b"\xff\xfe" + model[at + 2 :])
    with pytest.raises(BytesError, match=r"x\.model: a piece of it is no UTF-8"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x0a\xff\xff\xff\xff\x0f", None])
def test_no_model_is_one_clear_error(tmp_path: Path, content: bytes | None) -> None:
    pytest.importorskip("sentencepiece")
    path = tmp_path / "x.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BytesError, match=r"x\.model"):
        load(path)
    with pytest.raises(BytesError, match="give a SentencePiece model"):
        load(tmp_path)


def test_raw_bytes() -> None:
    table = raw_bytes()
    text = "naïve 🙂".encode()
    stream = np.array([1, *(b + 4 for b in text), 2])
    assert table.total(stream) == len(text)
    assert raw_bytes(257, 0).total(np.array([256, 0, 255])) == 2
    with pytest.raises(BytesError, match="do not fit"):
        raw_bytes(256, 4)
    with pytest.raises(BytesError, match="no decoder"):
        list(against_decoder(table, stream))


def capital_marks(text: str) -> str:
    """A lossless transform of capitals for these tests: a mark, then the letters in lower case."""
    title, every, following, escape = CASE_MARKS

    def word(m: re.Match[str]) -> str:
        w = m[0]
        if len(w) > 1 and w.isupper():
            return every + w.lower()
        return "".join((following if i else title) + c.lower() if c.isupper() else c for i, c in enumerate(w))

    return re.sub(r"[A-Za-z]+", word, re.sub(f"([{CASE_MARKS}])", escape + r"\1", text))


def test_transformed_text_wants_its_sidecar(tmp_path: Path) -> None:
    path = tmp_path / "case.model"
    path.write_bytes(trained(user_defined_symbols=",".join(CASE_MARKS)))
    with pytest.raises(BytesError, match=r"private-use.*sidecar"):
        load(path)
    text = "The RIVER and McStone"
    original, transformed = load(path, operators="zero"), load(path, operators="text")
    ids = np.array([1, *original.processor.encode(capital_marks(text))])
    assert original.total(ids) == len(text)
    assert transformed.total(ids) == len(capital_marks(text).encode())
    assert all(d.equal for d in against_decoder(transformed, ids))
    assert len(original.operators) == len(CASE_MARKS)


def test_a_sidecar_is_taken_at_its_word_but_for_bos() -> None:
    tokens = np.array([1, 5, 6, 1, 7], dtype=np.uint16)
    counted = SidecarBytes(np.array([0, 3, 40_000, 0, 65_535], dtype=np.uint16), tokens)
    assert total_bytes(counted) == 3 + 40_000 + 65_535
    assert counted.between(2, 4).tolist() == [40_000, 0]
    with pytest.raises(BytesError, match="5 tokens"):
        SidecarBytes(np.zeros(4), tokens)
    with pytest.raises(BytesError, match="BOS at token 3 has 2 bytes"):
        total_bytes(SidecarBytes(np.array([0, 3, 4, 2, 5]), tokens))
    with pytest.raises(BytesError, match="not in a stream"):
        counted.between(3, 6)


def test_documents_begin_at_bos() -> None:
    assert list(documents(np.array([1, 5, 1, 1, 6]))) == [(0, 2), (2, 3), (3, 5)]
    assert list(documents(np.array([4, 4, 1]))) == [(0, 2), (2, 3)]
    assert list(documents(np.array([], dtype=np.uint16))) == []


@real
def test_every_document_of_the_real_prefix() -> None:
    table = load(DATA / "tokenizers" / "fineweb_1024_bpe.model")
    stream = np.fromfile(DATA / "fineweb_val_sp1024_prefix.bin", dtype="<u2", offset=1024)
    found = list(against_decoder(table, stream))
    assert len(found) == 902
    assert all(d.equal and not d.broken and not d.unknown for d in found)
    assert sum(d.decoded for d in found) == table.total(stream) == total_bytes(TableBytes(table, stream))


@real
@pytest.mark.parametrize("name", ["fineweb_1024_bpe", "fineweb_4096_bpe", "fineweb_8192_bpe"])
def test_real_documents_with_each_tokenizer(name: str) -> None:
    table = load(DATA / "tokenizers" / f"{name}.model", unknown="decoded")
    with (DATA / "fineweb_docs_200.jsonl").open(encoding="utf-8") as lines:
        for text in (json.loads(line)["text"] for line in lines):
            ids = table.processor.encode(text)
            assert int(table.of(np.array([1, *ids]), None).sum()) == len(table.processor.decode(ids).encode())


@real
def test_real_documents_with_case_operators() -> None:
    (path,) = (DATA / "tokenizers").glob("*caseops*.model")
    original, transformed = load(path, operators="zero"), load(path, operators="text")
    with (DATA / "fineweb_docs_200.jsonl").open(encoding="utf-8") as lines:
        for text in (json.loads(line)["text"] for line in lines):
            ids = np.array([1, *original.processor.encode(capital_marks(text))])
            assert all(d.equal for d in against_decoder(transformed, ids))
            plain = original.processor.decode(original.processor.encode(text))  # what the normaliser leaves of it
            assert original.total(ids) == len(plain.encode())
