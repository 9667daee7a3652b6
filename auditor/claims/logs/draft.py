"""What has been read of one run while its log is still being scanned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from auditor.claims.logs.passing import Passing
from auditor.claims.logs.phases import Timed
from auditor.claims.logs.sizes import Sizes
from rules.evidence import Evaluation, Number, Words

MAX_EVALUATIONS = 4_000
MAX_SETTINGS = 600


@dataclass(slots=True)
class Draft:
    """What has been read of one run so far. Lines are numbers in `file`."""

    file: str
    first_line: int
    family: str = ""
    seed: Number | None = None
    settings: dict[str, Words] = field(default_factory=dict)
    val_tokens: Number | None = None
    train_shards: Number | None = None
    tokenizer: Words | None = None
    params: Number | None = None
    params_named: bool = False  # the figure stands under `model_params`
    world_size: Number | None = None
    cap: Number | None = None
    gpus: dict[str, Words] = field(default_factory=dict)
    steps: Number | None = None
    train_seconds: Number | None = None
    stopped: bool = False
    sizes: Sizes = field(default_factory=Sizes)
    evaluations: list[Evaluation] = field(default_factory=list)
    timed: list[Timed] = field(default_factory=list)
    timers: list[int] = field(default_factory=list)
    calibrates_on: str = ""
    train_lines: int = 0
    loop: tuple[str | None, str | None] = (None, None)  # how the first line of the training loop is written
    loop_line: int = 0  # where the training loop was last seen
    last_train: tuple[str, str, int] | None = None  # text, raw, line
    planned_steps: int | None = None
    nan_line: int | None = None
    nan_train: int = 0
    last_line: int = 0
    periodic: int = 0  # evaluations of the training loop so far
    finals: int = 0  # evaluations after it so far
    dumped: set[str] = field(default_factory=set)  # settings that stand in a block of hyper-parameters
    passing: Passing = field(init=False)

    def __post_init__(self) -> None:
        self.passing = Passing(self.file)

    @property
    def has_content(self) -> bool:
        """Whether training or an evaluation has been seen, not only what stands before them."""
        return self.train_lines > 0 or self.periodic > 0 or self.finals > 0

    def add(self, found: Iterable[Evaluation]) -> None:
        """Take in evaluations that have a figure, as long as there is room."""
        for e in found:
            if (e.val_bpb or e.val_loss) and len(self.evaluations) < MAX_EVALUATIONS:
                self.evaluations.append(e)
                self.periodic += e.training
                self.finals += not e.training


_SINGLE = ("seed", "val_tokens", "train_shards", "tokenizer", "params", "world_size", "cap", "steps", "train_seconds")


def absorb(a: Draft, b: Draft) -> None:
    """Fill what `a` lacks from `b`, and put b's evaluations and times behind a's."""
    for name in _SINGLE:
        if getattr(a, name) is None:
            setattr(a, name, getattr(b, name))
    for key, words in b.settings.items():
        a.settings.setdefault(key, words)
    if not a.gpus:
        a.gpus = b.gpus
    a.passing.absorb(b.passing)
    a.add(b.evaluations)
    a.timed += b.timed
    a.timers += b.timers
    a.sizes.totals += b.sizes.totals
    a.sizes.models += b.sizes.models
    a.sizes.codes += b.sizes.codes
    a.sizes.rough += b.sizes.rough
    a.nan_line = a.nan_line or b.nan_line
    a.last_line = max(a.last_line, b.last_line)
