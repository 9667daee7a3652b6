"""Names of places: paths from the root of the repository, as text, as URI and as a web link."""

from __future__ import annotations

import re
from urllib.parse import quote

from auditor.audit import Audit
from rules.evidence import Location

_COMMIT = re.compile(r"[0-9a-f]{7,64}\Z")
LONGEST = 300  # characters of a path or value in a link


def repo_folder(folder: str) -> str:
    """The record folder as a path from the repository's root.

    A folder given by a path on disk is cut at `records/`, or else to its last part, so that one
    folder has one name however it was reached. Steps such as `..` are dropped.

    >>> repo_folder("/home/me/pg/records/track_10min_16mb/x/"), repo_folder("/tmp/x")
    ('records/track_10min_16mb/x', 'x')
    """
    parts = _parts(folder)
    if "records" in parts:
        return "/".join(parts[parts.index("records") :])
    absolute = folder.startswith(("/", "~", "\\")) or folder[1:2] == ":" or ".." in folder.replace("\\", "/").split("/")
    return "/".join(parts[-1:] if absolute else parts) or "."


def repo_path(folder: str, file: str) -> str:
    """A file of the record folder as a path from the repository's root."""
    return "/".join([p for p in (repo_folder(folder), *_parts(file)) if p != "."]) or "."


def _parts(path: str) -> list[str]:
    return [p for p in path.replace("\\", "/").split("/") if p not in ("", ".", "..", "~")]


def uri(path: str) -> str:
    """A path as a relative URI reference, percent-encoded; bytes that are no UTF-8 become `%3F`."""
    return quote(path.encode("utf-8", "replace"), safe="/-._~")


def _quote(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")


def shown(at: Location, shipped: Location | None = None) -> str:
    """`file:line`, with a remark when the line counts in unpacked text, and where that lies in the shipped file."""
    where = f"{at.file}:{at.line}" if at.line else at.file
    if not at.layer:
        return where
    return f"{where} (unpacked; line {shipped.line} as shipped)" if shipped and shipped.line else f"{where} (unpacked)"


def web_link(repo_url: str, audit: Audit, at: Location) -> str:
    """The address of a line on the repository's web page at the audited commit, or ""."""
    base = web_url(repo_url)
    if not base or not _COMMIT.match(audit.submission.head) or not at.file or len(at.file) > LONGEST:
        return ""
    path = uri(repo_path(audit.submission.folder, at.file))
    anchor = f"#L{at.line}" if at.line and not at.layer else ""
    plain = "?plain=1" if anchor and at.file.lower().endswith(".md") else ""
    return f"{base}/blob/{_quote(audit.submission.head)}/{path}{plain}{anchor}"


def dispute_link(template: str, audit: Audit, rule: str, fingerprint: str) -> str:
    """The address where a finding can be disputed, its placeholders filled in, or ""."""
    s = audit.submission
    values = {"rule": rule, "folder": s.folder, "pr": str(s.pr or ""), "head": s.head, "fingerprint": fingerprint}
    for name, value in values.items():
        template = template.replace("{" + name + "}", _quote(value[:LONGEST]))
    return web_url(template)


def web_url(url: str) -> str:
    """The URL when it is a plain http(s) address that needs no escaping anywhere, else ""."""
    if not url.startswith(("https://", "http://")):
        return ""
    if any(not c.isascii() or not c.isprintable() or c in " <>\"'`()[]{}|\\^" for c in url):
        return ""
    return url.rstrip("/")
