"""Which byte tables the walk through the program came by, and which scores are taken where their bytes are added up."""

from __future__ import annotations

import ast
from dataclasses import replace

from auditor.unpack.parse import parse, walk
from rules.events import ByteTable, EventKind, Program
from rules.evidence import Script
from rules.place import Location

Span = tuple[int, int]  # first and last line of a function


def placed(tables: tuple[ByteTable, ...], p: Program, scripts: tuple[Script, ...]) -> tuple[ByteTable, ...]:
    """The tables with `entered` and `scores` filled in from the walk."""
    if not tables:
        return ()
    files = {s.at.file for t in tables for s in t.path}
    spans = {s.path: _spans(s) for s in scripts if s.path in files}
    entered = set(p.functions)
    taken = [(e.id, (e.at, *(s.at for s in e.path))) for e in p.events if e.kind is EventKind.SCORE]
    out = []
    for t in tables:
        came = all(_came_by(s.at, spans, entered) for s in t.path) if t.path else _came_by(t.at, spans, entered)
        where = t.path[-1].at if t.path else t.at
        inside = _innermost(where, spans)
        scores = tuple(n for n, places in taken if any(_within(at, where.file, inside) for at in places))
        out.append(replace(t, entered=came or (None if p.problem or not p.finished else False), scores=scores))
    return tuple(out)


def _spans(s: Script) -> list[Span]:
    tree = parse(s.text).tree
    if tree is None:
        return []
    # A function is known by the line of its `def`, as the walk writes it down.
    return [
        (n.lineno, n.end_lineno or n.lineno)
        for n in walk(tree)
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _around(at: Location, spans: dict[str, list[Span]]) -> list[Span]:
    return [x for x in spans.get(at.file, ()) if x[0] <= (at.line or 0) <= x[1]]


def _came_by(at: Location, spans: dict[str, list[Span]], entered: set[str]) -> bool:
    """Whether a function around the place was entered; outside of all functions, the code runs by itself."""
    around = _around(at, spans)
    return not around or any(f"{at.file}:{start}" in entered for start, _ in around)


def _innermost(at: Location, spans: dict[str, list[Span]]) -> Span | None:
    return max(_around(at, spans), default=None)


def _within(at: Location, file: str, span: Span | None) -> bool:
    return at.file == file and (span is None or span[0] <= (at.line or 0) <= span[1])
