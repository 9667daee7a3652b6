"""Scoring bytes by exact marginals of the token softmax is a valid code; whether it may make a record is open (D-04).

The chain rule over bytes: the probability of the next byte is the mass of all tokens that agree with the bytes so
far and continue with it, divided by the mass of all tokens that agree with the bytes so far. Mixed
with a byte predictor of the same alphabet it stays a distribution.

## Why
Unlike the even spread (PPM1) every step has a number for every symbol, and they add up to 1. The gain that
is left is small: about 0.02 bits per byte in #1916. The open question is whether the official scoring
point is the token, so that a distribution over bytes is beside the point; no general answer was found,
and the one record attempt (#2039) was refused on 2026-05-02 for reasons that could be read only in part.

## How it is proved
Reading: the row that is mixed is built by summing token probabilities over all tokens that are
consistent with the bytes so far, with an event for the end of a token. Running: sum over 256 bytes and
the end, at every depth of a token; the sums must be 1.

## Legal look-alikes
A model that predicts bytes in the first place: its softmax over 256 bytes is an ordinary
alphabet, and such models were merged as non-record entries (#1104, #1443).

## Known evasions
Exact at the first byte and a product over the remaining bytes, which is PPM1 again; leaving out the end of
the token, so that short and long tokens share mass; leading spaces attributed to the wrong token.

## Instead
Before:
```python
share = math.exp(logp / len(piece))                                  # PPM1
```
After:
```python
alive = consistent(prefix)                                           # tokens that start with these bytes
row = torch.zeros(257).index_add_(0, NEXT[alive, depth], p[alive]) / p[alive].sum()   # 256 bytes and the end
```
"""

from collections.abc import Iterator

from rules import mixture
from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Finding, Severity, Status
from rules.ppm1_uniform_spread_byte_mixture import BYTES
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="PPM2-proper-byte-marginals",
    title="Bytes scored by exact marginals of the token softmax",
    kind=Kind.PERMISSION,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source(
            "#1872",
            "2026-04-27",
            "andrewbaggio1",
            "asks whether the alphabet of the score is tokens or bytes; no answer found",
            Authority.COMMUNITY,
        ),
        Source(
            "#1916",
            "2026-04-29",
            "Christopher-Lee-McClendon",
            "exact marginals over bytes are normalised; the honest gain is about 0.02",
            Authority.COMMUNITY,
        ),
        Source(
            "#1104", "2026-05-02", "valerio-oai", "byte-level models merged as non-record entries", Authority.PRECEDENT
        ),
        Source(
            "#2039",
            "2026-05-02",
            "cocohearts",
            "a mixture by the first byte's marginal is not valid as a record row (reasons not fully readable)",
            Authority.ORGANIZER,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="how the row over bytes is made from the token softmax would decide whether the code is valid",
    disputes=("D-04",),
)

GRID = (
    BYTES
    + """\
LONGEST = max(len(piece) for piece in PIECES)
NEXT = torch.tensor([list(piece) + [256] * (LONGEST + 1 - len(piece)) for piece in PIECES])


"""
)

VALID = (
    Example(
        name="model of bytes",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
VOCAB = 256


@torch.no_grad()
def evaluate(model, val_tokens, seq=2048):
    total = 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="sum").item()
    print(f"val_bpb:{total / math.log(2) / (val_tokens.numel() - 1):.8f}")
    return total
""")
        },
    ),
)

INVALID = (
    Example(
        name="chain rule over bytes and the end of a token",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-04",
        files={
            "train_gpt.py": program(
                GRID
                + """\
def spell(p, token, ppm, past, weight=0.3):
    alive, nats = torch.ones(VOCAB, dtype=torch.bool), 0.0
    for depth in range(len(PIECES[token]) + 1):
        row = torch.zeros(257, dtype=torch.double).index_add_(0, NEXT[alive, depth], p[alive]) / p[alive].sum()
        row[:256] = (1 - weight) * row[:256] + weight * (1 - row[256]) * torch.from_numpy(ppm.row(past))
        symbol = int(NEXT[token, depth])
        nats -= math.log(row[symbol])
        alive &= NEXT[:, depth] == symbol
        if symbol < 256:
            ppm.add(past, symbol)
            past = past[-1:] + bytes([symbol])
    return nats, past


@torch.no_grad()
def evaluate(model, val_tokens, seq=1024):
    ppm, past, total = Order2(), b"", 0.0
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        rows = F.softmax(model(val_tokens[start : start + y.numel()]).double(), -1)
        for p, token in zip(rows, y.tolist()):
            nats, past = spell(p, token, ppm, past)
            total += nats
    return total
"""
            )
        },
        note="256 bytes and the end add up to 1 at every depth",
    ),
    Example(
        name="first byte mixed, rest left to the model",
        stage="source",
        status=Status.DISPUTED,
        dispute="D-04",
        files={
            "train_gpt.py": program(
                GRID
                + """\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, weight=0.3):
    ppm, past, total = Order2(), b"", 0.0
    first = NEXT[:, 0]
    for start in range(0, val_tokens.numel() - 1, seq):
        y = val_tokens[start + 1 : start + seq + 1]
        p = F.softmax(model(val_tokens[start : start + y.numel()]).double(), -1)
        lead = torch.zeros(y.numel(), 257, dtype=torch.double).index_add_(1, first, p)
        for i, token in enumerate(y.tolist()):
            mixed = lead[i].clone()
            mixed[:256] = (1 - weight) * lead[i, :256] + weight * (1 - lead[i, 256]) * torch.from_numpy(ppm.row(past))
            rest = p[i, token] / lead[i, first[token]]
            total -= math.log(mixed[first[token]] * rest)
            for byte in PIECES[token]:
                ppm.add(past, byte)
                past = past[-1:] + bytes([byte])
    return total
"""
            )
        },
        note="normalised over tokens only if every byte begins some token; else the byte model loses that mass, which is honest",
    ),
)


@RULE.check("source")
def check_source(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """Rows over bytes that are summed from the token softmax."""
    p = e.program
    if p is None:
        return
    found = False
    for o in mixture.seen(p, Sight.BYTE_MARGINAL):
        if mixture.grade(o, p).is_alarm:
            found = True
            yield RULE.finding(
                Status.DISPUTED,
                f"{o.what}; a valid code if it is exact, but nobody has settled whether bytes may be the alphabet of the score",
                *mixture.facts(o, p),
                at=(o.at,),
                disputes=("D-04",),
            )
    if not found:
        yield from mixture.clear(RULE, e, "no byte probabilities were seen to be made by summing over tokens")
