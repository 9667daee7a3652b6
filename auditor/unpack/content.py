"""What a program is for, told from the names in it: does it train, does it evaluate, does it prepare data."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass

from auditor.unpack.parse import parse, walk
from auditor.unpack.wordset import wordset

_LEARN = wordset("backward value_and_grad grad jvp vjp")
_STEP = wordset("step zero_grad apply_gradients update apply_updates optimizer optimizers optim")
_SCORE = re.compile(r"val_bpb|val_loss|bits_per_byte|\bbpb\b|eval_val", re.IGNORECASE)
_PREPARE = re.compile(r"fineweb_(train|val)_|\.bin$|SentencePieceTrainer|load_dataset|docs_selected", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Content:
    """Signs found in a text. `weight` is its number of statements and expressions, constants left out."""

    trains: bool = False
    evaluates: bool = False
    writes_shards: bool = False
    weight: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        """Larger for a text that is more of a training script."""
        return 2 * self.trains + self.evaluates, self.weight


@functools.lru_cache(maxsize=8)
def content(text: str) -> Content:
    """Look at the names and strings of a program; comments and docstrings tell nothing."""
    tree = parse(text).tree
    if tree is None:
        names, strings = set(_WORD.findall(text[:2_000_000])), [text[:2_000_000]]
        weight = len(text) // 8
    else:
        names, strings, weight = _vocabulary(tree)
    trains = bool(names & _LEARN) and bool(names & _STEP)
    evaluates = any(_SCORE.search(n) for n in names) or any(_SCORE.search(s) for s in strings)
    writes = ("tofile" in names or "SentencePieceTrainer" in names) and any(
        _PREPARE.search(s) for s in (*strings, *names)
    )
    return Content(trains, evaluates, writes, weight)


def _vocabulary(tree: ast.Module) -> tuple[set[str], list[str], int]:
    names: set[str] = set()
    strings: list[str] = []
    weight = 0
    for node in walk(tree):
        weight += isinstance(node, ast.stmt | ast.expr) and not isinstance(node, ast.Constant)
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword):
            names.add(node.arg or "")
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 300:
            strings.append(node.value)
    return names, strings, weight
