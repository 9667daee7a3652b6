"""What is in some shards: documents, tokens and bytes, proved against the decoder or compared with a sidecar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evaluator.bytes import BytesError, SidecarBytes, load, total_bytes
from evaluator.corpus.base import Progress, Tell, silent
from evaluator.decoded import Document, against_decoder, documents
from evaluator.denominator import CANONICAL_BYTES, CANONICAL_TOLERANCE
from evaluator.shards import Tokens


@dataclass(frozen=True)
class Checked:
    """Figures of a stream of tokens.

    `bytes` is the denominator of bpb, None without a model. `decoded` is the UTF-8 length of the decoded text and `differing` are
    the documents in which the two differ; both are about the text as the tokens hold it, which a sidecar's is not. `unknown`
    tokens have lost their text; `broken` bytes belong to a character that is cut off.
    """

    files: int
    tokens: int
    documents: int
    bytes: int | None = None
    decoded: int | None = None
    differing: tuple[Document, ...] = ()
    unknown: int = 0
    broken: int = 0
    table_bytes: int | None = None

    @property
    def whole_validation(self) -> bool:
        """Whether these are as many bytes as the challenge's validation text has."""
        return self.bytes is not None and abs(self.bytes / CANONICAL_BYTES - 1) <= CANONICAL_TOLERANCE


def check(
    files: str | list[Path], *, model: Path | None = None, sidecar: str | None = None, tell: Tell = silent
) -> Checked:
    """Read all tokens of some shards (a pattern or files in order) and count them.

    With a `model` ids are compared with its vocabulary and bytes with its decoder. With a `sidecar` (a pattern or file) the
    bytes are the sidecar's, and `table_bytes` is what the model alone says of the original text, its case operators counted as 0; the
    two differ only where the normaliser changed the text. Raises ShardError and BytesError.
    """
    table = load(model, operators="zero" if sidecar else "refuse") if model else None
    tokens = Tokens.open(files, vocabulary=len(table) if table else None)
    if table is None:
        tokens.check()
        found = sum(1 for _ in documents(tokens))
        counted = _sidecar_bytes(tokens, sidecar) if sidecar else None
        return Checked(len(tokens.shards), len(tokens), found, counted)
    decoding = load(model, operators="text") if model and table.operators else table
    found = counted = decoded = unknown = broken = 0
    differing: list[Document] = []
    for d in against_decoder(decoding, tokens):
        found, counted, decoded = found + 1, counted + d.counted, decoded + d.decoded
        unknown, broken = unknown + d.unknown, broken + d.broken
        if not d.equal:
            differing.append(d)
        if found % 1000 == 0:
            tell(Progress("comparing with the decoder", d.stop, len(tokens), "tokens"))
    own = table.total(tokens)
    if not table.operators and own != counted:  # by document and in one go: the same table, so the same sum
        raise BytesError(
            f"{table.name}: {own:,} bytes in one go, {counted:,} by document; report this as an error of scorefirst"
        )
    return Checked(
        files=len(tokens.shards),
        tokens=len(tokens),
        documents=found,
        bytes=_sidecar_bytes(tokens, sidecar) if sidecar else own,
        decoded=decoded,
        differing=tuple(differing),
        unknown=unknown,
        broken=broken,
        table_bytes=own if sidecar else None,
    )


def _sidecar_bytes(tokens: Tokens, sidecar: str) -> int:
    return total_bytes(SidecarBytes(Tokens.open(sidecar), tokens, name=sidecar))
