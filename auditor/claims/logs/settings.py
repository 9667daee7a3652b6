"""The hyper-parameters that a log prints before training, in the forms scripts print them in."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BLOCK_HEAD = re.compile(r"\W*(?:hyper-?parameters|config(?:uration)?|settings|args|arguments)\W*$", re.IGNORECASE)
_BLOCK_LINE = re.compile(r"\s{0,8}([A-Za-z_]\w{0,60})\s?[:=]\s?(.{0,400})$")
_TOKEN = re.compile(r"([A-Za-z_]\w{0,60})[:=]([^\s:=]\S{0,400})$")
_ENV = re.compile(r"(?:[#+$]\s?)?(?:env[:.]|condition:|export )?([A-Z][A-Z0-9_]{2,60})=(\S{0,200})$")
_RESULT = re.compile(r"(?:val_|train_)?(?:loss|bpb|time)$|step_avg$|step$")


def is_block_head(line: str) -> bool:
    """Whether this line announces a block of `  name: value` lines (`Hyperparameters:`)."""
    return len(line) < 80 and bool(_BLOCK_HEAD.match(line))


def block_line(raw: str) -> tuple[str, str] | None:
    """(name, value) of a line inside such a block, None if the block ends here."""
    m = _BLOCK_LINE.match(raw)
    return (m[1].lower(), m[2].strip()) if m else None


def inline(line: str) -> Iterator[tuple[str, str]]:
    """(name, value) pairs of a line that consists of `name:value` or `name=value` words only."""
    if len(line) > 12_000 or (":" not in line and "=" not in line):
        return
    m = _ENV.match(line)
    if m:
        yield m[1].lower(), m[2].strip("\"'")
        return
    words = [_TOKEN.match(w) for w in line.split()]
    if all(words):
        for w in words:
            if w and not _RESULT.match(w[1]):
                yield w[1].lower(), w[2].rstrip(",")
