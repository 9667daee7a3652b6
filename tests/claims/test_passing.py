"""Single settings that a log states in passing, and how its lines begin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auditor.claims.logs import runs_in
from auditor.claims.logs.passing import MAX_STARTS, line_start, pairs, same_value
from auditor.claims.logs.settings import inline
from rules.evidence import Run


def log(*lines: str) -> Run:
    steps = [f"step:{i * 100}/900 train_loss:{4 - i / 10:.4f} train_time:{i}000ms" for i in range(1, 4)]
    text = "\n".join(["seed:7", "world_size:8", *steps, *lines, "final_exact val_loss:2.10000000 val_bpb:1.24000000"])
    (run,) = runs_in(text.encode(), "train.log")
    return run


def test_a_prefix_goes_before_short_names() -> None:
    assert dict(pairs("ttt:start lr=0.002 ttt_epochs=3 freeze=head")) == {
        "ttt_lr": "0.002",
        "ttt_epochs": "3",
        "ttt_ttt_epochs": "3",
        "ttt_freeze": "head",
    }
    assert dict(pairs("cache:order=7 alpha=0.25")) == {"cache_order": "7", "cache_alpha": "0.25"}
    assert dict(pairs("cache:enabled")) == {"cache_enabled": "True"}
    assert dict(pairs("cache:disabled (no tables)")) == {"cache_enabled": "False"}


def test_words_without_a_prefix_give_no_short_names() -> None:
    assert dict(pairs("adapting with lr=0.1 and chunk_size=64")) == {"chunk_size": "64"}


def test_measured_figures_progress_and_advice_are_no_settings() -> None:
    assert not dict(pairs("ttt:chunk 3/90 lr=0.002"))
    assert not dict(pairs("ttt:done val_loss=2.1 elapsed=30 wall_time=3.2"))
    assert not dict(pairs("hint: set TTT_ENABLED=1 to adapt"))
    assert not dict(pairs("cache_rows: int, other_rows: Tensor"))


def test_facts_stand_beside_the_dump_with_their_line() -> None:
    run = log("ttt:start lr=0.002 epochs=3")
    assert run.facts["ttt_epochs"].value == "3"
    assert run.facts["ttt_epochs"].at.line == 6
    assert "ttt_epochs" not in run.settings


def test_a_name_with_two_values_is_no_setting() -> None:
    run = log("ttt:go lr=0.002 epochs=3", "ttt:go lr=0.001 epochs=3.0")
    assert "ttt_lr" not in run.facts
    assert run.facts["ttt_epochs"].value == "3"


def test_a_dump_is_read_whole_and_outranks_lines_before_it() -> None:
    text = "\n".join(
        (
            "launch wide=1",
            "depth:4",
            "Hyperparameters:",
            "  depth: 9",
            "  ttt_chunk_tokens: 4096",
            "  ttt_epochs: 2",
            "step:1/2 train_loss:4.0 train_time:10ms",
            "step:2/2 train_loss:3.9 train_time:20ms",
            "step:2/2 val_loss:3.1 val_bpb:1.9",
        )
    )
    (run,) = runs_in(text.encode(), "train.log")
    assert {k: v.value for k, v in run.settings.items()} == {
        "depth": "9",
        "ttt_chunk_tokens": "4096",
        "ttt_epochs": "2",
    }


def test_dumps_as_python_shows_them() -> None:
    for line in (
        "Namespace(depth=9, mode='two, three', sizes=[1, 2], fast=True)",
        "config: {'depth': 9, 'mode': 'two, three', 'sizes': [1, 2], 'fast': True}",
    ):
        run = next(iter(runs_in(f"{line}\nseed:3\nfinal val_loss:2.1 val_bpb:1.3 eval_time:5ms".encode(), "t.log")))
        dumped = {k: v.value for k, v in run.settings.items() if k != "seed"}
        assert dumped == {"depth": "9", "mode": "two, three", "sizes": "[1, 2]", "fast": "True"}


def test_a_dictionary_of_results_is_no_dump() -> None:
    line = "{'step': 3, 'train_loss': 3.1, 'lr': 0.1, 'batch': 64, 'depth': 9}"
    assert not list(inline(line))


def test_beginnings_tell_which_phases_ran() -> None:
    run = log("ttt_chunk [1/9] bpb=1.2", "ttt_chunk [2/9] bpb=1.1", "[rank0]: Adapting 12 documents")
    assert "ttt_chunk [/] bpb=." in run.starts
    assert "adapting  documents" in run.starts
    assert sum(s.startswith("ttt_chunk") for s in run.starts) == 1


def test_beginnings_are_bounded_and_keep_both_ends() -> None:
    names = ["".join(chr(97 + (i // 26**k) % 26) for k in range(3)) for i in range(3_000)]
    run = log(*(f"word {n}" for n in names), "the last phase")
    assert len(run.starts) == MAX_STARTS
    assert run.starts[0] == "seed:"
    assert "the last phase" in run.starts


@given(st.text(max_size=300))
def test_beginnings_are_stable(text: str) -> None:
    start = line_start(text)
    assert line_start(start) == start
    assert len(start) <= 48
    assert not any(c in "0123456789" for c in start)


@given(st.text(max_size=3_000))
def test_any_line_gives_names_in_lower_case(text: str) -> None:
    assert all(name == name.lower() and value for name, value in pairs(text))


def test_values_written_in_different_ways_are_equal() -> None:
    assert same_value("1", "True")
    assert same_value("5e-4", "0.0005")
    assert same_value("off", "0")
    assert same_value("enabled", "1")
    assert same_value(" 'adam' ", "Adam")
    assert not same_value("1", "2")
    assert not same_value("adam", "sgd")
    assert not same_value("", "0")
