"""How the scripts beside the entry make a byte side-car: whether they transform the text, and whose bytes they count."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from auditor.source.plain.text import plain
from auditor.unpack.parse import walk
from rules.events import Observation, Sight
from rules.evidence import Evidence, Script
from rules.place import Location

MAX_SCRIPTS = 40
_SPACE = re.compile(r"\s")
FIRST, LAST = 0xE000, 0xF8FF  # the private-use area: letters that no document is expected to have


def sizes_of_shards(e: Evidence) -> tuple[Observation, ...]:
    """One observation for each script that writes a side-car; its detail says what it counts.

    `prep` is "transformed" where the bytes of the changed text are counted, else "seen". `marks` is
    "yes" where the text gets letters of the private-use area on its way to the encoder.
    """
    out: list[Observation] = []
    entry = e.package.entry
    scripts = {s.path: s for s in e.package.scripts[:MAX_SCRIPTS]}
    for s in scripts.values():
        if (entry is not None and s.path == entry.path) or not s.path.endswith(".py"):
            continue
        tree = plain(s.text).tree if not s.syntax_error else None
        if tree is None or not (line := _writes(tree)):
            continue
        beside = [scripts[i] for i in s.imports if i in scripts]
        marks = _has_marks(tree) or any(
            (t := plain(m.text).tree) is not None and _has_marks(t) for m in beside if m.text
        )
        details = (("marks", "yes" if marks else "no"),)
        faulty = list(_transformed(tree))
        if faulty:
            what = "the side-car counts the bytes of the changed text, not of the document"
            out.append(Observation(Sight.SIDECAR, _at(s, faulty[0]), what, detail=(("prep", "transformed"), *details)))
        else:
            what = "a file of byte counts is written beside the tokens"
            out.append(Observation(Sight.SIDECAR, _at(s, line), what, detail=(("prep", "seen"), *details), ok=True))
    return tuple(out)


def _at(s: Script, line: int) -> Location:
    lines = s.text.split("\n")
    text = lines[line - 1].strip()[:240] if 0 < line <= len(lines) else ""
    return Location(s.path, line or None, text, len(s.layers))


def _writes(tree: ast.Module) -> int:
    """The line that names the side-car, in a script that writes files of arrays; 0 if there is none."""
    written = any(isinstance(n, ast.Attribute) and n.attr in ("tobytes", "tofile") for n in walk(tree))
    for n in walk(tree) if written else ():
        if (
            isinstance(n, ast.Constant)
            and isinstance(n.value, str)
            and "_bytes" in n.value[:200]
            and not _SPACE.search(n.value.strip())
        ):
            return n.lineno
    return 0


def _has_marks(tree: ast.AST) -> bool:
    return any(
        isinstance(n, ast.Constant) and isinstance(n.value, str) and any(FIRST <= ord(c) <= LAST for c in n.value)
        for n in walk(tree)
    )


def _transformed(tree: ast.Module) -> Iterator[int]:
    """Lines that take the length in bytes of a part of the text that the script's own transform gave back.

    The transform is a function of the script that puts in letters of the private-use area.
    """
    constants = {
        t.id
        for n in tree.body
        if isinstance(n, ast.Assign) and _has_marks(n.value)
        for target in n.targets
        for t in (target.elts if isinstance(target, ast.Tuple) else [target])
        if isinstance(t, ast.Name)
    }
    makers = {
        f.name
        for f in walk(tree)
        if isinstance(f, ast.FunctionDef)
        and (_has_marks(f) or any(isinstance(n, ast.Name) and n.id in constants for n in ast.walk(f)))
        and _adds(f, constants)
    }
    functions = {f.name: f for f in walk(tree) if isinstance(f, ast.FunctionDef) and f.name not in makers}
    givers, given = set(makers), set[tuple[str, str]]()  # what gives back such text, and which parameters take it
    for _ in functions:
        before = len(givers) + len(given)
        for f in functions.values():
            changed, _ = _changed(f, givers, given)
            if any(isinstance(n, ast.Return) and _first(n.value, givers, changed) for n in ast.walk(f)):
                givers.add(f.name)
            for n in ast.walk(f):
                own = functions.get(n.func.id) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) else None
                if own is not None and isinstance(n, ast.Call):
                    for p, a in zip(own.args.args, n.args, strict=False):
                        if _first(a, givers, changed):
                            given.add((own.name, p.arg))
        if len(givers) + len(given) == before:
            break
    for f in functions.values():
        whole, parts = _changed(f, givers, given)
        for n in ast.walk(f):
            if isinstance(n, ast.Call) and _length_of(n, whole, parts):
                yield n.lineno


def _first(e: ast.expr | None, givers: set[str], changed: set[str]) -> bool:
    """Whether an expression, or the first of several, is the changed text."""
    if isinstance(e, ast.Tuple | ast.Subscript):
        e = (e.elts[0] if e.elts else None) if isinstance(e, ast.Tuple) else e.value
    if isinstance(e, ast.Call):
        return isinstance(e.func, ast.Name) and e.func.id in givers
    return isinstance(e, ast.Name) and e.id in changed


def _changed(f: ast.FunctionDef, givers: set[str], given: set[tuple[str, str]]) -> tuple[set[str], set[str]]:
    """Names of a function that hold the changed text, and names that hold a slice of it."""
    whole = {p.arg for p in f.args.args if (f.name, p.arg) in given}
    parts: set[str] = set()
    for n in ast.walk(f):
        if not isinstance(n, ast.Assign | ast.NamedExpr):
            continue
        target = n.targets[0] if isinstance(n, ast.Assign) else n.target
        first = target.elts[0] if isinstance(target, ast.Tuple) and target.elts else target
        if not isinstance(first, ast.Name):
            continue
        v = n.value
        if isinstance(v, ast.Subscript) and isinstance(v.slice, ast.Slice):
            if isinstance(v.value, ast.Name) and v.value.id in whole:
                parts.add(first.id)
        elif _first(v, givers, whole):
            whole.add(first.id)
    return whole, parts


def _adds(f: ast.FunctionDef, constants: set[str]) -> bool:
    """Whether a function appends such letters to what it gives back, rather than looking for them only."""
    for n in ast.walk(f):
        if isinstance(n, ast.List | ast.Tuple | ast.BinOp | ast.JoinedStr | ast.Call) and not isinstance(
            getattr(n, "ctx", None), ast.Store
        ):
            parts: list[ast.expr] = (
                n.elts
                if isinstance(n, ast.List)
                else n.args
                if isinstance(n, ast.Call)
                and isinstance(n.func, ast.Attribute)
                and n.func.attr in ("append", "replace")
                else [n.left, n.right]
                if isinstance(n, ast.BinOp)
                else []
            )
            if any(
                (isinstance(x, ast.Name) and x.id in constants) or (isinstance(x, ast.Constant) and _has_marks(x))
                for x in parts
            ):
                return True
    return False


def _length_of(n: ast.Call, whole: set[str], parts: set[str]) -> bool:
    """`len(NAME[…].encode(…))`, NAME being one of the names, or the same of a name for such a slice."""
    if not (isinstance(n.func, ast.Name) and n.func.id == "len" and len(n.args) == 1):
        return False
    coded = n.args[0]
    if not (isinstance(coded, ast.Call) and isinstance(coded.func, ast.Attribute) and coded.func.attr == "encode"):
        return False
    of = coded.func.value
    if isinstance(of, ast.Name):
        return of.id in parts
    return isinstance(of, ast.Subscript) and isinstance(of.value, ast.Name) and of.value.id in whole
