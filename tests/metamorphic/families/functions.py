"""Small functions put in where they are called, and runs of statements taken out into functions."""

from __future__ import annotations

import ast
import itertools
from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import (
    Edits,
    NotApplicable,
    Program,
    below,
    code,
    expression,
    free_and_bound,
    fresh,
    one,
    parameters,
    parse,
    path_to,
    statements,
)

_NO_GRAD = ("torch.no_grad()", "torch.inference_mode()")


def inlined(text: str, rng: Random) -> str:
    """Calls of small functions are replaced by what the functions do."""
    done = 0
    for _ in range(rng.randint(1, 4)):
        try:
            text = _inline_one(text, rng)
            done += 1
        except NotApplicable:
            break
    if not done:
        raise NotApplicable("no function small enough")
    return text


def _inline_one(text: str, rng: Random) -> str:
    program = Program(text)
    lines = [(line, call) for line in program.nodes(cst.SimpleStatementLine) if (call := _call_of(line))]
    places = []
    for name, function in program.functions().items():
        called = set(program.loads(name))
        found = [(function, line, call) for line, call in lines if call.func in called]
        places += found if found and _straight(function, program) else []
    rng.shuffle(places)
    for function, line, call in places:
        if _fits(program, function, call):
            return program.swap({line: cst.FlattenSentinel(_body_for(program, function, line, call, rng))})
    raise NotApplicable("no call that could be replaced")


def _call_of(line: cst.SimpleStatementLine) -> cst.Call | None:
    """The call if the line is `f(…)`, `x = f(…)`, `x += f(…)` or `return f(…)`, also with something done to the result."""
    if len(line.body) != 1 or not isinstance(line.body[0], cst.Expr | cst.Assign | cst.AugAssign | cst.Return):
        return None
    value: Any = line.body[0].value
    while isinstance(value, cst.Attribute) or (isinstance(value, cst.Call) and isinstance(value.func, cst.Attribute)):
        value = value.func if isinstance(value, cst.Call) else value.value
    return value if isinstance(value, cst.Call) and isinstance(value.func, cst.Name) else None


def _straight(function: cst.FunctionDef, program: Program) -> bool:
    """Whether the body ends in its only return and holds nothing that needs a frame of its own."""
    if not isinstance(function.body, cst.IndentedBlock):
        return False
    if any(code(d.decorator) not in _NO_GRAD for d in function.decorators):
        return False
    if any(isinstance(p, cst.Param) for p in (function.params.star_arg, function.params.star_kwarg)):
        return False
    inner = (
        cst.Yield,
        cst.Global,
        cst.Nonlocal,
        cst.FunctionDef,
        cst.ClassDef,
        cst.Import,
        cst.ImportFrom,
        cst.FormattedString,
    )
    if len(program.nodes(inner, function.body)) > 0:
        return False
    returns = program.nodes(cst.Return, function.body)
    return not returns or (len(returns) == 1 and one(function.body.body[-1], cst.Return) is returns[0])


def _fits(program: Program, function: cst.FunctionDef, call: cst.Call) -> bool:
    names = [p.name.value for p in parameters(function.params)]
    if any(a.star for a in call.args) or len(call.args) > len(names):
        return False
    around = next((n for n in reversed(path_to(program.module, call)) if isinstance(n, cst.FunctionDef)), None)
    if around is function:
        return False
    free, bound = free_and_bound(_plain(function))
    here = program.scopes[around].bound if around else set()
    above = [
        program.scopes[n].bound for n in path_to(program.module, call) if isinstance(n, cst.FunctionDef | cst.ClassDef)
    ]
    given = set(names[: len([a for a in call.args if not a.keyword])]) | {
        a.keyword.value for a in call.args if a.keyword
    }
    defaults = {p.name.value: p.default for p in parameters(function.params)}
    missing = [n for n in names if n not in given]
    if any(not isinstance(defaults[n], cst.Integer | cst.Float | cst.SimpleString) for n in missing):
        return False
    return not (free - set(names) - bound) & (here | set().union(*above))


def _plain(function: cst.FunctionDef) -> str:
    return cst.Module(function.body.body).code.replace("return ", "_ = ")


def _body_for(program: Program, function: cst.FunctionDef, line: Any, call: cst.Call, rng: Random) -> list[Any]:
    new = fresh(rng, program.text)
    scope = program.scopes[function]
    names = {n: new(f"{function.name.value}_{n}", n) for n in sorted(scope.bound)}
    edits: Edits = {
        u.node: cst.Name(names[u.name])
        for u in program.uses
        if u.node and u.scope.owner(u.name) is scope and u.name in names
    }
    renamed = parse(program.swap(edits))
    twin = next(s for s in renamed.body if isinstance(s, cst.FunctionDef) and s.name.value == function.name.value)
    order = [p.name.value for p in parameters(function.params)]
    values = dict(zip(order, (a.value for a in call.args if not a.keyword), strict=False))
    values |= {a.keyword.value: a.value for a in call.args if a.keyword}
    defaults = {p.name.value: p.default for p in parameters(function.params)}
    sequence = [*values, *(n for n in order if n not in values)]
    lines = [f"{names[n]} = {code(values.get(n) or defaults[n])}" for n in sequence]
    out: list[Any] = [s for text in lines for s in statements(text)]
    inner = list(twin.body.body)
    result = one(inner[-1], cst.Return)
    value = "None"
    if result is not None:
        value = f"({code(result.value)})" if result.value else "None"
        inner = inner[:-1]
    if twin.decorators:  # what ran without gradients still does
        kept = new("result", "out", "value")
        inner = [*inner, *statements(f"{kept} = {value}")]
        guard = cst.parse_statement(f"with {code(function.decorators[0].decorator)}:\n    pass\n")
        assert isinstance(guard, cst.With)
        out.append(guard.with_changes(body=guard.body.with_changes(body=inner)))
        value = kept
    else:
        out += inner
    small = line.body[0]
    if isinstance(small, cst.Expr) and small.value is call:
        if result is not None and not twin.decorators:
            out += statements(value)
    else:
        out.append(line.with_changes(leading_lines=[], body=[small.deep_replace(call, expression(value))]))
    return out


def outlined(text: str, rng: Random) -> str:
    """A run of statements moves into a new function, which gets what it reads and returns what it sets."""
    done = 0
    for _ in range(rng.randint(1, 3)):
        try:
            text = _outline_one(text, rng)
            done += 1
        except NotApplicable:
            break
    if not done:
        raise NotApplicable("no run of statements that stands alone")
    return text


def _outline_one(text: str, rng: Random) -> str:
    program = Program(text)
    places = []
    for function in program.functions().values():
        if isinstance(function.body, cst.IndentedBlock) and not program.nodes(
            (cst.Yield, cst.Global, cst.Nonlocal), function
        ):
            places += [(function, *run) for run in _runs(program, function)]
    rng.shuffle(places)
    for function, body, start, stop in places:
        if plan := _plan(program, function, body, start, stop):
            inputs, outputs = plan
            break
    else:
        raise NotApplicable("nothing can be taken out")
    name = fresh(rng, text)("helper", "part", "inner", "do", "legal_step", "phase")
    call = f"{name}({', '.join(inputs)})"
    line = f"{', '.join(outputs)} = {call}" if outputs else call
    taken = body.body[start:stop]
    helper = cst.parse_statement(f"def {name}({', '.join(inputs)}):\n    pass\n")
    assert isinstance(helper, cst.FunctionDef)
    end = statements(f"return {', '.join(outputs)}") if outputs else []
    helper = helper.with_changes(
        body=helper.body.with_changes(body=[*taken, *end]), leading_lines=[cst.EmptyLine(), cst.EmptyLine()]
    )
    edits: Edits = {body: lambda b: b.with_changes(body=[*b.body[:start], *statements(line), *b.body[stop:]])}
    edits[function] = lambda f: cst.FlattenSentinel([helper, f])
    return program.swap(edits)


def _runs(program: Program, function: cst.FunctionDef) -> list[tuple[Any, int, int]]:
    runs = []
    for body in program.nodes(cst.IndentedBlock, function):
        n = len(body.body)
        runs += [
            (body, i, j)
            for i in range(n)
            for j in range(i + 1, min(n, i + 4) + 1)
            if j - i < n or body is not function.body
        ]
    return runs


def _plan(program: Program, function: Any, body: Any, start: int, stop: int) -> tuple[list[str], list[str]] | None:
    """Which names a run of statements takes and gives; None if it cannot leave its function."""
    taken = body.body[start:stop]
    text = cst.Module(taken).code
    tree = ast.parse(text)
    forbidden = (
        ast.Return,
        ast.Break,
        ast.Continue,
        ast.Delete,
        ast.Import,
        ast.ImportFrom,
        ast.FunctionDef,
        ast.ClassDef,
    )
    if any(isinstance(n, forbidden) or (isinstance(n, ast.Name) and n.id == "super") for n in ast.walk(tree)):
        return None
    local = program.scopes[function].bound
    if any(
        isinstance(n, cst.FunctionDef | cst.ClassDef) for n in path_to(program.module, body)[2:-1] if n is not function
    ):
        return None
    read, bound = free_and_bound(text)
    read, bound = read & local, bound & local
    sure = _surely_bound(program, function, body, start)
    inputs = sorted((read | bound) & sure)
    if not bound <= sure | _bound_at_once(taken):
        return None
    if not read - bound <= sure:
        return None
    order = [n for n in bound - sure if _first_is_read(tree, n)]
    if order:
        return None
    inside = {id(n) for s in taken for n in below(s)}
    outside = {u.name for u in program.uses if u.node and u.how == "load" and id(u.node) not in inside}
    outside |= {code(n.target) for n in program.nodes(cst.AugAssign, function) if id(n) not in inside}
    outputs = sorted(n for n in bound if n in outside)
    inputs = [n for n in inputs if n in read or n in outputs]
    return inputs, outputs


def _bound_at_once(taken: Any) -> set[str]:
    """Names that a run of statements sets whatever happens."""
    out: set[str] = set()
    for s in taken:
        if isinstance(s, cst.SimpleStatementLine):
            out |= free_and_bound(code(s))[1]
        elif isinstance(s, cst.With) and isinstance(s.body, cst.IndentedBlock):
            out |= _bound_at_once(s.body.body)
    return out


def _surely_bound(program: Program, function: Any, body: Any, start: int) -> set[str]:
    """Names that are set when the run begins: arguments, and what straight statements before it set."""
    sure = {p.name.value for p in parameters(function.params)}
    for star in (function.params.star_arg, function.params.star_kwarg):
        if isinstance(star, cst.Param):
            sure.add(star.name.value)
    chain = path_to(function, body)
    for parent, child in itertools.pairwise(chain):
        if isinstance(parent, cst.IndentedBlock):
            sure |= _bound_at_once(parent.body[: list(parent.body).index(child)])
        if isinstance(parent, cst.For) and child is parent.body:
            sure |= free_and_bound(f"for {code(parent.target)} in ():\n    pass\n")[1]
        if isinstance(parent, cst.With):
            sure |= {code(i.asname.name) for i in parent.items if i.asname}
    return sure | _bound_at_once(body.body[:start])


def _first_is_read(tree: ast.Module, name: str) -> bool:
    """Whether a name may be read before the statements set it (a value from the last turn of a loop)."""
    for s in tree.body:
        loads = [n for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == name]
        if loads:
            value = s.value if isinstance(s, ast.Assign) else s
            simple = isinstance(s, ast.Assign) and not any(
                isinstance(n, ast.Name) and n.id == name for n in ast.walk(value)
            )
            return not (simple or (isinstance(s, ast.With) and not _first_is_read(ast.Module(s.body, []), name)))
    return False
