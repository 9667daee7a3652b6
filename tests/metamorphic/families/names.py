"""Other names for the same things, and the same text in as few characters as it takes."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import RESERVED, Edits, NotApplicable, Program, below, identifiers

_TORCH = """
data grad weight bias shape dtype device ndim forward backward parameters training eval train requires_grad hidden_size sum
mean max min log exp step zero_grad state_dict named_parameters modules children apply to cuda cpu numpy tolist item size numel
view param_groups state begin end id pieces load loads dumps save read seek update in_features out_features detach clone double
float half long T name path file files bits model optimizer opt
"""
_MISLEADING = """
legal_ttt score_first compliant_eval train_tokens validation_set graded safe_update prefix_only causal_scores honest_total
already_scored calibration_from_train single_pass normalised
"""
# Attributes that libraries define as well: renaming ours would rename theirs.
_BUILTIN = (dict, list, set, str, bytes, int, float, tuple, object)
LIBRARY = {*_TORCH.split(), *(name for kind in _BUILTIN for name in dir(kind))}


def renames(text: str, rng: Random) -> str:
    """Rename variables, functions, classes, methods, attributes and arguments, and the aliases of imports."""
    return _renamed(Program(text), rng, _names(rng, text), rng.choice((0.5, 0.8, 1.0)))


def minified(text: str, rng: Random) -> str:
    """Drop comments, docstrings and blank lines, use names of one letter, and join lines with semicolons."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    plain = ast.unparse(tree) + "\n"
    if rng.random() < 0.7:
        plain = _renamed(Program(plain), rng, _letters(plain), 1.0)
    joined = cst.parse_module(plain).visit(_Join())
    return joined.with_changes(default_indent=" ").code if rng.random() < 0.9 else joined.code


def _letters(text: str) -> Iterator[str]:
    taken = identifiers(text) | RESERVED
    for n in itertools.count(1):
        for letters in itertools.product("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", repeat=n):
            if (name := "".join(letters)) not in taken:
                yield name


def _names(rng: Random, text: str) -> Iterator[str]:
    style = rng.choice(("letters", "misleading", "underscores", "words"))
    if style == "letters":
        yield from _letters(text)
    taken, pool = identifiers(text), _MISLEADING.split()
    rng.shuffle(pool)
    for n in itertools.count():
        name = (
            f"_{n:x}" if style == "underscores" else pool[n] if style == "misleading" and n < len(pool) else f"w{n}ord"
        )
        if name not in taken:
            yield name


def _renamed(program: Program, rng: Random, names: Iterator[str], share: float) -> str:
    edits: Edits = {}
    attributes = _own_attributes(program)
    keyword_names = {arg.keyword.value for _, arg, _ in program.keywords if arg.keyword}
    foreign = {
        arg.keyword.value for call, arg, _ in program.keywords if arg.keyword and not _ours(program, call, attributes)
    }
    parameter_names: dict[str, str] = {}

    for (scope, name), uses in program.by_owner.items():
        how = {u.how for u in uses if u.how != "load"}
        if not how or _fixed(name) or rng.random() > share or (scope.kind == "class" and "import" not in how):
            continue
        if any(u.node is None for u in uses if u.how == "import") or ("declare" in how and scope is not program.top):
            continue
        if "param" in how and scope.kind == "function":
            if name in keyword_names & foreign or "declare" in how or _starred(scope.node, name):
                continue
            if name in keyword_names and isinstance(scope.node, cst.FunctionDef):
                new = parameter_names.setdefault(name, "") or next(names)
                parameter_names[name] = new
            else:
                new = next(names)
        else:
            new = next(names)
        edits |= {u.node: cst.Name(new) for u in uses if u.node}

    # A parameter that is passed by keyword has one new name in every function of ours.
    for (_, name), uses in program.by_owner.items():
        if name in parameter_names and parameter_names[name] and any(u.how == "param" for u in uses):
            edits |= {u.node: cst.Name(parameter_names[name]) for u in uses if u.node}
    for _, arg, _ in program.keywords:
        if arg.keyword and parameter_names.get(arg.keyword.value):
            edits[arg.keyword] = cst.Name(parameter_names[arg.keyword.value])

    new_attributes = {a: next(names) for a in sorted(attributes) if rng.random() <= share}
    for node in _every(program.module, cst.Attribute):
        if node.attr.value in new_attributes:
            edits[node.attr] = cst.Name(new_attributes[node.attr.value])
    for definition in _methods(program):
        if definition.name.value in new_attributes:
            edits[definition.name] = cst.Name(new_attributes[definition.name.value])
    return program.swap(edits)


def _fixed(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _starred(function: cst.CSTNode, name: str) -> bool:
    params = function.params  # type: ignore[attr-defined]
    return any(isinstance(p, cst.Param) and p.name.value == name for p in (params.star_arg, params.star_kwarg))


def _every(root: cst.CSTNode, kind: type) -> Iterator[Any]:
    return (n for n in below(root) if isinstance(n, kind))


def _methods(program: Program) -> list[cst.FunctionDef]:
    return [
        s
        for c in _every(program.module, cst.ClassDef)
        for s in c.body.body
        if isinstance(s, cst.FunctionDef) and not _fixed(s.name.value)
    ]


def _own_attributes(program: Program) -> set[str]:
    """Attributes that only our classes define: methods, and what is set on `self`."""
    own = {m.name.value for m in _methods(program)}
    for target in _every(program.module, cst.AssignTarget):
        own |= {
            a.attr.value
            for a in _every(target, cst.Attribute)
            if isinstance(a.value, cst.Name) and a.value.value == "self"
        }
    imported = program.imported() | {u.name for u in program.uses if u.how == "import"}
    elsewhere = {
        a.attr.value
        for a in _every(program.module, cst.Attribute)
        if isinstance(a.value, cst.Name) and a.value.value in imported
    }
    return {a for a in own if not _fixed(a)} - LIBRARY - elsewhere


def _ours(program: Program, call: cst.Call, attributes: set[str]) -> bool:
    """Whether a call goes to a function, class or method of the script."""
    if isinstance(call.func, cst.Name):
        return call.func.value in {
            s.name.value for s in program.module.body if isinstance(s, cst.FunctionDef | cst.ClassDef)
        }
    return isinstance(call.func, cst.Attribute) and call.func.attr.value in attributes


class _Join(cst.CSTTransformer):
    """Puts runs of simple statements on one line, and short bodies behind the colon."""

    def leave_IndentedBlock(self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock) -> cst.BaseSuite:
        body = _joined(updated_node.body)
        if len(body) == 1 and isinstance(body[0], cst.SimpleStatementLine):
            return cst.SimpleStatementSuite(body[0].body, leading_whitespace=cst.SimpleWhitespace(""))
        return updated_node.with_changes(body=body)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        return updated_node.with_changes(body=_joined(updated_node.body))


def _joined(body: Any) -> list[Any]:
    out: list[Any] = []
    for s in body:
        s = s.with_changes(leading_lines=[]) if hasattr(s, "leading_lines") else s
        simple = isinstance(s, cst.SimpleStatementLine)
        if out and simple and isinstance(out[-1], cst.SimpleStatementLine):
            semicolon = cst.Semicolon(whitespace_after=cst.SimpleWhitespace(""))
            head = [b.with_changes(semicolon=semicolon) for b in out[-1].body]
            out[-1] = out[-1].with_changes(body=[*head, *s.body])
        else:
            out.append(s)
    if not out:
        raise NotApplicable("empty block")
    return out
