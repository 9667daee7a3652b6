"""Three seeds of the same configuration, each with its log.

## Why
A mean over runs of different configurations is the mean of nothing.

## How it is proved
Logs that stand behind the claim are compared: code size, parameter count, tokens, settings. Only the
seed (and names derived from it) may differ.

## Legal look-alikes
Run names, paths and ports that carry the seed. Another machine with the same settings.

## Known evasions
A third seed taken from an earlier version; three logs of which two have the same seed; one seed searched
among many.

## Instead
Before:
```bash
SEED=42 LR=0.025 python train_gpt.py; SEED=314 LR=0.03 python train_gpt.py
```
After:
```bash
for SEED in 42 314 999; do SEED=$SEED LR=0.025 python train_gpt.py; done
```
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from rules import view
from rules.editions import Edition
from rules.evidence import Evidence, Location, Run
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import RECORD_ONLY, Authority, Example, Kind, Rule, Source
from rules.samples.records import log, record

RULE = Rule(
    id="STAT2-seeds",
    title="Seeds of one configuration",
    kind=Kind.REQUIREMENT,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source(
            "README",
            "2026-03-19",
            "0hq",
            "the log must show a significant win; an average over three runs is normally enough",
            Authority.README,
        ),
        Source(
            "#2124",
            "2026-05-02",
            "cocohearts",
            "a third seed from another configuration is not record-ready",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("claims",),
    undecided="the logs of the runs, which are not shipped, would decide it",
    tracks=RECORD_ONLY,
)

INSTEAD = "ship three logs of one configuration that differ in the seed only"

_FROM_SEED = frozenset(["batch_stride", "shard_stride"])  # loaders draw the step between shards from the seed
_MEASURED = re.compile(r"\d{1,9}\.\d{1,9}\s?m?s")  # a time that was measured, not a setting

# Settings that carry the seed, name the run, say where it ran or are results of it; they differ between honest seeds.
_FREE = frozenset(
    [
        "seed",
        "run",
        "path",
        "paths",
        "dir",
        "dirs",
        "file",
        "files",
        "name",
        "port",
        "rank",
        "device",
        "host",
        "time",
        "log",
        "logfile",
        "data",
        "date",
        "uuid",
        "timestamp",
        "prefix",
        "output",
        "artifact",
        "start",
        "started",
        "end",
        "finished",
        "bpb",
        "bytes",
    ]
)


def _free(name: str, value: str) -> bool:
    words = name.replace("-", "_").split("_")
    return (
        len(name) < 3
        or "/" in value
        or name in _FROM_SEED
        or _MEASURED.fullmatch(value.strip()) is not None
        or any(w in _FREE for w in words)
        or name.endswith(("_id", "seed", "path", "file", "dir"))
    )


def _value(text: str) -> object:
    """A setting as a value, so that 0.5 and 0.50, True and 1 are the same."""
    word = text.strip().casefold()
    try:
        return float({"true": "1", "false": "0"}.get(word, word))
    except ValueError:
        return word


def differing(a: Run, b: Run) -> Iterator[tuple[str, str, str, Location]]:
    """(name, value in a, value in b, place in b) of everything but the seed in which two runs differ."""
    for label, m, n in (
        ("parameters", a.params, b.params),
        ("validation tokens", a.val_tokens, b.val_tokens),
        ("GPUs", a.world_size, b.world_size),
    ):
        # The last incomplete sequence may be dropped before or after the count is printed.
        room = view.TAIL if label == "validation tokens" else 0
        if m and n and abs(m.value - n.value) > room:
            yield label, f"{m.value:,.0f}", f"{n.value:,.0f}", n.at
    for name in sorted(a.settings.keys() & b.settings.keys()):
        v, w = a.settings[name], b.settings[name]
        x, y = _value(v.value), _value(w.value)
        if (
            name.endswith("tokens")
            and isinstance(x, float)
            and isinstance(y, float)
            and x > 1e7
            and abs(x - y) <= view.TAIL
        ):
            continue  # a count of validation tokens, with and without the last sequence
        if x != y and not _free(name, v.value):
            yield name, v.value, w.value, w.at


def one_set(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The runs of one configuration that cover the most seeds; a folder may carry reruns beside them."""
    groups: list[list[Run]] = []
    for run in runs:
        group = next((g for g in groups if not any(differing(g[0], run))), None)
        if group is None:
            groups.append(group := [])
        group.append(run)
    return tuple(max(groups, key=_seeds))


def _seeds(runs: Iterable[Run]) -> int:
    return len({r.seed.value if r.seed else r.file for r in runs})


@RULE.check("claims")
def one_configuration(e: Evidence, edition: Edition) -> Iterator[Finding]:
    every = [r for r in view.claim_runs(e) if view.headline(r, e)]
    if len(every) < 2:
        return
    runs = one_set(every)
    if _seeds(runs) < min(3, _seeds(every)):
        first = runs[0]
        facts = [
            Fact(name, f"{x} in {first.file}, {y} in {run.file}", at)
            for run in every
            if run not in runs
            for name, x, y, at in differing(first, run)
        ]
        names = ", ".join(list(dict.fromkeys(f.label for f in facts))[:6])
        yield RULE.finding(
            Status.LIKELY,
            f"the logs behind the claim are of different configurations: {names}",
            *facts[:12],
            instead=INSTEAD,
        )
        return
    sizes = {r.code_bytes.value: r for r in runs if r.code_bytes}
    if len(sizes) > 1:
        facts = [
            Fact("code size", f"{v:,.0f} bytes in {r.file}", r.code_bytes.at) for v, r in sizes.items() if r.code_bytes
        ]
        yield RULE.finding(
            Status.NEEDS_HUMAN, "the logs behind the claim come from scripts of different size", *facts, instead=INSTEAD
        )
        return
    seeds = [(r.seed, r.file) for r in runs if r.seed]
    if len({s.value for s, _ in seeds}) < len(seeds):
        facts = [Fact("seed", f"{s.value:.0f} in {file}", s.at) for s, file in seeds]
        yield RULE.finding(Status.NEEDS_HUMAN, "two logs behind the claim have the same seed", *facts, instead=INSTEAD)
        return
    yield RULE.finding(
        Status.OK, f"{len(runs)} logs of one configuration", *(Fact("seed", f"{s.value:.0f}", s.at) for s, _ in seeds)
    )


@RULE.check("claims")
def enough_seeds(e: Evidence, edition: Edition) -> Iterator[Finding]:
    runs = [r for r in view.claim_runs(e) if view.headline(r, e)]
    if len(runs) == 1:
        at = runs[0].seed.at if runs[0].seed else Location(runs[0].file)
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            "one seed stands behind the claim: no spread, so no test of significance",
            Fact("only log with the claimed result", runs[0].file, at),
            instead=INSTEAD,
        )


def _dump(*lines: str) -> tuple[str, ...]:
    return ("matrix_lr: 0.02", *lines)


VALID = (
    Example("three seeds", record(), Status.OK),
    Example(
        "results and the time of the start stand among the settings",
        record(
            extra={
                f"train_seed{seed}.log": log(
                    seed=seed,
                    bpb=bpb,
                    tokens=62_021_632 + seed % 7,
                    settings=_dump(
                        f"start: 2026-03-26T17:26:{seed % 60:02d}Z", f"gain_bpb: 0.00{seed}", f"blend: {seed}.5s"
                    ),
                )
                for seed, bpb in ((1337, 1.1300), (42, 1.1304), (2025, 1.1308))
            }
        ),
        Status.OK,
    ),
)
INVALID = (
    Example("one seed", record((1.1300,)), Status.NEEDS_HUMAN),
    Example(
        "another learning rate in the third",
        record(
            extra={
                "train_seed2025.log": log(seed=2025, bpb=1.1308, settings=("matrix_lr: 0.04",)),
                "train_seed42.log": log(seed=42, bpb=1.1304, settings=("matrix_lr: 0.02",)),
                "train_seed1337.log": log(settings=("matrix_lr: 0.02",)),
            }
        ),
        Status.LIKELY,
    ),
    Example(
        "another script in the third",
        record(extra={"train_seed2025.log": log(seed=2025, bpb=1.1308, code=70_000)}),
        Status.NEEDS_HUMAN,
    ),
)
