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

from rules import view
from rules.editions import Edition
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
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


def _with_own(**changes: int) -> dict[str, str]:
    files = record(**changes)  # type: ignore[arg-type]
    return {
        n: t.replace("fineweb_1024_bpe.model", "mine_998.model") if n.endswith(".log") else t for n, t in files.items()
    }


VALID = (
    Example("official vocabulary", record(), Status.NOT_APPLICABLE),
    Example("own vocabulary, right bytes", _with_own(tokens=64_000_000), Status.OK),
)
INVALID = (
    Example(
        "own vocabulary, too many bytes", _with_own(tokens=64_000_000, denominator=157_320_000), Status.NEEDS_HUMAN
    ),
)
