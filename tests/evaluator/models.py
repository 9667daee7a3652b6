"""Small SentencePiece models, trained where a test needs them."""

from __future__ import annotations

import io
import random
from functools import cache
from typing import Any

import pytest

WORDS = [
    "the",
    "a",
    "of",
    "to",
    "and",
    "in",
    "river",
    "stone",
    "bread",
    "window",
    "seven",
    "light",
    "garden",
    "old",
    "1984",
    "naïve",
    "café",
    "„so“",
    "—",
    "ok",
]
CASE_MARKS = "\ue001\ue002\ue003\ue004"  # title, capitals, capital next, escape


def sentences(count: int = 400) -> list[str]:
    """Text with repeated words, figures, accents and double spaces."""
    rng = random.Random(3)
    gaps = (" ", " ", " ", "  ", ", ", ". ")
    return ["".join(w for _ in range(9) for w in (rng.choice(WORDS), rng.choice(gaps))) for _ in range(count)]


@cache
def trained(kind: str = "bpe", byte_fallback: bool = True, **options: Any) -> bytes:
    """The bytes of a model of some 300 (with byte fallback) or 60 pieces."""
    spm = pytest.importorskip("sentencepiece")
    out = io.BytesIO()
    settings: dict[str, Any] = {
        "model_type": kind,
        "byte_fallback": byte_fallback,
        "vocab_size": (256 if byte_fallback else 0) + 70,
        "hard_vocab_limit": False,
        "character_coverage": 0.98,
        "pad_id": 0,
        "bos_id": 1,
        "eos_id": 2,
        "unk_id": 3,
        "minloglevel": 2,
        "num_threads": 1,
    }
    spm.SentencePieceTrainer.train(sentence_iterator=iter(sentences()), model_writer=out, **{**settings, **options})
    return out.getvalue()


@cache
def processor(kind: str = "bpe", byte_fallback: bool = True, **options: Any) -> Any:
    """The model, loaded."""
    spm = pytest.importorskip("sentencepiece")
    return spm.SentencePieceProcessor(model_proto=trained(kind, byte_fallback, **options))
