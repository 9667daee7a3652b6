"""A reproduction for a person, for a page, and for programs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import StringIO

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from auditor.report.text import plain, shorten
from auditor.report.trace_text import number as explained_number
from auditor.reproduce.compare import Row, SeedTest, Verdict
from auditor.reproduce.whole import Reproduction

COLORS = {
    Verdict.SAME: "green",
    Verdict.EXPLAINED: "yellow",
    Verdict.FLAGGED: "bold red",
    Verdict.OTHER: "yellow",
    Verdict.UNKNOWN: "dim",
}
HEAD = ("seed", "figure", "claim", "re-run", "difference", "verdict", "why")
DIGITS = {"bpb": 6, "bytes": 0, "steps": 0, "ms": 2, "s": 1}
EXPLAINED = "explained: a known difference moves the figure this way; by how much was not checked, and the claim is not confirmed by it"
MOST = 6  # printed numbers of a small run
_RESULT = re.compile(r"(?i)bpb|bits.per.byte|val\w*loss")


def as_json(found: Sequence[Reproduction]) -> str:
    """All of it, differences and verdicts included."""
    out = []
    for r in found:
        data = msgspec.to_builtins(r)
        for row, source in zip(data["rows"], r.rows, strict=True):
            row["difference"] = source.difference
        for figures, own in zip((*data["claim"], *data["reruns"]), (*r.claim, *r.reruns), strict=True):
            figures["step_ms"] = own.step_ms
        data["good"] = r.good
        out.append(data)
    return msgspec.json.format(msgspec.json.encode(out), indent=2).decode()


def figure(x: float | None, unit: str, signed: bool = False) -> str:
    if x is None:
        return "—"
    return (
        f"{x:{'+' if signed else ''},.{DIGITS.get(unit, 4)}f} {unit if unit not in ('steps', 'bpb') else ''}".rstrip()
    )


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table as text."""
    difference = figure(row.difference, row.unit, signed=True)
    if row.errors is not None:
        difference += f" ({row.errors:+.1f} s.e.)"
    seed = "all" if row.seed is None else str(row.seed)
    verdict = row.verdict.value if row.verdict is not Verdict.UNKNOWN else "—"
    return seed, row.what, figure(row.claim, row.unit), figure(row.rerun, row.unit), difference, verdict, plain(row.why)


def shown(r: Reproduction) -> list[Row]:
    """Rows in which at least one side says something."""
    return [row for row in r.rows if row.claim is not None or row.rerun is not None]


def head(r: Reproduction) -> str:
    how = "small, on the CPU with stand-ins" if r.small else f"{r.ranks} rank{'s' * (r.ranks > 1)} on {r.device}"
    return f"{r.entry}, run again: {how}"


def tested(t: SeedTest) -> str:
    error = f" ± {t.error:.6f} (standard error)" if t.error else ""
    p = f", p = {t.p:.3g}" if t.p is not None else ""
    return (
        f"mean bpb, re-run less claim: {t.difference:+.6f}{error}, {t.n_rerun} against {t.n_claim} values, {t.name}{p}"
    )


def outcome(r: Reproduction) -> str:
    """Whether the claimed bpb came out again, in so many words: "nothing flagged" is not yet that."""
    bpb = [row.verdict for row in r.rows if row.what == "bpb"]
    same, explained, flagged = (bpb.count(v) for v in (Verdict.SAME, Verdict.EXPLAINED, Verdict.FLAGGED))
    if bpb and bpb.count(Verdict.OTHER) == len(bpb):
        return "bpb: other text was scored, so the claim is neither confirmed nor denied"
    if not same + explained + flagged:
        return "bpb: nothing to compare"
    return f"bpb: {same} of {len(bpb)} seeds as claimed, {explained} otherwise for a known reason, {flagged} otherwise without one"


def remarks(r: Reproduction) -> Iterator[tuple[str, str]]:
    """(sentence, colour) below the table."""
    for s in r.smalls:
        t = s.trace
        yield (
            f"seed {s.seed}: {t.ended} after {t.seconds:.1f} s on {t.positions:,} made-up tokens{f' ({plain(t.manner)})' if t.manner else ''}",
            "",
        )
        if t.failure:
            yield f"seed {s.seed}: it did not come to a number: {plain(t.failure)}", "red"
        numbers = [n for n in t.printed if n.what]
        for n in numbers[-MOST:]:
            yield explained_number(n), "green"
        for n in [n for n in t.printed if not n.what and _RESULT.search(n.text)][-MOST:]:
            yield f"not a sum of scores in the ledger: {n.value:.6g} in “{plain(n.text, 80)}”", "dim"
        for n in [n for n in t.printed if n.right][-MOST:]:
            yield f"{n.value:.6g} is called bits per byte; by the bytes of the text it is {n.right:.6g}", "red"
        if t.printed and not t.explained:
            yield "the ledger explains none of the printed numbers as bits per byte", "yellow"
        if t.explained:
            yield f"the ledger explains the headline: {plain(t.printed[t.headline].text, 100)}", "green"
        yield f"{len(t.reduced)} settings were made small", "dim"
    if r.test:
        yield tested(r.test), ""
    for kind in (r.conditions.text, r.conditions.training, r.conditions.speed):
        if not r.small:
            yield from ((f"otherwise than the claim: {plain(c)}", "yellow") for c in kind)
    for note in r.notes:
        yield plain(note), "yellow"
    for line in r.died:
        yield plain(line), "bold red"
    if not r.claim:
        yield "the submission claims no number that could be read: nothing to compare with", "yellow"
    flagged = len(r.flagged)
    if r.small:
        ran = all(s.ran for s in r.smalls)
        yield (
            ("it runs" if ran else "it does not run to a number here") + (f"; {flagged} flagged" if flagged else ""),
            "bold",
        )
    else:
        if any(row.verdict is Verdict.EXPLAINED for row in r.rows):
            yield EXPLAINED, "dim"
        yield outcome(r), "bold"
        yield f"{flagged} of {len(shown(r))} figures flagged" if flagged else "no figure flagged", "bold"
    if r.state:
        yield f"state and logs: {r.state}", "dim"


def as_text(found: Sequence[Reproduction], *, color: bool, width: int = 120) -> str:
    """For a terminal."""
    out = StringIO()
    console = Console(file=out, force_terminal=color, width=width, highlight=False)
    for r in found:
        console.print(Text(plain(r.folder), "bold"), soft_wrap=True)
        console.print(Text(head(r)), soft_wrap=True)
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in HEAD:
            table.add_column(
                name, justify="right" if name in ("claim", "re-run", "difference") else "left", overflow="fold"
            )
        for row in shown(r):
            *rest, verdict, why = cells(row)
            table.add_row(*map(Text, rest), Text(verdict, COLORS[row.verdict]), Text(why))
        if shown(r):
            console.print(table)
        for sentence, style in remarks(r):
            console.print(Text(sentence, style), soft_wrap=True)
        console.print()
    return out.getvalue().rstrip("\n")


def as_markdown(found: Sequence[Reproduction]) -> str:
    """For an issue or a page."""

    def safe(text: str) -> str:
        return "".join(f"\\{c}" if c in "\\`*_{}[]<>|#" else c for c in plain(text))

    out: list[str] = []
    for r in found:
        out += [f"## {safe(r.folder)}", "", safe(head(r)), ""]
        if shown(r):
            out += [f"| {' | '.join(HEAD)} |", "|---|---|---:|---:|---:|---|---|"]
            out += [f"| {' | '.join(safe(shorten(c, 400)) for c in cells(row))} |" for row in shown(r)]
            out.append("")
        out += [f"- {safe(sentence)}" for sentence, _ in remarks(r)] + [""]
    return "\n".join(out)
