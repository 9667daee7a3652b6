"""The source stage: follow the entry script of a folder under the configuration that made its claim."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from auditor.source.byte_table.check import byte_tables
from auditor.source.byte_table.entered import placed
from auditor.source.config import Configuration, configuration
from auditor.source.follow import follow
from auditor.source.sights.looks import observed
from auditor.source.sights.preparation import sweep
from auditor.source.sights.sidecar import sizes_of_shards
from auditor.source.suspects import with_suspects
from auditor.source.witness import ASIDE, RESULT, agreement
from rules.constants import FLOOR
from rules.events import ByteTable, EventKind, Means, Observation, Program, Sight
from rules.evidence import Evidence, Gap
from rules.order import conflicts

T = TypeVar("T")
_OF_MODELS = (Sight.SMEAR, Sight.CASEFOLD, Sight.SIDECAR, Sight.TIME_BREAK, Sight.VAL_SELECTION, Sight.WARMUP)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage: trees and values are many, live to the end, and each search goes over all of them."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@_uncollected()
def read_source(e: Evidence) -> tuple[Program | None, tuple[Gap, ...]]:
    """What the entry script does with tokens; None when there is no script that can be followed."""
    entry = e.package.entry
    if entry is None:
        return None, (Gap("the code's values", "the folder holds no script that trains or evaluates"),)
    if not entry.text or entry.syntax_error:
        return None, (
            Gap(
                "the code's values",
                entry.syntax_error or entry.problem or "the script's text could not be reached",
                entry.path,
            ),
        )
    config = configuration(e, entry)
    modules = [s for s in e.package.scripts if s.path != entry.path and s.role in ("module", "native")]
    scripts = (entry, *modules)
    program = follow(entry, modules, config)
    if config.env and not program.problem and not last_total(program):
        # The documented command stops short of a result, as for training alone: the claim was made by another one.
        bare = replace(config, env={}, arguments=(), unsure=config.unsure | {n.lower() for n in config.env})
        again = follow(entry, modules, bare)
        program, config = (again, bare) if last_total(again) else (program, config)
    assumed = False
    if unexplained(e, program, config):
        other = follow(entry, modules, replace(config, open=True))
        if not other.problem and not model_alone(other, last_total(other)):
            program, assumed = other, True
    gaps = [Gap("the code's values", program.problem, entry.path)] if program.problem else []

    def part(what: str, work: Callable[[], T], nothing: T) -> T:
        """One of several looks at the program. Its failure is a gap and takes nothing from the others."""
        try:
            return work()
        except Exception as x:
            gaps.append(Gap(what, f"this look at the code failed ({x!r:.100}); please report it", entry.path))
            return nothing

    no_sights: tuple[Observation, ...] = ()
    no_tables: tuple[ByteTable, ...] = ()
    no_numbers: tuple[int, ...] = ()
    seen = part("scripts beside the entry", lambda: (*sweep(e), *sizes_of_shards(e)), no_sights)
    seen += part("looks for an observer", lambda: observed(scripts), no_sights)
    tables = part("bytes per token", lambda: placed(byte_tables(entry, tuple(modules)), program, scripts), no_tables)
    printed = claimed_line(program, config)
    headline = printed or last_total(program)
    rivals = tuple(r for text in config.rivals for r in _printing(program, text) if r not in printed)
    if not printed:
        rivals += part("printed numbers", lambda: score_first(program, headline), no_numbers)
    program = replace(
        program,
        headline=headline,
        rivals=rivals,
        assumed=assumed,
        byte_tables=tables,
        observations=(*program.observations, *seen),
    )
    program = part("code that did not run", lambda: with_suspects(program, scripts), program)
    return program, tuple(gaps)


def unexplained(e: Evidence, p: Program, config: Configuration) -> bool:
    """Whether the claim is far below what any model alone reaches, while the code as documented has a model alone.

    Then the run had switches on that no command and no log of the folder shows.
    """
    claim = e.claims.val_bpb
    if claim is None or not 0 < claim.value < FLOOR or p.problem or config.label:
        return False
    return model_alone(p, last_total(p))


def model_alone(p: Program, headline: tuple[int, ...]) -> bool:
    """Whether the scores of a report are losses of the model, with nothing mixed in and no table behind them."""
    by_id = {x.id: x for x in p.events}
    scores = {s for h in headline for s in by_id[h].scores}
    tables = any(
        n in by_id and by_id[n].means in (Means.TABLE, Means.WEIGHTS, Means.CHOICE)
        for s in scores
        for n in by_id[s].after
    )
    touched = any(scores.intersection(o.scores) and not o.ok for o in p.observations if o.sight not in _OF_MODELS)
    return bool(scores) and not tables and not touched


def claimed_line(p: Program, config: Configuration) -> tuple[int, ...]:
    """The reports that print the line of the log that the claim rests on, told by its words."""
    return _printing(p, config.label_text or config.label)


def _printing(p: Program, text: str) -> tuple[int, ...]:
    """The reports that print a line of the log."""
    found = [e for e in p.events if e.kind is EventKind.REPORT and e.scores]
    said = text.lower()
    best, most = [], 0
    for r in found:
        size = agreement(r.name.lower(), said)
        if size > most:
            best, most = [r.id], size
        elif size and size == most:
            best.append(r.id)
    return tuple(best)


def score_first(p: Program, last: tuple[int, ...]) -> tuple[int, ...]:
    """Without a log: totals before the last one that adapt behind their scores, as a claimed result does.

    What is printed after it, and not called the result, may be a look at the adapted weights.
    """
    called = [r.name for r in p.events if r.id in last]
    if not called or RESULT.search(called[0]):
        return ()
    updates = [e for e in p.events if e.kind is EventKind.UPDATE]
    out = []
    for r in p.events:
        if r.kind is not EventKind.REPORT or r.training or not r.scores or r.id >= last[0]:
            continue
        adapts = any(min(r.scores) < u.id < max(r.scores) for u in updates)
        if adapts and not any(conflicts(p, r)):
            out.append(r.id)
    return tuple(out)


def last_total(p: Program) -> tuple[int, ...]:
    """Without a log: the last total that is printed after the training, and not as an aside."""
    said: set[tuple[str, tuple[int, ...]]] = set()
    late = []
    for e in p.events:
        if e.kind is EventKind.REPORT and e.scores and not e.training and (e.name, e.scores) not in said:
            said.add((e.name, e.scores))  # lines that are kept in a list and written out at the end say nothing new
            late.append(e)
    late = [r for r in late if not ASIDE.search(r.name)] or late
    named = [r for r in late if "bpb" in r.name.lower()]
    return ((named or late)[-1].id,) if late else ()
