"""Token shards in the challenge's format, made up so that a few tokens in a row tell where they stand."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from auditor.trace.data.vocabulary import BOS, first_used

MAGIC, VERSION, HEADER = 20240520, 1, 256
DOCUMENT = 200  # tokens in the middle


def tokens(count: int, vocabulary: int, seed: int, document: int = DOCUMENT) -> np.ndarray:
    """`count` token ids, shape (count,), uint16: documents behind a BOS, words drawn by Zipf's law with some repetition.

    Text has structure: after a word the next is one of a few for half of the time, so that a model, an n-gram
    table or an adaptation has something to learn.
    """
    rng = np.random.default_rng(seed)
    words = np.arange(first_used(vocabulary), vocabulary)
    rank = np.arange(1, len(words) + 1, dtype=np.float64)
    weights = 1.0 / rank
    drawn = rng.choice(len(words), size=count, p=weights / weights.sum())
    follow = np.random.default_rng(7).integers(
        0, len(words), size=(len(words), 3)
    )  # the language: the same in every split
    repeat = rng.random(count) < 0.5
    which = rng.integers(0, 3, size=count)
    for i in range(1, count):
        if repeat[i]:
            drawn[i] = follow[drawn[i - 1], which[i]]
    out = words[drawn]
    at = 0
    while at < count:
        out[at] = BOS
        at += int(rng.integers(document // 2, document * 3 // 2))
    return out.astype(np.uint16)


def shard(path: Path, ids: np.ndarray) -> None:
    """Write ids as 256 int32 of header and uint16 tokens."""
    header = np.zeros(HEADER, dtype="<i4")
    header[:3] = MAGIC, VERSION, len(ids)
    with path.open("wb") as f:
        f.write(header.tobytes())
        f.write(ids.astype("<u2").tobytes())


def read(path: Path) -> np.ndarray:
    """The ids of a shard. Raises ValueError when it is none."""
    data = path.read_bytes()
    if len(data) < HEADER * 4 or struct.unpack_from("<i", data)[0] != MAGIC:
        raise ValueError(f"{path.name}: not a token shard")
    return np.frombuffer(data, dtype="<u2", offset=HEADER * 4)
