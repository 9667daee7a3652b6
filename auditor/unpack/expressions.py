"""The value of an expression, as far as it is constant."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from auditor.unpack import objects
from auditor.unpack.limits import MAX_ITEMS, Stop
from auditor.unpack.methods import check_format, compare
from auditor.unpack.values import (
    UNKNOWN,
    Choice,
    Class,
    Function,
    Instance,
    Path,
    Ref,
    Scope,
    Unknown,
    Value,
    choice,
    first_unknown,
    is_plain,
    tag,
)

if TYPE_CHECKING:
    from auditor.unpack.machine import Machine

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Is: "is",
    ast.IsNot: "is not",
}


def evaluate(m: Machine, node: ast.expr | None, scope: Scope) -> Value:
    """The value of `node`; an unknown for what is not constant."""
    if node is None:
        return None
    m.budget.work(1)
    handler = _HANDLERS.get(type(node))
    return handler(m, node, scope) if handler else _others(m, node, scope)


def _others(m: Machine, node: ast.expr, scope: Scope) -> Value:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            evaluate(m, child, scope)
    return UNKNOWN


def _constant(m: Machine, node: ast.Constant, scope: Scope) -> Value:
    return node.value


def _name(m: Machine, node: ast.Name, scope: Scope) -> Value:
    return m.lookup(node.id, scope)


def _attribute(m: Machine, node: ast.Attribute, scope: Scope) -> Value:
    return objects.attribute(m, evaluate(m, node.value, scope), node.attr)


def _subscript(m: Machine, node: ast.Subscript, scope: Scope) -> Value:
    owner = evaluate(m, node.value, scope)
    index = evaluate(m, node.slice, scope)
    return m.attempt(objects.subscript, m, owner, index)


def _slice(m: Machine, node: ast.Slice, scope: Scope) -> Value:
    parts = [evaluate(m, p, scope) for p in (node.lower, node.upper, node.step)]
    if any(p is not None and not isinstance(p, int) for p in parts):
        return first_unknown(parts) or UNKNOWN
    return slice(*parts)


def _binop(m: Machine, node: ast.BinOp, scope: Scope) -> Value:
    """A chain of left-associative operators is walked in a loop: it may have thousands of terms."""
    chain: list[ast.BinOp] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp):
        chain.append(left)
        left = left.left
    value = evaluate(m, left, scope)
    for step in reversed(chain):
        m.budget.work(1)
        value = m.binary(_BINARY.get(type(step.op), "@"), value, evaluate(m, step.right, scope))
    return value


def _boolop(m: Machine, node: ast.BoolOp, scope: Scope) -> Value:
    wanted = isinstance(node.op, ast.Or)
    seen: list[Value] = []
    for part in node.values:
        value = evaluate(m, part, scope)
        truth = m.truth(value)
        if truth is wanted:
            return choice([*seen, value])
        if truth is None:
            seen.append(value)
    return choice([*seen, value])


def _unary(m: Machine, node: ast.UnaryOp, scope: Scope) -> Value:
    value = evaluate(m, node.operand, scope)
    if isinstance(node.op, ast.Not):
        truth = m.truth(value)
        return UNKNOWN if truth is None else not truth
    if not isinstance(value, int | float):
        return value if isinstance(value, Unknown) else UNKNOWN
    if isinstance(node.op, ast.USub):
        return -value
    return ~value if isinstance(node.op, ast.Invert) and isinstance(value, int) else value


def _compare(m: Machine, node: ast.Compare, scope: Scope) -> Value:
    left = evaluate(m, node.left, scope)
    result: Value = True
    for operator, right_node in zip(node.ops, node.comparators, strict=True):
        right = evaluate(m, right_node, scope)
        if not is_plain(left) or not is_plain(right):
            result = first_unknown([left, right]) or UNKNOWN
        elif result is True:
            result = m.attempt(compare, m.budget, _COMPARE[type(operator)], left, right)
        left = right
    return result


def _ifexp(m: Machine, node: ast.IfExp, scope: Scope) -> Value:
    truth = m.truth(evaluate(m, node.test, scope))
    if truth is None:
        return choice([evaluate(m, node.body, scope), evaluate(m, node.orelse, scope)])
    return evaluate(m, node.body if truth else node.orelse, scope)


def _call(m: Machine, node: ast.Call, scope: Scope) -> Value:
    function = evaluate(m, node.func, scope)
    args: list[Value] = []
    for a in node.args:
        if isinstance(a, ast.Starred):
            args.extend(_spread(m, evaluate(m, a.value, scope)))
        else:
            args.append(evaluate(m, a, scope))
    kwargs: dict[str, Value] = {}
    for k in node.keywords:
        value = evaluate(m, k.value, scope)
        if k.arg is not None:
            kwargs[k.arg] = value
        elif isinstance(value, dict):
            kwargs.update({str(n): v for n, v in value.items()})
    kept = m.line, m.scope
    m.line, m.scope = node.lineno, scope
    try:
        return m.call(function, args, kwargs)
    finally:
        m.line, m.scope = kept


def _spread(m: Machine, value: Value) -> list[Value]:
    if isinstance(value, list | tuple):
        return list(value)
    return [value if isinstance(value, Unknown) else UNKNOWN]


def _sequence(m: Machine, node: ast.List | ast.Tuple | ast.Set, scope: Scope) -> Value:
    items: list[Value] = []
    for e in node.elts:
        if isinstance(e, ast.Starred):
            items.extend(_spread(m, evaluate(m, e.value, scope)))
        elif isinstance(e, ast.Constant):
            items.append(e.value)
        else:
            items.append(evaluate(m, e, scope))
    m.budget.work(1 + len(items) // 8)
    if isinstance(node, ast.Set):
        return m.attempt(lambda: {m.key(i) for i in items})
    return items if isinstance(node, ast.List) else tuple(items)


def _dict(m: Machine, node: ast.Dict, scope: Scope) -> Value:
    out: dict[Value, Value] = {}
    for k, v in zip(node.keys, node.values, strict=True):
        value = evaluate(m, v, scope)
        if k is None:
            out.update(value if isinstance(value, dict) else {})
            continue
        key = evaluate(m, k, scope)
        try:
            out[m.key(key)] = value
        except TypeError:
            m.strange += 1
    return out


def _lambda(m: Machine, node: ast.Lambda, scope: Scope) -> Value:
    return make_function(m, node, scope)


def make_function(m: Machine, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope) -> Function:
    """A function of the file, its default values computed now."""
    while scope.frame and scope.parent is not None:
        scope = scope.parent
    a = node.args
    return Function(
        node,
        scope,
        tuple(evaluate(m, d, scope) for d in a.defaults),
        {p.arg: evaluate(m, d, scope) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True) if d is not None},
    )


def is_generator(f: Function) -> bool:
    """Whether a function yields; found out at its first call."""
    if f.generator is None:
        f.generator = _yields([f.node.body] if isinstance(f.node, ast.Lambda) else f.node.body)
    return f.generator


def _yields(body: Sequence[ast.AST]) -> bool:
    todo = list(body)
    while todo:
        at = todo.pop()
        if isinstance(at, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(at, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(at))
    return False


def _yield(m: Machine, node: ast.Yield, scope: Scope) -> Value:
    value = evaluate(m, node.value, scope)
    if m.frames:
        m.frames[-1].yields.append(value)
    return UNKNOWN


def _yield_from(m: Machine, node: ast.YieldFrom, scope: Scope) -> Value:
    value = evaluate(m, node.value, scope)
    if m.frames:
        m.frames[-1].yields.extend(value if isinstance(value, list | tuple) else [UNKNOWN])
    return UNKNOWN


def _await(m: Machine, node: ast.Await, scope: Scope) -> Value:
    return evaluate(m, node.value, scope)


def _named(m: Machine, node: ast.NamedExpr, scope: Scope) -> Value:
    value = evaluate(m, node.value, scope)
    at = scope
    while at.parent is not None and at.names.get("") == "comprehension":
        at = at.parent
    at.names[node.target.id] = value
    return value


def _comprehension(
    m: Machine, node: ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp, scope: Scope
) -> Value:
    inner = Scope({"": "comprehension"}, scope)
    out: list[Value] = []
    sure = _generate(m, node, node.generators, 0, inner, out)
    if not sure:
        return first_unknown(out) or UNKNOWN
    if isinstance(node, ast.DictComp):
        return m.attempt(lambda: {m.key(k): v for k, v in out})
    if isinstance(node, ast.SetComp):
        return m.attempt(lambda: {m.key(v) for v in out})
    return out


def _generate(
    m: Machine, node: Any, loops: list[ast.comprehension], depth: int, scope: Scope, out: list[Value]
) -> bool:
    """Fill `out`; False if the items depend on something unknown."""
    if depth == len(loops):
        if isinstance(node, ast.DictComp):
            out.append((evaluate(m, node.key, scope), evaluate(m, node.value, scope)))
        else:
            out.append(evaluate(m, node.elt, scope))
        if len(out) > MAX_ITEMS:
            raise Stop(f"its code makes a list of more than {MAX_ITEMS:,} items")
        return True
    loop = loops[depth]
    source = evaluate(m, loop.iter, scope)
    sure = True
    try:
        items = m.iterate(source)
        for item in items:
            assign(m, loop.target, item, scope)
            tests = [m.truth(evaluate(m, t, scope)) for t in loop.ifs]
            if all(t is not False for t in tests):
                sure &= _generate(m, node, loops, depth + 1, scope, out) and None not in tests
    except TypeError:
        assign(m, loop.target, source if isinstance(source, Unknown) else UNKNOWN, scope)
        _generate(m, node, loops, depth + 1, scope, out)
        return False
    return sure


def _joined(m: Machine, node: ast.JoinedStr, scope: Scope) -> Value:
    parts: list[Value] = [evaluate(m, v, scope) for v in node.values]
    if any(isinstance(p, Choice) for p in parts):
        return m.each(lambda *p: _concatenate(m, list(p)), parts)
    return _concatenate(m, parts)


def _concatenate(m: Machine, parts: list[Value]) -> Value:
    unknown = first_unknown(parts)
    if unknown is not None or not all(isinstance(p, str) for p in parts):
        return unknown or UNKNOWN
    m.budget.moved(sum(len(p) for p in parts))
    return tag("".join(parts), *parts)


def _formatted(m: Machine, node: ast.FormattedValue, scope: Scope) -> Value:
    value = evaluate(m, node.value, scope)
    spec = evaluate(m, node.format_spec, scope) if node.format_spec else ""
    if isinstance(value, Path):
        value = value.path
    if isinstance(value, Choice):
        return m.each(lambda v: _show(m, node, v, spec), [value])
    return _show(m, node, value, spec)


def _show(m: Machine, node: ast.FormattedValue, value: Value, spec: Value) -> Value:
    if not is_plain(value) or not isinstance(spec, str):
        return first_unknown([value, spec]) or UNKNOWN

    def text() -> Value:
        check_format(spec, [value], m.budget)
        shown = repr(value) if node.conversion == 114 else ascii(value) if node.conversion == 97 else value
        if isinstance(shown, str) and not spec:
            return shown
        return tag(format(shown, spec), value)

    return m.attempt(text)


def assign(m: Machine, target: ast.expr, value: Value, scope: Scope) -> None:
    """Bind a target: a name, a tuple of targets, an attribute of ours, or an item of a list or dict."""
    if isinstance(target, ast.Name):
        at = scope.module if target.id in scope.outer else scope
        at.names[target.id] = value
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(m, target.elts, value, scope)
    elif isinstance(target, ast.Starred):
        assign(m, target.value, value, scope)
    elif isinstance(target, ast.Attribute):
        owner = evaluate(m, target.value, scope)
        if isinstance(owner, Instance | Scope):
            owner.names[target.attr] = value
        elif isinstance(owner, Class):
            owner.scope.names[target.attr] = value
    elif isinstance(target, ast.Subscript):
        owner = evaluate(m, target.value, scope)
        index = evaluate(m, target.slice, scope)
        if isinstance(owner, Scope) and isinstance(index, str):
            owner.names[index] = value
        elif isinstance(owner, list | dict | bytearray):
            m.attempt(_set_item, m, owner, index, value)


def _set_item(m: Machine, owner: Value, index: Value, value: Value) -> Value:
    if isinstance(owner, dict):
        owner[m.key(index)] = value
    elif isinstance(owner, list) and isinstance(index, int):
        owner[index] = value
    elif isinstance(index, int | slice) and is_plain(value):
        m.budget.moved(len(owner) if isinstance(index, slice) else 1)
        owner[index] = value
    return None


def _unpack(m: Machine, targets: list[ast.expr], value: Value, scope: Scope) -> None:
    try:
        items = list(m.iterate(value)) if not isinstance(value, Ref) else []
    except TypeError:
        items = []
    star = next((i for i, t in enumerate(targets) if isinstance(t, ast.Starred)), None)
    if star is not None and len(items) >= len(targets) - 1:
        tail = len(targets) - star - 1
        items = [*items[:star], items[star : len(items) - tail], *items[len(items) - tail :]]
    if len(items) != len(targets):
        items = [value if isinstance(value, Unknown) else UNKNOWN] * len(targets)
    for t, v in zip(targets, items, strict=True):
        assign(m, t, v, scope)


_HANDLERS: dict[type[ast.expr], Callable[[Machine, Any, Scope], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.BinOp: _binop,
    ast.BoolOp: _boolop,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.IfExp: _ifexp,
    ast.Call: _call,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.Dict: _dict,
    ast.Lambda: _lambda,
    ast.Yield: _yield,
    ast.YieldFrom: _yield_from,
    ast.Await: _await,
    ast.NamedExpr: _named,
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.SetComp: _comprehension,
    ast.DictComp: _comprehension,
    ast.JoinedStr: _joined,
    ast.FormattedValue: _formatted,
}
