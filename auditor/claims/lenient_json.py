"""A JSON reader that keeps the place of every value and reads on after a mistake.

People write submission.json by hand: trailing commas, comments, Python literals, a markdown fence
or a shell heredoc around the object. Each such slip becomes a sentence with line and column in
`Document.problems`; what can be read safely is read. Correct JSON gives no problem.

The reader has no recursion, and bounds depth, number of values and length of numbers.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.evidence import Location

MAX_TEXT = 2_000_000  # characters
MAX_DEPTH = 64
MAX_VALUES = 100_000
MAX_DIGITS = 400
MAX_PROBLEMS = 12

_SPACE = re.compile(r"[ \t\r\n\ufeff\u00a0]*")
_NUMBER = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_STRICT_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"[^\s,:{}\[\]\"']+")
_STRICT_STRING = {
    '"': re.compile(r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'),
}
_LOOSE_STRING = {
    '"': re.compile(r'"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"'),
    "'": re.compile(r"'[^'\\\n]*(?:\\[^\n][^'\\\n]*)*'"),
}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SIMPLE_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: dict[str, tuple[str, float | bool | None]] = {
    "true": ("true", True),
    "false": ("true", False),
    "null": ("null", None),
}
_FOREIGN_WORDS: dict[str, tuple[str, float | bool | None]] = {
    "True": ("true", True),
    "False": ("true", False),
    "None": ("null", None),
    "undefined": ("null", None),
    "NaN": ("number", math.nan),
    "nan": ("number", math.nan),
    "Infinity": ("number", math.inf),
    "-Infinity": ("number", -math.inf),
    "inf": ("number", math.inf),
}


@dataclass(slots=True)
class Node:
    """One value. `kind` is object, array, string, number, true (both booleans) or null.

    `raw` is the text of a number as written; `entries` are an object's keys and values in order,
    repeated keys included; `items` an array's values.
    """

    kind: str
    start: int
    value: object = None
    raw: str = ""
    entries: list[tuple[str, Node]] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    def fields(self) -> dict[str, Node]:
        """Key to value; of a repeated key the last one counts, as in other JSON readers."""
        return dict(self.entries)


@dataclass(slots=True)
class Document:
    """A parsed text: the outermost value (None if there is none) and what was wrong."""

    text: str
    root: Node | None = None
    problems: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)  # offset of each line

    def line(self, offset: int) -> int:
        """Line number of an offset, from 1."""
        return bisect_right(self.starts, offset)

    def place(self, offset: int) -> str:
        line = self.line(offset)
        return f"line {line}, column {offset - self.starts[line - 1] + 1}"

    def at(self, file: str, offset: int) -> Location:
        """The line around an offset; of a very long line, the part that follows the offset."""
        line = self.line(offset)
        start = self.starts[line - 1]
        end = self.starts[line] - 1 if line < len(self.starts) else len(self.text)
        if offset - start > 200:
            start = offset - 60
        return Location(file, line, self.text[start : min(end, start + 400)].strip()[:240])

    def note(self, offset: int, what: str) -> None:
        """Remember a problem; after the first dozen only that there are more."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{what} ({self.place(offset)})")
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append("further slips of form are not listed")


def decode(data: bytes) -> tuple[str, list[str]]:
    """Text of a file that should be UTF-8, and what was odd about its encoding."""
    for mark, name in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(name, "replace"), ["the file is UTF-16, not UTF-8"]
    odd = []
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
        odd.append("the file starts with a byte order mark")
    try:
        return data.decode("utf-8"), odd
    except UnicodeDecodeError as e:
        return data.decode("utf-8", "replace"), [*odd, f"byte {e.start} is not valid UTF-8"]


def parse(data: bytes) -> Document:
    """Read one JSON value. Never raises."""
    text, odd = decode(data)
    if len(text) > MAX_TEXT:
        odd.append(f"only the first {MAX_TEXT:,} characters were read")
        text = text[:MAX_TEXT]
    starts = [0]
    starts.extend(m.end() for m in re.finditer("\n", text))
    document = Document(text, problems=odd, starts=starts)
    _Reader(document).read()
    return document


def numbers(node: Node) -> Iterator[Node]:
    """All number nodes below `node`, in order of appearance."""
    stack = [node]
    while stack:
        n = stack.pop()
        if n.kind == "number":
            yield n
        stack.extend(reversed([v for _, v in n.entries] or n.items))


class _Reader:
    """One pass over the text with a stack of open objects and arrays."""

    def __init__(self, document: Document) -> None:
        self.doc = document
        self.text = document.text
        self.pos = 0
        self.values = 0
        self.open: list[Node] = []
        self.keys: list[tuple[str, int] | None] = []  # key waiting for its value, per open node
        self.comma = True  # may a value or key stand here?

    def read(self) -> None:
        self._to_start()
        while self.doc.root is None or self.open:
            self._space()
            if self.pos >= len(self.text):
                break
            if self.values > MAX_VALUES:
                self.doc.note(self.pos, f"only the first {MAX_VALUES:,} values were read")
                return
            self._step()
        if self.doc.root is None:
            self.doc.note(min(self.pos, len(self.text)), "no JSON value found")
        elif self.open:
            brackets = "bracket was" if len(self.open) == 1 else "brackets were"
            self.doc.note(len(self.text), f"the file ends before {len(self.open)} open {brackets} closed")
        else:
            self._space()
            if self.pos < len(self.text):
                self.doc.note(self.pos, "text after the end of the JSON value was not read")

    def _to_start(self) -> None:
        """Skip what stands before the outermost value: a fence, a heredoc's first line."""
        self._space()
        start = self.pos
        c = self.text[start : start + 1]
        if not c or c in '{["-0123456789' or self.text.startswith(("true", "false", "null"), start):
            return
        brace = self.text.find("{", start)
        if brace < 0:
            self.pos = len(self.text)
            return
        self.doc.note(start, "text before the JSON value was skipped")
        self.pos = brace

    def _space(self) -> None:
        """Skip white space, and comments with a note."""
        while True:
            m = _SPACE.match(self.text, self.pos)
            self.pos = m.end() if m else self.pos
            head = self.text[self.pos : self.pos + 2]
            if head == "/*":
                end = self.text.find("*/", self.pos)
                stop = end + 2 if end >= 0 else len(self.text)
            elif head == "//" or head[:1] == "#":
                end = self.text.find("\n", self.pos)
                stop = end if end >= 0 else len(self.text)
            else:
                return
            if self.doc.root is not None and not self.open:  # text after the end, reported there
                return
            self.doc.note(self.pos, "comments are not JSON")
            self.pos = stop

    def _step(self) -> None:
        """Consume one token."""
        c = self.text[self.pos]
        top = self.open[-1] if self.open else None
        if c in "{[":
            self._add(Node("object" if c == "{" else "array", self.pos))
            self.pos += 1
        elif c in "}]":
            self._close(c)
        elif c == ",":
            if top is None or self.comma:
                self.doc.note(self.pos, "a comma too many")
            self._drop_key()
            self.comma = True
            self.pos += 1
        elif c == ":":
            self.doc.note(self.pos, "a colon where none belongs")
            self.pos += 1
        elif top is not None and top.kind == "object" and self.keys[-1] is None:
            self._key()
        else:
            self._add(self._scalar())

    def _key(self) -> None:
        start = self.pos
        if not self.comma:
            self.doc.note(start, "a comma is missing")
        if self.text[start] in "\"'":
            key = self._string()
        else:
            m = _WORD.match(self.text, start)
            key = m[0] if m else self.text[start]
            self.pos = start + len(key)
            self.doc.note(start, "a key without quotation marks")
        self._space()
        if self.text[self.pos : self.pos + 1] == ":":
            self.pos += 1
            self.keys[-1] = (key, start)
            self.comma = True
        else:
            self.doc.note(start, f"the key {key[:40]!r} has no value")
            self.comma = False

    def _scalar(self) -> Node:
        start = self.pos
        if self.text[start] in "\"'":
            return Node("string", start, self._string())
        m = _NUMBER.match(self.text, start)
        if m and not _WORD.match(self.text, m.end()):
            self.pos = m.end()
            return self._number(start, m[0])
        w = _WORD.match(self.text, start)
        word = w[0] if w else self.text[start]
        self.pos = start + len(word)
        if word in _WORDS:
            kind, value = _WORDS[word]
            return Node(kind, start, value)
        if word in _FOREIGN_WORDS:
            self.doc.note(start, f"{word} is not a JSON value")
            kind, value = _FOREIGN_WORDS[word]
            return Node(kind, start, value, word)
        end = min((i for i in (self.text.find(c, start) for c in ",}]\n") if i >= 0), default=len(self.text))
        self.pos = max(end, start + 1)
        self.doc.note(start, "a text without quotation marks")
        return Node("string", start, self.text[start : self.pos].strip()[:400])

    def _number(self, start: int, raw: str) -> Node:
        if len(raw) > MAX_DIGITS:
            self.doc.note(start, f"a number of {len(raw):,} digits was not read")
            return Node("null", start)
        if not _STRICT_NUMBER.fullmatch(raw):
            self.doc.note(start, f"{raw[:40]} is not a JSON number")
        try:
            value = float(raw.replace("_", ""))
        except ValueError:
            return Node("string", start, raw)
        if not math.isfinite(value):
            self.doc.note(start, f"{raw[:40]} is too large to be a number")
        return Node("number", start, value, raw)

    def _string(self) -> str:
        """The string at `pos`, whose first character is its quotation mark."""
        start = self.pos
        quote = self.text[start]
        strict = _STRICT_STRING[quote].match(self.text, start) if quote == '"' else None
        if strict:
            self.pos = strict.end()
            body = strict[0]
            return str(json.loads(body)) if "\\" in body else body[1:-1]
        loose = _LOOSE_STRING[quote].match(self.text, start)
        if loose:
            self.doc.note(
                start, "a text in single quotation marks" if quote == "'" else "a text with an invalid escape"
            )
            self.pos = loose.end()
            return _unescape(loose[0][1:-1])
        end = self.text.find(quote, start + 1, start + 5_000)
        if end > 0 and re.match(r"\s{0,40}[,:}\]]", self.text[end + 1 : end + 60]):
            self.doc.note(start, "a text that runs over several lines")
            self.pos = end + 1
            return _unescape(self.text[start + 1 : end])
        self.doc.note(start, "a text without closing quotation mark")
        line_end = self.text.find("\n", start)
        stop = line_end if line_end >= 0 else len(self.text)
        self.pos = max(stop, start + 1)
        return self.text[start + 1 : stop].rstrip().rstrip(",")[:4_000]

    def _add(self, node: Node) -> None:
        """Put a value where it belongs, and enter it if it is an object or array."""
        self.values += 1
        if not self.open:
            if self.doc.root is None:
                self.doc.root = node
        elif len(self.open) > MAX_DEPTH:
            if len(self.open) == MAX_DEPTH + 1 and node.kind in ("object", "array"):
                self.doc.note(node.start, f"values nested deeper than {MAX_DEPTH} were not read")
            self.keys[-1] = None
        else:
            top = self.open[-1]
            if top.kind == "object":
                key = self.keys[-1]
                if key is not None:
                    top.entries.append((key[0], node))
                self.keys[-1] = None
            else:
                if not self.comma:
                    self.doc.note(node.start, "a comma is missing")
                top.items.append(node)
        self.comma = False
        if node.kind in ("object", "array"):
            self.open.append(node)
            self.keys.append(None)
            self.comma = True

    def _close(self, c: str) -> None:
        kind = "object" if c == "}" else "array"
        if not self.open or (self.open[-1].kind != kind and not any(n.kind == kind for n in self.open[-8:])):
            self.doc.note(self.pos, f"a {c!r} too many")
            self.pos += 1
            return
        while True:
            node = self.open[-1]
            self._drop_key()
            if self.comma and (node.entries or node.items):
                self.doc.note(self.pos, "a trailing comma")
            self.open.pop()
            self.keys.pop()
            self.comma = False
            self._repeated(node)
            if node.kind == kind:
                break
            self.doc.note(self.pos, f"{c!r} closes a value that was opened with another bracket")
        self.pos += 1

    def _drop_key(self) -> None:
        if self.keys and self.keys[-1] is not None:
            key, start = self.keys[-1]
            self.doc.note(start, f"the key {key[:40]!r} has no value")
            self.keys[-1] = None
            self.comma = False

    def _repeated(self, node: Node) -> None:
        seen: set[str] = set()
        for key, value in node.entries:
            if key in seen:
                self.doc.note(value.start, f"the key {key[:40]!r} is given twice; the last one counts")
            seen.add(key)


def _unescape(body: str) -> str:
    def one(m: re.Match[str]) -> str:
        e = m[1]
        return chr(int(e[1:], 16)) if len(e) == 5 else _SIMPLE_ESCAPES.get(e, e)

    return _ESCAPE.sub(one, body)
