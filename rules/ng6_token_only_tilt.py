"""Raising the probability of one hinted token is allowed when the hint comes from the past and the rest pays for it.

The hint at position t is read from tables of earlier tokens. The model's probability q of the hinted token is
raised by a factor e^β, and every token is divided by Z = 1 + q · (e^β − 1). Forbidden are the
variants whose hint, gate or strength asks something about the token that is being scored (NG6a).

## Why
With that Z the tilted probabilities add up to 1 exactly, though only two of them are computed. The variants
that were refused look at the scored token first: a *within-word* channel that speaks only if the scored token
does not start a word, a *word-start* channel that speaks only if it does. Whether a hint is given then tells what kind
of token comes next, and nobody pays for the message.

## How it is proved
Reading: `hint[i]`, its gate and its strength are written before `tokens[i]` is read, in Python and in C, and
look-up tables of token properties are indexed by earlier tokens or by the hint, never by the scored token. Running:
change token i only and build the hints again: hint, gate and strength at i must stay, later ones may change.

## Legal look-alikes
- Comparing the scored token with the hint when the loss is gathered: every loss has to know its target.
- Hints for all positions computed in one go over the whole array, each from its own prefix.
- Asking whether the *previous* token ended a word, or whether the *hinted* token starts one.
- Code of the refused channels that is switched off in the run that made the claim (boosts of 0; in the log
  `within_gate=0 word_gate=0`).

## Known evasions
A channel whose boost is 0 in the script and not in the run command; the property table read inside a C
kernel; a strength of 0 where the hint is wrong, so that Z is paid only where it pays; no Z at all. Whether
the time to build the hints counts as evaluation is another question (D-08).

## Instead
Before:
```c
uint16_t tok = tokens[i];
if (!starts_word[tok] && in_word) hint[i] = best(word_ctx);   /* speaks about the answer */
```
After:
```c
hint[i] = best(ctx);             /* all that is used is older than i */
uint16_t tok = tokens[i];
update(ctx, tok);
```
```python
q = logp.gather(1, hint[:, None])[:, 0].exp()
nll = -(logp.gather(1, y[:, None])[:, 0] + beta * (y == hint) - torch.log1p(q * (math.exp(beta) - 1)))
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
    id="NG6-token-only-tilt",
    title="Tilt of one prefix-derived hint, normalised in closed form",
    kind=Kind.PERMISSION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "#1145",
            "2026-03-30",
            "AnirudhRahul",
            "tilts one hinted token and divides by the exact sum; an organizer's approval is claimed by others, not found",
            Authority.COMMUNITY,
        ),
        Source(
            "#1185",
            "2026-03-31",
            "valerio-oai",
            "an n-gram correction has to renormalise over the whole vocabulary",
            Authority.ORGANIZER_QUOTED,
        ),
        Source(
            "#1437",
            "2026-04-07",
            "dexhunter",
            "withdraws a number made with a non-causal kernel and reports the token-only one",
            Authority.COMMUNITY,
        ),
        Source(
            "#1514",
            "2026-04-29",
            "cocohearts",
            "merged with the token channel alone, both word channels at 0",
            Authority.PRECEDENT,
        ),
        Source(
            "#1967",
            "2026-04-30",
            "leon2k2k2k",
            "the within-word and word-start gates read the token they score",
            Authority.COMMUNITY,
        ),
        Source(
            "#2140",
            "2026-05-02",
            "cocohearts",
            "the version with target-gated channels is not causal; the corrected token-only version is technically acceptable",
            Authority.ORGANIZER,
        ),
        Source(
            "#2146", "2026-05-02", "cocohearts", "a token-only tilt (#2135) becomes the top row", Authority.PRECEDENT
        ),
    ),
    decided_by=("source", "trace"),
    undecided="whether a hint, its gate or its strength is a function of the scored token, read in Python and C or measured, would decide it",
)

TILT = """\
import ctypes
import subprocess

BOOST = float(os.environ.get("TOKEN_BOOST", 2.0))


def tilted(logp, y, hint, boost):
    on = hint >= 0
    q = logp.gather(1, hint.clamp(min=0)[:, None])[:, 0].exp()
    log_z = torch.where(on, torch.log1p(q * (math.exp(boost) - 1)), torch.zeros(()))
    return -(logp.gather(1, y[:, None])[:, 0] + boost * (on & (y == hint)) - log_z)
"""

NATIVE = (
    TILT
    + """\


def hints_for(tokens, *tables):
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", "hints.so", "hints.c"], check=True)
    lib = ctypes.CDLL("./hints.so")
    ids = np.ascontiguousarray(tokens.numpy().astype(np.uint16))
    hint = np.full(ids.size, -1, dtype=np.int32)
    extra = [np.ascontiguousarray(t) for t in tables]
    lib.build(*(a.ctypes.data_as(ctypes.c_void_p) for a in (ids, hint, *extra)), ctypes.c_long(ids.size))
    return torch.from_numpy(hint.astype(np.int64))
"""
)

LOOP = """\


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    hint = hints_for(val_tokens{tables})
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        logp = F.log_softmax(model(val_tokens[start : start + y.numel()]), -1)
        total += tilted(logp, y, hint[start + 1 : start + seq + 1], BOOST).sum().item()
    return total
"""

WORDS = """\


def starts_word():
    import sentencepiece

    sp = sentencepiece.SentencePieceProcessor(model_file=os.environ.get("TOKENIZER_PATH", "./data/tokenizers/bpe.model"))
    return np.array([sp.id_to_piece(i).startswith("▁") for i in range(VOCAB)], dtype=np.uint8)
"""

CELLS = """\
#include <stdint.h>
#include <string.h>

#define BITS 16
typedef struct { int32_t best; uint32_t lead; } Cell;

static Cell *cell(Cell *table, uint64_t past) {
    return &table[(past * 0x9E3779B97F4A7C15ull) >> (64 - BITS)];
}

static void vote(Cell *c, int32_t token) {
    if (c->lead && c->best == token) c->lead++;
    else if (c->lead) c->lead--;
    else { c->best = token; c->lead = 1; }
}

"""

GATED = (
    CELLS
    + """\
static Cell any[1u << BITS], inner[1u << BITS];

void build(const uint16_t *tokens, int32_t *hint, const uint8_t *starts, long n) {
    uint64_t past = 0, word = 0;
    memset(any, 0, sizeof any);
    memset(inner, 0, sizeof inner);
    for (long i = 0; i < n; i++) {
        Cell *a = cell(any, past), *b = cell(inner, word);
        const uint16_t now = tokens[i];
        hint[i] = a->lead >= 2 ? a->best : -1;
        if (!starts[now] && b->lead >= 1) hint[i] = b->best;
        vote(a, now);
        if (!starts[now]) vote(b, now);
        word = starts[now] ? now : word * 31 + now;
        past = (past << 16) | now;
    }
}
"""
)

SWITCHED = (
    TILT
    + WORDS
    + """\


INNER = float(os.environ.get("WITHIN_BOOST", 0.0))


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    follows = torch.full((VOCAB,), -1)
    inner_follows = torch.full((VOCAB,), -1)
    starts = torch.from_numpy(starts_word()).bool()
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        logp = F.log_softmax(model(x), -1)
        if INNER > 0:
            total += tilted(logp, y, torch.where(starts[y], -1, inner_follows[x]), INNER).sum().item()
        else:
            total += tilted(logp, y, follows[x], BOOST).sum().item()
        follows[x] = y
        inner_follows[x[~starts[y]]] = y[~starts[y]]
    return total
"""
)

VALID = (
    Example(
        name="hint written before the token is read",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(NATIVE + LOOP.replace("{tables}", "")),
            "hints.c": CELLS
            + """\
static Cell any[1u << BITS];

void build(const uint16_t *tokens, int32_t *hint, long n) {
    uint64_t past = 0;
    memset(any, 0, sizeof any);
    for (long i = 0; i < n; i++) {
        Cell *c = cell(any, past);
        hint[i] = c->lead >= 2 ? c->best : -1;
        const uint16_t now = tokens[i];
        vote(c, now);
        past = (past << 16) | now;
    }
}
""",
        },
        note="one call over all tokens, each hint from its own prefix",
    ),
    Example(
        name="property of the previous token and of the hint",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(
                TILT
                + WORDS
                + """\


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    follows, starts = torch.full((VOCAB,), -1), torch.from_numpy(starts_word()).bool()
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        hint = follows[x]
        quiet = starts[x] & starts[hint.clamp(min=0)]
        hint = torch.where(quiet, -1, hint)
        total += tilted(F.log_softmax(model(x), -1), y, hint, BOOST).sum().item()
        follows[x] = y
    return total
"""
            )
        },
    ),
    Example(
        name="gated channel switched off",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program(SWITCHED),
            "README.md": "# Token-only tilt\n\n```bash\nTOKEN_BOOST=2.0 torchrun --standalone --nproc_per_node=8 train_gpt.py\n```\n",
        },
        note="the branch that asks about y is dead: WITHIN_BOOST is 0 in the script and not set by the command",
    ),
)

INVALID = (
    Example(
        name="within-word channel in C",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(NATIVE + WORDS + LOOP.replace("{tables}", ", starts_word()")),
            "hints.c": GATED,
        },
        note="hint[i] depends on starts[tokens[i]]",
    ),
    Example(
        name="gated channel switched on by the command",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program(SWITCHED),
            "README.md": "# Token-only tilt\n\n```bash\nWITHIN_BOOST=0.75 torchrun --standalone --nproc_per_node=8 train_gpt.py\n```\n",
        },
    ),
    Example(
        name="divided only where the hint is right",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, boost=2.0):
    follows = torch.zeros(VOCAB, dtype=torch.long)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        logp = F.log_softmax(model(x), -1)
        hint = follows[x]
        beta = boost * (hint == y).float()
        q = logp.gather(1, hint[:, None])[:, 0].exp()
        log_z = torch.log1p(q * (beta.exp() - 1))
        total -= (logp.gather(1, y[:, None])[:, 0] + beta - log_z).sum().item()
        follows[x] = y
    return total
""")
        },
        note="the formula looks complete, but the strength is a function of the answer: misses pay nothing",
    ),
    Example(
        name="raised and not divided",
        stage="source",
        status=Status.VIOLATION,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, boost=0.5):
    follows = torch.zeros(VOCAB, dtype=torch.long)
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        x = val_tokens[start : start + y.numel()]
        logp = F.log_softmax(model(x), -1)
        logp = logp.scatter_add(1, follows[x][:, None], torch.full((y.numel(), 1), boost))
        total += F.nll_loss(logp, y, reduction="sum").item()
        follows[x] = y
    return total
""")
        },
        note="a log_softmax after the scatter_add would make it legal",
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Tilts whose hint, gate or strength asks about the scored token, and tilts that nobody pays for."""
    p = e.program
    if p is None:
        return
    instead = "make hint, gate and strength before the token is read, and divide by 1 + q * (exp(beta) - 1)"
    found = False
    for o in mixture.seen(p, Sight.TILT, Sight.TARGET_GATE):
        status = mixture.grade(o, p)
        if status.is_alarm and (o.sight is Sight.TILT or o["language"] == "native" or o["tilt"]):
            found = True
            yield RULE.finding(status, o.what, *mixture.facts(o, p), at=(o.at,), instead=instead)
    if not found:
        yield from mixture.clear(RULE, e, "no tilt was seen that knows the scored token or leaves out its normaliser")
