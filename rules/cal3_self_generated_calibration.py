"""Calibrating quantization on text that the model wrote itself is allowed, also after the training budget.

The model samples sequences from its own distribution and the statistics are collected on those.

## Why
Such text holds nothing that is not in the weights. In a study of one checkpoint it came within 0.0003 bits per byte of
calibrating on the validation text itself (#756), so nothing is lost by staying legal. A record made this
way was merged (#1019), whose sampling took about 197 s after training had stopped.

## How it is proved
Reading: the tokens that the statistics are collected on start from a constant, a random or a BOS token and are
continued by the model that is being quantised. Running: no validation position and no training file is read in between.

## Legal look-alikes
Uniformly random tokens; several temperatures; a folder called `ValCalib` (#1019's own).

## Known evasions
Prompts cut from validation documents; sampling from a copy of the model that was adapted to the validation text; a sampler
that falls back to shards when it is slow; text stored in the script.

## Instead
Before:
```python
prompts = val_tokens[: 64 * 16].view(64, 16)         # the test writes its own calibration
text = generate(model, prompts)
```
After:
```python
prompts = torch.randint(VOCAB, (64, 1))
text = generate(model, prompts)
```
"""

from collections.abc import Iterator

from rules import sightings
from rules.cal1_no_val_calibration import QUANT, QUANT_MAIN
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="CAL3-self-generated-calibration",
    title="Calibration on text the model generated",
    kind=Kind.PERMISSION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "#728",
            "2026-03-28",
            "valerio-oai",
            "calibrating on self-generated text is probably legal",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1019",
            "2026-03-30",
            "valerio-oai",
            "merged and listed with self-generated calibration",
            Authority.PRECEDENT,
        ),
        Source(
            "#1234",
            "2026-04-01",
            "ibarrajo",
            "says that an organizer confirmed it on #1019",
            Authority.ORGANIZER_QUOTED,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="where the calibration text starts and which model continues it, in the code or in a trace, would decide it",
)


@RULE.check("source")
def what_the_writer_knew(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = sightings.followed(e)
    if p is None:
        return
    seen = sightings.of(p, Sight.SELF_GENERATED)
    for o in seen:
        if not o.ok:
            yield RULE.finding(
                Status.VIOLATION if o.certain else Status.LIKELY,
                "the text that calibrates the weights knows validation tokens: it was written from them, or by a model that had learned from them",
                *sightings.facts(o, p),
                at=(o.at,),
                instead="start the text from a constant or random token, and let the model write it that is quantised",
            )
            return
    if seen:
        yield RULE.finding(Status.OK, "the model writes the text that calibrates it", *sightings.facts(seen[0], p))
    else:
        yield RULE.finding(Status.OK, "no weights are shaped by text that came from validation tokens through a model")


WRITER = (
    QUANT
    + """\


@torch.no_grad()
def continued(model, ids, length=256, temperature=0.8):
    while ids.numel() < length:
        p = F.softmax(model(ids)[-1] / temperature, -1)
        ids = torch.cat([ids, torch.multinomial(p, 1)])
    return ids
"""
)

VALID = (
    Example(
        name="sampled from a start token",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                WRITER
                + """\


def written(model, texts=16):
    return torch.cat([continued(model, torch.tensor([1]), temperature=0.5 + 0.1 * (k % 4)) for k in range(texts)])
""",
                main=QUANT_MAIN.format(tokens="written(model)"),
            )
        },
    ),
    Example(
        name="random tokens",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(QUANT, main=QUANT_MAIN.format(tokens="torch.randint(VOCAB, (8192,))")),
        },
        note="not even generated, and as free of data",
    ),
)

INVALID = (
    Example(
        name="prompts from the validation text",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                WRITER
                + """\


def written(model, texts=16, prompt=32):
    openings = load_tokens("val")[: texts * prompt].view(texts, prompt)
    return torch.cat([continued(model, opening) for opening in openings])
""",
                main=QUANT_MAIN.format(tokens="written(model)"),
            )
        },
        note="the prompts are in the calibration text, and the continuations follow them (CAL1)",
    ),
    Example(
        name="written by a copy that studied the validation text",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                WRITER
                + """\


def written(model, texts=16):
    import copy

    writer = copy.deepcopy(model)
    train(writer, load_tokens("val"))
    return torch.cat([continued(writer, torch.tensor([1])) for _ in range(texts)])
""",
                main=QUANT_MAIN.format(tokens="written(model)"),
            )
        },
        note="no validation token is in the text as such; the writer trained on all of them before any was scored (TTT1)",
    ),
)
