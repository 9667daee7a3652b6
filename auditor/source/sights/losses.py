"""Losses that count only if they look good: capped, dropped, or replaced by a figure that leaves the large ones out.

A comparison of a loss with a fixed level carries a `JUDGED` mark. Where such a comparison decides whether, or as
what, the very same loss counts, the loss that comes out is another one, and is remembered if it reaches a report.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from auditor.source.labels import Mark
from auditor.source.sights import predictions
from auditor.source.values import Const, Data, Value, labels
from rules.events import Sight

if TYPE_CHECKING:
    from auditor.source.walk import Walk

HARMLESS = 13.0  # nats: a floor of two millionths for a probability is there for the logarithm
EXTREME = 30.0  # who compares with more than this asks whether the run has failed
CUT = "cut"
_KINDS = ("nll", "target probability", "total")
CAPPED, DROPPED, STATISTIC, CHANCE = "capped", "dropped", "statistic", "chance"
_SAID = {
    CAPPED: "a loss is not counted beyond a fixed level, which no probabilities that sum to one allow",
    DROPPED: "whether a token counts is decided by its own loss",
    CHANCE: "whether a token counts is left to chance",
    STATISTIC: "a statistic of the losses is taken that large ones do not move",
}


def tagged(v: Value) -> str:
    """The kind of a value made of losses, "" for others."""
    return v.tag if isinstance(v, Data) and v.tag in _KINDS else ""


def compared(w: Walk, op: ast.cmpop, a: Value, b: Value) -> int:
    """The mark of a comparison of a loss with a level, or with a statistic of the same losses."""
    if isinstance(op, (ast.Eq, ast.NotEq)):
        return 0
    for x, y in ((a, b), (b, a)):
        kind, mine, theirs = tagged(x), roots(w, labels(x)), roots(w, labels(y))
        if not kind or not mine:
            continue
        level = _level(w, y)
        if theirs and theirs <= mine:
            return _judged(w)
        if level is None or theirs:
            continue
        if (kind == "target probability" and 2e-6 < level < 1) or (
            kind != "target probability" and 0 < abs(level) < EXTREME
        ):
            return _judged(w)
    return 0


def _judged(w: Walk) -> int:
    return w.marks.make(Mark.JUDGED, 0)


def ordered(w: Walk, v: Value) -> int:
    """The mark of places, or of a row, in order of losses."""
    return _judged(w) if tagged(v) and w.score_marks(labels(v)) else 0


def _level(w: Walk, v: Value) -> float | None:
    if isinstance(v, Data):
        return w.levels.get(id(v.root))
    known = isinstance(v, Const) and isinstance(v.v, (int, float)) and not isinstance(v.v, bool)
    return float(v.v) if known and isinstance(v, Const) else None


def roots(w: Walk, marks: int) -> frozenset[int]:
    """The scores that some were made of."""
    out = set()
    for n in w.marks.numbers(marks, Mark.SCORE):
        s = w.scores[n]
        while s.base >= 0:
            s = w.scores[s.base]
        out.add(s.id)
    return frozenset(out)


def decided(w: Walk, marks: int, test: int) -> bool:
    """Whether a condition, or an order, was made by how large these very losses are."""
    if not test & w.marks.mask[Mark.JUDGED] or not w.score_marks(marks):
        return False
    return bool(roots(w, marks) & roots(w, test))


def cut(w: Walk, marks: int, form: str) -> int:
    """The marks of losses that were cut."""
    scores = predictions.retagged(w, w.score_marks(marks), CUT)
    w.see(Sight.LOSS_CUT, w.site, _SAID[form], scores, detail=(("form", form),))
    return (marks & ~w.marks.mask[Mark.SCORE] & ~w.marks.mask[Mark.JUDGED]) | scores


def chosen(w: Walk, v: Value, test: Value, form: str = DROPPED) -> Data | None:
    """Losses of which a condition on themselves picks some; None where it does not."""
    if not isinstance(v, Data) or not decided(w, labels(v), labels(test)):
        return None
    d = Data(cut(w, labels(v), form), tag=v.tag)
    d.parts = v.parts
    return d


def bounded(w: Walk, v: Value, low: Value | None, high: Value | None) -> Data | None:
    """Losses between two levels; None where the levels do no harm."""
    kind = tagged(v)
    if not kind or not w.score_marks(labels(v)) or not isinstance(v, Data):
        return None
    below = _level(w, low) if low is not None else None
    above = _level(w, high) if high is not None else None
    if kind == "target probability":
        hurts = below is not None and 2e-6 < below < 1
    else:  # the logarithm of a probability may stand with either sign
        hurts = (above is not None and 0 < above < HARMLESS) or (below is not None and -HARMLESS < below < 0)
        if kind == "total":
            hurts = hurts and bool(w.turns)  # of a printed mean it is there for what is made of it
    if not hurts:
        return None
    d = Data(cut(w, labels(v), CAPPED), tag=v.tag)
    d.parts = v.parts
    return d


def asked(w: Walk) -> int:
    """The SCORE marks of the conditions around that hang on losses of tokens, outside of the training."""
    found = 0
    for g in w.guards if not w.in_training(tuple(w.turns)) else ():
        found |= w.score_marks(w.asked.get(g.rpartition(":")[0], 0))
    return found


def summed(w: Walk, v: Value) -> Value:
    """What is added to a total, or kept in a list, under a condition on itself."""
    m = w.marks.mask
    if not isinstance(v, Data) or not w.guards or not w.score_marks(labels(v)):
        return v
    chance = m[Mark.RANDOM] | w.marks.bit.get((Mark.DRAWN, 0), 0)
    if not m[Mark.JUDGED] | chance:
        return v
    test = 0
    for g in w.guards:
        test |= w.asked.get(g.rpartition(":")[0], 0)
    if test & chance:
        return Data(cut(w, labels(v), CHANCE), tag=v.tag)
    return chosen(w, v, Data(test)) or v
