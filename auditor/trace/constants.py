"""Sizes that a program has built in, made small in a copy of its text: a second attempt only, and reported.

Programs that read no variable have their sizes as plain numbers: constants, class attributes, defaults of functions, and
keywords of calls. Only a number whose name says what it counts (as for settings) is changed, and nothing else of the
text: lines stay where they are, so that places in the report are those of the program as shipped.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from auditor.trace import knobs

# Sizes that only programs without variables have as plain numbers.
COUNTS = (
    (re.compile(r"(?:NUM_|N_|CALIB_|MAX_)?(?:SEQS|SEQUENCES|SAMPLES|NSAMPLES|CALIB_BATCHES|CALIBRATION_BATCHES)\Z"), 2),
    (
        re.compile(r"(?:N|NUM|ELBO|VAR_EVAL|EVAL|SAMPLING|DIFFUSION)_(?:EVAL_)?STEPS\Z|N_STEPS\Z|NUM_STEPS\Z"),
        knobs.STEPS,
    ),
    (re.compile(r"(?:BATCH_SIZE|MICRO_BATCH|BSZ|DEVICE_BATCH_SIZE|GRAD_ACCUM(?:_STEPS)?)\Z"), 2),
    (re.compile(r"(?:NUM_|N_)?EVAL_(?:SEQS|BATCHES|ITERS)\Z|VAL_BATCHES\Z"), 4),
)
LETTERS = {"T": (512, knobs.SEQUENCE), "T_MAX": (512, knobs.SEQUENCE), "B": (16, 4)}  # from what on, to what
FEW = 16  # steps: so many iterations of a formula, not of training
WIDE = re.compile(r"(?:MODEL_DIM|D_MODEL|N_EMBD|HIDDEN_DIM|HIDDEN_SIZE)\Z")


@dataclass(frozen=True)
class Change:
    """A number in the text and what takes its place. `column` counts bytes, as Python's parser does."""

    name: str
    line: int
    column: int
    end: int
    was: str
    now: str


def smaller(text: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """The text with small sizes, and {"name (line)": (what it was, what it is now)}."""
    changes = list(_changes(text))
    lines = text.encode().split(b"\n")
    for c in sorted(changes, key=lambda c: (c.line, -c.column)):
        line = lines[c.line - 1]
        lines[c.line - 1] = line[: c.column] + c.now.encode() + line[c.end :]
    return b"\n".join(lines).decode(), {f"{c.name} (line {c.line})": (c.was, c.now) for c in changes}


def _changes(text: str) -> Iterator[Change]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    seen: set[tuple[int, int]] = set()
    found = [(n, v) for n, v in _named(tree) if v.end_lineno == v.lineno and v.end_col_offset is not None]
    heads = next((int(k) for n, v in found if knobs.HEADS.match(n) and (k := knobs.number(ast.unparse(v)))), 8)
    if "triton" in text:  # a kernel's blocks may have to hold a whole row
        found = [(n, v) for n, v in found if n != "BLOCK_SIZE"]
    for name, value in found:
        written = ast.unparse(value)
        was = knobs.number(written)
        if was is None or was != int(was) or (value.lineno, value.col_offset) in seen:
            continue
        to = _small(name, was, heads)
        if to is not None and 0 < to < was:  # 0 is a word of settings: built-in numbers may be divided by
            seen.add((value.lineno, value.col_offset))
            assert value.end_col_offset is not None
            yield Change(name, value.lineno, value.col_offset, value.end_col_offset, written, str(int(to)))


def _small(name: str, was: float, heads: int) -> float | None:
    if WIDE.match(name):
        return knobs.width(was, heads, 0)
    if name in LETTERS:
        least, n = LETTERS[name]
        return n if was >= least else None
    if name.endswith("STEPS") and was < FEW:
        return None
    for pattern, n in COUNTS:
        if pattern.match(name):
            return min(was, n)
    return next((rule(was) for pattern, rule in knobs.RULES if pattern.match(name)), None)


def _named(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Plain numbers with the name they go by, in upper case."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            yield from _pair(node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _pair(node.target, node.value)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            a = node.args
            ordered = [*a.posonlyargs, *a.args]
            for arg, value in zip(ordered[len(ordered) - len(a.defaults) :], a.defaults, strict=True):
                yield from _plain(arg.arg, value)
            for arg, default in zip(a.kwonlyargs, a.kw_defaults, strict=True):
                if default is not None:
                    yield from _plain(arg.arg, default)
        elif isinstance(node, ast.Call):
            for k in node.keywords:
                if k.arg:
                    yield from _plain(k.arg, k.value)


def _pair(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name | ast.Attribute):
        yield from _plain(target.id if isinstance(target, ast.Name) else target.attr, value)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for t, v in zip(target.elts, value.elts, strict=True):
            yield from _pair(t, v)


def _plain(name: str, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(value, ast.Constant | ast.BinOp) and not any(
        isinstance(n, ast.Name | ast.Call) for n in ast.walk(value)
    ):
        yield name.upper(), value
