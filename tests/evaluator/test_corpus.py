"""Shards from text: what was read is in them, document by document, and what cannot be read is said."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.bytes import load
from evaluator.corpus import build as building
from evaluator.corpus import synthetic, text
from evaluator.corpus.base import CorpusError, Progress
from evaluator.corpus.build import build, build_default, build_from_files
from evaluator.corpus.text import documents
from evaluator.decoded import Document
from evaluator.decoded import documents as spans
from evaluator.shards import Tokens, open_shard
from tests.evaluator.models import CASE_MARKS, trained

SAMPLE = ["One stone.\nTwo lines.", "Bread — and café.", "1984 🙂 windows", "The end of it."]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "small.model"
    path.write_bytes(trained(normalization_rule_name="identity", add_dummy_prefix=False))
    return path


def written(folder: Path, name: str, content: str | bytes) -> Path:
    data = content if isinstance(content, bytes) else content.encode()
    path = folder / name
    path.write_bytes({".xz": lzma.compress, ".gz": gzip.compress}.get(path.suffix, bytes)(data))
    return path


@pytest.mark.parametrize("ending", ["", ".xz", ".gz"])
def test_documents_of_each_kind_of_file(tmp_path: Path, ending: str) -> None:
    lines = "\n".join([json.dumps({"text": SAMPLE[0], "id": 3}), "", *map(json.dumps, SAMPLE[1:])])
    assert list(documents(written(tmp_path, f"a.jsonl{ending}", lines))) == SAMPLE
    assert list(documents(written(tmp_path, f"a.txt{ending}", "\0".join([*SAMPLE, " ", ""])))) == SAMPLE
    assert list(documents(written(tmp_path, f"b.txt{ending}", "\n\n".join(SAMPLE)))) == SAMPLE
    assert list(documents(written(tmp_path, f"c.txt{ending}", "\r\n \t\r\n\n".join(SAMPLE) + "\n"))) == SAMPLE


def test_other_cuts(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "a\r\nb\n\nc")
    assert list(documents(path, "line")) == ["a", "b", "c"]
    assert list(documents(path, "none")) == ["a\r\nb\n\nc"]
    assert list(documents(path, "nul")) == ["a\r\nb\n\nc"]


@given(st.lists(st.text("ab\n\r ", max_size=12), max_size=8), st.sampled_from(["nul", "blank", "line", "none"]))
def test_cuts_do_not_depend_on_how_the_file_is_read(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], separator: Any
) -> None:
    path = tmp_path_factory.mktemp("t") / "a.txt"
    path.write_bytes("\0".join(parts).encode())
    with pytest.MonkeyPatch.context() as patch:
        whole = list(documents(path, separator))
        patch.setattr(text, "BLOCK", 1)
        assert list(documents(path, separator)) == whole
    seen = "".join(whole)
    assert [c for c in seen if c in "ab"] == [c for p in parts for c in p if c in "ab"]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.pdf", "x", r"neither \.txt nor \.jsonl"),
        ("a.jsonl", '"fine"\n{"text": 3}', "line 2 has no text"),
        ("a.jsonl", "no json", "line 1 is no JSON"),
        ("a.jsonl", "[" * 100_000, "line 1 is no JSON"),
        ("a.jsonl", '"\\ud800"', "surrogate"),
        ("a.txt", b"caf\xe9", "not UTF-8"),
        ("a.txt.gz", None, "cannot be unpacked"),
        ("a.txt.xz", None, "cannot be unpacked"),
    ],
)
def test_what_is_no_text_is_one_clear_error(tmp_path: Path, name: str, content: Any, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"nothing packed") if content is None else written(tmp_path, name, content)
    with pytest.raises(CorpusError, match=what) as e:
        list(documents(path))
    assert name in str(e.value)
    with pytest.raises(CorpusError, match="No such file"):
        list(documents(tmp_path / "none.txt"))


def test_a_document_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK", 10)
    monkeypatch.setattr(text, "MAX_DOCUMENT", 100)
    for name, separator in (("a.txt", "blank"), ("a.txt", "none"), ("a.jsonl", "auto")):
        with pytest.raises(CorpusError, match="100 characters"):
            list(documents(written(tmp_path, name, "x" * 500), separator))  # type: ignore[arg-type]


def test_shards_hold_the_text_document_by_document(tmp_path: Path, model: Path) -> None:
    many = SAMPLE * 10
    source = written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, many)))
    told: list[Progress] = []
    built = build_from_files(
        tmp_path / "out", [source], model=model, val_documents=7, shard_tokens=100, tell=told.append
    )
    table = load(built.tokenizer)
    assert built.folder == tmp_path / "out" / "datasets" / f"local_sp{len(table)}"
    assert told[-1] == Progress("tokenising", 40, 40, "documents")
    texts = []
    for split, part in (("val", built.val), ("train", built.train)):
        tokens = Tokens.open(built.folder / f"fineweb_{split}_*.bin", vocabulary=len(table))
        found = [tokens[a:b].tolist() for a, b in spans(tokens)]
        assert all(d[0] == 1 and d.count(1) == 1 for d in found)
        texts += [table.processor.decode(d[1:]) for d in found]
        assert (len(found), len(tokens)) == (part.documents, part.tokens)
        assert part.bytes == sum(len(table.processor.decode(d).encode()) for d in found)
        assert all(len(open_shard(built.folder / f)) == 100 for f in part.files[:-1])
        sums = [hashlib.sha256((built.folder / f).read_bytes()).hexdigest() for f in part.files]
        assert sums == list(part.sha256)
    assert texts == many
    manifest = json.loads((built.folder / "manifest.json").read_text())
    assert manifest["val"]["bytes"] == built.val.bytes
    assert (built.folder / manifest["tokenizer"]).read_bytes() == model.read_bytes()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["datasets", "tokenizers"]


def test_the_default_corpus_needs_nothing_and_is_the_same_twice(tmp_path: Path) -> None:
    pytest.importorskip("sentencepiece")
    one, two = (build_default(tmp_path / n, documents=120, vocabulary=400) for n in "ab")
    assert one.val == two.val
    assert one.train == two.train
    assert one.vocabulary == 400
    assert (one.val.documents, one.train.documents) == (6, 114)
    table = load(one.tokenizer)
    assert table.processor.bos_id() == 1
    assert table.total(np.asarray(Tokens.open(one.folder / "fineweb_val_*.bin"))) == one.val.bytes
    with pytest.raises(CorpusError, match="there is a data set already"):
        build_default(tmp_path / "a", documents=120, vocabulary=400)


def test_a_tokenizer_learns_from_the_training_split_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    train = building.train_tokenizer

    def watched(texts: Any, *more: Any) -> bytes:
        seen.extend(texts)
        return train(iter(seen), *more)

    monkeypatch.setattr(building, "train_tokenizer", watched)
    source = written(tmp_path, "a.jsonl", "\n".join(json.dumps(f"stone {i} window") for i in range(30)))
    build_from_files(tmp_path / "out", [source], vocabulary=290, val_documents=4)
    assert seen == [f"stone {i} window" for i in range(4, 30)]


def test_synthetic_text_is_the_same_on_every_machine() -> None:
    fifty = "\0".join(synthetic.documents(50))
    assert (
        hashlib.sha256(fifty.encode()).hexdigest() == "02f213e9379c30b0aa5138925fc04ce16ba07c5ae4625e64eef94c82f37ec88d"
    )
    assert list(synthetic.documents(3, seed=1)) != list(synthetic.documents(3, seed=2))
    assert synthetic.document(0, 49) == fifty.split("\0")[49]
    assert not fifty.isascii()


def test_a_failure_leaves_nothing_behind(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, SAMPLE)))
    out = tmp_path / "out"

    def tired(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_from_files(out, [source], model=model, tell=tired)
    assert list(out.iterdir()) == []
    monkeypatch.setattr(building, "against_decoder", lambda *a: [Document(0, 5, 10, 11)])
    with pytest.raises(CorpusError, match="decode to another number of bytes"):
        build_from_files(out, [source], model=model)
    assert list(out.iterdir()) == []


def test_unusable_models_and_options(tmp_path: Path, model: Path) -> None:
    source = written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, SAMPLE)))
    out = tmp_path / "out"
    case = written(tmp_path, "case.model", trained(user_defined_symbols=",".join(CASE_MARKS)))
    other = written(tmp_path, "other.model", trained(bos_id=2, eos_id=1))
    none = written(tmp_path, "none.model", b"no model")
    for bad, what in ((case, "transformed text"), (other, "BOS 1"), (none, "not a SentencePiece model")):
        with pytest.raises(CorpusError, match=what):
            build_from_files(out, [source], model=bad)
    with pytest.raises(CorpusError, match="give a SentencePiece model"):
        build_from_files(out, [source], model=tmp_path / "missing.model")
    for number in (0, 4, 99):
        with pytest.raises(CorpusError, match="give no validation split"):
            build_from_files(out, [source], model=model, val_documents=number)
    with pytest.raises(CorpusError, match="no text files"):
        build_from_files(out, [])
    for vocabulary, what in ((100, "no tokenizer of 100 pieces"), (70_000, "does not fit")):
        with pytest.raises(CorpusError, match=what):
            build_from_files(out, [source], vocabulary=vocabulary)
    again = iter([SAMPLE, SAMPLE[:3]])
    with pytest.raises(CorpusError, match="when read again"):
        build(out, lambda: next(again), name="x", described="changing", model=model)
