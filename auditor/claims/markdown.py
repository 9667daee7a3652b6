"""The parts of a markdown text that claims are read from: lines under headings, tables, code blocks.

Not a markdown renderer. It keeps line numbers, tells prose from code, and knows under which
headings a line stands, because the same sentence means something else under "Ablations".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from auditor.claims.lenient_json import decode
from rules.evidence import Location

MAX_TEXT = 1_000_000  # characters
MAX_LINE = 4_000
MAX_LINES = 20_000

_FENCE = re.compile(r"\s{0,12}(?:>\s{0,3}|[-*+]\s{1,3}|\d{1,3}[.)]\s{1,3}){0,3}(`{3,}|~{3,})\s{0,4}([\w+#.-]{0,24})")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s{1,4}(.{1,400}?)\s{0,4}#*\s*$")
_RULE_CELL = re.compile(r"\s*:?-{1,200}:?\s*")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of prose. `headings` are those above it, outermost first."""

    number: int
    text: str
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A pipe table: cells without markup, but `bold` remembers which cells were emphasised."""

    line: int
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]  # (line, cells)
    headings: tuple[str, ...] = ()
    bold: frozenset[tuple[int, int]] = frozenset()  # (row index, column index)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: fenced, or indented (language "")."""

    line: int  # of the first line inside
    language: str
    lines: tuple[str, ...]
    headings: tuple[str, ...] = ()


@dataclass(slots=True)
class Text:
    """A markdown file, taken apart."""

    file: str
    lines: list[str]
    prose: list[Line] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    titles: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def at(self, number: int) -> Location:
        """Line `number`, counted from 1."""
        text = self.lines[number - 1] if 0 < number <= len(self.lines) else ""
        return Location(self.file, number, text.strip()[:240])


def read(data: bytes, file: str) -> Text:
    """Take a markdown file apart. Never raises; over-long files are cut with a note."""
    content, problems = decode(data)
    if len(content) > MAX_TEXT:
        problems.append(f"only the first {MAX_TEXT:,} characters were read")
    lines = [x[:MAX_LINE] for x in content[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    if len(lines) > MAX_LINES:
        problems.append(f"only the first {MAX_LINES:,} lines were read")
        del lines[MAX_LINES:]
    text = Text(file, lines, problems=problems)
    _take_apart(text)
    return text


def clean(cell: str) -> str:
    """A cell or phrase without emphasis, code marks, links and images."""
    if "](" in cell:
        cell = _LINK.sub(r"\1", cell)
    return _MARKUP.sub("", cell).strip()


_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,600}\)")
_MARKUP = re.compile(r"<[^<>]{1,60}>|\*+|`+|~~|\\(?=[_*~|])|(?<!\w)__?(?=\w)|(?<=\w)__?(?!\w)")


def cells(line: str) -> tuple[str, ...]:
    """The raw cells of a table row."""
    inner = line.strip()
    inner = inner.removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return tuple(c.strip() for c in re.split(r"(?<!\\)\|", inner))


def _take_apart(text: Text) -> None:
    headings: list[tuple[int, str]] = []
    i = 0
    while i < len(text.lines):
        line = text.lines[i]
        path = tuple(t for _, t in headings)
        fence = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if fence and "`" not in line[fence.end(1) :]:
            i = _fenced(text, i, fence, path)
            continue
        h = _HEADING.match(line) if "#" in line else None
        if h:
            level = len(h[1])
            headings = [x for x in headings if x[0] < level]
            headings.append((level, clean(h[2])))
            text.titles.append(Line(i + 1, h[2], path))
            i += 1
            continue
        if i + 1 < len(text.lines) and "|" in line and _is_rule(text.lines[i + 1], line):
            i = _table(text, i, path)
            continue
        if line.startswith(("    ", "\t")) and line.strip() and (i == 0 or not text.lines[i - 1].strip()):
            i = _indented(text, i, path)
            continue
        if line.strip():
            text.prose.append(Line(i + 1, line, path))
        i += 1


def _fenced(text: Text, i: int, fence: re.Match[str], path: tuple[str, ...]) -> int:
    mark = fence[1]
    end = i + 1
    while end < len(text.lines):
        inner = text.lines[end].lstrip(" >\t")
        if inner.startswith(mark) and not inner.strip().strip(mark[0]):
            break
        end += 1
    text.blocks.append(Block(i + 2, fence[2].lower(), tuple(text.lines[i + 1 : end]), path))
    return end + 1


def _indented(text: Text, i: int, path: tuple[str, ...]) -> int:
    """An indented block; it is also kept as prose, since nested list items look the same."""
    end = i
    while end < len(text.lines) and (text.lines[end].startswith(("    ", "\t")) or not text.lines[end].strip()):
        end += 1
    body = text.lines[i:end]
    text.blocks.append(Block(i + 1, "", tuple(body), path))
    text.prose.extend(Line(i + 1 + k, x, path) for k, x in enumerate(body) if x.strip())
    return end


def _is_rule(line: str, above: str) -> bool:
    if "-" not in line or len(line) > MAX_LINE:
        return False
    rule = cells(line)
    return all(_RULE_CELL.fullmatch(c) for c in rule) and len(rule) == len(cells(above))


def _table(text: Text, i: int, path: tuple[str, ...]) -> int:
    header = tuple(clean(c) for c in cells(text.lines[i]))
    rows: list[tuple[int, tuple[str, ...]]] = []
    bold: set[tuple[int, int]] = set()
    end = i + 2
    while end < len(text.lines) and "|" in text.lines[end] and len(rows) < 500:
        raw = cells(text.lines[end])[: len(header)]
        bold |= {(len(rows), k) for k, c in enumerate(raw) if c.startswith(("**", "__"))}
        rows.append((end + 1, tuple(clean(c) for c in raw) + ("",) * (len(header) - len(raw))))
        end += 1
    text.tables.append(Table(i + 1, header, tuple(rows), path, frozenset(bold)))
    return end
