"""`scorefirst rules`: the list of the law, filtered, and the page of one rule."""

from __future__ import annotations

import json

from rich.console import Console, Group
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from auditor.submission.base import UsageError
from rules.editions import edition as edition_on
from rules.registry import all_disputes, all_rules, find
from rules.rule import Dispute, Rule


def explain(name: str) -> Group:
    """The page of one rule or dispute, for a terminal. Raises UsageError with near names."""
    entry = _find(name)
    facts = Table.grid(padding=(0, 2))
    for label, value in _facts(entry):
        facts.add_row(Text(label, style="bold"), value)
    sources = "\n".join(f"- {s.thread}, {s.date}, {s.who} ({s.authority}): {s.says}" for s in entry.sources)
    return Group(
        Text(f"{entry.id}: {entry.title}", style="bold"),
        facts,
        Markdown(entry.doc),
        Markdown("## Sources\n\n" + sources),
    )


def _find(name: str) -> Rule | Dispute:
    try:
        return find(name)
    except KeyError as e:
        raise UsageError(str(e.args[0])) from None


def _facts(entry: Rule | Dispute) -> list[tuple[str, str]]:
    if isinstance(entry, Dispute):
        return [
            ("question", entry.question),
            ("one side", entry.side_a),
            ("the other", entry.side_b),
            ("state", entry.state),
            ("rules", ", ".join(entry.rules) or "none"),
        ]
    return [
        ("kind", entry.kind.value),
        ("severity", entry.severity.value),
        ("authority", str(entry.authority())),
        ("since", entry.since),
        ("binds", ", ".join(t.value for t in entry.tracks)),
        ("decided by", ", ".join(entry.decided_by)),
        ("disputes", ", ".join(entry.disputes) or "none"),
    ]


def list_rules(
    *,
    name: str | None = None,
    edition: str = "latest",
    severity: str | None = None,
    authority: str | None = None,
    kind: str | None = None,
    stage: str | None = None,
    search: str | None = None,
    as_json: bool = False,
) -> str:
    """A table (or JSON) of the rules that fit every filter given, as text."""
    day = edition_on(edition).date if edition not in ("latest", "own") else edition_on("latest").date
    entries: list[Rule | Dispute] = [_find(name)] if name else [*all_rules(), *all_disputes()]

    def fits(e: Rule | Dispute) -> bool:
        if search and search.casefold() not in f"{e.id} {e.title} {e.doc}".casefold():
            return False
        if isinstance(e, Dispute):
            return (
                not (severity or authority or stage)
                and kind in (None, "dispute")
                and min(s.date for s in e.sources) <= day
            )
        has = e.authority(day)
        return (
            has is not None
            and severity in (None, e.severity.value)
            and authority in (None, has.value)
            and kind in (None, e.kind.value)
            and (stage is None or stage in e.decided_by)
        )

    chosen = [e for e in entries if name or fits(e)]
    if as_json:
        return json.dumps([_as_object(e, day) for e in chosen], indent=2) + "\n"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("rule", "severity", "authority", "decided by", "title"):
        table.add_column(column, no_wrap=column != "title", overflow="fold")
    for e in chosen:
        if isinstance(e, Dispute):
            table.add_row(e.id, "dispute", "", "", e.title)
        else:
            table.add_row(e.id, e.severity.value, str(e.authority(day)), ", ".join(e.decided_by), e.title)
    console = Console(width=140, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
        console.print(f"\n{len(chosen)} entries, as of {day}. `scorefirst rules NAME` explains one.", highlight=False)
    return capture.get()


def _as_object(e: Rule | Dispute, day: str) -> dict[str, object]:
    sources = [
        {"thread": s.thread, "date": s.date, "who": s.who, "says": s.says, "authority": s.authority.value}
        for s in e.sources
    ]
    if isinstance(e, Dispute):
        return {
            "id": e.id,
            "kind": "dispute",
            "title": e.title,
            "question": e.question,
            "sides": [e.side_a, e.side_b],
            "state": e.state,
            "rules": list(e.rules),
            "sources": sources,
        }
    return {
        "id": e.id,
        "kind": e.kind.value,
        "title": e.title,
        "severity": e.severity.value,
        "authority": str(e.authority(day)),
        "since": e.since,
        "tracks": [t.value for t in e.tracks],
        "decided_by": list(e.decided_by),
        "disputes": list(e.disputes),
        "sources": sources,
        "page": e.doc,
    }
