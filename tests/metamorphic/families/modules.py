"""The same program in several files, or in a wrapper that decodes it."""

from __future__ import annotations

import base64
import bz2
import lzma
import zlib
from random import Random

import libcst as cst

from tests.metamorphic.trees import ENTRY, Edits, Files, NotApplicable, Program, expression, fresh, identifiers
from tests.unpack.packer import COMPRESSORS, NAMES, Way, pack


def split(files: Files, rng: Random) -> Files:
    """Move the first definitions of the script into one or two modules beside it."""
    out = dict(files)
    for _ in range(rng.randint(1, 2)):
        text = out[ENTRY]
        assert isinstance(text, str)
        program = Program(text)
        cuts = [i for i in range(3, len(program.module.body)) if _cut_holds(program, i)]
        if not cuts:
            break
        taken = identifiers(text) | {name.split(".")[0].split("/")[0] for name in out}
        name = next(
            n
            for n in rng.sample(("common", "core", "lib0", "model_parts", "aux_", "legal", "shared"), 7)
            if n not in taken
        )
        _move(program, rng.choice(cuts), name, out, rng)
    if len(out) == len(files):
        raise NotApplicable("no place to cut")
    return out


def _cut_holds(program: Program, cut: int) -> bool:
    """Whether no name is set on both sides, and nothing before asks for its own file or name."""
    first, rest = program.module.body[:cut], program.module.body[cut:]
    if all(_is_import(s) for s in first) or not isinstance(
        first[-1], cst.FunctionDef | cst.ClassDef | cst.SimpleStatementLine
    ):
        return False
    stores = [u for u in program.uses if u.how == "store" and u.scope is program.top]
    before, after = ({u.name for u in stores if (u.statement < cut) is side} for side in (True, False))
    head = cst.Module(first).code
    # A function that moved sees its own module's names only.
    below = {
        u.name for u in program.uses if u.how in ("store", "import") and u.scope is program.top and u.statement >= cut
    }
    reads = {
        u.name for u in program.uses if u.how == "load" and u.statement < cut and u.scope.owner(u.name) is program.top
    }
    known = program.bound_before(cut)
    return (
        not before & after
        and not reads & (below - known)
        and "__file__" not in head
        and "__name__" not in head
        and bool(rest)
    )


def _is_import(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.Import | cst.ImportFrom)


def _move(program: Program, cut: int, name: str, out: dict[str, str | bytes], rng: Random) -> None:
    first, rest = program.module.body[:cut], program.module.body[cut:]
    imports = [s for s in first if _is_import(s)]
    needed = sorted({u.name for u in program.uses if u.how == "store" and u.scope is program.top and u.statement < cut})
    tail_loads = [u for n in needed for u in program.of(n) if u.how == "load" and u.statement >= cut and u.node]
    wanted = sorted({u.name for u in tail_loads})
    if not wanted:
        raise NotApplicable("nothing of the first part is used")
    way = rng.choice(("from", "module", "alias", "star", "package", "spec", "exec"))
    if way == "star" and any(n.startswith("_") for n in wanted):
        way = "from"
    path, top = f"{name}.py", cst.Module(imports).code
    tail = cst.Module(rest).code
    if way in ("module", "alias", "spec"):
        as_name = name if way == "module" else fresh(rng, program.text, name)("z", "m", "base")
        edits: Edits = {u.node: expression(f"{as_name}.{u.name}") for u in tail_loads if u.node}
        edits |= {s: cst.RemoveFromParent() for s in first}
        tail = program.swap(edits)
        link = f"import {name}" if way == "module" else f"import {name} as {as_name}"
        if way == "spec":
            link = (
                "import importlib.util\nfrom pathlib import Path\n\n"
                f'_spec = importlib.util.spec_from_file_location("{name}", Path(__file__).resolve().parent / "{path}")\n'
                f"{as_name} = importlib.util.module_from_spec(_spec)\n_spec.loader.exec_module({as_name})"
            )
    elif way == "package":
        out[f"{name}/__init__.py"], path = "", f"{name}/parts.py"
        link = f"from {name}.parts import {', '.join(wanted)}"
    elif way == "exec":
        link = f'import os\n\nexec(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "{path}")).read(), globals())'
    else:
        link = f"from {name} import " + ("*" if way == "star" else ", ".join(wanted))
    out[path] = cst.Module(first).code
    out[ENTRY] = f"{top}{link}\n{tail}"


# Those of the packer's ways in which exec gets the module's own names, so that the program runs as before.
_SINKS = (
    "exec",
    "exec-decode",
    "compile",
    "eval-compile",
    "variables",
    "function",
    "alias",
    "builtins",
    "partial",
    "loop",
)
_COMPRESSORS = sorted(set(COMPRESSORS) - {"none", "zstd-object", "lzma-raw-delta"})
_ENCODINGS = ("b85", "b64", "a85", "hex", "bytes", "b64-lines", "reversed", "pieces", "adjacent", "urlsafe", "b32")


def packed(files: Files, rng: Random) -> Files:
    """Put the script into one to three layers of compression, text encoding and exec, or into a file beside it."""
    text = files[ENTRY]
    assert isinstance(text, str)
    out: dict[str, str | bytes] = dict(files)
    if rng.random() < 0.25:
        module, squeeze = rng.choice((("lzma", lzma.compress), ("zlib", zlib.compress), ("bz2", bz2.compress)))
        data = squeeze(text.encode())
        name, read = "payload.bin", f"{module}.decompress(f.read())"
        if rng.random() < 0.5:
            data, read = base64.b85encode(data), f"{module}.decompress(base64.b85decode(f.read()))"
        out[name] = data
        here = "os.path.dirname(os.path.abspath(__file__))"
        out[ENTRY] = (
            f'import base64, os, {module}\nwith open(os.path.join({here}, "{name}"), "rb") as f:\n    exec(compile({read}, "inner", "exec"))\n'
        )
        return out
    for _ in range(rng.choice((1, 1, 2, 3))):
        way = Way(rng.choice(_ENCODINGS), rng.choice(_COMPRESSORS), rng.choice(NAMES), rng.choice(_SINKS))
        text = pack(text, way)
    out[ENTRY] = text
    return out
