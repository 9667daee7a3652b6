"""What a person reads of a trace: gates with the switch that opens them, looks, and settings that were chosen."""

from __future__ import annotations

import pytest

from auditor.cli import settings, trace_cache
from auditor.report.trace_text import trace_text
from auditor.submission.base import UsageError
from rules.place import Location
from rules.trace import Gate, Look, Trace

AT = Location("train_gpt.py", 40)
GATES = tuple(
    Gate(Location("train_gpt.py", n), "n > 9", "setting", "trains", "A=1", ("A=1",), n, n + 1) for n in range(12)
)


def said(verbose: bool = False) -> str:
    t = Trace(
        "train_gpt.py", "landlock", "exit code 0", gates=GATES, looks=(Look(AT, "who traces it"),), given=("B=2",)
    )
    return trace_text([("x", t)], verbose=verbose, color=False)


def test_gates_looks_and_given_settings_are_shown() -> None:
    text = said()
    assert "set for this run: B=2" in text
    assert "look: at train_gpt.py:40 it looks at who traces it" in text
    assert "did not run: lines 3 to 4 (trains) behind “n > 9” at train_gpt.py:3; it would take A=1; --set A=1" in text
    assert "4 more that did not run: -v shows them" in text
    assert said(verbose=True).count("did not run: lines") == len(GATES)


def test_settings_of_the_command_line() -> None:
    assert settings(["A=1", "B=x=y", "C="]) == {"A": "1", "B": "x=y", "C": ""}
    for wrong in ("A", "=1", "a b=1", "SCOREFIRST_LEDGER=3", "A=\0"):
        with pytest.raises(UsageError):
            settings([wrong])


def test_a_folder_for_no_cache_is_an_error(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert trace_cache(None, True) is None
    with pytest.raises(UsageError):
        trace_cache(tmp_path, True)


def test_ways_to_build_a_model_are_shown_only_when_asked_for() -> None:
    gate = Gate(AT, "not tied", "setting", "changes probabilities or losses", "TIED=0", ("TIED=0",), 41, 42)
    t = Trace("train_gpt.py", "landlock", "exit code 0", gates=(gate,))
    assert "did not run: lines" not in trace_text([("x", t)], verbose=False, color=False)
    assert "did not run: lines 41 to 42" in trace_text([("x", t)], verbose=True, color=False)
