"""The same functions and values under another access path: a dictionary, an object, a closure."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import (
    Edits,
    Fresh,
    NotApplicable,
    Program,
    Scope,
    after_imports,
    before_first_definition,
    below,
    code,
    expression,
    fresh,
    is_docstring,
    parameters,
    put,
    some,
    statements,
)


def through_dict(text: str, rng: Random) -> str:
    """Functions, library functions and arguments are kept in dictionaries and taken out of them."""
    new = fresh(rng, text)
    store = new("TABLE", "ops", "registry", "d")
    text = _own(text, rng, f"{store} = {{}}", f'{store}["{{0}}"] = {{0}}', f'{store}["{{0}}"]')
    text = _library(text, rng, new, lambda names: "{" + ", ".join(f'"{k}": {v}' for k, v in names) + "}", '{0}["{1}"]')
    return _arguments(text, rng, new, '{0} = {{"{1}": {1}}}', '{0}["{1}"]')


def through_object(text: str, rng: Random) -> str:
    """The same by attributes of namespaces and small classes."""
    new = fresh(rng, text)
    store, kind = new("ns", "box", "Ops"), new("Namespace", "Holder")
    text = _own(
        text, rng, f"class {kind}:\n    pass\n\n\n{store} = {kind}()", f"{store}.{{0}}_ = {{0}}", f"{store}.{{0}}_"
    )
    text = _library(
        text,
        rng,
        new,
        lambda names: "__import__('types').SimpleNamespace(" + ", ".join(f"{k}={v}" for k, v in names) + ")",
        "{0}.{1}",
    )
    return _arguments(text, rng, new, f"{{0}} = {kind}(); {{0}}.{{1}} = {{1}}", "{0}.{1}")


def through_closure(text: str, rng: Random) -> str:
    """The same by default arguments, lambdas, inner functions that are returned, and functools.partial."""
    done = 0
    ways = [_default_arguments, _partials, _factories, _lambdas]
    rng.shuffle(ways)
    for way in ways[: rng.randint(1, 4)] + ways:
        try:
            text = way(text, rng)
            done += 1
        except NotApplicable:
            continue
        if done >= 2:
            break
    if not done:
        raise NotApplicable("nothing to hide in a closure")
    return text


def _own(text: str, rng: Random, create: str, put: str, take: str) -> str:
    """Each chosen function is put into a store just behind its definition, and called from there."""
    program = Program(text)
    functions = {n: f for n, f in program.functions().items() if program.loads(n)}
    if not functions:
        return text
    edits: Edits = {}
    for name in some(rng, sorted(functions)):
        for node in program.loads(name):
            edits[node] = expression(take.format(name))
        edits[functions[name]] = lambda f, name=name: cst.FlattenSentinel([f, *statements(put.format(name))])
    return after_imports(program.swap(edits), create)


def chains(program: Program) -> dict[str, list[cst.Attribute]]:
    """Calls of library functions by dotted name: `F.cross_entropy`, `torch.optim.SGD`."""
    imported, found = program.imported(), {}
    loads = {node for name in imported for node in program.loads(name)}
    for call in program.nodes(cst.Call):
        root: Any = call.func
        while isinstance(root, cst.Attribute):
            root = root.value
        if isinstance(call.func, cst.Attribute) and root in loads:
            found.setdefault(code(call.func), []).append(call.func)
    # What an import in the middle of the file brings is not there yet behind the first imports.
    early = program.bound_before(before_first_definition(program.module))
    return {dotted: nodes for dotted, nodes in found.items() if dotted.split(".")[0] in early}


def _library(text: str, rng: Random, new: Fresh, build: Callable[[list[tuple[str, str]]], str], take: str) -> str:
    program = Program(text)
    found = chains(program)
    if not found:
        return text
    store = new("lib", "tools", "kit")
    names = [(new("f", "op", "call"), dotted) for dotted in some(rng, sorted(found), 8)]
    edits: Edits = {node: expression(take.format(store, key)) for key, dotted in names for node in found[dotted]}
    return after_imports(program.swap(edits), f"{store} = {build(names)}")


def arguments(program: Program) -> list[tuple[cst.FunctionDef, Scope, str]]:
    """Parameters of functions that are read and never set again."""
    found = []
    for node, scope in program.scopes.items():
        if isinstance(node, cst.FunctionDef) and isinstance(node.body, cst.IndentedBlock):
            for p in parameters(node.params):
                name = p.name.value
                if name not in ("self", "_") and program.loads(name, scope) and program.bindings(name, scope) == 1:
                    found.append((node, scope, name))
    return found


def _arguments(text: str, rng: Random, new: Fresh, create: str, take: str) -> str:
    program = Program(text)
    edits: Edits = {}
    starts: dict[cst.FunctionDef, list[str]] = {}
    for function, scope, name in some(rng, arguments(program), 6):
        holder = new("bag", "held", "ctx")
        starts.setdefault(function, []).append(create.format(holder, name))
        for node in program.loads(name, scope):
            edits[node] = expression(take.format(holder, name))
    for function, lines in starts.items():
        edits[function.body] = lambda body, lines=lines: put_first(body, lines)
    return program.swap(edits)


def put_first(body: Any, lines: list[str]) -> Any:
    """A function's body with lines put in behind its docstring."""
    added = [s for line in lines for s in statements(line)]
    return put(body, 1 if is_docstring(body.body[0]) else 0, added)


def _lambdas(text: str, rng: Random) -> str:
    return _arguments(text, rng, fresh(rng, text), "{0} = lambda: {1}", "{0}()")


def earlier(program: Program, function: cst.FunctionDef) -> list[tuple[str, list[cst.Name]]]:
    """Functions and imports that a module-level function uses and that are there when it is defined."""
    at = program.module.body.index(function)
    bound = program.bound_before(at)
    functions = program.functions()
    inside = {id(n) for n in below(function.body)}
    found = []
    for name in sorted(bound & (set(functions) | program.imported())):
        if nodes := [n for n in program.loads(name) if id(n) in inside]:
            found.append((name, nodes))
    return found


def _default_arguments(text: str, rng: Random) -> str:
    program, new, edits = Program(text), fresh(rng, text), {}
    places = [(f, name, nodes) for f in program.functions().values() for name, nodes in earlier(program, f)]
    added: dict[cst.FunctionDef, list[cst.Param]] = {}
    for function, name, nodes in some(rng, places, 5):
        alias = new("fn", "use", "via")
        added.setdefault(function, []).append(
            cst.Param(
                cst.Name(alias),
                default=cst.Name(name),
                equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
            )
        )
        edits |= {n: cst.Name(alias) for n in nodes}
    for function, params in added.items():
        edits[function.params] = lambda old, params=params: old.with_changes(
            kwonly_params=[*old.kwonly_params, *params],
            star_arg=old.star_arg if isinstance(old.star_arg, cst.Param | cst.ParamStar) else cst.ParamStar(),
        )
    return program.swap(edits)


def _partials(text: str, rng: Random) -> str:
    """`f(a, b)` becomes `partial(f, a)(b)`; the order in which things are computed stays."""
    program = Program(text)
    own = {n for name in program.functions() for n in program.loads(name)}
    library = {id(n) for nodes in chains(program).values() for n in nodes}
    calls = [
        c
        for c in program.nodes(cst.Call)
        if c.args and not c.args[0].keyword and not c.args[0].star and (c.func in own or id(c.func) in library)
    ]

    def split(call: cst.Call) -> cst.BaseExpression:
        head = call.args[0].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        inner = cst.Call(cst.parse_expression("__import__('functools').partial"), [cst.Arg(call.func), head])
        return cst.Call(inner, call.args[1:])

    return program.swap(dict.fromkeys(some(rng, calls, 6), split))


def _factories(text: str, rng: Random) -> str:
    """`def f` becomes `def make(g): def f…; return f` and `f = make(g)`: what it uses is in a closure."""
    program, new = Program(text), fresh(rng, text)
    places = [(f, found) for f in program.functions().values() if (found := earlier(program, f))]
    edits: Edits = {}
    for function, found in some(rng, places, 2):
        names = [name for name, _ in found]
        make, name = new("make", "build", "bind"), function.name.value

        def wrap(f: Any, make: str = make, name: str = name, names: list[str] = names) -> Any:
            outer = cst.parse_statement(f"def {make}({', '.join(names)}):\n    return {name}\n")
            assert isinstance(outer, cst.FunctionDef)
            outer = outer.with_changes(leading_lines=f.leading_lines)
            body = outer.body.with_changes(body=[f.with_changes(leading_lines=[]), *outer.body.body])
            return cst.FlattenSentinel(
                [outer.with_changes(body=body), *statements(f"{name} = {make}({', '.join(names)})")]
            )

        edits[function] = wrap
    return program.swap(edits)
