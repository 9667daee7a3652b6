"""The book of a run in one look: its order across, token positions up. As geometry, as SVG and in characters.

What a person looks for is one thing: a token that was trained on or counted before it was scored. That is
drawn last and in the colour of a violation; everything else is ground.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.text import Text

from auditor.report.pictures import WIDTH, Picture
from rules.trace import Act, Closeup, Stretch, Trace

LEFT, TOP, TALL = 38, 6, 140
FINE = 400  # stretches; more are drawn on a coarse grid, where many fall together
TICK = 5  # height of an update's mark
COLUMNS, LINES = 76, 16

# By what it is, in the order of drawing: CSS class, character, colour in a terminal, words.
OTHER, HEADLINE, TRAINED, COUNTED, EARLY = range(5)
KINDS = (
    ("c6", "·", "bright_black", "scored, but not for the headline"),
    ("c1", "█", "blue", "scored for the headline"),
    ("c3", "t", "cyan", "trained on"),
    ("c4", "c", "magenta", "counted"),
    ("early", "!", "bold red", "trained on or counted before the headline scored it"),
)


def kind(s: Stretch) -> int:
    if s.early:
        return EARLY
    return {Act.TRAINED: TRAINED, Act.COUNTED: COUNTED}.get(s.act, HEADLINE if s.headline else OTHER)


def shown(t: Trace, positions: tuple[int, int] | None) -> tuple[Stretch, ...]:
    """The stretches that touch the positions asked for, cut to them, and the updates from the first of them to the last."""
    if positions is None:
        return t.timeline
    low, high = positions
    book = next((c.timeline for c in t.closeups if c.first <= low and high <= c.last), t.timeline)
    mine = [s for s in book if s.act is not Act.UPDATED and s.last >= low and s.first <= high]
    if not mine:
        return ()
    begin, end = mine[0].n, max(s.until for s in mine)
    return tuple(
        s if s.act is Act.UPDATED else replace(s, first=max(s.first, low), last=min(s.last, high))
        for s in book
        if (begin <= s.n <= end if s.act is Act.UPDATED else s.last >= low and s.first <= high)
    )


def extent(t: Trace, positions: tuple[int, int] | None) -> tuple[int, int]:
    low, high = positions or (0, max([t.positions - 1, *(s.last for s in t.timeline)]))
    return low, max(high, low)


def ranks(found: Sequence[Stretch]) -> dict[int, int]:
    """Equal room for every record that is shown: the numbers between say nothing about time."""
    return {n: i for i, n in enumerate(sorted({n for s in found for n in (s.n, s.until)}))}


def picture(t: Trace, positions: tuple[int, int] | None = None) -> Picture | None:
    found = shown(t, positions)
    if not any(s.act is not Act.UPDATED for s in found):
        return None
    low, high = extent(t, positions)
    rank = ranks(found)
    across, up = (WIDTH - LEFT) / len(rank), TALL / (high - low + 1)
    drawn: dict[int, dict[str, None]] = {k: {} for k in range(len(KINDS))}
    ticks: dict[str, None] = {}
    digits = 1 if len(found) <= FINE else 0
    for s in found:
        x, end = LEFT + rank[s.n] * across, LEFT + (rank[s.until] + 1) * across
        if s.act is Act.UPDATED:
            ticks[f"M{_short(x, digits)} {TOP + TALL + 2}v{TICK}"] = None
            continue
        y, bottom = TOP + TALL - (s.last + 1 - low) * up, TOP + TALL - (s.first - low) * up
        at, w = f"{_short(x, digits)} {_short(y, digits)}", _short(max(end - x, 1), digits)
        drawn[kind(s)][f"M{at}h{w}v{_short(max(bottom - y, 1), digits)}h-{w}z"] = None
    used = [k for k in drawn if drawn[k]]
    paths = [(f"area {KINDS[k][0]}", "".join(drawn[k])) for k in used]
    if ticks:
        paths.append(("tick", "".join(ticks)))
    floor = TOP + TALL + TICK + 14
    return Picture(
        name="timeline",
        title="What was done with which tokens, in order",
        description=said(t, found),
        height=floor + 4,
        rows=(),
        legend=tuple((KINDS[k][0], KINDS[k][3]) for k in used),
        note="Across: the order of the run; up: the position of the token. Marks below: parameters changed.",
        table=tuple(_table(t)),
        paths=(("axis", f"M{LEFT} {TOP}V{TOP + TALL}H{WIDTH}"), *paths),
        texts=(
            (LEFT - 4, TOP + 9, "end", f"{high:,}"),
            (LEFT - 4, TOP + TALL, "end", f"{low:,}"),
            (WIDTH, floor, "end", "time →"),
        ),
    )


def zooms(t: Trace) -> Iterator[Picture]:
    """A small picture around the first tokens of each finding."""
    for i, c in enumerate(t.closeups, 1):
        drawn = picture(t, (c.first, c.last))
        if drawn is not None:
            title = f"Closer: tokens {c.first:,} to {c.last:,}{about(t, c)}"
            yield replace(drawn, name=f"timeline-{i}", title=title, table=())


def about(t: Trace, c: Closeup) -> str:
    """What is to be seen in a close-up."""
    e = next((e for e in t.early if c.first <= e.first <= c.last), None)
    if e is not None:
        return f", {e.how} at {e.at} first"
    p = next((p for p in t.probes if p.leak and c.first <= p.last <= c.last), None)
    return f", the last scores that moved with other tokens from {p.cut:,} on" if p else ""


def said(t: Trace, found: Sequence[Stretch]) -> str:
    """The picture in words, for those who cannot see it."""
    early = [s for s in found if s.early]
    counts = {k: sum(kind(s) == k for s in found if s.act is not Act.UPDATED) for k in range(len(KINDS))}
    parts = [f"{n:,} stretches {KINDS[k][3]}" for k, n in counts.items() if n and k != EARLY]
    order = (
        f"Tokens {min(s.first for s in early):,} to {max(s.last for s in early):,} were used before they were scored."
        if early
        else "No token was used before it was scored."
        if t.explained
        else "No printed number could be explained, so the order was not judged."
    )
    updates = sum(s.act is Act.UPDATED for s in found)
    return f"{order} {'; '.join(parts)}; parameters changed {updates:,} times."


def _table(t: Trace) -> Iterator[tuple[str, str]]:
    for e in t.early:
        yield (
            f"{e.how} first",
            f"{e.count:,} of {e.of:,} tokens, {e.first:,} to {e.last:,}, at {e.at}; scored at {e.scored}",
        )
    for p in t.probes:
        moved = p.problem or f"{p.moved:,} of {p.compared:,} scores before it moved"
        yield f"other tokens from {p.cut:,} on", moved


def _short(x: float, digits: int) -> str:
    return f"{x:.{digits}f}".removesuffix(".0")


def characters(t: Trace, positions: tuple[int, int] | None = None) -> Iterator[Text]:
    """The picture in about twenty lines of a terminal; what matters more covers what matters less."""
    found = shown(t, positions)
    if not any(s.act is not Act.UPDATED for s in found):
        return
    low, high = extent(t, positions)
    rank = ranks(found)
    grid = [[-1] * COLUMNS for _ in range(LINES)]
    below = [" "] * COLUMNS
    each = (high - low + 1) / LINES
    for s in found:
        a = rank[s.n] * COLUMNS // len(rank)
        b = max(a, ((rank[s.until] + 1) * COLUMNS - 1) // len(rank))
        for x in range(a, min(b, COLUMNS - 1) + 1):
            if s.act is Act.UPDATED:
                below[x] = "'"
                continue
            for y in range(int((s.first - low) / each), min(int((s.last - low) / each), LINES - 1) + 1):
                grid[y][x] = max(grid[y][x], kind(s))
    margin = len(f"{high:,}")
    for y in range(LINES - 1, -1, -1):
        label = f"{high:,}" if y == LINES - 1 else f"{low:,}" if y == 0 else ""
        line = Text(f"  {label:>{margin}} │")
        for k in grid[y]:
            line.append(" " if k < 0 else KINDS[k][1], "" if k < 0 else KINDS[k][2])
        line.rstrip()
        yield line
    if any(c != " " for c in below):
        yield Text(f"  {'':>{margin}} └{''.join(below).rstrip()} ' parameters changed", "dim")
    used = sorted({kind(s) for s in found if s.act is not Act.UPDATED})
    legend = Text(f"  {'':>{margin}}  ")
    for k in used:
        legend.append(f"{KINDS[k][1]} ", KINDS[k][2])
        legend.append(f"{KINDS[k][3]}   ")
    legend.rstrip()
    yield legend
