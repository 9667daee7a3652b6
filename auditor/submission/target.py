"""How a user names a submission."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from auditor.submission.base import UsageError

_URL = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]{0,38})/([A-Za-z0-9._-]{1,100})/pull/([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Target:
    """One place to look: `path`, or `repo` with `pr`, `ref` or `base`, or `url`.

    `base` names the branch that the change is compared with; it may go with `pr` and `ref` too.
    `folder` picks one record folder, by its path or by the last parts of it; "." is the root.
    """

    path: Path | None = None
    repo: Path | None = None
    pr: int | None = None
    ref: str = ""
    base: str = ""
    url: str = ""
    folder: str = ""

    @classmethod
    def from_options(
        cls,
        path: str | None = None,
        repo: Path | None = None,
        pr: int | None = None,
        ref: str | None = None,
        base: str | None = None,
        folder: str | None = None,
    ) -> Target:
        """A checked target from what a command line holds; `path` may be a folder or a URL."""
        is_url = path is not None and "://" in path
        place = cls(
            path=Path(path) if path and not is_url else None,
            repo=repo,
            pr=pr,
            ref=ref or "",
            base=base or "",
            url=path if path and is_url else "",
            folder=folder or "",
        )
        place.check()
        return place

    def check(self) -> None:
        """Raise UsageError unless exactly one place is named."""
        inside = self.pr is not None or bool(self.ref or self.base)
        named = sum(map(bool, (self.path, self.repo, self.url)))
        if inside and not named:
            raise UsageError("--pr, --ref and --base say where to look in a clone: add --repo CLONE")
        if named != 1:
            raise UsageError("name one of: a folder, a clone with --repo, or the URL of a pull request")
        if self.repo and not inside:
            raise UsageError(f"--repo {self.repo} needs --pr N, --ref REF or --base REF")
        if inside and not self.repo:
            raise UsageError("--pr, --ref and --base say where to look in a clone: add --repo CLONE")
        if self.pr is not None and (self.ref or self.pr < 1):
            raise UsageError("give --pr N (a positive number) or --ref REF, not both")
        for name in (self.ref, self.base):
            check_ref(name)
        if self.url:
            parse_url(self.url)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command-line arguments that name this target again."""
        pairs = (
            ("--repo", self.repo),
            ("--pr", self.pr),
            ("--ref", self.ref),
            ("--base", self.base),
            ("--folder", self.folder),
        )
        named = [text for flag, value in pairs if value not in (None, "") for text in (flag, str(value))]
        return (*(str(p) for p in (self.path, self.url) if p), *named)

    @property
    def source(self) -> str:
        """What a report prints: the path, the URL, `#745`, a ref, or `base..ref`."""
        if self.path or self.url:
            return self.url or str(self.path)
        if self.pr is not None:
            return f"#{self.pr}"
        return f"{self.base}..{self.ref or 'HEAD'}" if self.base else self.ref


def check_ref(name: str) -> None:
    """Raise UsageError for a name that git could take for an option, a search or several commits."""
    if name and (name.startswith("-") or ":" in name or ".." in name or not name.isprintable()):
        raise UsageError(f"{name!r} is no name of a commit: use a branch, a tag or a commit's hash")


def parse_url(url: str) -> tuple[str, str, int]:
    """(owner, name, number) of a pull request on github.com; UsageError for any other URL."""
    m = _URL.fullmatch(url)
    if m is None or m[2] in (".", ".."):
        raise UsageError(f"{url!r} is no pull request: the form is https://github.com/OWNER/NAME/pull/NUMBER")
    return m[1], m[2], int(m[3])
