"""From the bytes of a log to lines worth reading.

Logs of the challenge's script begin with the whole source of that script, so figures in comments
and defaults stand in the same file as the results. `skipped` finds those stretches. Line numbers
count line feeds, as editors and `sed` do; the pieces of a progress bar between carriage returns
share their line's number.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator

LINE_CUT = 20_000  # characters; what stands beyond is not read

_ANSI = re.compile(r"\x1b\[[0-?]{0,32}[ -/]{0,8}[@-~]|\x1b[@-Z\\-_]")
_PREFIX = re.compile(
    r"""(?x)
    \[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?(?:[ ]UTC\]?)?[ \t]
    | \[\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\][ ]?
    | \d\d:\d\d:\d\d(?:[.,]\d{1,9})?[ ]
    | \d{10}\.\d{1,9}[ ]
    | \[(?:default|rank)?\d{1,4}\]:?[ ]?
    | \d{1,4}:[ ](?=[A-Za-z])
    | \[(?:train|eval|stdout|stderr|modal)\][ ]
    | (?:-[ ])?(?:INFO|DEBUG|WARNING)[ ]?[-:|]{1,2}[ ]
    """
)


def decode(data: bytes) -> tuple[str, str]:
    """The text and a sentence about its encoding, "" when it is plain UTF-8. Never fails."""
    for bom, codec in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(bom):
            note = "" if codec == "utf-8" else "the file is UTF-16, not UTF-8"
            return data[len(bom) :].decode(codec, "replace"), note
    if b"\0" in data[:400]:
        for start, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
            if data[start:400:2].count(0) > len(data[:400]) * 0.4:
                return data.decode(codec, "replace"), "the file is UTF-16 without a mark, not UTF-8"
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError as e:
        return data.decode("utf-8", "replace"), f"the file is not UTF-8 (byte {e.start:,})"


def split(text: str) -> list[str]:
    """The lines without their terminators and colour codes, cut to `LINE_CUT` characters."""
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    return [line[:LINE_CUT].rstrip("\r") for line in text.split("\n")]


def bare(line: str) -> str:
    """The line without time stamps, ranks and logger names in front, and without blanks around."""
    return unprefixed(line.strip()).strip()


def unprefixed(line: str) -> str:
    """The line without time stamps, ranks and logger names, its indentation behind them kept."""
    for _ in range(4):
        m = _PREFIX.match(line)
        if not m:
            break
        line = line[m.end() :]
    return line


def pieces(line: str) -> list[str]:
    """The parts of one line between carriage returns, as a progress bar leaves them."""
    return [p for p in line.split("\r") if p] if "\r" in line else [line]


# Python at the left margin that no log prints, and everything that may stand between two such lines.
_ANCHOR = re.compile(r"from [\w.]+ import |import [A-Za-z_]|(?:async )?def \w+\(|class \w+\s*[(:]|@\w|if __name__ ?==")
_CODE = re.compile(
    r"""(?x) \s | \# | [)\]}] | @ | "" | '' | r?["'] | $
    | (?:from|import|def|class|if|else|elif|try|except|finally|with|while|for|return|raise)\b
    | (?:assert|global|del|async|pass)\b
    | [A-Za-z_][\w.,\[\]"' ]{0,200}(?::[ ]?[\w.\[\], |]{1,80})?[ ]?[-+*/|]?=(?!=)
    | [A-Za-z_][\w.]{0,100}\((?!\d)
    """
)
_TRIPLE = re.compile(r"\"\"\"|'''")
_END = re.compile(r"={40,}\s*$")
_PYTHON = re.compile(r"(?:Running )?Python \d")
_CERTAIN = re.compile(
    r"step:\d+/\d+ |\d+/\d+ (?:val|train)_loss: |Hyperparameters:\s*$|model_params:\d|val_bpb:enabled|world_size:\d|"
    r"train_loader:dataset:|warmup_step:\d|seed:\d|stopping_early: ?\w+ ?train_time|Running Py"
)
_FIRST = frozenset("=sRHvmwt0123456789")  # first characters of the lines that `_CERTAIN` and `_END` match
_REACH = 400  # lines of doc string or comment that may precede the first import
_DEPTH = 12_000  # lines of program text after which no banner is looked for


def skipped(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Stretches [start, end) of indices into `lines` that are program text, in order."""
    anchors = [i for i, line in enumerate(lines) if _ANCHOR.match(line)]
    if not anchors:
        return
    stops = [i for i, line in enumerate(lines) if line[:1] in _FIRST and (_CERTAIN.match(line) or _is_banner(lines, i))]
    at = 0
    while (k := bisect_left(anchors, at)) < len(anchors):
        first = anchors[k]
        n = bisect_left(stops, first)
        stop = stops[n] if n < len(stops) else len(lines)
        end = _code_end(lines, first, stop)
        if stop < len(lines) and stop - first < _DEPTH and _is_banner(lines, stop):
            end = stop  # the banner ends the source surely; odd lines before it belong to the source
        if bisect_left(anchors, end) - k >= 2 or end - first >= 10:
            yield _code_start(lines, first, at), end
        at = max(end, first + 1)


def _code_start(lines: list[str], first: int, floor: int) -> int:
    """Where the program begins: a doc string or comment block above its first import belongs to it."""
    start = first
    for i in range(first - 1, max(floor, first - _REACH) - 1, -1):
        line = lines[i]
        if _CERTAIN.match(line) or _END.match(line):
            break
        if line.startswith(('"', "'", "#", 'r"')):
            start = i
    return start


def _code_end(lines: list[str], first: int, stop: int) -> int:
    """The first line after `first`, `stop` at the latest, that is no program text."""
    quote = ""
    for i in range(first, stop):
        if not quote and not _CODE.match(lines[i]):
            return i
        for m in _TRIPLE.findall(lines[i]):
            quote = "" if quote == m else quote or m
    return stop


def _is_banner(lines: list[str], i: int) -> bool:
    """Whether the line of `=` stands here that the challenge's script prints after its own source."""
    return bool(_END.match(lines[i])) and i + 1 < len(lines) and bool(_PYTHON.match(lines[i + 1]))
