"""Exit codes: what a script learns from an audit without reading it.

0 nothing found · 1 error of the tool · 2 error in the call · 3 nothing to audit ·
4 a run that came to no number that its scores explain · 11 advisory or only doubts · 12 packaging · 13 eligibility · 14 fatal.
"""

from __future__ import annotations

from collections.abc import Iterable

from auditor.audit import Audit
from rules.finding import Severity

BY_SEVERITY = {Severity.ADVISORY: 11, Severity.PACKAGING: 12, Severity.ELIGIBILITY: 13, Severity.FATAL: 14}
UNEXPLAINED = 4
NEVER = "never"
FAIL_ON = (*(s.value for s in Severity), NEVER)


def exit_code(audits: Iterable[Audit], fail_on: str = "advisory", *, always_zero: bool = False) -> int:
    """The code for some audits; severities below `fail_on` count as nothing."""
    if always_zero or fail_on == NEVER:
        return 0
    worst = [s for a in audits if (s := a.worst_severity) and s.rank <= Severity(fail_on).rank]
    return max((BY_SEVERITY[s] for s in worst), default=0)
