"""The book of a run as the host reads it: what was scored, trained on, changed and printed, in order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST_LINE = 1 << 20  # bytes of one record's line
MOST_ARRAY = 1 << 27
MOST_POSITION = 1 << 26  # tokens
KINDS = {"positions": "<i4", "values": "<f8"}

Place = tuple[str, int, str, int]
"""(file, line, function, number of this call of it)."""


class BadLedger(ValueError):
    """The bytes are no ledger; a traced program can write into the channel too."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry. `where`: the program's own frames, innermost first.

    kind      fields used
    score     positions, values (nats or what they were made into), how, grad, version, others
    train     of: the scores whose losses reached `backward`
    update    name, version: parameters or buffers were written to
    table     positions whose tokens chose the places written to, name, version
    left      of, value: a number made of these scores left the tensors
    print     text
    feed      positions of the tokens that go into the network
    text      file, digest (of the text that was compiled), marks: (line, column) of where it could be seen to run
    look      what: the program looked whether it is watched
    ran       text (its number), marks: those that were passed for the first time

    With several ranks each record has its `rank`, and their books are one (ranks.py).
    """

    n: int
    kind: str
    where: tuple[Place, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)
    positions: np.ndarray | None = None
    values: np.ndarray | None = None

    def __getitem__(self, key: str) -> Any:
        return self.fields.get(key)

    @property
    def rank(self) -> int:
        return int(self.fields.get("rank", 0))

    @property
    def line(self) -> int:
        return self.where[0][1] if self.where else 0


class Reader:
    """Takes the bytes of the channel as they come."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.rest = bytearray()
        self.branches: dict[int, list[Record]] = {}  # the scores of each branch, by its question
        self.numbers: set[int] = set()
        self.problem = ""

    def take(self, piece: bytes) -> None:
        if self.problem:
            return
        self.rest += piece
        try:
            self._read()
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as e:
            self.problem = f"record {len(self.records) + 1} of the ledger cannot be read: {e}"
            self.rest.clear()

    def _read(self) -> None:
        while True:
            end = self.rest.find(b"\n", 0, MOST_LINE)
            if end < 0:
                if len(self.rest) >= MOST_LINE:
                    raise BadLedger("a line without end")
                return
            said = json.loads(self.rest[:end])
            if not isinstance(said, dict):
                raise BadLedger("no record")
            said.pop("rank", None)  # whose book this is, is not for the book to say
            sizes = [(str(n), _kind(n, k), _count(c)) for n, k, c in said.pop("arrays", ())]
            need = sum(k.itemsize * c for _, k, c in sizes)
            if len(self.rest) < end + 1 + need:
                return
            at = end + 1
            arrays: dict[str, np.ndarray] = {}
            for name, kind, count in sizes:
                arrays[name] = np.frombuffer(bytes(self.rest[at : at + kind.itemsize * count]), dtype=kind)
                at += kind.itemsize * count
            del self.rest[:at]
            where = tuple((str(f), int(line), str(name), int(call)) for f, line, name, call in said.pop("where", ()))
            record = Record(int(said.pop("n")), str(said.pop("kind")), where, said, **arrays)
            _check(record)
            if isinstance(question := record["q"], int):
                self.branches.setdefault(question, []).append(record)
                continue
            if record.n in self.numbers:
                raise BadLedger(f"a second record {record.n}")
            self.numbers.add(record.n)
            self.records.append(record)


def _check(r: Record) -> None:
    """Whether a record is as its kind wants it: what reads the book does not ask again."""
    if r.positions is not None and len(r.positions) and not 0 <= r.positions.min() <= r.positions.max() < MOST_POSITION:
        raise BadLedger("an impossible position")
    if r.values is not None and (r.positions is None or len(r.values) != len(r.positions)):
        raise BadLedger("values without positions")
    if r.kind == "score" and r.values is None:
        raise BadLedger("a score without values")
    if r.kind in ("train", "left") and not (isinstance(r["of"], list) and all(isinstance(n, int) for n in r["of"])):
        raise BadLedger(f"a {r.kind} of nothing")
    if r.kind == "print" and not isinstance(r["text"], str):
        raise BadLedger("a print without text")
    if r.kind in ("text", "ran"):
        marks = r["marks"]
        if type(r["text"]) is not int or not isinstance(marks, list) or len(marks) % 2:
            raise BadLedger(f"a {r.kind} without marks")
        if not all(type(n) is int for n in marks) or (r.kind == "text" and not isinstance(r["file"], str)):
            raise BadLedger(f"a {r.kind} of something else")


def _kind(name: object, kind: object) -> np.dtype[Any]:
    if KINDS.get(str(name)) != kind:
        raise BadLedger("an array of an unknown kind")
    return np.dtype(str(kind))


def _count(n: object) -> int:
    if type(n) is not int or not 0 <= n <= MOST_ARRAY:
        raise BadLedger("an array of an impossible size")
    return n
