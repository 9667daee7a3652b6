"""A table made from training data has to be inside the 16 MB, or not be there at all.

Counting n-grams, frequencies or embeddings over the training shards is training. What was
counted may be used at evaluation when it is carried in the artifact and counted in its size.

## Why
The README allows training data at evaluation only where it is paid for inside the 16 MB. A table
that stays in memory between training and evaluation, or that is counted again from the shards when evaluation
starts, is as good as an artifact of any size. The test is the "flash drive": train on one machine,
carry 16 MB to another, evaluate there.

## How it is proved
Reading: the origin of every table that enters the score. It comes out of the counted artifact, or out of
already scored tokens; it does not come from training files opened by the evaluation, nor from a
variable that training left behind, nor from a second file. Running: evaluate in a
fresh process that has the artifact and nothing else.

## Legal look-alikes
- A normalised table saved with the weights.
- A cache that starts empty and is filled with scored tokens.
- Words about "packed tables": in #982 it was the missing normalisation and the look-ahead to the
  target that was refused, not the table (NG1).

## Known evasions
Global variables, `/dev/shm`, `/tmp`, a compiler cache; a second file beside the counted one; counting
the shards "at start-up"; an optimizer state or average that is not in the counted file.

## Instead
Before:
```python
counts = count_pairs(load_tokens("train"))                 # at evaluation
```
After:
```python
torch.save({"model": model.state_dict(), "pairs": pack(counts)}, "final_model.pt")   # at training, counted
counts = unpack(torch.load("final_model.pt")["pairs"])                               # at evaluation
```
"""

from collections.abc import Iterator

from rules import mixture
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="NG4-train-built-tables",
    title="Tables from training data are paid for inside the artifact",
    kind=Kind.REQUIREMENT,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "no training data at evaluation unless those bits are inside the 16 MB",
            Authority.README,
        ),
        Source(
            "#891",
            "2026-03-25",
            "0hq",
            "train on one machine, carry only the 16 MB to another, evaluate there (Discord, as quoted)",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#982",
            "2026-03-27",
            "valerio-oai",
            "a packed training table was refused for its missing normalisation and its look at the target",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="the origin of each table that enters the score, or a run in a fresh process with the artifact alone, would decide it",
)

MIXED = """\
@torch.no_grad()
def score(model, counts, val_tokens, seq=1024, weight=0.1):
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        rows = counts[x].float() + 0.01
        p = (1 - weight) * F.softmax(model(x), -1) + weight * rows / rows.sum(-1, keepdim=True)
        total += F.nll_loss(p.log(), y, reduction="sum").item()
    return total


def pairs(tokens):
    counts = torch.zeros(VOCAB * VOCAB)
    counts.index_add_(0, tokens[:-1] * VOCAB + tokens[1:], torch.ones(tokens.numel() - 1))
    return counts.clamp(max=255).to(torch.uint8).view(VOCAB, VOCAB)
"""

VALID = (
    Example(
        name="saved with the weights",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                MIXED,
                main="""\
def main():
    model, train_tokens = Model(), load_tokens("train")
    train(model, train_tokens)
    torch.save({"weights": model.state_dict(), "pairs": pairs(train_tokens)}, "final_model.pt")
    print("Total submission size:", os.path.getsize("final_model.pt") + os.path.getsize(__file__), "bytes")
    artifact = torch.load("final_model.pt")
    model.load_state_dict(artifact["weights"])
    val_tokens = load_tokens("val")
    total = score(model.eval(), artifact["pairs"], val_tokens)
    print(f"final_exact val_loss:{total / (val_tokens.numel() - 1):.8f}")


if __name__ == "__main__":
    main()
""",
            )
        },
    ),
    Example(
        name="filled with scored tokens",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.1):
    counts = torch.full((VOCAB, VOCAB), 0.01)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = (1 - weight) * F.softmax(model(x), -1) + weight * counts[x] / counts[x].sum(-1, keepdim=True)
        total += F.nll_loss(p.log(), y, reduction="sum").item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
""")
        },
        note="no training data is in the table",
    ),
)

INVALID = (
    Example(
        name="counted when evaluation starts",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                MIXED
                + """\


def evaluate(model, val_tokens):
    warm = pairs(load_tokens("train"))
    return score(model, warm, val_tokens)
"""
            )
        },
        note="the artifact holds only the weights; evaluation opens the training shards",
    ),
    Example(
        name="left in memory by training",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                MIXED
                + """\


STATE = {}


def train_and_count(model, tokens):
    train(model, tokens)
    STATE["seen"] = pairs(tokens)


def evaluate(model, val_tokens):
    return score(model, STATE["seen"], val_tokens)
""",
                main="""\
def main():
    model = Model()
    train_and_count(model, load_tokens("train"))
    torch.save(model.state_dict(), "final_model.pt")
    print("Total submission size:", os.path.getsize("final_model.pt") + os.path.getsize(__file__), "bytes")
    model.load_state_dict(torch.load("final_model.pt"))
    val_tokens = load_tokens("val")
    print(f"final_exact val_loss:{evaluate(model.eval(), val_tokens) / (val_tokens.numel() - 1):.8f}")


if __name__ == "__main__":
    main()
""",
            )
        },
        note="evaluate from the saved file alone and STATE is empty",
    ),
    Example(
        name="a second file that nobody counts",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                MIXED
                + """\


def evaluate(model, val_tokens):
    return score(model, torch.from_numpy(np.load("cache/index.npy")), val_tokens)
""",
                main="""\
def main():
    model, train_tokens = Model(), load_tokens("train")
    train(model, train_tokens)
    os.makedirs("cache", exist_ok=True)
    np.save("cache/index.npy", pairs(train_tokens).numpy())
    torch.save(model.state_dict(), "final_model.pt")
    print("Total submission size:", os.path.getsize("final_model.pt") + os.path.getsize(__file__), "bytes")
    val_tokens = load_tokens("val")
    print(f"final_exact val_loss:{evaluate(model.eval(), val_tokens) / (val_tokens.numel() - 1):.8f}")


if __name__ == "__main__":
    main()
""",
            )
        },
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Tables counted from training tokens that reach the score without passing through the artifact."""
    instead = "save the table in the artifact, inside the 16 MB, and read it from there"
    found = list(mixture.judged(RULE, e, (Sight.TABLE_FROM_TRAIN, Sight.TRAIN_DATA_AT_EVAL), instead=instead))
    yield from found
    if not found:
        yield from mixture.clear(RULE, e, "no table of training tokens was seen to reach the score past the artifact")
