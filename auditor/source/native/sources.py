"""The influence of the token being scored, in C, C++ and CUDA: files of the submission and text inside Python.

Each source is parsed, every function that nobody in it calls is walked (`native/walk.py`), and what came out is judged
(`native/judge.py`). Nothing is compiled or run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from auditor.source.native import tree
from auditor.source.native.judge import Verdict, judge
from auditor.source.native.memory import OutOfBudget
from auditor.source.native.unit import Function, Unit, survey
from auditor.source.native.walk import Walk
from auditor.unpack.parse import parse as parse_python
from auditor.unpack.parse import walk as walk_python
from rules.events import Observation, Sight, Step, Suspect
from rules.evidence import Script
from rules.place import Location

BUDGET = 25_000  # steps of the walk for one source
SHARE = 10_000  # and for one function of it
MAX_SOURCES = 40
MAX_FUNCTIONS = 120
_LOOKS_NATIVE = re.compile(
    r"#[ \t]*include\b|__global__|\bextern[ \t]+\"C\"|\b(?:u?int\d+_t|void|double|float|int)[ \t*]+\w+[ \t]*\([^()]{0,2000}\)[ \t\n]{0,40}\{"
)
_HEADER = re.compile(r"\.(?:h|hh|hpp|cuh)$")


@dataclass(frozen=True, slots=True)
class Inlined:
    """A native text and where it stands: line `first` of the file holds its first line.

    `last` is the line where it ends, when its lines are not those of the file (escaped line ends).
    """

    text: str
    file: str
    first: int = 1
    last: int = 0
    layer: int = 0

    def line(self, line: int) -> int:
        at = self.first + line - 1
        return min(at, self.last) if self.last else at


@dataclass(frozen=True, slots=True)
class Findings:
    observations: tuple[Observation, ...] = ()
    suspects: tuple[Suspect, ...] = ()


def native_observations(scripts: tuple[Script, ...]) -> tuple[Observation, ...]:
    """What native code does with the token being scored."""
    return native_findings(scripts).observations


def native_suspects(scripts: tuple[Script, ...]) -> tuple[Suspect, ...]:
    """Native sources, or functions in them, that could not be followed to the end, and why."""
    return native_findings(scripts).suspects


def native_findings(scripts: tuple[Script, ...]) -> Findings:
    """Observations and what could not be followed, over all native sources of a submission."""
    observations: list[Observation] = []
    suspects: list[Suspect] = []
    seen: set[str] = set()
    for number, source in enumerate(s for script in scripts for s in sources(script)):
        if source.text in seen:
            continue
        seen.add(source.text)
        if number >= MAX_SOURCES:
            suspects.append(
                Suspect(Location(source.file), "native sources", f"more than {MAX_SOURCES} are not read", False)
            )
            break
        verdicts, problems = examine(source.text, _HEADER.search(source.file) is not None)
        lines = source.text.split("\n")
        observations += [_observation(v, source, lines) for v in verdicts]
        suspects += [Suspect(_place(source, lines, line), what, why, False) for line, what, why in problems]
    return Findings(tuple(observations), tuple(suspects))


def sources(script: Script) -> Iterator[Inlined]:
    """The native texts in a script: itself when it is native, else its string constants that are C by their look."""
    if script.role == "native":
        yield Inlined(script.text, script.path)
        return
    if not _LOOKS_NATIVE.search(script.text):
        return
    tree = parse_python(script.text).tree
    if tree is None:
        return
    layer = len(script.layers)
    inside: set[int] = set()
    for node in walk_python(tree):
        if isinstance(node, ast.JoinedStr):
            inside.update(id(v) for v in node.values)
            text = "".join(
                v.value if isinstance(v, ast.Constant) and isinstance(v.value, str) else "0" for v in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = node.value
        else:
            continue
        if text.count("\n") < 2 or text.count(";") < 3 or not _LOOKS_NATIVE.search(text):
            continue
        end = node.end_lineno or node.lineno
        exact = end - node.lineno == text.count("\n")
        yield Inlined(text, script.path, node.lineno, 0 if exact else end, layer)


@lru_cache(maxsize=16)
def examine(text: str, header: bool = False) -> tuple[tuple[Verdict, ...], tuple[tuple[int, str, str], ...]]:
    """The verdicts on one native text, and (line, what, why) of what could not be followed."""
    source = tree.parse(text)
    problems: list[tuple[int, str, str]] = []
    if source.problem:
        problems.append((1, "native source", source.problem))
    if source.root is None:
        return (), tuple(problems)
    unit = survey(source.root)
    out: dict[tuple[Sight, str, str], Verdict] = {}
    budget = BUDGET
    for function in roots(unit):
        walk = Walk(unit, min(budget, SHARE))
        given, finished = walk.memory.budget, True
        try:
            walk.root(function)
        except (OutOfBudget, RecursionError) as e:
            finished = False
            reason = "it is nested too deeply" if isinstance(e, RecursionError) else "it takes too many steps"
            problems.append(
                (function.line, f"native function {function.name}", f"was not followed to its end: {reason}")
            )
        for verdict in judge(walk.memory, function.name, finished):
            out.setdefault((verdict.sight, verdict.function, verdict.output), verdict)
        budget -= given - max(walk.memory.budget, 0)
        if budget <= 0:
            break
    return tuple(_without_doubles(out.values())), tuple(problems)


def roots(unit: Unit) -> list[Function]:
    """Functions that no other function of the file calls, most likely ones first."""
    called: set[str] = set()
    for group in unit.functions.values():
        for f in group:
            for node in f.node.walk():
                if node.kind == "call_expression" and (callee := node.get("function")) is not None:
                    name = callee.get("field") or callee.get("name") or callee
                    last = name.text.rpartition("::")[2]
                    if last != f.name:
                        called.add(last)
    every = [f for group in unit.functions.values() for f in group]
    out = [f for f in every if f.name not in called] or every
    return out[:MAX_FUNCTIONS]


def _without_doubles(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Spread bytes are told once per place."""
    spread: set[int] = set()
    for v in verdicts:
        if v.sight is Sight.SPREAD_BYTES:
            if v.line in spread:
                continue
            spread.add(v.line)
        yield v


def _observation(v: Verdict, source: Inlined, lines: list[str]) -> Observation:
    at = _place(source, lines, v.line)
    trail = dict.fromkeys([*v.trail, v.line])
    path = tuple(
        Step(
            _place(source, lines, line),
            f"reads {v.token}" if n == 0 and v.token else v.what if n == len(trail) - 1 else "carries it on",
        )
        for n, line in enumerate(trail)
    )
    detail = [
        ("function", v.function),
        ("output", v.kind),
        ("name", v.output),
        ("token", v.token),
        ("language", "native"),
    ]
    guards = [g for _, g in v.guards if g]
    if guards:
        detail.append(("guards", " ; ".join(g[:120] for g in guards[-4:])))
    names = [_given(source.text, k) for k in v.knobs]
    if names:
        detail.append(("switch", ", ".join(dict.fromkeys(names))))
    return Observation(v.sight, at, v.what, path, detail=tuple(detail), certain=v.certain, ok=v.ok)


def _given(text: str, member: str) -> str:
    """The argument that a member is set from, where the constructor says so, else the member's own name."""
    m = re.search(rf"\b{re.escape(member)}\s?[({{]\s?([A-Za-z_]\w{{0,60}})\s?[)}}]", text)
    m = m or re.search(rf"(?:->|\.)\s?{re.escape(member)}\s?=\s?([A-Za-z_]\w{{0,60}})\s?;", text)
    return m[1] if m else member


def _place(source: Inlined, lines: list[str], line: int) -> Location:
    text = lines[line - 1].strip()[:200] if 0 < line <= len(lines) else ""
    if source.last and text:  # all of it on one line of the file
        text = f"{text} (line {line} of the native text)"
    return Location(source.file, source.line(line), text, source.layer)
