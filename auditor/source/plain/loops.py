"""Loops written out as `for`, and those of one turn as blocks: counters of `while`, iterators asked by hand, and conditions at the top of `while True`."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from auditor.source.plain.scopes import Scope, Scopes

Pairs = dict[str, ast.expr]


def written_out(body: list[ast.stmt], scopes: Scopes, scope: Scope) -> list[ast.stmt]:
    """The statements of a block with such loops in the plain form; the list itself where nothing changes."""
    out: list[ast.stmt] = []
    changed = False
    for s in body:
        new: ast.stmt = s
        if isinstance(s, ast.While):
            loop = _tested(s)
            start = _starts(out)
            new = (
                _asked(loop, start, scopes, scope) or _counted(loop, start, scopes, scope) or _once(loop, start) or loop
            )
        elif isinstance(s, ast.For):
            new = _of_one(s) or s
        changed |= new is not s
        out.append(new)
    return out if changed else body


def _once(s: ast.While, start: Pairs) -> ast.If | None:
    """`go = True`, `while go: go = False; …`: a block and no loop."""
    t, first = s.test, s.body[0]
    if not (isinstance(t, ast.Name) and isinstance(begin := start.get(t.id), ast.Constant) and begin.value):
        return None
    stops = (
        isinstance(first, ast.Assign)
        and len(first.targets) == 1
        and isinstance(first.targets[0], ast.Name)
        and first.targets[0].id == t.id
        and isinstance(first.value, ast.Constant)
        and not first.value.value
    )
    if not stops or s.orelse or _stores(s.body, t.id) != 1 or _leaves(s.body):
        return None
    return ast.copy_location(ast.If(ast.copy_location(ast.Constant(True), t), s.body, []), s)


def _of_one(s: ast.For) -> ast.If | None:
    """`for x in (y,): …`: a block and no loop."""
    if not isinstance(s.iter, ast.Tuple | ast.List) or len(s.iter.elts) != 1 or s.orelse or _leaves(s.body):
        return None
    if isinstance(s.iter.elts[0], ast.Starred):
        return None
    bound = ast.copy_location(ast.Assign([s.target], s.iter.elts[0]), s)
    return ast.copy_location(ast.If(ast.copy_location(ast.Constant(True), s.iter), [bound, *s.body], []), s)


def _leaves(body: list[ast.stmt]) -> bool:
    """Whether a `break` or `continue` of this loop stands in its body."""
    return any(isinstance(n, ast.Break | ast.Continue) for b in body for n in _own(b))


def _stores(body: list[ast.stmt], name: str) -> int:
    nodes = (n for b in body for n in ast.walk(b))
    return sum(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in nodes)


def _tested(s: ast.While) -> ast.While:
    """`while True: if not c: break; …` as `while c: …`."""
    first = s.body[0]
    if (
        isinstance(s.test, ast.Constant)
        and s.test.value
        and not s.orelse
        and len(s.body) > 1
        and isinstance(first, ast.If)
        and not first.orelse
        and len(first.body) == 1
        and isinstance(first.body[0], ast.Break)
    ):
        t = first.test
        test = t.operand if isinstance(t, ast.UnaryOp) and isinstance(t.op, ast.Not) else ast.UnaryOp(ast.Not(), t)
        return ast.copy_location(ast.While(ast.copy_location(test, t), s.body[1:], []), s)
    return s


def _starts(before: list[ast.stmt]) -> Pairs:
    """What names were set to right before a loop, by single assignments and by several at once."""
    out: Pairs = {}
    for s in reversed(before[-4:]):
        if not isinstance(s, ast.Assign) or len(s.targets) != 1:
            break
        t, v = s.targets[0], s.value
        if isinstance(t, ast.Name):
            out.setdefault(t.id, v)
        elif isinstance(t, ast.Tuple) and isinstance(v, ast.Tuple) and len(t.elts) == len(v.elts):
            for a, b in zip(t.elts, v.elts, strict=True):
                if isinstance(a, ast.Name):
                    out.setdefault(a.id, b)
        else:
            break
    return out


def _asked(s: ast.While, start: Pairs, scopes: Scopes, scope: Scope) -> ast.For | None:
    """`while (x := next(it, end)) is not end: …` as `for x in …`."""
    t = s.test
    if not (
        isinstance(t, ast.Compare)
        and isinstance(t.left, ast.NamedExpr)
        and isinstance(t.ops[0], ast.IsNot)
        and isinstance(call := t.left.value, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "next"
        and len(call.args) == 2
        and all(isinstance(a, ast.Name) for a in (*call.args, *t.comparators))
    ):
        return None
    it, end = (a.id for a in call.args)  # type: ignore[attr-defined]
    made = start.get(it)
    if (
        t.comparators[0].id != end  # type: ignore[attr-defined]
        or not (isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and made.func.id == "iter")
        or len(made.args) != 1
        or end not in start
        or len(scopes.uses.get((id(scope.owner(it)), it), ())) != 2
    ):
        return None
    target = ast.copy_location(ast.Name(t.left.target.id, ast.Store()), t)
    return ast.copy_location(ast.For(target, made.args[0], s.body, s.orelse), s)


def _counted(s: ast.While, start: Pairs, scopes: Scopes, scope: Scope) -> ast.For | None:
    """`while i < n: …; i += k` as `for i in range(i, n, k): …`, where nothing else counts and nobody looks at `i` later."""
    t = s.test
    if not (isinstance(t, ast.Compare) and len(t.ops) == 1 and isinstance(t.left, ast.Name) and not s.orelse):
        return None
    name, limit = t.left.id, t.comparators[0]
    first = start.get(name)
    if not isinstance(t.ops[0], ast.Lt | ast.Gt) or first is None or not _settled(limit):
        return None
    steps = [k for k, b in enumerate(s.body) if _adds(b, name)]
    inside = [n for b in s.body for n in ast.walk(b)]
    stored = {n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    if (
        len(steps) != 1
        or sum(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in inside) != 1
    ):
        return None
    k = steps[0]
    step = s.body[k]
    assert isinstance(step, ast.AugAssign)
    by = step.value
    if {n.id for e in (limit, by) for n in ast.walk(e) if isinstance(n, ast.Name)} & stored or not _settled(by):
        return None
    if isinstance(t.ops[0], ast.Gt) and not (isinstance(by, ast.UnaryOp) and isinstance(by.op, ast.USub)):
        return None
    behind = _reads(s.body[k + 1 :], name)
    ahead = s.body[:k]
    if behind or (k < len(s.body) - 1 and not all(isinstance(b, ast.Assign) for b in ahead)):
        return None  # counted in the middle: what comes after would see the next number
    if any(isinstance(n, ast.Continue) for b in ahead for n in _own(b)):
        return None
    mine = {id(n) for b in (s, *s.body) for n in ast.walk(b)}
    others = [n for n in scopes.uses.get((id(scope.owner(name)), name), ()) if id(n) not in mine]
    if any(isinstance(n.ctx, ast.Load) for n in others) or len(others) != 1:
        return None
    body = [b for i, b in enumerate(s.body) if i != k] or [ast.copy_location(ast.Pass(), step)]
    called = ast.copy_location(ast.Name("range", ast.Load()), t)
    source = ast.copy_location(ast.Call(called, [first, limit, by], []), t)
    return ast.copy_location(ast.For(ast.copy_location(ast.Name(name, ast.Store()), t), source, body, []), s)


def _adds(s: ast.stmt, name: str) -> bool:
    return (
        isinstance(s, ast.AugAssign)
        and isinstance(s.target, ast.Name)
        and s.target.id == name
        and isinstance(s.op, ast.Add)
    )


def _settled(e: ast.expr) -> bool:
    """Whether an expression gives the same in every turn if its names do: no call but of sizes."""
    for n in ast.walk(e):
        if isinstance(n, ast.Call):
            f = n.func
            name = f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else ""
            if name not in ("len", "numel", "size", "int", "min", "max"):
                return False
    return True


def _reads(body: Iterable[ast.stmt], name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for b in body for n in ast.walk(b))


def _own(s: ast.AST) -> Iterable[ast.AST]:
    """The nodes below a statement that belong to the same loop."""
    yield s
    for c in ast.iter_child_nodes(s):
        if not isinstance(c, ast.For | ast.While | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _own(c)
