"""One traced run: the program as shipped, in the sandbox, with the book written as it goes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from auditor.trace import constants, inside
from auditor.trace.knobs import Knobs, arguments, knobs
from auditor.trace.ledger import Reader, Record
from auditor.trace.sandbox import Box, Channel, Limits, Mode, Mount, Outcome, python_command, run, site_packages
from auditor.trace.world import World, build

INSIDE = Path(inside.__file__).parent
GB = 1 << 30


@dataclass(frozen=True)
class Plan:
    """How a run is made small. The text is changed only where `constants` says so (constants.py)."""

    widths: bool = True  # narrow layers
    claimed: bool = True  # the claimed run's settings; without them, the program's own defaults
    ranks: int = 1  # how many there seem to be
    constants: bool = False  # sizes that are built in are made small, too

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


@dataclass(frozen=True)
class Traced:
    """What came of a run."""

    outcome: Outcome
    records: tuple[Record, ...]
    world: World
    knobs: Knobs
    problem: str = ""
    plan: Plan = Plan()
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def stdout(self) -> str:
        return self.outcome.stdout.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        return self.outcome.stderr.decode("utf-8", "replace")


def trace(
    job: Job,
    *,
    validation: np.ndarray | None = None,
    mode: Mode | None = None,
    tell: Callable[[str, bytes], None] | None = None,
) -> Traced:
    """Run the job once. Raises `NoSandbox` where nothing can seal it."""
    with tempfile.TemporaryDirectory(prefix="scorefirst-trace-") as folder:
        root = Path(folder) / "work"
        root.mkdir()
        plan = job.plan
        settings = job.claimed if plan.claimed else {k: v for k, v in job.claimed.items() if k == "VOCAB_SIZE"}
        small = knobs(job.text, settings, plan.widths)
        words, options = arguments(job.text, job.arguments if plan.claimed else ())
        world = build(root, job.text, job.claimed, job.seed, validation)
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
        ranks = {"WORLD_SIZE": str(plan.ranks), "LOCAL_WORLD_SIZE": str(plan.ranks), "RANK": "0", "LOCAL_RANK": "0"}
        orders = {
            "entry": job.entry,
            "arguments": list(words),
            "environment": {**environment, **ranks},
            "ranks": plan.ranks,
            "places": world.places,
            "ledger": job.ledger,
            "lines": job.lines,
        }
        (Path(folder) / "plan.json").write_text(json.dumps(orders))
        reader = Reader()

        def take(piece: bytes) -> None:
            reader.take(piece)

        box = Box(
            read_only=(Mount(INSIDE), Mount(Path(folder) / "plan.json")),
            work=root,
            channels=(Channel("ledger", take=take),),
            limits=Limits(wall_s=job.wall_s, cpu_s=job.wall_s * 2, memory_bytes=6 * GB),
        )
        command = python_command(str(INSIDE / "boot.py"), str(Path(folder) / "plan.json"), packages=site_packages())
        outcome = run(box, command, mode=mode, tell=tell)
    return Traced(outcome, tuple(reader.records), world, small, reader.problem, plan, job.given)
