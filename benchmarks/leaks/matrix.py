"""What the tracer makes of planted leaks: `python -m benchmarks.leaks.matrix [--hosts a,b] [--families x,y] [--seeds 1,2] [--jobs N]`.

Each cell is a host program of our own with a leak of one family, or "clean", run as a submission is: small, sealed, probed, and judged by
the rules that look at a run. Cells are kept in a file (one line of JSON each) and not run again while program and tracer stay the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import auditor.trace
import rules
from auditor.scripts import read_scripts
from auditor.submission.base import Submission
from auditor.trace.collect import read_trace
from auditor.trace.ways import Ways
from benchmarks.leaks import hosts, plant
from benchmarks.leaks.table import table
from rules.evidence import Evidence, FileFact, Package, Track
from rules.judge import judge
from rules.registry import all_rules

CLEAN = "clean"
ASKED = frozenset(r.id for r in all_rules() if any("trace" in stages for stages, _ in r.checks))
Cell = tuple[str, str, int]


def program(cell: Cell) -> str:
    host, family, seed = cell
    text = hosts.text(host)
    if family != CLEAN:
        return plant.planted(text, family, seed)
    return text.replace('os.environ.get("SEED", 1337)', f'os.environ.get("SEED", {1336 + seed})')


def submission(text: str) -> Submission:
    data = {"train_gpt.py": text.encode(), "README.md": b"# A run\n"}
    facts = tuple(FileFact(name, size=len(content), change="A") for name, content in data.items())
    return Submission(Package("records/track_10min_16mb/planted", track=Track.RECORD, files=facts), data.__getitem__)


def run(cell: Cell, wall_s: float) -> dict[str, Any]:
    """One cell: the run, its probes, and what the rules say."""
    began = time.time()
    s = submission(program(cell))
    scripts, _, _ = read_scripts(s)
    e = Evidence(replace(s.package, scripts=scripts))
    t = read_trace(e, s, lambda _: None, Ways(wall_s=wall_s))
    if t is None:
        raise ValueError("no program that can be run")
    found = judge(replace(e, trace=t, stages=("package", "scripts", *(["trace"] if t.explained else []))), only=ASKED)
    head = t.printed[t.headline] if t.explained else None
    return {
        "bpb": head.value if head else None,
        "what": head.what if head else "",
        "scores": head.scores if head else 0,
        "failure": t.failure,
        "ended": t.ended,
        "unexplained": [p.text for p in t.printed if not p.what and "bpb" in p.text],
        "again": t.again,
        "early": [[x.how.value, x.count, x.of, x.at.line, x.during] for x in t.early],
        "probes": [
            {
                name: getattr(p, name)
                for name in ("kind", "cut", "compared", "moved", "most", "noise", "problem", "leak")
            }
            for p in t.probes
        ],
        "sums": [[x.at, x.total, x.asked, x.of, x.improper, x.problem] for x in t.sums],
        "foresight": [[x.count, x.first, x.last, x.at.line, x.own] for x in t.foresight],
        "findings": [[f.rule, f.status.value, f.message] for f in found],
        "run_s": round(t.seconds, 2),
        "all_s": round(time.time() - began, 2),
    }


def tracer() -> str:
    """A hash of what judges: cells of an older tracer are run again."""
    h = hashlib.sha256()
    for module in (auditor.trace, rules):
        for p in sorted(Path(str(module.__file__)).parent.rglob("*.py")):
            h.update(p.read_bytes())
    return h.hexdigest()[:16]


def key(cell: Cell, by: str) -> str:
    return hashlib.sha256("\n".join((by, *map(str, cell), program(cell))).encode()).hexdigest()[:24]


def kept(path: Path) -> dict[str, dict[str, Any]]:
    """Cells of earlier runs by key; a line that was cut off counts for nothing."""
    out = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        out[said["key"]] = said
    return out


def cells(names: Sequence[str], families: Sequence[str], seeds: Sequence[int]) -> Iterator[Cell]:
    """Hosts last: the first rows of the table come early for all families."""
    for seed in seeds:
        for host in names:
            for family in families:
                yield host, family, seed


def chosen(text: str, known: Sequence[str]) -> list[str]:
    wanted = [w for w in text.split(",") if w] or list(known)
    if unknown := set(wanted) - set(known):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return wanted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", default="", help="all if not given")
    parser.add_argument("--families", default="", help='all and "clean" if not given')
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--wall", type=float, default=120.0, help="seconds for one run of a program")
    parser.add_argument("--out", type=Path, default=Path("leaks.jsonl"))
    parser.add_argument("--show", default="", metavar="HOST/FAMILY", help="print a cell's program and stop")
    options = parser.parse_args()
    if options.show:
        host, _, family = options.show.partition("/")
        print(program((host, family or CLEAN, 1)))
        return
    wanted = list(
        cells(
            chosen(options.hosts, hosts.names()),
            chosen(options.families, [CLEAN, *plant.families()]),
            [int(n) for n in options.seeds.split(",")],
        )
    )
    by = tracer()
    known = kept(options.out)
    keys = {c: key(c, by) for c in wanted}
    open_ = [c for c in wanted if keys[c] not in known]
    with options.out.open("a") as out, ProcessPoolExecutor(options.jobs) as pool:
        doing = {pool.submit(run, c, options.wall): c for c in open_}
        for n, done in enumerate(as_completed(doing), 1):
            cell = doing[done]
            said: dict[str, Any] = {"host": cell[0], "family": cell[1], "seed": cell[2], "key": keys[cell]}
            try:
                said |= done.result()
            except Exception:
                said["crash"] = traceback.format_exc()
            known[keys[cell]] = said
            out.write(json.dumps(said) + "\n")
            out.flush()
            print(f"{n}/{len(open_)} {'/'.join(map(str, cell))} {said.get('all_s', '')} s", file=sys.stderr, flush=True)
    print(table([known[keys[c]] for c in wanted]))


if __name__ == "__main__":
    main()
