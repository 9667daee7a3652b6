"""The audit as one page that needs nothing else: no script, no request, light and dark, phone to desktop.

The templates lie in `templates/`. Everything they print goes through `text.plain` and then through
autoescaping, so no text of a submission reaches the page as markup; the page's own content
policy forbids scripts and loads all the same.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from auditor.audit import Audit
from auditor.report import timelines, words
from auditor.report.delta import compare, earlier
from auditor.report.fingerprint import named
from auditor.report.options import DEFAULT, Options
from auditor.report.pictures import Picture, pictures
from auditor.report.places import dispute_link, shown, web_link
from auditor.report.steps import parts, places, shipped
from auditor.report.text import plain, quiet
from rules.evidence import Location
from rules.finding import Fact, Finding, Status

TEMPLATES = Path(__file__).parent / "templates"
LIMIT = 100_000  # bytes; a page that may be mailed and kept
FACTS, LINE, MESSAGE = 8, 240, 700

View = dict[str, Any]


class Detail(NamedTuple):
    """How much is shown.

    Alarms of a folder, facts folded behind a card's first eight, quoted lines of a card, sentences
    of what holds and of what was not decided, the pictures' figures as tables, and the picture of the run.
    """

    cards: int = 200
    facts: int = 60
    places: int = 4
    held: bool = True
    undecided: bool = True
    tables: bool = True
    timeline: bool = True

    @property
    def cut(self) -> str:
        said = [
            ""
            if self.held
            else "what holds is given by name only"
            if self.undecided
            else "what holds, or was not decided, is given by name only",
            "" if self.facts >= 24 else "long lists of evidence and of places are cut",
            "" if self.timeline else "the picture of the run is left out",
            "" if self.cards >= 200 else f"at most {self.cards} alarms of a folder are shown",
        ]
        return "; ".join(s for s in said if s)


# Tried in this order until the page fits.
DETAILS = (
    Detail(),
    Detail(facts=24, held=False),
    Detail(facts=8, places=2, held=False, tables=False),
    *(
        Detail(n, f, 1, False, False, False, n >= 30)
        for n, f in ((60, 8), (60, 4), (30, 4), (20, 0), (15, 0), (10, 0), (8, 0), (6, 0), (4, 0), (2, 0), (1, 0))
    ),
)


def render(audits: Sequence[Audit], options: Options = DEFAULT) -> str:
    """The page. It shows less detail, and says so, rather than grow beyond `LIMIT` bytes."""
    pages: dict[int, str] = {}

    def fits(step: int) -> bool:
        pages[step] = _page(audits, options, DETAILS[step])
        return len(pages[step].encode()) < LIMIT

    if fits(0):
        return pages[0]
    last = len(DETAILS) - 1
    step = min(bisect_left(range(last), True, lo=1, key=fits), last)
    return pages[step] if step in pages else _page(audits, options, DETAILS[step])


def _page(audits: Sequence[Audit], options: Options, detail: Detail) -> str:
    shown_audits = [
        _audit(a, before, f"a{i}", options, detail)
        for i, (a, before) in enumerate(earlier(audits, options.previous), 1)
    ]
    verdict = words.worst(audits)
    view = {
        "title": f"{words.status_word(verdict)}: {shown_audits[0]['name'] if len(audits) == 1 else f'{len(audits)} record folders'} (scorefirst audit)",
        "versions": ", ".join(dict.fromkeys(a.tool_version for a in audits)) or "?",
        "editions": ", ".join(dict.fromkeys(a.edition for a in audits)) or "?",
        "verdict": verdict.value,
        "verdict_word": words.status_word(verdict),
        "headline": words.headline_of_all(audits),
        "audits": shown_audits,
        "cut": detail.cut,
        "stakes": [(s.value, says) for s, says in words.STAKES.items()],
        "style": style(),
    }
    text = environment().get_template("page.html.j2").render(page=view)
    return quiet(re.sub(r"\n\s+", "\n", text).strip()).replace("##[", "## [") + "\n"


@cache
def environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def style() -> Markup:
    """The style sheet without its blanks. It is ours, so it is not escaped."""
    text = environment().get_template("style.css.j2").render()
    return Markup(re.sub(r":\s+", ":", re.sub(r"\s*([{};,])\s*", r"\1", text)).strip())


def _printable(value: Any) -> Any:
    """What a template prints: text without anything invisible. Markup is the template's own."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _audit(audit: Audit, before: Audit | None, key: str, options: Options, detail: Detail) -> View:
    n = words.counts(audit)
    marks = {id(f): name for name, f in named(audit)}
    alarms = words.worst_first(audit.alarms)

    def brief(f: Finding) -> View:
        return {"rule": f.rule, "message": plain(f.message, MESSAGE)}

    def listed(status: Status) -> View:
        found = words.with_status(audit, status)
        names = ", ".join(dict.fromkeys(f.rule for f in found))
        return {
            "n": len(found),
            "rows": [brief(f) for f in found]
            if (detail.undecided if status is Status.UNVERIFIABLE else detail.held)
            else [],
            "names": names,
        }

    return {
        "id": key,
        "folder": plain(audit.submission.folder, 300),
        "name": plain(audit.submission.folder.rstrip("/").rsplit("/", 1)[-1], 120),
        "subject": words.subject(audit),
        "verdict": audit.verdict.value,
        "verdict_word": words.status_word(audit.verdict),
        "headline": words.headline(audit),
        "tally": [(s.value, n[s], words.status_word(s, n[s])) for s in Status if n[s]],
        "moves": _moves(audit, before),
        "pictures": _pictures(audit, detail),
        "tables": detail.tables,
        "alarms": [
            _card(audit, f, f"{key}-f{i}", marks[id(f)], options, detail)
            for i, f in enumerate(alarms[: detail.cards], 1)
        ],
        "alarms_left_out": max(0, len(alarms) - detail.cards),
        "filters": [(s.value, n[s], words.status_word(s, n[s])) for s in Status if s.is_alarm and n[s]],
        "waived": [
            {**brief(f), "status": f.status.value, "status_word": words.status_word(f.status), "waiver": f.waiver}
            for f in words.waived(audit)
        ],
        "undecided": listed(Status.UNVERIFIABLE),
        "passed": listed(Status.OK),
        "idle": listed(Status.NOT_APPLICABLE),
        "suspects": [
            {"at": plain(str(s.at), 200), "what": plain(s.what, 200), "why": plain(s.why, 300)}
            for s in audit.suspects[: detail.cards]
        ],
        "gaps": [
            {"what": plain(g.what, 200), "why": plain(g.why, 300), "file": plain(g.file, 200)}
            for g in audit.coverage[: 5 * detail.cards]
        ],
    }


def _pictures(audit: Audit, detail: Detail) -> list[Picture]:
    """The run's timeline goes first to make room where a page is full: the others are small."""
    run = audit.evidence.trace if audit.evidence else None
    drawn = timelines.picture(run) if run and detail.timeline else None
    return [*pictures(audit), *([drawn, *timelines.zooms(run)] if run and drawn else [])]


def _card(audit: Audit, f: Finding, key: str, mark: str, options: Options, detail: Detail) -> View:
    told, quoted = parts(f), places(f)
    rows = [_fact(audit, e, options) for e in (*told.settings, *told.others)]
    return {
        "id": key,
        "rule": f.rule,
        "title": words.title(f.rule),
        "status": f.status.value,
        "status_word": words.status_word(f.status),
        "severity": f.severity.value,
        "message": plain(f.message, MESSAGE),
        "places": [_place(audit, at, options, shipped(f, at)) for at in quoted[: detail.places]],
        "places_left_out": max(0, len(quoted) - detail.places),
        "steps": [_fact(audit, e, options) for e in told.steps[: detail.facts]],
        "steps_left_out": max(0, len(told.steps) - detail.facts),
        "facts": rows[:FACTS],
        "facts_left_out": max(0, len(rows) - FACTS - detail.facts),
        "more_facts": rows[FACTS : FACTS + detail.facts],
        "disputes": [_dispute(d) for d in f.disputes],
        "instead": plain(f.instead, MESSAGE),
        "show_again": plain(f.show_again, MESSAGE),
        "dispute_link": dispute_link(options.dispute_url, audit, f.rule, mark),
    }


def _place(audit: Audit, at: Location, options: Options, packed: Location | None = None) -> View:
    text = plain(at.text.rstrip(), LINE) if at.text.strip() else ""
    return {
        "shown": plain(shown(at, packed), 200),
        "line": at.line or "",
        "text": text,
        "link": web_link(options.repo_url, audit, packed or at),
    }


def _fact(audit: Audit, e: Fact, options: Options) -> View:
    at = _place(audit, e.at, options, e.shipped) if e.at and e.at.file else None
    return {"label": plain(e.label, 120), "value": plain(e.value, 400), "at": at}


def _dispute(name: str) -> View:
    d = words.dispute(name)
    if d is None:
        return {"id": name, "question": "", "side_a": "", "side_b": "", "state": ""}
    return {"id": name, "question": d.question, "side_a": d.side_a, "side_b": d.side_b, "state": d.state}


def _moves(audit: Audit, before: Audit | None) -> View | None:
    if before is None:
        return None
    d = compare(before, audit)
    moved = f"the verdict was {words.status_word(d.before)}; " if d.before is not d.now else "the same verdict; "
    lines = [("new", f.rule, plain(f.message, 200)) for f in d.new]
    lines += [("gone", f.rule, plain(f.message, 200)) for f in d.gone]
    lines += [("changed", b.rule, f"{a.status} → {b.status}") for a, b in d.changed]
    return {
        "said": f"{moved}{len(d.new)} new, {len(d.gone)} gone, {len(d.changed)} changed, {len(d.unchanged)} as before.",
        "lines": lines[:12],
    }
