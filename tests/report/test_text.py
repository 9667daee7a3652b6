"""Text of a submission is shown on one line, with what was invisible spelled out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.report.text import number, plain, quiet, shorten


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("val_bpb:1.0790", "val_bpb:1.0790"),
        ("a\tb", "a    b"),
        ("a\r\nb\u2028c\u00a0d", "a  b c d"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("exe\u202etxt.", "exe\\u202etxt."),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("\x00", "\\x00"),
        ("naïve 模型 🎉", "naïve 模型 🎉"),
        ("e" + "\u0301" * 5, "e" + "\u0301" * 3 + "\\u0301" * 2),
    ],
)
def test_what_is_seen(text: str, seen: str) -> None:
    assert plain(text) == seen


@given(st.text(alphabet=st.characters()), st.integers(2, 80))
def test_one_printable_line_of_bounded_length(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    assert plain(shown) == shown
    shown.encode("utf-8")


def test_a_megabyte_is_not_walked_through() -> None:
    assert len(plain("\u202e" * 10_000_000, 50)) == 50


def test_shorten_marks_the_cut() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"


@given(
    st.lists(
        st.sampled_from(
            ["::error::x", "  ::stop-commands::a", "##[add-mask]b", "std::vector", "plain", "\t::", "#", "[", "\n", ":"]
        )
    )
)
def test_a_runner_finds_no_command(pieces: list[str]) -> None:
    for line in quiet("".join(pieces)).split("\n"):
        assert not line.lstrip().startswith("::")
        assert "##[" not in line


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(16_012_345, 0, "16,012,345"), (1.08123, 4, "1.0812"), (float("nan"), 2, "—"), (float("-inf"), 0, "—")],
)
def test_numbers(value: float, digits: int, shown: str) -> None:
    assert number(value, digits) == shown
