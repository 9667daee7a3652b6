"""What changed between two audits of one record folder: the first thing a returning reviewer asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.audit import Audit
from auditor.report.fingerprint import named
from auditor.report.places import repo_folder
from rules.finding import Finding, Status


@dataclass(frozen=True, slots=True)
class Delta:
    """Alarms sorted by what became of them; `changed` holds (before, now) of those whose status moved."""

    before: Status
    now: Status
    new: tuple[Finding, ...]
    gone: tuple[Finding, ...]
    changed: tuple[tuple[Finding, Finding], ...]
    unchanged: tuple[Finding, ...]

    @property
    def empty(self) -> bool:
        return self.before is self.now and not (self.new or self.gone or self.changed)


def compare(before: Audit, now: Audit) -> Delta:
    """The delta between two audits of the same folder, over the findings that raise an alarm.

    A waived finding is no alarm, so a new waiver shows as "gone". Findings are matched by
    fingerprint, and what is left over by rule when there is exactly one on each side (the line
    was rewritten, the fault is the same).
    """
    old, new = _alarms(before), _alarms(now)
    pairs = [(old.pop(k), new.pop(k)) for k in list(new) if k in old]
    for k, f in list(new.items()):
        twins = [o for o, g in old.items() if g.rule == f.rule]
        if len(twins) == 1 and sum(g.rule == f.rule for g in new.values()) == 1:
            pairs.append((old.pop(twins[0]), new.pop(k)))
    return Delta(
        before=before.verdict,
        now=now.verdict,
        new=tuple(new.values()),
        gone=tuple(old.values()),
        changed=tuple((a, b) for a, b in pairs if a.status is not b.status),
        unchanged=tuple(b for a, b in pairs if a.status is b.status),
    )


def earlier(audits: Sequence[Audit], previous: Sequence[Audit]) -> Iterator[tuple[Audit, Audit | None]]:
    """Each audit with its earlier self, or None; a renamed folder is found when it is the only one left."""
    by_folder = {repo_folder(p.submission.folder): p for p in previous}
    taken = {repo_folder(a.submission.folder) for a in audits}
    left = [p for f, p in by_folder.items() if f not in taken]
    fresh = [a for a in audits if repo_folder(a.submission.folder) not in by_folder]
    for a in audits:
        found = by_folder.get(repo_folder(a.submission.folder))
        if (
            found is None
            and len(left) == len(fresh) == 1
            and a.submission.pr
            and a.submission.pr == left[0].submission.pr
        ):
            found = left[0]
        yield a, found


def gone_folders(audits: Sequence[Audit], previous: Sequence[Audit]) -> tuple[Audit, ...]:
    """The earlier audits whose folder is no longer there under any name."""
    kept = {id(p) for _, p in earlier(audits, previous)}
    return tuple(p for p in previous if id(p) not in kept)


def _alarms(audit: Audit) -> dict[str, Finding]:
    return {name: f for name, f in named(audit) if f.status.is_alarm and not f.waiver}
