"""A maintainer's waivers: findings that are let pass, with a reason, an author and a date.

A waiver file is TOML:

    [[waiver]]
    rule = "SIZE2"
    folder = "records/track_10min_16mb/2026-03-24_mine"
    reason = "helper counted by hand, see the review"
    author = "a-maintainer"
    date = "2026-04-02"
    expires = "2026-06-01"      # optional

The file is the maintainer's: it is given on the command line, or read from the base of a diff, never
from the submission. A waived finding stays in the report, marked with the reason.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from auditor.audit import Waiver
from auditor.submission.base import UsageError
from rules.evidence import Package
from rules.finding import Finding, Status

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def parse(text: str, file: str) -> tuple[Waiver, ...]:
    """The waivers of a file. Raises UsageError that names the file and the entry."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise UsageError(f"{file} is not valid TOML: {e}") from None
    except RecursionError:
        raise UsageError(f"{file} is nested too deeply for a waiver file") from None
    entries = content.get("waiver", [])
    if not isinstance(entries, list) or set(content) - {"waiver"}:
        raise UsageError(f"{file}: expected [[waiver]] entries and nothing else")
    found = []
    for i, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise UsageError(f"{file}: expected [[waiver]] entries and nothing else")
        missing = [k for k in ("rule", "reason", "author", "date") if not str(entry.get(k, "")).strip()]
        unknown = set(entry) - {"rule", "reason", "author", "date", "folder", "pr", "expires"}
        if missing or unknown:
            what = f"lacks {', '.join(missing)}" if missing else f"has unknown keys {', '.join(sorted(unknown))}"
            raise UsageError(f"{file}: waiver {i} {what}")
        wrong = [k for k in ("rule", "reason", "author", "folder") if not isinstance(entry.get(k, ""), str)]
        if wrong:
            raise UsageError(f"{file}: waiver {i} needs text as {', '.join(wrong)}")
        dates = {k: str(entry.get(k, "")) for k in ("date", "expires")}
        if not all(_DATE.match(d) for k, d in dates.items() if d or k == "date"):
            raise UsageError(f"{file}: waiver {i} needs dates such as 2026-04-02")
        pr = entry.get("pr")
        if pr is not None and (not isinstance(pr, int) or isinstance(pr, bool)):
            raise UsageError(f"{file}: waiver {i} needs a number as pr")
        found.append(
            Waiver(
                str(entry["rule"]),
                str(entry["reason"]),
                str(entry["author"]),
                dates["date"],
                str(entry.get("folder", "*")),
                pr,
                dates["expires"],
            )
        )
    return tuple(found)


def apply(
    findings: Iterable[Finding], package: Package, waivers: tuple[Waiver, ...], today: str
) -> tuple[tuple[Finding, ...], tuple[Waiver, ...]]:
    """Findings with the waived ones marked, and the waivers that were used. `today` is an ISO date."""
    used: list[Waiver] = []
    out = []
    for f in findings:
        if f.status.is_alarm:
            for w in waivers:
                if _fits(w, f, package, today):
                    f = replace(f, waiver=f"{w.reason} ({w.author}, {w.date})")
                    used.append(w)
                    break
        out.append(f)
    return tuple(out), tuple(dict.fromkeys(used))


def _fits(w: Waiver, f: Finding, package: Package, today: str) -> bool:
    return (
        w.rule.casefold() in (f.rule.casefold(), f.rule.split("-")[0].casefold())
        and fnmatchcase(package.folder, w.folder)
        and (w.pr is None or w.pr == package.pr)
        and (not w.expires or today <= w.expires)
        and f.status is not Status.OK
    )
