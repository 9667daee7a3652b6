"""Three pictures of an audit, as geometry: seeds against the claim, the byte budget, the time budgets.

Nothing is judged here. The same questions that the rules ask (`rules.view`) give the figures,
so a picture cannot show another total than the finding beside it. Coordinates are in units of a
300 wide drawing, which fits a phone; the template turns them into SVG.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditor.audit import Audit
from auditor.report.text import number, plain
from rules import view
from rules.editions import Edition, edition
from rules.evidence import Evidence, Number, Phase, PhaseKind, Run

WIDTH = 300
LEFT, RIGHT = 96, 244  # the plot between the labels and the values of the seeds' picture
ROW = 24
SEEDS = 12  # rows of seeds
SEGMENTS = 9  # pieces of one bar
COLORS = {
    PhaseKind.TRAIN: "c1",
    PhaseKind.EVAL: "c1",
    PhaseKind.CALIBRATION: "c2",
    PhaseKind.ADAPT: "c3",
    PhaseKind.WARMUP: "c4",
    PhaseKind.LOAD: "c5",
    PhaseKind.SERIALISE: "c5",
    PhaseKind.DIAGNOSTIC: "c6",
}
NAMES = {
    PhaseKind.TRAIN: "training",
    PhaseKind.EVAL: "scored evaluation",
    PhaseKind.CALIBRATION: "calibration",
    PhaseKind.ADAPT: "adaptation",
    PhaseKind.WARMUP: "warm-up",
    PhaseKind.LOAD: "loading",
    PhaseKind.SERIALISE: "serialising",
    PhaseKind.DIAGNOSTIC: "diagnostics",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One mark: `kind` is "dot", "diamond", "ring", "bar" or "span"; `style` a CSS class; `says` its title."""

    kind: str
    x: float
    y: float
    width: float = 0.0
    style: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the picture: a label, a value in words, and marks. `y` is the middle of its text."""

    label: str
    value: str
    y: float
    shapes: tuple[Shape, ...] = ()
    faint: str = ""  # said after the value, in a quieter tone


@dataclass(frozen=True, slots=True)
class Rule:
    """A vertical line from `top` to `bottom` with a name, e.g. a cap."""

    x: float
    top: float
    bottom: float
    label: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing with its text alternative: `title` and `description` for those who cannot see it."""

    name: str
    title: str
    description: str
    height: float
    rows: tuple[Row, ...]
    rules: tuple[Rule, ...] = ()
    legend: tuple[tuple[str, str], ...] = ()  # (CSS class, words)
    note: str = ""
    table: tuple[tuple[str, str], ...] = ()
    paths: tuple[tuple[str, str], ...] = ()  # (CSS classes, what an SVG path says)
    texts: tuple[tuple[float, float, str, str], ...] = ()  # (x, y, where it is held, words)
    width: int = WIDTH
    left: int = LEFT
    right: int = RIGHT


def pictures(audit: Audit) -> Iterator[Picture]:
    """The pictures for which the audit holds figures; none without evidence."""
    if audit.evidence is None:
        return
    law = _edition(audit.edition)
    for made in (seeds(audit.evidence), byte_budget(audit.evidence, law), time_budgets(audit.evidence, law)):
        if made:
            yield made


def seeds(e: Evidence) -> Picture | None:
    """A dot for each seed's bpb, the recomputed mean with its spread, the claim and the frontier."""
    stats = e.statistics
    dots = [(s, v.value) for s, v in zip(stats.seeds, stats.values, strict=False) if _drawable(v.value)]
    claim = e.claims.val_bpb
    claimed = claim.value if claim and _drawable(claim.value) else None
    mean = stats.mean if stats.mean is not None and _drawable(stats.mean) else None
    std = stats.std if stats.std is not None and _drawable(stats.std) else 0.0
    frontier = _frontier(e)
    ends = [v for _, v in dots]
    ends += [v for v in (claimed, frontier[1] if frontier else None) if v is not None]
    ends += [mean - std, mean + std] if mean is not None else []
    if (not dots and mean is None) or not ends:
        return None
    low, high = min(ends), max(ends)
    pad = max((high - low) * 0.08, 1e-4)
    low, high = low - pad, high + pad

    def x(value: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (value - low) / (high - low), 1)

    rows: list[Row] = []

    def add(label: str, value: str, *shapes: tuple[str, float, float, str]) -> None:
        y = 16 + ROW * len(rows)
        made = tuple(Shape(kind, at, y, width, style, f"{label}: {value}") for kind, at, width, style in shapes)
        rows.append(Row(plain(label, 14), value, y, made))

    for seed, v in dots[:SEEDS]:
        add(f"seed {seed}" if seed is not None else "seed ?", number(v, 4), ("dot", x(v), 0, "c1"))
    if mean is not None:
        shape = ("span", x(mean - std), x(mean + std) - x(mean - std), "c1")
        add(
            f"mean ± {number(std, 4)}" if std else "mean",
            number(mean, 4),
            *([shape] if std else []),
            ("diamond", x(mean), 0, "c1"),
        )
    if claimed is not None:
        add("claimed", number(claimed, 4), ("ring", x(claimed), 0, "c2"))
    if frontier:
        add("frontier", number(frontier[1], 4), ("ring", x(frontier[1]), 0, "c6"))
    bottom = 16 + ROW * len(rows) - ROW / 2
    lines = [Rule(x(frontier[1]), 4, bottom, "", "dash")] if frontier else []
    table = [(f"seed {s if s is not None else '?'}", number(v, 6)) for s, v in dots]
    if mean is not None:
        table += [("mean of the logs", number(mean, 6)), ("standard deviation", number(std, 6) if std else "—")]
    table += [("claimed", number(claimed, 6))] if claimed is not None else []
    table += [(f"frontier ({plain(frontier[0], 60)})", number(frontier[1], 6))] if frontier else []
    note = "Bits per byte, lower is better."
    note += f" Compared with the {plain(frontier[0], 80)}." if frontier else ""
    if len(dots) > SEEDS:
        note += f" {len(dots) - SEEDS} further seeds are in the table."
    return Picture(
        name="seeds",
        title="Seeds against the claim",
        description="; ".join(f"{r.label} {r.value}" for r in rows) + ". Lower is better.",
        height=bottom + 6,
        rows=tuple(rows),
        rules=tuple(lines),
        note=note,
        table=tuple(table),
    )


def _drawable(bpb: float) -> bool:
    """A figure that can be bits per byte; others (NaN, a loss gone wild) would only squash the rest."""
    return 0 < bpb < 100


def byte_budget(e: Evidence, law: Edition) -> Picture | None:
    """Bars for the artifact as shipped, as the logs count it and as claimed, against the cap."""
    runs = view.claim_runs(e)
    weights = view.worst([view.model_bytes(r) for r in runs])
    logged = max((r for r in runs if view.total_bytes(r)), key=lambda r: _value(view.total_bytes(r)), default=None)
    claimed = view.worst([s.total_bytes for s in view.statements(e)])
    script = e.package.entry
    bars: list[tuple[str, list[tuple[str, float, str]]]] = []
    if weights and script and math.isfinite(weights.value):
        bars.append(("as shipped", [("weights", weights.value, "c1"), ("script as shipped", float(script.size), "c2")]))
    if logged:
        total, model = _value(view.total_bytes(logged)), _value(view.model_bytes(logged))
        parts = (
            [("weights", model, "c1"), ("code", total - model, "c2")]
            if 0 < model <= total
            else [("in all", total, "c6")]
        )
        bars.append(("as logged", parts))
    if claimed and math.isfinite(claimed.value):
        bars.append(("claimed", [("claimed", claimed.value, "c6")]))
    bars = [
        (label, parts)
        for label, parts in bars
        if all(math.isfinite(v) for _, v, _ in parts) and sum(v for _, v, _ in parts) > 0
    ]
    if not bars:
        return None
    return _bars(
        "bytes",
        "Byte budget",
        bars,
        cap=float(law.artifact_cap),
        unit="bytes",
        legend=tuple(
            (s, w)
            for s, w in (("c1", "weights"), ("c2", "code"), ("c6", "not divided"))
            if any(p[2] == s for _, parts in bars for p in parts)
        ),
        note="The largest seed. As shipped: its weights and the script as it lies in the folder.",
    )


def time_budgets(e: Evidence, law: Edition) -> Picture | None:
    """Training and evaluation of the slowest run, counted leniently and strictly, against the caps.

    Lenient is what accepted records were timed by: the training clock, and adaptation plus the
    scored evaluation. Strict adds calibration to training and every other phase to evaluation.
    """
    bars: list[tuple[str, list[tuple[str, float, str]]]] = []
    timed = [r for r in view.claim_runs(e) if _train(r)]
    if timed:
        slow = max(timed, key=lambda r: sum(v for _, v, _ in _train_all(r)))
        bars += _pair("training", "its clock", _train(slow), "and calibration", _train_all(slow))
    scored = [r for r in view.claim_runs(e) if r.phase_seconds(*view.SCORED) > 0]
    if scored:
        slow = max(scored, key=lambda r: sum(p.seconds.value for p in view.eval_phases(r)))
        own = [p for p in slow.phases if p.kind in view.SCORED]
        bars += _pair("evaluation", "scored", _phases(own), "all work", _phases(view.eval_phases(slow)))
    bars = [(label, parts) for label, parts in bars if parts and all(math.isfinite(v) and v >= 0 for _, v, _ in parts)]
    if not bars:
        return None
    used = dict.fromkeys(style for _, parts in bars for _, _, style in parts)
    names = (
        {"c1": "training, scoring"}
        | {COLORS[k]: NAMES[k] for k in COLORS if COLORS[k] not in ("c1", "c5")}
        | {"c5": "loading"}
    )
    return _bars(
        "times",
        "Time budgets",
        bars,
        cap=law.train_cap,
        unit="s",
        legend=tuple((style, names[style]) for style in sorted(used)),
        note="The slowest run." + (" Which phases count is disputed, so both ways are shown." if len(bars) > 2 else ""),
    )


def _pair(
    what: str, lenient: str, few: list[tuple[str, float, str]], strict: str, all_: list[tuple[str, float, str]]
) -> list[tuple[str, list[tuple[str, float, str]]]]:
    if few == all_:
        return [(what, few)]
    return [(f"{what}, {lenient}", few), (f"{what}, {strict}", all_)]


def _train(run: Run) -> list[tuple[str, float, str]]:
    seconds = _value(run.train_seconds) or run.phase_seconds(PhaseKind.TRAIN)
    return [("training", seconds, "c1")] if seconds > 0 else []


def _train_all(run: Run) -> list[tuple[str, float, str]]:
    return _train(run) + _phases([p for p in run.phases if p.kind is PhaseKind.CALIBRATION])


def _phases(phases: Iterable[Phase]) -> list[tuple[str, float, str]]:
    """Phases as segments, the scored ones first; too many are joined by kind."""
    order = [*view.SCORED, PhaseKind.WARMUP, PhaseKind.LOAD, PhaseKind.DIAGNOSTIC]
    found = sorted(phases, key=lambda p: order.index(p.kind) if p.kind in order else len(order))
    if len(found) <= SEGMENTS:
        return [(plain(p.name, 60) or NAMES[p.kind], p.seconds.value, COLORS[p.kind]) for p in found]
    present = dict.fromkeys(p.kind for p in found)
    return [(NAMES[k], sum(p.seconds.value for p in found if p.kind is k), COLORS[k]) for k in present]


def _bars(
    name: str,
    title: str,
    bars: list[tuple[str, list[tuple[str, float, str]]]],
    *,
    cap: float,
    unit: str,
    legend: tuple[tuple[str, str], ...],
    note: str,
) -> Picture:
    """Stacked bars under their labels, with the cap as a line through all of them."""
    digits = 0 if unit == "bytes" else 1
    longest = max(cap, *(sum(v for _, v, _ in parts) for _, parts in bars)) * 1.04
    rows, table = [], []
    for i, (label, parts) in enumerate(bars):
        y = 13 + 38 * i
        total, x = sum(v for _, v, _ in parts), 0.0
        shapes = []
        for what, v, style in parts:
            width = WIDTH * v / longest
            # A sliver is drawn wide enough to be seen; the next piece starts where it truly ends.
            shapes.append(
                Shape(
                    "bar", round(x, 1), y + 7, round(max(width, 1.5), 1), style, f"{what}: {number(v, digits)} {unit}"
                )
            )
            x += width
        over = total - cap
        room = f"{number(over, digits)} over" if over > 0 else f"{number(-over, digits)} left"
        value = f"{number(total, digits)}{'' if unit == 'bytes' else ' ' + unit}"
        # In plain ink: being over by one way of counting is for a rule to judge, not for a colour.
        rows.append(
            Row(label, f"{value} · {room}" if over > 0 else value, y, tuple(shapes), "" if over > 0 else f" · {room}")
        )
        table.append((label, f"{value} · {room}"))
        table += [(f"— {what}", f"{number(v, digits)} {unit}") for what, v, _ in parts if len(parts) > 1]
    bottom = 13 + 38 * len(bars) - 12
    caption = f"cap: {number(cap)} {unit}"
    return Picture(
        name=name,
        title=title,
        description=f"{caption}. " + "; ".join(f"{r.label} {r.value}{r.faint}" for r in rows) + ".",
        height=bottom + 20,
        rows=tuple(rows),
        rules=(Rule(round(WIDTH * cap / longest, 1), 16, bottom + 4, caption, "cap"),),
        legend=legend,
        note=note,
        table=((caption, ""), *table),
    )


def _frontier(e: Evidence) -> tuple[str, float] | None:
    """The record to beat and its bpb, worked back from the gain over it."""
    mean = e.statistics.mean
    found = [c for c in e.statistics.comparisons if c.unit == "bpb" and math.isfinite(c.gain)]
    value = mean + found[0].gain if mean is not None and found else math.nan
    return (found[0].baseline, value) if _drawable(value) else None


def _value(n: Number | None) -> float:
    return n.value if n else 0.0


def _edition(name: str) -> Edition:
    try:
        return edition(name)
    except ValueError:
        return edition("latest")
