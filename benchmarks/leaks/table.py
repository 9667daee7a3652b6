"""The matrix for a person: which cell was caught by what, what was missed, and the honest hosts with an alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

Row = dict[str, Any]
ALARMS = ("violation", "likely")


def caught(r: Row) -> list[str]:
    """Rules that accuse, with their status."""
    return [f"{rule.partition('-')[0]} {status}" for rule, status, _ in r.get("findings", ()) if status in ALARMS]


def noticed(r: Row) -> str:
    """What the book and the probes saw, whether or not a rule made something of it."""
    out = [f"{how} {count}/{of}" for how, count, of, *_ in r.get("early", ())]
    probes = Counter(p["kind"] for p in r.get("probes", ()) if p["leak"])
    out += [f"{kind} {n} of {sum(p['kind'] == kind for p in r['probes'])}" for kind, n in probes.items()]
    sums = r.get("sums", ())
    if any(improper for *_, improper, _ in sums):
        out.append(f"sum over 1 at {sum(improper for *_, improper, _ in sums)} of {len(sums)}")
    out += [f"foresight {count}{' of its own' if own else ''}" for count, *_, own in r.get("foresight", ())]
    out += sorted({p["problem"] for p in r.get("probes", ()) if p["problem"]})
    return ", ".join(out)


def gain(r: Row, honest: Sequence[Row]) -> float | None:
    """How much better than the honest host it says it is, in bits per byte."""
    was = [h["bpb"] for h in honest if h["host"] == r["host"] and h.get("bpb") is not None]
    return was[0] - r["bpb"] if was and r.get("bpb") is not None else None


def state(r: Row) -> str:
    if r.get("crash"):
        return "crash: " + str(r["crash"]).strip().splitlines()[-1]
    if r.get("failure"):
        return f"failed: {r['failure']}"
    if r["bpb"] is None:
        return "unexplained"
    return "; ".join(caught(r)) or "-"


def table(rows: Sequence[Row]) -> str:
    return "\n".join(lines(rows))


def lines(rows: Sequence[Row]) -> Iterator[str]:
    honest = [r for r in rows if r["family"] == "clean"]
    leaky = [r for r in rows if r["family"] != "clean"]
    if honest:
        yield "| honest host | seed | bpb | alarms | noticed | unexplained bpb lines |\n|---|---:|---:|---|---|---:|"
        for r in honest:
            yield f"| {r['host']} | {r['seed']} | {r.get('bpb')} | {state(r)} | {noticed(r)} | {len(r.get('unexplained', ()))} |"
        yield ""
    if leaky:
        yield "| leak | host | seed | gain, bpb | caught by | noticed |\n|---|---|---:|---:|---|---|"
        for r in sorted(leaky, key=lambda r: (r["family"], r["host"], r["seed"])):
            better = gain(r, honest)
            said = "" if better is None else f"{better:.5f}"
            yield f"| {r['family']} | {r['host']} | {r['seed']} | {said} | {state(r)} | {noticed(r)} |"
        yield ""
        yield from grid(leaky)
    alarms = sum(bool(caught(r)) for r in honest)
    yield f"\n{sum(bool(caught(r)) for r in leaky)} of {len(leaky)} leaks caught; {alarms} of {len(honest)} honest runs with an alarm"


def grid(leaky: Sequence[Row]) -> Iterator[str]:
    """Families down, hosts across: which rules accuse, and in how many of the seeds if not in all."""
    names = sorted({r["host"] for r in leaky})
    yield "| leak | caught | " + " | ".join(names) + " |\n|---|---:|" + "---|" * len(names)
    for family in sorted({r["family"] for r in leaky}):
        mine = [r for r in leaky if r["family"] == family]
        cells = [verdicts([r for r in mine if r["host"] == name]) for name in names]
        yield f"| {family} | {sum(bool(caught(r)) for r in mine)} of {len(mine)} | {' | '.join(cells)} |"


def verdicts(seeds: Sequence[Row]) -> str:
    found = [{said.partition(" ")[0] for said in caught(r)} for r in seeds]
    said = ", ".join(sorted(set().union(*found))) if any(found) else ("no" if found else "")
    return f"{said} ({sum(map(bool, found))} of {len(found)})" if any(found) and not all(found) else said
