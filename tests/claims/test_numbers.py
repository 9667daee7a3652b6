"""Figures as people write them: value, unit, and the value of the last written digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.claims import numbers
from rules.evidence import Location, Number

HERE = Location("README.md", 1)


def number(value: float, step: float = 0.0) -> Number:
    return Number(value, HERE, step)


@pytest.mark.parametrize(
    ("text", "value", "step"),
    [
        ("15.53 MB", 15_530_000, 10_000),
        ("15,857,972 bytes", 15_857_972, 0),
        ("**15,857,972**", 15_857_972, 0),
        ("~16.0 MB", 16_000_000, 100_000),
        ("15.25 MiB", 15.25 * 1_048_576, 10_485.76),
        ("47.6 KB", 47_600, 100),
        ("120KiB", 120 * 1024, 1024),
        ("15530000", 15_530_000, 10_000),
        ("14_912_004 B", 14_912_004, 0),
        ("15.9M", 15_900_000, 100_000),
    ],
)
def test_bytes(text: str, value: float, step: float) -> None:
    found = numbers.read_bytes(text)
    assert found is not None
    assert found.value == pytest.approx(value)
    assert found.step == pytest.approx(step)


@pytest.mark.parametrize(
    "text", ["1.0222", "seed 42", "507s", "2.5 B parameters", "v2.9.1", "", "about half", "PR #15532949"]
)
def test_what_is_no_byte_count(text: str) -> None:
    assert numbers.read_bytes(text) is None


@pytest.mark.parametrize(
    ("text", "value", "step"),
    [
        ("507s", 507, 1),
        ("8.5 min", 510, 6),
        ("599,983 ms", 599.983, 0.001),
        ("9m 58s", 598, 1),
        ("1h 20min", 4800, 60),
        ("~0.25 hours", 900, 36),
        ("5,100 steps, 599.4 s", 599.4, 0.1),
    ],
)
def test_seconds(text: str, value: float, step: float) -> None:
    found = numbers.read_seconds(text)
    assert found is not None
    assert found.value == pytest.approx(value)
    assert found.step == pytest.approx(step)


@pytest.mark.parametrize("text", ["81.2 ms/step", "600", "15 MB", "4 shards"])
def test_what_is_no_duration(text: str) -> None:
    assert numbers.read_seconds(text) is None


def test_a_bare_number_takes_the_unit_of_its_column() -> None:
    found = numbers.read_seconds("507", default=1.0)
    assert found is not None
    assert (found.value, found.step) == (507, 1)


@pytest.mark.parametrize(
    ("text", "value", "step"),
    [
        ("1.0222 ± 0.0067", 0.0067, 0.0001),
        ("1.0222 (std 0.0067)", 0.0067, 0.0001),
        ("(3-seed mean, σ ≈ 0.00038)", 0.00038, 0.00001),
        ("1.1 +/- 0.02", 0.02, 0.01),
        ("std_dev: 0.001", 0.001, 0.001),
    ],
)
def test_spread(text: str, value: float, step: float) -> None:
    found = numbers.read_spread(text)
    assert found is not None
    assert (found.value, found.step) == (pytest.approx(value), pytest.approx(step))


def test_no_spread_is_read_from_a_word_far_away() -> None:
    assert numbers.read_spread("std is small; the mean is 1.07") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.2e-5", 1.2e-5), ("3×10⁻⁴", 3e-4), ("2 x 10^-3", 2e-3), ("-0.015", -0.015), ("−0.5", -0.5), (".5", 0.5)],
)
def test_exponents_and_signs(text: str, value: float) -> None:
    found = numbers.read_plain(text)
    assert found is not None
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize("text", ["2.9.1+cu128", "2026-04-30", "H100", "#1493", "@x4", "8x1024^"])
def test_versions_dates_and_names_are_no_plain_numbers(text: str) -> None:
    found = [f.value for f in numbers.figures(text)]
    assert found in ([], [8.0])


def test_bounds_and_approximations_are_marked() -> None:
    bound = numbers.read_bytes("<16 MB")
    about = numbers.read_bytes("about 15.9 MB")
    assert bound is not None
    assert bound.bound == "<"
    assert about is not None
    assert about.approximate
    assert not about.bound


def test_counts_with_a_suffix() -> None:
    for text, value, step in (("62.0M", 62e6, 1e5), ("62,021,632", 62_021_632, 0), ("1.5 billion", 1.5e9, 1e8)):
        found = numbers.read_count(text)
        assert found is not None
        assert (found.value, found.step) == (pytest.approx(value), pytest.approx(step))


def test_figures_agree_within_what_was_rounded_or_cut_off() -> None:
    assert numbers.agree(number(1.0222, 1e-4), number(1.02223871, 1e-8))
    assert numbers.agree(number(1.1212, 1e-4), number(1.12126612, 1e-8))
    assert not numbers.agree(number(1.0222, 1e-4), number(1.0236, 1e-4))
    assert not numbers.agree(number(15_857_972), number(15_857_973))


def test_a_megabyte_of_1048576_bytes_is_recognised_by_an_exact_count() -> None:
    assert numbers.is_mebibytes(number(14_860_000, 10_000), [number(15_581_721)])
    assert not numbers.is_mebibytes(number(15_580_000, 10_000), [number(15_581_721)])
    assert not numbers.is_mebibytes(number(14_860_000, 10_000), [number(15_581_721), number(14_858_000)])
    assert not numbers.is_mebibytes(number(15_000_000, 1_000_000), [number(15_581_721)])
    assert not numbers.is_mebibytes(number(14_860_000, 10_000), [])


@given(st.integers(0, 10**15), st.booleans())
def test_a_written_integer_is_read_back(value: int, grouped: bool) -> None:
    found = numbers.read_plain(f"{value:,}" if grouped else str(value))
    assert found is not None
    assert found.value == value


@given(st.floats(1e-6, 1e6), st.integers(0, 9))
def test_the_true_value_lies_within_half_a_step(value: float, digits: int) -> None:
    found = numbers.read_plain(f"{value:.{digits}f}")
    assert found is not None
    assert abs(found.value - value) <= max(found.step, 1.0 if not digits else 0) / 2 * 1.0001 + 1e-9


@given(st.text(max_size=200))
def test_readers_never_raise(text: str) -> None:
    for read in (numbers.read_plain, numbers.read_count, numbers.read_bytes, numbers.read_seconds, numbers.read_spread):
        found = read(text)
        assert found is None or found.step >= 0
