"""What is noted of loops that leave windows out, and of places that were drawn at random.

Whether a loop chose tokens of the headline is for `rules/coverage.py` to tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from auditor.source.labels import Mark, Read
from auditor.source.sights import cuts
from auditor.source.values import Const, Data, Seq, Value, labels
from rules.events import Sight, Split

if TYPE_CHECKING:
    from auditor.source.walk import Walk

ROWS, DRAWN = "rows|", "drawn|"


def finish(w: Walk) -> None:
    """How many validation tokens there are, and how many processes share them."""
    detail = (("total", str(cuts.everything(w))), ("processes", str(w.config.world_size)))
    site = w.loop_sites[0] if w.loop_sites else w.site
    w.see(Sight.EXTENT, site, "the size of the validation split", detail=detail, ok=True)


def over(w: Walk, source: Value, loop: int) -> None:
    """A loop over a part of a list of known length."""
    if isinstance(source, Seq) and source.share < 1:
        tell(w, loop, f"{source.share:.4f}", "a part of the list of all")


def tell(w: Walk, loop: int, share: str, what: str) -> None:
    detail = (("loop", str(loop)), ("share", share), ("processes", str(w.config.world_size)))
    w.see(Sight.EXTENT, w.loop_sites[loop], what, detail=detail)


def part(w: Walk, owner: Seq, low: Value, high: Value, step: Value, out: Seq) -> None:
    """The first so many items of a list of which it is known how many it has."""
    known = owner.length if owner.length is not None else len(owner.items) if not owner.more else None
    first = isinstance(low, Const) and low.v in (None, 0) and isinstance(step, Const) and step.v in (None, 1)
    turned = (labels(low) | labels(high)) & w.marks.mask[Mark.TURN]  # another turn takes the next ones
    if first and not turned and known and isinstance(high, Const) and type(high.v) is int and 0 < high.v < known:
        out.share = owner.share * high.v / known
        out.length = high.v


def drawn(w: Walk) -> int:
    """The mark of a number that was drawn at random."""
    return w.marks.make(Mark.DRAWN, 0)


def read(w: Walk, r: Read, key: int, parts: frozenset[str]) -> frozenset[str]:
    """What the index says of the tokens that it takes."""
    return parts | {DRAWN} if key & w.marks.bit.get((Mark.DRAWN, 0), 0) and r.split is Split.VALIDATION else parts


def folded(r: object) -> object:
    """A run of tokens that is folded into rows: places in it are no places in the split any more."""
    if not isinstance(r, Read) or r.split is not Split.VALIDATION or ROWS in r.parts:
        return r
    return Read(r.split, r.at, r.turns, r.base, r.start, r.stop, r.parts | {ROWS}, r.sidecar)


def taken(w: Walk, owner: Data, key: Value) -> int:
    """The first so many of numbers that were drawn, or put in an order by chance."""
    bit = w.marks.bit.get((Mark.DRAWN, "order"), 0)
    if not labels(owner) & bit or not isinstance(key, Seq) or key.kind != "slice":
        return 0
    low, high, _ = key.items
    fixed = isinstance(high, Const) and type(high.v) is int and not high.lab & w.marks.mask[Mark.TURN]
    return drawn(w) if fixed and isinstance(low, Const) and low.v in (None, 0) else 0
