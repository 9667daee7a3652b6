"""Documents from text files: .txt and .jsonl, also packed as .xz or .gz, read as a stream."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Literal

from evaluator.corpus.base import CorpusError

BLOCK = 1 << 20  # characters read at a time
MAX_DOCUMENT = 1 << 26  # characters
BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
Separator = Literal["auto", "nul", "blank", "line", "none"]


def documents(path: Path, separator: Separator = "auto") -> Iterator[str]:
    """The documents of a file, in order, those without a visible character left out.

    .jsonl: one JSON string or object with a "text" per line. .txt: cut at NUL characters, blank lines or line ends, or not at
    all; "auto" takes NUL if the first megabyte has one, else blank lines. Raises CorpusError with file and place for what
    is no such text, not UTF-8, or a document of more than 64 million characters.
    """
    kind = Path(path.stem if path.suffix in (".xz", ".gz") else path.name).suffix
    if kind not in (".txt", ".jsonl"):
        raise CorpusError(f"{path}: neither .txt nor .jsonl (nor one of these as .xz or .gz); name it by what it is")
    try:
        with _opened(path) as file:
            found = _lines(path, file) if kind == ".jsonl" else _pieces(path, file, separator)
            for text in found:
                if text.strip():
                    yield text
    except UnicodeDecodeError as e:
        raise CorpusError(f"{path}: not UTF-8 ({e.reason}); convert it first") from None
    except (lzma.LZMAError, EOFError, zlib.error, gzip.BadGzipFile) as e:
        raise CorpusError(f"{path}: cannot be unpacked ({e}); copy it again") from None
    except OSError as e:
        raise CorpusError(f"{path}: {e.strerror or e}; check the path") from None


def _opened(path: Path) -> IO[str]:
    packed: Any
    with ExitStack() as closing:  # whoever reads closes it; here only if that is not possible
        if path.suffix == ".xz":
            packed = closing.enter_context(lzma.open(path, "rb"))
        elif path.suffix == ".gz":
            packed = closing.enter_context(gzip.open(path, "rb"))
        else:
            packed = closing.enter_context(path.open("rb"))
        text = io.TextIOWrapper(packed, encoding="utf-8", newline="")
        closing.pop_all()
    return text


def _lines(path: Path, file: IO[str]) -> Iterator[str]:
    number = 0
    while line := file.readline(MAX_DOCUMENT):
        number += 1
        if not line.strip():
            continue
        if len(line) == MAX_DOCUMENT:
            raise CorpusError(f"{path}: line {number:,} is longer than {MAX_DOCUMENT:,} characters; cut it")
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise CorpusError(f"{path}: line {number:,} is no JSON; give one JSON value per line") from None
        text = value.get("text") if isinstance(value, dict) else value
        if not isinstance(text, str):
            raise CorpusError(f'{path}: line {number:,} has no text; give a string or an object with a "text"')
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise CorpusError(f"{path}: line {number:,} holds half a surrogate pair, which is no text; repair it")
        yield text


def _pieces(path: Path, file: IO[str], separator: Separator) -> Iterator[str]:
    held = file.read(BLOCK)
    if separator == "auto":
        separator = "nul" if "\0" in held else "blank"
    if separator == "none":
        while block := file.read(BLOCK):
            held += block
            _check_length(path, held)
        yield held
        return
    cut = {"nul": re.compile("\0"), "blank": BLANK_LINE, "line": re.compile("\r?\n")}[separator]
    while held:
        block = file.read(BLOCK)
        if not block:
            yield from (t.strip("\r\n") for t in cut.split(held))
            return
        *whole, rest = cut.split(held)
        yield from (t.strip("\r\n") for t in whole)
        held = rest + block  # a cut that a block's end went through is found now
        _check_length(path, held)


def _check_length(path: Path, held: str) -> None:
    if len(held) > MAX_DOCUMENT:
        raise CorpusError(f"{path}: a document of more than {MAX_DOCUMENT:,} characters; choose another separator")
