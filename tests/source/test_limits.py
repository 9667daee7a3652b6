"""The walk may be stopped: by the processor time it takes, which another program's work does not use up."""

from __future__ import annotations

import time

import pytest

from auditor.source.config import Configuration
from auditor.source.follow import follow
from rules.evidence import Script

CODE = "total = 0\n" + "for i in range(10):\n    total = total + i * 2\n    print(total)\n" * 900


def entry(text: str) -> Script:
    return Script("train_gpt.py", role="entry", sha256="", size=len(text), text=text, shipped_text=text)


def test_what_was_found_before_the_limit_is_kept() -> None:
    p = follow(entry(CODE), (), Configuration(), seconds=0.0)
    assert not p.finished
    assert p.problem == "the code was not followed to its end: it takes more steps than are allowed"
    assert p.loops


def test_waiting_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(0, 10_000_000, 3600))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(hours)))
    assert follow(entry(CODE), (), Configuration()).finished
