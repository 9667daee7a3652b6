"""bpb divides by the UTF-8 bytes of the original text of the scored tokens, and by nothing else.

## Why
bits per byte = nats / ln 2 / bytes. A byte count that is 17 % too large makes every model look
17 % better. The validation text is fixed, so its byte length is too, whatever the tokenizer.

## How it is proved
From three numbers of the log: `val_loss / ln 2 × tokens / val_bpb` is the byte count that the run
used. Over all merged records of the current export it is 151.08 million ± 0.03 %, whatever the
tokenizer. By reading: the byte table is compared with the correct accounting (byte-fallback tokens 1,
control tokens 0, a leading space 1 only after a token that is not a boundary).

## Legal look-alikes
Logs with four digits leave 0.05 % of room, which is allowed for. A line that prints the loss of
one distribution beside the bpb of a mixture does not show the denominator; other lines of the same log do.

## Known evasions
A space byte in the table and again in the sum (+17 %), byte-fallback tokens counted as three bytes
(+4 %), a constant ratio of bytes to tokens, a sidecar with larger values than the text has.

## Instead
Before:
```python
bytes_per_token = [len(piece.encode()) + 1 for piece in pieces]   # the space, counted here …
total += bytes_per_token[y] + has_space[y]                         # … and here
```
After:
```python
total += base_bytes[y] + (has_leading_space[y] & ~is_boundary[x])
```
"""

from collections.abc import Iterator

from rules import accounting, constants, ran, view
from rules.editions import Edition
from rules.events import ByteCount
from rules.evidence import Evidence, Run
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source, fact
from rules.samples.accounting import NAME_OF_BYTE, SPACE_KEPT, constant, counts, unused_copy
from rules.samples.records import log, record

RULE = Rule(
    id="BPB1-correct-bytes",
    title="Bytes in the denominator of bpb",
    kind=Kind.REQUIREMENT,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "bpb must be computed correctly; tokenizer changes have to prove it",
            Authority.README,
        ),
        Source("#1017", "2026-03-28", "NoesisGenesis", "the accounting written out, section V", Authority.COMMUNITY),
        Source(
            "#1719",
            "2026-04-18",
            "participants",
            "the space byte counted twice in one family of scripts",
            Authority.COMMUNITY,
        ),
        Source("#1806", "2026-04-26", "cocohearts", "a merged record removed for its byte count", Authority.PRECEDENT),
    ),
    decided_by=("claims", "source", "trace"),
    undecided="a log line with val_loss, val_bpb and the number of tokens, or the byte table in the code, would decide it",
)

INSTEAD = "count the UTF-8 bytes of the original text of exactly the tokens that are scored"


@RULE.check("claims")
def implied_denominator(e: Evidence, edition: Edition) -> Iterator[Finding]:
    worst: Finding | None = None
    for run in view.claim_runs(e):
        found = _one_run(run, e)
        if found and (worst is None or found.status.rank < worst.status.rank):
            worst = found
    if worst:
        yield worst


def _one_run(run: Run, e: Evidence) -> Finding | None:
    head = view.headline(run, e)
    mine = view.implied_bytes(head, run) if head else None
    rest = view.best_implied(run, run.evaluations)
    shown = mine or rest
    if shown is None or run.val_tokens is None:
        return None
    facts = [
        Fact("implied bytes", f"{shown.value:,.0f} ± {shown.slack:,.0f} ({shown.name})", shown.at),
        fact("validation tokens", run.val_tokens),
        Fact("bytes of the validation text", f"{constants.CANONICAL_BYTES:,} ± 0.03 %"),
    ]
    if view.is_canonical(shown):
        return RULE.finding(
            Status.OK, f"{shown.value:,.0f} bytes: the log divides by the length of the validation text", *facts
        )
    if view.is_old_export(shown):
        return RULE.finding(
            Status.NEEDS_HUMAN,
            f"{shown.value:,.0f} bytes: the validation export of 2026-03-17, which later scores cannot be compared with",
            *facts,
        )
    ratio = shown.value / constants.CANONICAL_BYTES
    # A final evaluation over fewer tokens gives wrong bytes too, while the periodic ones show the right table.
    # Four digits leave room for 0.05 %, so a fault that small is not excused by them.
    if abs(shown.value / constants.CANONICAL_BYTES - 1) > 0.01:
        others = (i for ev in run.evaluations if (i := view.implied_bytes(ev, run)) and view.is_canonical(i))
        rest = next(others, rest)
    if rest and rest is not shown and view.is_canonical(rest):
        facts.append(Fact("other lines of the same log", f"{rest.value:,.0f} bytes ({rest.name})", rest.at))
        return RULE.finding(
            Status.NEEDS_HUMAN,
            f"the headline's val_loss and val_bpb do not belong together ({shown.value:,.0f} bytes), though other lines of the log divide correctly",
            *facts,
            instead="print the loss and the bpb of the same distribution over the same tokens",
        )
    # A wrong table is wrong in every line alike; lines that imply different counts are of different things.
    others = (i for ev in run.evaluations if (i := view.implied_bytes(ev, run)))
    odd = next((i for i in others if abs(i.value - shown.value) > 0.01 * shown.value + i.slack + shown.slack), None)
    if odd and ratio > 1:
        facts.append(Fact("other lines of the same log", f"{odd.value:,.0f} bytes ({odd.name})", odd.at))
        return RULE.finding(
            Status.NEEDS_HUMAN,
            f"lines of one log imply different byte counts ({shown.value:,.0f} and {odd.value:,.0f}), so what each was taken over has to be read",
            *facts,
            instead=INSTEAD,
        )
    why = view.known_fault(shown)
    off = f"{abs(ratio - 1):.2%} too {'many' if ratio > 1 else 'few'}"
    if ratio < 0.97:  # fewer bytes: only a part was scored, which is EVAL1's business
        return RULE.finding(
            Status.NEEDS_HUMAN,
            f"{shown.value:,.0f} bytes, {off}: only a part of the validation text was scored"
            + (f"; {why}" if why else ""),
            *facts,
            instead=INSTEAD,
        )
    # Far more than any known fault is not a byte table but numbers of different things.
    # Too few bytes make a score look worse, so they are a puzzle and no advantage.
    # The loss beside a mixture's bpb may be that of one of its parts.
    mixed = any(view.of_mixture(ev) for ev in run.evaluations if ev.val_bpb and ev.val_bpb.at == shown.at)
    status = Status.VIOLATION if 1.002 < ratio < 1.25 and not mixed else Status.NEEDS_HUMAN
    return RULE.finding(
        status, f"{shown.value:,.0f} bytes, {off}" + (f": {why}" if why else ""), *facts, instead=INSTEAD
    )


@RULE.check("source")
def byte_tables(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """How the code counts the bytes of a token, on made-up tokens."""
    p = e.program
    if p is None:
        return
    wrong = 0
    for status, table, but in accounting.graded(e):
        wrong += 1
        yield RULE.finding(status, f"{table.what}{but}", *accounting.facts(table, e), at=(table.at,), instead=INSTEAD)
    used = accounting.in_use(p)
    right = [t for t in used if t.count in accounting.RIGHT]
    file = next((t for t in used if t.count is ByteCount.TABLE_FILE), None)
    if file and not wrong and accounting.implied(e) is None:
        yield RULE.finding(
            Status.UNVERIFIABLE,
            f"{file.what}; no log shows the byte count",
            *(Fact("step", s.what, s.at) for s in file.path),
        )
    if not wrong and right and len(right) == len(used) and p.finished:
        t = right[0]
        yield RULE.finding(
            Status.OK,
            f"the code counts the bytes of a token rightly: {t.what}",
            *(Fact("step", s.what, s.at) for s in t.path),
        )


SLACK = 0.003  # made-up documents are short: the bytes where they begin weigh more than in the real text


@RULE.check("trace")
def bytes_in_run(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """The bits per byte that a small run printed, against the bytes of its own text."""
    t = e.trace
    if t is None:
        return
    wrong = [n for n in t.printed if n.right > 0 and n.value > 0 and abs(n.value / n.right - 1) > SLACK]
    if not wrong:
        if t.explained and t.printed[t.headline].what == "bits per byte":
            yield RULE.finding(
                Status.OK,
                "in a small run the printed bpb is nats / ln 2 / UTF-8 bytes of the scored tokens",
                *ran.facts(t, None),
            )
        return
    worst = min(wrong, key=lambda n: n.value / n.right)
    ratio = worst.right / worst.value
    # The loss may be that of a mixture's part; and a program may bring a tokenizer that the small run does not have.
    own = e.package.entry is None or "sentencepiece" not in e.package.entry.text
    steady = max(n.right / n.value for n in wrong) < 1.002 * min(n.right / n.value for n in wrong)
    every = all(n.what != "bits per byte" for n in t.printed)
    sure = 1 + SLACK < ratio < 1.25 and not own and steady and every and len(wrong) > 1
    yield RULE.finding(
        Status.LIKELY if sure else Status.NEEDS_HUMAN,
        f"in a small run the mean loss is explained and the bpb beside it is not: {worst.value:.6g} is printed, "
        f"{worst.right:.6g} follows from the bytes of the text ({abs(ratio - 1):.2%} too {'many' if ratio > 1 else 'few'} bytes)",
        Fact("run", f"“{worst.text[:120]}”", worst.at),
        *ran.facts(t, None),
        instead=INSTEAD,
    )


_LOSSES = [1.15 * constants.LN2 * n / 62_021_632 for n in (165_229_504, constants.CANONICAL_BYTES)]
_PERIODIC = (f"val_loss:{_LOSSES[0]:.4f} val_bpb:1.1500 train", f"val_loss:{_LOSSES[1]:.4f} val_bpb:1.1500 train")
VALID = (
    Example("SP1024", record(), Status.OK),
    Example("SP8192", record(tokens=40_540_160), Status.OK),
    Example("counted rightly by the code", {"train_gpt.py": counts()}, Status.OK, stage="source"),
    Example(
        "a wrong copy that nothing calls, beside the right one",
        {"train_gpt.py": counts(unused=unused_copy())},
        Status.OK,
        stage="source",
    ),
)
INVALID = (
    Example("space byte twice", record(denominator=176_300_000), Status.VIOLATION),
    Example("byte fallback as three bytes", record(denominator=157_320_000), Status.VIOLATION),
    Example(
        "the final evaluation reads a short text of longer words, the periodic ones show the right table",
        record(
            (1.1300,),
            extra={"train_seed1337.log": log(denominator=165_229_504).replace(*_PERIODIC)},
        ),
        Status.NEEDS_HUMAN,
    ),
    Example("a tenth of the documents", record(tokens=9_662_464, denominator=32_760_000), Status.NEEDS_HUMAN),
    Example(
        "space in the table and again in the sum",
        {"train_gpt.py": counts(piece=SPACE_KEPT)},
        Status.VIOLATION,
        stage="source",
        note="nobody wrote a log: the code alone decides",
    ),
    Example("a fixed number of bytes per token", {"train_gpt.py": constant()}, Status.VIOLATION, stage="source"),
    Example(
        "byte tokens counted as long as their names",
        {"train_gpt.py": counts(byte=NAME_OF_BYTE)},
        Status.VIOLATION,
        stage="source",
        note="'<0x0A>' is one byte of text, not six: 0.8 % more bytes in all",
    ),
    Example(
        "a wrong table, and a log that divides rightly",
        {**record(), "train_gpt.py": counts(piece=SPACE_KEPT)},
        Status.NEEDS_HUMAN,
        stage="source",
        note="what was read cannot be what ran",
    ),
    Example("the first export", record(tokens=63_779_840, denominator=155_769_746), Status.NEEDS_HUMAN),
)
