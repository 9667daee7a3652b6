"""No statistic that quantization uses may come from validation tokens.

Hessians, activation scales, clip ranges, code books, and the choice between them, come from training data within
the training budget (CAL2) or from text the model wrote itself (CAL3).

## Why
Quantization ends the making of the artifact. If it reads the validation text, the artifact is fitted to the
text it will be scored on, before a single token of it was scored. The gain is small
(0.0003 bits per byte in one study, #756), the principle is that of training on the test.

## How it is proved
Reading: validation tokens reach a forward pass whose activations are collected (hooks, running
ranges), or a loss that decides between quantizers, before the evaluation that is reported. Running: the books
show validation positions read before any of them was scored, followed by a write to the weights.

## Legal look-alikes
- A folder, function or variable called `val_calib` that holds generated text (the merged #1019).
- Scales computed inside the forward pass from the activations of each single position: no position sees another.
- Scoring before and after quantization and printing both.

## Known evasions
The split taken from an environment variable whose default is the validation one; a validation shard copied or linked
to another name; "the first 8,192 tokens only"; trying several clip values and keeping the one with the best
validation loss.

## Instead
Before:
```python
hessian = collect(model, load_tokens("val"))
```
After:
```python
hessian = collect(model, train_tokens)             # before the 600 s are over
hessian = collect(model, sample(model, 64, 2048))  # or: text from the model itself
```
"""

from collections.abc import Iterator

from rules import adaptation
from rules.adaptation import Kind as Adaptation
from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="CAL1-no-val-calibration",
    title="Quantization calibrated on validation tokens",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "cocohearts",
            "validation data may not be accessed in training; that calibration is meant too follows from it",
            Authority.DERIVED,
        ),
        Source(
            "#728",
            "2026-03-28",
            "valerio-oai",
            "calibrating on validation tokens breaks autoregressivity and is disallowed; self-generated text is probably legal",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1919",
            "2026-04-29",
            "dexhunter",
            "activation scales from the first 8,192 validation tokens are flagged",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="which tokens are read while quantization statistics are collected, in the code or in a trace, would decide it",
)


INSTEAD = "calibrate on training tokens inside the budget, or on text that the model writes"


@RULE.check("source")
def order_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = list(
        adaptation.accuse(
            RULE,
            e.program,
            (
                Adaptation.CALIBRATION,
                Adaptation.STORED,
            ),
            "statistics of validation tokens shaped the stored weights, and the same tokens are scored with them",
            INSTEAD,
        )
    )
    found += adaptation.accuse(
        RULE,
        e.program,
        (Adaptation.CHOSEN,),
        "what is stored was chosen by the loss on validation tokens, which are then scored",
        INSTEAD,
        status=Status.LIKELY,
        doubt=Status.NEEDS_HUMAN,
    )
    yield from found or adaptation.clear(RULE, e.program, "no stored weight depends on validation tokens")


PLAIN = """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
    return total
"""

QUANT = (
    PLAIN
    + """\


@torch.no_grad()
def collect(model, tokens, seq=1024, batches=8):
    width = model.head.in_features
    gram = torch.zeros(width, width)

    def hook(module, inputs, output):
        flat = inputs[0].reshape(-1, width)
        gram.add_(flat.T @ flat)

    handle = model.head.register_forward_hook(hook)
    for at in range(0, min(batches * seq, tokens.numel()), seq):
        model(tokens[at : at + seq])
    handle.remove()
    return gram


def quantise(model, gram, levels=31):
    weight = model.head.weight.data
    tried = []
    for clip in (1.0, 0.95, 0.9):
        scale = weight.abs().amax(1, keepdim=True) * clip / levels
        rounded = (weight / scale).round().clamp(-levels, levels) * scale
        tried.append((float(((rounded - weight) @ gram * (rounded - weight)).sum()), rounded))
    model.head.weight.data = min(tried, key=lambda pair: pair[0])[1]
"""
)

QUANT_MAIN = """\
def main():
    model, train_tokens = Model(), load_tokens("train")
    train(model, train_tokens)
    quantise(model, collect(model, {tokens}))
    torch.save(model.state_dict(), "final_model.pt")
    model.load_state_dict(torch.load("final_model.pt"))
    val_tokens = load_tokens("val")
    print(f"final_exact val_loss:{{evaluate(model.eval(), val_tokens) / (val_tokens.numel() - 1):.8f}}")


if __name__ == "__main__":
    main()
"""

VALID = (
    Example(
        name="training shards, inside the budget",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                QUANT,
                main="""\
def main():
    import time

    deadline = time.perf_counter() + 600 - 14
    model, train_tokens = Model(), load_tokens("train")
    while time.perf_counter() < deadline:
        train(model, train_tokens)
    gram = collect(model, train_tokens)
    quantise(model, gram)
    torch.save(model.state_dict(), "final_model.pt")
    val_tokens = load_tokens("val")
    print(f"final_exact val_loss:{evaluate(model.eval(), val_tokens) / (val_tokens.numel() - 1):.8f}")


if __name__ == "__main__":
    main()
""",
            )
        },
    ),
    Example(
        name="only the name says validation",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                QUANT
                + """\


@torch.no_grad()
def val_calib_tokens(model, length=512):
    ids = torch.randint(VOCAB, (1,))
    while ids.numel() < length:
        ids = torch.cat([ids, torch.multinomial(F.softmax(model(ids)[-1], -1), 1)])
    return ids
""",
                main=QUANT_MAIN.format(tokens="val_calib_tokens(model)"),
            )
        },
        note="the text comes from the model",
    ),
    Example(
        name="scale of each position in the forward pass",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                PLAIN
                + """\


class Rounded(torch.nn.Linear):
    def forward(self, x):
        scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-6) / 127
        return F.linear((x / scale).round() * scale, self.weight, self.bias)


class Eight(Model):
    def __init__(self, dim=64):
        super().__init__(dim)
        self.head = Rounded(dim, VOCAB)


Model = Eight
"""
            )
        },
        note="a scale for each row: no statistic goes from one position to another or into the weights",
    ),
    Example(
        name="both losses printed",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                QUANT,
                main="""\
def main():
    model, train_tokens, val_tokens = Model(), load_tokens("train"), load_tokens("val")
    train(model, train_tokens)
    gram = collect(model, train_tokens)
    print(f"before quantization val_loss:{evaluate(model.eval(), val_tokens) / (val_tokens.numel() - 1):.4f}")
    quantise(model, gram)
    torch.save(model.state_dict(), "final_model.pt")
    print(f"final_exact val_loss:{evaluate(model.eval(), val_tokens) / (val_tokens.numel() - 1):.8f}")


if __name__ == "__main__":
    main()
""",
            )
        },
        note="the first figure is printed and decides nothing",
    ),
)

INVALID = (
    Example(
        name="Hessian of the validation text",
        stage="source",
        status=Status.VIOLATION,
        files={"train_gpt.py": program(QUANT, main=QUANT_MAIN.format(tokens='load_tokens("val")'))},
    ),
    Example(
        name="split from the environment, validation by default",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                QUANT
                + """\


SPLITS = ("train", "val")
CALIBRATION = SPLITS[int(os.environ.get("CALIB_ON_TRAIN", 0)) - 1]
""",
                main=QUANT_MAIN.format(tokens="load_tokens(CALIBRATION)"),
            )
        },
        note='the default 0 gives SPLITS[-1], "val"',
    ),
    Example(
        name="a copy of the shard under another name",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                QUANT
                + """\


def calibration_tokens():
    import shutil

    first = sorted(glob.glob(os.path.join(DATA, "*.bin")))[-1]
    shutil.copy(first, os.path.join(DATA, "fineweb_calib_000000.bin"))
    return load_tokens("calib")
""",
                main=QUANT_MAIN.format(tokens="calibration_tokens()"),
            )
        },
        note="sorted by name the last shard is fineweb_val_*.bin",
    ),
    Example(
        name="scales from the first tokens",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                PLAIN
                + """\


@torch.no_grad()
def salience(model, tokens):
    hidden = model.rnn(model.embed(tokens))[0]
    return hidden.abs().mean(0).clamp_min(1e-4).sqrt()


def quantise(model, channel, levels=7):
    weight = model.head.weight.data * channel
    scale = weight.abs().amax(1, keepdim=True) / levels
    model.head.weight.data = (weight / scale).round().clamp(-levels, levels) * scale / channel
""",
                main="""\
def main():
    model = Model()
    train(model, load_tokens("train"))
    val_tokens = load_tokens("val")
    quantise(model, salience(model, val_tokens[:8192]))
    torch.save(model.state_dict(), "final_model.pt")
    print(f"final_exact val_loss:{evaluate(model.eval(), val_tokens) / (val_tokens.numel() - 1):.8f}")


if __name__ == "__main__":
    main()
""",
            )
        },
    ),
    Example(
        name="clip value chosen by validation loss",
        stage="source",
        status=Status.LIKELY,
        files={
            "train_gpt.py": program(
                PLAIN
                + """\


def rounded(weight, clip, levels=31):
    scale = weight.abs().amax(1, keepdim=True) * clip / levels
    return (weight / scale).round().clamp(-levels, levels) * scale
""",
                main="""\
def main():
    model = Model()
    train(model, load_tokens("train"))
    val_tokens = load_tokens("val")
    weight, tried = model.head.weight.data.clone(), {}
    for clip in (1.0, 0.97, 0.94, 0.9):
        model.head.weight.data = rounded(weight, clip)
        tried[clip] = evaluate(model.eval(), val_tokens)
    clip = min(tried, key=tried.get)
    model.head.weight.data = rounded(weight, clip)
    torch.save(model.state_dict(), "final_model.pt")
    print(f"final_exact val_loss:{evaluate(model.eval(), val_tokens) / (val_tokens.numel() - 1):.8f}")


if __name__ == "__main__":
    main()
""",
            )
        },
        note="two bits of the artifact are chosen by the text it is scored on; the ruling speaks of statistics, not of choices",
    ),
)
