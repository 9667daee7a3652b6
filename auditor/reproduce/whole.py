"""From a target to what is reported: the small run, or full runs by seed, resumed where they were left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from auditor.claims.logs import read_runs
from auditor.reproduce.claim import USUAL_SEEDS, Claim, claims, settings, undocumented
from auditor.reproduce.compare import Conditions, Row, SeedTest, Verdict, compare, mean_row, over_seeds
from auditor.reproduce.figures import Figures, like, of_run
from auditor.reproduce.machine import machine, ranks_for
from auditor.reproduce.plan import Plan, plan
from auditor.reproduce.seed import Tell, run_seed
from auditor.reproduce.small import MEANS_NOTHING, Small, run_small
from auditor.reproduce.state import Record, State, opened
from auditor.submission import Target
from auditor.submission.base import AuditorError, UsageError
from auditor.trace.ready import no_gpu
from auditor.trace.sandbox import Mode, Outcome, mode, run
from rules.evidence import Run, Track

WITHOUT_DEVICE = "8x H100 SXM"  # the challenge's machine
WALL = 1800.0  # seconds of one run on as many ranks as the claim's: its two clocks, and as much again for the rest
TAIL = 20_000  # tokens of the end of a split that scripts drop


@dataclass(frozen=True)
class Options:
    """How a user wants it. `mode` None: the strongest sandbox here. `gpus` None: all that the claimed batch can be shared among."""

    seeds: tuple[int, ...] = ()
    small: bool = False
    data: Path | None = None
    tokenizer: Path | None = None
    out: Path | None = None
    script: str = ""
    gpus: int | None = None
    device: str = "cuda"
    wall_s: float | None = None
    mode: Mode | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    launch: Callable[..., Outcome] = run


@dataclass(frozen=True)
class Reproduction:
    """What came of one folder."""

    folder: str
    entry: str
    small: bool
    device: str
    ranks: int
    claim: tuple[Figures, ...]
    reruns: tuple[Figures, ...]
    rows: tuple[Row, ...]
    test: SeedTest | None = None
    conditions: Conditions = field(default_factory=Conditions)
    notes: tuple[str, ...] = ()
    died: tuple[str, ...] = ()
    smalls: tuple[Small, ...] = ()
    records: tuple[Record, ...] = ()
    state: str = ""

    @property
    def good(self) -> bool:
        """It ran to a number, and nothing is flagged."""
        if self.small:
            return all(s.ran and s.trace.explained for s in self.smalls) and not self.flagged
        return bool(self.reruns) and not self.died and not self.flagged

    @property
    def flagged(self) -> list[Row]:
        return [r for r in self.rows if r.verdict is Verdict.FLAGGED]


def reproduce(target: Target, options: Options, tell: Tell) -> Iterator[Reproduction]:
    """Each folder that a target names, run again. Raises AuditorError with what stands in the way."""
    for claim in claims(target, options.script, tell):
        yield small(claim, options, tell) if options.small else full(claim, options, tell)


def seeds_of(claim: Claim, options: Options) -> tuple[int, ...]:
    """The seeds to run: those asked for, else the claim's; a small run needs one only."""
    seeds = options.seeds or claim.seeds or USUAL_SEEDS
    return seeds if options.seeds or not options.small else seeds[:1]


def small(claim: Claim, options: Options, tell: Tell) -> Reproduction:
    """The small runs of a claim, and of its rows those that a small run can say something about."""
    done = [
        run_small(claim, s, tell, wall_s=options.wall_s or 120.0, given=options.given) for s in seeds_of(claim, options)
    ]
    found = tuple(s.figures for s in done if s.figures)
    how = Conditions(
        text=("a small run",),
        training=("--small",),
        speed=("--small, on a CPU",),
        code=("a copy of the code was changed to make it small",) if any(s.changed_code for s in done) else (),
    )
    rows = [r for r in compare(claim.figures, found, how) if r.what in ("bpb", "code")]
    return Reproduction(
        folder=claim.folder,
        entry=claim.entry.path,
        small=True,
        device="CPU, stand-ins",
        ranks=1,
        claim=claim.figures,
        reruns=found,
        rows=tuple(rows),
        conditions=how,
        notes=(MEANS_NOTHING, *notes(claim)),
        smalls=tuple(done),
    )


def full(claim: Claim, options: Options, tell: Tell) -> Reproduction:
    """The full runs of a claim. A seed that dies ends the rest: they would most likely die of the same."""
    here = machine()
    if options.device == "cuda" and (why := no_gpu()):
        raise UsageError(f"a full run needs {why.removeprefix('--device cuda needs ')}; --small needs none")
    present = len(here.gpus) if options.device == "cuda" else here.cores
    ranks = ranks_for(present, options.gpus, claim.config.world_size)
    work = plan(
        claim,
        here,
        ranks=ranks,
        mode=options.mode or mode(),
        device=options.device,
        data=options.data,
        tokenizer=options.tokenizer,
        given=options.given,
        wall_s=options.wall_s or WALL * max(1.0, claim.config.world_size / ranks),
    )
    root = (options.out or Path("reproduced") / claim.folder.rstrip("/").rsplit("/", 1)[-1]).resolve()
    with opened(root, work.key) as state:
        records, died = run_seeds(work, seeds_of(claim, options), state, claim.folder, tell, options.launch)
        logs = [(r, log_of(r, state)) for r in records]
    if died and not records:
        raise AuditorError(died[0])
    reruns = tuple(rerun(r, log, claim) for r, log in logs)
    how = conditions(claim, reruns, work, options)
    seeds = over_seeds(claim.figures, reruns)
    rows = compare(claim.figures, reruns, how)
    if seeds and (row := mean_row(claim.figures, reruns, how, seeds)):
        rows.append(row)
    return Reproduction(
        folder=claim.folder,
        entry=claim.entry.path,
        small=False,
        device=here.device if options.device == "cuda" else here.cpu,
        ranks=ranks,
        claim=claim.figures,
        reruns=reruns,
        rows=tuple(rows),
        test=None if how.text else seeds,
        conditions=how,
        notes=(*notes(claim), *state.notes),
        died=tuple(died),
        records=tuple(records),
        state=str(state.folder),
    )


def run_seeds(
    work: Plan, seeds: Sequence[int], state: State, folder: str, tell: Tell, launch: Callable[..., Outcome]
) -> tuple[list[Record], list[str]]:
    """(records of finished seeds, sentences on those that died)."""
    records: list[Record] = []
    for i, seed in enumerate(dict.fromkeys(seeds), 1):
        where = f"seed {seed} ({i} of {len(seeds)})"
        record = state.done(seed)
        if record is None:
            tell(f"{where}: starting")
            record = run_seed(work, seed, state, folder, lambda said, where=where: tell(f"{where}: {said}"), launch)  # type: ignore[misc]
        if not record.finished:
            said = f": {record.last_words}" if record.last_words else ""
            said = "; --wall gives it more time" if "wall limit" in record.ended else said
            return records, [
                f"seed {seed}: {work.entry} died ({record.ended}){said} (all of it in {state.folder / record.errors.path})"
            ]
        records.append(record)
    return records, []


def log_of(record: Record, state: State) -> Run | None:
    """The fullest reading of what a run wrote: its standard output and the logs that it keeps itself."""
    files = [(k.path, (state.folder / k.path).read_bytes()) for k in (record.log, *record.own)]
    runs = read_runs(files)
    whole = [r for r in runs if r.result] or list(runs)
    return max(whole, key=lambda r: len(r.evaluations) + len(r.settings) + len(r.phases), default=None)


def rerun(record: Record, log: Run | None, claim: Claim) -> Figures:
    """A re-run's figures; without a readable log, what was measured from outside alone."""
    figures = of_run(log, like(log, [f.line for f in claim.figures]), claim.evidence) if log else Figures()
    return replace(
        figures,
        seed=record.seed,
        wall_s=record.wall_s,
        train_shards=figures.train_shards or record.train_shards,
        val_tokens=figures.val_tokens or record.val_tokens,
        world_size=record.ranks,
        device=record.device,
    )


def conditions(claim: Claim, reruns: Sequence[Figures], work: Plan, options: Options) -> Conditions:
    """How the runs here were made otherwise than the claimed ones."""
    was, now = (first(x) for x in (claim.figures, reruns))
    text, training, speed = [], [], []
    if was.val_tokens and now.val_tokens and abs(was.val_tokens - now.val_tokens) > TAIL:
        text.append(f"{now.val_tokens:,.0f} validation tokens instead of {was.val_tokens:,.0f}")
    if was.train_shards and now.train_shards and was.train_shards != now.train_shards:
        training.append(f"{now.train_shards:.0f} training shards instead of {was.train_shards:.0f}")
    training += [f"--set {name}={value}" for name, value in options.given.items()]
    unset = [
        f"{n} {d} instead of {v}"
        for n, (d, v) in undocumented(claim.config, claim.entry.text).items()
        if n not in options.given
    ]
    if unset:
        training.append(f"the documented command leaves {', '.join(unset[:6])}")
    statements = [
        s.hardware.value for s in (claim.evidence.claims.metadata, claim.evidence.claims.readme) if s and s.hardware
    ]
    record = claim.evidence.package.track is Track.RECORD
    device = was.device or next(iter(statements), WITHOUT_DEVICE if record else "an unnamed device")
    mine = work.machine.device if work.device == "cuda" else "the CPU"
    if not alike(device, work.machine.gpus if work.device == "cuda" else ()):
        speed.append(f"{mine} instead of {device}")
    if work.ranks != claim.config.world_size:
        speed.append(f"{work.ranks} rank{'s' * (work.ranks > 1)} instead of {claim.config.world_size}")
    share = work.ranks / claim.config.world_size if work.device == "cuda" else None
    return Conditions(tuple(text), tuple(training), tuple(speed), share=share)


def first(figures: Sequence[Figures]) -> Figures:
    return next(iter(figures), Figures())


def alike(device: str, gpus: Sequence[str]) -> bool:
    """Whether GPUs are of the kind that a text names: the model's number, as in H100."""
    words = {
        w
        for name in gpus
        for w in name.upper().replace("-", " ").split()
        if any(c.isdigit() for c in w) and w[0].isalpha()
    }
    return bool(words) and any(w in device.upper() for w in words)


def notes(claim: Claim) -> Iterator[str]:
    """What a reader should know of the settings."""
    text, words = claim.entry.text, " ".join(claim.config.arguments)
    if not re.search(r"\bSEED\b|--?seed\b", f"{text} {words}"):
        yield f"{claim.entry.path} reads no SEED: every run has the seed that is built in"
    _, left = settings(claim.config)
    for name, why in left.items():
        yield f"{name} of the documented command is left out: {why}"
    unset = undocumented(claim.config, claim.entry.text)
    if unset:
        words = " ".join(f"--set {n}={v}" for n, (_, v) in unset.items())
        yield f"the claimed log shows other values than the program's defaults, which no documented command sets: {words}"
