"""Arrays that are filled place by place, each entry from a table that holds what came before its place.

Hints for all positions may be computed in one go over the whole stream, if each uses its own prefix only. The table has
taken in all tokens in the end; an entry knows those of the turns before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.source import tokens
from auditor.source.labels import Mark, Read
from auditor.source.values import Const, Data, Seq, Value
from rules.events import Means

if TYPE_CHECKING:
    from auditor.source.walk import Updated, Walk


def turn(w: Walk, loop: int, k: int, item: Value) -> None:
    """Note the number that a loop counts by in this turn."""
    if isinstance(item, Seq) and item.kind == "tuple" and item.items:
        item = item.items[0]
    if (isinstance(item, Const) and type(item.v) is int) or (isinstance(item, Data) and item.sym):
        at = tokens.number(w, item)
        if at is not None:
            w.counted[loop, k] = at
            return
    w.counted.pop((loop, k), None)


def ahead_of(w: Walk, index: Value | None, marks: int) -> int:
    """The UPDATE marks of tables that took in nothing but tokens before the place where something is written.

    Without an index something is appended: the place is then the token of the turn, or the one behind it.
    """
    updates = marks & w.marks.mask[Mark.UPDATE]
    if not updates or not w.turns:
        return 0
    loop, k = w.turns[-1]
    here = w.counted.get((loop, k))
    if here is None or not _upwards(w, loop, k):
        return 0
    beyond = 1
    if index is not None:
        place = tokens.number(w, index) if isinstance(index, (Const, Data)) else None
        if place is None or place[0] != here[0]:
            return 0
        beyond = place[1] - here[1]
    out = 0
    for n in w.marks.numbers(updates, Mark.UPDATE):
        if not _before(w, w.updates[n], loop, k, beyond):
            return 0  # what else is known of the place would be lost
        out |= w.marks.make(Mark.UPDATE, n)
    return out


def _upwards(w: Walk, loop: int, k: int) -> bool:
    """Whether the numbers of the turns grow, as far as they are known; the first has to be."""
    places = [w.counted.get((loop, i)) for i in range(k + 1)]
    known = [p[1] for p in places if p is not None and not p[0]]
    return (
        None not in places
        and bool(known)
        and places[0] is not None
        and not places[0][0]
        and known == sorted(set(known))
    )


def _before(w: Walk, u: Updated, loop: int, k: int, beyond: int) -> bool:
    """Whether a table took in, in an earlier turn, tokens up to the one that the turn stands for, or `beyond` it."""
    mine = dict(u.turns).get(loop)
    at = w.counted.get((loop, mine)) if mine is not None else None
    if u.means is not Means.TABLE or at is None or mine is None or mine >= k or u.scored:
        return False
    return all(_last(r, at[0]) <= at[1] + beyond for r in w.marks.reads(u.marks))


def _last(r: Read, base: int) -> int:
    if r.base != base or r.start is None:
        return 1 << 62
    return r.stop - 1 if r.stop is not None else r.start
