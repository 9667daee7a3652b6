"""A token's probability may not be spread evenly over its bytes and mixed there with a byte model.

The construction takes p, the model's probability of the realised token of n bytes, gives each byte
p^(1/n), mixes that with a byte predictor's probability (PPM) and adds up the logarithms.

## Why
p^(1/n) is a number for the one byte that came, not a distribution over 256 bytes; other bytes have no number at all,
and for another token the same position would get another value. So the mixture is normalised neither over bytes nor
over tokens. How much it can invent was measured once: 0.9949 in the submission's own way of counting was 1.5221
with exact marginals, where the model alone has 1.5430, a gain of 0.02 (#1916).

## How it is proved
Reading: a token's log-probability is divided by the number of its bytes (or repeated over them) and
the result is mixed with another predictor *before* the logarithm is added to the score. Running: at a token's start
sum the mixture over 256 bytes, or over all tokens the product over their bytes: both must be 1.

## Legal look-alikes
- Dividing the total loss by the number of bytes: that is what bits per byte means.
- Spreading a loss over bytes for a histogram.
- A byte-level model: a softmax over 256 bytes mixed with PPM over the same 256 bytes.
- Exact marginals over bytes: a valid code, disputed for another reason (PPM2).

## Known evasions
`np.repeat` instead of a loop, a C or numba kernel, the mixture at the token with the *product* of the byte
model's probabilities (tokens that are prefixes of one another make that add up to more than 1), a gate from
the byte model's confidence, a subset of the validation data that makes it fit the time (EVAL1).

## Instead
Before:
```python
for byte in piece:
    total -= math.log(lam * math.exp(logp / len(piece)) + (1 - lam) * ppm[byte])
```
After:
```python
total -= logp                              # the token as the model predicts it
```
or a byte-level model throughout, whose every prediction is a row of 256 numbers.
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
    id="PPM1-uniform-spread-byte-mixture",
    title="Token probability spread evenly over bytes and mixed with a byte model",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "#1872",
            "2026-04-27",
            "andrewbaggio1, sharpobject",
            "the mixture does not add up to 1 over the tokens of a position",
            Authority.COMMUNITY,
        ),
        Source(
            "#1905",
            "2026-04-28",
            "leon2k2k2k",
            "a token's loss spread over its bytes is no distribution over bytes",
            Authority.COMMUNITY,
        ),
        Source(
            "#1902",
            "2026-04-28",
            "cocohearts",
            "byte mixtures are among the rows left out as invalid or conditional, for normalisation",
            Authority.ORGANIZER,
        ),
        Source(
            "#1916",
            "2026-04-29",
            "Christopher-Lee-McClendon",
            "a proof, and 1.5221 with exact marginals over the whole validation text",
            Authority.COMMUNITY,
        ),
        Source(
            "#2103",
            "2026-05-02",
            "cocohearts",
            "scores the realised bytes without a full normalised distribution at the scoring point",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="how a token's probability becomes a number per byte, or the sum of the mixture over 256 bytes, would decide it",
)

BYTES = """\
import sentencepiece

SP = sentencepiece.SentencePieceProcessor(model_file=os.environ.get("TOKENIZER_PATH", "./data/tokenizers/bpe.model"))
PIECES = [SP.id_to_piece(i).replace("▁", " ").encode() for i in range(VOCAB)]


class Order2:
    def __init__(self):
        self.rows = {}

    def row(self, past):
        counts = self.rows.get(past[-2:], np.zeros(256))
        return (counts + 0.05) / (counts.sum() + 256 * 0.05)

    def add(self, past, byte):
        self.rows.setdefault(past[-2:], np.zeros(256))[byte] += 1


"""

VALID = (
    Example(
        name="bits per byte of the total",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                BYTES
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total, spelled = 0.0, 0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
        spelled += sum(len(PIECES[t]) for t in y.tolist())
    print(f"bits per byte of the pieces: {total / math.log(2) / spelled:.4f}")
    return total
"""
            )
        },
    ),
    Example(
        name="byte-level model with PPM",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
VOCAB = 256


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.2):
    pairs = torch.full((256, 256), 0.05)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = (1 - weight) * F.softmax(model(x), -1) + weight * pairs[x] / pairs[x].sum(-1, keepdim=True)
        total += F.nll_loss(p.log(), y, reduction="sum").item()
        pairs.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
""")
        },
        note="shards of bytes: both rows are distributions over the same 256 symbols",
    ),
    Example(
        name="spread for a diagnostic only",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                BYTES
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    ppm, past, by_length = Order2(), b"", {}
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        logp = -F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="none")
        for token, value in zip(y.tolist(), logp.tolist()):
            total -= value
            size = max(1, len(PIECES[token]))
            for byte in PIECES[token]:
                gap = value / size - math.log(ppm.row(past)[byte])
                by_length.setdefault(size, []).append(gap)
                ppm.add(past, byte)
                past = past[-1:] + bytes([byte])
    for size, gaps in sorted(by_length.items()):
        print(f"pieces of {size} bytes: model ahead of PPM by {np.mean(gaps):.3f} nats per byte")
    return total
"""
            )
        },
        note="the per-byte share is compared and printed, never mixed into the score",
    ),
)

INVALID = (
    Example(
        name="spread and mixed byte by byte",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BYTES
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, lam=0.5):
    ppm, past = Order2(), b""
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        logp = F.log_softmax(model(val_tokens[start : start + y.numel()]), -1).gather(1, y[:, None])[:, 0]
        for token, value in zip(y.tolist(), logp.tolist()):
            piece = PIECES[token]
            if not piece:
                total -= value
            for byte in piece:
                total -= math.log(lam * math.exp(value / len(piece)) + (1 - lam) * ppm.row(past)[byte])
                ppm.add(past, byte)
                past = past[-1:] + bytes([byte])
    return total
"""
            )
        },
    ),
    Example(
        name="repeated over the bytes of the stream",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BYTES
                + """\
def predicted(stream):
    ppm = Order2()
    p, sure = np.empty(len(stream)), np.empty(len(stream))
    for i, byte in enumerate(stream):
        row = ppm.row(stream[max(0, i - 2) : i])
        p[i], sure[i] = row[byte], row.max()
        ppm.add(stream[max(0, i - 2) : i], byte)
    return p, sure


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    logp = []
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        logp.append(-F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="none"))
    spelled = [PIECES[t] for t in val_tokens[1:].tolist()]
    sizes = np.array([len(s) for s in spelled])
    values = torch.cat(logp).double().numpy()
    each = np.repeat(values / np.maximum(sizes, 1), sizes)
    p, sure = predicted(b"".join(spelled))
    trust = np.where(sure > 0.9, 0.05, 0.9)
    mixed = np.logaddexp(np.log(trust) + each, np.log1p(-trust) + np.log(p))
    return -float(mixed.sum() + values[sizes == 0].sum())
"""
            )
        },
        note="the gate looks at the byte model's confidence, which is fair; what it weighs is not a distribution",
    ),
    Example(
        name="gathered from the ranks",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BYTES
                + """\
import torch.distributed as dist


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, lam=0.5):
    logp = []
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        logp.append(-F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="none").double())
    mine = torch.cat(logp)
    parts = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
    dist.gather(mine, parts, dst=0)
    ppm, past, total = Order2(), b"", 0.0
    for token, value in zip(val_tokens[1:].tolist(), torch.cat(parts).tolist()):
        piece = PIECES[token]
        for byte in piece:
            total -= math.log(lam * math.exp(value / len(piece)) + (1 - lam) * ppm.row(past)[byte])
            ppm.add(past, byte)
            past = past[-1:] + bytes([byte])
    return total
"""
            )
        },
        note="gather() takes what is sent first and the list that receives it second",
    ),
    Example(
        name="pieces in places set aside, lengths from a file",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BYTES
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, lam=0.5):
    pieces = [None] * len(PIECES)
    for i in range(len(PIECES)):
        pieces[i] = PIECES[i]
    sizes = np.fromfile(os.path.join(DATA, "fineweb_val_bytes_000000.bin"), dtype=np.uint16)[513:]
    logp = []
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        logp.append(-F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="none").double())
    kept, text = [], []
    for token, value, size in zip(val_tokens[1:].tolist(), torch.cat(logp).tolist(), sizes):
        piece = pieces[token]
        if not piece:
            continue
        text.append(piece[: int(size)])
        kept.append(value)
    times = np.repeat(sizes, sizes)
    each = np.where(times > 0, np.repeat(np.array(kept), sizes) / times, 0.0)
    ppm, past, found = Order2(), b"", []
    for byte in b"".join(text):
        found.append(ppm.row(past)[byte])
        ppm.add(past, byte)
        past = past[-1:] + bytes([byte])
    return -float(np.log(lam * np.exp(each) + (1 - lam) * np.array(found)).sum())
"""
            )
        },
    ),
    Example(
        name="kernel in C",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(
                BYTES
                + """\
import ctypes
import subprocess


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", "blend.so", "blend.c", "-lm"], check=True)
    lib = ctypes.CDLL("./blend.so")
    lib.blend.restype = ctypes.c_double
    logp = []
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        logp.append(-F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="none").double())
    spelled = [PIECES[t] for t in val_tokens[1:].tolist()]
    sizes = np.array([len(s) for s in spelled], dtype=np.int64)
    values = torch.cat(logp).numpy()
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (values, sizes)]
    return lib.blend(*pointers, ctypes.c_long(sizes.size), ctypes.c_char_p(b"".join(spelled)))
"""
            ),
            "blend.c": """\
#include <math.h>
#include <stdint.h>
#include <string.h>

static uint32_t seen[65536][256], all[65536];

/* Nats of the stream: every byte of token k is credited with exp(logp[k] / size[k]). */
double blend(const double *logp, const int64_t *size, long n, const unsigned char *stream) {
    double nats = 0.0;
    uint16_t past = 0;
    memset(seen, 0, sizeof seen);
    memset(all, 0, sizeof all);
    for (long k = 0; k < n; k++) {
        double share = size[k] ? exp(logp[k] / (double)size[k]) : 0.0;
        if (!size[k]) nats -= logp[k];
        for (int64_t j = 0; j < size[k]; j++) {
            unsigned char b = *stream++;
            double q = (seen[past][b] + 0.05) / (all[past] + 12.8);
            nats -= log(0.5 * share + 0.5 * q);
            seen[past][b]++;
            all[past]++;
            past = (uint16_t)(past << 8 | b);
        }
    }
    return nats;
}
""",
        },
    ),
    Example(
        name="token mixed with a product over its bytes",
        stage="source",
        status=Status.LIKELY,
        files={
            "train_gpt.py": program(
                BYTES
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, lam=0.7):
    ppm, past = Order2(), b""
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        p = F.softmax(model(val_tokens[start : start + y.numel()]), -1).gather(1, y[:, None])[:, 0]
        for token, value in zip(y.tolist(), p.tolist()):
            product = 1.0
            for byte in PIECES[token]:
                product *= ppm.row(past)[byte]
                ppm.add(past, byte)
                past = past[-1:] + bytes([byte])
            total -= math.log(lam * value + (1 - lam) * product)
    return total
"""
            )
        },
        note="'a' and 'ab' both get the mass of 'a': the products of all pieces add up to more than 1",
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """A token's loss divided over its bytes, and mixed there."""
    instead = "score the token as the model predicts it, or predict bytes throughout, each from a row of 256"
    found = False
    for finding in mixture.judged(RULE, e, (Sight.SPREAD_BYTES,), instead=instead):
        found = True
        yield finding
    if not found:
        yield from mixture.clear(RULE, e, "no loss of a token was seen to be spread over its bytes and mixed there")
