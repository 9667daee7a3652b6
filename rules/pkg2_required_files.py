"""README.md, submission.json, a train log and a script that compiles are in the folder.

## Why
Without them nobody can check or rank the submission.

## How it is proved
By looking. The fields asked for in submission.json are name (or author), GitHub id and val_bpb.

## Legal look-alikes
Other spellings of the same fields; logs in a sub-folder; a script with another name that the README names.

## Known evasions
An empty log; a log of another script; a file that is a pointer to something not in the repository.

## Instead
Before:
```text
README.md  train_gpt.py
```
After:
```text
README.md  submission.json  train_gpt.py  train_seed1337.log  train_seed42.log  train_seed2025.log
```
"""

import re
from collections.abc import Iterator

from rules import view
from rules.editions import Edition
from rules.evidence import Evidence, FileKind, Location
from rules.finding import Fact, Finding, Severity, Status
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.records import metadata, record

RULE = Rule(
    id="PKG2-required-files",
    title="Required files",
    kind=Kind.REQUIREMENT,
    severity=Severity.PACKAGING,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "README, submission.json, train log and script are required",
            Authority.README,
        ),
        Source(
            "#561",
            "2026-03-23",
            "cocohearts",
            "rows left out: no submission.json and logs, or not self-contained",
            Authority.ORGANIZER,
        ),
        Source("#2103", "2026-05-02", "cocohearts", "asked for again in the final audit", Authority.ORGANIZER),
    ),
    decided_by=("claims",),
    undecided="the list of files would decide it",
)

_NEAR_JSON = re.compile(r"^sub{1,2}mis{1,2}ion[\w.-]{0,40}\.json$")
_LOG_NAME = re.compile(r"(?i)(?:\.log|(?:^|[/_-])(?:train|log|logs|run|eval)[\w-]{0,40}\.txt)$")
_SOME_TEXT = 300  # bytes; less is a placeholder such as "run pending"


@RULE.check("claims", "scripts")
def files(e: Evidence, edition: Edition) -> Iterator[Finding]:
    p, c = e.package, e.claims
    names = {f.path.rsplit("/", 1)[-1].casefold() for f in p.files}
    missing, broken, unsure, unseen, facts = [], [], [], [], []
    if not any("readme" in n for n in names):
        missing.append("README.md")
    other_json = sorted(n for n in names if _NEAR_JSON.match(n))
    if "submission.json" not in names and other_json:
        broken.append(f"submission.json is named {other_json[0]}")
    elif "submission.json" not in names:
        missing.append("submission.json")
    elif c.metadata:
        if c.metadata.problems:
            broken.append(f"{c.metadata.file} is not valid JSON")
            facts += [Fact("problem", text, Location(c.metadata.file)) for text in c.metadata.problems]
        fields = {
            "name or author": c.metadata.name or c.metadata.author,
            "GitHub id": c.metadata.github_id or c.metadata.author,
            "val_bpb": c.metadata.val_bpb,
        }
        absent = [n for n, v in fields.items() if not v]
        if absent and not c.metadata.problems:
            broken.append(f"{c.metadata.file} has no {', no '.join(absent)}")
    absent_logs = [
        f for f in p.files if f.kind in (FileKind.ABSENT, FileKind.LFS_POINTER) and f.path.endswith((".log", ".txt"))
    ]
    unread = [
        f for f in p.files if f.kind is FileKind.FILE and (f.size or 0) >= _SOME_TEXT and _LOG_NAME.search(f.path)
    ]
    if not c.runs and unread:
        unsure.append(f"no figure of a training run was read from {unread[0].path}")
    elif not c.runs and absent_logs:
        unseen.append(f"{absent_logs[0].path} is not in the clone, so the log was not seen")
    elif not c.runs:
        missing.append("a train log")
    else:
        results = sum(1 for r in c.runs if r.result)
        claimed = len({s.seed for s in view.seed_claims(e)})
        if claimed > 0 and results < claimed:
            broken.append(f"{claimed} seeds are claimed, {results} of {len(c.runs)} log(s) show a result")
            facts += [
                Fact("log without a result", " ".join(r.problems) or "no final evaluation", Location(r.file))
                for r in c.runs
                if not r.result
            ]
    entry = p.entry
    if entry is None:
        missing.append("train_gpt.py")
    elif entry.syntax_error:
        broken.append(f"{entry.path} does not compile: {entry.syntax_error}")
    present = ", ".join(sorted(f.path for f in p.files)[:20])
    facts.append(Fact("files in the folder", present or "none"))
    if missing or broken or unsure or unseen:
        words = ([f"missing: {', '.join(missing)}"] if missing else []) + broken + unsure + unseen
        # Only a file that is not there is decisive; a field may stand under a name we do not know,
        # and a log in a form that we cannot read is for a person to open.
        status = (
            Status.VIOLATION
            if missing
            else Status.LIKELY
            if broken
            else Status.NEEDS_HUMAN
            if unsure
            else Status.UNVERIFIABLE
        )
        yield RULE.finding(status, "; ".join(words), *facts, instead="add what is missing to the folder")
    else:
        yield RULE.finding(Status.OK, "README, submission.json, logs and script are there", *facts)


_LOGS = ("train_seed1337.log", "train_seed42.log", "train_seed2025.log")
VALID = (Example("complete", record(), Status.OK),)
INVALID = (
    Example("no submission.json", record(without=("submission.json",)), Status.VIOLATION),
    Example("no logs", record(without=_LOGS), Status.VIOLATION),
    Example(
        "a log in a form of its own",
        record(without=_LOGS, extra={"train.log": "epoch one went well\n" * 40}),
        Status.NEEDS_HUMAN,
    ),
    Example("an empty log", record(without=_LOGS, extra={"train.log": ""}), Status.VIOLATION),
    Example(
        "submission.json under a near name",
        record(without=("submission.json",), extra={"submission_large.json": metadata()}),
        Status.LIKELY,
    ),
    Example("one log for three seeds", record(without=("train_seed42.log", "train_seed2025.log")), Status.LIKELY),
    Example("json without a score", record(claims={"val_bpb": None, "seed_results": None}), Status.LIKELY),
    Example("script that does not compile", record(script="def main(:\n    pass\n"), Status.LIKELY),
)
