"""All counted code should live in `train_gpt.py`; other program files it needs belong to the count.

## Why
The cap is on code plus weights. Code that runs but is not counted is free information.

## How it is proved
By reading which files of the folder the entry script imports, loads or compiles, and adding their
sizes to the count. Precedent is lenient (merged records load helpers, C sources and a tokenizer
that nobody counted), so an uncounted helper is dispute D-06, with the total that includes it.

## Legal look-alikes
Data preparation and test scripts that never run in training or evaluation. A wrapper that carries
everything inside one file.

## Known evasions
A two-line `train_gpt.py` that loads a larger sibling; C sources compiled at run time; a shared
library.

## Instead
Before:
```python
import helper                     # helper.py: 40,000 bytes nobody counted
```
After:
```python
code_bytes = sum(os.path.getsize(f) for f in ("train_gpt.py", "helper.py"))
```
"""

from collections.abc import Iterator

from rules import view
from rules.editions import Edition
from rules.evidence import Evidence, Location
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.records import SCRIPT, record

RULE = Rule(
    id="SIZE2-code-location",
    title="Program files outside the counted script",
    kind=Kind.REQUIREMENT,
    severity=Severity.PACKAGING,
    sources=(
        Source("README", "2026-03-18", "0hq", "counted code should live in train_gpt.py", Authority.README),
        Source(
            "#1412",
            "2026-04-09",
            "organizers",
            "merged with a loader and an uncounted larger sibling",
            Authority.PRECEDENT,
        ),
        Source("#1514", "2026-04-29", "organizers", "listed with C sources that were not counted", Authority.PRECEDENT),
    ),
    decided_by=("claims", "source"),
    undecided="the entry script, which is not shipped or cannot be read, would decide it",
    disputes=("D-06",),
)


@RULE.check("claims", "scripts")
def uncounted_helpers(e: Evidence, edition: Edition) -> Iterator[Finding]:
    entry, counted = e.package.entry, view.counted_script(e)
    if entry is None or counted is None or counted.problem:
        return
    names: list[str] = []
    todo = [entry.path, *entry.imports, *counted.imports]
    while todo:
        name = todo.pop()
        if name not in names and name != counted.path:
            names.append(name)
            script = e.package.script(name)
            todo += script.imports if script else ()
    if not names:
        yield RULE.finding(Status.OK, f"{counted.path} needs no other program file of the folder")
        return
    sizes = {n: f.size for n in sorted(names) if (f := e.package.file(n)) and f.size is not None}
    extra = sum(sizes.values())
    weights = view.worst([view.model_bytes(r) for r in view.claim_runs(e)])
    facts = [Fact(n, f"{size:,} bytes", Location(n)) for n, size in sizes.items()]
    message = f"{counted.path} needs {len(names)} more program file(s), {extra:,} bytes"
    if weights:
        total = weights.value + counted.size + extra
        facts.append(Fact("weights + script + these files", f"{total:,.0f} bytes", weights.at))
        message += f"; with them the artifact is {total:,.0f} bytes"
        if total > edition.artifact_cap:
            message += ", over the cap"
    yield RULE.finding(
        Status.DISPUTED,
        message,
        *facts,
        at=tuple(Location(n) for n in sizes),
        disputes=("D-06",),
        instead="put the code into train_gpt.py, or add the size of every file it needs to the count",
    )


VALID = (
    Example("one file", record(), Status.OK),
    Example("a preparation script nobody imports", record(extra={"prepare.py": "print('tokenise')\n"}), Status.OK),
)
INVALID = (
    Example(
        "an imported sibling",
        record(
            script=SCRIPT.replace("import torch\n", "import torch\nimport helper\n", 1),
            extra={"helper.py": "TABLE = list(range(9))\n"},
        ),
        Status.DISPUTED,
        dispute="D-06",
    ),
)
