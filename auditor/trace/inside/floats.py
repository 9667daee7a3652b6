"""Positions that Python's own numbers carry on: losses that leave tensors one by one, are mixed and added up.

A number about one token stays about it while it is multiplied, bounded, or mixed with numbers about none. Where numbers
about two tokens are added a total begins, and what goes into it is a score.

`float(x)` cannot but give a plain number. What it was about is kept in mind: where the same call of the same function takes
the logarithm of a probability next, this is what became of it.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

Score = Callable[[float, int, str], None]
TOTAL = -1
THROUGH = ("exp", "log", "log2", "log10", "log1p", "expm1", "sqrt", "fabs", "pow", "fma")


LOGARITHMS = ("log", "log2", "log10")


class Left:
    """The token that a plain number was made about last, and in which call of which function of the program."""

    place = -1
    call = -1
    number: Callable[[FrameType], int] = staticmethod(lambda frame: -1)  # of a frame's call


class Number(float):
    """A number about the token at `place`; `TOTAL`: a sum over several."""

    place: int
    score: Score

    def __float__(self) -> float:
        """`float(x)` gives a number without a place: what it was is told here."""
        scored(self)
        if self.place >= 0:
            Left.place, Left.call = self.place, Left.number(sys._getframe(1))
        return float.__add__(self, 0.0)

    def __reduce__(self) -> Any:
        return float, (bare(self),)

    def __hash__(self) -> int:
        return float.__hash__(self)

    def __neg__(self) -> Any:
        return number(float.__neg__(self), self.place)

    def __abs__(self) -> Any:
        return number(float.__abs__(self), self.place)


def number(value: float, place: int) -> Number:
    out = float.__new__(Number, value)
    out.place = place
    return out


def bare(x: Any) -> Any:
    return float.__add__(x, 0.0) if type(x) is Number else x


def scored(x: Any, sign: int = 1) -> None:
    if type(x) is Number and x.place >= 0:
        Number.score(sign * bare(x), x.place, "item")


def _operation(name: str, adds: bool) -> Any:
    real = getattr(float, name)
    mine = -1 if name == "__rsub__" else 1  # how each of the two goes into a total
    others = -1 if name == "__sub__" else 1

    def operate(self: Number, other: Any) -> Any:
        value = real(self, other)
        if value is NotImplemented or not isinstance(value, float):
            return value
        if type(other) is not Number:
            return number(value, self.place) if self.place >= 0 or adds else value
        if self.place == other.place:
            return number(value, self.place) if self.place >= 0 or adds else value
        if adds:
            scored(self, mine)
            scored(other, others)
            return number(value, TOTAL)
        return number(value, max(self.place, other.place))

    return functools.wraps(real)(operate)


for _name in ("__add__", "__radd__", "__sub__", "__rsub__"):
    setattr(Number, _name, _operation(_name, True))
for _name in ("__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__pow__", "__rpow__"):
    setattr(Number, _name, _operation(_name, False))
Number.__name__ = Number.__qualname__ = "float"
Number.__module__ = "builtins"


def install(score: Score, number: Callable[[FrameType], int]) -> None:
    """Numbers keep their place through the functions of `math`. `number`: tells calls of functions apart."""
    Number.score = staticmethod(score)
    Left.number = staticmethod(number)
    for name in THROUGH:
        real = getattr(math, name, None)
        if real is not None:
            setattr(math, name, _through(real))


def _through(real: Any) -> Any:
    logarithm = real.__name__ in LOGARITHMS

    def call(x: Any, *more: Any) -> Any:
        if type(x) is Number:
            return number(real(bare(x), *more), x.place)
        out = real(x, *more)
        if Left.place >= 0 and logarithm and type(x) is float and 0.0 < x < 1.0:
            place, Left.place = Left.place, -1
            if Left.number(sys._getframe(1)) == Left.call:
                return number(out, place)
        return out

    call.__name__ = call.__qualname__ = real.__name__
    call.__doc__ = real.__doc__
    return call
