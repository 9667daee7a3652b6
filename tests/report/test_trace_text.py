"""What a person reads of a trace: gates with the switch that opens them, looks, and settings that were chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auditor.cli_common import settings, trace_cache
from auditor.report.trace_text import trace_text
from auditor.submission.base import UsageError
from rules.place import Location
from rules.trace import Changed, Early, Gate, How, Look, Printed, Probe, Trace

RED = "\x1b[31m"
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


def test_losses_that_are_added_up_at_the_end_are_not_shown_as_made_late() -> None:
    number = Printed("val_bpb:1.2", 1.2, "bits per byte", 100, AT)
    early = Early(How.TRAINED, 100, 100, 1, 100, AT, AT)
    stayed = Probe(Changed.FUTURE, 61, 60)
    moved = Probe(Changed.ORDER, 101, 100, 68, 0.25, 33, 100)
    t = Trace("train_gpt.py", "landlock", "exit code 0", printed=(number,), headline=0, early=(early,))
    late = trace_text([("x", replace(t, probes=(stayed, moved)))], verbose=False, color=True)
    assert "; no probe bears it out" in late
    assert "added up late" in late
    assert RED not in late
    for probes in ((), (stayed, replace(moved, first=1)), (replace(stayed, moved=9, most=0.1), moved)):
        assert RED in trace_text([("x", replace(t, probes=probes))], verbose=False, color=True)


def test_weights_that_were_put_back_are_not_shown_as_a_fault() -> None:
    number = Printed("val_bpb:1.2", 1.2, "bits per byte", 100, AT)
    early = Early(How.TRAINED, 100, 100, 1, 100, AT, AT)
    stayed = (Probe(Changed.FUTURE, 61, 60), Probe(Changed.ORDER, 101, 100))
    t = Trace("train_gpt.py", "landlock", "exit code 0", printed=(number,), headline=0, early=(early,), probes=stayed)
    assert "; no probe bears it out" in trace_text([("x", t)], verbose=False, color=False)
    assert RED not in trace_text([("x", t)], verbose=False, color=True)
