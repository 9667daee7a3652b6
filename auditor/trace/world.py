"""What a traced program finds around itself: its own folder, token shards, a tokenizer, all made for this run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from auditor.trace.data import shards, vocabulary
from auditor.trace.knobs import SEQUENCE, validation_tokens

TRAIN = 60_000  # tokens
HURRIED = 1024  # tokens of the vocabulary, for programs that read how many there are
SIZE = re.compile(r"environ(?:\.get)?\s*[(\[]\s*[\"']VOCAB_SIZE[\"']|getenv\(\s*[\"']VOCAB_SIZE[\"']")
SMALLEST = vocabulary.FIRST_WORD  # one of bytes alone


@dataclass(frozen=True)
class World:
    """`root` becomes the program's work directory. `validation`: the ids of the validation shard, shape (N,), uint16."""

    root: Path
    vocabulary: int
    validation: np.ndarray
    environment: dict[str, str]
    places: dict[str, str]  # files below `root` by what they are


def build(
    root: Path,
    text: str,
    claimed: Mapping[str, str],
    seed: int = 0,
    validation: np.ndarray | None = None,
    hurried: bool = False,
) -> World:
    """Lay the data out below `root`. `validation` replaces the made-up validation tokens, as probes do.

    `hurried`: fewer tokens, of a smaller vocabulary.
    """
    size = vocabulary_size(text, claimed)
    if hurried and SIZE.search(text):
        size = min(size, HURRIED)
    if validation is None:
        validation = shards.tokens(validation_tokens(text, hurried) + SEQUENCE, size, seed * 2 + 2)
    data = root / "data" / "datasets" / f"fineweb10B_sp{size}"
    tokenizers = root / "data" / "tokenizers"
    data.mkdir(parents=True, exist_ok=True)
    tokenizers.mkdir(parents=True, exist_ok=True)
    training = shards.tokens(TRAIN, size, seed * 2 + 1)
    files = {"training": data / "fineweb_train_000000.bin", "validation": data / "fineweb_val_000000.bin"}
    shards.shard(files["training"], training)
    shards.shard(files["validation"], validation)
    if "val_bytes" in text:  # byte counts beside the tokens, as CaseOps has them
        files["training_bytes"] = data / "fineweb_train_bytes_000000.bin"
        files["validation_bytes"] = data / "fineweb_val_bytes_000000.bin"
        shards.shard(files["training_bytes"], vocabulary.bytes_at(training, size))
        shards.shard(files["validation_bytes"], vocabulary.bytes_at(validation, size))
    model = files["tokenizer"] = tokenizers / f"fineweb_{size}_bpe.model"
    model.write_bytes(vocabulary.model(size))
    variables = {
        "DATA_PATH": f"./data/datasets/{data.name}",
        "TOKENIZER_PATH": f"./data/tokenizers/{model.name}",
        "DATA_DIR": "./data/",
        "VOCAB_SIZE": str(size),
    }
    environment = {name: value for name, value in variables.items() if name in text}
    return World(root, size, validation, environment, {kind: str(f.relative_to(root)) for kind, f in files.items()})


def vocabulary_size(text: str, claimed: Mapping[str, str]) -> int:
    """The number of tokens that the program wants."""
    for value in (claimed.get("VOCAB_SIZE", ""), *re.findall(r"VOCAB_SIZE[\"'],\s*[\"']?(\d+)", text)):
        if value.isdigit() and int(value) >= SMALLEST:
            return int(value)
    named = re.findall(
        r"\b(?:vocab_size|VOCAB_SIZE)\s*(?::\s*int\s*)?=\s*(\d+)|fineweb10B_sp(\d+)|fineweb_(\d+)_bpe", text
    )
    for group in named:
        value = next(filter(None, group))
        if SMALLEST <= int(value) <= 65_535:
            return int(value)
    return 1024
