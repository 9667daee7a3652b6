"""Laws of the log reader: no bytes make it raise, and the form of the file does not change what it says."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.claims.logs import read_run, read_runs, runs_in
from auditor.claims.logs.figures import LITERAL, figure
from auditor.claims.logs.text import bare, decode, skipped, split
from rules.evidence import Location, Run
from tests.claims.test_logs import BANNER, BASE, DUMP, ROUNDTRIP, SIZES, SLIDING, SOURCE

TEXT = SOURCE + BANNER + BASE + SIZES + ROUNDTRIP + SLIDING
FRAGMENTS = st.sampled_from(
    [
        *(BASE + SIZES + DUMP).split("\n"),
        *SOURCE.split("\n"),
        "=" * 100,
        "seed:",
        "val_bpb:",
        "nan",
        "\x1b[31m",
        "\r",
        "0e999",
    ]
)


def facts(r: Run | None) -> tuple[object, ...]:
    """What a run says, without the quoted lines."""
    assert r is not None
    numbers = (r.seed, r.val_tokens, r.train_shards, r.params, r.world_size, r.steps, r.cap_seconds, r.train_seconds)
    sizes = (r.code_bytes, r.model_bytes, r.total_bytes)
    return (
        *((n.value, n.step, n.at.line) if n else None for n in (*numbers, *sizes)),
        r.final,
        tuple(
            (e.name, e.training, e.val_bpb and e.val_bpb.value, e.val_bpb and e.val_bpb.at.line) for e in r.evaluations
        ),
        tuple((p.kind, p.name, p.seconds.value, p.stage) for p in r.phases),
        tuple((k, w.value) for k, w in r.settings.items()),
    )


@given(st.binary(max_size=2_000))
@settings(max_examples=60, deadline=None)
def test_never_raises_on_bytes(data: bytes) -> None:
    assert isinstance(runs_in(data, "x.log"), tuple)
    assert isinstance(read_runs([("x.log", data), ("y.log", data)]), tuple)


@given(st.lists(st.one_of(FRAGMENTS, st.text(max_size=60)), max_size=60))
@settings(max_examples=80, deadline=None)
def test_never_raises_on_pieces_of_logs_and_lines_are_true(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    lines = decode(text.encode("utf-8", "replace"))[0].split("\n")
    for r in runs_in(text.encode("utf-8", "replace"), "x.log"):
        numbers = [r.seed, r.val_tokens, r.params, r.steps, r.train_seconds, r.total_bytes, r.code_bytes, r.world_size]
        numbers += [n for e in r.evaluations for n in (e.val_bpb, e.val_loss, e.seconds)]
        for n in numbers:
            if n is not None and n.at.line is not None:
                assert 1 <= n.at.line <= len(lines)
        assert -1 <= r.final < len(r.evaluations)


@given(st.from_regex(LITERAL, fullmatch=True))
@settings(max_examples=80, deadline=None)
def test_figure_is_within_half_a_digit_of_what_was_written(literal: str) -> None:
    n = figure(literal, Location("x"))
    if n is not None:
        assert n.step > 0
        assert abs(n.value) <= 1e18


@pytest.mark.parametrize("text", [TEXT, DUMP])
def test_line_ends_and_colours_change_nothing(text: str) -> None:
    plain = facts(read_run(text.encode(), "a.log"))
    assert facts(read_run(text.replace("\n", "\r\n").encode(), "a.log")) == plain
    coloured = "\n".join(f"\x1b[32m{line}\x1b[0m" if line[:1].isalpha() else line for line in text.split("\n"))
    assert facts(read_run(coloured.encode(), "a.log")) == plain


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings(codec: str) -> None:
    plain, other = read_run(TEXT.encode(), "a.log"), read_run(TEXT.encode(codec), "a.log")
    assert facts(other) == facts(plain)
    assert other is not None
    assert bool(other.problems) is codec.startswith("utf-16")


def test_bytes_that_are_no_utf8_are_named() -> None:
    r = read_run(TEXT.encode() + b"\xff\xfe caf\xe9\n", "a.log")
    assert r is not None
    assert any("not UTF-8" in p for p in r.problems)


@pytest.mark.parametrize(
    "prefix",
    [
        "[rank0]:",
        "[rank0]: ",
        "[default0]:",
        "2026-04-30T20:17:34Z ",
        "2026-04-30 20:17:34,123 ",
        "[05:06:13] ",
        "1776143369.509 ",
        "[train] ",
    ],
)
def test_prefixes(prefix: str) -> None:
    text = "".join(f"{prefix}{line}\n" for line in (BASE + SIZES + SLIDING).splitlines())
    assert (
        facts(read_run(text.encode(), "a.log"))[:11] == facts(read_run((BASE + SIZES + SLIDING).encode(), "a.log"))[:11]
    )
    dumped = "".join(f"{prefix}{line}\n" for line in DUMP.splitlines())
    r = read_run(dumped.encode(), "a.log")
    assert r is not None
    assert r.settings["mlp_mult"].value == "4.0"
    assert {p.name for p in r.phases} >= {"Deserialize: decompression done", "ttt_lora:compile warmup done"}


def test_progress_bar_pieces_share_a_line() -> None:
    bar = "sliding_eval [ 1.0%] running_bpb=9.9\rsliding_eval [99.0%] running_bpb=9.8\r"
    r = read_run((BASE + SIZES + bar + SLIDING).encode(), "a.log")
    assert r is not None
    assert r.result is not None
    assert r.result.val_bpb is not None
    assert r.result.val_bpb.at.line == (BASE + SIZES).count("\n") + 2
    assert all(e.val_bpb and e.val_bpb.value < 9 for e in r.evaluations)


def test_glued_ranks() -> None:
    glued = "ttt_sliding:done val_loss=1.733333 val_bpb=1.026611 elapsed=498.3s" * 3
    r = read_run((BASE + SIZES + glued + "\n").encode(), "a.log")
    assert r is not None
    assert r.result is not None
    assert r.result.val_bpb is not None
    assert (r.result.val_bpb.value, r.result.seconds and r.result.seconds.value) == (1.026611, 498.3)


def test_source_region_covers_all_of_the_program_and_nothing_else() -> None:
    head = "nohup: ignoring input\n\n"
    lines = split(head + SOURCE + BANNER + BASE)
    (region,) = skipped(lines)
    assert region == (2, 2 + SOURCE.count("\n"))
    assert lines[region[1]].startswith("====")
    assert list(skipped(split(BASE + SIZES + SLIDING + DUMP))) == []


def test_bare_keeps_what_is_no_prefix() -> None:
    assert bare("0/20000 val_loss: 9.0") == "0/20000 val_loss: 9.0"
    assert bare("  [rank3]: [05:06:13] seed:1 ") == "seed:1"


@pytest.mark.parametrize(
    "block",
    [
        "import x\nfoo bar\n",
        "step:0/9 val_loss:1.0 val_bpb:1.0\nfinal val_loss:1.0 val_bpb:1.1 \n",
        "total submission size " * 25 + "\n",
        "val_bpb" + "a_" * 700 + "\n",
        "val_loader:" * 300 + "\n",
        "val_bpb=1.0 ",
        "a",
        "\0",
    ],
)
def test_hostile_repetition_is_linear(block: str) -> None:
    size = 150_000
    start = time.process_time()
    runs_in((block * (size // len(block))).encode(), "x.log")
    assert time.process_time() - start < 2.5
