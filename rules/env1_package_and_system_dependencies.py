"""Any package is allowed that does not sneak in compute, capability or code; it is declared.

## Why
The artifact has to run where it is evaluated, and a package may carry what should have been counted.

## How it is proved
By reading the run scripts and the program: what they install at run time, and which system binaries
they start that no requirements file or set-up section names.

## Legal look-alikes
Set-up commands in the README; attention kernels; `lrzip` installed beforehand and said so, as in a
listed record.

## Known evasions
A package that contains weights; `pip install` from a repository of one's own.

## Instead
Before:
```python
subprocess.run(["apt-get", "install", "-y", "lrzip"])          # in the middle of the run
```
After:
```text
README, set-up: apt-get install lrzip        requirements.txt: zstandard
```
"""

from collections.abc import Iterator

from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.records import SCRIPT, record

RULE = Rule(
    id="ENV1-package-and-system-dependencies",
    title="Packages and system programs",
    kind=Kind.REQUIREMENT,
    severity=Severity.ADVISORY,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "0hq",
            "any library that sneaks in nothing; list it and say how to set up",
            Authority.README,
        ),
        Source(
            "#1855", "2026-04-29", "organizers", "listed with a system compressor as a set-up step", Authority.PRECEDENT
        ),
    ),
    decided_by=("claims", "source"),
    undecided="the program and its run scripts, which are not shipped or cannot be read, would decide it",
)


@RULE.check("scripts")
def installs_and_binaries(e: Evidence, edition: Edition) -> Iterator[Finding]:
    running = {s.path for s in e.package.scripts if s.role in ("entry", "module", "shell")}
    if not running:
        return
    documented = " ".join(m.at.text for m in e.package.mentions if m.kind == "install-doc").casefold()
    installs = [m for m in e.package.mentions if m.kind == "install" and m.at.file in running]
    binaries = [
        m
        for m in e.package.mentions
        if m.kind == "binary" and m.at.file in running and m.what.casefold() not in documented
    ]
    if installs:
        inside = [m for m in installs if not m.at.file.endswith(".sh")]
        yield RULE.finding(
            Status.NEEDS_HUMAN if inside else Status.OK,
            f"installs at run time: {', '.join(dict.fromkeys(m.what for m in installs))}"
            + ("" if inside else " (in a run script, before the run)"),
            *(Fact(m.what, m.at.text.strip(), m.at) for m in installs[:10]),
            instead="install before the run, and list it in requirements.txt and in the README" if inside else "",
        )
    if binaries:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"starts a system program that no set-up text names: {', '.join(dict.fromkeys(m.what for m in binaries))}",
            *(Fact(m.what, m.at.text.strip(), m.at) for m in binaries[:10]),
            instead="name it in the README's set-up",
        )
    if not installs and not binaries:
        yield RULE.finding(Status.OK, "nothing is installed at run time and no undeclared system program is started")


VALID = (Example("nothing special", record(), Status.OK),)
INVALID = (
    Example(
        "installs in the run",
        record(
            script=SCRIPT.replace(
                "import torch\n",
                'import subprocess\n\nsubprocess.run(["pip", "install", "brotli"], check=True)\nimport torch\n',
                1,
            )
        ),
        Status.NEEDS_HUMAN,
    ),
    Example(
        "undeclared binary",
        record(
            script=SCRIPT.replace(
                "import torch\n",
                'import subprocess\n\nimport torch\n\nsubprocess.run(["lrzip", "-z", "model.bin"], check=True)\n',
                1,
            )
        ),
        Status.NEEDS_HUMAN,
    ),
)
