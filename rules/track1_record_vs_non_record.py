"""The folder's track fits what the submission says of itself.

## Why
The caps on time and the margin bind records. A non-record entry may have taken any compute, and says so.

## How it is proved
By comparing the folder's place with the track, the hardware and the words in submission.json.

## Legal look-alikes
A non-record submission that was trained on eight H100 in ten minutes.

## Known evasions
A record folder whose README calls it an experiment.

## Instead
Before:
```text
records/track_10min_16mb/2026-03-24_mine     "track": "non-record", "hardware": "1xRTX 4090"
```
After:
```text
records/track_non_record_16mb/2026-03-24_mine
```
"""

import re
from collections.abc import Iterator

from rules.editions import Edition
from rules.evidence import Evidence, Track
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.records import record

RULE = Rule(
    id="TRACK1-record-vs-non-record",
    title="Track of the submission",
    kind=Kind.REQUIREMENT,
    severity=Severity.PACKAGING,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "records, and non-record submissions, which may use unlimited compute and say so",
            Authority.README,
        ),
        Source(
            "#915",
            "2026-03-26",
            "participants",
            "whether the evaluation cap binds non-records was asked and not answered",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("claims",),
    undecided="the folder's place under records, or a track in submission.json, would decide it",
    disputes=("D-20",),
)


@RULE.check("claims")
def place_and_words(e: Evidence, edition: Edition) -> Iterator[Finding]:
    m = e.claims.metadata
    said = m.track if m else None
    where = e.package.track
    if where is Track.UNKNOWN:
        return
    facts = [Fact("folder", e.package.folder or ".")]
    non_record = bool(said and re.search(r"non[-_ ]?record|unlimited", said.value, re.IGNORECASE))
    if said:
        facts.append(Fact("track in submission.json", said.value, said.at))
    if where is Track.RECORD and non_record:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            "the folder is in the record track, submission.json says it is no record",
            *facts,
            instead="move the folder to track_non_record_16mb",
        )
    else:
        yield RULE.finding(Status.OK, f"audited as a {where} submission", *facts)


VALID = (Example("record", record(), Status.OK),)
INVALID = (Example("says non-record", record(claims={"track": "non_record_16mb"}), Status.NEEDS_HUMAN),)
