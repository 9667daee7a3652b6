"""A trace as a page of its own, and its timeline as a picture of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from auditor.report import timelines, trace_text
from auditor.report.html import environment, style
from auditor.report.text import plain, quiet
from rules.trace import Trace

Positions = tuple[int, int] | None


def page(traces: Sequence[tuple[str, Trace | None]], positions: Positions = None) -> str:
    """All traces on one page that needs nothing else."""
    runs = [
        {
            "id": f"t{i}",
            "name": plain(folder.rstrip("/").rsplit("/", 1)[-1], 120),
            "lines": [
                (line.plain.strip(), _tone(str(line.style))) for line in trace_text.lines(t, verbose=True, drawn=False)
            ],
            "picture": timelines.picture(t, positions) if t else None,
            "zooms": list(timelines.zooms(t)) if t and not positions else [],
        }
        for i, (folder, t) in enumerate(traces, 1)
    ]
    text = environment().get_template("trace.html.j2").render(runs=runs, style=style())
    return quiet(re.sub(r"\n\s+", "\n", text).strip()) + "\n"


def svg(t: Trace, positions: Positions = None) -> str | None:
    """The timeline as a file of its own, readable on light and on dark ground; None when nothing was written down."""
    drawn = timelines.picture(t, positions)
    if drawn is None:
        return None
    text = environment().get_template("trace.svg.j2").render(picture=drawn, style=style())
    return quiet(re.sub(r"\n\s+", "\n", text).strip()) + "\n"


def _tone(color: str) -> str:
    """The class for a terminal's colour."""
    return {"red": "violation", "yellow": "likely", "green": "ok", "dim": "muted"}.get(color, "")
