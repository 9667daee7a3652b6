"""Which statements of the program a run executed, as the host reads it from the book."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.trace.ledger import Record
from auditor.unpack.parse import parse

Mark = tuple[int, int]
"""(line, column) of a statement; the line of an expression, `b` in `a and b`, is below 0."""
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Ran:
    """One text: what could be seen to run, and what did."""

    path: str
    tree: ast.Module
    watched: frozenset[Mark]
    passed: frozenset[Mark]

    def states(self) -> dict[int, bool | None]:
        """For each statement, by `id`: whether it ran; None where nobody looked."""
        out: dict[int, bool | None] = {}
        for block in blocks(self.tree):
            state: bool | None = None
            for s in block:
                key = (s.lineno, s.col_offset)
                if key in self.watched:
                    state = key in self.passed
                out[id(s)] = state
        return out

    def branch(self, e: ast.expr) -> bool | None:
        """Whether a branch of an expression ran."""
        key = (-e.lineno, e.col_offset)
        return key in self.passed if key in self.watched else None


def blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    """All lists of statements."""
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            found = getattr(node, name, None)
            if isinstance(found, list) and found and isinstance(found[0], ast.stmt):
                yield found


def ran(records: Sequence[Record], texts: Mapping[str, str]) -> list[Ran]:
    """What ran of each text of the submission. `texts`: the innermost text of each file, by its path."""
    by_digest = {digest(text): path for path, text in texts.items()}
    paths: dict[int, str] = {}
    watched: dict[str, set[Mark]] = {}
    passed: dict[str, set[Mark]] = {}
    for r in records:
        if r.kind == "text":
            known = by_digest.get(str(r["digest"])) or (r["file"] if r["file"] in texts else "")
            if known:
                paths[r["text"]] = known
                watched.setdefault(known, set()).update(_pairs(r["marks"]))
        elif r.kind == "ran" and r["text"] in paths:
            passed.setdefault(paths[r["text"]], set()).update(_pairs(r["marks"]))
    out = []
    for path, marks in watched.items():
        tree = parse(texts[path]).tree
        if tree is not None:
            out.append(Ran(path, tree, frozenset(marks), frozenset(passed.get(path, ()))))
    return out


def digest(text: str) -> str:
    return hashlib.sha256(text.replace("\r\n", "\n").encode("utf-8", "surrogatepass")).hexdigest()


def _pairs(marks: Sequence[int]) -> Iterator[Mark]:
    yield from zip(marks[::2], marks[1::2], strict=True)


def unrun(r: Ran) -> tuple[str, ...]:
    """Lines on which nothing ran and something could have: "file:first-last"."""
    states = r.states()
    off: set[int] = set()
    on: set[int] = set()
    for block in blocks(r.tree):
        for s in block:
            last = s.end_lineno or s.lineno
            if states[id(s)] is False:
                off.update(range(s.lineno, last + 1))
            else:
                on.update(range(s.lineno, max(s.lineno + 1, _head(s))))
    lines = sorted(off - on)
    starts = [n for i, n in enumerate(lines) if not i or lines[i - 1] != n - 1]
    ends = [n for i, n in enumerate(lines) if i + 1 == len(lines) or lines[i + 1] != n + 1]
    return tuple(f"{r.path}:{a}-{b}" for a, b in zip(starts, ends, strict=True))


def _head(s: ast.stmt) -> int:
    """The line behind a statement's own text: before its block, if it has one."""
    body = getattr(s, "body", None)
    return body[0].lineno if isinstance(body, list) and body else (s.end_lineno or s.lineno) + 1
