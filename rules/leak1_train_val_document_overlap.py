"""Training shards must not contain the 50,000 validation documents.

## Why
A model that trained on the documents it is scored on is not compressing them, it is reciting them.

## How it is proved
By hashing the documents of both sides. From a log alone there is only a fingerprint: data prepared with
10,000 held-out documents has 1,499 training shards, and if the validation then has all 50,000
documents, 40,000 of them were trained on. The shard count by itself is a warning (dispute D-15).

## Legal look-alikes
80 shards, or a prefix of them, from the published export. 1,499 shards of a pair that was prepared
to be disjoint. 10,000 documents on *both* sides, which is no leak but too little validation (EVAL1).

## Known evasions
A data path with a doubled folder that finds other shards than the ones named.

## Instead
Before:
```bash
python prepare_data.py                       # holds out 10,000 documents
```
After:
```bash
python prepare_data.py --val-docs 50000      # holds out what is scored
```
"""

from collections.abc import Iterator

from rules import constants, sightings, view
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source, fact
from rules.samples.records import record

RULE = Rule(
    id="LEAK1-train-val-document-overlap",
    title="Validation documents among the training shards",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source("README", "2026-03-20", "cocohearts", "validation data may not be used in training", Authority.README),
        Source(
            "#2127",
            "2026-05-01",
            "leon2k2k2k, andrewbaggio1",
            "how prepared data came to overlap, with fingerprints",
            Authority.COMMUNITY,
        ),
        Source("#2146", "2026-05-02", "cocohearts", "two submissions left out for it", Authority.ORGANIZER),
    ),
    decided_by=("claims", "trace"),
    undecided="hashes of the documents in the training and validation shards would decide it",
    disputes=("D-15",),
)


@RULE.check("claims")
def fingerprint(e: Evidence, edition: Edition) -> Iterator[Finding]:
    low, high = constants.OVERLAP_SHARDS
    for run in view.claim_runs(e):
        shards, tokens = run.train_shards, run.val_tokens
        if shards and tokens and low <= shards.value <= high and view.is_whole_split(run):
            yield RULE.finding(
                Status.DISPUTED,
                f"{shards.value:,.0f} training shards with the whole validation split: the fingerprint of data in which 40,000 validation documents are trained on",
                fact("training shards", shards),
                fact("validation tokens", tokens),
                disputes=("D-15",),
                instead="prepare the data with 50,000 held-out documents, or show hashes of both sides that do not meet",
            )
            return
    shards = view.worst([r.train_shards for r in view.claim_runs(e)])
    if shards and shards.value <= 128:
        yield RULE.finding(
            Status.UNVERIFIABLE,
            f"{shards.value:,.0f} training shards, as in the published export; no sign of overlap, but only hashes of the documents could prove it",
            Fact("training shards", f"{shards.value:,.0f}", shards.at),
        )


@RULE.check("claims", "source")
def held_out_by_default(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """The folder's preparation script holds fewer documents out than are scored, unless it is told otherwise."""
    if e.program is None:
        return
    runs = [r for r in view.claim_runs(e) if view.is_whole_split(r)]
    if not runs or any(r.train_shards for r in runs):
        return  # the number of shards says more
    for o in sightings.of(e.program, Sight.DOCS_DEFAULT):
        if any(a.split("=")[0] == o["option"] for c in e.claims.commands for a in c.args):
            continue
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"the shipped preparation script holds out {int(o['count']):,} documents unless it is told otherwise, all are "
            "scored, and the log does not give the number of training shards",
            *sightings.facts(o, e.program),
            at=(o.at,),
            instead="prepare the data with 50,000 held-out documents, or show hashes of both sides that do not meet",
        )
        return


VALID = (
    Example("published shards", record(), Status.UNVERIFIABLE),
    Example(
        "1,499 shards, 10,000 documents scored",
        record(shards=1499, tokens=9_662_464, denominator=32_760_000),
        Status.UNVERIFIABLE,
    ),
)
INVALID = (
    Example(
        "1,499 shards, all documents scored", record(shards=1499, tokens=47_851_520), Status.DISPUTED, dispute="D-15"
    ),
)
