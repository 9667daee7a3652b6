"""C, C++ and CUDA text as small trees of our own: comments gone, macros of the same file put in, one parse.

The grammars are tree-sitter's, which also reads text with errors in it; what it cannot read becomes an
`ERROR` node that the walk steps over. Sizes, nesting and macro growth are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import tree_sitter
import tree_sitter_c
import tree_sitter_cpp
import tree_sitter_cuda

MAX_TEXT = 1_500_000  # characters of one native source
MAX_NODES = 150_000
MAX_DEPTH = 120
MAX_MACROS = 200
MAX_BODY = 600  # characters of one macro's body
MAX_GROWTH = 300_000  # characters that macros may add

_TOKEN = re.compile(r"\"(?:[^\"\\\n]|\\.){0,4000}\"|'(?:[^'\\\n]|\\.){1,8}'|//[^\n]*|/\*|[A-Za-z_]\w*|\n")
_DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+([A-Za-z_]\w*)(\([^()\n]{0,200}\))?[ \t]*(.*)$")
_NAME = re.compile(r"[A-Za-z_]\w*")
_OFF = re.compile(r"^[ \t]*#[ \t]*if[ \t]+0\b")
_BRANCH = re.compile(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|else|elif|endif)\b")


@dataclass(slots=True)
class Node:
    """A named node of the syntax tree: its kind, its line (from 1), its children and the fields among them."""

    kind: str
    line: int
    text: str  # of leaves and of short nodes, else ""
    kids: list[Node] = field(default_factory=list)
    fields: dict[str, Node] = field(default_factory=dict)
    op: str = ""

    def get(self, name: str) -> Node | None:
        return self.fields.get(name)

    def walk(self) -> Iterator[Node]:
        """This node and all below it, outermost first."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.kids))


@dataclass(frozen=True, slots=True)
class Source:
    """One native text as parsed. `problem` says what could not be read, "" if nothing."""

    root: Node | None
    problem: str = ""


@lru_cache(maxsize=8)
def parse(text: str, dialect: str = "") -> Source:
    """Parse native text without ever raising; `dialect` is "c", "cpp" or "cuda", guessed when not given."""
    if len(text) > MAX_TEXT:
        return Source(None, f"holds more native code than is read ({len(text):,} characters)")
    clean = expand(strip(text))
    data = clean.encode("utf-8", "replace")
    order = [dialect or guess(clean)]
    order += ["cuda"] if order[0] == "c" else ["c"]
    best: tree_sitter.Tree | None = None
    for name in order:
        tree = _parser(name).parse(data)
        if best is None or not tree.root_node.has_error:
            best = tree
        if not tree.root_node.has_error:
            break
    assert best is not None
    budget = [MAX_NODES]
    root = _convert(best.root_node, data, budget, 0)
    if budget[0] <= 0:
        return Source(root, f"holds more native code than is read (over {MAX_NODES:,} syntax nodes)")
    return Source(root)


def guess(text: str) -> str:
    if "__global__" in text or "__device__" in text or "<<<" in text:
        return "cuda"
    return (
        "cpp"
        if re.search(r"\bstd::|\btemplate\s*<|\bclass\s+\w|\bnamespace\b|\bauto\b|#include\s*<c\w+>", text)
        else "c"
    )


@lru_cache(maxsize=4)
def _parser(dialect: str) -> tree_sitter.Parser:
    language = {"c": tree_sitter_c, "cpp": tree_sitter_cpp, "cuda": tree_sitter_cuda}[dialect].language()
    return tree_sitter.Parser(tree_sitter.Language(language))


def _convert(node: tree_sitter.Node, data: bytes, budget: list[int], depth: int) -> Node:
    budget[0] -= 1
    start, end = node.start_byte, node.end_byte
    out = Node(
        node.type, node.start_point[0] + 1, data[start:end].decode("utf-8", "replace") if end - start < 200 else ""
    )
    if depth >= MAX_DEPTH or budget[0] <= 0:
        out.kind = "too_deep"
        return out
    for i, child in enumerate(node.children):
        name = node.field_name_for_child(i)
        if not child.is_named:
            if name == "operator":
                out.op = child.type
            continue
        if child.type == "comment":
            continue
        kid = _convert(child, data, budget, depth + 1)
        out.kids.append(kid)
        if name and name not in out.fields:
            out.fields[name] = kid
    return out


def strip(text: str) -> str:
    """The text without comments and without what stands under `#if 0`; line numbers stay."""
    out: list[str] = []
    pos = 0
    while m := _TOKEN.search(text, pos):
        out.append(text[pos : m.start()])
        token, pos = m[0], m.end()
        if token == "/*":
            end = text.find("*/", pos)
            end = len(text) if end < 0 else end + 2
            out.append(" " + "\n" * text.count("\n", pos, end))
            pos = end
        elif not token.startswith("//"):
            out.append(token)
    out.append(text[pos:])
    return _without_dead("".join(out))


def _without_dead(text: str) -> str:
    if not re.search(r"(?m)^[ \t]*#[ \t]*if[ \t]+0\b", text):
        return text
    out: list[str] = []
    dead = 0  # nesting inside a dead branch
    for line in text.split("\n"):
        m = _BRANCH.match(line)
        if dead:
            if m and m[1].startswith("if"):
                dead += 1
            elif m and (m[1] == "endif" or (dead == 1 and m[1] in ("else", "elif"))):
                dead -= 1 if m[1] == "endif" else dead
            out.append("")
        elif _OFF.match(line):
            dead = 1
            out.append("")
        else:
            out.append(line)
    return "\n".join(out)


@dataclass(frozen=True, slots=True)
class _Macro:
    params: tuple[str, ...] | None
    body: str


def expand(text: str) -> str:
    """Put the bodies of macros defined in the same text in their places; the number of lines stays the same."""
    macros: dict[str, _Macro] = {}
    lines = text.split("\n")
    code: list[str] = []
    i = 0
    while i < len(lines):
        line, more = lines[i], 0
        if line.lstrip().startswith("#"):
            while line.endswith("\\") and i + more + 1 < len(lines):
                more += 1
                line = line[:-1] + " " + lines[i + more]
            if m := _DEFINE.match(line):
                params = None if m[2] is None else tuple(p.strip() for p in m[2][1:-1].split(",") if p.strip())
                if len(macros) < MAX_MACROS and len(m[3]) <= MAX_BODY and (params is not None or _worth(m[3])):
                    macros[m[1]] = _Macro(params, m[3].strip())
            code.append("")
            code.extend([""] * more)
        else:
            code.append(line)
        i += more + 1
    joined = "\n".join(code)
    if not macros:
        return joined
    limit = len(joined) + MAX_GROWTH
    for _ in range(3):
        after = _once(joined, macros, limit)
        if after == joined or len(after) > limit:
            break
        joined = after
    return joined


def _worth(body: str) -> bool:
    """Whether an object-like macro hides something other than a name for a type or an attribute."""
    return bool(body) and not body.startswith("__attribute__")


def _once(text: str, macros: dict[str, _Macro], limit: int) -> str:
    out: list[str] = []
    size = pos = 0
    for m in _NAME.finditer(text):
        macro = macros.get(m[0])
        if macro is None or m.start() < pos:
            continue
        end = m.end()
        body = macro.body
        if macro.params is not None:
            found = _arguments(text, end)
            if found is None or len(found[0]) != len(macro.params):
                continue
            given, end = found
            table = dict(zip(macro.params, given, strict=True))
            body = _NAME.sub(lambda n, t=table: t.get(n[0], n[0]), body).replace("##", "")  # type: ignore[misc]
        out += [text[pos : m.start()], body, "\n" * text.count("\n", m.end(), end)]
        size += len(body)
        pos = end
        if size > limit:
            break
    out.append(text[pos:])
    return "".join(out)


def _arguments(text: str, start: int) -> tuple[list[str], int] | None:
    """The arguments of a macro's use, and where they end; None if no parenthesis follows or it does not close."""
    while start < len(text) and text[start] in " \t":
        start += 1
    if start >= len(text) or text[start] != "(":
        return None
    depth, given, last = 0, [], start + 1
    for i in range(start, min(len(text), start + 2000)):
        c = text[i]
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if depth == 0:
                given.append(text[last:i].replace("\n", " ").strip())
                return ([] if given == [""] else given), i + 1
        elif c == "," and depth == 1:
            given.append(text[last:i].replace("\n", " ").strip())
            last = i + 1
    return None
