"""Statements: what each does to the names and to the walk.

A block returns how it ended: None (on to the next statement), "return", "break", "continue" or
"raise". Under a condition that nobody can decide both branches are walked from the same names, and the
names are joined afterwards.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from auditor.source import assign, calls, expressions, imports, loops, mixing, narrow, questions, special
from auditor.source.labels import Mark
from auditor.source.library.environment import configured
from auditor.source.sights import answers, branches, skips
from auditor.source.terms import build
from auditor.source.values import NONE, Const, Data, Dict, Frame, LibObj, Seq, Value, join, labels
from auditor.source.walk import OutOfFuel, Walk
from rules.events import Setting
from rules.place import Location

Signal = str | None
_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)


def block(w: Walk, body: list[ast.stmt], f: Frame) -> Signal:
    """Walk a list of statements."""
    extra = 0
    around = len(w.conditions)
    try:
        for n in body:
            w.step()
            try:
                signal = _RUN[type(n)](w, n, f)
            except OutOfFuel:
                raise
            except Exception as e:  # whatever this statement does, the next ones are still followed
                signal = _given_up(w, n, f, e)
            if w.left:  # an `if` that skips the rest: what follows hangs on its condition
                w.conditions.append(w.left)
                w.left = 0
            if signal is not None:
                if not signal.startswith("maybe"):
                    return signal
                w.guards.append(signal.split(" ")[1])  # what follows runs only if the branch did not leave
                extra += 1
    finally:
        if extra:
            del w.guards[-extra:]
        del w.conditions[around:]
    return None


def _given_up(w: Walk, n: ast.stmt, f: Frame, e: Exception) -> Signal:
    """Note that a statement could not be followed; the names that it sets are unknown from here on."""
    w.give_up(w.here(n, f), e)
    if isinstance(n, _SIMPLE):
        for t in ast.walk(n):
            if isinstance(t, ast.Name) and isinstance(t.ctx, ast.Store):
                assign.set_name(f, t.id, Data())
    return None


def _if(w: Walk, n: ast.If, f: Frame) -> Signal:
    test = special.truth(w, expressions.evaluate(w, n.test, f), n)
    known = expressions.decide(w, test)
    other = known is not None and labels(test) & w.marks.mask[Mark.RANK]  # the log is that of all processes
    if w.forced and (way := w.forced.get(id(n))) is not None and known is not way and not other:
        known = way
        site = w.here(n, f)
        w.settings.setdefault(
            f"line {site.line}",
            Setting(f"line {site.line}", "taken" if way else "not taken", "log", Location(site.path, site.line)),
        )
    turned = labels(test) & w.marks.mask[Mark.TURN] if isinstance(test, (Const, Data)) else 0
    try:
        if turned:
            w.conditions.append(turned)
        return _branches(w, n, f, test, known)
    finally:
        if turned:
            w.conditions.pop()
            if isinstance(n.body[-1], (ast.Continue, ast.Break)):
                w.left = turned


def _branches(w: Walk, n: ast.If, f: Frame, test: Value, known: bool | None) -> Signal:
    w.went(n, known if isinstance(test, Const) else None, f)  # an empty list may be one that was not followed
    if known is not None:
        if w.turns and labels(test) & w.marks.mask[Mark.TURN]:
            skips.asked(w, n, known, f)
        signal = block(w, n.body if known else n.orelse, f)
        return signal if signal != "raise" or w.trying else None  # the run that made the claim came past here

    def settle(first: Signal, second: Signal) -> None:
        w.rivals.pop()
        branches.after_if(w, n, labels(test), first, second, f)

    w.rivals.append(w.score_marks(labels(test)) if isinstance(test, Data) and test.tag == "better" else 0)

    def way(body: list[ast.stmt], holds: bool) -> Signal:
        f.locals.update(narrow.kinds(w, n.test, f, holds))
        return block(w, body, f)

    number = questions.number(w, n, labels(test), f)
    with w.test(labels(test) | answers.sought(w, test)):
        return _both(w, number, f, lambda: way(n.body, True), lambda: way(n.orelse, False), settle, test)


def _both(
    w: Walk,
    number: str,
    f: Frame,
    one: Callable[[], Signal],
    other: Callable[[], Signal],
    after_both: Callable[[Signal, Signal], None] | None = None,
    test: Value = NONE,
) -> Signal:
    """Both ways of a condition that nobody could decide, from the same names."""
    before = dict(f.locals)
    with w.branch(f"{number}:then"):
        first = one()
    after = f.locals
    f.locals = dict(before)
    with w.branch(f"{number}:else"):
        second = other()
    if after_both is not None:
        after_both(first, second)
    if first is not None and second is None:
        return f"maybe {number}:else" if first != "raise" else None
    if second is not None and first is None:
        f.locals = after
        return f"maybe {number}:then" if second != "raise" else None
    if first is not None and second is not None:
        return first if first == second or first != "raise" else second
    merge(w, f, after, test)
    return None


def merge(w: Walk, f: Frame, other: dict[str, Value], test: Value) -> None:
    """Join the names of two branches into the frame; `f.locals` holds those of the one that is taken where `test` fails."""
    mine = f.locals
    for name, v in other.items():
        m = mine.get(name)
        if m is not v:
            both = build.chosen(w, test, v, m, join(m, v)) if m is not None else v
            if m is not None and (knows := answers.either(w, labels(test), v, m)):
                both = Data(labels(both) | knows)
            elif m is not None and isinstance(both, Data) and (tilted := answers.lifted(w, test, v, m)):
                both = Data(labels(both) & ~w.score_marks(labels(both)) | tilted, tag=both.tag)
            mine[name] = both


def _match(w: Walk, n: ast.Match, f: Frame) -> Signal:
    return _cases(w, n.cases, expressions.evaluate(w, n.subject, f), f)


def _cases(w: Walk, cases: list[ast.match_case], subject: Value, f: Frame) -> Signal:
    """The first case that fits; where nobody can tell, this one or one of those behind it."""
    if not cases:
        return None
    case = cases[0]
    fits = _fits(w, case.pattern, subject, f)
    if fits is False:
        return _cases(w, cases[1:], subject, f)
    marks = labels(subject)
    if case.guard is not None:
        test = expressions.evaluate(w, case.guard, f)
        known = expressions.decide(w, test)
        marks |= labels(test)
        fits = known if fits or known is False else None
    if fits is False:
        return _cases(w, cases[1:], subject, f)
    if fits:
        return block(w, case.body, f)
    number = w.guard_number(case, marks)
    first, rest = lambda: block(w, case.body, f), lambda: _cases(w, cases[1:], subject, f)
    return _both(w, number, f, first, rest, test=Data(marks))


def _fits(w: Walk, p: ast.pattern, v: Value, f: Frame) -> bool | None:
    """Whether a pattern fits a value; its names are bound."""
    match p:
        case ast.MatchValue():
            wanted = expressions.evaluate(w, p.value, f)
            if isinstance(wanted, Const) and isinstance(v, Const):
                return bool(v.v == wanted.v)
            return None
        case ast.MatchSingleton():
            return v.v is p.value if isinstance(v, Const) else None
        case ast.MatchAs():
            fits = _fits(w, p.pattern, v, f) if p.pattern is not None else True
            if p.name:
                f.locals[p.name] = v
            return fits
        case ast.MatchOr():
            said = [_fits(w, q, v, f) for q in p.patterns]
            return True if True in said else None if None in said else False
        case ast.MatchSequence() if (
            isinstance(v, Seq) and not v.more and not any(isinstance(q, ast.MatchStar) for q in p.patterns)
        ):
            if len(p.patterns) != len(v.items):
                return False
            said = [_fits(w, q, x, f) for q, x in zip(p.patterns, v.items, strict=True)]
            return False if False in said else None if None in said else True
    for sub in ast.walk(p):
        name = getattr(sub, "name", None) or getattr(sub, "rest", None)
        if isinstance(name, str):
            f.locals[name] = Data(labels(v))
    return None


def _expr(w: Walk, n: ast.Expr, f: Frame) -> Signal:
    if not isinstance(n.value, ast.Constant):
        expressions.evaluate(w, n.value, f)
    return None


def _assign(w: Walk, n: ast.Assign, f: Frame) -> Signal:
    before = w.env_reads
    v = mixing.kept(w, expressions.evaluate(w, n.value, f))
    for t in n.targets:
        if (isinstance(t, ast.Name) and w.env_reads != before) or (f.is_class and isinstance(t, ast.Name)):
            v = configured(w, t.id, v, w.here(n, f), w.env_reads != before)
        assign.assign(w, t, v, f)
    return None


def _ann_assign(w: Walk, n: ast.AnnAssign, f: Frame) -> Signal:
    if n.value is None:
        if f.is_class and isinstance(n.target, ast.Name):
            f.locals.setdefault("__fields__", Dict()).items[n.target.id] = NONE  # type: ignore[attr-defined]
        return None
    before = w.env_reads
    v = expressions.evaluate(w, n.value, f)
    if isinstance(n.target, ast.Name):
        if w.env_reads != before or f.is_class:
            v = configured(w, n.target.id, v, w.here(n, f), w.env_reads != before)
        if f.is_class:
            f.locals.setdefault("__fields__", Dict()).items[n.target.id] = v  # type: ignore[attr-defined]
    assign.assign(w, n.target, v, f)
    return None


def _aug_assign(w: Walk, n: ast.AugAssign, f: Frame) -> Signal:
    assign.augment(w, n, f)
    return None


def _return(w: Walk, n: ast.Return, f: Frame) -> Signal:
    v = mixing.kept(w, expressions.evaluate(w, n.value, f)) if n.value else NONE
    answers.returned(w, v)
    f.returns.append(v)
    build.returned(w, v)
    return "return"


def _with(w: Walk, n: ast.With | ast.AsyncWith, f: Frame) -> Signal:
    off = 0
    before = w.no_grad
    left: list[Value] = []
    for item in n.items:
        v = expressions.evaluate(w, item.context_expr, f)
        entered: Value = v
        name = v.path if isinstance(v, LibObj) else ""
        if name in ("torch.no_grad", "torch.inference_mode", "torch.set_grad_enabled:off"):
            off += 1
        elif not isinstance(v, LibObj):
            off += isinstance(v, Seq) and v.quiet
            entered = calls.enter_context(w, v, n)
            left.append(v)
        if item.optional_vars is not None:
            assign.assign(w, item.optional_vars, entered, f)
    w.no_grad += off
    try:
        return block(w, n.body, f)
    finally:
        for v in reversed(left):
            calls.leave_context(w, v, n)
        w.no_grad = before


def _try(w: Walk, n: ast.Try, f: Frame) -> Signal:
    w.trying += 1
    try:
        signal = block(w, n.body, f)
    finally:
        w.trying -= 1
    if signal == "raise" and n.handlers:
        signal = block(w, n.handlers[0].body, f)
    elif signal is None:
        signal = block(w, n.orelse, f)
    last = block(w, n.finalbody, f)
    return last or signal


def _def(w: Walk, n: ast.FunctionDef | ast.AsyncFunctionDef, f: Frame) -> Signal:
    f.locals[n.name] = calls.make_function(w, n, f)
    return None


def _class(w: Walk, n: ast.ClassDef, f: Frame) -> Signal:
    f.locals[n.name] = calls.make_class(w, n, f)
    return None


def _global(w: Walk, n: ast.Global | ast.Nonlocal, f: Frame) -> Signal:
    if isinstance(n, ast.Global):
        f.global_names.update(n.names)
    else:
        f.global_names.update(f"^{name}" for name in n.names)
    return None


def _delete(w: Walk, n: ast.Delete, f: Frame) -> Signal:
    for t in n.targets:
        if isinstance(t, ast.Name):
            special.deleted(w, f.locals.pop(t.id, None), n)
        elif isinstance(t, ast.Subscript):
            owner = expressions.evaluate(w, t.value, f)
            key = expressions.evaluate(w, t.slice, f) if not isinstance(t.slice, ast.Slice) else NONE
            if isinstance(owner, Dict) and isinstance(key, Const):
                with suppress(TypeError):
                    owner.items.pop(key.v, None)
            elif isinstance(owner, Seq):
                owner.more = True
    return None


def _raise(w: Walk, n: ast.Raise, f: Frame) -> Signal:
    if n.exc is not None:
        expressions.evaluate(w, n.exc, f)
    return "raise"


def _assert(w: Walk, n: ast.Assert, f: Frame) -> Signal:
    special.truth(w, expressions.evaluate(w, n.test, f), n)
    return None


def _nothing(w: Walk, n: ast.stmt, f: Frame) -> Signal:
    return None


def _for(w: Walk, n: ast.For, f: Frame) -> Signal:
    return loops.run_for(w, n, f)


def _while(w: Walk, n: ast.While, f: Frame) -> Signal:
    return loops.run_while(w, n, f)


def _import(w: Walk, n: ast.Import | ast.ImportFrom, f: Frame) -> Signal:
    return imports.do_import(w, n, f)


_RUN: dict[type[ast.AST], Callable[[Walk, Any, Frame], Signal]] = {
    ast.If: _if,
    ast.Expr: _expr,
    ast.Assign: _assign,
    ast.AnnAssign: _ann_assign,
    ast.AugAssign: _aug_assign,
    ast.Return: _return,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.FunctionDef: _def,
    ast.AsyncFunctionDef: _def,
    ast.ClassDef: _class,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Global: _global,
    ast.Nonlocal: _global,
    ast.Delete: _delete,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.Pass: _nothing,
    ast.Import: _import,
    ast.ImportFrom: _import,
    ast.Break: lambda w, n, f: "break",
    ast.Continue: lambda w, n, f: "continue",
    ast.Match: _match,
}
