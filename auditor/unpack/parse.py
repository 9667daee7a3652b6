"""One parse of Python text, for every reader of it: `ast`, with older and newer spellings made readable.

Python 3.12 lets an f-string reuse its own quotes and names type parameters; when the running Python is
older, such text is rewritten line by line to mean the same in the older spelling, so that line numbers
stay. What no rewriting helps is reported with the line.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from auditor.unpack.lexer import Literal, literals
from auditor.unpack.wordset import wordset

MAX_TEXT = 64_000_000  # characters
MAX_TOKENS = 200_000  # rough count of separators outside long literals: bounds memory and time
_LONG = re.compile(r"\"[^\"\\\n]{1000,}+\"|'[^'\\\n]{1000,}+'")
_GENERIC = re.compile(r"(?m)^([ \t]*(?:async[ \t]+def|def|class)[ \t]+\w+)(\[[^\[\]\n]{0,200}\])(?=[ \t]*[(:])")
_ALIAS = re.compile(r"(?m)^([ \t]*)type[ \t]+(\w+)[ \t]*(?:\[[^\[\]\n]{0,200}\])?[ \t]*(=)(?!=)")


@dataclass(frozen=True)
class Parsed:
    """A syntax tree, or None and half a sentence on why there is none. `line` counts from 1, 0 = unknown."""

    tree: ast.Module | None
    problem: str = ""
    line: int = 0
    rewritten: bool = False


@functools.lru_cache(maxsize=4)
def parse(text: str) -> Parsed:
    """Parse `text` without ever raising. The tree is shared between callers: do not change it."""
    if len(text) > MAX_TEXT or tokens(text) > MAX_TOKENS:
        return Parsed(None, f"holds more code than is read ({len(text):,} characters)")
    first = _parse(text)
    if first.tree is not None or first.line == 0:
        return first
    older = downgrade(text)
    second = _parse(older) if older != text else first
    if second.tree is not None:
        return Parsed(second.tree, rewritten=True)
    return first


# Fields of nodes that never hold a node worth visiting: names, numbers, and marks (`Load`, `Add`, …).
_BARE = wordset(
    "id ctx op ops attr arg kind conversion level module type_comment simple is_async asname rest kwd_attrs tag"
)
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {
    ast.Constant: (),
    ast.Name: (),
    ast.FunctionDef: tuple(f for f in ast.FunctionDef._fields if f not in ("name", "type_comment")),
    ast.ClassDef: tuple(f for f in ast.ClassDef._fields if f != "name"),
}


def fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a kind of node that may hold nodes worth visiting."""
    found = _FIELDS.get(kind)
    if found is None:
        found = _FIELDS[kind] = tuple(f for f in kind._fields if f not in _BARE)
    return found


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below a node, in the order of the text, without marks such as `Load` and `Add`."""
    found: list[ast.AST] = []
    _add_children(node, found)
    return found


def _add_children(node: ast.AST, to: list[ast.AST]) -> None:
    found = _FIELDS.get(type(node))
    for name in fields(type(node)) if found is None else found:
        value = getattr(node, name, None)
        if type(value) is list:
            if value:
                to += [v for v in value if isinstance(v, ast.AST)]
        elif isinstance(value, ast.AST):
            to.append(value)


def walk(tree: ast.AST) -> Sequence[ast.AST]:
    """The nodes of a tree in the order of `ast.walk`, without the marks (`Load`, `Add`, …) that carry nothing.

    A whole module is walked once and the list is kept with it, since half a dozen readers go over
    each script and walking costs more than they do.
    """
    kept: Sequence[ast.AST] | None = getattr(tree, "_scorefirst_nodes", None)
    if kept is not None:
        return kept
    nodes = [tree]
    for node in nodes:  # grows while it is read
        _add_children(node, nodes)
    if isinstance(tree, ast.Module):
        tree._scorefirst_nodes = nodes  # type: ignore[attr-defined]
    return nodes


def tokens(text: str) -> int:
    """A quick upper estimate of how many syntax nodes `text` has, long literals left out."""
    if len(text) > 200_000:
        text = _LONG.sub("''", text)
    return sum(map(text.count, "\n;,([{.:=+-*/%<>&|^~@")) + text.count(" not ") + text.count(" if ")


def _parse(text: str) -> Parsed:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Parsed(ast.parse(text.removeprefix("\ufeff")))
    except SyntaxError as e:
        reason = " ".join(str(e.msg).split())[:100]
        if "nested" in reason or "digits" in reason:
            return Parsed(None, f"cannot be parsed: {reason.partition(';')[0]}", 0)
        return Parsed(None, f"is not valid Python: {reason}", e.lineno or 1)
    except (RecursionError, MemoryError):
        return Parsed(None, "cannot be parsed: it is nested too deeply")
    except (ValueError, OverflowError) as e:
        return Parsed(None, f"cannot be parsed: {e}")


def downgrade(text: str) -> str:
    """Rewrite 3.12 to 3.14 spellings so that Python 3.11 parses them; the number of lines stays the same."""
    out: list[str] = []
    pos = 0
    for lit in literals(text):
        out.append(_generics(text[pos : lit.start]))
        out.append(_requote(text, lit))
        pos = lit.end
    out.append(_generics(text[pos:]))
    return "".join(out)


def _generics(code: str) -> str:
    code = _GENERIC.sub(lambda m: m[1], code)
    return _ALIAS.sub(lambda m: f"{m[1]}{m[2]} {m[3]}", code)


def _requote(text: str, lit: Literal) -> str:
    """An f-string in the older spelling: inner literals take the other quote, t-strings become f-strings."""
    if not lit.formatted or not lit.closed:
        return text[lit.start : lit.end]
    prefix = lit.prefix.translate({ord("t"): "f", ord("T"): "f"})
    quote = lit.quote
    if lit.escaped:  # a backslash between the braces: keep the lines, drop the code
        return '"' + " " * 8 + '"' + "\\\n" * text.count("\n", lit.start, lit.end)
    if lit.broken and len(quote) == 1:
        quote *= 3
    other = '"' if quote[0] == "'" else "'"
    out: list[str] = []
    pos = lit.start + lit.opening
    for child in lit.inner:
        out.append(text[pos : child.start])
        out.append(_inner(text, child, other))
        pos = child.end
    out.append(text[pos : lit.end - len(lit.quote)])
    return prefix + quote + "".join(out) + quote


def _inner(text: str, lit: Literal, quote: str) -> str:
    """A literal between braces, in `quote`; one that this quote cannot hold is emptied."""
    body = text[lit.start + lit.opening : lit.end - len(lit.quote)]
    prefix = "" if lit.formatted else lit.prefix
    if lit.formatted or "\\" in body or '"' in body or "'" in body or "\n" in body:
        body = "\n" * body.count("\n")
        if body:
            return f"({prefix}{quote}{quote}{body})"
    return f"{prefix}{quote}{body}{quote}"
