"""Code plus compressed model take at most 16,000,000 bytes.

The cap is decimal: 16,000,000 bytes, not 16 MiB. It holds for every seed, so the largest counts.

## Why
The challenge asks what fits into a fixed budget of information. A model that is 1 % larger is a
different entry, and the artifact that was scored is the one that has to fit.

## How it is proved
From the log of the run that made the claim (`Total submission size`, `Serialized model`, `Code size`)
and from the size of the script as shipped. Both ways of counting are shown side by side:
*as logged* and *weights + script as shipped*. Over the cap in every way that can be
computed is a violation. Over the cap in one way only is dispute D-06: organizers have used the
raw log total against a submission, and have merged records whose log counts a compressed script
while the folder ships plain text. So it is when both are over the cap, but the submission claims a
total that holds its weights and a smaller form of the code.

## Legal look-alikes
"15.9 MB" with seeds that differ by some kilobytes: only the largest must fit. A log that counts the
raw script while the folder ships a packed one that fits. Intermediate totals (int8, raw) of
artifacts that were not submitted.

## Known evasions
Figures in MiB that look smaller (15.51 "MB" were 16,265,723 bytes), metadata that counts the
weights alone, one seed above the cap behind a mean below it.

## Instead
Before:
```python
print(f"artifact: {os.path.getsize('model.bin') / 2**20:.2f} MB")
```
After:
```python
total = os.path.getsize("model.bin") + os.path.getsize("train_gpt.py")
assert total <= 16_000_000, f"{total} bytes: over the cap"
```
"""

import re
from collections.abc import Iterator

from rules import view
from rules.editions import Edition
from rules.evidence import Evidence, Number
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source, fact
from rules.samples.records import SCRIPT, record

RULE = Rule(
    id="SIZE1-artifact",
    title="Artifact over 16,000,000 bytes",
    kind=Kind.REQUIREMENT,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "16,000,000 bytes decimal for code and compressed model together",
            Authority.README,
        ),
        Source(
            "#1809",
            "2026-04-26",
            "regina-openai",
            "16,024,793 bytes are over the cap, not eligible",
            Authority.ORGANIZER,
        ),
        Source(
            "#1835",
            "2026-04-28",
            "regina-openai",
            "16,071,321 bytes, read from the log, are over the cap",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("claims",),
    undecided="a log line with the size of code and weights, or the artifact itself, would decide it",
    disputes=("D-06",),
)

INSTEAD = "ship an artifact whose code and weights together take at most 16,000,000 bytes for every seed"

_MEBI = re.compile(r"(?<![\d.])(\d{1,2}\.\d{1,6})\s?MiB\b")


@RULE.check("claims", "scripts")
def over_the_cap(e: Evidence, edition: Edition) -> Iterator[Finding]:
    runs = view.claim_runs(e)
    cap = edition.artifact_cap
    logged = view.worst([view.total_bytes(r) for r in runs])
    weights = view.worst([view.model_bytes(r) for r in runs])
    script = view.counted_script(e)
    shipped = weights and script and weights.value + script.size
    claimed = view.worst([n for s in view.statements(e) for n in (s.total_bytes, s.model_bytes)])

    facts = [fact("code + weights as logged", logged, unit=" bytes")]
    if weights and script and shipped:
        what = f"{shipped:,.0f} bytes ({weights.value:,.0f} + {script.size:,} for {script.path})"
        facts.append(Fact("weights as logged + script as shipped", what, weights.at))
    if claimed:
        facts.append(fact("claimed", claimed, unit=" bytes"))
    for s in view.statements(e):
        facts += [Fact("written in MiB", at.text.strip(), at) for at in s.mebibytes]

    if logged is None and shipped is None:
        yield from _by_claim_alone(e, claimed, cap, facts)
        return
    over = {name: v for name, v in (("logged", logged and logged.value), ("shipped", shipped)) if v and v > cap}
    known = (logged is not None) + (shipped is not None)
    if not over:
        largest = max(v for v in (logged and logged.value, shipped) if v)
        yield RULE.finding(Status.OK, f"{largest:,.0f} bytes, {cap - largest:,.0f} under the cap", *facts)
    elif len(over) == known and (said := _fits_by_own_count(e, weights, cap)):
        yield RULE.finding(
            Status.DISPUTED,
            f"{max(over.values()):,.0f} bytes by its log and its script, over the cap; it claims {said.value:,.0f}, counting the code in a smaller form than the one shipped",
            *facts,
            disputes=("D-06",),
            instead=INSTEAD,
        )
    elif len(over) == known:
        most = max(over.values())
        # Logs of several variants, none of which shows the claim: the one that ships may be the small one.
        variants = not view.is_backed(e) and any((t := view.total_bytes(r)) and t.value <= cap for r in runs)
        yield RULE.finding(
            Status.NEEDS_HUMAN if variants else Status.VIOLATION,
            f"{most:,.0f} bytes: {most - cap:,.0f} over the cap of {cap:,}",
            *facts,
            instead=INSTEAD,
        )
    else:
        which = "log's own total" if "logged" in over else "weights plus the script as shipped"
        other = "weights plus the script as shipped fit" if "logged" in over else "log's own count fits"
        yield RULE.finding(
            Status.DISPUTED,
            f"the {which} is {max(over.values()):,.0f} bytes, over the cap, while the {other}",
            *facts,
            disputes=("D-06",),
            instead=INSTEAD,
        )


def _fits_by_own_count(e: Evidence, weights: Number | None, cap: int) -> Number | None:
    """A claimed total under the cap that holds the logged weights, so that only the code was counted otherwise."""
    for s in view.statements(e):
        said = s.total_bytes
        if said and weights and said.step <= 10_000 and weights.value < said.value <= cap:
            return said
    return None


def _by_claim_alone(e: Evidence, claimed: Number | None, cap: int, facts: list[Fact]) -> Iterator[Finding]:
    if claimed is None:
        return
    if claimed.value - claimed.slack > cap:
        # Where the documents disagree, or a seed's row gives a size that fits, one of them is of something else.
        sizes = [
            n
            for s in view.statements(e)
            for n in (s.total_bytes, s.model_bytes, *(c.total_bytes for c in s.seeds))
            if n
        ]
        fits = any(cap / 2 < n.value <= cap for n in sizes) or any(
            cap / 2 < float(m[1]) * 2**20 <= cap
            for s in view.statements(e)
            for at in s.mebibytes
            for m in _MEBI.finditer(at.text)
        )
        yield RULE.finding(
            Status.NEEDS_HUMAN if fits else Status.VIOLATION,
            f"{claimed.value:,.0f} bytes by its own statement: over the cap"
            + (", while it states a size that fits as well" if fits else ""),
            *facts,
            instead=INSTEAD,
        )
    else:
        yield RULE.finding(
            Status.UNVERIFIABLE,
            f"{claimed.value:,.0f} bytes are claimed, but no log shows the size of the artifact",
            *facts,
        )


VALID = (
    Example("fits with room", record(), Status.OK),
    Example("smaller seeds, largest still fits", record(model=15_990_000), Status.OK),
)
INVALID = (
    Example("both accountings over", record(model=16_300_000), Status.VIOLATION),
    Example(
        "claim alone, over",
        record(
            without=("train_seed1337.log", "train_seed42.log", "train_seed2025.log"), claims={"bytes_total": 16_265_723}
        ),
        Status.VIOLATION,
    ),
    Example(
        "claim alone, its documents disagree",
        record(
            without=("train_seed1337.log", "train_seed42.log", "train_seed2025.log"),
            claims={"bytes_total": 25_055_000},
            extra={"README.md": "# A model\n\n- **Artifact size:** 15,130,000 bytes\n"},
        ),
        Status.NEEDS_HUMAN,
    ),
    Example(
        "counts a packed form of the script, ships neither",
        record(model=15_980_000, code=60_000, claims={"bytes_total": 15_995_000}, script=SCRIPT + "# long\n" * 9000),
        Status.DISPUTED,
        dispute="D-06",
    ),
    Example(
        "log counts a longer script than the one shipped",
        record(model=15_990_000, code=60_000),
        Status.DISPUTED,
        dispute="D-06",
    ),
    Example(
        "log counts a minified script, plain text shipped",
        record(model=15_999_400, code=500),
        Status.DISPUTED,
        dispute="D-06",
    ),
)
