"""Kept traces come back as they were, and only for the same run; what is damaged is made anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("numpy")

from auditor.trace import cache as caching
from auditor.trace.cache import Cache, default_folder, key, lasting, plain
from auditor.trace.execute import Job, Plan
from rules.place import Location
from rules.trace import Act, Closeup, Early, Gate, How, Look, Printed, Probe, Reduced, Stretch, Trace

AT = Location("train_gpt.py", 40, "total += x", 1)
TRACE = Trace(
    entry="train_gpt.py",
    sealed="landlock",
    ended="exit code 0",
    seconds=12.25,
    positions=4096,
    reduced=(Reduced("ITERATIONS", "20000", "4"),),
    printed=(Printed("val_bpb: 1.25", 1.25, "bits per byte", 4095, AT),),
    headline=0,
    early=(Early(How.TRAINED, 3, 4, 1, 3, AT, AT, None, True),),
    probes=(Probe("future", 61, 60, 59, 0.1 + 0.2, 1, 60),),
    timeline=(Stretch(1, 2, Act.SCORED, 0, 9, True),),
    watched=("train_gpt.py",),
    unrun=("train_gpt.py:3-4",),
    gates=(Gate(AT, "n > 9", "size", "trains", "at least 10 in n", ("A=1",), 3, 4),),
    given=("A=1",),
    closeups=(Closeup(0, 511, (Stretch(1, 1, Act.TRAINED, 3, 4, early=True),)),),
    looks=(Look(AT, "who traces it", "trains"),),
)
JOB = Job("train_gpt.py", {"train_gpt.py": b"x = 1", "helper.py": b"y"}, "x = 1", {"A": "1", "B": "2"}, ("--n", "3"))


@pytest.fixture(autouse=True)
def sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    from auditor.trace.sandbox import Mode

    monkeypatch.setattr(caching, "mode", lambda: Mode.LANDLOCK)


def made(cache: Cache, name: str, trace: Trace = TRACE) -> tuple[Trace, int, list[str]]:
    """(what comes, how often it was made, what was said)."""
    count: list[int] = []
    said: list[str] = []

    def make() -> Trace:
        count.append(1)
        return trace

    return replace(cache, warn=said.append).through(name, make), len(count), said


def test_a_trace_comes_back_as_it_was_and_says_of_which_date_it_is(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "deep" / "traces")
    assert made(cache, "k") == (TRACE, 1, [])
    again, count, said = made(cache, "k")
    assert (count, said) == (0, [])
    assert again.cached.startswith("20")
    assert replace(again, cached="") == TRACE
    assert [p.name for p in cache.folder.iterdir()] == ["k.json"], "no half-written file is left"
    assert made(cache, "other")[1] == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"positions":4096', b'"positions":4097'),
        lambda data: data.replace(b'"key":"k"', b'"key":"m"'),
        lambda data: data.replace(b'"made":"20', b'"made":"x0'),
        lambda data: data.replace(b'{"key"', b'{"more":1,"key"'),
        lambda data: b"[" * 100_000,
        lambda data: b"\x80\x04\x95 a pickle",
    ],
    ids=["empty", "torn", "another number", "another key", "no date", "more fields", "deep", "a pickle"],
)
def test_a_damaged_entry_is_made_anew_with_one_sentence(tmp_path: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    cache = Cache(tmp_path)
    made(cache, "k")
    path = cache.path("k")
    path.write_bytes(spoil(path.read_bytes()))
    trace, count, said = made(cache, "k")
    assert (trace, count) == (TRACE, 1)
    assert len(said) == 1
    assert "k.json is damaged and is made anew: " in said[0]
    assert made(cache, "k")[1:] == (0, [])


@pytest.mark.parametrize(
    "trace",
    [
        replace(TRACE, ended="ended by its wall limit"),
        replace(TRACE, probes=(Probe("future", 61, 0, problem="the changed run did not come to this number"),)),
        replace(TRACE, printed=(replace(TRACE.printed[0], value=float("inf")),)),
    ],
    ids=["limit", "compared in vain", "a number that JSON lacks"],
)
def test_what_may_come_out_otherwise_is_not_kept(tmp_path: Path, trace: Trace) -> None:
    cache = Cache(tmp_path)
    assert [made(cache, "k", trace)[1] for _ in range(2)] == [1, 1]
    assert lasting(TRACE)
    elsewhere = replace(TRACE.probes[0], problem="the changed run scored other positions before the cut")
    assert lasting(replace(TRACE, probes=(elsewhere,))), "which no limit did"


def test_probes_say_that_they_were_cut_short_in_the_words_that_are_looked_for() -> None:
    texts = [(Path(caching.__file__).parent / name).read_text() for name in ("probes.py", "sums.py")]
    assert all(caching.CUT_SHORT in text for text in texts)


def test_a_folder_that_cannot_be_written_to_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert made(Cache(tmp_path / "file" / "below"), "k")[:2] == (TRACE, 1)


def test_the_oldest_entries_go_first_and_use_makes_young(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for i, name in enumerate("abcd"):
        cache.write(name, TRACE)
        os.utime(cache.path(name), (1000 + i, 1000 + i))
    cache.read("a")
    size = cache.path("a").stat().st_size
    cache.shrink(2 * size)
    assert sorted(p.stem for p in tmp_path.iterdir()) == ["a", "d"]
    cache.shrink(0)
    assert [p.stem for p in tmp_path.iterdir()] == ["a"], "the newest stays, however large"


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, files={**JOB.files, "helper.py": b"z"}),
        replace(JOB, claimed={"A": "1", "B": "3"}),
        replace(JOB, arguments=("--n", "4")),
        replace(JOB, wall_s=61.0),
        replace(JOB, seed=1),
        replace(JOB, plan=Plan(widths=False)),
        replace(JOB, given={"A": "1"}),
        replace(JOB, text="x = 2"),
    ],
)
def test_another_run_has_another_key(other: Job) -> None:
    assert key(other, probing=True) != key(JOB, probing=True)


def test_the_same_run_has_the_same_key() -> None:
    same = replace(JOB, files=dict(reversed(list(JOB.files.items()))), claimed={"B": "2", "A": "1"})
    assert key(same, probing=True) == key(JOB, probing=True)
    assert key(JOB, probing=False) != key(JOB, probing=True)


def test_a_change_of_our_own_sources_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(JOB)
    monkeypatch.setattr(caching, "makers", lambda: (("sources", "other"),))
    assert key(JOB) != before


def test_what_has_no_name_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        plain(object())


def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "scorefirst" / "traces"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder().is_absolute()


def test_a_report_says_that_its_run_is_an_old_one() -> None:
    from auditor.report.trace_text import trace_text

    old = trace_text([("x", replace(TRACE, cached="2026-03-24 10:30+00:00"))], verbose=False, color=False)
    assert "from the cache: this run was made on 2026-03-24 10:30 UTC" in old
    assert "from the cache" not in trace_text([("x", TRACE)], verbose=False, color=False)
