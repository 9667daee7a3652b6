"""READMEs: what is read as this run's claim, and above all what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.claims import markdown
from auditor.claims.readme import read_readme
from rules.evidence import Number, Statement

FILE = "README.md"


def read(text: str) -> Statement:
    return read_readme(text.encode(), FILE)


def value(number: Number | None) -> float | None:
    return number.value if number else None


TYPICAL = """\
# Record: wide MLP and a late schedule

**val_bpb = 1.0456** (3-seed mean, std 0.0012) | **15.83 MB** | 8xH100 SXM | 600s train, 410s eval

## Results

| Seed | Steps | Pre-TTT bpb | **Post-TTT bpb** | Eval time | Artifact |
|------|-------|-------------|------------------|-----------|----------|
| 1 | 5,001 | 1.0712 | **1.0444** | 409s | 15,830,112 |
| **2** | 5,002 | 1.0720 | **1.0456** | 410s | 15,829,004 |
| 3 | 5,003 | 1.0731 | **1.0468** | 411s | 15,827,777 |
| **Mean** | | **1.0721** | **1.0456 ± 0.0012** | **410s** | |

Welch's t-test against the previous record: t = -9.2, p = 0.0004.

## Comparison with the previous record

| Run | Seed | val_bpb |
|-----|------|---------|
| theirs | 1 | 1.0999 |
| ours | 1 | 1.0444 |
"""


def test_a_typical_readme() -> None:
    s = read(TYPICAL)
    assert s.val_bpb
    assert (s.val_bpb.value, s.val_bpb.at.line, s.val_bpb.step) == (1.0456, 3, pytest.approx(1e-4))
    assert value(s.val_bpb_std) == 0.0012
    assert (value(s.total_bytes), value(s.train_seconds), value(s.eval_seconds)) == (15_830_000, 600, 410)
    assert [
        (x.seed, value(x.val_bpb), value(x.steps), value(x.total_bytes), value(x.eval_seconds)) for x in s.seeds
    ] == [
        (1, 1.0444, 5001, 15_830_112, 409),
        (2, 1.0456, 5002, 15_829_004, 410),
        (3, 1.0468, 5003, 15_827_777, 411),
    ]
    assert value(s.p_value) == 0.0004
    assert s.hardware
    assert s.hardware.value == "8xH100 SXM"
    assert s.name
    assert s.name.value == "Record: wide MLP and a late schedule"
    assert s.mebibytes == ()


@pytest.mark.parametrize(
    "line",
    [
        "**val_bpb: 1.0456**",
        "**val_bpb:** 1.0456",
        "val_bpb 1.0456 (mean of 3 seeds)",
        "**Mean val_bpb: 1.0456** (3 seeds)",
        "**Score:** `val_bpb = 1.0456`",
        "**val_bpb (3-seed mean) = 1.0456** | σ ≈ 0.0003",
        "**val\\_bpb: 1.0456** (sliding window, stride=64)",
        "**1.0456 BPB** (3-seed mean)",
        "**val_bpb = 1.0456** | Pre-TTT: 1.0712 | gain: -0.0256",
        "- **BPB**: 1.0456",
        "**val_loss: 1.8011 | val_bpb: 1.0456** | ~15.9 MB",
    ],
)
def test_forms_of_the_headline(line: str) -> None:
    assert value(read(f"# A model\n\n{line}\n\n## Why\n\nBecause.\n").val_bpb) == 1.0456


@pytest.mark.parametrize(
    "title",
    [
        "# Record: deep model — val_bpb 1.0456 (3-seed mean)",
        "# Deep model (val_bpb=1.0456)",
        "# 1.0456 BPB - deep model",
        "## Deep (val_bpb: 1.0456)",
    ],
)
def test_the_headline_may_stand_in_the_title(title: str) -> None:
    assert value(read(f"{title}\n\nA text.\n").val_bpb) == 1.0456


@pytest.mark.parametrize(
    "line",
    [
        "Merged SOTA (PR #1493): **1.0810 BPB**.",
        "**Baseline val_bpb: 1.2244**",
        "The previous record has val_bpb = 1.0810.",
        "Target: val_bpb = 1.04",
        "**Expected val_bpb: 1.0700**",
        "This gives -0.0150 BPB over the parent.",
        "An improvement of 0.0054 BPB.",
        "**val_bpb: ~1.85-1.90** (estimated)",
        "Pre-quant eval at stop: `val_loss:2.06 val_bpb:1.2172`",
        "Training stopped at step 3507/20000 with val_bpb:1.1016",
        "We reach 15.78 MB at 1.4 BPB below the rest.",
        "seed 42: val_bpb 1.0804",
        "spread of ± 0.0050 BPB",
    ],
)
def test_other_peoples_numbers_and_differences_are_no_headline(line: str) -> None:
    assert read(f"# A model\n\n{line}\n").val_bpb is None


def test_a_list_under_an_introduction_takes_its_meaning_from_it() -> None:
    text = "# A model\n\n## Results\n\nPre-quant metrics:\n\n- `val_bpb: 1.0456`\n\nFinal metrics:\n\n- `val_bpb: 1.0600`\n"
    assert value(read(text).val_bpb) == 1.06


def test_the_last_stage_is_the_headline_of_a_log_excerpt() -> None:
    text = """\
This folder holds one run.

## Key metrics
- Pre-quant eval at stop: `val_loss:2.0606`, `val_bpb:1.2172`
- Int6 roundtrip: `final_int6_roundtrip_exact val_bpb:1.2244`
- Sliding window: `final_int6_sliding_window_exact val_bpb:1.1999`
"""
    assert value(read(text).val_bpb) == 1.1999


def test_two_equal_candidates_leave_the_headline_open() -> None:
    text = "# Study\n\n## Results\n\n- val_bpb: 1.0456\n- val_bpb: 1.0600\n"
    assert read(text).val_bpb is None
    assert value(read(text.replace("1.0456", "**1.0456**")).val_bpb) == 1.0456


def test_ablation_tables_are_not_seed_results() -> None:
    text = "# Study\n\n## Ablations\n\n| Seed | val_bpb |\n|---|---|\n| 1 | 1.2 |\n| 2 | 1.3 |\n"
    assert read(text).seeds == ()


def test_a_seed_named_twice_with_two_values_is_a_table_of_variants() -> None:
    text = (
        "# Study\n\n## Results\n\n| Config | Seed | val_bpb |\n|---|---|---|\n| a | 1 | 1.2000 |\n| b | 1 | 1.3000 |\n"
    )
    assert read(text).seeds == ()


def test_the_column_that_reproduces_the_headline_is_taken() -> None:
    table = "| Seed | Sliding BPB | TTT BPB |\n|---|---|---|\n| 1 | 1.0896 | 1.0889 |\n| 2 | 1.0915 | 1.0907 |\n| Mean | 1.0906 | 1.0898 |\n"
    for claim, expected in (("1.0898", [1.0889, 1.0907]), ("1.0906", [1.0896, 1.0915])):
        s = read(f"# M\n\n**val_bpb: {claim}**\n\n## Results\n\n{table}")
        assert [value(x.val_bpb) for x in s.seeds] == expected


def test_without_headline_two_unclear_columns_leave_the_claim_open() -> None:
    text = "# M\n\n## Results\n\n| Seed | Foo BPB | Bar BPB |\n|---|---|---|\n| 1 | 1.0896 | 1.0889 |\n| 2 | 1.0915 | 1.0907 |\n"
    assert all(x.val_bpb is None for x in read(text).seeds)


def test_the_mean_row_is_the_headline_when_nothing_else_is() -> None:
    text = "# M\n\n## Results\n\n| Seed | val_bpb |\n|---|---|\n| 1 | 1.0444 |\n| 2 | 1.0468 |\n| **Mean** | **1.0456** |\n| **Std** | **0.0012** |\n"
    s = read(text)
    assert (value(s.val_bpb), value(s.val_bpb_std)) == (1.0456, 0.0012)


def test_seeds_in_columns() -> None:
    text = """\
# M

## Results

| Metric | Seed 1 | Seed 2 | Mean |
|---|---|---|---|
| val_bpb | 1.0444 | 1.0468 | 1.0456 |
| Artifact bytes | 15,830,112 | 15,829,004 | |
| Pre-quant val_bpb | 1.0300 | 1.0310 | 1.0305 |
"""
    s = read(text)
    assert [(x.seed, value(x.val_bpb), value(x.total_bytes)) for x in s.seeds] == [
        (1, 1.0444, 15_830_112),
        (2, 1.0468, 15_829_004),
    ]
    assert value(s.val_bpb) == 1.0456


def test_seeds_in_a_list() -> None:
    text = "# M\n\n**val_bpb: 1.0456**\n\n## Runs\n\n- **Seed 1:** 1.0444 BPB\n- **Seed 2:** 1.0468 BPB\n"
    assert [(x.seed, value(x.val_bpb)) for x in read(text).seeds] == [(1, 1.0444), (2, 1.0468)]
    assert read(text.replace("1.0456", "0.9000")).seeds == ()


def test_sizes_and_times_in_lists_and_tables() -> None:
    text = """\
# M

## Results

- Code size: `61,204 bytes`
- Total submission size int6+zstd: 15,912,344 bytes
- Train time: `599983ms` (`step_avg:81.2ms`)

| Metric | Value |
|---|---|
| Eval time | 8.5 min |
| Model size | 15,851,140 bytes |
| Wallclock cap | 700s |
"""
    s = read(text)
    assert (value(s.code_bytes), value(s.total_bytes), value(s.model_bytes)) == (61_204, 15_912_344, 15_851_140)
    assert value(s.train_seconds) == pytest.approx(599.983)
    assert value(s.eval_seconds) == 510


@pytest.mark.parametrize(
    "line",
    [
        "- Artifact: 15,990,001–15,995,000 bytes",
        "- **Artifact ≤ 16,000,000 bytes**: all seeds",
        "- Artifact: <16 MB",
        "- Compressed artifact: 15,443,775 bytes",
        "- Artifact: 15,443,775 bytes (int6+zstd)",
        "- Headroom: 120,000 bytes",
        "- Peak memory: 22,060 MiB",
        "- Previous artifact size: 15,443,775 bytes",
    ],
)
def test_what_is_no_statement_of_the_total(line: str) -> None:
    assert read(f"# M\n\n## Results\n\n{line}\n").total_bytes is None


def test_mebibytes_are_pointed_out() -> None:
    written = read("# M\n\n**Artifact size:** 15.13 MiB\n")
    assert value(written.total_bytes) == pytest.approx(15.13 * 1_048_576)
    assert [p.line for p in written.mebibytes] == [3]
    guessed = read("# M\n\n- Artifact: 15.74 MB (`16,507,081 bytes`)\n")
    assert [p.line for p in guessed.mebibytes] == [3]
    assert read("# M\n\n- Artifact: 16.51 MB (16,507,081 bytes)\n").mebibytes == ()


@pytest.mark.parametrize(
    ("line", "p"),
    [
        ("One-sided t-test: t=16.0, **p < 0.001**", 0.001),
        ("Welch's t = -4.2, one-sided p = 1.2e-5", 1.2e-5),
        ("The rules require 0.005 nats at p < 0.01.", None),
        ("- [ ] Run three seeds (p < 0.01)", None),
        ("- Statistical significance (p < 0.01)", None),
        ("The blend uses P = 0.88 × P_model, improved.", None),
        ("Does not meet p < 0.01 with three seeds.", None),
    ],
)
def test_p_values(line: str, p: float | None) -> None:
    assert value(read(f"# M\n\n{line}\n").p_value) == p


def test_validation_tokens() -> None:
    assert value(read("# M\n\n- `val_tokens: 40,540,160`\n").val_tokens) == 40_540_160
    assert value(read("# M\n\nAll 47,851,520 scored tokens count.\n").val_tokens) == 47_851_520


def test_people_and_track() -> None:
    s = read(
        "# M\n\n**Author:** [@ada](https://example.org/ada) | **Track:** `non_record` | **Date:** 2026-04-01\n\n- GitHub: @ada\n"
    )
    assert s.author
    assert s.track
    assert s.date
    assert s.github_id
    assert (s.author.value, s.track.value, s.date.value, s.github_id.value) == (
        "ada",
        "non_record",
        "2026-04-01",
        "ada",
    )


def test_code_blocks_are_not_prose() -> None:
    text = "# M\n\n```\nval_bpb: 1.2\n| Seed | val_bpb |\n|---|---|\n| 1 | 1.2 |\n```\n"
    s = read(text)
    assert (s.val_bpb, s.seeds) == (None, ())


def test_tables_keep_lines_and_clean_cells() -> None:
    text = markdown.read(b"# A\n## B\n\n| **X** | `y` |\n|:--|--:|\n| [l](http://e.org) | a\\|b |\n", FILE)
    (table,) = text.tables
    assert table.header == ("X", "y")
    assert table.rows == ((6, ("l", "a|b")),)
    assert table.headings == ("A", "B")


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            "# ",
            "val_bpb",
            ": ",
            "**",
            "1.0456",
            "| ",
            "|---|---|",
            "\n",
            "Seed",
            "42",
            "±",
            " MB",
            "`",
            "```",
            "- ",
            "p = ",
            "0.001",
            "mean",
            "train",
            "600s",
            " ",
        ]
    )
    | st.text(max_size=6),
    max_size=60,
)


@given(FRAGMENTS)
def test_no_text_makes_the_reader_raise(parts: list[str]) -> None:
    s = read("".join(parts))
    assert s.val_bpb is None or 0 < s.val_bpb.value < 20


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    assert read_readme(data, FILE).file == FILE
