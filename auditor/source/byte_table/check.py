"""How a script counts the bytes that bpb divides by, compared with the correct accounting.

Nothing is told from names. The code that makes byte tables is evaluated on a made-up vocabulary, the
tables are followed to where tokens are looked up in them, and that code is evaluated on pairs of tokens.
What comes out is compared pair by pair with the right number of bytes.
"""

from __future__ import annotations

from dataclasses import replace

from auditor.source.byte_table.constant import formulas
from auditor.source.byte_table.flow import Builder, find_builders, find_files, follow
from auditor.source.byte_table.judge import judge
from auditor.source.byte_table.module import Program, read
from auditor.source.byte_table.sidecar import sidecars
from auditor.source.byte_table.sites import Site, direct, sites
from auditor.source.byte_table.values import FromFile
from rules.events import ByteCount, ByteTable, Step
from rules.evidence import Script
from rules.place import Location

MAX_MODULES = 24


def byte_tables(entry: Script, modules: tuple[Script, ...]) -> tuple[ByteTable, ...]:
    """The byte accountings of a program: of the entry script and of the modules that it imports.

    Empty when no code that counts bytes was found. One entry per table and way of counting.
    """
    try:
        return _byte_tables(entry, modules)
    except RecursionError:
        at = Location(entry.path, None, "", len(entry.layers))
        return (ByteTable(ByteCount.UNKNOWN, at, "the code is nested too deeply to be followed"),)


def _byte_tables(entry: Script, modules: tuple[Script, ...]) -> tuple[ByteTable, ...]:
    first = read(entry)
    if first is None:
        return ()
    read_modules = [first, *(m for s in modules[:MAX_MODULES] if s.path.endswith(".py") and (m := read(s)))]
    for m in read_modules:
        for other in read_modules:
            if other is not m:
                name = other.script.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                m.known.beside.setdefault(name, other.known)
                m.known.beside.setdefault(name.rpartition(".")[2], other.known)
    program = Program(read_modules)
    builders = find_builders(read_modules)
    out: dict[tuple[int, ByteCount], ByteTable] = {}
    files = find_files(read_modules)
    if builders or files:
        flow = follow(program, builders, files)
        builders = flow.builders
        for site in sites(flow):
            b = builders[site.builder]
            table = _table(b, site, program.runs(site.unit, b.unit))
            key = (site.builder, table.count)
            if key not in out or (table.live and not out[key].live):
                out[key] = table
        seen = {i for i, _ in out}
        for i, b in enumerate(builders):
            if i not in seen and not isinstance(b.value, FromFile):
                out[i, ByteCount.UNKNOWN] = _unused(b, program.runs(b.unit))
    tables = list(out.values())
    for b, site in direct(read_modules, builders):
        tables.append(_table(b, site, program.runs(b.unit)))
    tables += [replace(t, live=program.runs(*units)) for t, *units in sidecars(program)]
    if not any(t.live and t.count is not ByteCount.UNKNOWN for t in tables):
        fixed = {t.what: replace(t, live=program.runs(unit)) for t, unit in formulas(read_modules)}
        tables += fixed.values()
    return _settled(tuple(tables))


def _table(b: Builder, site: Site, live: bool) -> ByteTable:
    m = site.unit.module
    path = (
        Step(b.unit.module.at(b.line), "the byte table is read" if site.from_file else "the byte table is made"),
        Step(m.at(site.line), "the bytes of the scored tokens are added up"),
    )
    if site.from_file:
        what = "the bytes per token are read from a file, which is not looked into here"
        return ByteTable(ByteCount.TABLE_FILE, path[0].at, what, path, live)
    judged = judge(site.counts)
    at = path[1].at if judged.at_sum else path[0].at
    return ByteTable(judged.count, at, judged.what, path, live, judged.inflation)


def _unused(b: Builder, live: bool) -> ByteTable:
    at = b.unit.module.at(b.line)
    return ByteTable(
        ByteCount.UNKNOWN, at, "a table of bytes is made here, and where it is summed was not found",
        (Step(at, "the byte table is made"),), live,
    )  # fmt: skip


def _settled(tables: tuple[ByteTable, ...]) -> tuple[ByteTable, ...]:
    """Drop what could not be told, and sums of a table without spaces, where the same program counts rightly elsewhere.

    A table that is also summed without the spaces weighs losses or is looked at for something else; too
    few bytes would only make the result look worse.
    """
    right = any(t.live and t.count is ByteCount.CANONICAL for t in tables)
    known = [t for t in tables if t.count is not ByteCount.UNKNOWN and not (right and t.count is ByteCount.SPACE_NEVER)]
    return tuple(known) or tables
