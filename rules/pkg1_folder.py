"""A submission adds one new folder under the right track, and changes nothing else.

## Why
Reviewers merge folders. A pull request that also changes the root script, other people's records or the
repository's configuration cannot be merged as it is.

## How it is proved
From the list of changed files.

## Legal look-alikes
Sub-folders of the one record folder. Core-code pull requests, which are no submissions.

## Known evasions
None known; this is a matter of form.

## Instead
Before:
```text
M train_gpt.py
A records/track_10min_16mb/2026-03-24_mine/train_gpt.py
A records/track_10min_16mb/2026-03-25_mine_too/train_gpt.py
```
After:
```text
A records/track_10min_16mb/2026-03-24_mine/train_gpt.py
```
"""

from collections.abc import Iterator

from rules.editions import Edition
from rules.evidence import Evidence, Track
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.records import record

RULE = Rule(
    id="PKG1-folder",
    title="One new folder, nothing else",
    kind=Kind.REQUIREMENT,
    severity=Severity.PACKAGING,
    sources=(
        Source(
            "README", "2026-03-18", "0hq", "a pull request that only adds a new folder under records", Authority.README
        ),
        Source(
            "#1143", "2026-04-23", "cocohearts", "two folders in one request are against the form", Authority.ORGANIZER
        ),
        Source("#1667", "2026-04-24", "cocohearts", "folders are named date_description", Authority.ORGANIZER),
    ),
    decided_by=("claims",),
    undecided="the diff against the base would decide it; a plain folder has none",
)


@RULE.check("package")
def form(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = e.package
    if not p.head:
        return
    facts = []
    wrong = []
    if p.track is Track.UNKNOWN:
        wrong.append("the folder is not under records/track_10min_16mb or records/track_non_record_16mb")
        facts.append(Fact("folder", p.folder))
    if p.other_folders:
        wrong.append(f"{len(p.other_folders)} more record folder(s) are added or changed")
        facts += [Fact("also changed", f) for f in p.other_folders[:10]]
    if p.outside:
        wrong.append(f"{len(p.outside)} file(s) outside record folders are changed")
        facts += [Fact("outside", f) for f in p.outside[:10]]
    if wrong:
        yield RULE.finding(
            Status.LIKELY, "; ".join(wrong), *facts, instead="submit one new folder under the track, and nothing else"
        )
    else:
        yield RULE.finding(Status.OK, f"one folder, {p.folder}", Fact("folder", p.folder))


VALID = (Example("one folder", record(), Status.OK),)
INVALID = (Example("root script changed too", record(), Status.LIKELY, outside=("train_gpt.py",)),)
