"""What a change is compared with: the merge base, also for a change that was merged long ago.

Comparing a merged pull request with its merge base shows nothing, since the merge base is then the
pull request itself. So for a commit that main already contains, the main branch is taken as it
stood before: up to the parent of the oldest first-parent commit of main that contains it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from auditor.submission.base import UsageError
from auditor.submission.git import Commit, Repo

MAX_COMMITS = 200_000
_NEVER = MAX_COMMITS + 1


@dataclass(frozen=True, slots=True)
class Span:
    """The commits that a head adds to main.

    `base` is the merge base, "" when there is none. `against` is the commit to compare with: the
    base, else main's tip ("" on main's own first commit). `limit` indexes main's first-parent
    chain: main as it stood before the change. `complete` is False when commits are missing from
    the clone. Times are seconds since 1970.
    """

    base: str
    against: str
    limit: int
    commits: int
    oldest: int
    complete: bool


class History:
    """The first-parent chain of a main branch, and which of its commits brought in what."""

    def __init__(self, repo: Repo, tip: str) -> None:
        self.repo = repo
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

    def span(self, head: str) -> Span:
        """What `head` adds to main, or added when it was merged."""
        limit = len(self.chain) - 1
        merged = self.brought.get(head)
        if merged is not None:
            on_chain = self.chain[merged].oid == head
            # A merge commit of main itself adds nothing; any other commit of the chain adds itself.
            limit = merged if on_chain and len(self.chain[merged].parents) > 1 else merged - 1
        seen, todo, edge, complete = {head}, [head], set(), True
        oldest: list[int] = []
        commits = 0
        while todo:
            oid = todo.pop()
            if self.brought.get(oid, _NEVER) <= limit:
                edge.add(oid)
                continue
            found = self.repo.commit(oid)
            if found is None:
                complete = False
                continue
            commits += 1
            oldest.append(found.authored)
            if commits > MAX_COMMITS:
                raise UsageError(f"{self.repo.path}: {head} adds more than {MAX_COMMITS:,} commits")
            fresh = [p for p in found.parents if p not in seen]
            seen.update(fresh)
            todo += fresh
        # Several edges arise when main was merged into the branch; the last one on main contains the others.
        base = max(edge, key=self._age, default="")
        return Span(
            base, base or self._at(limit), limit, commits, min((t for t in oldest if t > 0), default=0), complete
        )

    def landed(self, tree: str, limit: int) -> bool:
        """True when main had a record folder with exactly this content, by chain index `limit` or before."""
        return self._folders.get(tree, _NEVER) <= limit

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
