"""Proof of a byte table: every document of a stream against the text that the model's own decoder writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluator.bytes import CHUNK, BytesError, ByteTable


@dataclass(frozen=True)
class Document:
    """One document of a stream: tokens start ≤ i < stop, its counted bytes and those of its decoded text.

    `decoded` is the UTF-8 length of what the decoder writes for each stretch between boundary tokens, where a byte-fallback
    run that is no valid UTF-8 counts as its bytes. `broken` says how many such bytes there are (the decoder
    writes U+FFFD for each), `unknown` how many unknown tokens.
    """

    start: int
    stop: int
    counted: int
    decoded: int
    broken: int = 0
    unknown: int = 0

    @property
    def equal(self) -> bool:
        return self.counted == self.decoded


def against_decoder(table: ByteTable, tokens: Any, bos: int = 1) -> Iterator[Document]:
    """Each document of a stream with its counted bytes and the length of its decoded text.

    Documents begin at `bos`. Raises BytesError for a table without a decoder (raw bytes, sidecars).
    """
    if table.processor is None:
        raise BytesError(f"{table.name}: it has no decoder to compare with")
    for start, stop in documents(tokens, bos):
        ids = np.asarray(tokens[start:stop])
        counted = int(table.of(ids, None).sum())  # what is before a document's BOS changes nothing: a BOS has no bytes
        cuts = np.flatnonzero(table.is_boundary[ids])
        stretches = [s.tolist() for s in np.split(ids, np.unique(np.concatenate((cuts, cuts + 1)))) if len(s)]
        texts = [s for s in stretches if not table.is_boundary[s[0]]]
        decoded = broken = 0
        for stretch, text in zip(texts, table.processor.decode(texts) if texts else (), strict=True):
            lost = _broken(table.processor, stretch) if "\ufffd" in text else 0
            decoded += len(text.encode()) - 2 * lost
            broken += lost
        unknown = 0 if table.unknown is None else int((ids == table.unknown).sum())
        yield Document(start, stop, counted, decoded, broken, unknown)


def documents(tokens: Any, bos: int = 1) -> Iterator[tuple[int, int]]:
    """Spans (start, stop) of the documents of a stream, which begin at `bos`; found chunk by chunk."""
    begun = 0
    for at in range(0, len(tokens), CHUNK):
        for i in np.flatnonzero(np.asarray(tokens[at : at + CHUNK]) == bos):
            if at + int(i) > begun:
                yield begun, at + int(i)
            begun = at + int(i)
    if begun < len(tokens):
        yield begun, len(tokens)


def _broken(processor: Any, ids: list[int]) -> int:
    """Bytes in runs of byte-fallback tokens for which the decoder writes U+FFFD (3 bytes each instead of 1)."""
    lost, run = 0, bytearray()
    for i in [*ids, None]:
        if i is not None and processor.is_byte(i):
            run.append(int(processor.id_to_piece(i)[3:5], 16))
            continue
        if run:
            text = processor.decode([int(processor.piece_to_id(f"<0x{b:02X}>")) for b in run])
            lost += (len(text.encode()) - len(run)) // 2
            run.clear()
    return lost
