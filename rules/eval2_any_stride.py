"""Any sequence length and any stride may be used at evaluation, as long as each token is counted once.

Windows may overlap, context may be longer than in training and may cross documents.

## Why
The README leaves the sequence length free, and sliding windows were accepted on the second day (#50). A token scored with
more of its past is still scored from its past. What has to hold is that the sum of losses is a code
length of the text: one term for each token.

## How it is proved
Reading: the positions added to the total by successive windows tile the stream. Running: count the score
events of every position: each must have exactly one in the reported total.

## Legal look-alikes
- A last incomplete window that is dropped, or the baseline's cut to a multiple of the sequence length.
- Windows clipped at the end of the stream that score the last few tokens again: the window rule of #50 and of many
  merged records does so for less than one window; report the count, do not accuse.
- Predictions from several windows averaged *as probabilities* before the logarithm: one term per
  token, and every average of distributions is one.

## Known evasions
Counting whole overlapping windows; keeping the best loss that any window gave a token (NG2); windows that reach beyond the scored token.

## Instead
Before:
```python
for ws in range(0, n, stride):
    total += nll(tokens[ws : ws + seq]).sum()                # every token many times
```
After:
```python
for ws in range(0, n - seq + 1, stride):
    first = 0 if ws == 0 else seq - stride
    total += nll(tokens[ws : ws + seq + 1])[first:].sum()    # the new tail alone
```
"""

from collections.abc import Iterator

from rules import adaptation, order, sightings
from rules.cal1_no_val_calibration import PLAIN
from rules.editions import Edition
from rules.events import Event, Program, Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.programs import program

RULE = Rule(
    id="EVAL2-any-stride",
    title="Sliding windows and any sequence length",
    kind=Kind.PERMISSION,
    severity=Severity.FATAL,
    sources=(
        Source("README", "2026-03-18", "0hq", "evaluation at any sequence length is allowed", Authority.README),
        Source(
            "#50", "2026-03-19", "0hq", "accepts sliding-window evaluation; merged as a record", Authority.ORGANIZER
        ),
        Source(
            "#1017",
            "2026-03-28",
            "NoesisGenesis",
            "one left-to-right pass, each token contributes exactly one term",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="which positions each window adds to the total, in the code or in a trace, would decide it",
)

INSTEAD = "add only the new tail of each window to the total"


@RULE.check("source")
def one_term_for_each_token(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = sightings.followed(e)
    if p is None:
        return
    pair = _overlapping(p)
    bounded = order.bounded(p)
    best = [o for o in sightings.of(p, Sight.ORACLE) if order.counts(o, p) and not bounded.issuperset(o.scores)]
    if pair:
        a, b = pair
        yield RULE.finding(
            Status.LIKELY if adaptation.unavoidable(p, a, b) else Status.NEEDS_HUMAN,
            "windows overlap and each is counted whole, so that most tokens are counted several times",
            Fact("one turn of the loop", _range(a), a.at),
            Fact("the next turn", _range(b), b.at),
            instead=INSTEAD,
        )
    elif best:
        yield RULE.finding(
            Status.LIKELY if best[0].certain else Status.NEEDS_HUMAN,
            "of several results the better one is reported"
            if best[0]["of"] == "totals"
            else "of several scores of the same token the best one is counted",
            *sightings.facts(best[0], p),
            instead=INSTEAD,
        )
    else:
        yield RULE.finding(Status.OK, "no token was seen to be counted more than once")


def _overlapping(p: Program) -> tuple[Event, Event] | None:
    """Two scores of one line, in neighbouring turns of one loop, of which a good part is the same tokens."""
    by_id = {s.id: s for s in p.events}
    scores = [by_id[n] for r in order.headlines(p)[:1] for n in r.scores if n in by_id]
    for a in scores:
        for b in scores:
            if a.at != b.at or not _neighbours(a, b) or a.parts or b.parts or len(a.slices) != 1 or len(b.slices) != 1:
                continue
            x, y = a.slices[0], b.slices[0]
            if x.start is None or x.stop is None or y.start is None or y.stop is None:
                continue
            if x.start < y.start < x.stop and 2 * (x.stop - y.start) >= x.stop - x.start:
                return a, b
    return None


def _neighbours(a: Event, b: Event) -> bool:
    """Whether two events stand in the first and second turn of the same innermost loop."""
    if not a.turns or not b.turns or a.turns[:-1] != b.turns[:-1]:
        return False
    return a.turns[-1][0] == b.turns[-1][0] and (a.turns[-1][1], b.turns[-1][1]) == (0, 1)


def _range(s: Event) -> str:
    return f"tokens {s.slices[0].start:,} to {s.slices[0].stop:,}"


VALID = (
    Example(
        name="new tail of each window",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, stride=64):
    last, scored, total = val_tokens.numel() - 1, 0, 0.0
    while scored < last:
        stop = min(scored + (stride if scored else seq), last)
        start = max(0, stop - seq)
        logits = model(val_tokens[start:stop])[scored - start :]
        total += F.cross_entropy(logits, val_tokens[scored + 1 : stop + 1], reduction="sum").item()
        scored = stop
    return total
""")
        },
    ),
    Example(
        name="longer than in training, no overlap",
        stage="source",
        status=Status.OK,
        files={"train_gpt.py": program(PLAIN.replace("seq=1024", "seq=8192"))},
    ),
    Example(
        name="average of probabilities over windows",
        stage="source",
        status=Status.OK,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, step=256):
    last, total = val_tokens.numel() - 1, 0.0
    for begin in range(0, last, step):
        end = min(begin + step, last)
        views = []
        for reach in (256, 1024, 4096):
            start = max(0, begin - reach)
            views.append(F.softmax(model(val_tokens[start:end])[begin - start :], -1))
        p = torch.stack(views).mean(0)
        total += F.nll_loss(p.log(), val_tokens[begin + 1 : end + 1], reduction="sum").item()
    return total
""")
        },
        note="three reads of the past, one term for each token",
    ),
)

INVALID = (
    Example(
        name="whole overlapping windows",
        stage="source",
        status=Status.LIKELY,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, stride=64):
    total, counted = 0.0, 0
    for start in range(0, val_tokens.numel() - seq, stride):
        y = val_tokens[start + 1 : start + seq + 1]
        total += F.cross_entropy(model(val_tokens[start : start + seq]), y, reduction="sum").item()
        counted += seq
    return total / counted * (val_tokens.numel() - 1)
""")
        },
        note="a mean over many scores of each token is not the code length of one pass",
    ),
    Example(
        name="best window for each token",
        stage="source",
        status=Status.LIKELY,
        files={
            "train_gpt.py": program("""\
@torch.no_grad()
def evaluate(model, val_tokens, seq=1024, stride=256):
    kept = torch.full((val_tokens.numel(),), float("inf"))
    for start in range(0, val_tokens.numel() - 1, stride):
        y = val_tokens[start + 1 : start + seq + 1]
        nll = F.cross_entropy(model(val_tokens[start : start + y.numel()]), y, reduction="none")
        kept[start + 1 : start + 1 + y.numel()] = torch.minimum(kept[start + 1 : start + 1 + y.numel()], nll)
    return kept[1:].sum().item()
""")
        },
        note="one term per token, chosen with the answer in hand: NG2 names the same line a violation",
    ),
)
