"""A small machine that evaluates the code that fills byte tables and adds up bytes. Nothing of it is executed.

It knows statements, arithmetic, texts, lists, arrays and the stand-in tokenizer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from auditor.source.byte_table.expressions import Closure, Expressions, OutOfSteps, Raised, Scope, counted, truth
from auditor.source.byte_table.values import (
    MAX_LIST,
    UNKNOWN,
    Array,
    Number,
    Ref,
    Undecided,
    Unknown,
    Value,
    binary,
    is_number,
)


@dataclass(slots=True)
class _Return:
    value: Value


_BREAK, _CONTINUE = object(), object()


class Machine(Expressions):
    """One evaluation."""

    # Statements.

    def block(self, body: Iterable[ast.stmt], scope: Scope) -> object:
        for s in body:
            self.steps -= 1
            if self.steps < 0:
                raise OutOfSteps
            try:
                done = self.statement(s, scope)
            except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError):
                self.forget([s], scope)
                continue
            if done is not None:
                return done
        return None

    def statement(self, s: ast.stmt, scope: Scope) -> object:
        match s:
            case ast.Assign():
                value = self.value(s.value, scope)
                for target in s.targets:
                    self.assign(target, value, scope)
            case ast.AnnAssign():
                if s.value is not None:
                    self.assign(s.target, self.value(s.value, scope), scope)
            case ast.AugAssign():
                self.augmented(s, scope)
            case ast.Expr():
                self.value(s.value, scope)
            case ast.Return():
                value = self.value(s.value, scope) if s.value else None
                if counted(value) and self.depth == 0:
                    self.sinks.append((s.lineno, value))
                return _Return(value)
            case ast.If():
                return self.branch(s, scope)
            case ast.For() | ast.AsyncFor():
                return self.loop(s, scope)
            case ast.While():
                return self.while_loop(s, scope)
            case ast.With() | ast.AsyncWith():
                for item in s.items:
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, UNKNOWN, scope)
                return self.block(s.body, scope)
            case ast.Try():
                return self.attempt(s, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                scope.names[s.name] = Closure(s, scope)
            case ast.Import():
                for a in s.names:
                    scope.names[a.asname or a.name.partition(".")[0]] = Ref(
                        a.name if a.asname else a.name.partition(".")[0]
                    )
            case ast.ImportFrom():
                for a in s.names:
                    scope.names[a.asname or a.name] = Ref(f"{s.module}.{a.name}")
            case ast.Break():
                return _BREAK
            case ast.Continue():
                return _CONTINUE
            case ast.Raise():
                raise Raised
            case ast.Delete():
                pass
        return None

    def branch(self, s: ast.If, scope: Scope) -> object:
        test = truth(self.value(s.test, scope))
        if test is not None:
            return self.block(s.body if test else s.orelse, scope)
        if _leaves(s.body):  # a check that ends the function is taken not to fire
            return self.block(s.orelse, scope)
        if _leaves(s.orelse):
            return self.block(s.body, scope)
        self.forget((*s.body, *s.orelse), scope)
        return None

    def forget(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        """Whatever a block may have changed is not known any more."""
        for s in body:
            for node in ast.walk(s):
                self.steps -= 1
                if isinstance(node, ast.AugAssign) and (key := ast.dump(node.target)) in self.totals:
                    self.totals[key] = (node.lineno, UNKNOWN)
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    scope.names[node.id] = UNKNOWN
                elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                    if isinstance(node.value, ast.Name) and node.value.id in scope.names:
                        scope.names[node.value.id] = UNKNOWN
                elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    self.attributes.pop(node.attr, None)

    def loop(self, s: ast.For | ast.AsyncFor, scope: Scope) -> object:
        items = self.items(self.value(s.iter, scope))
        if items is None:
            self.forget((*s.body, *s.orelse), scope)
            self.assign(s.target, UNKNOWN, scope)
            return None
        for item in items:
            self.assign(s.target, item, scope)
            done = self.block(s.body, scope)
            if done is _BREAK:
                return None
            if isinstance(done, _Return):
                return done
        return self.block(s.orelse, scope)

    def while_loop(self, s: ast.While, scope: Scope) -> object:
        while True:
            test = truth(self.value(s.test, scope))
            if test is None:
                self.forget(s.body, scope)
                return None
            if not test:
                return self.block(s.orelse, scope)
            done = self.block(s.body, scope)
            if done is _BREAK:
                return None
            if isinstance(done, _Return):
                return done
            self.steps -= 1

    def outcome(self, scope: Scope) -> tuple[Value, int]:
        """What was counted: an accumulation first, then what was returned or handed on, then what was assigned last."""
        for line, value in (*self.totals.values(), *reversed(self.sinks)):
            return value, line
        if self.last is not None:
            return scope.names.get(self.last[1], UNKNOWN), self.last[0]
        return UNKNOWN, 0

    def attempt(self, s: ast.Try, scope: Scope) -> object:
        self.trying += 1
        try:
            done = self.block(s.body, scope)
        except Raised:
            done = self.block(s.handlers[0].body, scope) if s.handlers else None
        else:
            done = done if done is not None else self.block(s.orelse, scope)
        finally:
            self.trying -= 1
        return done if done is not None else self.block(s.finalbody, scope)

    def body(self, statements: list[ast.stmt], scope: Scope) -> Value:
        done = self.block(statements, scope)
        return done.value if isinstance(done, _Return) else None

    # Storing.

    def assign(self, target: ast.expr, value: Value, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.names[target.id] = value
            if counted(value):
                self.last = (target.lineno, target.id)
        elif isinstance(target, ast.Attribute):
            self.attributes[target.attr] = value
        elif isinstance(target, ast.Subscript):
            self.store(target, value, scope)
        elif isinstance(target, ast.Tuple | ast.List):
            parts = self.items(value)
            if parts is None or len(parts) != len(target.elts) or any(isinstance(t, ast.Starred) for t in target.elts):
                parts = [UNKNOWN] * len(target.elts)
            for t, v in zip(target.elts, parts, strict=True):
                self.assign(t.value if isinstance(t, ast.Starred) else t, v, scope)

    def store(self, target: ast.Subscript, value: Value, scope: Scope) -> None:
        owner = self.value(target.value, scope)
        index = self.index(target.slice, scope)
        if isinstance(owner, dict):
            if isinstance(index, str | int | bytes | tuple) and len(owner) < MAX_LIST:
                owner[index] = value
            return
        if not isinstance(owner, Array | list):
            return
        data = owner.data if isinstance(owner, Array) else owner
        if isinstance(owner, Array):
            value = _fit(owner, value)
        if isinstance(index, Number):
            index = int(index.value)
        if isinstance(index, int) and not isinstance(index, bool):
            if not -len(data) <= index < len(data):
                raise Undecided("an index beyond the table")
            data[index] = value
            return
        if isinstance(index, slice):
            places = range(*index.indices(len(data)))
        elif isinstance(index, Array) and index.kind == "b" and len(index.data) == len(data):
            places = [i for i, chosen in enumerate(index.data) if chosen]  # type: ignore[assignment]
        elif isinstance(index, Array) and all(isinstance(i, int) and 0 <= i < len(data) for i in index.data):
            places = index.data  # type: ignore[assignment]
        else:
            places, value = range(len(data)), UNKNOWN
        values = value.data if isinstance(value, Array) else value if isinstance(value, list) else [value] * len(places)
        if len(values) != len(places):
            values = [UNKNOWN] * len(places)
        for i, v in zip(places, values, strict=True):
            data[i] = v

    def augmented(self, s: ast.AugAssign, scope: Scope) -> None:
        right = self.value(s.value, scope)
        op = type(s.op).__name__
        key = ast.dump(s.target)
        if key in self.totals:
            line, before = self.totals[key]
            if not counted(right) or isinstance(before, Unknown):
                after = binary(op, before, right)
                self.totals[key] = (line, after)
            else:
                self.sinks.append((s.lineno, right))
            return
        left = self.value(_loaded(s.target), scope)
        if op == "Add" and counted(right) and not (counted(left) and not _is_total(left)):
            self.totals[key] = (s.lineno, right)
            return
        self.assign(s.target, binary(op, left, right), scope)


def _is_total(value: Value) -> bool:
    return isinstance(value, Array) and value.total


def _fit(owner: Array, value: Value) -> Value:
    """A value as an array of this kind holds it."""
    if isinstance(value, Array):
        return value.cast(owner.kind)
    if isinstance(value, Number):
        value = value.value
    if not is_number(value):
        return value
    return bool(value) if owner.kind == "b" else int(value) if owner.kind == "i" else float(value)


def _leaves(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Raise | ast.Return)


def _loaded(target: ast.expr) -> ast.expr:
    """The same place, to be read."""
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(target.id, ast.Load()), target)
    if isinstance(target, ast.Attribute):
        return ast.copy_location(ast.Attribute(target.value, target.attr, ast.Load()), target)
    if isinstance(target, ast.Subscript):
        return ast.copy_location(ast.Subscript(target.value, target.slice, ast.Load()), target)
    return target
