"""Books made by hand, record by record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from auditor.trace.ledger import Place, Record

MAIN: Place = ("train_gpt.py", 99, "<module>", 1)


def frames(line: int, function: str = "evaluate", call: int = 7) -> tuple[Place, ...]:
    return (("train_gpt.py", line, function, call), MAIN)


def score(
    n: int, positions: Sequence[int], values: Sequence[float], line: int = 40, call: int = 7, **fields: Any
) -> Record:
    return Record(
        n,
        "score",
        frames(line, call=call),
        {"version": 0, **fields},
        np.array(positions, dtype="<i4"),
        np.array(values, dtype="<f8"),
    )


def train(n: int, *of: int, line: int = 50) -> Record:
    return Record(n, "train", frames(line, "adapt"), {"of": list(of)})


def update(n: int, line: int = 51) -> Record:
    return Record(n, "update", frames(line, "adapt"), {"name": "add_", "version": n})


def table(n: int, positions: Sequence[int], line: int = 60) -> Record:
    return Record(n, "table", frames(line, "count"), {"version": n}, np.array(positions, dtype="<i4"))


def prints(n: int, text: str) -> Record:
    return Record(n, "print", (), {"text": text})


def written(r: Record) -> bytes:
    """A record in the bytes of the channel."""
    arrays = [(k, a) for k, a in (("positions", r.positions), ("values", r.values)) if a is not None]
    said = {**r.fields, "n": r.n, "kind": r.kind, "where": r.where}
    if arrays:
        said["arrays"] = [(name, a.dtype.str, int(a.size)) for name, a in arrays]
    return json.dumps(said).encode() + b"\n" + b"".join(a.tobytes() for _, a in arrays)
