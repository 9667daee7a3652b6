"""One comment for a pull request: verdict first, what changed, a table of alarms, details folded.

The comment starts with `MARKER`, so that a bot finds its own comment and edits it in place. All
text that is not ours is escaped with character references, which GitHub's Markdown never reads
as markup; mentions, issue numbers and addresses are broken up so that a comment notifies nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from auditor.audit import Audit
from auditor.report import words
from auditor.report.delta import Delta, compare, earlier, gone_folders
from auditor.report.fingerprint import named
from auditor.report.options import DEFAULT, Options
from auditor.report.places import dispute_link, shown, web_link
from auditor.report.steps import parts, places, shipped
from auditor.report.text import plain, quiet
from rules.evidence import Location
from rules.finding import Finding, Status

MARKER = "<!-- scorefirst:audit -->"
LIMIT = 65_000  # UTF-16 units; GitHub refuses a comment of more than 65,536 characters
ROWS = 40  # alarms in the table of one folder
STEPS = 20  # steps of one path
NAMED = 12  # findings named in the line on what changed
DOTS = {
    Status.VIOLATION: "🔴",
    Status.LIKELY: "🟠",
    Status.NEEDS_HUMAN: "🟣",
    Status.DISPUTED: "🔵",
    Status.UNVERIFIABLE: "⚪",
    Status.OK: "🟢",
    Status.NOT_APPLICABLE: "⚫",
}
_MARKUP = re.compile(r"[\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_])")
_MENTION = re.compile(r"@(?=[\w-])|#(?=\d)|\bGH-(?=\d)|(?i:www)(?=\.)|:(?=//)|:(?=[\w+-]+:)")


def render(audits: Sequence[Audit], options: Options = DEFAULT) -> str:
    """The comment, at most `LIMIT` characters; what did not fit is counted at its end."""
    pairs = list(earlier(audits, options.previous))
    head = "\n".join([MARKER, *_summary(audits), *_changes(pairs, audits, options), *_tables(audits, options)])
    foot = "\n".join(_foot(audits))
    blocks = [b for a in audits for b in _details(a, options, several=len(audits) > 1)]
    room = LIMIT - _length(foot) - 400
    kept, left_out = [_fit(head, room)], 0
    room -= _length(kept[0])
    for block in blocks:
        cost = _length(block) + 1
        if cost > room:
            left_out += 1
            continue
        kept.append(block)
        room -= cost
    if left_out:
        kept.append(
            f"\n**{left_out} of {len(blocks)} folded sections were left out: a comment holds 65,000 characters.** The JSON and HTML reports hold all."
        )
    return quiet("\n".join([*kept, foot])) + "\n"


def _summary(audits: Sequence[Audit]) -> Iterator[str]:
    if len(audits) == 1:
        a = audits[0]
        yield f"## {DOTS[a.verdict]} {_word(a.verdict)}: {esc(words.headline(a))}"
        yield f"{code(a.submission.folder)} · {esc(words.subject(a))}"
        yield f"<sub>{esc(words.tally(a))}</sub>"
        return
    verdict = words.worst(audits)
    yield f"## {DOTS[verdict]} {_word(verdict)}: {words.headline_of_all(audits)}"
    if not audits:
        return
    yield ""
    yield "| verdict | record folder | in short |"
    yield "| --- | --- | --- |"
    for a in sorted(audits, key=lambda x: x.verdict.rank)[: 2 * ROWS]:
        yield f"| {DOTS[a.verdict]} {a.verdict} | {code(a.submission.folder, 160)} | {esc(words.headline(a))} |"
    if len(audits) > 2 * ROWS:
        yield f"| | and {len(audits) - 2 * ROWS} more folders | |"


def _word(status: Status) -> str:
    return words.status_word(status).capitalize()


def _changes(pairs: list[tuple[Audit, Audit | None]], audits: Sequence[Audit], options: Options) -> Iterator[str]:
    if not options.previous:
        return
    yield ""
    yield "### Since the last audit"
    for audit, before in pairs:
        where = f"{code(audit.submission.folder, 160)}: " if len(audits) > 1 else ""
        if before is None:
            yield f"- {where}new, not audited before"
            continue
        d = compare(before, audit)
        if d.empty:
            yield f"- {where}nothing changed: {len(d.unchanged)} alarms as before"
            continue
        moved = f"verdict {d.before} → **{d.now}**" if d.before is not d.now else f"verdict still **{d.now}**"
        yield f"- {where}{moved}; {len(d.new)} new, {len(d.gone)} gone, {len(d.changed)} changed, {len(d.unchanged)} as before"
        yield from _moves(d)
    for gone in gone_folders(audits, options.previous)[:NAMED]:
        yield f"- {code(gone.submission.folder, 160)}: no longer part of the change"


def _moves(d: Delta) -> Iterator[str]:
    lines = [f"  - **new** {DOTS[f.status]} {code(f.rule)} {esc(f.message, 160)}" for f in d.new]
    lines += [f"  - **gone** {code(f.rule)} {esc(f.message, 160)}" for f in d.gone]
    lines += [f"  - **changed** {code(b.rule)}: {a.status} → {b.status}" for a, b in d.changed]
    yield from lines[:NAMED]
    if len(lines) > NAMED:
        yield f"  - and {len(lines) - NAMED} more"


def _tables(audits: Sequence[Audit], options: Options) -> Iterator[str]:
    for audit in audits:
        alarms = words.worst_first(audit.alarms)
        if not alarms:
            continue
        yield ""
        if len(audits) > 1:
            yield f"### {DOTS[audit.verdict]} {code(audit.submission.folder, 160)}"
        yield "| | rule | finding | where |"
        yield "| --- | --- | --- | --- |"
        for f in alarms[:ROWS]:
            where = _place(audit, f.locations[0], options, shipped(f, f.locations[0])) if f.locations else ""
            yield f"| {DOTS[f.status]} {f.status} | {code(f.rule)} | {esc(f.message, 300)} | {where} |"
        if len(alarms) > ROWS:
            yield f"| | | and {len(alarms) - ROWS} more | |"


def _details(audit: Audit, options: Options, several: bool) -> Iterator[str]:
    """The folded blocks of one folder, most needed first; each stands alone."""
    label = f" · {html_code(audit.submission.folder.rsplit('/', 1)[-1], 80)}" if several else ""
    marks = {id(f): name for name, f in named(audit)}
    for f in words.worst_first(audit.alarms):
        yield _fold(
            f"{DOTS[f.status]} {html_code(f.rule)} {esc(words.title(f.rule))}{label}",
            _alarm(audit, f, marks[id(f)], options),
        )
    waived = words.waived(audit)
    if waived:
        lines = [f"- {DOTS[f.status]} {code(f.rule)} {esc(f.message)}<br>let pass: {esc(f.waiver)}" for f in waived]
        yield _fold(f"Let pass by a maintainer: {len(waived)}{label}", lines)
    undecided = words.with_status(audit, Status.UNVERIFIABLE)
    unseen = [f"- {code(f.rule)} {esc(words.title(f.rule))}: {esc(f.message)}" for f in undecided]
    unseen += [
        f"- not looked at: {esc(g.what)}{f' ({code(g.file)})' if g.file else ''}: {esc(g.why)}" for g in audit.coverage
    ]
    if unseen:
        yield _fold(f"Not decided: {len(undecided)}; not looked at: {len(audit.coverage)}{label}", unseen)
    if audit.suspects:
        lines = [f"- {code(str(s.at))} {esc(s.what)}: {esc(s.why)}" for s in audit.suspects]
        yield _fold(f"Would matter if it ran: {len(audit.suspects)}{label}", lines)
    held = words.with_status(audit, Status.OK)
    if held:
        lines = (
            [f"- {code(f.rule)} {esc(f.message)}" for f in held]
            if options.verbose
            else [", ".join(code(r) for r in dict.fromkeys(f.rule for f in held))]
        )
        yield _fold(f"{DOTS[Status.OK]} Looked at and holds: {len(held)}{label}", lines)


def _alarm(audit: Audit, f: Finding, mark: str, options: Options) -> Iterator[str]:
    yield f"**{f.status}** · {esc(words.MEANINGS[f.status])}"
    yield f"**At stake:** {esc(words.STAKES[f.severity])} ({f.severity})"
    yield ""
    yield esc(f.message, 2_000)
    quoted, told = places(f), parts(f)
    for at in quoted[:5]:
        yield ""
        yield f"{_place(audit, at, options, shipped(f, at))}"
        if at.text.strip():
            yield _fence(f"{at.line or '':>5} | {plain(at.text.rstrip(), 240)}")
    if len(quoted) > 5:
        yield f"\nmore places: {len(quoted) - 5}"
    if told.steps:
        yield "\n**Steps:**\n"
        for i, step in enumerate(told.steps[:STEPS], 1):
            where = f" {_place(audit, step.at, options, step.shipped)}" if step.at and step.at.file else ""
            line = f"<br>{html_code(step.at.text.strip())}" if step.at and step.at.text.strip() else ""
            yield f"{i}. {esc(step.value)}{where}{line}"
        if len(told.steps) > STEPS:
            yield f"\nand {len(told.steps) - STEPS} more steps"
    if told.settings:
        yield f"\n**Live with:** {', '.join(code(s.value) for s in told.settings[:STEPS])}"
    if told.others:
        yield "\n| evidence | value | where |\n| --- | --- | --- |"
        for fact in told.others[:60]:
            where = _place(audit, fact.at, options, fact.shipped) if fact.at and fact.at.file else ""
            yield f"| {esc(fact.label)} | {code(fact.value, 400)} | {where} |"
        if len(told.others) > 60:
            yield f"| and {len(told.others) - 60} more | | |"
    for name in f.disputes:
        yield from _dispute(name)
    if f.instead:
        yield f"\n**Instead:** {esc(f.instead)}"
    if f.show_again:
        yield f"\n**Show again:**\n{_fence(plain(f.show_again), 'sh')}"
    link = dispute_link(options.dispute_url, audit, f.rule, mark)
    if link:
        yield f"\n[Object to this finding]({link})"


def _dispute(name: str) -> Iterator[str]:
    d = words.dispute(name)
    if d is None:
        yield f"\n**Open dispute {esc(name)}**"
        return
    yield f"\n**Open dispute {esc(name)}:** {esc(d.question)}"
    yield f"- one side: {esc(d.side_a)}"
    yield f"- the other: {esc(d.side_b)}"
    yield f"- as it stands: {esc(d.state)}"


def _fold(title: str, lines: Sequence[str] | Iterator[str]) -> str:
    return "\n".join(["", f"<details><summary>{title}</summary>", "", *lines, "", "</details>"])


def _foot(audits: Sequence[Audit]) -> Iterator[str]:
    versions = ", ".join(dict.fromkeys(a.tool_version for a in audits)) or "?"
    editions = ", ".join(dict.fromkeys(a.edition for a in audits)) or "?"
    yield ""
    yield f"<sub>scorefirst {esc(versions)}, by the rules of {esc(editions)}. Only 🔴 accuses. 🔵 and 🟣 take no side, and ⚪ says that something could not be seen.</sub>"


def _place(audit: Audit, at: Location, options: Options, packed: Location | None = None) -> str:
    link = web_link(options.repo_url, audit, packed or at)
    name = code(shown(at, packed), 160)
    return f"[{name}]({link})" if link else name


def _fit(head: str, room: int) -> str:
    """Whole lines of the head, so that no table row or tag is cut in two."""
    if _length(head) <= room:
        return head
    kept: list[str] = []
    for line in head.split("\n"):
        room -= _length(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, "", "**The list above is cut: a comment holds 65,000 characters.**"])


def _length(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2


def esc(text: str, limit: int = 600) -> str:
    """Text of any origin as Markdown prose on one line: it is shown as it is, and calls nobody."""
    safe = _MENTION.sub(lambda m: m[0] + "\0", plain(text, limit).replace("\0", ""))
    return _entities(safe).replace("\0", "&#8203;")


def code(text: str, limit: int = 240) -> str:
    """Text of any origin as inline code; GitHub looks for no mentions there."""
    text = plain(text, limit)
    if text and text == text.strip() and not set("`|\\") & set(text):
        return f"`{text}`"
    return html_code(text, limit)


def html_code(text: str, limit: int = 240) -> str:
    """The same for places where Markdown is not read (a summary) or would be misread (a table)."""
    inner = (
        _entities(plain(text, limit)).replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;&#8203;")
    )
    return f"<code>{inner}</code>"


def _fence(line: str, language: str = "") -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence}{language}\n{line}\n{fence}"


def _entities(text: str) -> str:
    return _MARKUP.sub(lambda m: f"&#{ord(m[0])};", text)
