"""The score covers the whole fixed validation split, each token once.

## Why
The split is the first 50,000 documents of the export. Any part of it may be easier than the whole, and
two scores over different texts cannot be compared.

## How it is proved
From the log: the number of validation tokens against the known counts by tokenizer, or, for any
tokenizer, the implied byte count against the length of the text. From the hyper-parameter dump:
fractions, subset sizes, limits. By reading: breaks on a clock, a slice of the tokens, loops that end early or
leave gaps, places drawn at random, losses that count only if they are small.

## Legal look-alikes
Dropping the last incomplete sequence; tokens at document starts that carry no bytes; periodic
validation on a part while the final evaluation covers all.

## Known evasions
A title "full validation" over a run with 9,662,464 tokens (10,000 documents); a loop that stops when
time is up; a mixture that is scored on a subset and printed as the score; every second window; tokens dropped
because their loss is high, or a median in the place of the mean.

## Instead
Before:
```python
val_tokens = val_tokens[: args.subset_tokens]
```
After:
```python
assert scored_tokens == val_tokens.numel() - 1, "every validation token is scored"
```
"""

from collections.abc import Iterator

from rules import adaptation, constants, coverage, order, sightings, view
from rules.cal1_no_val_calibration import PLAIN
from rules.editions import Edition
from rules.events import Program, Sight, Slice
from rules.evidence import Evidence, Run, Words
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source, fact
from rules.samples.programs import program
from rules.samples.records import log, record

RULE = Rule(
    id="EVAL1-full-validation",
    title="Score over a part of the validation split",
    kind=Kind.REQUIREMENT,
    severity=Severity.FATAL,
    sources=(
        Source("README", "2026-03-18", "0hq", "scores are on the fixed validation split", Authority.README),
        Source(
            "#2146", "2026-05-02", "cocohearts", "the final audit asks for the full token count", Authority.ORGANIZER
        ),
    ),
    decided_by=("claims", "source", "trace"),
    undecided="a log line with the number of validation tokens would decide it",
)

INSTEAD = "score all validation tokens of the 50,000 documents"


@RULE.check("claims")
def token_count(e: Evidence, edition: Edition) -> Iterator[Finding]:
    worst: Finding | None = None
    for run in view.claim_runs(e):
        found = _one_run(run, e)
        if found and (worst is None or found.status.rank < worst.status.rank):
            worst = found
    if worst:
        yield worst


def _one_run(run: Run, e: Evidence) -> Finding | None:
    sure = Status.VIOLATION if view.is_record(e) else Status.LIKELY
    whole = view.is_whole_split(run)
    for name, limit in subset_settings(run):
        if name.startswith(_MIXTURE):
            head = view.headline(run, e)
            if (head and not view.of_mixture(head)) or (run.val_tokens and not whole):
                continue  # the claim rests on the model's own score, or the count of tokens decides
            tokens, limited = run.val_tokens, _number(limit.value)
            part = head is not None and tokens is not None and limited is not None and limited < 0.97 * tokens.value
            return RULE.finding(
                Status.LIKELY if part else Status.NEEDS_HUMAN,
                f"{name} = {limit.value} limits a mixture"
                + (
                    ", and the claim is the score of a mixture"
                    if part
                    else "; the log does not say whether the claim rests on it"
                ),
                Fact(name, limit.value, limit.at),
                instead=INSTEAD,
            )
        return RULE.finding(
            sure,
            f"the run was told to score a part only: {name} = {limit.value}",
            Fact(name, limit.value, limit.at),
            instead=INSTEAD,
        )
    tokens = run.val_tokens
    if tokens is None:
        return None
    facts = [fact("validation tokens", tokens)]
    for name, known in constants.VAL_TOKENS.items():
        if any(abs(tokens.value - k) <= view.TAIL for k in known):
            return RULE.finding(Status.OK, f"{tokens.value:,.0f} tokens: the whole split ({name})", *facts)
    if abs(tokens.value - constants.OLD_EXPORT_TOKENS) <= view.TAIL:
        return RULE.finding(
            Status.NEEDS_HUMAN,
            f"{tokens.value:,.0f} tokens: the whole of the first export, used on 2026-03-17 only",
            *facts,
        )
    implied = view.best_implied(run, run.evaluations)
    if implied is None:
        facts.append(Fact("known counts", ", ".join(f"{n} {k[0]:,}" for n, k in constants.VAL_TOKENS.items())))
        return RULE.finding(
            Status.NEEDS_HUMAN,
            f"{tokens.value:,.0f} tokens fit no known tokenizer, and the log gives no loss to compute bytes from",
            *facts,
        )
    facts.append(Fact("implied bytes", f"{implied.value:,.0f} ± {implied.slack:,.0f}", implied.at))
    if view.is_canonical(implied):
        return RULE.finding(
            Status.OK,
            f"{tokens.value:,.0f} tokens of its own tokenizer cover {implied.value:,.0f} bytes: the whole split",
            *facts,
        )
    share = implied.value / constants.CANONICAL_BYTES
    if share < 0.97:
        return RULE.finding(
            sure, f"{tokens.value:,.0f} tokens cover {share:.1%} of the validation text", *facts, instead=INSTEAD
        )
    return None  # the count of bytes itself is off: BPB1 speaks of that


@RULE.check("source")
def part_of_the_split(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p = sightings.followed(e)
    if p is None:
        return
    cuts = _cut(p)
    if cuts:
        whole, parts = cuts
        first, count = parts[0], next(x for x in parts[0].parts if x.startswith("first "))
        sure = not whole and view.is_record(e) and not view.claim_runs(e)
        open_ = whole or not adaptation.unavoidable(p, *adaptation.scores_of(p))
        yield RULE.finding(
            Status.NEEDS_HUMAN if open_ else Status.VIOLATION if sure else Status.LIKELY,
            f"the reported score is made of the {count.rstrip('|')} validation tokens"
            + (", beside others from all of them" if whole else ""),
            Fact("tokens are cut", count.rstrip("|"), first.at),
            instead=INSTEAD,
        )
    left = sightings.cut_losses(p, capped=False)
    for o, status in left:
        yield RULE.finding(
            status,
            f"the reported score leaves tokens out: {o.what}",
            *sightings.facts(o, p),
            at=(o.at,),
            instead=INSTEAD,
        )
    some = list(coverage.parts(p)) if not cuts else []
    for part in some[:2]:
        yield RULE.finding(
            Status.LIKELY if part.certain else Status.NEEDS_HUMAN,
            f"the reported score is made of {part.what}",
            Fact("tokens are left out", part.what, part.at),
            at=(part.at,),
            instead=INSTEAD,
        )
    stops = [o for o in sightings.of(p, Sight.TIME_BREAK) if order.counts(o, p)]
    for o in stops[:2]:
        yield RULE.finding(
            Status.NEEDS_HUMAN,
            "scoring stops when a clock says so; whether the claimed run came to the last token is not in the code",
            *sightings.facts(o, p),
            at=(o.at,),
            instead=INSTEAD,
        )
    if not cuts and not stops and not left and not some:
        yield RULE.finding(Status.OK, "the reported score is made of tokens of the whole split, and no clock stops it")


def _cut(p: Program) -> tuple[bool, list[Slice]] | None:
    """Slices of the headline that lie in the first part of the split, and whether others do not."""
    by_id = {s.id: s for s in p.events}
    slices = [x for r in order.headlines(p)[:1] for n in r.scores if n in by_id for x in by_id[n].slices]
    parts = [x for x in slices if any(y.startswith("first ") for y in x.parts)]
    return (len(parts) < len(slices), parts) if parts else None


# Names under which scripts limit evaluation, and the values that mean "no limit".
_LIMITS = (
    "val_doc_fraction",
    "subset_tokens",
    "max_eval_tokens",
    "eval_max_tokens",
    "max_val_tokens",
    "val_max_tokens",
    "val_token_limit",
    "val_tokens_limit",
)
_UNLIMITED = {"0", "0.0", "-1", "none", "1", "1.0", "", "false", "full", "all", "inf", "unlimited"}
_MIXTURE = "ppm_"  # limits a byte mixture beside the model, and stands in the dump whether it is used or not


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "").replace("_", ""))
    except ValueError:
        return None


def subset_settings(run: Run) -> Iterator[tuple[str, Words]]:
    """Settings of the run that limit how much of the split is scored."""
    for name, words in run.settings.items():
        if name.endswith(_LIMITS) and words.value.strip().casefold() not in _UNLIMITED:
            yield name, words


VALID = (
    Example("all tokens, SP1024", record(), Status.OK),
    Example("a limit set to everything", record(settings=("val_max_tokens: full",)), Status.OK),
    Example(
        "a limit of a mixture that the claim leaves out", record(settings=("ppm_subset_tokens: 8000000",)), Status.OK
    ),
    Example(
        "cut to whole windows",
        {
            "train_gpt.py": program(
                PLAIN.replace(
                    "    total = 0.0\n", "    total, val_tokens = 0.0, val_tokens[: val_tokens.numel() // seq * seq]\n"
                )
            )
        },
        Status.OK,
        stage="source",
        note="less than one window is left out",
    ),
    Example(
        "hard tokens apart in a line of their own",
        {
            "train_gpt.py": program(
                PLAIN.replace(
                    ' reduction="sum").item()',
                    ' reduction="sum").item()\n        hard = F.cross_entropy(model(y), y, reduction="none")\n'
                    '        print("easy", hard[hard < 5.0].mean().item(), hard.median().item())',
                )
            )
        },
        Status.OK,
        stage="source",
        note="a diagnostic, no part of the reported number",
    ),
    Example("all tokens, a vocabulary of its own", record(tokens=50_000_000), Status.OK),
)
INVALID = (
    Example("10,000 documents", record(tokens=9_662_464, denominator=32_760_000), Status.VIOLATION),
    Example(
        "a limit of the mixture that is claimed",
        {
            **record((1.1300,), settings=("ppm_subset_tokens: 8000000",)),
            "train_seed1337.log": log(settings=("ppm_subset_tokens: 8000000",)).replace("sliding_window", "ppm_mix"),
        },
        Status.LIKELY,
    ),
    Example(
        "the first million tokens",
        {
            "train_gpt.py": program(
                'LIMIT = int(os.environ.get("SCORED", 1_000_000))\n\n\n'
                + PLAIN.replace("    total = 0.0\n", "    total, val_tokens = 0.0, val_tokens[:LIMIT]\n")
            )
        },
        Status.VIOLATION,
        stage="source",
    ),
    Example(
        "a limit that is read from a file",
        {
            "train_gpt.py": program(
                PLAIN.replace(
                    "    total = 0.0\n",
                    "    total = 0.0\n"
                    '    if open("limit.txt").read() != "none":\n'
                    "        val_tokens = val_tokens[:1_000_000]\n",
                )
            )
        },
        Status.NEEDS_HUMAN,
        stage="source",
        note="nobody knows what the file says",
    ),
    Example(
        "until time is up",
        {
            "train_gpt.py": program(
                "import time\n\n\n"
                + PLAIN.replace("    total = 0.0\n", "    total, begun = 0.0, time.perf_counter()\n").replace(
                    "        y = val",
                    "        if time.perf_counter() - begun > 580.0:\n            break\n        y = val",
                    1,
                )
            )
        },
        Status.NEEDS_HUMAN,
        stage="source",
        note="a slow machine scores fewer tokens, and the print does not say how many",
    ),
    Example(
        "tokens whose loss is high are left out",
        {
            "train_gpt.py": program(
                PLAIN.replace("total += F", "nll = F")
                .replace('reduction="sum").item()', 'reduction="none")')
                .replace("    return total", "        total += nll[nll < 8.0].sum().item()\n    return total")
            )
        },
        Status.LIKELY,
        stage="source",
    ),
    Example(
        "every second window",
        {"train_gpt.py": program(PLAIN.replace("val_tokens.numel() - 1, seq)", "val_tokens.numel() - 1, 2 * seq)"))},
        Status.LIKELY,
        stage="source",
    ),
    Example("a subset by setting", record(settings=("val_doc_fraction: 0.25",)), Status.VIOLATION),
)
