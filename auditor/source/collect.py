"""The source stage: follow the entry script of a folder under the configuration that made its claim."""

from __future__ import annotations

import re
from dataclasses import replace

from auditor.source.config import Configuration, configuration
from auditor.source.follow import follow
from rules.events import EventKind, Program
from rules.evidence import Evidence, Gap, Script

_PIECES = re.compile(r"\{\}|\d+")


def read_source(e: Evidence) -> tuple[Program | None, tuple[Gap, ...]]:
    """What the entry script does with tokens; None when there is no script that can be followed."""
    entry = e.package.entry
    if entry is None:
        return None, (Gap("the code's values", "the folder holds no script that trains or evaluates"),)
    if not entry.text or entry.syntax_error:
        return None, (Gap("the code's values", entry.syntax_error or entry.problem or "the script's text could not be reached", entry.path),)
    config = configuration(e, entry)
    modules = [s for s in e.package.scripts if s.path != entry.path and s.role in ("module", "native")]
    program = follow(entry, modules, config)
    program = replace(program, headline=headline(program, config))
    gaps = (Gap("the code's values", program.problem, entry.path),) if program.problem else ()
    return program, gaps


def headline(p: Program, config: Configuration) -> tuple[int, ...]:
    """The reports that print the number that the claim rests on.

    Told by the words of the log line; without a log, the last total that is printed.
    """
    found = [e for e in p.events if e.kind is EventKind.REPORT and e.scores]
    said = config.label_text.lower() or config.label.lower()
    best, most = [], 0
    for r in found:
        size = _agreement(r.name.lower(), said)
        if size > most:
            best, most = [r.id], size
        elif size and size == most:
            best.append(r.id)
    if best:
        return tuple(best)
    late = [r for r in found if not r.training]
    named = [r for r in late if "bpb" in r.name.lower()]
    return ((named or late)[-1].id,) if late else ()


def _agreement(text: str, line: str) -> int:
    """How many letters of the constant parts of a print stand, in order, in a line of the log; 0 if one is missing."""
    if not line:
        return 0
    at = total = 0
    for piece in _PIECES.split(text):
        piece = piece.strip()
        if len(piece) < 3:
            continue
        where = line.find(piece, at)
        if where < 0:
            return 0
        at = where + len(piece)
        total += len(piece)
    return total
