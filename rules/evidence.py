"""What is known about a submission: plain, frozen, serialisable facts.

Everything a rule may look at is defined here. The auditor gathers it, the rules judge it, and a
stored copy can be judged again under a later edition of the law. Nothing in this module reads a
file, runs code or decides anything.

Units: bytes are decimal bytes, times are seconds, losses are nats per token, `bpb` is bits per
byte of original UTF-8 text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from rules.events import Program
from rules.place import Location as Location
from rules.trace import Trace


@dataclass(frozen=True, slots=True)
class Number:
    """A number somebody wrote down, with the place where it stands.

    `step` is the value of the last written digit, in the unit of `value` (0.0001 for "1.2244",
    10,000 bytes for "15.53 MB"), so that two figures can be compared within what their writers
    rounded away. 0 means written exactly.
    """

    value: float
    at: Location
    step: float = 0.0

    @property
    def slack(self) -> float:
        """Half a unit of the last written digit: how far the true value may be from `value`."""
        return self.step / 2


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of text somebody wrote down, with the place where it stands."""

    value: str
    at: Location


class FileKind(StrEnum):
    FILE = "file"
    SYMLINK = "symlink"
    SUBMODULE = "submodule"
    LFS_POINTER = "lfs-pointer"
    ABSENT = "absent"  # git names the object, the clone does not hold it


@dataclass(frozen=True, slots=True)
class FileFact:
    """One file of the record folder. `size` is None when nobody can tell (absent object).

    For an LFS pointer `size` is the size the pointer declares, which is a claim, not a
    measurement. `change` is git's letter against the base (A, M, R, T), or "" when the file was
    inherited unchanged or no base is known.
    """

    path: str
    kind: FileKind = FileKind.FILE
    size: int | None = None
    blob: str = ""
    change: str = ""
    declared: bool = False  # size comes from a pointer, not from the bytes


class Track(StrEnum):
    RECORD = "record"  # records/track_10min_16mb
    NON_RECORD = "non-record"  # records/track_non_record_16mb
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Layer:
    """One unpacking step: what was undone (`b85`, `lzma`, …), and the result's hash and size."""

    steps: tuple[str, ...]
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Script:
    """A program file: the text as shipped and, when it is packed, the text inside.

    `text` is the innermost text that could be reached ("" when `problem` is set and nothing
    could be decoded). `layers` is empty for plain source. `role` is "entry" for the script that
    trains and evaluates, "module" for siblings it imports, "prep" for data preparation,
    "native" for C, C++ and CUDA, "shell" for run scripts, "other" otherwise.
    """

    path: str
    role: str
    sha256: str
    size: int
    text: str = ""
    shipped_text: str = ""
    layers: tuple[Layer, ...] = ()
    imports: tuple[str, ...] = ()  # sibling files it imports or loads, as paths in the folder
    problem: str = ""
    syntax_error: str = ""  # why the innermost text is not Python of any known version, "" if it is

    @property
    def packed(self) -> bool:
        return bool(self.layers)


@dataclass(frozen=True, slots=True)
class Mention:
    """A word in a run script or program that matters by itself, e.g. a runtime install.

    `kind`: "install" (pip/apt at run time), "download", "network-import", "binary" (a system
    binary is started), "install-doc" (the same words in a README: set-up, not run time).
    """

    kind: str
    what: str
    at: Location


@dataclass(frozen=True, slots=True)
class Package:
    """The record folder as found: which files, at which commit, and what else the change touches."""

    folder: str
    head: str = ""
    base: str = ""
    pr: int | None = None
    source: str = ""  # how it was named: a path, a ref, a PR
    date: str = ""  # ISO date of the head commit, "" for a plain folder
    track: Track = Track.UNKNOWN
    files: tuple[FileFact, ...] = ()
    scripts: tuple[Script, ...] = ()
    mentions: tuple[Mention, ...] = ()
    other_folders: tuple[str, ...] = ()  # further record folders the same change adds or changes
    outside: tuple[str, ...] = ()  # changed files outside every record folder
    inherited: bool = False  # an identical folder already stands on the base branch
    read: tuple[str, ...] = ()  # files whose bytes were read
    created: str = ""  # ISO date of the oldest commit of the change that has this folder, "" for a plain folder
    modified: bool = False  # the folder already stood on the base in another state; the change edits it

    def file(self, path: str) -> FileFact | None:
        return next((f for f in self.files if f.path == path), None)

    def script(self, path: str) -> Script | None:
        return next((s for s in self.scripts if s.path == path), None)

    @property
    def entry(self) -> Script | None:
        """The script that makes the claim, or None when none is shipped."""
        return next((s for s in self.scripts if s.role == "entry"), None)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One line of a log that reports a loss or a bpb over validation tokens.

    `name` is the label in the log (`final_int6_sliding_window_exact`); "" for a periodic
    validation inside training. `training` is True for those periodic ones. `step` is the
    training step when given. `seconds` is the time the log itself gives for this evaluation.
    """

    name: str
    val_loss: Number | None = None
    val_bpb: Number | None = None
    seconds: Number | None = None
    step: int | None = None
    training: bool = False


class PhaseKind(StrEnum):
    TRAIN = "train"
    CALIBRATION = "calibration"  # Hessians, activation statistics
    SERIALISE = "serialise"  # quantise, compress
    LOAD = "load"  # decompress, dequantise
    WARMUP = "warmup"  # compile, autotune
    ADAPT = "adapt"  # test-time training that is timed apart from scoring
    EVAL = "eval"  # scoring that makes the claim
    DIAGNOSTIC = "diagnostic"  # other scoring


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time the log measures. `data` names the tokens it reads, where the log says.

    `stage` is "build" for what lies before the artifact's size is printed and "evaluate" for what
    comes after it; "" when the log gives no size.
    """

    kind: PhaseKind
    name: str
    seconds: Number
    data: str = ""  # "train", "validation", "generated", "" = not said
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One training log, read into numbers. Every number keeps its line.

    `settings` is the hyper-parameter dump, names in lower case. `train_seconds` is the clock at
    which training stopped; `cap_seconds` the cap it was given. `steps` is where it stopped.
    `final` indexes `evaluations`: the one that the run reports as its result, chosen by the
    parser (the best one of the finished artifact, since several ways of scoring it are often tried
    in a row); -1 if there is none. `problems` are plain sentences. `facts` are single settings that
    lines state beside other words (`ttt:start lr=0.002` gives `ttt_lr`), weaker than the dump;
    `starts` is how the log's lines begin, digits left out, so that it can be told which phases ran.
    """

    file: str
    family: str
    seed: Number | None = None
    settings: dict[str, Words] = field(default_factory=dict)
    val_tokens: Number | None = None
    train_shards: Number | None = None
    tokenizer: Words | None = None
    params: Number | None = None
    world_size: Number | None = None
    device: Words | None = None
    steps: Number | None = None
    cap_seconds: Number | None = None
    train_seconds: Number | None = None
    code_bytes: Number | None = None
    model_bytes: Number | None = None
    total_bytes: Number | None = None
    evaluations: tuple[Evaluation, ...] = ()
    final: int = -1
    phases: tuple[Phase, ...] = ()
    problems: tuple[str, ...] = ()
    facts: dict[str, Words] = field(default_factory=dict)
    starts: tuple[str, ...] = ()

    @property
    def result(self) -> Evaluation | None:
        """The evaluation that the run reports as its result."""
        return self.evaluations[self.final] if self.final >= 0 else None

    def phase_seconds(self, *kinds: PhaseKind) -> float:
        return sum(p.seconds.value for p in self.phases if p.kind in kinds)


@dataclass(frozen=True, slots=True)
class SeedClaim:
    """What a README table or a submission.json says of one seed."""

    seed: int | None
    val_bpb: Number | None = None
    val_loss: Number | None = None
    total_bytes: Number | None = None
    steps: Number | None = None
    train_seconds: Number | None = None
    eval_seconds: Number | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """The claims of one document, README or submission.json, in one vocabulary.

    `val_bpb` is the headline. A byte count written in MB is converted with 1 MB = 1,000,000;
    `mebibytes` holds the places where MiB was written or is the only reading that fits.
    """

    file: str
    val_bpb: Number | None = None
    val_bpb_std: Number | None = None
    val_loss: Number | None = None
    seeds: tuple[SeedClaim, ...] = ()
    total_bytes: Number | None = None
    code_bytes: Number | None = None
    model_bytes: Number | None = None
    train_seconds: Number | None = None
    eval_seconds: Number | None = None
    val_tokens: Number | None = None
    p_value: Number | None = None
    author: Words | None = None
    github_id: Words | None = None
    name: Words | None = None
    track: Words | None = None
    date: Words | None = None
    hardware: Words | None = None
    mebibytes: tuple[Location, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A run command as documented: environment settings, program, arguments, and its place."""

    program: str
    env: dict[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    at: Location = Location("")


@dataclass(frozen=True, slots=True)
class Claims:
    """Everything a submission says about itself, and what its logs say."""

    metadata: Statement | None = None  # submission.json
    readme: Statement | None = None
    runs: tuple[Run, ...] = ()
    commands: tuple[Command, ...] = ()
    problems: tuple[str, ...] = ()  # files that could not be read, in plain words
    self_claims: tuple[Words, ...] = ()  # "legal", "compliant" and the like in the README

    @property
    def val_bpb(self) -> Number | None:
        """The headline: submission.json where it has one, else the README."""
        for s in (self.metadata, self.readme):
            if s and s.val_bpb:
                return s.val_bpb
        return None


@dataclass(frozen=True, slots=True)
class FrontierRow:
    """One accepted record: when it was accepted, its number, and its seeds where known."""

    date: str
    pr: int
    name: str
    val_bpb: float
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A one-sided Welch test of "the claim is lower than the baseline by at least `margin`".

    `unit` is "bpb" or "nats" (nats per byte: bpb × ln 2). `p` is None when a side has fewer than
    two seeds or no spread.
    """

    baseline: str
    unit: str
    margin: float
    gain: float
    p: float | None
    n: int
    n_baseline: int


@dataclass(frozen=True, slots=True)
class SeedStatistics:
    """The result recomputed from the logs: one value per seed, mean, sample standard deviation."""

    values: tuple[Number, ...] = ()
    seeds: tuple[int | None, ...] = ()
    mean: float | None = None
    std: float | None = None
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not looked at, and why."""

    what: str
    why: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one record folder. `edition` is the ISO date whose law is applied.

    `stages` names what was gathered:
    "package" (the files), "scripts" (program files), "claims" (README, submission.json, logs),
    "source" (the code's values were followed), "trace" (it was run, and the headline is made of scores in the book).
    A check whose stage is not in it is not made.
    """

    package: Package
    claims: Claims = Claims()
    statistics: SeedStatistics = SeedStatistics()
    stages: tuple[str, ...] = ("package", "scripts", "claims")
    gaps: tuple[Gap, ...] = ()
    program: Program | None = None  # what following the entry script's values showed
    trace: Trace | None = None  # what running it showed
