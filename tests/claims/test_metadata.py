"""submission.json in the many ways in which it is written, and in the ways in which it is broken."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.claims import lenient_json
from auditor.claims.lenient_json import Node
from auditor.claims.metadata import Use, read_metadata, tally, uses
from rules.evidence import Number, Statement

FILE = "submission.json"


def read(value: Any) -> Statement:
    return read_metadata(json.dumps(value, indent=1).encode(), FILE)


def value(number: Number | None) -> float | None:
    return number.value if number else None


# --- well-formed files -------------------------------------------------------------------------


def test_the_plain_form() -> None:
    s = read(
        {
            "author": "Ada Example",
            "github_id": "ada-x",
            "name": "Wide and shallow",
            "date": "2026-04-02",
            "track": "10min_16mb",
            "val_loss": 1.8012,
            "val_bpb": 1.06682,
            "bytes_total": 15_912_344,
            "bytes_code": 61_204,
            "bytes_model_int6_zstd": 15_851_140,
            "training_time_seconds": 599,
            "eval_time_seconds": 412.5,
            "hardware": "8xH100 SXM",
        }
    )
    assert (value(s.val_bpb), value(s.val_loss)) == (1.06682, 1.8012)
    assert (value(s.total_bytes), value(s.code_bytes), value(s.model_bytes)) == (15_912_344, 61_204, 15_851_140)
    assert (value(s.train_seconds), value(s.eval_seconds)) == (599, 412.5)
    assert s.author
    assert s.name
    assert (s.author.value, s.name.value) == ("Ada Example", "Wide and shallow")
    assert s.hardware
    assert s.hardware.value == "8xH100 SXM"
    assert s.problems == ()


def test_a_number_carries_its_line_and_its_precision() -> None:
    s = read_metadata(b'{\n  "name": "x",\n  "val_bpb": 1.0720,\n  "artifact_bytes": 15530000\n}', FILE)
    assert s.val_bpb
    assert (s.val_bpb.at.file, s.val_bpb.at.line, s.val_bpb.at.text) == (FILE, 3, '"val_bpb": 1.0720,')
    assert s.val_bpb.step == pytest.approx(1e-4)
    assert s.total_bytes
    assert s.total_bytes.step == 10_000  # closing zeros: written from "15.53 MB"


def test_seed_results_of_bare_numbers() -> None:
    s = read(
        {
            "val_bpb": 1.0622,
            "seeds": [7],
            "seed_results": {"7": 1.0622},
            "artifact_bytes": 15_530_000,
            "eval_time_seconds": 845,
        }
    )
    assert [(x.seed, value(x.val_bpb)) for x in s.seeds] == [(7, 1.0622)]
    assert value(s.eval_seconds) == 845


def test_parallel_lists_take_their_seeds_from_the_list_of_seeds() -> None:
    s = read(
        {
            "val_bpb": 1.03,
            "val_bpb_std": 0.005,
            "seeds": [11, 12, 13],
            "seed_bpbs": [1.025, 1.03, 1.035],
            "artifact_bytes_max": 15_857_971,
        }
    )
    assert [(x.seed, value(x.val_bpb)) for x in s.seeds] == [(11, 1.025), (12, 1.03), (13, 1.035)]
    assert value(s.val_bpb_std) == 0.005
    assert value(s.total_bytes) == 15_857_971


def test_lists_of_different_length_are_not_paired() -> None:
    s = read({"val_bpb": 1.03, "seeds": [11, 12], "seed_bpbs": [1.025, 1.03, 1.035]})
    assert [x.seed for x in s.seeds] == [None, None, None]


def test_seeds_as_an_object_of_objects() -> None:
    entry = {
        "val_bpb": 1.1,
        "val_loss": 1.9,
        "steps": 7001,
        "artifact_bytes": 15_500_001,
        "train_time_ms": 599_883,
        "eval_time_s": 77.5,
    }
    s = read({"val_bpb": 1.1, "seeds": {"5": entry}})
    (seed,) = s.seeds
    assert seed.seed == 5
    assert [value(n) for n in (seed.val_bpb, seed.val_loss, seed.steps, seed.total_bytes)] == [
        1.1,
        1.9,
        7001,
        15_500_001,
    ]
    assert value(seed.train_seconds) == pytest.approx(599.883)
    assert value(seed.eval_seconds) == 77.5


@pytest.mark.parametrize(
    "form",
    [
        {"seed_results": [{"seed": 3, "val_bpb": 1.2}, {"seed": 4, "val_bpb": 1.4}]},
        {"seed_3": {"val_bpb": 1.2}, "seed_4": {"val_bpb": 1.4}},
        {"results": {"seed_3": {"bpb": 1.2}, "seed_4": {"bpb": 1.4}}},
        {"val_bpb_seeds": {"3": 1.2, "4": 1.4}},
        {"val_bpb_seed3": 1.2, "val_bpb_seed4": 1.4},
        {"per_seed": {"3": {"val_bpb": "1.2"}, "4": {"val_bpb": "1.4"}}},
        {"seeds": [{"seed": "3", "final_bpb": 1.2}, {"seed": "4", "final_bpb": 1.4}]},
    ],
)
def test_forms_of_per_seed_results(form: dict[str, Any]) -> None:
    s = read({"val_bpb": 1.3, **form})
    assert [(x.seed, value(x.val_bpb)) for x in s.seeds] == [(3, 1.2), (4, 1.4)]


def test_the_stage_that_reproduces_the_headline_is_the_claim() -> None:
    rows = {"1": {"roundtrip_bpb": 1.11, "ttt_bpb": 1.07}, "2": {"roundtrip_bpb": 1.13, "ttt_bpb": 1.09}}
    assert [value(x.val_bpb) for x in read({"val_bpb": 1.08, "seed_results": rows}).seeds] == [1.07, 1.09]
    assert [value(x.val_bpb) for x in read({"val_bpb": 1.12, "seed_results": rows}).seeds] == [1.11, 1.13]


def test_maps_by_seed_are_merged() -> None:
    s = read(
        {
            "val_bpb": 1.1,
            "seeds": {"1": 1.09, "2": 1.11},
            "artifact_bytes": {"1": 15_000_001, "2": 15_000_002},
            "eval_time_seconds": {"1": 61, "2": 62},
        }
    )
    assert [(x.seed, value(x.total_bytes), value(x.eval_seconds)) for x in s.seeds] == [
        (1, 15_000_001, 61),
        (2, 15_000_002, 62),
    ]


@pytest.mark.parametrize(
    "key",
    ["val_bpb", "mean_val_bpb", "val_bpb_mean", "bpb", "score", "final_val_bpb", "three_seed_mean_bpb", "ttt_val_bpb"],
)
def test_spellings_of_the_headline(key: str) -> None:
    assert value(read({key: 1.0456}).val_bpb) == 1.0456


def test_the_headline_is_val_bpb_before_its_mean_and_never_an_earlier_stage() -> None:
    s = read(
        {
            "pre_quant_val_bpb": 1.05,
            "mean_val_bpb": 1.072,
            "val_bpb": 1.071,
            "post_ema_val_bpb": 1.06,
            "val_bpb_roundtrip": 1.09,
        }
    )
    assert value(s.val_bpb) == 1.071
    assert read({"pre_quant_val_bpb": 1.05, "val_bpb_pre_ttt": 1.06}).val_bpb is None


def test_an_empty_headline_is_not_replaced_by_another_stage() -> None:
    assert read({"val_bpb": None, "sliding_val_bpb": 1.09}).val_bpb is None
    assert read({"val_bpb": "pending", "quantized_val_bpb": 1.09}).val_bpb is None


@pytest.mark.parametrize(
    "foreign",
    [
        {"baseline_val_bpb": 1.22},
        {"comparison": {"val_bpb": 1.22}},
        {"ablation_runs": [{"seed": 1, "val_bpb": 1.22}]},
        {"delta_vs_sota_bpb": -0.01},
        {"original_seed_results_retracted": {"1": {"val_bpb": 0.9}}},
        {"config": {"val_bpb": 1.22, "eval_time_seconds": 5}},
    ],
)
def test_numbers_of_others_are_left_alone(foreign: dict[str, Any]) -> None:
    s = read(foreign)
    assert (s.val_bpb, s.seeds, s.eval_seconds) == (None, (), None)


def test_results_under_a_neutral_container_count() -> None:
    s = read({"results": {"val_bpb": 1.09, "artifact_bytes": 15_111_222}, "timing": {"train_seconds": 598.2}})
    assert (value(s.val_bpb), value(s.total_bytes), value(s.train_seconds)) == (1.09, 15_111_222, 598.2)


def test_max_wallclock_is_a_setting() -> None:
    assert read({"max_wallclock_seconds": 600, "val_bpb": 1.1}).train_seconds is None


def test_units_in_keys() -> None:
    s = read({"artifact_mb": 15.83, "train_time_ms": 599_950, "eval_minutes": 8.5, "model_size_mib": 15.0})
    assert (value(s.total_bytes), value(s.train_seconds), value(s.eval_seconds)) == (
        15_830_000,
        pytest.approx(599.95),
        510,
    )
    assert value(s.model_bytes) == 15 * 1_048_576
    assert [p.text for p in s.mebibytes] == ['"model_size_mib": 15.0']


def test_a_megabyte_that_must_have_been_a_mebibyte() -> None:
    s = read({"artifact_mb": 14.86, "seed_results": {"1": {"val_bpb": 1.1, "artifact_bytes": 15_581_721}}})
    assert [p.text for p in s.mebibytes] == ['"artifact_mb": 14.86,']
    assert (
        read({"artifact_mb": 15.58, "seed_results": {"1": {"val_bpb": 1.1, "artifact_bytes": 15_581_721}}}).mebibytes
        == ()
    )


def test_numbers_inside_texts() -> None:
    s = read(
        {"val_bpb": "1.0812", "bytes_total": "15,912,001 bytes", "eval_time_s": "~110s", "p_value": "<0.01 (t=9.1)"}
    )
    assert (value(s.val_bpb), value(s.total_bytes), value(s.eval_seconds), value(s.p_value)) == (
        1.0812,
        15_912_001,
        110,
        0.01,
    )


def test_placeholders_are_no_claims_and_are_named() -> None:
    s = read({"val_bpb": 0.0, "bytes_total": 0, "val_loss": -1})
    assert (s.val_bpb, s.total_bytes, s.val_loss) == (None, None, None)
    assert len(s.problems) == 3
    assert "val_bpb = 0.0 was not taken: 0 is a placeholder (line 2" in s.problems[0]


def test_megabytes_in_a_field_for_bytes_are_refused() -> None:
    s = read({"bytes_total": 15.9})
    assert s.total_bytes is None
    assert "too small" in s.problems[0]


def test_validation_tokens_that_all_seeds_share() -> None:
    rows = {"1": {"val_bpb": 1.0, "val_tokens": 9_662_464}, "2": {"val_bpb": 1.1, "val_tokens": 9_662_464}}
    assert value(read({"seed_results": rows}).val_tokens) == 9_662_464
    rows["2"]["val_tokens"] = 5_000_001
    assert read({"seed_results": rows}).val_tokens is None


@pytest.mark.parametrize(
    ("fields", "author", "name"),
    [
        ({"author": "Ada", "name": "Deep model"}, "Ada", "Deep model"),
        ({"name": "Ada Example", "github_id": "ada"}, "Ada Example", None),
        ({"name": "11L + XSA", "github_id": "ada"}, None, "11L + XSA"),
        ({"name": "Ada Example", "github_id": "ada", "submission_name": "Deep"}, "Ada Example", "Deep"),
        ({"name": "Deep model"}, None, "Deep model"),
        ({"authors": ["Ada", "Bob"], "title": "Deep"}, "Ada, Bob", "Deep"),
    ],
)
def test_whose_name_it_is(fields: dict[str, Any], author: str | None, name: str | None) -> None:
    s = read(fields)
    assert (s.author and s.author.value, s.name and s.name.value) == (author, name)


def test_hardware_from_two_keys() -> None:
    s = read({"gpu_type": "H100 SXM", "num_gpus": 8})
    assert s.hardware
    assert s.hardware.value == "8x H100 SXM"


def test_every_number_is_accounted_for() -> None:
    data = json.dumps(
        {"val_bpb": 1.1, "seeds": [1, 2], "num_layers": 11, "baseline_bpb": 1.2, "zorble_frobs": 3}
    ).encode()
    assert dict(uses(data)) == {
        "val_bpb": Use.MAPPED,
        "seeds": Use.MAPPED,
        "num_layers": Use.IGNORED,
        "baseline_bpb": Use.IGNORED,
        "zorble_frobs": Use.UNKNOWN,
    }
    assert tally(data) == {Use.MAPPED: 3, Use.IGNORED: 2, Use.UNKNOWN: 1}


# --- broken files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"val_bpb": 1.08,}', "a trailing comma (line 1, column 18)"),
        ('{\n// note\n"val_bpb": 1.08}', "comments are not JSON (line 2, column 1)"),
        ('{/* note */ "val_bpb": 1.08}', "comments are not JSON"),
        ("{'val_bpb': 1.08}", "single quotation marks"),
        ('\ufeff{"val_bpb": 1.08}', "byte order mark"),
        ('```json\n{"val_bpb": 1.08}\n```\n', "text before the JSON value was skipped"),
        ('{"val_bpb": 1.2, "val_bpb": 1.08}', "'val_bpb' is given twice"),
        ('{"val_bpb": 1.08, "x": NaN}', "NaN is not a JSON value"),
        ('{"val_bpb": 1.08, "bytes_total": 1e999}', "1e999 is too large"),
        ('{"val_bpb": 1.08, "x": ' + "9" * 5000 + "}", "a number of 5,000 digits was not read"),
        ('{"val_bpb": 1.08, "x": True}', "True is not a JSON value"),
        ('{"val_bpb": 1.08, "name": "cut off', "without closing quotation mark"),
        ('{"val_bpb": 1.08', "the file ends before 1 open bracket was closed"),
        ('{"name": "x" "val_bpb": 1.08}', "a comma is missing"),
        ("{val_bpb: 1.08}", "a key without quotation marks"),
        ('{"val_bpb": 1.08} {"val_bpb": 2}', "text after the end"),
        ('{"blurb": "two\nlines", "val_bpb": 1.08}', "runs over several lines"),
        ('[{"val_bpb": 1.08}]', "inside an array"),
        ('{"a": [1, 2}, "val_bpb": 1.08}', "closes a value that was opened with another bracket"),
    ],
)
def test_slips_of_form_are_named_and_read_over(text: str, problem: str) -> None:
    s = read_metadata(text.encode(), FILE)
    if "opened with another" not in problem:
        assert value(s.val_bpb) == 1.08
    assert any(problem in p for p in s.problems), s.problems


def test_utf16_is_read_with_a_note() -> None:
    s = read_metadata('{"val_bpb": 1.08}'.encode("utf-16"), FILE)
    assert value(s.val_bpb) == 1.08
    assert "UTF-16" in s.problems[0]


@pytest.mark.parametrize("text", ["", "   ", "null", "12", '"text"', "[]", "not json at all", "\x00\x01", "{", "[[[["])
def test_files_without_an_object_give_a_problem_or_nothing(text: str) -> None:
    s = read_metadata(text.encode(), FILE)
    assert s.val_bpb is None
    assert s.seeds == ()
    assert s.problems


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"seeds":[', "{'a':["])
def test_very_deep_nesting_is_cut(opening: str) -> None:
    s = read_metadata(('{"val_bpb": 1.08, "x": ' + opening * 10_000).encode(), FILE)
    assert value(s.val_bpb) == 1.08
    assert any("nested deeper" in p or "not listed" in p for p in s.problems)


def test_a_long_list_of_slips_is_cut() -> None:
    s = read_metadata(("{" + "a: 1, " * 500 + "}").encode(), FILE)
    assert len(s.problems) <= lenient_json.MAX_PROBLEMS + 1


# --- laws --------------------------------------------------------------------------------------

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)
KEYS = st.sampled_from(
    [
        "val_bpb",
        "seeds",
        "seed_results",
        "42",
        "seed",
        "artifact_bytes",
        "eval_time_ms",
        "results",
        "val_bpb_std",
        "config",
        "mean",
        "name",
        "gpu",
    ]
)
SHAPED = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)


def plain(node: Node) -> Any:
    if node.kind == "object":
        return {k: plain(v) for k, v in node.entries}
    if node.kind == "array":
        return [plain(v) for v in node.items]
    return node.value


@given(VALUES, st.sampled_from([None, 0, 2]))
def test_correct_json_is_read_as_json_reads_it(value: Any, indent: int | None) -> None:
    document = lenient_json.parse(json.dumps(value, indent=indent).encode())
    assert document.problems == []
    assert document.root is not None
    assert plain(document.root) == value


@given(st.text(alphabet="{}[]\",:'\\ntruefalse1.5eN/*#-+\n ", max_size=30))
def test_what_json_accepts_has_no_problem_and_what_it_refuses_has_one(text: str) -> None:
    document = lenient_json.parse(text.encode())
    try:
        json.loads(
            text, parse_constant=lambda _: 1 / 0, object_pairs_hook=lambda p: p if len(dict(p)) == len(p) else [][0]
        )
    except (ValueError, ZeroDivisionError, IndexError):
        assert document.problems
    else:
        infinite = any(
            isinstance(n.value, float) and not math.isfinite(n.value)
            for n in lenient_json.numbers(document.root or Node("null", 0))
        )
        assert infinite or document.problems == []


@given(SHAPED)
@settings(max_examples=150)
def test_no_value_makes_the_reader_raise(value: Any) -> None:
    s = read(value)
    for number in (s.val_bpb, s.val_bpb_std, s.total_bytes, s.eval_seconds):
        assert number is None or math.isfinite(number.value)
    assert (
        sum(tally(json.dumps(value).encode()).values())
        <= json.dumps(value).count(",") + json.dumps(value).count(":") + 1
    )


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    assert read_metadata(data, FILE).file == FILE
    assert read_metadata(b'{"val_bpb": ' + data, FILE).file == FILE


def test_weights_in_full_precision_are_no_artifact() -> None:
    for key in ("artifact_bytes_full_precision", "effective_model_bytes_best"):
        s = read_metadata(f'{{"name": "x", "val_bpb": 0.97, "{key}": 135431355, "bytes_total": null}}'.encode(), FILE)
        assert s.total_bytes is None
        assert s.model_bytes is None
