"""One traced run: the program as shipped, in the sandbox, with the book written as it goes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from auditor.trace import inside
from auditor.trace.knobs import Knobs, knobs
from auditor.trace.ledger import Reader, Record
from auditor.trace.sandbox import Box, Channel, Limits, Mode, Mount, Outcome, python_command, run, site_packages
from auditor.trace.world import World, build

INSIDE = Path(inside.__file__).parent
GB = 1 << 30


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


@dataclass(frozen=True)
class Traced:
    """What came of a run."""

    outcome: Outcome
    records: tuple[Record, ...]
    world: World
    knobs: Knobs
    problem: str = ""

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
        small = knobs(job.text, job.claimed)
        world = build(root, job.text, job.claimed, job.seed, validation)
        for name, data in job.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        environment = {**small.environment, **world.environment}
        plan = {
            "entry": job.entry,
            "arguments": list(job.arguments),
            "environment": {**environment, "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"},
            "places": world.places,
            "ledger": job.ledger,
        }
        (Path(folder) / "plan.json").write_text(json.dumps(plan))
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
    return Traced(outcome, tuple(reader.records), world, small, reader.problem)
