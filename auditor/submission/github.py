"""Fetching one pull request from github.com into a cache, with plain git and without credentials."""

from __future__ import annotations

import os
from pathlib import Path

from auditor.submission.base import MAX_FILE, UsageError
from auditor.submission.git import git
from auditor.submission.target import parse_url

FETCH_SECONDS = 600.0


def cache_root() -> Path:
    """`$XDG_CACHE_HOME/scorefirst`, or `~/.cache/scorefirst`."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if os.path.isabs(named) else Path.home() / ".cache") / "scorefirst"


def fetch(url: str, cache: Path | None = None, remote: str = "", protocols: str = "https") -> tuple[Path, int]:
    """Bring a pull request and the default branch into the cache: (clone, number of the PR).

    Files above `MAX_FILE` bytes are left behind, since nothing would read them. `remote` and
    `protocols` replace github.com in tests. Raises UsageError when the network does not answer.
    """
    owner, name, number = parse_url(url)
    clone = (cache or cache_root()) / f"{owner}+{name}.git"
    if not (clone / "HEAD").is_file():
        clone.parent.mkdir(parents=True, exist_ok=True)
        git("init", "--quiet", "--bare", "--template=", clone, what=str(clone))
        git("-C", clone, "config", "remote.origin.url", remote or f"https://github.com/{owner}/{name}", what=str(clone))
    try:
        git(
            *("-C", clone, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
            *("--no-auto-maintenance", f"--filter=blob:limit={MAX_FILE}", "origin"),
            *("+HEAD:refs/remotes/origin/HEAD", f"+refs/pull/{number}/head:refs/pull/{number}/head"),
            protocols=protocols,
            timeout=FETCH_SECONDS,
            what="git fetch",
        )
    except UsageError as e:
        raise UsageError(
            f"{url} could not be fetched ({e}); without a network, clone the repository elsewhere and use --repo CLONE --pr {number}"
        ) from None
    return clone, number
