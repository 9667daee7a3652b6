"""What a reader may ask of a report; every format takes the same options and ignores the rest."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.audit import Audit


@dataclass(frozen=True, slots=True)
class Options:
    """How to show an audit.

    `verbose` also shows what holds and what does not apply. `previous` are the audits of an
    earlier commit, for "what is new since". `color` and `width` (columns) concern the terminal.
    `dispute_url` is where an author can object; it may hold `{rule}`, `{folder}`, `{pr}`, `{head}`
    and `{fingerprint}`, and no link is shown while it is "". `keep_evidence` puts all evidence
    into the JSON. `repo_url` is the web address of the repository that holds the submission, for
    links to lines; `docs_url` the folder of web pages with one page per rule id.
    """

    verbose: bool = False
    previous: tuple[Audit, ...] = ()
    color: bool = False
    width: int = 100
    dispute_url: str = ""
    keep_evidence: bool = False
    repo_url: str = ""
    docs_url: str = ""


DEFAULT = Options()
