"""Reports: one audit, six ways to show it.

Every format is one module with `render(audits, options) -> str`. They are pure and share their
words (`words.py`), so that they cannot tell different stories. All text of a submission is hostile
until `text.plain` and the format's own escaping have dealt with it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from auditor.audit import Audit
from auditor.report.fingerprint import fingerprint
from auditor.report.options import DEFAULT, Options

Renderer = Callable[[Sequence[Audit], Options], str]


def _lazy(module: str) -> Renderer:
    def render_with(audits: Sequence[Audit], options: Options = DEFAULT) -> str:
        loaded = importlib.import_module(f"auditor.report.{module}")
        return str(loaded.render(audits, options))

    return render_with


# Loaded on first use: a run that prints JSON need not wait for the HTML templates.
FORMATS: dict[str, Renderer] = {
    "terminal": _lazy("terminal"),
    "md": _lazy("markdown"),
    "json": _lazy("json_"),
    "sarif": _lazy("sarif"),
    "github": _lazy("github"),
    "html": _lazy("html"),
}


def render(name: str, audits: Sequence[Audit], options: Options = DEFAULT) -> str:
    """The audits in the named format. Raises KeyError for a name that is not in `FORMATS`."""
    return FORMATS[name](audits, options)


__all__ = ["DEFAULT", "FORMATS", "Options", "Renderer", "fingerprint", "render"]
