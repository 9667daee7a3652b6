"""Which settings are made small, and how values are spelt."""

from __future__ import annotations

import pytest

pytest.importorskip("numpy")

from auditor.trace.knobs import (
    MOST_VALIDATION,
    VALIDATION,
    defaults,
    knobs,
    number,
    spelled,
    validation_tokens,
    wants,
)

TEXT = """
class Settings:
    iterations = int(os.environ.get("ITERATIONS", 20000))
    batch = int(os.environ.get("TRAIN_BATCH_TOKENS", 8 * 65536))
    length = int(os.environ.get("TRAIN_SEQ_LEN", "1024"))
    dim = int(os.environ.get("MODEL_DIM", 512))
    heads = int(os.environ.get("NUM_HEADS", 8))
    rate = float(os.environ.get("MATRIX_LR", 0.04))
    tied = bool(int(os.environ.get("TIE_EMBEDDINGS", "1")))
    stride = int(os.getenv("EVAL_STRIDE", 64))
    epochs = int(os.environ["TTT_EPOCHS"])
    wall = float(os.environ.get("MAX_WALLCLOCK_SECONDS", 600.0))
"""


def test_sizes_become_small_and_rates_stay() -> None:
    k = knobs(TEXT, {})
    assert k.environment["ITERATIONS"] == "4"
    assert k.environment["TRAIN_SEQ_LEN"] == "128"
    assert int(k.environment["TRAIN_BATCH_TOKENS"]) == 8 * 128
    assert k.reduced["TRAIN_BATCH_TOKENS"] == "8 * 65536"
    assert "MATRIX_LR" not in k.environment
    assert "TIE_EMBEDDINGS" not in k.environment
    assert "EVAL_STRIDE" not in k.reduced, "it is small already"


@pytest.mark.parametrize("heads", [1, 4, 8, 12])
def test_a_width_is_a_whole_number_of_heads(heads: int) -> None:
    k = knobs(TEXT, {"NUM_HEADS": str(heads)})
    assert int(k.environment["MODEL_DIM"]) % heads == 0
    assert int(k.environment["MODEL_DIM"]) == 16 * heads
    assert k.environment["NUM_HEADS"] == str(heads)


def test_a_width_that_is_small_already_stays() -> None:
    assert "MODEL_DIM" not in knobs(TEXT, {"MODEL_DIM": "96"}).reduced


def test_the_claimed_runs_values_are_kept_where_they_say_how() -> None:
    k = knobs(TEXT, {"MATRIX_LR": "0.02", "TTT_EPOCHS": "3", "ITERATIONS": "9000"})
    assert k.environment["MATRIX_LR"] == "0.02"
    assert k.environment["TTT_EPOCHS"] == "2"
    assert k.reduced["ITERATIONS"] == "9000"


def test_off_stays_off() -> None:
    assert "TTT_EPOCHS" not in knobs(TEXT, {"TTT_EPOCHS": "0"}).reduced
    assert knobs(TEXT, {"TTT_EPOCHS": "0"}).environment["TTT_EPOCHS"] == "0"


@pytest.mark.parametrize(
    ("value", "default", "kind", "spelt"),
    [
        ("True", "0", "int", "1"),
        ("false", "1", "", "0"),
        ("True", "yes", "", "True"),
        ("3.0", "5", "int", "3"),
        ("3.0", "0.1", "float", "3.0"),
        ("auto", "5", "int", None),
        ("[1, 2]", "", "float", None),
        ("muon", "adam", "", "muon"),
    ],
)
def test_values_are_spelt_as_the_variable_takes_them(value: str, default: str, kind: str, spelt: str | None) -> None:
    assert spelled(value, default, kind) == spelt


def test_what_a_variable_is_made_into() -> None:
    assert wants(TEXT, "ITERATIONS") == "int"
    assert wants(TEXT, "MATRIX_LR") == "float"
    assert wants(TEXT, "EVAL_STRIDE") == "int"
    assert wants(TEXT, "SOMETHING_ELSE") == ""


def test_the_variables_that_a_program_reads_and_their_defaults() -> None:
    found = dict(defaults(TEXT))
    assert found["TRAIN_BATCH_TOKENS"] == "8 * 65536"
    assert found["TRAIN_SEQ_LEN"] == "1024"
    assert found["EVAL_STRIDE"] == "64"
    assert "TTT_EPOCHS" in found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("524_288", 524288),
        ("8 * 1024", 8192),
        ("1 << 20", 1 << 20),
        ("2 ** 10", 1024),
        ("str(16)", 16),
        ("-1", -1),
        ("7 / 2", 3.5),
        ("1 / 0", None),
        ("9 ** 9 ** 9", None),
        ("open('x')", None),
        ("", None),
        ("1 << 100000", None),
    ],
)
def test_plain_numbers_are_read_without_running_anything(text: str, value: float | None) -> None:
    assert number(text) == value


def test_the_stream_is_as_long_as_the_program_waits_for() -> None:
    assert validation_tokens("x = 1") == VALIDATION
    assert validation_tokens("if scored_tokens >= 8_192: adapt()") >= 8192 * 5 // 4
    assert validation_tokens("if seen > 9_000_000: adapt()") == VALIDATION, "more than a small run can give"
    assert validation_tokens("if tokens_seen > 16000 and total >= 500: adapt()") <= MOST_VALIDATION


def test_lengths_in_a_list_are_made_short_and_their_times_stay() -> None:
    text = """import os
a = os.environ.get("TRAIN_SEQ_SCHEDULE", "1024@0.100,3072@1.000"); b = os.environ.get("TRAIN_SEQ_LEN", "3072")
c = os.environ.get("TRAIN_SEQ_SCHEDULE_MODE", "step")"""
    k = knobs(text, {})
    assert k.environment["TRAIN_SEQ_SCHEDULE"] == "128@0.100,128@1.000"
    assert "TRAIN_SEQ_SCHEDULE" in k.reduced
    assert "TRAIN_SEQ_SCHEDULE_MODE" not in k.environment
    assert knobs(text, {"TRAIN_SEQ_SCHEDULE": "64@0.1,512@1"}).environment["TRAIN_SEQ_SCHEDULE"] == "64@0.1,128@1"


def test_embeddings_are_as_narrow_as_the_layers_unless_they_have_a_width_of_their_own() -> None:
    text = 'a, b, c = (os.environ.get("MODEL_DIM", 512), os.environ.get("EMBEDDING_DIM", 512), os.environ.get("NUM_HEADS", 8))'
    assert knobs(text, {}).environment["EMBEDDING_DIM"] == "128"
    assert "EMBEDDING_DIM" not in knobs(text, {"EMBEDDING_DIM": "254"}).reduced


def test_room_for_several_sequences_in_each_share_of_a_step() -> None:
    text = 'a, b = os.environ.get("TRAIN_BATCH_TOKENS", 524288), os.environ.get("VAL_BATCH_SIZE", 524288)'
    assert knobs(text, {}, batches=4096).environment["TRAIN_BATCH_TOKENS"] == "4096"
    assert knobs(text, {}, batches=4096).environment["VAL_BATCH_SIZE"] == knobs(text, {}).environment["VAL_BATCH_SIZE"]


def test_few_heads_that_are_cut_in_three_stay_whole() -> None:
    assert knobs(TEXT, {"NUM_HEADS": "4", "MODEL_DIM": "528"}).environment["MODEL_DIM"] == str(3 * 16 * 4)


def test_a_setting_of_several_parts_is_no_count() -> None:
    text = 'a, b = os.environ.get("TTT_SHORT_STEPS", "256:16,512:24"), os.environ.get("TTT_STEPS", "100")'
    assert "TTT_SHORT_STEPS" not in knobs(text, {}).environment
    assert knobs(text, {}, hurried=True).environment["TTT_STEPS"] == "1"
