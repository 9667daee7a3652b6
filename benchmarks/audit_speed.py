"""How long an audit takes, as ratios in one run: `python benchmarks/audit_speed.py [--repo CLONE] [--every K]`.

Without a clone it audits generated record folders. For each stage it prints seconds and the ratio to
`ast.parse` of the same program files in the same process, which is the least that any reader of the
code has to pay on this machine.
"""

from __future__ import annotations

import argparse
import ast
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from auditor.api import judge_evidence
from auditor.claims.collect import read_claims
from auditor.gather import gather
from auditor.report import Options, render
from auditor.scripts import read_scripts
from auditor.submission import Repo, Target, all_prs, resolve
from auditor.submission.base import NothingToAudit, Submission
from rules.evidence import FileFact, Package, Track
from rules.judge import judge
from rules.samples.records import record

T = TypeVar("T")


def generated(count: int) -> Iterator[Submission]:
    """Record folders in memory; each script is the sample script, repeated to a usual length."""
    for n in range(count):
        files = record((1.09 + n / 1e4, 1.0904 + n / 1e4, 1.0908 + n / 1e4))
        body = files["train_gpt.py"]
        files["train_gpt.py"] = body + "".join(
            f"\n\ndef layer_{i}(x):\n    return x * {i} + len(str(x))\n" for i in range(1500)
        )
        data = {name: text.encode() for name, text in files.items()}
        facts = tuple(FileFact(name, size=len(content)) for name, content in data.items())
        yield Submission(Package(f"records/{n}", track=Track.RECORD, files=facts), data.__getitem__)


def from_clone(repo: Repo, every: int) -> Iterator[Submission]:
    for number, _ in all_prs(repo)[::every]:
        try:
            yield from resolve(Target(repo=repo.path, pr=number), repo=repo)
        except NothingToAudit:
            continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", type=Path, help="a clone with pull request heads")
    parser.add_argument("--every", type=int, default=20, help="take every K-th pull request")
    parser.add_argument("--count", type=int, default=40, help="generated folders, without a clone")
    options = parser.parse_args()
    spent: defaultdict[str, float] = defaultdict(float)

    def timed(stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        found = work()
        spent[stage] += time.perf_counter() - start
        return found

    folders = files = size = 0
    repo = Repo(options.repo) if options.repo else None
    for s in from_clone(repo, options.every) if repo else generated(options.count):
        folders += 1
        for f in s.files:
            if f.path.endswith(".py") and f.size and f.kind == "file":
                text = s.read(f.path).decode("utf-8", "replace")
                files, size = files + 1, size + len(text)
                timed("ast.parse of the program files", lambda text=text: parse(text))  # type: ignore[misc]
        timed("scripts: open, parse, read", lambda s=s: read_scripts(s))  # type: ignore[misc]
        timed("claims: README, json, logs", lambda s=s: read_claims(s))  # type: ignore[misc]
        evidence = timed("whole evidence", lambda s=s: gather(s))  # type: ignore[misc]
        timed("all rules", lambda e=evidence: judge(e))  # type: ignore[misc]
        audit = judge_evidence(evidence, keep_evidence=True)
        for form in ("terminal", "md", "json", "sarif", "html"):
            timed(f"report: {form}", lambda a=audit, form=form: render(form, [a], Options()))  # type: ignore[misc]
    if repo:
        repo.close()
    base = spent["ast.parse of the program files"]
    print(f"{folders} record folders, {files} program files, {size / 1e6:.1f} MB of code\n")
    print("| stage | ms per folder | ratio to ast.parse |\n|---|---:|---:|")
    for stage, seconds in spent.items():
        print(f"| {stage} | {1000 * seconds / max(folders, 1):.1f} | {seconds / base:.2f} |")


def parse(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return


if __name__ == "__main__":
    main()
