"""The same loops in other forms."""

from __future__ import annotations

from random import Random
from typing import Any

import libcst as cst

from tests.metamorphic.trees import Edits, Fresh, NotApplicable, Program, code, fresh, one, rebuilt, some, statements


def loop_forms(text: str, rng: Random) -> str:
    """`for` as `while`, as `iter` and `next`, with `enumerate` and without, comprehensions as loops."""
    for _ in range(rng.randint(1, 3)):  # a changed loop may be changed again: for, enumerate, while
        text = _once(text, rng)
    return text


def _once(text: str, rng: Random) -> str:
    program, new = Program(text), fresh(rng, text)
    ways: list[tuple[cst.CSTNode, Any]] = []
    for loop in program.nodes(cst.For):
        if loop.orelse is None and isinstance(loop.body, cst.IndentedBlock):
            ways += [(loop, way) for way in _ways_for(loop)]
    for loop in program.nodes(cst.While):
        if loop.orelse is None and isinstance(loop.body, cst.IndentedBlock) and code(loop.test) != "True":
            ways.append((loop, _forever))
    for line in program.nodes(cst.SimpleStatementLine):
        if _comprehension(program, line) is not None:
            ways += [(line, _spelled_out), (line, _spelled_out)]
    chosen: dict[cst.CSTNode, Any] = {}
    for node, way in some(rng, ways, 4):
        chosen.setdefault(node, way)
    edits: Edits = {n: (lambda x, way=way, n=n: way(x, new, program, n)) for n, way in chosen.items()}
    return program.swap(edits)


def _ways_for(loop: cst.For) -> list[Any]:
    called = loop.iter.func.value if isinstance(loop.iter, cst.Call) and isinstance(loop.iter.func, cst.Name) else ""
    if called == "range" and isinstance(loop.target, cst.Name):
        return [_counted, _counted, _next, _numbered]
    if called == "enumerate" and isinstance(loop.target, cst.Tuple) and len(loop.iter.args) == 1:  # type: ignore[union-attr]
        return [_not_numbered, _next]
    return [_next, _numbered, _listed]


def _with_body(head: str, first: list[str], loop: Any) -> Any:
    shell = cst.parse_statement(head + "\n    pass\n")
    body = loop.body.with_changes(body=[*(s for t in first for s in statements(t)), *loop.body.body])
    return shell.with_changes(body=body)


def _counted(loop: Any, new: Fresh, program: Program, old: Any) -> Any:
    """A while loop. Steps of our examples are positive unless they are written as negative numbers."""
    args = [code(a.value) for a in loop.iter.args]
    start, stop, step = ("0", args[0], "1") if len(args) == 1 else (args[0], args[1], args[2] if len(args) > 2 else "1")
    at, end, by = new("at", "pos", "k"), new("end", "limit", "n"), new("by", "hop")
    test = ">" if step.startswith("-") else "<"
    first = [f"{code(loop.target)} = {at}", f"{at} += {by}"]
    return cst.FlattenSentinel(
        [
            *statements(f"{at}, {end}, {by} = {start}, {stop}, {step}"),
            _with_body(f"while {at} {test} {end}:", first, loop),
        ]
    )


def _next(loop: Any, new: Fresh, program: Program, old: Any) -> Any:
    it, stop = new("it", "source", "stream"), new("END", "done_", "stop")
    target = code(loop.target)
    got = new("got", "current")
    head = f"while ({got} := next({it}, {stop})) is not {stop}:"
    return cst.FlattenSentinel(
        [
            *statements(f"{it}, {stop} = iter({code(loop.iter)}), object()"),
            _with_body(head, [f"{target} = {got}"], loop),
        ]
    )


def _numbered(loop: Any, new: Fresh, program: Program, old: Any) -> Any:
    pair = new("number", "index", "n")
    target = code(loop.target)
    inner = f"({target})" if isinstance(loop.target, cst.Tuple) and not loop.target.lpar else target
    return _with_body(f"for {pair}, {inner} in enumerate({code(loop.iter)}):", [], loop)


def _not_numbered(loop: Any, new: Fresh, program: Program, old: Any) -> Any:
    count, value = (e.value for e in loop.target.elements)
    if not isinstance(count, cst.Name):
        raise NotApplicable("odd target")
    at = new("count", "seen")
    head = f"for {code(value)} in {code(loop.iter.args[0].value)}:"
    return cst.FlattenSentinel(
        [*statements(f"{at} = -1"), _with_body(head, [f"{at} += 1", f"{count.value} = {at}"], loop)]
    )


def _listed(loop: Any, new: Fresh, program: Program, old: Any) -> Any:
    """A tensor or a generator is walked through `iter` of itself, which gives the same items in the same order."""
    return _with_body(f"for {code(loop.target)} in iter({code(loop.iter)}):", [], loop)


def _forever(loop: Any, new: Fresh, program: Program, old: Any) -> Any:
    return _with_body("while True:", [f"if not ({code(loop.test)}):\n    break\n"], loop)


def _comprehension(program: Program, line: Any) -> Any:
    """The comprehension if the line is `x = […]` or `return […]` or `x = sum(…)`, outside of classes."""
    small: Any = one(line, cst.Assign) or one(line, cst.Return)
    if small is None or small.value is None:
        return None
    value = small.value
    if isinstance(value, cst.Call) and code(value.func) == "sum" and len(value.args) == 1:
        value = value.args[0].value
        if not isinstance(value, cst.GeneratorExp):
            return None
    elif not isinstance(value, cst.ListComp | cst.DictComp):
        return None
    simple = value.for_in.inner_for_in is None and value.for_in.asynchronous is None
    inside_class = any(line in getattr(c.body, "body", ()) for c in program.nodes(cst.ClassDef))
    return value if simple and not inside_class else None


def _spelled_out(line: Any, new: Fresh, program: Program, old: Any) -> Any:
    whole = _comprehension(program, old)
    scope = program.scopes[whole]
    names = {n: new(n, f"one_{n}") for n in sorted(scope.bound)}
    edits: Edits = {u.node: cst.Name(names[u.name]) for u in program.uses if u.node and u.scope.owner(u.name) is scope}
    comp: Any = rebuilt(whole, edits)
    out = new("out", "items", "acc")
    small = old.body[0]
    if isinstance(whole, cst.DictComp):
        start, put = "{}", f"{out}[{code(comp.key)}] = {code(comp.value)}"
    elif isinstance(whole, cst.ListComp):
        start, put = "[]", f"{out}.append({code(comp.elt)})"
    else:
        start, put = "0", f"{out} = {out} + {code(comp.elt)}"
    tests = [f"if not ({code(i.test)}):\n        continue\n    " for i in comp.for_in.ifs]
    loop = f"{out} = {start}\nfor {code(comp.for_in.target)} in {code(comp.for_in.iter)}:\n    {''.join(tests)}{put}\n"
    result: Any = cst.Name(out)
    last = line.with_changes(body=[small.with_changes(value=result, **_space(small))], leading_lines=[])
    return cst.FlattenSentinel([*statements(loop), last])


def _space(small: Any) -> dict[str, Any]:
    return {"whitespace_after_return": cst.SimpleWhitespace(" ")} if isinstance(small, cst.Return) else {}
