"""`scorefirst trace`: the trace of each folder that a target names, without the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from auditor.claims.collect import read_claims
from auditor.scripts import read_scripts
from auditor.submission import Target, resolve
from auditor.trace.collect import read_trace, unrunnable
from auditor.trace.ways import Ways
from rules.evidence import Evidence
from rules.trace import Trace


def trace_target(
    target: Target, ways: Ways, tell: Callable[[str], None], warn: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[str, Trace | None]]:
    """(folder, trace) of each; None for a folder without a program that can be run, of which `warn` is told why."""
    for submission in resolve(target):
        folder = submission.package.folder
        tell(f"{folder}: opening program files")
        scripts, mentions, unread = read_scripts(submission)
        claims, _ = read_claims(submission)
        evidence = Evidence(replace(submission.package, scripts=scripts, mentions=mentions), claims)
        if why := unrunnable(evidence.package.entry):
            warn(f"{folder}: {'; '.join([why, *(f'{gap.file} {gap.why}'.strip() for gap in unread)])}")
        yield folder, read_trace(evidence, submission, tell, ways)
