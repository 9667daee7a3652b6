"""A script that is compressed and unpacks itself is accepted; it is opened and its inside is audited.

## Why
Code bytes count, so participants compress their code. That is allowed. A reviewer must see the
text inside all the same, which is why the wrapper is opened without running it.

## How it is proved
By following the constant that reaches `exec`, undoing each encoding and compression on the way, and
showing the hash of both texts.

## Legal look-alikes
Any nesting of base85, base64, lzma, zlib, bz2, brotli and zstd around Python source.

## Known evasions
A wrapper that computes its payload from something that is not in the folder, or that carries
compiled code: nobody can read it, so nothing about it can be confirmed.

## Instead
Before:
```python
exec(marshal.loads(base64.b85decode(BLOB)))        # compiled: nobody can review it
```
After:
```python
exec(lzma.decompress(base64.b85decode(BLOB)))      # source: anybody can open it
```
"""

import base64
import lzma
from collections.abc import Iterator

from rules.editions import Edition
from rules.evidence import Evidence, Location
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.records import SCRIPT, record

RULE = Rule(
    id="SIZE3-code-compression-wrapper",
    title="Self-extracting script",
    kind=Kind.PERMISSION,
    severity=Severity.ADVISORY,
    sources=(
        Source(
            "#1394",
            "2026-04-09",
            "organizers",
            "merged with a compressed script; so were #1413, #1477, #1493, #1514",
            Authority.PRECEDENT,
        ),
    ),
    decided_by=("claims",),
    undecided="the entry script, which is not shipped, would decide it",
)


@RULE.check("scripts")
def opened(e: Evidence, edition: Edition) -> Iterator[Finding]:
    entry = e.package.entry
    if entry is None:
        return
    at = Location(entry.path)
    if entry.problem:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"{entry.path} could not be read to its inside: {entry.problem}",
            Fact("shipped", f"{entry.size:,} bytes, sha256 {entry.sha256[:16]}", at),
            instead="ship the plain source beside the packed script",
        )
    elif entry.packed:
        inner = entry.layers[-1]
        steps = " → ".join(s for layer in entry.layers for s in layer.steps)
        yield RULE.finding(
            Status.OK,
            f"{entry.path} is packed ({steps}) and was opened; the text inside is what is audited",
            Fact("shipped", f"{entry.size:,} bytes, sha256 {entry.sha256[:16]}", at),
            Fact("inside", f"{inner.size:,} bytes, sha256 {inner.sha256[:16]}", at),
        )
    else:
        yield RULE.finding(Status.NOT_APPLICABLE, f"{entry.path} is plain source")


_PACKED = base64.b85encode(lzma.compress(SCRIPT.encode())).decode()

VALID = (
    Example(
        "lzma in base85",
        record(script=f"import base64,lzma\nexec(lzma.decompress(base64.b85decode({_PACKED!r})))\n"),
        Status.OK,
    ),
)
INVALID = (
    Example(
        "payload from outside the folder",
        record(script="import lzma\nexec(lzma.decompress(open('../train.xz','rb').read()))\n"),
        Status.NEEDS_HUMAN,
    ),
)
