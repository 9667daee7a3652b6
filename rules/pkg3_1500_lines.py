"""The limit of 1,500 lines holds for the starter scripts in the repository's root, not for records.

## Why
The docstring of the root `train_gpt.py` keeps the starting point readable. Record folders are free; merged
records have up to 2,849 lines.

## How it is proved
By counting the lines of a changed root script. A record's own script is never measured against it.

## Legal look-alikes
A record script of any length.

## Known evasions
None known; it is a matter of form.

## Instead
Before:
```text
M train_gpt.py        1,730 lines, in the root
```
After:
```text
A records/track_10min_16mb/2026-03-24_mine/train_gpt.py        1,730 lines
```
"""

from collections.abc import Iterator

from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.records import SCRIPT, record

RULE = Rule(
    id="PKG3-1500-lines",
    title="Length of the root scripts",
    kind=Kind.PERMISSION,
    severity=Severity.PACKAGING,
    sources=(
        Source(
            "train_gpt.py", "2026-03-18", "0hq", "the root starter scripts stay under 1,500 lines", Authority.README
        ),
    ),
    decided_by=("claims",),
    undecided="the script, which is not shipped, would decide it",
)
ROOT_SCRIPTS = ("train_gpt.py", "train_gpt_mlx.py")


@RULE.check("package", "scripts")
def lengths(e: Evidence, edition: Edition) -> Iterator[Finding]:
    changed = [n for n in e.package.outside if n in ROOT_SCRIPTS]
    if changed:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"the root script {changed[0]} is changed; it has to stay under 1,500 lines, and a submission should leave it alone",
            *(Fact("changed", n) for n in changed),
            instead="leave the root scripts as they are",
            severity=Severity.ADVISORY,
        )
    elif e.package.entry:
        lines = e.package.entry.text.count("\n") + 1
        yield RULE.finding(
            Status.OK, f"{e.package.entry.path} has {lines:,} lines; the limit of 1,500 is for the root scripts only"
        )


VALID = (Example("a long record script", record(script=SCRIPT + "\n" * 2000), Status.OK),)
INVALID = (Example("root script changed", record(), Status.NEEDS_HUMAN, outside=("train_gpt.py",)),)
