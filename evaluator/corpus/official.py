"""The challenge's own shards, as its manifest on the Hugging Face hub names them, laid out as its scripts expect them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluator.corpus.base import CorpusError, Tell, silent
from evaluator.corpus.download import fetch
from evaluator.shards import Tokens

HUB = "https://huggingface.co"
REPOSITORY = "willdepueoai/parameter-golf"
ROOT = "datasets"  # folder of the data set's repository in which everything is
MAX_MANIFEST = 16_000_000  # bytes
MAX_SHARD = 1 << 32  # bytes
MAX_TOKENIZER = 64_000_000  # bytes
MAX_SHARDS = 100_000


def hub() -> str:
    """The hub's address: `$HF_ENDPOINT` if it is set, as for the hub's own tools."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB


@dataclass(frozen=True)
class Source:
    """Where to fetch from: a data set repository of a hub, at a branch, tag or commit."""

    repository: str = REPOSITORY
    revision: str = "main"
    endpoint: str = field(default_factory=hub)

    def url(self, path: str, commit: str | None = None) -> str:
        return f"{self.endpoint}/datasets/{self.repository}/resolve/{commit or self.revision}/{ROOT}/{path}"


@dataclass(frozen=True)
class Fetched:
    """What is on the disk now, whole and verified. `commit` is the data set's, None if the hub did not say."""

    folder: Path
    val: tuple[Path, ...]
    train: tuple[Path, ...]
    tokenizer: tuple[Path, ...]
    vocabulary: int | None
    commit: str | None


def fetch_official(
    out: Path,
    variant: str = "sp1024",
    train_shards: int = 1,
    *,
    documents: bool = False,
    source: Source | None = None,
    tell: Tell = silent,
) -> Fetched:
    """Fetch all validation shards, the first `train_shards` training shards and the tokenizer of a variant into `out`.

    `variant` is sp<vocabulary size> or byte260; `documents` adds the raw text (docs_selected.jsonl, large). Files
    land in out/datasets/fineweb10B_<variant> and out/tokenizers; those that are there are verified, not fetched. Raises
    CorpusError, or ShardError for a shard that is none.
    """
    if not re.fullmatch(r"sp\d{2,6}|byte260", variant):
        raise CorpusError(f"{variant}: no variant of the data; give sp1024, sp4096, … or byte260")
    source = source or Source()
    manifest = out / "manifest.json"
    remote = fetch(source.url("manifest.json"), manifest, limit=MAX_MANIFEST, tell=tell)
    plan = _plan(manifest, variant, train_shards)

    def get(path: str, limit: int) -> Path:
        fetch(source.url(path, remote.commit), out / path, limit=limit, tell=tell)
        return out / path

    tokenizer = tuple(get(p, MAX_TOKENIZER) for p in plan.tokenizer)
    val = tuple(get(f"{plan.folder}/fineweb_val_{i:06d}.bin", MAX_SHARD) for i in range(plan.val))
    train = tuple(get(f"{plan.folder}/fineweb_train_{i:06d}.bin", MAX_SHARD) for i in range(train_shards))
    if documents:
        for name in ("docs_selected.jsonl", "docs_selected.source_manifest.json"):
            get(name, 1 << 40)
    Tokens.open((*val, *train), vocabulary=plan.vocabulary).check()
    return Fetched(out / plan.folder, val, train, tokenizer, plan.vocabulary, remote.commit)


@dataclass(frozen=True)
class _Plan:
    folder: str
    val: int
    tokenizer: tuple[str, ...]
    vocabulary: int | None


def _plan(manifest: Path, variant: str, train_shards: int) -> _Plan:
    """What the manifest has of a variant; nothing in it is trusted to be what it should be."""
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise CorpusError(f"{manifest}: no JSON; delete it and fetch again") from None
    name = f"fineweb10B_{variant}"
    entry = _named(content, "datasets", name)
    if entry is None:
        there = ", ".join(_names(content, "datasets")) or "none"
        raise CorpusError(f"{manifest}: it has no {name}; it has {there}")
    stats = entry.get("stats")
    val, train = (stats.get(k) if isinstance(stats, dict) else None for k in ("files_val", "files_train"))
    if not (isinstance(val, int) and isinstance(train, int) and 0 < val <= MAX_SHARDS and 0 <= train <= MAX_SHARDS):
        raise CorpusError(f"{manifest}: it does not say how many shards {name} has; fetch them by hand")
    if not 0 <= train_shards <= train:
        raise CorpusError(f"{name}: {train:,} training shards exist, {train_shards:,} were asked for; ask for fewer")
    tokenizer = _named(content, "tokenizers", str(entry.get("tokenizer_name"))) or {}
    paths = tuple(str(p) for k in ("model_path", "vocab_path", "path") if (p := tokenizer.get(k)))
    bad = next((p for p in paths if not re.fullmatch(r"tokenizers(/[\w][\w.-]*)+", p, re.ASCII)), None)
    if bad or not paths:
        raise CorpusError(f"{manifest}: {str(bad)[:100]!r} is no place of a tokenizer of {name}; fetch it by hand")
    vocabulary = tokenizer.get("vocab_size")
    return _Plan(f"datasets/{name}", val, paths, vocabulary if isinstance(vocabulary, int) else None)


def _named(content: Any, key: str, name: str) -> dict[str, Any] | None:
    entries = content.get(key) if isinstance(content, dict) else None
    return (
        next((e for e in entries if isinstance(e, dict) and e.get("name") == name), None)
        if isinstance(entries, list)
        else None
    )


def _names(content: Any, key: str) -> list[str]:
    entries = content.get(key) if isinstance(content, dict) else None
    return [str(e.get("name"))[:60] for e in entries[:20] if isinstance(e, dict)] if isinstance(entries, list) else []
