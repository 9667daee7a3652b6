"""What a change is compared with: the merge base, also for a change that was merged long ago.

Comparing a merged pull request with its merge base shows nothing, since the merge base is then the
pull request itself. So for a commit that main already contains, the main branch is taken as it
stood before: up to the parent of the oldest first-parent commit of main that contains it.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from auditor.submission.base import UsageError
from auditor.submission.git import Commit, Repo

MAX_COMMITS = 200_000
_LOOKED_AT = 10_000  # commits of one change in which a folder's beginning is looked for
_NEVER = MAX_COMMITS + 1


@dataclass(frozen=True, slots=True)
class Span:
    """The commits that a head adds to main.

    `base` is the merge base, "" when there is none. `against` is the commit to compare with: the
    base, else main's tip ("" on main's own first commit). `limit` indexes main's first-parent
    chain: main as it stood before the change. `commits` are those that the head adds, oldest
    first by their authors' dates. `complete` is False when commits are missing from the clone.
    """

    base: str
    against: str
    limit: int
    commits: tuple[Commit, ...]
    complete: bool


class History:
    """The first-parent chain of a main branch, and which of its commits brought in what."""

    def __init__(self, repo: Repo, tip: str) -> None:
        # The Repo keeps its histories, so a plain reference back would keep its processes alive.
        self.repo: Repo = weakref.proxy(repo)
        self.chain: list[Commit] = []
        at = repo.commit(tip)
        while at is not None:
            self.chain.append(at)
            if len(self.chain) > MAX_COMMITS:
                raise UsageError(f"{repo.path}: more than {MAX_COMMITS:,} commits on the main branch")
            at = repo.commit(at.parents[0]) if at.parents else None
        self.chain.reverse()
        self.brought: dict[str, int] = {}  # commit → index of the oldest chain commit that contains it
        for i, commit in enumerate(self.chain):
            todo = [commit.oid]
            while todo:
                oid = todo.pop()
                if oid not in self.brought:
                    self.brought[oid] = i
                    found = repo.commit(oid)
                    todo += found.parents if found else ()

    def span(self, head: str, look_back: bool = True) -> Span:
        """What `head` adds to main or, with `look_back`, what it added when it was merged."""
        limit = len(self.chain) - 1
        merged = self.brought.get(head) if look_back else None
        if merged is not None:
            on_chain = self.chain[merged].oid == head
            # A merge commit of main itself adds nothing; any other commit of the chain adds itself.
            limit = merged if on_chain and len(self.chain[merged].parents) > 1 else merged - 1
        seen, todo, edge, complete = {head}, [head], set(), True
        commits: list[Commit] = []
        while todo:
            oid = todo.pop()
            if self.brought.get(oid, _NEVER) <= limit:
                edge.add(oid)
                continue
            found = self.repo.commit(oid)
            if found is None:
                complete = False
                continue
            commits.append(found)
            if len(commits) > MAX_COMMITS:
                raise UsageError(f"{self.repo.path}: {head} adds more than {MAX_COMMITS:,} commits")
            fresh = [p for p in found.parents if p not in seen]
            seen.update(fresh)
            todo += fresh
        # Several edges arise when main was merged into the branch; the last one on main contains the others.
        base = max(edge, key=self._age, default="")
        ordered = tuple(sorted(commits, key=lambda c: (c.authored, c.oid)))
        return Span(base, base or self._at(limit), limit, ordered, complete)

    def began(self, span: Span, folder: str) -> int:
        """When work on a folder (raw path) began: the author's date of the oldest commit of the change in
        which it stands in another state than on the base. 0 when no commit with a date has it.

        The first commit of all would be too early: branches carry notes and drafts from long before.
        """
        before = self.repo.commit(span.against) if span.against else None
        known = self.repo.find(before.tree, folder) if before else None
        for commit in span.commits[:_LOOKED_AT]:
            here = self.repo.find(commit.tree, folder)
            if here and commit.authored and (known is None or here.oid != known.oid):
                return commit.authored
        return 0

    def landed(self, tree: str, limit: int) -> int | None:
        """When main, up to chain index `limit`, first had a record folder with exactly this content; None for never."""
        first = self._folders.get(tree, _NEVER)
        return self.chain[first].committed if first <= limit else None

    @cached_property
    def _folders(self) -> dict[str, int]:
        """Hash of each folder below records/ and its tracks → first chain index with it."""
        first: dict[str, int] = {}
        seen: set[str] = set()
        for i, commit in enumerate(self.chain):
            todo = [(e.oid, 0) for e in self.repo.tree(commit.tree) or () if e.name == "records" and e.is_tree]
            while todo:
                oid, depth = todo.pop()
                if oid in seen:
                    continue
                seen.add(oid)
                below = [e for e in self.repo.tree(oid) or () if e.is_tree]
                for e in below:
                    if depth or not e.name.startswith("track_"):
                        first.setdefault(e.oid, i)
                todo += [(e.oid, 1) for e in below if not depth]
        return first

    def _at(self, limit: int) -> str:
        return self.chain[limit].oid if limit >= 0 else ""

    def _age(self, oid: str) -> tuple[int, int, str]:
        found = self.repo.commit(oid)
        return self.brought[oid], found.committed if found else 0, oid


def iso(seconds: int) -> str:
    """`2026-03-28T12:00:00Z`; "" for 0 and for a date that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds > 0 else ""
    except (OverflowError, ValueError, OSError):
        return ""
