"""The books of several ranks as one.

Ranks run beside each other, and only what they exchange orders them. Every record has two clocks: `t`, which all exchanges
move on, puts the records in a row that contradicts none of them. `known` says, by rank, how often that rank had sent
weights, gradients or the like before this was written: what it did since is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from auditor.trace.ledger import BadLedger, Record


def merged(books: Sequence[Sequence[Record]]) -> tuple[Record, ...]:
    """All records with new numbers. Where nothing orders two ranks, the lower comes first."""
    if len(books) == 1:
        return tuple(books[0])
    row = sorted((_time(r, len(books)), rank, r.n, r) for rank, book in enumerate(books) for r in book)
    numbers = {(rank, n): i for i, (_, rank, n, _) in enumerate(row, 1)}
    out = []
    for _, rank, n, r in row:
        fields = {**r.fields, "rank": rank}
        if "of" in fields:
            fields["of"] = [numbers[rank, m] for m in fields["of"] if (rank, m) in numbers]
        out.append(replace(r, n=numbers[rank, n], fields=fields))
    return tuple(out)


def _time(r: Record, ranks: int) -> int:
    t, known = r["t"], r["known"]
    if type(t) is not int or not isinstance(known, list) or len(known) != ranks or {type(k) for k in known} != {int}:
        raise BadLedger("a record without its time")
    return t


def reaches(first: Record, second: Record) -> bool:
    """Whether what a rank had learned by `first` may be in its own weights, or another's, at `second`."""
    if first.rank == second.rank:
        return first.n < second.n
    return bool(second["known"][first.rank] > first["known"][first.rank])
