"""One traced run: the program as shipped, in the sandbox, with the book written as it goes."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from auditor.trace import constants, inside
from auditor.trace.knobs import BATCHES, Knobs, arguments, knobs
from auditor.trace.ledger import BadLedger, Reader, Record
from auditor.trace.ranks import merged
from auditor.trace.sandbox import Box, Channel, Limits, Mode, Mount, Outcome, python_command, run, site_packages
from auditor.trace.world import World, build
from auditor.unpack.parse import downgrade, parse

INSIDE = Path(inside.__file__).parent
GB = 1 << 30
ROOM = 4  # times the usual size of a batch
MEMORY = {"cpu": 6 * GB, "cuda": 16 * GB}  # the libraries of a GPU take some for themselves


@dataclass(frozen=True)
class Plan:
    """How a run is made small. The text is changed only where `constants` says so (constants.py)."""

    widths: bool = True  # narrow layers
    claimed: bool = True  # the claimed run's settings; without them, the program's own defaults
    ranks: int = 1  # how many there seem to be
    constants: bool = False  # sizes that are built in are made small, too
    roomy: bool = False  # several sequences for each share of a step, for programs that cut them up
    hurried: bool = False  # less is done than is wanted: fewer steps and tokens, no warm-up, a clock that goes fast

    older: bool = False  # the text is in a newer spelling than this Python reads, and was respelled for the run

    def words(self) -> str:
        """What is not as in the first attempt, "" for nothing."""
        said = []
        if not self.widths:
            said.append("layers in full width")
        if not self.claimed:
            said.append("the program's own defaults")
        if self.ranks > 1:
            said.append(f"the first of {self.ranks} ranks")
        if self.constants:
            said.append("built-in sizes made small in a copy of the text")
        if self.roomy:
            said.append("larger batches")
        if self.hurried:
            said.append("fewer steps, tokens and words, no warm-up, a clock that goes on where a program waits for it")
        if self.older:
            said.append("text respelled for an older Python")
        return ", ".join(said)


@dataclass(frozen=True)
class Job:
    """What to run. `files`: the folder's own files by relative path; `entry` names one of them."""

    entry: str
    files: Mapping[str, bytes]
    text: str  # the entry's innermost text, where its settings stand
    claimed: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    seed: int = 0
    wall_s: float = 60.0
    ledger: bool = True
    lines: bool = True  # which statements ran is written down, too
    given: Mapping[str, str] = field(default_factory=dict)  # settings that the user chose, before all others
    plan: Plan = Plan()
    device: str = "cpu"  # or "cuda": a real GPU of this machine
    ranks: int = 1  # that there really are, each a process; the plan's ranks only seem to be there


@dataclass(frozen=True)
class Traced:
    """What came of a run."""

    outcome: Outcome
    records: tuple[Record, ...]
    world: World
    knobs: Knobs
    problem: str = ""
    plan: Plan = Plan()
    branches: Mapping[int, Sequence[Record]] = field(default_factory=dict)  # their scores, by question
    device: str = "cpu"
    ranks: int = 1
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def stdout(self) -> str:
        return self.outcome.stdout.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        return self.outcome.stderr.decode("utf-8", "replace")


def spelled(*texts: str) -> dict[str, str]:
    """Texts that this Python is too old for, in an older spelling, by the SHA-256 of what they are."""
    out = {}
    for text in dict.fromkeys(texts):
        text = text.removeprefix("\ufeff")
        if text and parse(text).rewritten:
            out[hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()] = downgrade(text)
    return out


def trace(
    job: Job,
    *,
    validation: np.ndarray | None = None,
    branches: Mapping[str, object] | None = None,
    frozen: Sequence[tuple[str, int]] = (),
    reach: bool = True,
    mode: Mode | None = None,
    tell: Callable[[str, bytes], None] | None = None,
) -> Traced:
    """Run the job once. Raises `NoSandbox` where nothing can seal it.

    `validation` replaces the made-up validation tokens; `branches` asks for branches (inside/branches.py); `frozen`: what is
    learnt from validation tokens at these lines is put back at once; `reach`: which tokens each number knows of is followed, too.
    """
    with tempfile.TemporaryDirectory(prefix="scorefirst-trace-") as folder:
        root = Path(folder) / "work"
        root.mkdir()
        plan = job.plan
        settings = job.claimed if plan.claimed else {k: v for k, v in job.claimed.items() if k == "VOCAB_SIZE"}
        small = knobs(job.text, settings, plan.widths, plan.hurried, ROOM * BATCHES if plan.roomy else BATCHES)
        words, options = arguments(job.text, job.arguments if plan.claimed else (), plan.hurried)
        world = build(root, job.text, job.claimed, job.seed, validation, plan.hurried)
        files = dict(job.files)
        if plan.constants:
            text, changed = constants.smaller(job.text)
            if changed:
                files[job.entry] = text.encode()
                options |= changed
        was, now = ({name: pair[i] for name, pair in options.items()} for i in (0, 1))
        reduced = {name: value for name, value in small.reduced.items() if name not in job.given}
        small = Knobs({**small.environment, **job.given}, {**reduced, **was}, now)
        for name, data in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        environment = {**small.environment, **world.environment, **job.given}
        older = spelled(job.text, *(d.decode("utf-8", "replace") for n, d in files.items() if n.endswith(".py")))
        size = str(job.ranks if job.ranks > 1 else plan.ranks)
        ranks = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "RANK": "0", "LOCAL_RANK": "0"}
        orders = {
            "entry": job.entry,
            "arguments": list(words),
            "environment": {**environment, **ranks},
            "ranks": plan.ranks,
            "hurried": plan.hurried,
            "older": older,
            "processes": job.ranks,
            "device": job.device,
            "places": world.places,
            "ledger": job.ledger,
            "branches": branches,
            "frozen": list(frozen),
            "reach": reach and job.device == "cpu",
            "lines": job.lines,
        }
        (Path(folder) / "plan.json").write_text(json.dumps(orders))
        readers = [Reader() for _ in range(job.ranks)]
        box = Box(
            read_only=(Mount(INSIDE), Mount(Path(folder) / "plan.json")),
            work=root,
            channels=tuple(Channel(f"ledger{rank or ''}", take=r.take) for rank, r in enumerate(readers)),
            limits=Limits(
                wall_s=job.wall_s, cpu_s=job.wall_s * 2 * job.ranks, memory_bytes=MEMORY[job.device] * job.ranks
            ),
            devices=("cuda",) if job.device == "cuda" else (),
        )
        command = python_command(str(INSIDE / "boot.py"), str(Path(folder) / "plan.json"), packages=site_packages())
        outcome = run(box, command, mode=mode, tell=tell)
    plan = replace(plan, older=bool(older))
    problem = next((r.problem for r in readers if r.problem), "")
    try:
        records = merged([r.records for r in readers])
    except BadLedger as e:
        records, problem = (), str(e)
    said = readers[0].branches
    return Traced(outcome, records, world, small, problem, plan, said, job.device, job.ranks, job.given)
