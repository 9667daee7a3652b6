"""What the rules about the denominator share: the byte tables of the code, held against what the log implies.

A table convicts only when the program cannot count in another way: every table in use is wrong, the walk came by
it, and no log shows the right byte count. Otherwise what was read and what was run are put side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules import constants, order, view
from rules.events import ByteCount, ByteTable, Program
from rules.evidence import Evidence
from rules.finding import Fact, Status
from rules.view import Implied

RIGHT = frozenset((ByteCount.CANONICAL, ByteCount.RAW_BYTES))
UNSEEN = frozenset((ByteCount.UNKNOWN, ByteCount.TABLE_FILE))
SMALL = 1.002  # the share of byte tokens and the like differs by that much between vocabularies
_SP = re.compile(r"sp(\d{4})\b")
NEAR = 0.03  # between an estimated inflation and the one that the log shows


def in_use(p: Program) -> tuple[ByteTable, ...]:
    """The tables that the walk came by; where it came by none, those that the names lead to."""
    used = tuple(t for t in p.byte_tables if t.in_use)
    return used or tuple(t for t in p.byte_tables if t.live)


def is_wrong(t: ByteTable) -> bool:
    return t.count not in RIGHT | UNSEEN and t.count is not ByteCount.SIDECAR


def implied(e: Evidence) -> Implied | None:
    """The byte count that the claimed runs' logs imply, the headline's line first.

    A canonical line is preferred: a wrong table is wrong in every line.
    """
    found: list[Implied] = []
    for run in view.claim_runs(e):
        head = view.headline(run, e)
        lines = [i for ev in ([head] if head else []) if (i := view.implied_bytes(ev, run))]
        lines += [i for ev in run.evaluations if (i := view.implied_bytes(ev, run))]
        found += lines
    return next((i for i in found if view.is_canonical(i)), found[0] if found else None)


def graded(e: Evidence) -> Iterator[tuple[Status, ByteTable, str]]:
    """Every wrong table in use, how much it weighs, and a reservation for the message."""
    p = e.program
    if p is None:
        return
    used = in_use(p)
    others = [t for t in used if not is_wrong(t) and t.count is not ByteCount.UNKNOWN]
    shown = implied(e)
    counted = order.counted(p)
    for t in (t for t in used if is_wrong(t)):
        beside = next((o for o in others if not _only(t, o, counted)), None)
        if shown and view.is_canonical(shown):
            if beside is None:
                yield (
                    Status.NEEDS_HUMAN,
                    t,
                    f"; the log implies {shown.value:,.0f} bytes, which is right, so this may not be the code that ran",
                )
        elif beside is not None:
            where = beside.path[-1].at if beside.path else beside.at
            yield (
                Status.UNVERIFIABLE,
                t,
                f"; bytes are also counted otherwise ({beside.count}, {where}), and which of them the reported number divides by was not seen",
            )
        elif (ratio := estimate(t, e)) is not None and ratio < 1:
            yield Status.NEEDS_HUMAN, t, "; that is too few bytes, which makes the score look worse"
        else:
            yield _weight(t, p, ratio, shown), t, ""


def _only(wrong: ByteTable, right: ByteTable, counted: frozenset[int]) -> bool:
    """Whether the reported scores are taken where the wrong table is summed, and none where the right one is."""
    return bool(counted.intersection(wrong.scores)) and not counted.intersection(right.scores)


def estimate(t: ByteTable, e: Evidence) -> float | None:
    """The ratio of the table's total to the right one on the validation text, None if nobody can tell.

    A fixed number of bytes per token depends on how many tokens the text has, so it is scaled from the
    1,024 vocabulary to the one in use.
    """
    if t.inflation is None or t.count is not ByteCount.CONSTANT:
        return t.inflation
    tokens = next((r.val_tokens.value for r in view.claim_runs(e) if r.val_tokens), None)
    if tokens is None and e.program:
        said = {s.name.lower(): s.value.strip("'\"") for s in e.program.settings}
        sizes = {said["vocab_size"]} if "vocab_size" in said else set(_SP.findall(said.get("data_path", "")))
        known = constants.VAL_TOKENS.get(f"sp{sizes.pop()}") if len(sizes) == 1 else None
        tokens = known[1] if known else None
    return t.inflation * tokens / constants.VAL_TOKENS["sp1024"][1] if tokens else None


def _weight(t: ByteTable, p: Program, ratio: float | None, shown: Implied | None) -> Status:
    agrees = shown is not None and ratio is not None and abs(shown.value / constants.CANONICAL_BYTES - ratio) < NEAR
    sure = p.finished and bool(p.headline) and t.entered is True and (ratio or 0) >= SMALL
    if shown is not None and not agrees:
        return Status.NEEDS_HUMAN  # the log divides by another wrong number: reading explains only a part
    if t.count is ByteCount.OTHER and not agrees:
        return Status.LIKELY
    return Status.VIOLATION if sure else Status.LIKELY


def facts(t: ByteTable, e: Evidence) -> tuple[Fact, ...]:
    """Where the table is made and summed, on which tokens it differs, by how much, and what the score would be."""
    shown = implied(e)
    out = [Fact("step", s.what, s.at) for s in t.path]
    out.append(Fact("counted", t.what, t.at))
    ratio = estimate(t, e)
    if ratio is not None:
        out.append(
            Fact(
                "estimated ratio to the right count",
                f"{ratio:.4f}, by how often such tokens stand in the validation text",
            )
        )
    if shown is not None:
        out.append(Fact("implied bytes", f"{shown.value:,.0f} ± {shown.slack:,.0f} ({shown.name})", shown.at))
        if not view.is_canonical(shown):
            ratio = shown.value / constants.CANONICAL_BYTES
    claim = e.claims.val_bpb
    if claim is not None and ratio and not (shown and view.is_canonical(shown)):
        out.append(
            Fact(
                "claimed, if counted right",
                f"{claim.value:.4f} × {ratio:.4f} = about {claim.value * ratio:.4f} bpb",
                claim.at,
            )
        )
    return tuple(out)
