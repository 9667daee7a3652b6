"""What the log proves about the code: a line that was printed shows that the branches around its print ran.

Settings are not always documented. When the line that the claim rests on is printed in a branch that
the known settings would leave out, the log outranks them, and the branch is walked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from auditor.source.config import Configuration, line_start

SHORT = 6  # letters: less could stand in any line
_GENERIC = ("val_loss", "val_bpb", "final", "step", "eval", "loss", "bpb")
DEEP = 3  # callers of callers
CLEAR = 10  # letters with which a line is known again
CUT = 40  # characters; a longer beginning of a line may have been cut off
_PIECES = re.compile(r"\{\}|\d+")


def forced(trees: list[ast.Module], config: Configuration) -> dict[int, bool]:
    """The `if` nodes, by id, that must have gone to their body (True) or else (False) for the claimed line to be printed."""
    said = (config.label_text or config.label).lower().strip()
    if not said:
        return {}
    found: list[tuple[int, list[tuple[ast.If, bool]], str]] = []
    for tree in trees:
        for text, around, function in _texts(tree):
            size = _matches(text.lower(), said)
            if size:
                found.append((size, around, function))
    if not found:
        return {}
    best = max(size for size, _, _ in found)
    out: dict[int, bool] = {}
    for size, around, function in found:
        if size < best:
            continue
        out.update((id(n), way) for n, way in around)
        _callers(trees, function, out, DEEP)
        break
    return out


def proven(trees: list[ast.Module], config: Configuration, printed: set[str], claimed: bool) -> dict[int, bool]:
    """The ways of `if` nodes that the log proves, beyond what a walk took: for lines that the walk did not print."""
    out = {} if claimed else forced(trees, config)
    if not config.printed:
        return out
    both: set[int] = set()
    for tree in trees:
        for text, around, function in _texts(tree):
            start = text.strip()
            if len(start) < CLEAR or not around or not config.printed_like(start):
                continue
            if any(p.startswith(start) or start.startswith(p) for p in printed):
                continue
            found = {id(n): way for n, way in around}
            _callers(trees, function, found, 1)
            for n, way in found.items():
                if out.setdefault(n, way) is not way:
                    both.add(n)
    return {n: way for n, way in out.items() if n not in both}


def met(said_under: dict[str, frozenset[str]], config: Configuration) -> frozenset[str]:
    """Branches under undecided conditions that the claimed run took: only they print a line that its log has."""
    shown = [(text, branches) for text, branches in said_under.items() if _shown(text, config.printed)]
    out: set[str] = set()
    for text, branches in shown:
        out |= branches.intersection(*(other for same, other in shown if _first(same) == _first(text)))
    return frozenset(out)


def _first(text: str) -> str:
    return line_start(text.split("{}")[0])


def _shown(text: str, lines: tuple[str, ...]) -> bool:
    """Whether some line of the log begins with the fixed parts of a print, in order; a short text shows nothing."""
    first, *rest = (line_start(piece) for piece in text.split("{}"))
    for line in lines:
        if not first or not line.startswith(first):
            continue
        at = total = len(first)
        for piece in rest:
            where = line.find(piece, at)
            if where < 0:
                total = total if len(line) > CUT else 0
                break
            at = where + len(piece)
            total += len(piece)
        if total >= CLEAR:
            return True
    return False


def agreement(text: str, line: str) -> int:
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


def _matches(text: str, said: str) -> int:
    """How many letters at the start of the line a text gives; 0 if it is too short to tell."""
    text = text.strip()
    if len(text) < SHORT or text.rstrip("_: =") in _GENERIC:
        return 0
    return len(text) if said.startswith(text) or said.split(" ")[0] == text else 0


Around = list[tuple[ast.If, bool]]


def _texts(tree: ast.Module) -> Iterator[tuple[str, Around, str]]:
    """Every string and the first constant part of every f-string, with the conditions around it and its function."""

    def go(n: ast.AST, around: Around, function: str) -> Iterator[tuple[str, Around, str]]:
        if isinstance(n, ast.JoinedStr):
            first = n.values[0] if n.values else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value, around, function
            return
        if isinstance(n, ast.Constant):
            if isinstance(n.value, str) and len(n.value) < 200:
                yield n.value, around, function
            return
        if isinstance(n, ast.If):
            yield from go(n.test, around, function)
            for s in n.body:
                yield from go(s, [*around, (n, True)], function)
            for s in n.orelse:
                yield from go(s, [*around, (n, False)], function)
            return
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for s in n.body:
                yield from go(s, [], n.name)
            return
        for c in ast.iter_child_nodes(n):
            yield from go(c, around, function)

    yield from go(tree, [], "")


def _callers(trees: list[ast.Module], function: str, out: dict[int, bool], depth: int) -> None:
    """The conditions around the one call of a function, and around the calls of its caller."""
    if not function or depth == 0:
        return
    calls: list[tuple[Around, str]] = []

    def go(n: ast.AST, around: Around, inside: str) -> None:
        if isinstance(n, ast.Call) and (
            (isinstance(n.func, ast.Name) and n.func.id == function)
            or (isinstance(n.func, ast.Attribute) and n.func.attr == function)
        ):
            calls.append((around, inside))
        if isinstance(n, ast.If):
            go(n.test, around, inside)
            for s in n.body:
                go(s, [*around, (n, True)], inside)
            for s in n.orelse:
                go(s, [*around, (n, False)], inside)
            return
        if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for s in n.body:
                go(s, [], n.name)
            return
        for c in ast.iter_child_nodes(n):
            go(c, around, inside)

    for tree in trees:
        go(tree, [], "")
    if len(calls) == 1:
        around, inside = calls[0]
        out.update((id(n), way) for n, way in around)
        _callers(trees, inside, out, depth - 1)
