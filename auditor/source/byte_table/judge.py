"""Names for the ways in which a count of bytes differs from the correct one, and how much they change it."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.source.byte_table.vocabulary import BYTES_PER_TOKEN, PIECES, SHARES, Case, pairs
from rules.events import ByteCount

SMALL = 0.0003  # of the total: what the challenge's own logs differ by


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one accounting. `at_sum`: the fault lies where bytes are added up, not in the table."""

    count: ByteCount
    what: str
    inflation: float | None = None
    at_sum: bool = False


def judge(counts: tuple[float, ...] | None) -> Judged:
    """Compare the bytes counted for each made-up pair with the right ones.

    The inflation weighs each situation with its share among the validation tokens of the 1,024 vocabulary.
    """
    if counts is None:
        return Judged(ByteCount.UNKNOWN, "the sum of bytes could not be followed")
    rows = pairs()
    if len(set(counts)) == 1:
        return _constant(counts[0])
    off: dict[Case, list[float]] = {c: [] for c in Case}
    for row, got in zip(rows, counts, strict=True):
        off[row.case].append(got - row.bytes)
    mean = {c: sum(v) / len(v) for c, v in off.items()}
    weight = {c: SHARES[c] * mean[c] / BYTES_PER_TOKEN for c in Case}
    inflation = 1 + sum(weight.values())
    wrong = [c for c in Case if any(off[c])]
    if not wrong:
        return Judged(ByteCount.CANONICAL, "every made-up token is counted right", 1.0)
    if abs(inflation - 1) < SMALL and all(abs(weight[c]) < SMALL for c in Case):
        notes = ", ".join(_NOTES[c] for c in wrong)
        return Judged(ByteCount.CANONICAL, f"counted right but for {notes}, which real text hardly has", inflation)
    return _named(off, mean, inflation, wrong, counts)


_NOTES = {
    Case.PLAIN: "plain pieces",
    Case.SPACED: "pieces with a space",
    Case.LONE: "the lone space",
    Case.ACCENTED: "letters of several bytes",
    Case.FALLBACK: "byte tokens",
    Case.START: "the control token between documents",
    Case.FIRST: "a space at the start of a document",
    Case.RARE: "unknown, unused and padding tokens",
}


def _constant(value: float) -> Judged:
    if value == 1.0:
        return Judged(ByteCount.CONSTANT, "every token counts as one byte", value / BYTES_PER_TOKEN)
    return Judged(ByteCount.CONSTANT, f"every token counts as {value:g} bytes", value / BYTES_PER_TOKEN)


def _example(case: Case, counts: tuple[float, ...]) -> str:
    """The pair of that situation that is counted most wrongly, in words."""
    rows = [(abs(got - r.bytes), got, r) for r, got in zip(pairs(), counts, strict=True) if r.case is case]
    _, got, row = max(rows, key=lambda x: x[0])
    return f"'{PIECES[row.target][0]}' after '{PIECES[row.previous][0]}' counts as {got:g}, not {row.bytes}"


def _named(
    off: dict[Case, list[float]],
    mean: dict[Case, float],
    inflation: float,
    wrong: list[Case],
    counts: tuple[float, ...],
) -> Judged:
    worst = max(wrong, key=lambda c: abs(SHARES[c] * mean[c]))
    example = _example(worst, counts)
    also = [_NOTES[c] for c in wrong if c is not worst and SHARES[c] and abs(SHARES[c] * mean[c]) > 1e-4]
    tail = f"; also wrong: {', '.join(also)}" if also else ""

    def named(count: ByteCount, what: str, at_sum: bool = False) -> Judged:
        return Judged(count, f"{what}: {example}{tail}", inflation, at_sum)

    spaced, plain = mean[Case.SPACED], mean[Case.PLAIN]
    same = all(v == spaced for v in off[Case.SPACED])
    if worst in (Case.SPACED, Case.LONE) and same and plain == 0:
        if spaced == 1:
            return named(ByteCount.SPACE_TWICE, "the space in front of a word is counted twice")
        if spaced == -1:
            return named(ByteCount.SPACE_NEVER, "the space in front of a word is not counted", True)
        if spaced in (2, 3):
            return named(ByteCount.OTHER, "the marker of a space is counted as a letter of three bytes")
    if worst in (Case.SPACED, Case.LONE, Case.PLAIN) and same and spaced in (0, 1) and set(off[Case.PLAIN]) == {1.0}:
        return named(ByteCount.SPACE_ALWAYS, "a space is counted for pieces without one")
    if worst is Case.FALLBACK:
        return named(ByteCount.FALLBACK_AS_TEXT, "byte tokens are counted as text")
    if worst is Case.START:
        return named(ByteCount.CONTROL_COUNTED, "control tokens are counted")
    if worst is Case.ACCENTED and mean[Case.ACCENTED] < 0:
        return named(ByteCount.CHARACTERS, "characters are counted instead of bytes")
    return named(ByteCount.OTHER, "not the bytes of the text")
