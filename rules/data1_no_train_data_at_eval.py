"""The evaluation has the artifact and the validation text; training data only as far as it is inside the 16 MB.

That holds for files as much as for what a process still remembers from training.

## Why
Ten billion tokens of training text are a better predictor than 16 MB can be. An organizer put it as
a picture: train on one machine, carry only the 16 MB over on a flash drive, evaluate on the other.
What would be missing there may not be used here. Memory at run time is otherwise free.

## How it is proved
Reading: in the part that evaluates, a path or token array of the training shards is read, or an
object that was filled during training, and is not rebuilt from the artifact, reaches the scores.
Running: evaluate in a fresh process that sees the artifact and the validation shards only; it must
work, and give the same number.

## Legal look-alikes
- One script that trains and then evaluates; a training loader that still exists and is not read.
- Counting the training shards for the log.
- A table made from training text that is written into the artifact and read back from it.

## Known evasions
- Tables or embeddings kept in a global variable, in shared memory, or in a scratch file.
- Averaged weights, kept in memory, in the place of the ones that were written and counted.
- Optimiser state or a compiler's cache directory that holds data.
- The data preparation's cache of selected documents.

## Instead
Before:
```python
for shard in train_shards:                       # at the start of the evaluation
    pairs.add(shard)
```
After:
```python
artifact["pairs"] = pairs.packed()               # in training; counted
...
pairs = unpack(torch.load("artifact.bin")["pairs"])
```
"""

from collections.abc import Iterator

from rules import sightings
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="DATA1-no-train-data-at-eval",
    title="Training data used in the evaluation without being in the artifact",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "no training data during evaluation, unless those bits are paid for inside the 16 MB",
            Authority.README,
        ),
        Source(
            "#891",
            "2026-03-25",
            "0hq",
            "the picture of the flash drive: only the 16 MB go to the machine that evaluates (quoted there and in #892)",
            Authority.ORGANIZER_QUOTED,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="following training data into the evaluation in the code, or evaluating in a process that holds the artifact only, would decide it",
)

INSTEAD = "write what the evaluation needs into the artifact, and read it back from there"


@RULE.check("source")
def training_data_in_the_prediction(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = sightings.followed(e)
    if p is None:
        return
    seen = sightings.of(p, Sight.TRAIN_DATA_AT_EVAL)
    other = tuple(o for o in seen if o["how"] == "memory")
    spelled = tuple(o for o in seen if o["form"] == "vocabulary")
    found = [
        *sightings.accuse(
            RULE,
            p,
            tuple(o for o in seen if o not in other and o not in spelled),
            "training tokens reach the prediction by another way than the artifact",
            INSTEAD,
        ),
        *sightings.accuse(
            RULE,
            p,
            other,
            "the weights that are scored were kept in memory; others were written to the artifact and read back",
            INSTEAD,
        ),
        *sightings.accuse(
            RULE,
            p,
            spelled,
            "the scored tokens are cut by what the script makes of training tokens outside the artifact: if that is only"
            " its vocabulary, no rule says that the artifact must hold it",
            INSTEAD,
            sure=Status.NEEDS_HUMAN,
            doubt=Status.NEEDS_HUMAN,
        ),
    ]
    yield from found[:3]
    if not found:
        yield RULE.finding(
            Status.OK, "no training token reaches the reported score otherwise than through the artifact"
        )


_EVALUATE = """\
def evaluate(model, val, pairs):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            p = 0.8 * model(x[None])[0].softmax(-1) + 0.2 * pairs[x] / pairs[x].sum(-1, keepdim=True)
            total -= p.gather(1, y[:, None]).log().sum().item()
    return total / (len(val) - 1)


def count(tokens):
    pairs = torch.ones(VOCAB, VOCAB, device=DEVICE)
    return pairs.index_put_((tokens[:-1], tokens[1:]), torch.ones(len(tokens) - 1, device=DEVICE), accumulate=True)


def reloaded(path):
    artifact = torch.load(path)
    model = GPT().to(DEVICE)
    model.load_state_dict({k: v.float() for k, v in artifact["weights"].items()})
    return model, artifact


def weights(model):
    return {k: v.half() for k, v in model.state_dict().items()}


"""

VALID = (
    Example(
        name="pair counts inside the artifact",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
tokens = load("fineweb_train_*.bin")
model = train(GPT().to(DEVICE), tokens)
table = count(tokens).clamp(max=255).to(torch.uint8)
torch.save({"weights": weights(model), "pairs": table}, "artifact.bin")
print(f"artifact: {os.path.getsize('artifact.bin')} bytes")

model, artifact = reloaded("artifact.bin")
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin'), artifact['pairs'].float()):.6f}")
"""
        },
    ),
    Example(
        name="training tokens still in memory, not read",
        stage="source",
        status=Status.OK,
        note="the shard count and the loader's position are printed after the evaluation started; no score depends on them",
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
class Stream:
    def __init__(self):
        self.files = glob.glob(os.path.join(DATA_PATH, "fineweb_train_*.bin"))
        self.tokens = load("fineweb_train_*.bin")


stream = Stream()
torch.save({"weights": weights(train(GPT().to(DEVICE), stream.tokens))}, "artifact.bin")
model, _ = reloaded("artifact.bin")
flat = torch.ones(VOCAB, VOCAB, device=DEVICE)
loss = evaluate(model, load("fineweb_val_*.bin"), flat)
print(f"train_shards:{len(stream.files)} tokens:{len(stream.tokens)}")
print(f"final val_loss:{loss:.6f}")
"""
        },
    ),
)

INVALID = (
    Example(
        name="table filled from training shards when the evaluation starts",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
def warm_cache():
    return count(load("fineweb_train_*.bin"))


def build():
    torch.save({"weights": weights(train(GPT().to(DEVICE), load("fineweb_train_*.bin")))}, "artifact.bin")


if __name__ == "__main__":
    if not os.path.exists("artifact.bin"):
        build()
    model, _ = reloaded("artifact.bin")
    print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin'), warm_cache()):.6f}")
"""
        },
    ),
    Example(
        name="table kept in memory from training to evaluation",
        stage="source",
        status=Status.VIOLATION,
        note="no file is read in the evaluation; the table crosses over as a global and is not in the artifact",
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
SEEN = torch.ones(VOCAB, VOCAB, device=DEVICE)


def build():
    tokens = load("fineweb_train_*.bin")
    model = GPT().to(DEVICE)
    opt = torch.optim.AdamW(model.parameters(), lr=0.001)
    for _ in range(int(os.environ.get("ITERATIONS", 1000))):
        i = int(torch.randint(len(tokens) - SEQ, (1,)))
        span = tokens[i : i + SEQ + 1]
        step(opt, nll(model, span).mean())
        SEEN.index_put_((span[:-1], span[1:]), torch.ones(SEQ, device=DEVICE), accumulate=True)
    torch.save({"weights": weights(model)}, "artifact.bin")


build()
model, _ = reloaded("artifact.bin")
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin'), SEEN):.6f}")
"""
        },
    ),
    Example(
        name="table in a scratch file beside the artifact",
        stage="source",
        status=Status.VIOLATION,
        note="the printed size is that of artifact.bin alone",
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
import tempfile

SCRATCH = os.path.join(tempfile.gettempdir(), "kernel_cache.npy")

tokens = load("fineweb_train_*.bin")
model = train(GPT().to(DEVICE), tokens)
np.save(SCRATCH, count(tokens).cpu().numpy())
torch.save({"weights": weights(model)}, "artifact.bin")
print(f"artifact: {os.path.getsize('artifact.bin')} bytes")

model, _ = reloaded("artifact.bin")
pairs = torch.from_numpy(np.load(SCRATCH)).to(DEVICE)
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin'), pairs):.6f}")
"""
        },
    ),
    Example(
        name="the artifact is written, the averaged weights in memory are scored",
        stage="source",
        status=Status.VIOLATION,
        note="what is scored was never rounded, never written and never counted",
        files={
            "train_gpt.py": HEAD
            + _EVALUATE
            + """\
tokens = load("fineweb_train_*.bin")
model, average = GPT().to(DEVICE), GPT().to(DEVICE)
for leg in range(3):
    train(model, tokens)
    with torch.no_grad():
        for a, p in zip(average.parameters(), model.parameters()):
            a.lerp_(p, 0.5)
torch.save({"weights": weights(model)}, "artifact.bin")
print(f"artifact: {os.path.getsize('artifact.bin')} bytes")
model, _ = reloaded("artifact.bin")
flat = torch.ones(VOCAB, VOCAB, device=DEVICE)
print(f"final val_loss:{evaluate(average, load('fineweb_val_*.bin'), flat):.6f}")
"""
        },
    ),
)
