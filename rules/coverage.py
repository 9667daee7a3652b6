"""Which part of the validation tokens the scores of the headline are taken of, as far as the code gives numbers.

Loops are walked for their first, second and last turn. Where the tokens of these turns are known by number, the
last one tells how far the scoring comes, and the first two whether something is left out between them. The share of
one of several processes is no part: the others score the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rules import order
from rules.events import Event, Observation, Program, Sight, Slice, Split
from rules.place import Location

WHOLE = 0.97  # the last incomplete window may be left out
WINDOW = 64  # tokens; shorter runs are rows or single tokens, whose places are no places in the split
ROWS = "rows|"  # the run was folded into rows
DRAWN = "drawn|"  # places that were drawn at random
LAST_TURN = 2


@dataclass(frozen=True, slots=True)
class Part:
    """What is left out, and where this is seen."""

    what: str
    at: Location
    certain: bool = True


def parts(p: Program) -> Iterator[Part]:
    """The ways in which the headline leaves validation tokens out."""
    by_id = {e.id: e for e in p.events}
    scores = [by_id[n] for r in order.headlines(p)[:1] for n in r.scores if n in by_id]
    slices = [x for s in scores for x in s.slices if x.split is Split.VALIDATION]
    if not slices:
        return
    drawn = next((s for s in scores if any(DRAWN in x.parts for x in s.slices)), None)
    if drawn is not None:
        yield Part("windows at places that were drawn at random", drawn.at)
    size = next((o for o in p.observations if o.sight is Sight.EXTENT and o["total"]), None)
    if size is not None and all(_known(x) for x in slices):
        yield from _numbered(scores, slices, int(size["total"]), int(size["processes"]))
    walked: dict[int, set[int]] = {}
    for x in slices:
        for loop, k in x.turns:
            walked.setdefault(loop, set()).add(k)
    for o in p.observations:
        if o.sight is Sight.EXTENT and o["loop"]:
            yield from _left(o, walked)


def _known(x: Slice) -> bool:
    return x.start is not None and x.stop is not None and x.stop - x.start >= WINDOW and ROWS not in x.parts


def _is_part(share: float, processes: int) -> bool:
    return share < WHOLE and not WHOLE < share * processes < 2 - WHOLE


def _to_the_end(scores: list[Event]) -> bool:
    """Whether the last turn of the outermost loop that chooses tokens is among the scores."""
    last = -1
    for s in scores:
        chosen = {loop for x in s.slices for loop, _ in x.turns}
        last = max(last, next((k for loop, k in s.turns if loop in chosen), -1))
    return last >= LAST_TURN


def _numbered(scores: list[Event], slices: list[Slice], total: int, processes: int) -> Iterator[Part]:
    at = scores[0].at
    outer: dict[int, dict[int, list[Slice]]] = {}
    for x in slices:
        for loop, k in x.turns:
            outer.setdefault(loop, {}).setdefault(k, []).append(x)
    reach = max(x.stop or 0 for x in slices)
    if _to_the_end(scores) and _is_part(reach / total, processes):
        yield Part(f"the first {reach / total:.1%} of the validation tokens", at)
    for turns in outer.values():
        if 0 not in turns or 1 not in turns:
            continue
        begin, end = min(x.start or 0 for x in turns[0]), max(x.stop or 0 for x in turns[0])
        following = min(x.start or 0 for x in turns[1])
        if following > end + 1 and _is_part((end - begin) / (following - begin), processes):
            yield Part(f"{(end - begin) / (following - begin):.0%} of the tokens, with gaps between the windows", at)
            return


def _left(o: Observation, walked: dict[int, set[int]]) -> Iterator[Part]:
    turns = walked.get(int(o["loop"]))
    if not turns:
        return
    if o["share"]:
        if _is_part(float(o["share"]), int(o["processes"])):
            yield Part(f"{float(o['share']):.1%} of the windows, {o.what}", o.at, o.certain)
    elif not turns >= {0, 1}:
        yield Part(f"the windows of some turns only, {o.what}", o.at, o.certain)
