"""Written numbers: what a figure is worth, and how much its writer rounded away."""

from __future__ import annotations

import math

from rules.evidence import Location, Number

LITERAL = r"[-+]?\d[\d,_]{0,30}(?:\.\d{1,30})?(?:[eE][-+]?\d{1,3})?"
TEXT_CUT = 240  # length of the quoted line, as `Location` promises

SECONDS = {"ms": 1e-3, "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def place(file: str, line: int | None, text: str) -> Location:
    """The location of a log line, quoted as it stands."""
    return Location(file, line, text.strip()[:TEXT_CUT])


def figure(literal: str, at: Location, unit: float = 1.0) -> Number | None:
    """A measured figure; `step` is its last written digit times `unit`. None unless it is finite.

    >>> figure("507778", Location("a.log", 1), 1e-3)
    Number(value=507.778, at=Location(file='a.log', line=1, text='', layer=0), step=0.001)
    """
    text = literal.replace(",", "").replace("_", "")
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value) or abs(value) > 1e18:
        return None
    mantissa, _, exponent = text.lower().partition("e")
    if abs(int(exponent or 0)) > 40:
        return None
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    # Dividing by a whole number of units keeps 507778 ms at 507.778, where a product would not.
    scaled = value / round(1 / unit) if unit < 1 else value * unit
    return Number(scaled, at, float(f"{unit * 10.0**-decimals:.6g}"))


def count(literal: str, at: Location) -> Number | None:
    """A counted figure (bytes, tokens, steps, a seed): written exactly, so `step` is 0."""
    number = figure(literal, at)
    return Number(float(round(number.value)), at) if number else None


def seconds(literal: str, unit: str, at: Location) -> Number | None:
    """A time in seconds from a figure and its unit as written (`ms`, `s`, `m`)."""
    return figure(literal, at, SECONDS.get(unit.lower(), 1.0))
