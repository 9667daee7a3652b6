"""A counter may not be looked up under a key that contains the token being predicted.

The forbidden construction keeps two hashed tables, one counting contexts and one counting contexts
together with the next token, and scores the realised token by the ratio of the two buckets it falls
into. The key of the second bucket contains the answer.

## Why
A bucket of a hashed table holds the sum of everything that collided there. The ratio of two such
buckets is not the probability of a token: computed for every token of the vocabulary it adds up to
far more than 1 (about 277 was measured in #886). The printed loss then gets better the *more* the table
collides; with a single bucket it is 0. Nobody sees this as long as only the
realised token is ever looked up.

## How it is proved
Reading: a value that derives from the target at the scored position reaches the index of a
table whose content enters the score, and the same path is not walked for all other tokens.
Running: put every token of the vocabulary at one position and sum `exp(-score)`; or make the tables
smaller and watch the score improve.

## Legal look-alikes
- A bigram or trigram hash *embedding*: it hashes tokens of the input, which are all past tokens.
- Counting pairs in the update step, after the token was scored. What counts is the look-up.
- Exact keys, such as a tuple in a dictionary: the ratio of two exact counts is a
  probability, whether or not the other tokens are looked up as well.
- A look-up for the whole vocabulary that is divided by its own sum (#978).

## Known evasions
The key built from a slice that includes the scored token; the same in C; a look-up for the best k
tokens *plus the target*; a full look-up divided by the context's count instead of its own sum
(#972); a blending weight that depends on whether the target was found. Smoothing the ratio with the
model's probability is dispute D-03.

## Instead
Before:
```python
p_cache = pairs[(key ^ target * PRIME) & MASK] / contexts[key & MASK]     # one bucket, chosen by the answer
p = (1 - a) * p_model[target] + a * p_cache
```
After:
```python
counts = pairs[(key ^ torch.arange(VOCAB) * PRIME) & MASK].float() + 1e-3  # a bucket for every token
p = (1 - a) * p_model + a * counts / counts.sum()                          # a distribution, then the target
nll = -p[target].log()
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
    id="NG1-target-in-key",
    title="Hashed counter looked up with the target in its key",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "#779",
            "2026-03-27",
            "valerio-oai",
            "a hashed cache whose key contains the target is disallowed",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#982",
            "2026-03-27",
            "valerio-oai",
            "hashed caches do not renormalise and look ahead to the target to mix",
            Authority.ORGANIZER,
        ),
        Source(
            "#993",
            "2026-03-27",
            "valerio-oai",
            "n-gram models hashed in this way are disallowed",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#677",
            "2026-03-27",
            "valerio-oai",
            "more than thirty submissions closed for it; the leaning of the day before is withdrawn",
            Authority.ORGANIZER_QUOTED,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="following the target into the keys of the tables that are read for the score, or summing the score over the vocabulary, would decide it",
    disputes=("D-03",),
)

VALID = (
    Example(
        name="hash embedding of past tokens",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
class HashedPairs(Model):
    def __init__(self, buckets=4096, dim=64):
        super().__init__(dim)
        self.buckets = buckets
        self.pairs = torch.nn.Embedding(buckets, dim)

    def forward(self, ids):
        before = F.pad(ids[:-1], (1, 0))
        key = (ids * 36313 ^ before * 27191) % self.buckets
        return self.head(self.rnn(self.embed(ids) + self.pairs(key))[0])


Model = HashedPairs


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
    return total
""")
        },
        note="the key holds the current and the previous input, both before the predicted token",
    ),
    Example(
        name="whole row of exact bigram counts",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.2):
    counts = torch.ones(VOCAB, VOCAB)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = (1 - weight) * F.softmax(model(x), -1) + weight * counts[x] / counts[x].sum(-1, keepdim=True)
        total -= p.gather(1, y[:, None]).log().sum().item()
        counts.index_put_((x, y), torch.ones(y.numel()), accumulate=True)
    return total
""")
        },
        note="the pair (x, y) is a key only in the update, after the score",
    ),
    Example(
        name="exact tuples, only the target looked up",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
from collections import Counter


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, n=3, weight=0.3):
    contexts, pairs = Counter(), Counter()
    tokens = val_tokens.tolist()
    total = 0.0
    for start in range(0, len(tokens) - 1, seq):
        stop = min(start + seq, len(tokens) - 1)
        p_model = F.softmax(model(val_tokens[start:stop]), -1)
        for t in range(start + 1, stop + 1):
            past = tuple(tokens[max(0, t - n) : t])
            p = p_model[t - 1 - start, tokens[t]].item()
            if contexts[past]:
                p = (1 - weight) * p + weight * pairs[past, tokens[t]] / contexts[past]
            total -= math.log(p)
            contexts[past] += 1
            pairs[past, tokens[t]] += 1
    return total
""")
        },
        note="both counts are exact and move together, so the ratios of all tokens add up to 1",
    ),
    Example(
        name="hashed buckets of all tokens, divided by their own sum",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
MASK = (1 << 20) - 1


@torch.no_grad()
def evaluate(model, val_tokens, seq=256, weight=0.1):
    table = torch.zeros(MASK + 1)
    every = torch.arange(VOCAB) * 2654435761
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        buckets = table[((x[:, None] * 40503) ^ every) & MASK] + 1e-3
        p = (1 - weight) * F.softmax(model(x), -1) + weight * buckets / buckets.sum(-1, keepdim=True)
        total -= p.gather(1, y[:, None]).log().sum().item()
        table.index_add_(0, ((x * 40503) ^ (y * 2654435761)) & MASK, torch.ones(y.numel()))
    return total
""")
        },
        note="collisions make it a poor distribution, but it is one",
    ),
)

INVALID = (
    Example(
        name="ratio of two hashed buckets",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program("""\
MASK = (1 << 20) - 1


def fold(tokens, positions, n=4):
    key = np.zeros(positions.size, dtype=np.int64)
    for k in range(1, n + 1):
        key = key * 1000003 ^ tokens[positions - k]
    return key


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.4):
    contexts, pairs = np.zeros(MASK + 1), np.zeros(MASK + 1)
    tokens = val_tokens.numpy()
    total = 0.0
    for start in range(0, len(tokens) - 1, seq):
        stop = min(start + seq, len(tokens) - 1)
        p = F.softmax(model(val_tokens[start:stop]), -1).numpy()
        at = np.arange(start + 1, stop + 1)
        key = fold(tokens, at)
        c, b = key & MASK, (key ^ tokens[at] * 2654435761) & MASK
        seen = contexts[c] > 0
        ratio = np.minimum(pairs[b], contexts[c]) / np.maximum(contexts[c], 1)
        mixed = p[at - 1 - start, tokens[at]]
        mixed = np.where(seen, (1 - weight) * mixed + weight * ratio, mixed)
        total -= np.log(np.maximum(mixed, 1e-12)).sum()
        np.add.at(contexts, c, 1)
        np.add.at(pairs, b, 1)
    return total
""")
        },
    ),
    Example(
        name="one slice too long",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program("""\
class History:
    def __init__(self, size=1 << 18):
        self.size, self.cells = size, [0] * size

    def cell(self, span):
        value = 7
        for token in span:
            value = (value * 1000003 + token) % 2147483647
        return value % self.size


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, n=3, weight=0.3):
    short, long = History(), History()
    tokens = val_tokens.tolist()
    total = 0.0
    for start in range(0, len(tokens) - 1, seq):
        stop = min(start + seq, len(tokens) - 1)
        p_model = F.softmax(model(val_tokens[start:stop]), -1)
        for t in range(start + 1, stop + 1):
            i, j = short.cell(tokens[max(0, t - n) : t]), long.cell(tokens[max(0, t - n) : t + 1])
            p = p_model[t - 1 - start, tokens[t]].item()
            if short.cells[i]:
                p = (1 - weight) * p + weight * min(1.0, long.cells[j] / short.cells[i])
            total -= math.log(p)
            short.cells[i] += 1
            long.cells[j] += 1
    return total
""")
        },
        note="no XOR and no prime table: the slice up to t + 1 brings the target into a colliding key",
    ),
    Example(
        name="the same in C",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program("""\
import ctypes
import subprocess


def native():
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", "store.so", "store.c"], check=True)
    lib = ctypes.CDLL("./store.so")
    lib.read_then_add.restype = ctypes.c_double
    return lib


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.3):
    lib = native()
    tokens = np.ascontiguousarray(val_tokens.numpy().astype(np.uint16))
    total = 0.0
    for start in range(0, tokens.size - 1, seq):
        stop = min(start + seq, tokens.size - 1)
        p_model = F.softmax(model(val_tokens[start:stop]), -1)
        for t in range(start + 1, stop + 1):
            q = lib.read_then_add(tokens.ctypes.data_as(ctypes.c_void_p), ctypes.c_long(t))
            p = p_model[t - 1 - start, int(tokens[t])].item()
            total -= math.log((1 - weight) * p + weight * q if q >= 0 else p)
    return total
"""),
            "store.c": """\
#include <stdint.h>
#include <string.h>

#define SIZE (1u << 20)
static uint32_t before[SIZE], together[SIZE];

/* Ratio of two buckets for position i, or -1 when the context is new; then counts position i. */
double read_then_add(const uint16_t *tokens, long i) {
    if (i == 1) {
        memset(before, 0, sizeof before);
        memset(together, 0, sizeof together);
    }
    uint64_t h = 1469598103934665603ull;
    for (long k = i - 3; k < i; k++)
        h = (h ^ (k < 0 ? 0 : tokens[k])) * 1099511628211ull;
    uint32_t *a = &before[h % SIZE];
    uint32_t *b = &together[((h ^ tokens[i]) * 1099511628211ull) % SIZE];
    double ratio = *a ? (double)*b / *a : -1.0;
    if (ratio > 1.0) ratio = 1.0;
    ++*a;
    ++*b;
    return ratio;
}
""",
        },
    ),
    Example(
        name="best tokens plus the right one",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program("""\
MASK = (1 << 20) - 1


def bucket(x, token):
    return ((x * 40503) ^ (token * 2654435761)) & MASK


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.3, k=16):
    table = torch.zeros(MASK + 1)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        p = F.softmax(model(x), -1)
        candidates = torch.cat([y[:, None], p.topk(k).indices], 1)
        counts = table[bucket(x[:, None], candidates)] + 1e-3
        share = counts[:, 0] / counts.sum(1)
        total -= ((1 - weight) * p.gather(1, y[:, None])[:, 0] + weight * share).log().sum().item()
        table.index_add_(0, bucket(x, y), torch.ones(y.numel()))
    return total
""")
        },
        note="the sum runs over a set that the target was put into: a token outside the best k has no share unless it is the answer",
    ),
    Example(
        name="smoothed by the model's probability",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-03",
        files={
            "train_gpt.py": program("""\
MASK = (1 << 20) - 1


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, strength=5.0):
    contexts, pairs = torch.zeros(MASK + 1), torch.zeros(MASK + 1)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        prior = F.softmax(model(x), -1).gather(1, y[:, None])[:, 0]
        c = (x * 40503) & MASK
        b = (c ^ (y * 2654435761)) & MASK
        p = (pairs[b] + strength * prior) / (contexts[c] + strength)
        total -= p.clamp(max=1.0).log().sum().item()
        contexts.index_add_(0, c, torch.ones(y.numel()))
        pairs.index_add_(0, b, torch.ones(y.numel()))
    return total
""")
        },
        note="with exact counts the formula is a distribution; with colliding ones it is not",
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Hashed tables read under a key that holds the scored token, and mixed into its score."""
    p = e.program
    if p is None:
        return
    instead = "look up every token of the vocabulary, divide by the sum over them, then take the entry of the token"
    found = False
    plain = [o for o in mixture.seen(p, Sight.TARGET_IN_KEY, Sight.HASHED_RATIO) if o["form"] != "smoothed"]
    if plain:
        for finding in mixture.judged(RULE, e, (Sight.TARGET_IN_KEY, Sight.HASHED_RATIO), instead=instead):
            found = True
            yield finding
        return
    for o in mixture.seen(p, Sight.TARGET_IN_KEY, Sight.HASHED_RATIO):
        if not mixture.grade(o, p).is_alarm:
            continue
        found = True
        yield RULE.finding(
            Status.DISPUTED,
            f"{o.what}; the counts are smoothed by the model's own probability, which is a distribution only while nothing collides",
            *mixture.facts(o, p),
            at=(o.at,),
            disputes=("D-03",),
            instead=instead,
        )
    if not found:
        yield from mixture.clear(RULE, e, "no hashed table was seen to be read under a key that holds the scored token")
