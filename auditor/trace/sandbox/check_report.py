"""What `scorefirst sandbox check` prints: a table of what held, and a sentence."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditor.report.text import plain, shorten
from auditor.submission.base import UsageError
from auditor.trace.sandbox.attempts.registry import Attempt, all_attempts
from auditor.trace.sandbox.box import Mode, NoSandbox
from auditor.trace.sandbox.check import Result, Verdict, check
from auditor.trace.sandbox.detect import mode as detected
from auditor.trace.sandbox.detect import why_not

STYLES = {Verdict.HELD: "green", Verdict.ESCAPED: "bold red", Verdict.UNPROVEN: "yellow"}


def report_check(
    mode: str, only: Sequence[str], *, verbose: bool, tell: Callable[[str], None], color: bool, width: int = 120
) -> tuple[str, bool]:
    """Make the attempts; give the text to print and whether every one held."""
    chosen, attempts = choose_mode(mode), choose_attempts(only)
    results = []
    for result in check(chosen, attempts):
        tell(f"{result.attempt.group}: {result.attempt.name} {result.verdict.value}")
        results.append(result)
    if not results:
        raise UsageError("none of these attempts is harmless enough to be made unsealed")
    held = sum(r.verdict is Verdict.HELD for r in results)
    page = io.StringIO()
    out = Console(file=page, width=width, force_terminal=color, color_system="standard" if color else None)
    out.print(table(results, verbose=verbose or chosen is Mode.UNSEALED))
    out.print()
    out.print(f"{chosen.value}: {held} of {len(results)} attempts held", highlight=False)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines()) + "\n", held == len(results)


def choose_mode(name: str) -> Mode:
    """The mode that the caller names, if this machine has it."""
    if name == "auto":
        return detected()
    try:
        chosen = Mode(name)
    except ValueError:
        raise UsageError(f"--mode {name}: use auto, {', '.join(m.value for m in Mode)}") from None
    reason = why_not(chosen)
    if reason:
        raise NoSandbox(f"{chosen.value} does not work on this machine: {reason}")
    return chosen


def choose_attempts(only: Sequence[str]) -> list[Attempt]:
    """All attempts, or those of the names and groups given."""
    everything = all_attempts()
    unknown = set(only) - {a.name for a in everything} - {a.group for a in everything}
    if unknown:
        groups = ", ".join(dict.fromkeys(a.group for a in everything))
        raise UsageError(f"no attempt or group is named {', '.join(sorted(unknown))}; the groups are {groups}")
    return [a for a in everything if not only or a.name in only or a.group in only]


def table(results: Iterable[Result], *, verbose: bool) -> Table:
    """One row for each attempt; without `verbose`, those that held are one row for each group."""
    made = Table(box=None, pad_edge=False)
    for column in ("group", "attempt", "tries to", "verdict", "how"):
        made.add_column(column, no_wrap=column in ("group", "attempt", "verdict"))
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.attempt.group, []).append(result)
    for group, found in groups.items():
        held = [r for r in found if r.verdict is Verdict.HELD]
        if held and not verbose:
            made.add_row(group, f"{len(held)} of {len(found)}", "", Text("held", style=STYLES[Verdict.HELD]), "")
        for r in found:
            if verbose or r.verdict is not Verdict.HELD:
                how = Text(shorten(plain(r.reason), 160))
                verdict = Text(r.verdict.value, style=STYLES[r.verdict])
                made.add_row(group, r.attempt.name, Text(r.attempt.title), verdict, how)
    return made
