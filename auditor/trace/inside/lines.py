"""Which statements of the program ran, and which branches of its expressions: what a small run left out is said, too.

A mark stands before each statement that could be reached or left out apart from the one before it: a look-up in a
table, which notes the first time. It has no name that a program could stumble over, and lines stay where they are.
`sys.settrace` would make every function of every library slower (Python 3.11), and a program can ask for it.

Functions that a compiler reads as bytecode (`jit` in a decorator; with numba, whatever is handed on as a value) get no marks.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import hashlib
import importlib.machinery
import os
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

from .book import Book

PLACE = f"\0{os.urandom(12).hex()}"  # a constant that the table takes the place of
FIRST = 1000  # the first number of a mark: beyond the length of PLACE, or the compiler would look it up itself
AT_ONCE = 20_000  # numbers in one record
TEXTS = 100  # that get marks; a program that makes and runs many pieces of text does not fill the book with them
FUTURE = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
TEXT = (str, bytes, bytearray)
LEAVING = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Try,
    ast.TryStar,
    ast.With,
    ast.AsyncWith,
    ast.Match,
)  # may hold a `return`


class Seen(dict[int, None]):
    """Marks that were passed. `fresh`: since they were written down last."""

    fresh: list[int]

    def __missing__(self, n: int) -> None:
        self[n] = None
        self.fresh.append(n)

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__


class Lines:
    """All texts of the program that were compiled, and their marks."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.seen = Seen()
        self.seen.fresh = []
        self.marks: list[tuple[int, int, int]] = []  # (text, line, column); the line of an expression is below 0
        self.texts = 0
        self.compile, self.exec = builtins.compile, builtins.exec  # which may read more than Python's own (spelling.py)

    def compiled(self, source: Any, name: str, flags: int = 0, optimize: int = -1) -> CodeType:
        """The code of a text, with marks; without, if it cannot be parsed: then the compiler's own error is the program's."""
        before = len(self.marks)
        if self.texts >= TEXTS:
            return self.compile(source, name, "exec", flags, True, optimize)  # type: ignore[no-any-return]
        try:
            tree = self.compile(source, name, "exec", flags | ast.PyCF_ONLY_AST, True)
            Marks(self, self.texts, tree).module()
            code = self.compile(tree, name, "exec", flags, True, optimize)
        except (SyntaxError, ValueError, RecursionError, TypeError):
            del self.marks[before:]
            return self.compile(source, name, "exec", flags, True, optimize)  # type: ignore[no-any-return]
        data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else bytes(source)
        digest = hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()
        file = name.removeprefix(self.book.folder).lstrip("/") if name.startswith("/") else name
        places = [x for _, *place in self.marks[before:] for x in place]
        for i in range(0, len(places) or 1, AT_ONCE):
            self.book.write("text", text=self.texts, file=file, digest=digest, marks=places[i : i + AT_ONCE])
        self.texts += 1
        return filled(code, self.seen)

    def write(self) -> None:
        """What ran since the last time goes into the book."""
        fresh, self.seen.fresh = self.seen.fresh, []
        by: dict[int, list[int]] = {}
        for n in fresh:
            if n - FIRST < len(self.marks):
                text, *place = self.marks[n - FIRST]
                by.setdefault(text, []).extend(place)
        for text, places in by.items():
            for i in range(0, len(places), AT_ONCE):
                self.book.write("ran", text=text, marks=places[i : i + AT_ONCE])


class Marks:
    """Puts the marks into one tree."""

    def __init__(self, lines: Lines, text: int, tree: ast.Module) -> None:
        self.lines, self.text, self.tree = lines, text, tree
        self.compilers = any(
            isinstance(n, ast.Import | ast.ImportFrom) and "numba" in ast.unparse(n) for n in ast.walk(tree)
        )
        self.handed = set(_handed_on(tree)) if self.compilers else set()

    def module(self) -> None:
        self.tree.body = self.block(self.tree.body, docs=True, each=True)

    def block(self, body: list[ast.stmt], docs: bool = False, each: bool = False) -> list[ast.stmt]:
        """`docs`: the first may be a docstring. `each`: any of them may be the last one that runs."""
        out: list[ast.stmt] = []
        due = True
        for i, s in enumerate(body):
            future = isinstance(s, ast.ImportFrom) and s.module == "__future__"
            words = docs and not i and isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)
            if not future and not words:
                if due or each:
                    mark = ast.Expr(self.mark(s, s.lineno))
                    out.append(ast.copy_location(mark, s))
                due = isinstance(s, LEAVING)
                self.inside(s)
            out.append(s)
        return out

    def inside(self, s: ast.stmt) -> None:
        if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not self.unmarked(s):
                s.body = self.block(s.body, docs=True)
            return
        for name in ("body", "orelse", "finalbody"):
            block = getattr(s, name, None)
            if isinstance(block, list) and block:
                setattr(s, name, self.block(block, each=isinstance(s, ast.Try | ast.TryStar) and name == "body"))
        for h in (*getattr(s, "handlers", ()), *getattr(s, "cases", ())):
            h.body = self.block(h.body)
        for name, value in ast.iter_fields(s):
            if isinstance(value, ast.expr):
                setattr(s, name, self.expression(value))

    def unmarked(self, s: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
        by = " ".join(ast.unparse(d) for d in s.decorator_list)
        return "jit" in by.lower() or (self.compilers and (bool(by) or s.name in self.handed))

    def expression(self, e: ast.expr) -> ast.expr:
        """Marks on the branches of `a if b else c` and of `a and b` that call something."""
        if isinstance(e, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.JoinedStr):
            return e
        for name, value in ast.iter_fields(e):
            if isinstance(value, ast.expr):
                setattr(e, name, self.expression(value))
            elif isinstance(value, list):
                setattr(e, name, [self.expression(v) if isinstance(v, ast.expr) else v for v in value])
        if isinstance(e, ast.Call):
            for k in e.keywords:
                k.value = self.expression(k.value)
        if isinstance(e, ast.IfExp):
            e.body, e.orelse = self.marked(e.body), self.marked(e.orelse)
        elif isinstance(e, ast.BoolOp):
            e.values[1:] = [self.marked(v) for v in e.values[1:]]
        return e

    def marked(self, e: ast.expr) -> ast.expr:
        if not any(isinstance(n, ast.Call) for n in ast.walk(e)):
            return e
        return ast.copy_location(ast.BoolOp(ast.Or(), [self.mark(e, -e.lineno), e]), e)

    def mark(self, at: ast.stmt | ast.expr, line: int) -> ast.expr:
        n = len(self.lines.marks) + FIRST
        self.lines.marks.append((self.text, line, at.col_offset))
        out = ast.Subscript(ast.Constant(PLACE), ast.Constant(n), ast.Load())
        for x in ast.walk(out):
            ast.copy_location(x, at)
        return out


def _handed_on(tree: ast.Module) -> Iterator[str]:
    """Names that are used other than by calling them."""
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for n in ast.walk(tree):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and id(n) not in called:
            yield n.id


def filled(code: CodeType, seen: Seen) -> CodeType:
    """The code with the table in its place among the constants."""
    constants = tuple(
        seen if c == PLACE and type(c) is str else filled(c, seen) if isinstance(c, CodeType) else c
        for c in code.co_consts
    )
    return code.replace(co_consts=constants)


def install(lines: Lines) -> None:
    """Every text of the program is compiled with marks: the script, what it unpacks and runs, the files beside it."""
    book = lines.book

    def compile(
        source: Any,
        filename: Any,
        mode: str,
        flags: int = 0,
        dont_inherit: bool = False,
        optimize: int = -1,
        *,
        _feature_version: int = -1,
    ) -> Any:
        by = sys._getframe(1).f_code
        if not dont_inherit:
            flags |= by.co_flags & FUTURE
        name = filename if isinstance(filename, str) else ""
        mine = name.startswith(book.folder) or (name.startswith("<") and book.mine(by))
        if mode == "exec" and mine and isinstance(source, TEXT) and not flags & ast.PyCF_ONLY_AST:
            return lines.compiled(source, name, flags, optimize)
        return lines.compile(source, filename, mode, flags, True, optimize, _feature_version=_feature_version)

    def exec(source: Any, globals: Any = None, locals: Any = None, /, **more: Any) -> None:
        frame = sys._getframe(1)
        if globals is None:
            globals, locals = frame.f_globals, frame.f_locals if locals is None else locals
        if isinstance(source, TEXT):
            flags = frame.f_code.co_flags & FUTURE
            if book.mine(frame.f_code):
                source = lines.compiled(source, "<string>", flags)
            else:
                source = lines.compile(source, "<string>", "exec", flags, True)
        lines.exec(source, globals, locals, **more)

    for f, real in ((compile, lines.compile), (exec, lines.exec)):
        f.__qualname__, f.__module__, f.__doc__ = real.__name__, "builtins", real.__doc__
        setattr(builtins, real.__name__, f)
    loader = importlib.machinery.SourceFileLoader
    load = loader.exec_module

    def exec_module(self: Any, module: Any) -> None:
        if self.path.startswith(book.folder):
            lines.exec(lines.compiled(self.get_data(self.path), self.path), module.__dict__)
        else:
            load(self, module)

    loader.exec_module = exec_module  # type: ignore[method-assign]
