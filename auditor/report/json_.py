"""The audit for programs: JSON by the contract, its schema, and the way back.

The output is ASCII: whatever a submission holds is kept exactly but escaped, so that the file can
be shown on a terminal. A float that is no finite number (a log may say `nan`) is written as null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from auditor.audit import Audit
from auditor.report import contract
from auditor.report.options import DEFAULT, Options

SCHEMA_FILE = Path(__file__).parent / "schema" / f"audit-{contract.VERSION}.schema.json"

# The floats that may come out of a log, and so may be NaN or infinite; null then.
_FLOATS = {"Number": ("value", "step"), "Comparison": ("margin", "gain")}
_KEYS = {"Number": {"value", "at", "step"}, "Comparison": {"baseline", "margin", "gain"}}


def render(audits: Sequence[Audit], options: Options = DEFAULT) -> str:
    """One object for one folder, a list for several (or none)."""
    documents = [to_object(a, options.keep_evidence) for a in audits]
    data = documents[0] if len(documents) == 1 else documents
    # `##[` would be a command to a CI runner that prints the file; the escape means the same text.
    return json.dumps(data, indent=2, ensure_ascii=True, allow_nan=False).replace("##[", "##\\u005b") + "\n"


def to_object(audit: Audit, keep_evidence: bool = False) -> dict[str, Any]:
    """One audit as the plain object of the contract."""
    return dict(_plain(msgspec.to_builtins(contract.document(audit, keep_evidence))))


def load(text: str | bytes) -> tuple[Audit, ...]:
    """The audits in a document, e.g. those of an earlier commit. Raises ValueError for other JSON."""
    data = json.loads(text)
    documents = data if isinstance(data, list) else [data]
    for d in documents:
        version = d.get("schema_version") if isinstance(d, dict) else None
        if not isinstance(version, str) or version.split(".")[0] != contract.VERSION.split(".")[0]:
            raise ValueError(f"not an audit of version {contract.VERSION}: schema_version is {version!r}")
        _revive(d.get("evidence"))
    return tuple(contract.audit(msgspec.convert(d, contract.Document)) for d in documents)


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what `render` writes."""
    (top,), parts = msgspec.json.schema_components([contract.Document], ref_template="#/$defs/{name}")
    for name, fields in _FLOATS.items():
        for f in fields:
            parts[name]["properties"][f] = {**parts[name]["properties"][f], "type": ["number", "null"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:scorefirst:audit:{contract.VERSION}",
        "title": f"scorefirst audit, version {contract.VERSION}",
        "description": "One record folder gives one document, several give a list of them.",
        "anyOf": [top, {"type": "array", "items": top}],
        "$defs": dict(sorted(parts.items())),
    }


def schema_text() -> str:
    """The schema as it stands in `SCHEMA_FILE`; a test holds the two equal."""
    return json.dumps(schema(), indent=2, ensure_ascii=True) + "\n"


def _plain(value: Any) -> Any:
    """Without lone surrogates, which no UTF-8 file can hold, and without NaN, which no JSON can."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_plain(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _revive(value: Any) -> None:
    """Turn the null of a float back into NaN, in place."""
    if isinstance(value, dict):
        for name, keys in _KEYS.items():
            if keys <= value.keys():
                value.update({f: math.nan for f in _FLOATS[name] if value[f] is None})
        for v in value.values():
            _revive(v)
    elif isinstance(value, list):
        for v in value:
            _revive(v)
