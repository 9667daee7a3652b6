"""Which script of a record folder the claim comes from.

It is `train_gpt.py` in the folder's root, unless that only runs another file of the folder as it
stands (then that file), or unless the run commands of README and shell scripts name another training
script and never `train_gpt.py`. Without a `train_gpt.py`, it is the training script that the run
commands name, else the one whose size or name submission.json gives, else the one that trains and
evaluates, files in the root and names that begin with `train` first, else one that evaluates.
Further versions and ablations are not chosen.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field

from auditor.unpack import Unpacked
from auditor.unpack.content import Content
from rules.evidence import Command

_CLAIM_NUMBER = re.compile(r"(?<![\w.])([1-9]\d{2,8})(?![\w.])")


THIN = 400  # statements and expressions: a larger script that evaluates is no mere loader


@dataclass
class Program:
    """One Python file, opened. `needs` are files of the folder that it uses."""

    path: str
    size: int
    sha256: str
    unpacked: Unpacked
    needs: tuple[str, ...] = ()
    content: Content = field(default_factory=Content)

    @property
    def trains(self) -> bool:
        return self.content.trains and self.content.evaluates


def choose_entry(programs: dict[str, Program], commands: list[Command], metadata: str) -> str:
    """The path of the script that the claim comes from, "" if there is none; see above."""
    named = list(dict.fromkeys(p for c in commands for a in (c.program, *c.args) for p in _meant(a, programs)))
    trainers = [p for p in programs.values() if p.trains]
    usual = programs.get("train_gpt.py")
    if usual is not None:
        if "train_gpt.py" not in named:
            other = next((n for n in named if _displaces(programs[n], usual)), "")
            if other:
                return _loaded(other, programs)
        behind = _loaded(usual.path, programs)
        leads = any(programs[n].trains for n in reach([usual.path], programs) if n in programs)
        if behind != usual.path or leads or usual.content.evaluates or usual.unpacked.problem or not trainers:
            return behind
    pool = trainers or [
        p for p in programs.values() if p.content.trains or posixpath.basename(p.path).startswith("train")
    ]
    pool = pool or [p for p in programs.values() if p.content.evaluates and "/" not in p.path]
    pool += [p for p in programs.values() if _loaded(p.path, programs) != p.path]
    if not pool:
        return usual.path if usual else ""
    numbers = {int(n) for n in _CLAIM_NUMBER.findall(metadata)}

    def fit(p: Program) -> tuple[bool, bool, bool, bool, int, bool, int, str]:
        name = posixpath.basename(p.path)
        return (
            p.path not in named,
            f'"{name}"' not in metadata and p.size not in numbers,
            not p.trains and not p.unpacked.runs,
            not name.startswith("train_gpt"),
            p.path.count("/"),
            not name.startswith("train"),
            -p.content.weight,
            p.path,
        )

    return _loaded(min(pool, key=fit).path, programs)


def _displaces(other: Program, usual: Program) -> bool:
    """Whether a script that the run commands name is the claim's, and `train_gpt.py`, which they do not, is not.

    A packed train_gpt.py is the shipped form of the readable script that a README runs; a small script
    under another name is a test.
    """
    if not other.trains or (usual.trains and usual.unpacked.layers):
        return False
    alike = posixpath.basename(other.path).startswith("train") or 2 * other.content.weight > usual.content.weight
    return alike or not usual.trains


def _meant(word: str, programs: dict[str, Program]) -> list[str]:
    """Programs that a word of a command may mean: the longest path that it ends in."""
    word = word.strip("\"'").replace("\\", "/").removeprefix("./")
    if not word.endswith(".py"):
        return []
    fits = [p for p in programs if word == p or word.endswith("/" + p)]
    if fits:
        return [max(fits, key=len)]
    same = [p for p in programs if posixpath.basename(p) == posixpath.basename(word)]
    return same if len(same) == 1 else []


def _loaded(path: str, programs: dict[str, Program]) -> str:
    """The file behind a loader: a script that does not train itself and runs a sibling that does."""
    for _ in range(4):
        p = programs[path]
        if p.trains or (p.content.evaluates and p.content.weight > THIN):
            return path
        behind = [r for r in p.unpacked.runs if r in programs]
        best = next((r for r in behind if programs[r].trains or programs[r].unpacked.runs), "")
        if not best:
            return path
        path = best
    return path


def reach(starts: list[str], programs: dict[str, Program]) -> set[str]:
    """Every file that these files need, directly or through others; they themselves included."""
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += programs[at].needs if at in programs else ()
    return seen
