"""Where the program looked whether it is watched, as far as it ran: from the book and from the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from auditor.source.sights.looks import looks
from auditor.trace.ledger import Place, Record
from auditor.trace.ran import Ran
from rules.place import Location
from rules.trace import Look


def looked(
    records: Sequence[Record],
    texts: Sequence[tuple[Ran, str]],
    executed: Callable[[Location], bool | None],
    place: Callable[[Place | None], Location],
) -> tuple[Look, ...]:
    """Each place once: what the text says of it tells more than the event."""
    out: dict[tuple[str, int | None], Look] = {}
    for r, text in texts:
        for x in looks(text, r.tree):
            at = place((r.path, getattr(x.node, "lineno", 1), "", 0))
            if executed(at):
                out.setdefault((at.file, at.line), Look(at, x.what, ", ".join(x.decides[:2])))
    for record in records:
        if record.kind == "look":
            at = place(record.where[0] if record.where else None)
            out.setdefault((at.file, at.line), Look(at, str(record["what"])[:200]))
    return tuple(sorted(out.values(), key=lambda x: (x.at.file, x.at.line or 0)))
