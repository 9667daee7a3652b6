"""The hyper-parameters that a log prints before training, in the forms scripts print them in."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BLOCK_HEAD = re.compile(r"\W*(?:hyper-?parameters|config(?:uration)?|settings|args|arguments)\W*$", re.IGNORECASE)
_BLOCK_LINE = re.compile(r"\s{0,8}([A-Za-z_]\w{0,60})\s?[:=]\s?(.{0,400})$")
_TOKEN = re.compile(r"([A-Za-z_]\w{0,60})[:=]([^\s:=]\S{0,400})$")
_ENV = re.compile(r"(?:[#+$]\s?)?(?:env[:.]|condition:|export )?([A-Z][A-Z0-9_]{2,60})=(\S{0,200})$")
# `Namespace(a=1, b='x')`, `Hyperparameters(a=1, …)`, `config: {'a': 1, …}`
_REPR = re.compile(
    r"(?:Namespace|Hyperparameters|Args|Arguments|\w{0,40}Config|\w{0,40}Settings)\(|\{(?=[\"'][A-Za-z_])"
)
_REPR_PAIR = re.compile(
    r"[\"']?([A-Za-z_]\w{0,60})[\"']?(?:=|: ?)(?:'([^']{0,400})'|\"([^\"]{0,400})\"|(\[[^\]]{0,400}\]|\([^)]{0,400}\)|[^,(){}\[\]'\"]{1,80}))"
    r"(?=[,)}])"
)
_LEAST = 4  # pairs that such a text must have to be a dump
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
    if (start := _REPR.search(line[:200])) and (dump := list(_represented(line[start.end() :]))):
        yield from dump
        return
    words = [_TOKEN.match(w) for w in line.split()]
    if all(words):
        for w in words:
            if w and not _RESULT.match(w[1]):
                yield w[1].lower(), w[2].rstrip(",")


def _represented(text: str) -> Iterator[tuple[str, str]]:
    """The pairs of a dump as Python shows an object or a dictionary; nothing if it reports results."""
    found = [(m[1].lower(), m[2] or m[3] or m[4] or "") for m in _REPR_PAIR.finditer(text)]
    if len(found) >= _LEAST and not any(_RESULT.search(name) for name, _ in found):
        yield from ((name, value.strip()) for name, value in found)
