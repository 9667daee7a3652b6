"""Statements, in order: assignments, branches, loops, functions, imports."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from auditor.unpack import sinks
from auditor.unpack.expressions import assign, evaluate, is_generator, make_function
from auditor.unpack.nodes import Frame, Raised
from auditor.unpack.values import UNKNOWN, Class, Function, Ref, Scope, Unknown, Value, choice

if TYPE_CHECKING:
    from auditor.unpack.machine import Machine

# A loop is left early when it goes on and on with calls that nobody understands: a training loop.
PATIENCE_ROUNDS = 30
PATIENCE_WORK = 5_000


class Flow(Exception):
    """`break`, `continue`, `return` or `raise` on its way up."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def docstring(tree: ast.Module) -> str | None:
    return ast.get_docstring(tree, clean=False)


def run(m: Machine, body: list[ast.stmt], scope: Scope) -> None:
    """Follow statements one after the other."""
    for node in body:
        m.budget.work(1)
        m.line, m.scope = node.lineno, scope
        handler = _HANDLERS.get(type(node))
        if handler:
            handler(m, node, scope)


def run_function(m: Machine, f: Function, scope: Scope, frame: Frame) -> Value:
    """The value of one call whose parameters are bound in `scope`."""
    if isinstance(f.node, ast.Lambda):
        value = evaluate(m, f.node.body, scope)
        return frame.yields if is_generator(f) else value
    try:
        run(m, f.node.body, scope)
        frame.returns.append(None)
    except Flow as flow:
        if flow.kind == "raise":
            frame.returns.append(UNKNOWN)
    return list(frame.yields) if is_generator(f) else choice(frame.returns)


def branches(m: Machine, scope: Scope, bodies: list[list[ast.stmt]]) -> None:
    """Follow alternatives, one of which is taken; afterwards a name may have any of the values it got."""
    before = dict(scope.names)
    m.budget.work(1 + len(before) // 8)
    ends: list[dict[str, Value]] = []
    flow: Flow | None = None
    for body in bodies:
        scope.names.clear()
        scope.names.update(before)
        m.doubt += 1
        try:
            run(m, body, scope)
            ends.append(dict(scope.names))
        except Flow as f:
            flow = f
            m.broke |= f.kind != "continue"
        except Raised:
            pass
        finally:
            m.doubt -= 1
    if not ends:
        scope.names.clear()
        scope.names.update(before)
        if flow is not None:
            raise flow
        return
    merged = ends[0]
    for other in ends[1:]:
        for name, value in other.items():
            if name not in merged:
                merged[name] = value
            elif merged[name] is not value:
                merged[name] = choice([merged[name], value])
    scope.names.clear()
    scope.names.update(merged)


def _if(m: Machine, node: ast.If, scope: Scope) -> None:
    truth = m.truth(evaluate(m, node.test, scope))
    if truth is None:
        branches(m, scope, [node.body, node.orelse])
    else:
        run(m, node.body if truth else node.orelse, scope)


def _for(m: Machine, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
    source = evaluate(m, node.iter, scope)
    try:
        items = m.iterate(source)
        rounds = _rounds(m, node, scope, items)
    except TypeError:
        assign(m, node.target, source if isinstance(source, Unknown) else UNKNOWN, scope)
        branches(m, scope, [node.body, []])
        rounds = False
    if not rounds:
        run(m, node.orelse, scope)


def _rounds(m: Machine, node: ast.For | ast.AsyncFor, scope: Scope, items: Any) -> bool:
    """Run the body for each item; True if the loop was left by `break`."""
    patience = _Patience(m)
    for item in items:
        assign(m, node.target, item, scope)
        if _once(m, node.body, scope):
            return True
        if patience.ends():
            return False
    return False


def _while(m: Machine, node: ast.While, scope: Scope) -> None:
    patience = _Patience(m)
    while True:
        truth = m.truth(evaluate(m, node.test, scope))
        if truth is None:
            branches(m, scope, [node.body, []])
            return
        if not truth:
            run(m, node.orelse, scope)
            return
        kept, m.broke = m.broke, False
        left = _once(m, node.body, scope)
        doubtful, m.broke = m.broke, kept
        if left or doubtful or patience.ends():
            return


def _once(m: Machine, body: list[ast.stmt], scope: Scope) -> bool:
    """One round of a loop; True if it was left by `break`."""
    try:
        run(m, body, scope)
    except Flow as f:
        if f.kind == "break":
            return True
        if f.kind != "continue":
            raise
    return False


class _Patience:
    """Tells when a loop has gone on long enough without being understood."""

    def __init__(self, m: Machine) -> None:
        self.m = m
        self.strange, self.work, self.rounds = m.strange, m.budget.work_left, 0

    def ends(self) -> bool:
        self.rounds += 1
        odd = self.m.strange - self.strange
        spent = self.work - self.m.budget.work_left
        return self.rounds >= PATIENCE_ROUNDS and odd >= self.rounds and spent > PATIENCE_WORK


def _try(m: Machine, node: Any, scope: Scope) -> None:
    before = len(m.frames)
    m.trying += 1
    failed = False
    flow: Flow | None = None
    try:
        run(m, node.body, scope)
    except Raised:
        failed = True
    except Flow as f:
        flow, failed = f, f.kind == "raise"
    finally:
        m.trying -= 1
        del m.frames[before:]
    if failed and node.handlers:
        flow = None
        if len(node.handlers) == 1:
            run(m, node.handlers[0].body, scope)
        else:
            branches(m, scope, [h.body for h in node.handlers])
    elif not failed and flow is None:
        kept = dict(scope.names)
        for h in node.handlers:
            branches(m, scope, [h.body, []])
            scope.names.clear()
            scope.names.update(kept)
        run(m, node.orelse, scope)
    run(m, node.finalbody, scope)
    if flow is not None:
        raise flow


def _with(m: Machine, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
    for item in node.items:
        value = evaluate(m, item.context_expr, scope)
        if item.optional_vars is not None:
            assign(m, item.optional_vars, value, scope)
    run(m, node.body, scope)


def _assign(m: Machine, node: ast.Assign, scope: Scope) -> None:
    value = evaluate(m, node.value, scope)
    for target in node.targets:
        assign(m, target, value, scope)


def _annassign(m: Machine, node: ast.AnnAssign, scope: Scope) -> None:
    if node.value is not None:
        assign(m, node.target, evaluate(m, node.value, scope), scope)


def _augassign(m: Machine, node: ast.AugAssign, scope: Scope) -> None:
    load: ast.expr = node.target
    right = evaluate(m, node.value, scope)
    left = evaluate(m, load, scope)
    if isinstance(left, list) and isinstance(node.op, ast.Add):
        m.call_bound(left, "extend", [right], {})
        return
    names = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.BitXor: "^", ast.BitOr: "|", ast.BitAnd: "&"}
    more = {ast.LShift: "<<", ast.RShift: ">>", ast.Mod: "%", ast.FloorDiv: "//", ast.Div: "/", ast.Pow: "**"}
    assign(m, load, m.binary({**names, **more}.get(type(node.op), "@"), left, right), scope)


def _expr(m: Machine, node: ast.Expr, scope: Scope) -> None:
    evaluate(m, node.value, scope)


def _function(m: Machine, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
    value: Value = make_function(m, node, scope)
    for decorator in reversed(node.decorator_list):
        wrap = evaluate(m, decorator, scope)
        if isinstance(wrap, Function):
            value = m.call(wrap, [value], {})
    scope.names[node.name] = value


def _class(m: Machine, node: ast.ClassDef, scope: Scope) -> None:
    inner = Scope({}, scope, frame=True)
    run(m, node.body, inner)
    scope.names[node.name] = Class(node.name, inner)


def _return(m: Machine, node: ast.Return, scope: Scope) -> None:
    value = evaluate(m, node.value, scope)
    if m.frames:
        m.frames[-1].returns.append(value)
    raise Flow("return")


def _raise(m: Machine, node: ast.Raise, scope: Scope) -> None:
    evaluate(m, node.exc, scope)
    raise Flow("raise")


def _break(m: Machine, node: ast.Break, scope: Scope) -> None:
    raise Flow("break")


def _continue(m: Machine, node: ast.Continue, scope: Scope) -> None:
    raise Flow("continue")


def _global(m: Machine, node: ast.Global | ast.Nonlocal, scope: Scope) -> None:
    scope.outer |= frozenset(node.names)


def _delete(m: Machine, node: ast.Delete, scope: Scope) -> None:
    for target in node.targets:
        if isinstance(target, ast.Name):
            scope.names.pop(target.id, None)


def _import(m: Machine, node: ast.Import, scope: Scope) -> None:
    for alias in node.names:
        module = sinks.import_module(m, alias.name)
        if alias.asname:
            scope.names[alias.asname] = module if module is not None else Ref(alias.name)
        else:
            first = alias.name.partition(".")[0]
            scope.names[first] = module if module is not None and "." not in alias.name else Ref(first)


def _import_from(m: Machine, node: ast.ImportFrom, scope: Scope) -> None:
    name = node.module or ""
    if name == "__future__":
        return
    module = sinks.import_module(m, name) if name else None
    for alias in node.names:
        if alias.name == "*":
            if isinstance(module, Scope):
                scope.names.update({k: v for k, v in module.names.items() if not k.startswith("_")})
            else:
                m.stars.insert(0, name)
            continue
        if isinstance(module, Scope):
            value = module.names.get(alias.name, UNKNOWN)
        else:
            value = sinks.reference(m, f"{name}.{alias.name}")
        scope.names[alias.asname or alias.name] = value


def _match(m: Machine, node: ast.Match, scope: Scope) -> None:
    evaluate(m, node.subject, scope)
    branches(m, scope, [*(c.body for c in node.cases), []])


_HANDLERS: dict[type[ast.stmt], Callable[[Machine, Any, Scope], None]] = {
    ast.Expr: _expr,
    ast.Assign: _assign,
    ast.AnnAssign: _annassign,
    ast.AugAssign: _augassign,
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.ClassDef: _class,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Global: _global,
    ast.Nonlocal: _global,
    ast.Delete: _delete,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Match: _match,
}
