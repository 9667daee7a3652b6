"""What a piece of code does to scores, told from its text alone: trains, fills tables, scores, changes probabilities.

For code that nobody ran and nobody followed. It says what a person should look at, and never what happened.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

DEPTH = 4  # calls that are followed
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
_LOSSES = frozenset(("cross_entropy", "nll_loss", "log_softmax", "logsumexp", "NLLLoss", "CrossEntropyLoss"))
_TABLES = frozenset(
    ("scatter_add_", "index_add_", "index_put_", "scatter_reduce_", "bincount", "put_", "scatter_", "index_copy_")
)
_WRITES = frozenset(("add_", "sub_", "mul_", "div_", "copy_", "lerp_", "addcmul_", "addcdiv_", "fill_", "zero_"))
_WEIGHTS = re.compile(r"\b(?:param\w*|parameters|weight|bias|data)\b|\b\w*(?:lora|delta|adapter)\w*\b", re.I)
_PROBABILITY = re.compile(
    r"(?:^|_|\b)(?:logits?|probs?|log_?probs?|logp|nlls?|loss(?:es)?|scores?|bpb|bits|total_loss|loss_sum)(?:$|_|\b)",
    re.I,
)
_NAMES = re.compile(r"opt|optim|sgd|adam|muon", re.I)
_VALIDATION = re.compile(r"(?:^|_)(?:val|valid|validation|eval|evals|evaluate|evaluation|ttt|test)(?:$|_)", re.I)


class Effect(StrEnum):
    """What code does, the gravest first."""

    TRAINS = "trains"
    TABLES = "fills tables"
    WRITES = "writes to weights"
    SCORES = "takes scores"
    CHANGES = "changes probabilities or losses"


def functions(trees: Iterable[ast.AST]) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The program's own functions by their names."""
    out: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
    for tree in trees:
        for n in ast.walk(tree):
            if isinstance(n, FUNCTION):
                out.setdefault(n.name, []).append(n)
    return out


Known = Mapping[str, Sequence[ast.FunctionDef | ast.AsyncFunctionDef]]


def effects(body: Sequence[ast.AST], known: Known, depth: int = DEPTH) -> frozenset[Effect]:
    """What some statements do, calls of the program's functions included."""
    return frozenset(_effects(body, known, depth, set()))


def _effects(body: Sequence[ast.AST], known: Known, depth: int, seen: set[int]) -> set[Effect]:
    out: set[Effect] = set()
    for node in inside(body):
        out |= set(direct(node))
        if isinstance(node, ast.Call) and depth > 0:
            for f in called(node, known):
                if id(f) not in seen:
                    seen.add(id(f))
                    out |= _effects(f.body, known, depth - 1, seen)
    return out


def inside(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All nodes that run with the statements: not those of functions that are only made there."""
    stack = list(body)
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, FUNCTION | ast.Lambda | ast.ClassDef):
            stack += ast.iter_child_nodes(node)


def called(node: ast.Call, known: Known) -> Sequence[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The program's function that a call may mean; methods only where one function has the name."""
    if isinstance(node.func, ast.Name):
        return known.get(node.func.id, ())
    if isinstance(node.func, ast.Attribute):
        found = known.get(node.func.attr, ())
        return found if len(found) == 1 and not node.func.attr.startswith("__") else ()
    return ()


def direct(node: ast.AST) -> Iterator[Effect]:
    """What one node does by itself."""
    match node:
        case ast.Call(func=ast.Attribute(value=owner, attr=name)):
            by = ast.unparse(owner) if len(ast.dump(owner)) < 500 else ""
            if (
                name == "backward"
                or (name == "grad" and by.endswith("autograd"))
                or (name == "step" and _NAMES.search(by))
            ):
                yield Effect.TRAINS
            elif name in _TABLES or (name == "at" and by.rsplit(".", 1)[0] in ("np", "numpy")):
                yield Effect.TABLES
            elif (name in _WRITES and _WEIGHTS.search(by)) or name == "load_state_dict":
                yield Effect.WRITES
            elif name in _LOSSES:
                yield Effect.SCORES
        case ast.Call(func=ast.Name(id=name)) if name in _LOSSES:
            yield Effect.SCORES
        case ast.AugAssign(target=ast.Subscript(slice=key)) if not isinstance(key, ast.Constant):
            yield Effect.TABLES
        case ast.Assign(targets=targets):
            if any(_PROBABILITY.search(named(t)) for t in targets) and not isinstance(node.value, ast.Constant):
                yield Effect.CHANGES
        case ast.AugAssign(target=target):
            if _PROBABILITY.search(named(target)):
                yield Effect.CHANGES


def named(e: ast.expr) -> str:
    """The name that a target goes by, "" if it has none."""
    while isinstance(e, ast.Subscript | ast.Starred):
        e = e.value
    return e.id if isinstance(e, ast.Name) else e.attr if isinstance(e, ast.Attribute) else ""


def of_validation(body: Sequence[ast.AST], known: Known, depth: int = 2) -> bool:
    """Whether names in the code, or in what it calls, speak of validation tokens or of evaluation."""
    for node in inside(body):
        word = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if word and _VALIDATION.search(word) and word != "eval":  # `model.eval()` is a mode
            return True
        if isinstance(node, ast.Call) and depth > 0:
            for f in called(node, known):
                if _VALIDATION.search(f.name) or of_validation(f.body, known, depth - 1):
                    return True
    return False


def reached(names: Iterable[str], known: Known) -> set[int]:
    """The functions, by `id`, that are called from those of the given names, these included."""
    out: set[int] = set()
    todo = [f for n in names for f in known.get(n, ())]
    while todo:
        f = todo.pop()
        if id(f) in out:
            continue
        out.add(id(f))
        for node in ast.walk(f):
            if isinstance(node, ast.Call):
                todo += called(node, known)
                if isinstance(node.func, ast.Name | ast.Attribute) and "forward" in known:
                    todo += [m for m in known["forward"] if id(m) not in out]
    return out
