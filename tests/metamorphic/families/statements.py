"""The same statements in another order or another form."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import (
    Edits,
    Fresh,
    NotApplicable,
    Program,
    below,
    code,
    expression,
    free_and_bound,
    fresh,
    one,
    parameters,
    some,
    statements,
)


def reordered(text: str, rng: Random) -> str:
    """Exchange definitions that do not need each other, and statement forms that mean the same."""
    done = 0
    ways = [_definitions, _forms, _forms, _walrus, _tuples]
    rng.shuffle(ways)
    for way in ways:
        try:
            text = way(text, rng)
            done += 1
        except NotApplicable:
            continue
    if not done:
        raise NotApplicable("nothing to exchange")
    return text


def _definitions(text: str, rng: Random) -> str:
    """Shuffle runs of functions whose definition itself runs nothing but each other's header."""
    program = Program(text)
    runs: list[list[Any]] = [[]]
    for s in program.module.body:
        if isinstance(s, cst.FunctionDef) and program.bindings(s.name.value) == 1:
            runs[-1].append(s)
        elif runs[-1]:
            runs.append([])
    edits: Edits = {}
    for run in runs:
        names = {f.name.value for f in run}
        headers = {
            n.value for f in run for part in (*f.decorators, *_defaults(f)) for n in program.nodes(cst.Name, part)
        }
        if len(run) > 1 and not headers & names:
            shuffled = run[:]
            rng.shuffle(shuffled)
            edits |= dict(zip(run, shuffled, strict=True))
    return program.swap(edits)


def _defaults(f: cst.FunctionDef) -> list[cst.BaseExpression]:
    return [p.default for p in parameters(f.params) if p.default]


def _forms(text: str, rng: Random) -> str:
    """Conditional expression ↔ if statement, inverted conditions, a result with a name."""
    program, new = Program(text), fresh(rng, text)
    places: list[tuple[cst.CSTNode, Any]] = []
    for line in program.nodes(cst.SimpleStatementLine):
        assign, ret = one(line, cst.Assign), one(line, cst.Return)
        if assign is not None and isinstance(assign.value, cst.IfExp):
            places.append((line, _as_statement))
        if ret is not None and ret.value is not None:
            places += [(line, _named(new)), (line, _boxed(new))]
        if assign is not None and len(assign.targets) == 1 and isinstance(assign.targets[0].target, cst.Name):
            places.append((line, _twice(new)))
    for node in program.nodes(cst.If):
        if isinstance(node.body, cst.IndentedBlock) and not _is_elif(program, node):
            if node.orelse is None:
                places += [(node, _inverted), (node, _inverted)]
            elif isinstance(node.orelse, cst.Else) and isinstance(node.orelse.body, cst.IndentedBlock):
                places += [(node, _exchanged), (node, _exchanged)]
    edits: Edits = {}
    for node, way in some(rng, places, 6):
        edits.setdefault(node, way)
    return program.swap(edits)


def _is_elif(program: Program, node: cst.If) -> bool:
    return any(n.orelse is node for n in program.nodes(cst.If))


def _as_statement(line: Any) -> Any:
    assign = line.body[0]
    target, choice = code(assign.targets[0].target), assign.value
    if len(assign.targets) != 1:
        return line
    text = f"if {code(choice.test)}:\n    {target} = {code(choice.body)}\nelse:\n    {target} = {code(choice.orelse)}\n"
    return cst.FlattenSentinel(statements(text))


def _named(new: Fresh) -> Any:
    name = new("result", "answer_", "legal_total")
    return lambda line: cst.FlattenSentinel(statements(f"{name} = {code(line.body[0].value)}\nreturn {name}"))


def _boxed(new: Fresh) -> Any:
    name = new("pair", "packed", "both")
    return lambda line: cst.FlattenSentinel(
        statements(f"{name} = (({code(line.body[0].value)}), None)\nreturn {name}[0]")
    )


def _twice(new: Fresh) -> Any:
    name = new("tmp", "hold", "copy_")

    def way(line: Any) -> Any:
        target = code(line.body[0].targets[0].target)
        return cst.FlattenSentinel([*statements(f"{name} = {code(line.body[0].value)}\n{target} = {name}")])

    return way


def _inverted(node: Any) -> Any:
    """`if c: a` becomes `if not c: pass else: a`."""
    shell = statements(f"if not ({code(node.test)}):\n    pass\nelse:\n    pass\n")[0]
    return shell.with_changes(orelse=shell.orelse.with_changes(body=node.body))


def _exchanged(node: Any) -> Any:
    shell = statements(f"if not ({code(node.test)}):\n    pass\nelse:\n    pass\n")[0]
    return shell.with_changes(body=node.orelse.body, orelse=shell.orelse.with_changes(body=node.body))


def _walrus(text: str, rng: Random) -> str:
    """`x = e` and a statement that begins by reading x become one statement with `(x := e)`."""
    program = Program(text)
    edits: Edits = {}
    touched: set[cst.CSTNode] = set()
    for body in program.nodes((cst.IndentedBlock, cst.Module)):
        for line, follower in itertools.pairwise(body.body):
            assign = one(line, cst.Assign)
            if assign is None or line in touched or len(assign.targets) != 1:
                continue
            if not isinstance(assign.targets[0].target, cst.Name):
                continue
            first = _first_read(follower)
            target = assign.targets[0].target.value
            free = isinstance(assign.value, cst.Tuple) and not assign.value.lpar
            if first is not None and first.value == target and not free and not _in_class(program, body):
                touched |= {line, follower}
                edits[line] = cst.RemoveFromParent()
                edits[first] = expression(f"({target} := {code(assign.value)})")
    chosen = {}
    pairs = list(edits.items())
    for i in range(0, len(pairs), 2):
        if rng.random() < 0.7:
            chosen |= dict(pairs[i : i + 2])
    return program.swap(chosen)


def _in_class(program: Program, body: cst.CSTNode) -> bool:
    return any(c.body is body for c in program.nodes(cst.ClassDef))


def _first_read(statement: cst.CSTNode) -> cst.Name | None:
    """The name that a statement evaluates before anything else."""
    node: Any
    if isinstance(statement, cst.If):
        node = statement.test
    elif isinstance(statement, cst.SimpleStatementLine) and isinstance(
        statement.body[0], cst.Assign | cst.Return | cst.Expr
    ):
        node = statement.body[0].value
    else:
        return None
    while node is not None:
        if isinstance(node, cst.Name):
            return node
        if isinstance(node, cst.BinaryOperation | cst.Comparison | cst.BooleanOperation):
            node = node.left
        elif isinstance(node, cst.Attribute | cst.Subscript):
            node = node.value
        elif isinstance(node, cst.Call):
            node = node.func
        elif isinstance(node, cst.UnaryOperation):
            node = node.expression
        else:
            return None
    return None


def _tuples(text: str, rng: Random) -> str:
    """`a, b = x, y` as two statements, and two statements that do not touch each other as one."""
    program = Program(text)
    edits: Edits = {}
    for body in program.nodes((cst.IndentedBlock, cst.Module)):
        for line, follower in zip(body.body, [*body.body[1:], None], strict=True):
            one_, two = one(line, cst.Assign), one(follower, cst.Assign) if follower is not None else None
            if one_ is None or line in edits or rng.random() < 0.4:
                continue
            target, value = one_.targets[0].target, one_.value
            if len(one_.targets) == 1 and isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
                if _apart(target, value):
                    pairs = zip(target.elements, value.elements, strict=True)
                    edits[line] = cst.FlattenSentinel(
                        statements("\n".join(f"{code(a.value)} = {code(b.value)}" for a, b in pairs))
                    )
            elif two is not None and len(two.targets) == len(one_.targets) == 1 and isinstance(target, cst.Name):
                second = two.targets[0].target
                own = {n.value for n in program.nodes(cst.Name, two.value)}
                if (
                    isinstance(second, cst.Name)
                    and second.value != target.value
                    and target.value not in own
                    and _pure(two.value)
                ):
                    left = f"{target.value}, {second.value}"
                    edits[line] = cst.FlattenSentinel(statements(f"{left} = ({code(value)}), ({code(two.value)})"))
                    edits[follower] = cst.RemoveFromParent()
    return program.swap(edits)


def _pure(value: cst.CSTNode) -> bool:
    """Whether an expression calls nothing of ours, which might look at the name that is not set yet."""
    return not isinstance(value, cst.Call) and not any(isinstance(n, cst.Call) for n in below(value))


def _apart(target: cst.Tuple, value: cst.Tuple) -> bool:
    if len(target.elements) != len(value.elements) or any(
        isinstance(e, cst.StarredElement) for e in (*target.elements, *value.elements)
    ):
        return False
    names = [e.value.value for e in target.elements if isinstance(e.value, cst.Name)]
    if len(names) != len(target.elements):
        return False
    read = free_and_bound(f"_ = {code(value)}")[0]
    return not set(names) & read
