"""The audit for a person at a terminal: each alarm with its line, its facts and how to see it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO
from typing import NamedTuple

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from auditor.audit import Audit
from auditor.report import words
from auditor.report.delta import compare, earlier
from auditor.report.options import DEFAULT, Options
from auditor.report.places import shown
from auditor.report.steps import parts, shipped
from auditor.report.steps import places as unsaid
from auditor.report.text import plain, quiet
from rules.evidence import Location
from rules.finding import Fact, Finding, Status

PLACES = 3  # quoted lines for one finding, unless verbose
STEPS = 12  # steps of one path, unless verbose
SUSPECTS = 5  # lines on code that did not run, unless verbose
LINE = 160  # characters of a line of code under a step
LONGEST = 1_000  # characters of one message
COLORS = {
    Status.VIOLATION: "bold red",
    Status.LIKELY: "bold yellow",
    Status.NEEDS_HUMAN: "bold magenta",
    Status.DISPUTED: "bold blue",
    Status.UNVERIFIABLE: "bold cyan",
    Status.OK: "bold green",
    Status.NOT_APPLICABLE: "dim",
}


class Unwrapped(NamedTuple):
    """A line that is left to the terminal to wrap, so that it can be copied in one piece."""

    text: Text


Part = RenderableType | Unwrapped


def render(audits: Sequence[Audit], options: Options = DEFAULT) -> str:
    """All audits as text; with ANSI colours when `options.color`."""
    out = StringIO()
    console = Console(
        file=out,
        width=max(40, options.width),
        force_terminal=options.color,
        color_system="standard" if options.color else None,
        no_color=not options.color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    for audit, before in earlier(audits, options.previous):
        for part in _audit(audit, before, options):
            if isinstance(part, Unwrapped):
                console.print(part.text, soft_wrap=True)
            else:
                console.print(part)
    if len(audits) != 1:
        console.print(_total(audits))
    report = quiet(out.getvalue())
    return "\n".join(line.rstrip() for line in report.split("\n"))


def _audit(audit: Audit, before: Audit | None, options: Options) -> Iterator[Part]:
    yield Unwrapped(Text(plain(audit.submission.folder), "bold"))
    yield Text(f"{plain(words.subject(audit))}; judged by the rules of {plain(audit.edition)}", "dim")
    yield ""
    for f in words.worst_first(audit.alarms):
        yield from _finding(f, options.verbose)
        yield ""
    for f in words.waived(audit):
        yield _block(_heading(f, "waived"), [("= waived by decision:", Text(plain(f.waiver, LONGEST)))], 1)
        yield ""
    if options.verbose:
        for f in words.with_status(audit, Status.UNVERIFIABLE, Status.OK, Status.NOT_APPLICABLE):
            yield from _finding(f, options.verbose) if f.evidence or f.locations else [_heading(f)]
        yield ""
    yield from _suspects(audit, options.verbose)
    yield from _unseen(audit, options.verbose)
    yield from _passed(audit)
    if before:
        yield _since(before, audit)
    yield _join(("verdict: ", ""), (f"{audit.verdict}", COLORS[audit.verdict]), (f". {words.headline(audit)}", "bold"))
    yield Text(f"  {words.tally(audit)}")
    yield ""


def _finding(f: Finding, verbose: bool) -> Iterator[Part]:
    yield _heading(f)
    told = parts(f)
    places = list(unsaid(f))
    quoted = places if verbose else places[:PLACES]
    gutter = max((len(str(p.line)) for p in quoted if p.line), default=1)
    for p in quoted:
        yield from _place(p, shipped(f, p), gutter)
    notes: list[tuple[str, RenderableType]] = []
    if len(places) > len(quoted):
        notes.append(("=", Text(f"more places: {len(places) - len(quoted)} (-v shows them)", "dim")))
    if told.steps:
        notes.append(("= steps:", _steps(told.steps, verbose)))
    if told.settings:
        notes.append(("= live with:", _settings(told.settings)))
    if told.others:
        notes.append(("=", _facts(told.others)))
    if f.status.is_alarm:
        notes.append(("= at stake:", Text(f"{words.STAKES[f.severity]} ({f.severity})")))
    for d in f.disputes:
        notes.extend(_dispute(d))
    if f.instead:
        notes.append(("= instead:", Text(plain(f.instead, LONGEST))))
    for label, note in notes:
        yield _block(None, [(label, note)], gutter)
    if f.show_again:
        label = " " * (gutter + 1) + "= show again: "
        yield Unwrapped(_join((label, "blue"), (f"$ {plain(f.show_again)}", "bold")))


def _heading(f: Finding, also: str = "") -> Text:
    color = COLORS[f.status]
    mark = f"{f.status}[{plain(f.rule)}]" + (f" ({also})" if also else "")
    return _join((mark, color), (": ", "bold"), (plain(f.message, LONGEST), "bold" if f.status.is_alarm else ""))


def _place(at: Location, packed: Location | None, gutter: int) -> Iterator[Part]:
    yield _join((" " * gutter + "--> ", "blue"), (plain(shown(at, packed)), ""))
    if not at.text.strip():
        return
    number = str(at.line or "").rjust(gutter)
    bar = Text(" " * (gutter + 1) + "|", "blue")
    yield bar
    yield Unwrapped(_join((f"{number} | ", "blue"), (plain(at.text.rstrip(), 240), "")))
    yield bar


def _steps(steps: Sequence[Fact], verbose: bool) -> RenderableType:
    """The path as a numbered list, with the line of code under each step."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(justify="right", style="blue")
    table.add_column(overflow="fold")
    left_out = 0 if verbose else max(0, len(steps) - STEPS)
    for i, step in enumerate(steps, 1):
        if left_out and STEPS // 2 < i <= STEPS // 2 + left_out:
            if i == STEPS // 2 + 1:
                table.add_row("", Text(f"… {left_out} more steps (-v shows them)", "dim"))
            continue
        where = plain(shown(step.at, step.shipped)) if step.at and step.at.file else ""
        table.add_row(f"{i}.", _join((plain(step.value, 400), ""), (f"  {where}" if where else "", "dim")))
        if step.at and step.at.text.strip():
            table.add_row("", _join(("| ", "blue"), (plain(step.at.text.strip(), LINE), "")))
    return table


def _settings(settings: Sequence[Fact]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", style="dim")
    for s in settings:
        table.add_row(Text(plain(s.value, 400)), Text(plain(shown(s.at, s.shipped)) if s.at and s.at.file else ""))
    return table


def _facts(facts: Sequence[Fact]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold", style="dim")
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", style="dim")
    for fact in facts:
        where = plain(shown(fact.at, fact.shipped)) if fact.at and fact.at.file else ""
        table.add_row(Text(plain(fact.label)), Text(plain(fact.value, 400)), Text(where))
    return table


def _dispute(name: str) -> Iterator[tuple[str, RenderableType]]:
    d = words.dispute(name)
    if d is None:
        yield "= dispute:", Text(plain(name))
        return
    yield "= dispute:", _join((f"{plain(name)} ", "bold"), (plain(d.question), ""))
    yield "  one side:", Text(plain(d.side_a))
    yield "  the other:", Text(plain(d.side_b))
    yield "  as it stands:", Text(plain(d.state))


def _suspects(audit: Audit, verbose: bool) -> Iterator[Part]:
    for s in audit.suspects if verbose else audit.suspects[:SUSPECTS]:
        word = "not run:" if s.dead else "run or not:"
        yield _block(None, [(word, Text(f"{plain(str(s.at))} {plain(s.what, 200)}; {plain(s.why, 300)}"))], 0)
    if not verbose and len(audit.suspects) > SUSPECTS:
        yield Text(f"not run: {len(audit.suspects) - SUSPECTS} more functions (-v shows them)", "dim")


def _unseen(audit: Audit, verbose: bool) -> Iterator[Part]:
    undecided = [f.rule for f in words.with_status(audit, Status.UNVERIFIABLE)]
    if undecided and not verbose:
        names = ", ".join(plain(r) for r in dict.fromkeys(undecided))
        yield _block(None, [("not decided:", Text(f"{names} (-v says what would decide them)"))], 0)
    if audit.coverage and not verbose:
        what = "; ".join(plain(f"{g.what}: {g.why}", 300) for g in audit.coverage[:3])
        more = f"; and {len(audit.coverage) - 3} more (-v)" if len(audit.coverage) > 3 else ""
        yield _block(None, [("not looked at:", Text(what + more))], 0)
    for g in audit.coverage if verbose else ():
        where = f" ({plain(g.file)})" if g.file else ""
        yield _block(None, [("not looked at:", Text(f"{plain(g.what)}{where}: {plain(g.why)}"))], 0)


def _passed(audit: Audit) -> Iterator[Part]:
    n = words.counts(audit)
    idle = f"; {n[Status.NOT_APPLICABLE]} do not apply" if n[Status.NOT_APPLICABLE] else ""
    if n[Status.OK] or idle:
        yield _block(None, [("ok:", Text(f"{n[Status.OK]} checks hold{idle}"))], 0)


def _since(before: Audit, audit: Audit) -> RenderableType:
    d = compare(before, audit)
    moved = f"{len(d.new)} new, {len(d.gone)} gone, {len(d.changed)} changed, {len(d.unchanged)} as before"
    return _block(None, [("since last time:", Text(f"{moved}; the verdict was {d.before}"))], 0)


def _total(audits: Sequence[Audit]) -> Text:
    n = {s: sum(a.verdict is s for a in audits) for s in Status}
    said = ", ".join(f"{n[s]} {words.status_word(s, n[s])}" for s in Status if n[s])
    return Text(f"{len(audits)} record folders: {said or 'nothing to audit'}", "bold")


def _block(heading: Text | None, notes: list[tuple[str, RenderableType]], gutter: int) -> Table:
    """Notes with a hanging indent, under a heading if there is one."""
    outer = Table.grid()
    outer.add_column()
    if heading:
        outer.add_row(heading)
    for label, note in notes:
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True, style="blue")
        grid.add_column(overflow="fold")
        grid.add_row(" " * (gutter + 1) * bool(gutter) + label, note)
        outer.add_row(grid)
    return outer


def _join(*parts: tuple[str, str]) -> Text:
    return Text.assemble(*parts)
