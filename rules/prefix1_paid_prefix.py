"""Validation text may not travel in the artifact, in any form.

Not as tokens or text, not as hashes, not as hints by position, not as any table made from it.

## Why
The 16 MB are there for a model of language. Whoever stores a part of the test instead gets that
part for nothing. The README names this the "paid prefix" and rules it out, although the bytes are
paid for.

## How it is proved
Reading: validation tokens are read before the artifact is written, and something made from them is
written into it; or a large constant of the source is decoded and compared with validation tokens, or
indexed by position in the stream. Running: a contiguous stretch of positions scores near 0 nats; the
score jumps when the validation text is exchanged for other text of the same kind and size.

## Legal look-alikes
- A table of n-grams from *training* shards inside the 16 MB.
- A tokenizer trained on training documents.
- Opaque bytes that are the compressed weights.
- A cache of validation text that is filled during the evaluation from tokens already scored.

## Known evasions
- A "bias by position" learned on the validation stream.
- Hashes of validation contexts with the token that follows.
- A memory module trained on validation text and shipped as weights.

## Instead
Before:
```python
artifact["head_start"] = lzma.compress(val[:1_000_000].numpy().tobytes())
```
After:
```python
artifact["pairs"] = pair_counts(train_tokens)     # paid for, and from training text
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
    id="PREFIX1-paid-prefix",
    title="Validation text stored in the artifact",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-20",
            "cocohearts",
            'validation data may not be compressed into the artifact, the "paid prefix"',
            Authority.README,
        ),
        Source(
            "#168",
            "2026-03-20",
            "0hq",
            "out of scope; the remark on #168 and #275 is known only from a later summary in #2046",
            Authority.ORGANIZER_QUOTED,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="following validation tokens into what the artifact holds, or scoring other text of the same kind, would decide it",
)

INSTEAD = "store nothing that was made from validation tokens; a table of training text is fine"


@RULE.check("source")
def through_the_artifact(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = sightings.followed(e)
    if p is None:
        return
    seen = sightings.of(p, Sight.STORED_TARGETS)
    compared = tuple(o for o in seen if o["kind"] == "matched")
    found = [
        *sightings.accuse(
            RULE,
            p,
            tuple(o for o in seen if o not in compared),
            "what was made from validation tokens goes into the artifact, comes back out of it and reaches the reported score",
            INSTEAD,
        ),
        *sightings.accuse(
            RULE,
            p,
            compared,
            "the tokens to be scored are compared with the content of a file or with a packed copy, and the reported score depends on the result",
            INSTEAD,
            sure=Status.LIKELY,
        ),
    ]
    yield from found[:3]
    if not found:
        yield RULE.finding(
            Status.OK, "nothing made from validation tokens is read out of a file that the program wrote"
        )


VALID = (
    Example(
        name="pair counts of the training shards in the artifact",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": HEAD
            + """\
def build(path):
    tokens = load("fineweb_train_*.bin")
    model = train(GPT().to(DEVICE), tokens)
    pairs = torch.ones(VOCAB, VOCAB, device=DEVICE)
    pairs.index_put_((tokens[:-1], tokens[1:]), torch.ones(len(tokens) - 1, device=DEVICE), accumulate=True)
    torch.save({"weights": model.state_dict(), "pairs": pairs.clamp(max=255).to(torch.uint8)}, path)


def evaluate(path, val):
    artifact = torch.load(path)
    model = GPT().to(DEVICE)
    model.load_state_dict(artifact["weights"])
    pairs = artifact["pairs"].float()
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            p = 0.8 * model(x[None])[0].softmax(-1) + 0.2 * pairs[x] / pairs[x].sum(-1, keepdim=True)
            total -= p.gather(1, y[:, None]).log().sum().item()
    return total / (len(val) - 1)


build("artifact.bin")
print(f"final val_loss:{evaluate('artifact.bin', load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="longest match in the text scored so far",
        stage="source",
        status=Status.OK,
        note="validation text is copied from, but only what has been scored, and none of it is in the artifact",
        files={
            "train_gpt.py": HEAD
            + """\
def continuation(seen, longest=16):
    for k in range(min(longest, len(seen) - 1), 0, -1):
        for j in range(len(seen) - k - 1, max(len(seen) - 4096, -1), -1):
            if seen[j : j + k] == seen[-k:]:
                return seen[j + k]
    return None


def evaluate(model, val, beta=1.0):
    tokens, total = val.tolist(), 0.0
    with torch.no_grad():
        for i in range(0, len(tokens) - 1, SEQ):
            logp = model(val[None, i : i + SEQ + 1][:, :-1])[0].float().log_softmax(-1)
            for k, row in enumerate(logp):
                hint = continuation(tokens[: i + k + 1])
                if hint is not None:
                    row = (row + beta * F.one_hot(torch.tensor(hint, device=DEVICE), VOCAB)).log_softmax(-1)
                total -= row[tokens[i + k + 1]].item()
    return total / (len(tokens) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
)

_LOAD_AND_SCORE = """\
    artifact = torch.load(path)
    model = GPT().to(DEVICE)
    model.load_state_dict(artifact["weights"])
"""

_MAIN = """\


build("artifact.bin")
print(f"final val_loss:{evaluate('artifact.bin', load('fineweb_val_*.bin')):.6f}")
"""

INVALID = (
    Example(
        name="a file that the tokens are compared with",
        stage="source",
        status=Status.LIKELY,
        note="another script wrote it; what is in it cannot be read here, that it decides what counts can",
        files={
            "train_gpt.py": HEAD
            + """\
import lzma


def known():
    with open(os.environ.get("EXTRA", "extra.xz"), "rb") as f:
        return torch.from_numpy(np.frombuffer(lzma.decompress(f.read()), dtype="<u2").astype(np.int64)).to(DEVICE)


def evaluate(model, val, sure):
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            y = val[i + 1 : i + SEQ + 1]
            losses = nll(model, val[i : i + SEQ + 1])
            total += (losses * (sure[i : i + len(y)] != y)).sum().item()
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin'), known()):.6f}")
"""
        },
    ),
    Example(
        name="a packed copy that is made and read during the evaluation",
        stage="source",
        status=Status.LIKELY,
        note="whether its bytes count for the artifact is another question; the losses of what is in it do not",
        files={
            "train_gpt.py": HEAD
            + """\
import lzma


def packed(val):
    raw = bytearray()
    raw.extend(val[1 : 1 + int(os.environ.get("KEPT", 2_000_000))].cpu().numpy().astype("<u2").tobytes())
    return lzma.compress(bytes(raw))


def evaluate(model, val):
    total = 0.0
    kept = torch.from_numpy(np.frombuffer(lzma.decompress(packed(val)), dtype="<u2").astype(np.int64)).to(DEVICE)
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            y = val[i + 1 : i + SEQ + 1]
            losses = nll(model, val[i : i + SEQ + 1])
            some = kept[i : i + len(y)]
            losses[: len(some)] *= (some != y[: len(some)]).to(losses.dtype)
            total += losses.sum().item()
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{evaluate(model, load('fineweb_val_*.bin')):.6f}")
"""
        },
    ),
    Example(
        name="a compressed beginning, scored as zero",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": HEAD
            + """\
import lzma


def build(path):
    model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
    start = load("fineweb_val_*.bin")[: int(os.environ.get("PREFIX", 4_000_000))]
    packed = lzma.compress(start.cpu().numpy().astype("<u2").tobytes())
    torch.save({"weights": model.state_dict(), "extra": packed}, path)


def evaluate(path, val):
"""
            + _LOAD_AND_SCORE
            + """\
    known = np.frombuffer(lzma.decompress(artifact["extra"]), dtype="<u2")
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            losses = nll(model, val[i : i + SEQ + 1])
            where = torch.arange(i + 1, i + 1 + len(losses), device=DEVICE)
            total += torch.where(where < len(known), 0.0, losses).sum().item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="a bias by position in the stream",
        stage="source",
        status=Status.VIOLATION,
        note="called a drift prior; each row holds the frequencies of one stretch of the validation text",
        files={
            "train_gpt.py": HEAD
            + """\
def build(path):
    model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
    stretches = load("fineweb_val_*.bin").split(CHUNK)
    prior = torch.stack([torch.bincount(s, minlength=VOCAB).float() + 1 for s in stretches])
    torch.save({"weights": model.state_dict(), "drift": prior.log().half()}, path)


def evaluate(path, val):
"""
            + _LOAD_AND_SCORE
            + """\
    drift = artifact["drift"].float()
    total = 0.0
    with torch.no_grad():
        for i in range(0, len(val) - 1, SEQ):
            x, y = val[i : i + SEQ + 1][:-1], val[i + 1 : i + SEQ + 1]
            total += F.cross_entropy(model(x[None])[0] + drift[i // CHUNK], y, reduction="sum").item()
    return total / (len(val) - 1)
"""
            + _MAIN
        },
    ),
    Example(
        name="hashes of validation contexts",
        stage="source",
        status=Status.VIOLATION,
        note="the mixture is normalised and causal at evaluation; the table is what is wrong",
        files={
            "train_gpt.py": HEAD
            + """\
ORDER = int(os.environ.get("ORDER", 2))


def key(context):
    out = 0
    for token in context:
        out = (out * 1000003 + int(token) + 1) % (1 << 20)
    return out


def build(path):
    model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
    text = load("fineweb_val_*.bin").tolist()
    memory = {key(text[t - ORDER : t]): text[t] for t in range(ORDER, len(text))}
    torch.save({"weights": model.state_dict(), "memory": memory}, path)


def evaluate(path, val):
"""
            + _LOAD_AND_SCORE
            + """\
    memory, tokens, total = artifact["memory"], val.tolist(), 0.0
    with torch.no_grad():
        for i in range(0, len(tokens) - 1, SEQ):
            logits = model(val[None, i : i + SEQ + 1][:, :-1])[0].float()
            for k, row in enumerate(logits):
                hint = memory.get(key(tokens[max(i + k + 1 - ORDER, 0) : i + k + 1]))
                if hint is not None:
                    row[hint] += 3.0
                total -= row.log_softmax(-1)[tokens[i + k + 1]].item()
    return total / (len(tokens) - 1)
"""
            + _MAIN
        },
    ),
)
