"""What the log proves about the code: a line that was printed shows that the branches around its print ran.

Settings are not always documented. When the line that the claim rests on is printed in a branch that
the known settings would leave out, the log outranks them, and the branch is walked.
"""

from __future__ import annotations

import ast
import re

from auditor.source.config import Configuration, line_start
from auditor.unpack.parse import children

SHORT = 6  # letters: less could stand in any line
_GENERIC = ("val_loss", "val_bpb", "final", "step", "eval", "loss", "bpb")
DEEP = 3  # callers of callers
CLEAR = 10  # letters with which a line is known again
CUT = 40  # characters; a longer beginning of a line may have been cut off
_PIECES = re.compile(r"\{\}|\d+")
ASIDE = re.compile(
    r"diagnos|debug|sanity|for reference|unofficial|not (?:the |a |an |our )?(?:claim|count|submi|report|official)",
    re.I,
)  # said of a number that is not the result
RESULT = re.compile(r"final|claim|submi|official|result", re.I)
_SETTING = re.compile(
    r"[A-Z][A-Z0-9_]*"
)  # the whole of a text: the name of an environment variable, which is asked for


def _forced(places: _Places, config: Configuration) -> dict[int, bool]:
    """The `if` nodes, by id, that must have gone to their body (True) or else (False) for the claimed line to be printed."""
    said = (config.label_text or config.label).lower().strip()
    if not said:
        return {}
    found: list[tuple[int, Around, str]] = []
    for text, around, function in places.texts:
        if len(text) >= SHORT:
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
        _callers(places, function, out, DEEP)
        break
    return out


def proven(trees: list[ast.Module], config: Configuration, printed: set[str], claimed: bool) -> dict[int, bool]:
    """The ways of `if` nodes that the log proves, beyond what a walk took: for lines that the walk did not print."""
    if claimed and not config.printed:
        return {}
    places = _Places(trees)
    out = {} if claimed else _forced(places, config)
    if not config.printed:
        return out
    both: set[int] = set()
    for text, around, function in places.texts:
        start = text.strip()
        if len(start) < CLEAR or not around or not config.printed_like(start):
            continue
        if any(p.startswith(start) or start.startswith(p) for p in printed):
            continue
        found = {id(n): way for n, way in around}
        _callers(places, function, found, 1)
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


Around = tuple[tuple[ast.If, bool], ...]


class _Places:
    """Where texts and calls stand: each with the conditions around it and its function.

    `texts` are strings and the first constant parts of f-strings, in the order of the code, without those that a
    condition asks for and without names of environment variables: neither is printed. `calls` are by name.
    """

    def __init__(self, trees: list[ast.Module]) -> None:
        self.texts: list[tuple[str, Around, str]] = []
        self.calls: dict[str, list[tuple[Around, str]]] = {}
        for tree in trees:
            self._read(tree)

    def _read(self, tree: ast.Module) -> None:
        todo: list[tuple[ast.AST, Around, str, bool]] = [(tree, (), "", True)]
        while todo:
            n, around, function, texts = todo.pop()
            kind = type(n)
            if kind is ast.Name:
                continue
            if kind is ast.Constant:
                value = n.value  # type: ignore[attr-defined]
                if texts and type(value) is str and len(value) < 200 and not _SETTING.fullmatch(value):
                    self.texts.append((value, around, function))
                continue
            if isinstance(n, ast.If):
                then, other = (*around, (n, True)), (*around, (n, False))
                todo += [(s, other, function, texts) for s in reversed(n.orelse)]
                todo += [(s, then, function, texts) for s in reversed(n.body)]
                todo.append((n.test, around, function, False))  # what is asked is not printed
                continue
            if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)):
                todo += [(s, (), n.name, texts) for s in reversed(n.body)]
                continue
            if isinstance(n, ast.JoinedStr):
                first = n.values[0] if n.values else None
                if texts and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    self.texts.append((first.value, around, function))
                texts = False  # calls stand in it, and no texts of its own
            elif isinstance(n, ast.Call):
                f = n.func
                name = f.id if isinstance(f, ast.Name) else f.attr if isinstance(f, ast.Attribute) else ""
                if name:
                    self.calls.setdefault(name, []).append((around, function))
            todo += [(c, around, function, texts) for c in reversed(children(n))]


def _callers(places: _Places, function: str, out: dict[int, bool], depth: int) -> None:
    """The conditions around the one call of a function, and around the calls of its caller."""
    if not function or depth == 0:
        return
    calls = places.calls.get(function, [])
    if len(calls) == 1:
        around, inside = calls[0]
        out.update((id(n), way) for n, way in around)
        _callers(places, inside, out, depth - 1)
