"""Train and validation shards from text, laid out like the challenge's data, with a tokenizer given or trained."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.bytes import BytesError, load
from evaluator.corpus import synthetic
from evaluator.corpus.base import CorpusError, Progress, Tell, silent
from evaluator.corpus.text import Separator
from evaluator.corpus.text import documents as read_documents
from evaluator.decoded import against_decoder
from evaluator.shards import MAX_VOCABULARY, ShardWriter, Tokens

BOS = 1
BATCH = 256  # documents tokenised together
TRAINING_BYTES = 100_000_000  # of text that a tokenizer is trained on, from the beginning
SYNTHETIC_DOCUMENTS = 4000
VAL_SHARE = 20  # one in so many documents, the first ones, as in the challenge

# As the challenge's own tokenizers are made, so that a model trained here counts its bytes the same way.
SETTINGS: dict[str, Any] = {
    "model_type": "bpe",
    "character_coverage": 0.999,
    "byte_fallback": True,
    "split_digits": True,
    "normalization_rule_name": "nmt_nfkc",
    "add_dummy_prefix": False,
    "pad_id": 0,
    "bos_id": BOS,
    "eos_id": 2,
    "unk_id": 3,
    "hard_vocab_limit": False,
}


@dataclass(frozen=True)
class Split:
    """One part of the data. `bytes` are those of the tokens, `text_bytes` those of the text before the normaliser."""

    documents: int
    tokens: int
    bytes: int
    text_bytes: int
    files: tuple[str, ...]
    sha256: tuple[str, ...]


@dataclass(frozen=True)
class Built:
    """What was built; also written as manifest.json beside the shards. Names are relative to `folder`."""

    folder: Path
    tokenizer: Path
    vocabulary: int
    text: str
    val: Split
    train: Split


Texts = Callable[[], Iterable[str]]


def build_default(
    out: Path,
    *,
    documents: int = SYNTHETIC_DOCUMENTS,
    seed: int = 0,
    vocabulary: int = 1024,
    model: Path | None = None,
    tell: Tell = silent,
    **more: Any,
) -> Built:
    """Shards of synthetic text (`corpus.synthetic`), which need neither network nor files. `more` goes to `build`."""
    return build(
        out,
        lambda: synthetic.documents(documents, seed),
        name="synthetic",
        described=f"synthetic, {documents} documents, seed {seed}",
        vocabulary=vocabulary,
        model=model,
        tell=tell,
        **more,
    )


def build_from_files(
    out: Path, files: Sequence[Path], *, separator: Separator = "auto", name: str = "local", **more: Any
) -> Built:
    """Shards of the documents of some text files; see `corpus.text.documents`. `more` goes to `build`."""
    if not files:
        raise CorpusError("no text files; name at least one .txt or .jsonl")

    def texts() -> Iterator[str]:
        for file in files:
            yield from read_documents(file, separator)

    return build(out, texts, name=name, described=", ".join(f.name for f in files), **more)


def build(
    out: Path,
    texts: Texts,
    *,
    name: str,
    described: str,
    vocabulary: int = 1024,
    model: Path | None = None,
    val_documents: int | None = None,
    shard_tokens: int = 100_000_000,
    threads: int = 0,
    tell: Tell = silent,
) -> Built:
    """Write out/datasets/<name>_sp<V>/fineweb_{val,train}_*.bin and out/tokenizers/<name>_<V>_bpe.model.

    `texts` gives the documents, anew at each call. The first `val_documents` (by default one in twenty) are the validation
    split. Each begins with BOS (id 1) and ends with nothing, as in the challenge, whose file names are kept because its
    scripts look for them. Without a `model` one of about `vocabulary` pieces is trained, on the training split alone. The byte
    count of the validation split is compared with its decoded text. Everything is put in place at the end, or
    not at all. Raises CorpusError for unusable text or options and when the place is taken.
    """
    count = sum(1 for _ in texts())
    first = max(1, count // VAL_SHARE) if val_documents is None else val_documents
    if not 0 < first < count:
        raise CorpusError(
            f"{described}: {count:,} documents give no validation split of {first:,} and a training split; give more text, or "
            "another separator or number"
        )
    proto = model_bytes(model) if model else train_tokenizer(_after(texts, first), vocabulary, described, tell)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".building-") as place:
            return _build(
                out,
                Path(place),
                texts,
                name,
                described,
                proto,
                model,
                first,
                count,
                shard_tokens,
                threads or _cores(),
                tell,
            )
    except OSError as e:
        raise CorpusError(f"{out}: cannot be written: {e.strerror or e}; choose another place or make room") from None


def _build(
    out: Path,
    place: Path,
    texts: Texts,
    name: str,
    described: str,
    proto: bytes,
    model: Path | None,
    first: int,
    count: int,
    shard_tokens: int,
    threads: int,
    tell: Tell,
) -> Built:
    (place / "t.model").write_bytes(proto)
    try:
        table = load(place / "t.model", operators="text")
    except BytesError as e:
        raise CorpusError(f"{model or described}: {e}") from None
    if table.operators:
        raise CorpusError(f"{model}: it is for transformed text (CaseOps), which is not made here; give a plain model")
    if len(table) > MAX_VOCABULARY or table.processor.bos_id() != BOS:
        raise CorpusError(f"{model}: shards need at most {MAX_VOCABULARY:,} ids and BOS {BOS}; give another model")
    dataset = out / "datasets" / f"{name}_sp{len(table)}"
    tokenizer = out / "tokenizers" / (model.name if model else f"{name}_{len(table)}_bpe.model")
    if dataset.exists():
        raise CorpusError(f"{dataset}: there is a data set already; move it away or choose another folder")
    if tokenizer.exists() and tokenizer.read_bytes() != proto:
        raise CorpusError(
            f"{tokenizer}: there is another tokenizer of this name; move it away or choose another folder"
        )
    made = place / "shards"
    writers = {s: ShardWriter(made, f"fineweb_{s}", shard_tokens) for s in ("val", "train")}
    text_bytes = dict.fromkeys(writers, 0)
    done = 0
    stream = iter(texts())
    while batch := list(islice(stream, BATCH)):
        for text, ids in zip(batch, table.processor.encode(batch, num_threads=threads), strict=True):
            split = "val" if done < first else "train"
            writers[split].add(np.array([BOS, *ids], dtype=np.int64))
            text_bytes[split] += len(text.encode())
            done += 1
        tell(Progress("tokenising", done, count, "documents"))
    if done != count:
        raise CorpusError(
            f"{described}: {count:,} documents at first, {done:,} when read again; do not change the files"
        )
    splits = {}
    for split, documents in (("val", first), ("train", count - first)):
        paths = writers[split].close()
        tokens = Tokens.open(paths, vocabulary=len(table))
        bytes_ = table.total(tokens)
        splits[split] = Split(
            documents,
            len(tokens),
            bytes_,
            text_bytes[split],
            tuple(p.name for p in paths),
            tuple(hashlib.sha256(p.read_bytes()).hexdigest() for p in paths),
        )
    wrong = [d for d in against_decoder(table, Tokens.open(made / "fineweb_val_*.bin")) if not d.equal]
    if wrong:
        raise CorpusError(
            f"{model or described}: {len(wrong)} validation documents decode to another number of bytes than is counted, the first "
            f"at token {wrong[0].start:,} ({wrong[0].decoded} instead of {wrong[0].counted}); use another model"
        )
    built = Built(dataset, tokenizer, len(table), described, splits["val"], splits["train"])
    plain = {k: v for k, v in asdict(built).items() if k not in ("folder", "tokenizer")}
    (made / "manifest.json").write_text(
        json.dumps({"name": dataset.name, "tokenizer": f"../../tokenizers/{tokenizer.name}", **plain}, indent=1) + "\n"
    )
    tokenizer.parent.mkdir(exist_ok=True)
    dataset.parent.mkdir(exist_ok=True)
    os.replace(place / "t.model", tokenizer)
    os.rename(made, dataset)
    return built


def model_bytes(model: Path) -> bytes:
    """The bytes of a model file; `load` looks at what they are."""
    try:
        return model.read_bytes()
    except OSError as e:
        raise CorpusError(f"{model}: {e.strerror}; give a SentencePiece model") from None


def train_tokenizer(texts: Iterable[str], vocabulary: int, described: str, tell: Tell = silent) -> bytes:
    """Train a SentencePiece BPE model with the challenge's settings on the first 100 MB of some text."""
    import sentencepiece

    def lines() -> Iterator[str]:
        read = 0
        for text in texts:
            for line in text.splitlines():
                if line.strip():
                    yield line.replace("\0", " ")
            read += len(text)
            tell(Progress("training the tokenizer", read, None, "characters"))
            if read > TRAINING_BYTES:
                return

    if not 0 < vocabulary <= MAX_VOCABULARY:
        raise CorpusError(f"a vocabulary of {vocabulary:,} does not fit uint16 shards; choose up to {MAX_VOCABULARY:,}")
    out = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines(), model_writer=out, vocab_size=vocabulary, minloglevel=2, **SETTINGS
        )
    except (RuntimeError, OSError) as e:
        why = str(e).rsplit("] ", 1)[-1][:200]
        raise CorpusError(
            f"{described}: no tokenizer of {vocabulary:,} pieces could be trained on it ({why}); choose another size"
        ) from None
    return out.getvalue()


def _after(texts: Texts, first: int) -> Iterator[str]:
    return (t for i, t in enumerate(texts()) if i >= first)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
