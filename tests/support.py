"""Submissions made of texts in memory, for tests of everything behind the resolver."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.submission.base import Submission, Unreadable
from rules.evidence import FileFact, Package, Track

FOLDERS = {
    Track.RECORD: "records/track_10min_16mb/2026-03-24_Example",
    Track.NON_RECORD: "records/track_non_record_16mb/2026-03-24_Example",
    Track.UNKNOWN: "somewhere/2026-03-24_Example",
}


def submission(
    files: Mapping[str, str | bytes],
    track: Track = Track.RECORD,
    date: str = "2026-03-24T12:00:00+00:00",
    outside: tuple[str, ...] = (),
    **package: object,
) -> Submission:
    """A record folder with these files, as if added by one commit on that date."""
    data = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}

    def read(path: str) -> bytes:
        if path not in data:
            raise Unreadable(f"{path}: no such file")
        return data[path]

    facts = tuple(FileFact(name, size=len(content), change="A") for name, content in sorted(data.items()))
    fields: dict[str, object] = {
        "folder": FOLDERS[track],
        "head": "0123456789abcdef0123456789abcdef01234567",
        "source": "memory",
        "date": date,
        "created": date,
        "track": track,
        "files": facts,
        "outside": outside,
    }
    return Submission(Package(**(fields | package)), read)  # type: ignore[arg-type]
