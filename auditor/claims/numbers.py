"""Numbers as people write them: `15.53 MB`, `15,857,972 bytes`, `1.0222 ± 0.0067`, `8.5 min`, `599,983 ms`.

Every reader returns the first figure of its kind in a short piece of text, or None. Bytes come
back in bytes, times in seconds. A figure remembers its `step`, the value of its last written
digit, so that it can be compared with another one within what its writer rounded away.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rules.evidence import Location, Number

MAX_TEXT = 2_000  # characters of one line or cell that are looked at
MEBI = 1_048_576

# One number: grouped in threes, or plain, with an optional exponent. Not part of a word, a
# version ("2.9.1") or a date ("2026-04-30").
_NUMBER = re.compile(
    r"(?<![\w.,\\#@])(?<!\d[-–/])"
    r"(?P<sign>[-−+])?"
    r"(?P<digits>\d{1,3}(?:(?P<sep>[,_'\u00a0\u2009\u202f])\d{3})(?:(?P=sep)\d{3}){0,5}(?:\.\d{1,20})?"
    r"|\d{1,24}(?:\.\d{1,24})?|\.\d{1,24})"
    r"(?P<exp>[eE][-+−]?\d{1,3}|\s?[×x*·]\s?10(?:\^\{?[-−+]?\d{1,3}\}?|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}))?"
    r"(?![.,]?\d)(?!-\d\d-)"
)
_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−", "0123456789-+-")
_APPROXIMATE = re.compile(r"(?:~|≈|≃|\babout|\bapprox\.?|\bca\.?|\baround|\broughly)\s*[*`$]*$", re.IGNORECASE)
_BOUND = re.compile(
    r"(<=|>=|≤|≥|<|>|&lt;|&gt;|\bunder|\bbelow|\bat most|\bup to|\bover|\babove)\s*[~*`$]*$", re.IGNORECASE
)

_BYTE_UNITS = {
    "b": 1.0,
    "byte": 1.0,
    "bytes": 1.0,
    "kb": 1e3,
    "kib": 1024.0,
    "mb": 1e6,
    "megabyte": 1e6,
    "megabytes": 1e6,
    "mib": float(MEBI),
    "mebibytes": float(MEBI),
    "gb": 1e9,
    "gib": float(MEBI * 1024),
}
_TIME_UNITS = {
    "ms": 1e-3,
    "msec": 1e-3,
    "milliseconds": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "mins": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hrs": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
}
_UNIT = re.compile(r"[*`_]{0,3}[\s\u00a0\u202f-]{0,2}[*`_]{0,3}([A-Za-z]{1,12})(?![A-Za-z0-9_/])")
_SPREAD = re.compile(
    r"(?:±|\+/-|\+-|\\pm|\b(?:sample |population )?(?:standard deviation|stddev|stdev|std|sd)(?![A-Za-z])|σ)"
    r"(?:[ _]?(?:dev|bpb|val_bpb))?[.\s:=≈~*`]{0,6}(?=[\d.])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number found in a text, in base units, with its position there.

    `unit` is the unit as written in lower case ("" if none), `bound` is "<" or ">" when the
    writer gave only a limit ("<16 MB"), `approximate` is True after "~" or "about".
    """

    value: float
    step: float
    start: int
    end: int
    unit: str = ""
    bound: str = ""
    approximate: bool = False

    @property
    def mebi(self) -> bool:
        """True when the unit counts in powers of 1,024."""
        return self.unit in ("kib", "mib", "mebibytes", "gib")

    def at(self, place: Location) -> Number:
        """The figure as evidence, standing at `place`."""
        return Number(self.value, place, self.step)


def figures(text: str) -> Iterator[Figure]:
    """All numbers in `text`, units not applied. A count that ends in zeros is `exact` here."""
    text = text[:MAX_TEXT]
    for m in _NUMBER.finditer(text):
        digits = m["digits"].replace(m["sep"], "") if m["sep"] else m["digits"]
        decimals = len(digits.partition(".")[2])
        power = _exponent(m["exp"] or "")
        try:
            value = float(f"{digits}e{power}")
        except (ValueError, OverflowError):
            continue
        if not math.isfinite(value):
            continue
        before = text[: m.start()]
        bound = _BOUND.search(before[-16:])
        yield Figure(
            value=-value if (m["sign"] or "") in ("-", "−") and m["sign"] else value,
            step=_power_of_ten(power - decimals) if decimals or m["exp"] else 0.0,
            start=m.start(),
            end=m.end(),
            bound=_direction(bound[1]) if bound else "",
            approximate=bool(_APPROXIMATE.search(before[-16:])),
        )


def read_plain(text: str) -> Figure | None:
    """The first number, whatever unit follows it."""
    return next(figures(text), None)


def read_count(text: str) -> Figure | None:
    """The first number as a count: `62,021,632`, `62.0M`, `151K`, `2.5 billion`."""
    for f in figures(text):
        m = re.match(r"\s?(k|m|b|thousand|million|billion)\b", text[f.end : f.end + 12], re.IGNORECASE)
        scale = {"k": 1e3, "t": 1e3, "m": 1e6, "b": 1e9}[m[1][0].lower()] if m else 1.0
        return _scaled(f, scale, m[1].lower() if m else "", rounded=True)
    return None


def read_bytes(text: str, default: float | None = None) -> Figure | None:
    """The first figure with a byte unit, in bytes.

    A number without unit counts when `default` says what one unit is worth, or when it is an
    integer of at least 1,000 that no other unit follows.
    """
    for f in figures(text):
        unit = _unit(text, f.end)
        if unit in _BYTE_UNITS:
            if unit == "b" and (f.step or f.value < 1000):  # "2.5 B" are billions
                continue
            return _scaled(f, _BYTE_UNITS[unit], unit, rounded=True)
        if unit == "m" and default is None and f.step and f.value < 100:  # "15.9M" in a column of sizes
            return _scaled(f, 1e6, "m", rounded=True)
        if unit and unit in _TIME_UNITS:
            continue
        if default is not None:
            return _scaled(f, default, "", rounded=True)
        if f.step == 0 and f.value >= 1000 and not unit:
            return _scaled(f, 1.0, "", rounded=True)
    return None


def read_seconds(text: str, default: float | None = None) -> Figure | None:
    """The first duration, in seconds; `8m 32s` and `1h 5m` are one duration.

    A number without unit counts only when `default` says what one unit is worth in seconds.
    """
    found: Figure | None = None
    for f in figures(text):
        unit = _unit(text, f.end)
        if found is not None:
            gap = text[found.end : f.start].strip().lower()
            if gap == found.unit and unit in _TIME_UNITS and _TIME_UNITS[unit] < _TIME_UNITS[found.unit]:
                found = Figure(
                    found.value + f.value * _TIME_UNITS[unit],
                    (f.step or 1.0) * _TIME_UNITS[unit],
                    found.start,
                    f.end,
                    unit,
                    found.bound,
                    found.approximate,
                )
                continue
            return found
        if unit in _TIME_UNITS:
            found = _scaled(f, _TIME_UNITS[unit], unit)
        elif default is not None and not unit:
            return _scaled(f, default, "")
    return found


def read_spread(text: str) -> Figure | None:
    """The standard deviation in `1.0222 ± 0.0067`, `(std 0.0067)`, `σ ≈ 0.0004`."""
    m = _SPREAD.search(text[:MAX_TEXT])
    if not m:
        return None
    f = next((f for f in figures(text[: m.end() + 40]) if f.start >= m.end()), None)
    return f if f and f.start - m.end() <= 1 else None


def step_of_integer(value: float) -> float:
    """How coarse a count is: 10,000 for 15,530,000; 0 below three closing zeros, i.e. exact."""
    if value <= 0 or value != int(value):
        return 0.0
    digits = f"{value:.0f}"
    zeros = len(digits) - len(digits.rstrip("0"))
    return 10.0**zeros if zeros >= 3 else 0.0


def agree(a: Figure | Number, b: Figure | Number, extra: float = 0.0) -> bool:
    """Whether two figures may be the same quantity, rounded or cut off differently.

    Truncated figures (1.12126 written as 1.1212) count as agreeing, hence a whole step.
    """
    room = max(a.step, b.step) + extra
    return abs(a.value - b.value) <= room * 1.000001 + 1e-12


def is_mebibytes(figure: Number, counts: Sequence[Number]) -> bool:
    """Whether a figure given in MB was computed with 1 MB = 1,048,576 bytes.

    True only if an exact count of the same file fits that reading, none fits the decimal one,
    and the figure has at least two decimals; coarser figures fit too easily by accident.
    """
    if not counts or figure.step > 1e4:
        return False
    room = figure.step
    binary = figure.value * (MEBI / 1e6)
    near = [c for c in counts if abs(c.value - figure.value) <= 2 * room]
    return not near and any(abs(c.value - binary) <= room for c in counts)


def _scaled(f: Figure, scale: float, unit: str, rounded: bool = False) -> Figure:
    """`f` in base units. Whole counts are exact unless they end in zeros; whole times are rounded to 1."""
    value = f.value * scale
    if f.step:
        step = f.step * scale
    elif rounded:
        step = step_of_integer(value) if scale == 1.0 else scale
    else:
        step = scale
    return Figure(value, step, f.start, f.end, unit, f.bound, f.approximate)


def _unit(text: str, end: int) -> str:
    m = _UNIT.match(text, end, end + 24)
    return m[1].lower() if m else ""


def _direction(word: str) -> str:
    return ">" if word.lower() in (">", ">=", "≥", "&gt;", "over", "above") else "<"


def _exponent(text: str) -> int:
    """The power of ten in `e-5`, `×10⁻⁵`, `x 10^-5`."""
    if not text:
        return 0
    plain = text.translate(_SUPER)
    tail = plain[1:] if plain[0] in "eE" else plain.partition("10")[2]
    m = re.search(r"[-+]?\d+", tail)
    return int(m[0]) if m else 0


def _power_of_ten(n: int) -> float:
    return float(f"1e{n}") if -320 < n < 300 else 0.0
