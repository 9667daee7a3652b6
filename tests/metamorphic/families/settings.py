"""The same settings from a dataclass, a namespace, a dictionary or the command line."""

from __future__ import annotations

from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import (
    Edits,
    NotApplicable,
    Program,
    after_imports,
    code,
    expression,
    fresh,
    one,
    some,
    statements,
)


def settings(text: str, rng: Random) -> str:
    """Settings that the module reads at its top become fields of one object."""
    program, new = Program(text), fresh(rng, text)
    runs = _runs(program)
    if not runs:
        raise NotApplicable("no settings")
    run = rng.choice(runs)
    lines = {n: v for s in run for n, v in [_setting(program, s)] if n}
    chosen = {n: code(lines[n]) for n in some(rng, sorted(lines))}
    if any(set(chosen) & _names(program, v) for v in lines.values()):
        raise NotApplicable("one setting is made from another")
    chosen = {n: chosen[n] for n in lines if n in chosen}
    store = new("args", "cfg", "H", "hp", "config")
    style = rng.choice(("dataclass", "factory", "class", "namespace", "dict", "argparse"))
    field = {n: n.lower() if n.lower() not in ("id",) else n for n in chosen}
    edits: Edits = {}
    take = f'{store}["{{0}}"]' if style == "dict" else f"{store}.{{0}}"
    for name in chosen:
        edits |= {node: expression(take.format(field[name])) for node in program.loads(name)}
    first = next(s for s in run if _setting(program, s)[0] in chosen)
    for s in run:
        if _setting(program, s)[0] in chosen:
            edits[s] = cst.RemoveFromParent()
    values = {field[n]: v for n, v in chosen.items()}
    edits[first] = cst.FlattenSentinel(statements(_object(style, store, new("Config", "Settings", "Hyper"), values)))
    changed = program.swap(edits)
    needed = {
        "dataclass": "import dataclasses",
        "factory": "import dataclasses",
        "argparse": "import argparse",
        "namespace": "import types",
    }
    return after_imports(changed, needed[style]) if style in needed else changed


def _names(program: Program, value: cst.CSTNode) -> set[str]:
    return {n.value for n in program.nodes(cst.Name, value)}


def _setting(program: Program, statement: cst.CSTNode) -> tuple[str, Any]:
    """Name and value if the statement is a setting: from the environment, or a plain constant in capitals."""
    assign = one(statement, cst.Assign)
    if assign is None or len(assign.targets) != 1 or not isinstance(assign.targets[0].target, cst.Name):
        return "", None
    name, value = assign.targets[0].target.value, assign.value
    plain = isinstance(value, cst.Integer | cst.Float | cst.SimpleString)
    if (
        program.bindings(name) != 1
        or not program.loads(name)
        or not ("environ" in code(value) or (plain and name.isupper()))
    ):
        return "", None
    return name, value


def _runs(program: Program) -> list[list[cst.CSTNode]]:
    """Settings that stand one below the other."""
    runs: list[list[cst.CSTNode]] = [[]]
    for s in program.module.body:
        if _setting(program, s)[0]:
            runs[-1].append(s)
        elif runs[-1]:
            runs.append([])
    return [r for r in runs if r]


def _object(style: str, store: str, kind: str, values: dict[str, str]) -> str:
    if style == "dict":
        return f"{store} = {{" + ", ".join(f'"{k}": {v}' for k, v in values.items()) + "}\n"
    if style == "namespace":
        return f"{store} = types.SimpleNamespace(" + ", ".join(f"{k}={v}" for k, v in values.items()) + ")\n"
    if style == "argparse":
        lines = [f"{kind} = argparse.ArgumentParser(allow_abbrev=False)"]
        for k, v in values.items():
            lines.append(f'{kind}.add_argument("--{k.replace("_", "-")}-", dest="{k}", default={v})')
        return "\n".join([*lines, f"{store} = {kind}.parse_known_args()[0]\n"])
    if style == "class":
        body = "\n".join(f"    {k} = {v}" for k, v in values.items())
        return f"class {kind}:\n{body}\n\n\n{store} = {kind}()\n"
    form = (
        "    {k}: object = dataclasses.field(default_factory=lambda: {v})"
        if style == "factory"
        else "    {k}: object = {v}"
    )
    body = "\n".join(form.format(k=k, v=v) for k, v in values.items())
    return f"@dataclasses.dataclass\nclass {kind}:\n{body}\n\n\n{store} = {kind}()\n"


def typed_arguments(text: str, rng: Random) -> str:
    """`int(os.environ.get("X", 5))` becomes `--x` of an argument parser with type int and default 5."""
    program, new = Program(text), fresh(rng, text)
    found = [(s, t) for run in _runs(program) for s in run if (t := _typed(_setting(program, s)[1]))]
    chosen = some(rng, found)
    parser, args = new("parser", "p", "cli"), new("args", "opt_", "known")
    lines, edits = [f"{parser} = argparse.ArgumentParser()"], {}
    for s, (kind, variable, default) in chosen:
        option = variable.lower().replace("_", "-")
        lines.append(f'{parser}.add_argument("--{option}", type={kind}, default={default})')
        edits[s] = lambda line, option=option: line.with_changes(
            body=[line.body[0].with_changes(value=expression(f"{args}.{option.replace('-', '_')}"))]
        )
    lines.append(f"{args}, _ = {parser}.parse_known_args()")
    return after_imports(program.swap(edits), "import argparse\n" + "\n".join(lines) + "\n")


def _typed(value: Any) -> tuple[str, str, str] | None:
    """Type, variable and default of `int(os.environ.get("X", 5))`; None if it is something else."""
    if not isinstance(value, cst.Call):
        return None
    kind, inner = code(value.func), value
    if kind in ("int", "float") and len(value.args) == 1:
        inner = value.args[0].value  # type: ignore[assignment]
    else:
        kind = "str"
    if not isinstance(inner, cst.Call) or code(inner.func) != "os.environ.get" or len(inner.args) != 2:
        return None
    name, default = (a.value for a in inner.args)
    plain = isinstance(default, cst.Integer | cst.Float | cst.SimpleString)
    if not isinstance(name, cst.SimpleString) or not plain:
        return None
    return kind, str(name.evaluated_value), f"{kind}({code(default)})"
