"""The source stage: follow the entry script of a folder under the configuration that made its claim."""

from __future__ import annotations

from dataclasses import replace

from auditor.source.byte_table import byte_tables
from auditor.source.byte_table_entered import placed
from auditor.source.config import Configuration, configuration
from auditor.source.follow import follow
from auditor.source.sights_scripts import sweep
from auditor.source.sights_sidecar import sizes_of_shards
from auditor.source.suspects import with_suspects
from auditor.source.witness import agreement
from rules.events import EventKind, Program
from rules.evidence import Evidence, Gap


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
    program = follow(entry, modules, config)
    if config.env and not program.problem and not last_total(program):
        # The documented command stops short of a result, as for training alone: the claim was made by another one.
        other = replace(config, env={}, arguments=(), unsure=config.unsure | {n.lower() for n in config.env})
        again = follow(entry, modules, other)
        program, config = (again, other) if last_total(again) else (program, config)
    printed = claimed_line(program, config)
    seen = (*program.observations, *sweep(e), *sizes_of_shards(e))
    tables = placed(byte_tables(entry, tuple(modules)), program, (entry, *modules))
    program = replace(program, headline=printed or last_total(program), byte_tables=tables, observations=seen)
    program = with_suspects(program, (entry, *modules))
    gaps = (Gap("the code's values", program.problem, entry.path),) if program.problem else ()
    return program, gaps


def claimed_line(p: Program, config: Configuration) -> tuple[int, ...]:
    """The reports that print the line of the log that the claim rests on, told by its words."""
    found = [e for e in p.events if e.kind is EventKind.REPORT and e.scores]
    said = config.label_text.lower() or config.label.lower()
    best, most = [], 0
    for r in found:
        size = agreement(r.name.lower(), said)
        if size > most:
            best, most = [r.id], size
        elif size and size == most:
            best.append(r.id)
    return tuple(best)


def last_total(p: Program) -> tuple[int, ...]:
    """Without a log: the last total that is printed after the training."""
    late = [e for e in p.events if e.kind is EventKind.REPORT and e.scores and not e.training]
    named = [r for r in late if "bpb" in r.name.lower()]
    return ((named or late)[-1].id,) if late else ()
