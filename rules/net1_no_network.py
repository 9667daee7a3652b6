"""No download and no network call during evaluation; the artifact is self-contained.

## Why
What is fetched at evaluation is information that was not paid for inside the 16 MB.

## How it is proved
By reading which network calls the program can reach after training; by running the evaluation without a
network. Until the code's paths are followed, a network call in the program is only a place to look.

## Legal look-alikes
Fetching the data set before the run; NCCL and loopback sockets; `nvidia-smi`.

## Known evasions
Weights expected at a path that some earlier step filled; a wheel that is fetched at run time.

## Instead
Before:
```python
weights = hf_hub_download("someone/teacher", "model.bin")     # inside train_gpt.py
```
After:
```python
weights = Path(__file__).with_name("model.bin")               # counted inside the 16 MB
```
"""

from collections.abc import Iterator

from rules import order, sightings
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program
from rules.samples.records import SCRIPT, record

RULE = Rule(
    id="NET1-no-network",
    title="Network during evaluation",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README", "2026-03-18", "0hq", "no external downloads or network calls during evaluation", Authority.README
        ),
    ),
    decided_by=("claims", "source", "trace"),
    undecided="the program's text, which is not shipped or cannot be read, would decide it",
)


@RULE.check("scripts")
def calls_in_the_program(e: Evidence, edition: Edition) -> Iterator[Finding]:
    running = {s.path for s in e.package.scripts if s.role in ("entry", "module")}
    if not running:
        return
    calls = [m for m in e.package.mentions if m.kind == "download" and m.at.file in running]
    imports = [m for m in e.package.mentions if m.kind == "network-import" and m.at.file in running]
    if calls:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"the program fetches something itself ({', '.join(dict.fromkeys(m.what for m in calls))}); whether that can happen during evaluation has to be read",
            *(Fact(m.what, m.at.text.strip(), m.at) for m in (*calls, *imports)[:10]),
            instead="fetch before the run, in a script of its own, and let the program open local files only",
        )
    elif imports:
        yield RULE.finding(
            Status.UNVERIFIABLE,
            f"network modules are imported ({', '.join(dict.fromkeys(m.what for m in imports))}); what they are used for has to be read",
            *(Fact(m.what, m.at.text.strip(), m.at) for m in imports[:10]),
        )
    elif all(s.text for s in e.package.scripts if s.role in ("entry", "module")):
        yield RULE.finding(Status.OK, "the program names no network module and no download")


@RULE.check("source")
def what_was_fetched(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """What came from the network reaches the reported score."""
    p = sightings.followed(e)
    if p is None:
        return
    for o in sightings.of(p, Sight.NETWORK):
        if order.counts(o, p):
            yield RULE.finding(
                Status.VIOLATION if o.certain else Status.LIKELY,
                "what is fetched over the network reaches the reported score",
                *sightings.facts(o, p),
                at=(o.at,),
                instead="ship what the evaluation needs inside the 16 MB",
            )
            return


VALID = (Example("no network", record(), Status.OK),)
INVALID = (
    Example(
        "a table fetched for the mixture",
        {
            "train_gpt.py": program("""\
import io
import urllib.request


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    pairs = torch.load(io.BytesIO(urllib.request.urlopen(os.environ.get("TABLE", "https://example.org/pairs.pt")).read()))
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = 0.8 * F.softmax(model(x), -1) + 0.2 * pairs[x]
        total += F.nll_loss(p.log(), y, reduction="sum").item()
    return total
""")
        },
        Status.VIOLATION,
        stage="source",
    ),
    Example(
        "fetches weights",
        record(
            script=SCRIPT.replace(
                "import torch\n", "import torch\nfrom huggingface_hub import hf_hub_download\n", 1
            ).replace("    val_tokens =", '    hf_hub_download("someone/teacher", "model.bin")\n    val_tokens =', 1)
        ),
        Status.NEEDS_HUMAN,
    ),
)
