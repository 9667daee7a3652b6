"""A changed tokenizer or data set comes with proof that bpb is computed correctly.

## Why
With another vocabulary the number of tokens, the loss per token and the byte table all change; an
error in the table looks like progress.

## How it is proved
By the byte invariant: whatever the tokenizer, the log must imply 151.08 million bytes. By decoding: the scored
ids must give back the bytes of the documents, in their order.

## Legal look-alikes
Another SentencePiece vocabulary over the same documents; a lossless transform with a byte sidecar.

## Known evasions
A vocabulary without a plain space piece, so that spaces are not counted; clamped ids of a larger
tokenizer; a sidecar that the run did not load.

## Instead
Before:
```text
tokenizer: my_vocab_998.json            no loss, no token count in the log
```
After:
```text
val_loader: tokens:62021632    final val_loss:1.9079 val_bpb:1.1300    decode(ids) == documents: True
```
"""

from collections.abc import Iterator

from rules import accounting, view
from rules.editions import Edition
from rules.evidence import Evidence, Words
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.accounting import NAME_OF_BYTE, SPACE_KEPT, counts, unused_copy
from rules.samples.records import record

RULE = Rule(
    id="TOK1-custom-tokenizer-proof",
    title="Proof of bpb for a changed tokenizer",
    kind=Kind.REQUIREMENT,
    severity=Severity.ELIGIBILITY,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "prove that val_bpb is right when tokenizer or data set change; such edits are examined more",
            Authority.README,
        ),
        Source(
            "#897",
            "2026-03-26",
            "participants",
            "spaces that a custom vocabulary does not account for",
            Authority.COMMUNITY,
        ),
    ),
    decided_by=("claims", "source", "trace"),
    undecided="a log line that names the tokenizer would decide whether it was changed",
)

# The challenge's own vocabularies, by the name of the model file.
OFFICIAL = ("fineweb_1024_bpe.model", "fineweb_2048_bpe.model", "fineweb_4096_bpe.model", "fineweb_8192_bpe.model")


@RULE.check("claims")
def own_tokenizer(e: Evidence, edition: Edition) -> Iterator[Finding]:
    runs = [r for r in view.claim_runs(e) if r.tokenizer]
    if not runs:
        return
    run = runs[0]
    assert run.tokenizer is not None
    name = run.tokenizer.value.rsplit("/", 1)[-1]
    facts = [Fact("tokenizer", run.tokenizer.value, run.tokenizer.at)]
    if name in OFFICIAL:
        yield RULE.finding(Status.NOT_APPLICABLE, f"{name} is one of the challenge's own vocabularies", *facts)
        return
    implied = view.best_implied(run, run.evaluations)
    if implied is None:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"{name} is a tokenizer of its own, and the log lacks the figures that would show its byte count",
            *facts,
            instead="log val_loss, val_bpb and the number of scored tokens, and show that decoding gives the documents back",
        )
        return
    facts.append(Fact("implied bytes", f"{implied.value:,.0f} ± {implied.slack:,.0f}", implied.at))
    if view.is_canonical(implied):
        yield RULE.finding(
            Status.OK, f"{name} is a tokenizer of its own; its log divides by the length of the validation text", *facts
        )
    else:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            f"{name} is a tokenizer of its own, and its log divides by {implied.value:,.0f} bytes, not by the length of the validation text",
            *facts,
            instead="count the UTF-8 bytes of the original documents",
        )


@RULE.check("source")
def own_table(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """How the code counts the bytes of a tokenizer of its own."""
    p = e.program
    own = _own(e)
    if p is None or own is None:
        return
    wrong = 0
    for status, table, but in accounting.graded(e):
        wrong += 1
        yield RULE.finding(
            status,
            f"{own.value} is a tokenizer of its own, and its bytes are not those of the text: {table.what}{but}",
            Fact("tokenizer", own.value, own.at),
            *accounting.facts(table, e),
            at=(table.at,),
            instead="count the UTF-8 bytes of the original documents",
        )
    used = accounting.in_use(p)
    right = [t for t in used if t.count in accounting.RIGHT]
    if not wrong and right and len(right) == len(used) and p.finished and not e.claims.runs:
        # That the vocabulary gives the documents back is another question, which only running can answer.
        yield RULE.finding(
            Status.OK,
            f"{own.value} is a tokenizer of its own; the code counts the bytes of its pieces rightly",
            Fact("tokenizer", own.value, own.at),
            *(Fact("step", s.what, s.at) for s in right[0].path),
        )


def _own(e: Evidence) -> Words | None:
    """The tokenizer that the claimed run names, else the one that the code is set to; None for an official one."""
    said = [r.tokenizer for r in view.claim_runs(e) if r.tokenizer]
    if not said and e.program:
        said = [
            Words(s.value.strip("'\""), s.at)
            for s in e.program.settings
            if "tokenizer" in s.name.lower() and s.value.strip("'\"").endswith((".model", ".json", ".vocab"))
        ]
    if not said or said[0].value.rsplit("/", 1)[-1] in OFFICIAL:
        return None
    return said[0]


def _with_own(**changes: int) -> dict[str, str]:
    files = record(**changes)  # type: ignore[arg-type]
    return {
        n: t.replace("fineweb_1024_bpe.model", "mine_998.model") if n.endswith(".log") else t for n, t in files.items()
    }


VALID = (
    Example("official vocabulary", record(), Status.NOT_APPLICABLE),
    Example("own vocabulary, right bytes", _with_own(tokens=64_000_000), Status.OK),
    Example("own vocabulary, right table", {"train_gpt.py": counts(own="mine_998.model")}, Status.OK, stage="source"),
    Example(
        "own vocabulary, a wrong copy that nothing calls",
        {"train_gpt.py": counts(own="mine_998.model", unused=unused_copy())},
        Status.OK,
        stage="source",
    ),
)
INVALID = (
    Example(
        "own vocabulary, too many bytes", _with_own(tokens=64_000_000, denominator=157_320_000), Status.NEEDS_HUMAN
    ),
    Example(
        "own vocabulary, space counted twice",
        {"train_gpt.py": counts(own="mine_998.model", piece=SPACE_KEPT)},
        Status.VIOLATION,
        stage="source",
    ),
    Example(
        "own vocabulary, byte tokens counted as long as their names",
        {"train_gpt.py": counts(own="mine_998.model", byte=NAME_OF_BYTE)},
        Status.VIOLATION,
        stage="source",
    ),
    Example(
        "own vocabulary, a wrong table, and a log that divides rightly",
        {**_with_own(tokens=64_000_000), "train_gpt.py": counts(own="mine_998.model", piece=SPACE_KEPT)},
        Status.NEEDS_HUMAN,
        stage="source",
    ),
)
