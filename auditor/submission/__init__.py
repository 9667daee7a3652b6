"""Finding the submission: which files, at which commit, in which record folder."""

from auditor.submission.base import AuditorError, NothingToAudit, Submission, Unreadable, UsageError
from auditor.submission.git import Repo
from auditor.submission.sources import all_prs, resolve
from auditor.submission.target import Target

__all__ = [
    "AuditorError",
    "NothingToAudit",
    "Repo",
    "Submission",
    "Target",
    "Unreadable",
    "UsageError",
    "all_prs",
    "resolve",
]
