"""What the scripts beside the entry show by themselves: how the data were prepared, and what was searched beforehand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from auditor.source.plain.text import plain
from auditor.source.sights.documents import folds
from auditor.unpack.parse import walk
from rules.events import Observation, Sight
from rules.evidence import Evidence, Script
from rules.place import Location

ALL_DOCUMENTS = 50_000
MANY_SEEDS = 200
BLOB = 64  # characters
MAX_SCRIPTS = 40
_DOCS = re.compile(r"(?:^|_)val(?:idation)?_(?:num_)?doc(?:ument)?s?(?:_|$)|(?:^|_)doc(?:ument)?s_val|num_val_docs")
_DECODERS = frozenset(
    (
        "b85decode",
        "b64decode",
        "a85decode",
        "b32decode",
        "fromhex",
        "unhexlify",
        "standard_b64decode",
        "urlsafe_b64decode",
    )
)
_ORDERS = frozenset(("sorted", "nlargest", "nsmallest", "sort", "min", "max"))
_READERS = frozenset(("fromfile", "memmap", "load_data_shard", "frombuffer"))
_STARTS = frozenset(("run", "check_output", "check_call", "call", "Popen", "system"))
_BEST = frozenset(
    ("min", "max", "sorted", "argmin", "argmax", "minimize", "minimize_scalar", "differential_evolution", "brute")
)
_VAL_SHARD = re.compile(r"(?<![a-z])val(?:id|idation)?(?![a-z])[^ ]*\.bin")
_TRAIN_SHARD = re.compile(r"(?<![a-z])train(?:ing)?(?![a-z])[^ ]*\.bin")
_VAL_DUMP = re.compile(r"(?<![a-z])val(?:id|idation)?(?![a-z])[^ ]*\.(?:npz|npy|pt|pkl)")


def sweep(e: Evidence) -> tuple[Observation, ...]:
    """Observations about the scripts of the folder, the entry's own constants included."""
    out: list[Observation] = []
    entry = e.package.entry
    for s in e.package.scripts[:MAX_SCRIPTS]:
        if s.role in ("native", "shell") or not s.text or s.syntax_error:
            continue
        tree = plain(s.text).tree
        if tree is None:
            continue
        if entry is not None and s.path == entry.path:
            out += _constants(s, tree)
        else:
            out += [*_text(s, tree), *_documents(s, tree), *_searches(s, tree)]
    return tuple(out)


def _at(s: Script, line: int) -> Location:
    lines = s.text.splitlines()
    text = lines[line - 1].strip()[:240] if 0 < line <= len(lines) else ""
    return Location(s.path, line or None, text, len(s.layers))


def _called(n: ast.Call) -> str:
    return n.func.attr if isinstance(n.func, ast.Attribute) else n.func.id if isinstance(n.func, ast.Name) else ""


def _text(s: Script, tree: ast.Module) -> Iterator[Observation]:
    for line, what in folds(tree):
        yield Observation(Sight.CASEFOLD, _at(s, line), what)


def _documents(s: Script, tree: ast.Module) -> Iterator[Observation]:
    """An option or a variable with fewer validation documents than the challenge has."""
    for n in walk(tree):
        if (
            not isinstance(n, ast.Call)
            or not n.args
            or not isinstance(n.args[0], ast.Constant)
            or not isinstance(n.args[0].value, str)
        ):
            continue
        name = n.args[0].value.lstrip("-").replace("-", "_").lower()
        if not _DOCS.search(name):
            continue
        default: ast.expr | None = None
        if _called(n) == "add_argument":
            default = next((k.value for k in n.keywords if k.arg == "default"), None)
        elif _called(n) in ("get", "getenv") and len(n.args) > 1:
            default = n.args[1]
        count = _number(default, tree)
        if count is not None and 0 < count < ALL_DOCUMENTS:
            what = f"{n.args[0].value} is {count:,} unless it is given"
            yield Observation(
                Sight.DOCS_DEFAULT, _at(s, n.lineno), what, detail=(("option", n.args[0].value), ("count", str(count)))
            )


def _number(n: ast.expr | None, tree: ast.Module) -> int | None:
    if isinstance(n, ast.Constant):
        if isinstance(n.value, int):
            return n.value
        if isinstance(n.value, str) and n.value.replace("_", "").isdigit() and len(n.value) < 12:
            return int(n.value)
    if isinstance(n, ast.Name):
        for s in tree.body:
            if (
                isinstance(s, ast.Assign)
                and any(isinstance(t, ast.Name) and t.id == n.id for t in s.targets)
                and isinstance(s.value, ast.Constant)
            ):
                return _number(s.value, tree)
    return None


def _searches(s: Script, tree: ast.Module) -> Iterator[Observation]:
    """Scripts that choose training shards, seeds or settings before the run."""
    calls = [n for n in walk(tree) if isinstance(n, ast.Call)]
    names = {_called(n) for n in calls}
    texts = [
        n.value.lower()
        for n in walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and len(n.value) < 300
    ]
    reads_val = next((t for t in texts if _VAL_SHARD.search(t)), "")
    if reads_val and names & _READERS:
        for n in calls:
            if _called(n) in _ORDERS and any(k.arg == "key" for k in n.keywords) and _train_files(n, tree):
                what = "training shards are ordered by what is computed from the validation tokens"
                yield Observation(
                    Sight.VAL_SELECTION, _at(s, n.lineno), what, detail=(("choice", "shards"),), certain=False
                )
                break
    long = [
        n
        for n in calls
        if _called(n) == "range"
        and n.args
        and isinstance(n.args[-1], ast.Constant)
        and isinstance(n.args[-1].value, int)
        and n.args[-1].value >= MANY_SEEDS
    ]
    if long and names & _STARTS and names & _BEST and any("train" in t and t.endswith(".py") for t in texts):
        what = f"a training script is started for up to {long[0].args[-1].value:,} values and the best one is picked"  # type: ignore[attr-defined]
        yield Observation(
            Sight.EXTERNAL_WEIGHTS, _at(s, long[0].lineno), what, detail=(("kind", "seeds"),), certain=False
        )
    dump = next(
        (
            n
            for n in calls
            if _called(n) in ("load", "read_pickle")
            and n.args
            and isinstance(n.args[0], ast.Constant)
            and _VAL_DUMP.search(str(n.args[0].value).lower())
        ),
        None,
    )
    if dump is not None and names & _BEST:
        what = "settings are fitted to stored predictions for the validation text"
        yield Observation(Sight.EXTERNAL_WEIGHTS, _at(s, dump.lineno), what, detail=(("kind", "dump"),), certain=False)


def _train_files(n: ast.Call, tree: ast.Module) -> bool:
    """Whether what is put in order is a list of training shards."""
    for a in n.args:
        names = {x.id for x in ast.walk(a) if isinstance(x, ast.Name)}
        bound = [
            x.value
            for x in walk(tree)
            if isinstance(x, ast.Assign) and any(isinstance(t, ast.Name) and t.id in names for t in x.targets)
        ]
        for v in (a, *bound):
            for x in ast.walk(v):
                if isinstance(x, ast.Constant) and isinstance(x.value, str) and _TRAIN_SHARD.search(x.value.lower()):
                    return True
    return False


def _constants(s: Script, tree: ast.Module) -> Iterator[Observation]:
    """Encoded numbers in the program that nothing in the folder computes."""
    nodes = list(walk(tree))
    if not any(isinstance(n, ast.Call) and _called(n) == "frombuffer" for n in nodes):
        return
    bound = {
        t.id: n.value
        for n in nodes
        if isinstance(n, ast.Assign)
        for t in n.targets
        if isinstance(t, ast.Name) and isinstance(n.value, ast.Constant)
    }
    for n in nodes:
        if isinstance(n, ast.Call) and _called(n) in _DECODERS and n.args:
            given: ast.expr = n.args[0]
            if isinstance(given, ast.Name):
                given = bound.get(given.id, given)
            if isinstance(given, ast.Constant) and isinstance(given.value, (str, bytes)) and len(given.value) >= BLOB:
                what = f"{len(given.value):,} characters of the program are decoded into numbers"
                yield Observation(
                    Sight.EXTERNAL_WEIGHTS,
                    _at(s, n.lineno),
                    what,
                    detail=(("kind", "constant"), ("size", str(len(given.value)))),
                )
