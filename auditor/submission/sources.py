"""From a target to submissions: the one entry of this package."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.submission import disk, github, gitsource
from auditor.submission.base import Submission, UsageError
from auditor.submission.git import Repo
from auditor.submission.history import History
from auditor.submission.target import Target

_MAIN = tuple(
    f"refs/{place}"
    for name in ("main", "master")
    for place in (f"remotes/origin/{name}", f"remotes/upstream/{name}", f"heads/{name}")
)


def resolve(target: Target, repo: Repo | None = None) -> Iterator[Submission]:
    """The record folders that a target names, added ones first.

    With `repo`, a clone that is already open is used for any number of targets (`target.repo`
    must then be the same clone or left out). Raises UsageError, or NothingToAudit when the place
    holds no record folder. Submissions may be read after this generator has ended.
    """
    if repo is not None and target.repo is None and not (target.path or target.url):
        target = Target(repo=repo.path, pr=target.pr, ref=target.ref, base=target.base, folder=target.folder)
    target.check()
    if target.path is not None:
        yield from disk.submissions(target.path, target.source, target.folder)
        return
    clone, pr = (target.repo, target.pr) if target.repo else github.fetch(target.url)
    assert clone is not None
    own = repo if repo is not None and repo.path == clone else Repo(clone)
    try:
        head = pull_head(own, pr) if pr is not None else own.resolve(target.ref or "HEAD")
        yield from gitsource.submissions(own, history(own, target.base), head, target, pr)
    finally:
        if own is not repo:
            own.close()


def all_prs(repo: Repo, open_only: bool = False) -> list[tuple[int, str]]:
    """(number, head commit) of every pull request that the clone holds, in order of number.

    With `open_only`, heads that are part of the main branch are left out. A clone does not know
    of pull requests that were squashed or closed; those stay in.
    """
    merged = history(repo).brought if open_only else {}
    return sorted((n, head) for n, head in repo.pulls.items() if head not in merged)


def pull_head(repo: Repo, number: int) -> str:
    """The head commit of a pull request; UsageError when the clone does not have it."""
    head = repo.pulls.get(number)
    if head is None:
        raise UsageError(
            f"{repo.path} has no pull request {number}: "
            f"fetch it with `git -C {repo.path} fetch origin refs/pull/{number}/head:refs/pull/{number}/head`"
        )
    return head


def history(repo: Repo, base: str = "") -> History:
    """The main branch to compare with: `base`, or origin/HEAD, else main or master; made once per Repo."""
    key = repo.resolve(base) if base else _main(repo)
    if key not in repo.histories:
        repo.histories[key] = History(repo, key)
    return repo.histories[key]


def _main(repo: Repo) -> str:
    for name in ("refs/remotes/origin/HEAD", *_MAIN):
        if name in repo.refs:
            return repo.refs[name]
    raise UsageError(
        f"{repo.path} has no main branch (origin/HEAD, main or master): say with --base what to compare with"
    )
