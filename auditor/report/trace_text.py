"""A trace for a person and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO

import msgspec
from rich.console import Console
from rich.text import Text

from auditor.report.text import plain
from auditor.report.timelines import characters
from rules.ran import late, leaks, sum_words
from rules.trace import Changed, Early, Foresight, Gate, Look, Printed, Probe, Sum, Trace

MOST = 8  # printed numbers shown, unless verbose


def trace_json(traces: Sequence[tuple[str, Trace | None]]) -> str:
    return msgspec.json.format(
        msgspec.json.encode([{"folder": folder, "trace": t} for folder, t in traces]), indent=2
    ).decode()


def trace_text(
    traces: Sequence[tuple[str, Trace | None]], *, verbose: bool, color: bool, positions: tuple[int, int] | None = None
) -> str:
    out = StringIO()
    console = Console(file=out, force_terminal=color, width=110, highlight=False, soft_wrap=True)
    for folder, t in traces:
        console.print(Text(plain(folder), "bold"))
        for line in lines(t, verbose, positions):
            console.print(line)
    return out.getvalue().rstrip("\n")


def lines(
    t: Trace | None, verbose: bool, positions: tuple[int, int] | None = None, *, drawn: bool = True
) -> Iterator[Text]:
    if t is None:
        yield Text("  no program that can be run")
        return
    yield Text(
        f"  {t.entry}: run small in the sandbox ({t.sealed}){' with a GPU' if t.device == 'cuda' else ''}{f' as {t.ranks} ranks' if t.ranks > 1 else ''} on {t.positions:,} made-up tokens, {t.ended}, {t.seconds:.1f} s"
    )
    if t.manner:
        yield Text(f"  how: {plain(t.manner)}")
    if t.cached:
        yield Text(f"  from the cache: this run was made on {t.cached[:16]} UTC; --no-cache runs it again", "dim")
    if t.failure:
        yield Text(f"  did not come to its end: {plain(t.failure)}", "yellow")
    numbers = [n for n in t.printed if n.what]
    for n in numbers if verbose else numbers[-MOST:]:
        yield Text(f"  {number(n)}")
    for n in [n for n in t.printed if n.right][-MOST:]:
        yield Text(
            f"  {n.value:.6g} is called bits per byte; by the bytes of the text it is {n.right:.6g}: “{plain(n.text)[:60]}”",
            "yellow",
        )
    unexplained = [n for n in t.printed if not n.what]
    if verbose:
        for n in unexplained:
            yield Text(f"  not a sum of scores: {n.value} in “{plain(n.text)[:80]}”", "dim")
    if drawn:
        yield from characters(t, positions)
    yield from missed(t, verbose)
    if not t.explained:
        yield Text("  no printed number is made of the scores in the book", "yellow")
        return
    yield Text(f"  headline: {plain(t.printed[t.headline].text)[:100]}", "bold")
    unproved = bool(t.probes) and not leaks(t) and not any(p.problem for p in t.probes)
    for e in t.early:
        yield Text(f"  {early(e)}{'; no probe bears it out' if unproved else ''}", "dim" if unproved else "red")
    if not t.early:
        yield Text("  order: every token was scored before it was trained on or counted", "green")
    for p in t.probes:
        if p.leak and late(t, p):
            yield Text(f"  {probe(p)}: they were added up late, and made before what they would have to know", "dim")
        else:
            yield Text(f"  {probe(p)}", "red" if p.leak else "yellow" if p.problem else "green")
    for f in t.foresight:
        borne_out = any(s.improper for s in t.sums) if f.own else bool(leaks(t))
        yield Text(f"  {foresight(f)}{'' if borne_out else '; no probe bears it out'}", "red" if borne_out else "dim")
    for s in t.sums:
        yield Text(
            f"  {added_up(s)}",
            "red" if (s.improper or s.doubtful) and s.confirmed else "green" if s.proper else "yellow",
        )
    if verbose:
        for r in t.reduced:
            yield Text(f"  smaller: {r.name} {r.was or '(no default)'} -> {r.now}", "dim")


def missed(t: Trace, verbose: bool) -> Iterator[Text]:
    """What of the evaluation the small run left out, and what would bring it in."""
    for given in t.given:
        yield Text(f"  set for this run: {plain(given)}")
    for x in t.looks:
        yield Text(f"  {look(x)}", "red" if x.decides else "yellow")
    grave = [
        g for g in t.gates if g.kind != "setting" or not g.what.startswith("changes")
    ]  # others: ways to build a model
    shown = t.gates if verbose else grave[:MOST]
    for g in shown:
        yield Text(f"  {gate(g)}", "yellow")
    if len(shown) < len(t.gates):
        yield Text(f"  {len(t.gates) - len(shown)} more that did not run: -v shows them", "dim")


def look(x: Look) -> str:
    return f"look: at {x.at} it looks at {plain(x.what)}{f', and what hangs on it {x.decides}' if x.decides else ''}"


def gate(g: Gate) -> str:
    how = f"; --set {' --set '.join(map(plain, g.settings))}" if g.settings and g.kind == "setting" else ""
    return (
        f"did not run: {f'lines {g.first} to {g.last}' if g.last > g.first else f'line {g.first}'} ({g.what}) "
        f"behind “{plain(g.condition)[:100]}” at {g.at}; it would take {plain(g.switch)}{how}"
    )


def number(n: Printed) -> str:
    return f"{n.value:.6g} is the {n.what} of {n.scores:,} scores taken at {n.at}: “{plain(n.text)[:60]}”"


def early(e: Early) -> str:
    when = "while it was scored" if e.during else "before any of it was scored"
    change = f", parameters changed at {e.changed}" if e.changed else ""
    return (
        f"order: {e.count:,} of {e.of:,} tokens ({e.first} to {e.last}) were {e.how} at {e.at}{change}, {when}: "
        f"then scored at {e.scored}"
    )


def foresight(f: Foresight) -> str:
    knew = "were picked from values made of that token itself" if f.own else "were made of later tokens"
    return f"dataflow: {f.count:,} scores, from {f.first} to {f.last}, {knew}, at {f.at}"


def added_up(s: Sum) -> str:
    if s.problem:
        return f"sum at {s.at}: {s.problem}"
    confirmed = f"; {s.confirmed} confirmed by whole runs" if s.confirmed else ""
    return f"sum at {s.at}: the probabilities add up to {sum_words(s)}{confirmed}"


def probe(p: Probe) -> str:
    if p.kind is Changed.ORDER:
        off = f"adaptation at {p.at} switched off" if p.at else "adaptation switched off"
        if p.problem:
            return f"probe, {off}: {p.problem}"
        if not p.moved:
            return f"probe, {off}: all {p.compared:,} scores before the first update stayed"
        return (
            f"probe, {off}: {p.moved:,} of {p.compared:,} scores before the first update inside of the evaluation moved, "
            f"by up to {p.most:.3g} nats (two equal runs differ by {p.noise:.3g})"
        )
    if p.problem:
        return f"probe, other tokens from {p.cut} on: {p.problem}"
    if not p.moved:
        return f"probe, other tokens from {p.cut} on: all {p.compared:,} scores before it stayed"
    return (
        f"probe, other tokens from {p.cut} on: {p.moved:,} of {p.compared:,} scores before it moved, by up to {p.most:.3g} nats "
        f"(positions {p.first} to {p.last}; two equal runs differ by {p.noise:.3g})"
    )
