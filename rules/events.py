"""What the code of a submission does with tokens: the event graph, as plain facts.

The auditor follows the values of the entry script, from its first line to its last print, without
running it: loops are walked for a few of their turns, calls are entered, settings are folded. What
matters on that walk is written down here in order. Rules ask it questions such as "was the state
that gave this score changed by the same tokens before?"; `rules/order.py` holds those questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rules.place import Location

Turn = tuple[int, int]
"""One turn of a loop: the loop's number, and which of its turns (0 is the first)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path through the code: where, and in plain words what happens to the value there.

    `at` is the place in the unpacked text, `shipped` the place in the file as shipped when that differs.
    """

    at: Location
    what: str
    shipped: Location | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """A value that decides which branches run, and where it comes from.

    `origin` is "default" (the code's own), "command" (README or run script), "log" (the run's dump of
    hyper-parameters) or "assumed" (what the challenge fixes, such as eight ranks).
    """

    name: str
    value: str
    origin: str
    at: Location = Location("")


class Split(StrEnum):
    """Where tokens come from."""

    VALIDATION = "validation"
    TRAIN = "train"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Slice:
    """Some tokens that were read.

    `turns` are the turns of the loops that chose them: the same place read in another turn of such a
    loop gives other tokens, while a loop that is not named here reads the same ones again. `start` and
    `stop` count tokens where both are known. `part` names a boundary and a side of it ("12<" before,
    "12>" from there on) when a mask or an index cut the tokens there.
    """

    split: Split
    at: Location
    turns: tuple[Turn, ...] = ()
    start: int | None = None
    stop: int | None = None
    parts: tuple[str, ...] = ()


class EventKind(StrEnum):
    SCORE = "score"  # a loss of tokens under the current state
    UPDATE = "update"  # state that later predictions depend on takes tokens in
    REPORT = "report"  # a total is printed or logged


class Means(StrEnum):
    """How state was changed."""

    OPTIMIZER = "optimizer"  # gradient step by an optimiser object
    BY_HAND = "by hand"  # written into a parameter, gradient or not
    TABLE = "table"  # counts or a cache of tokens
    WEIGHTS = "weights"  # mixing weights, biases and other small state learned from losses
    CALIBRATION = "calibration"  # statistics of activations that shape stored weights
    CHOICE = "choice"  # what to keep was chosen by a loss on the tokens
    STORE = "store"  # tokens, or what was derived from them, went into the weights as they are


class Scope(StrEnum):
    """What was changed."""

    MODEL = "model"  # parameters of the trained model
    ADAPTER = "adapter"  # parameters made for the evaluation and kept over many tokens
    WINDOW = "window"  # parameters made anew for the tokens at hand
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on the walk, in order of `id`.

    `turns` are the turns of all loops around it, outermost first. `guards` are the undecided
    conditions around it, each as "number:branch"; two events under different branches of the same number exclude each
    other. A condition that is met in some turn begins with "~", a branch that the claimed run's log shows to have
    been taken ends in "!". `after` (scores) lists the updates whose effect is in the state that the score was taken from.
    `inputs` (scores) are slices that reached the prediction otherwise than through an update. `scores`
    (reports) lists the scores that the printed number is made of; of a score, those that it was computed
    from; of an update, those whose gradient it took. `name` is the text of a report, the kind of a score
    ("nll", "target probability"), the object of an update. `guards` and `turns` as above.
    """

    id: int
    kind: EventKind
    at: Location
    name: str = ""
    turns: tuple[Turn, ...] = ()
    guards: tuple[str, ...] = ()
    slices: tuple[Slice, ...] = ()
    inputs: tuple[Slice, ...] = ()
    after: tuple[int, ...] = ()
    scores: tuple[int, ...] = ()
    means: Means | None = None
    scope: Scope | None = None
    path: tuple[Step, ...] = ()
    under: tuple[Setting, ...] = ()
    training: bool = False  # happens inside a loop that trains on training tokens
    parts: tuple[str, ...] = ()  # the positions were cut at these boundaries, see `Slice`
    told: tuple[int, ...] = ()  # scores that decided something in this one's prediction
    logged: bool | None = None  # whether the claimed run's log has lines that the code around prints
    shared: bool = False  # one set of values serves a whole batch of windows
    inner: bool = False  # a score taken inside a model, while it makes its prediction


class Sight(StrEnum):
    """Kinds of things seen in live code that rules judge by themselves."""

    NON_CAUSAL = "non-causal"  # a position sees later ones inside the model
    FUTURE_STATISTICS = "future-statistics"  # a statistic over all validation tokens is used to score them
    TARGET_IN_KEY = "target-in-key"  # the token being scored is part of the key of a hashed table
    TARGET_GATE = "target-gate"  # a mixing weight, mask or choice depends on the token being scored
    ORACLE = "oracle"  # the better of several losses of the same token is kept
    HASHED_RATIO = "hashed-ratio"  # ratio of two counters with separate hashes, used as a probability
    UNNORMALISED = "unnormalised"  # mixed at the target only, with something that is no distribution
    UNSUMMED = "unsummed"  # a table is mixed in, and nobody could tell whether the result sums to 1
    ENTROPY_EXPERT = "entropy-expert"  # something that is not a token's loss stands among the experts' losses
    HEDGE = "hedge"  # expert weights learned from past losses
    TILT = "tilt"  # one hinted token lifted, with its normaliser
    SPREAD_BYTES = "spread-bytes"  # a token's log-probability divided evenly over its bytes, then mixed
    BYTE_MARGINAL = "byte-marginal"  # byte probabilities by summing over tokens
    STORED_TARGETS = "stored-targets"  # validation tokens kept and compared with the ones to be scored
    TRAIN_DATA_AT_EVAL = "train-data-at-eval"
    TABLE_FROM_TRAIN = "table-from-train"  # a count table filled from training tokens
    TIME_BREAK = "time-break"  # scoring stops when a clock says so
    NETWORK = "network"
    CASEFOLD = "casefold"  # text changed by a rule that cannot be undone
    SIDECAR = "sidecar"  # bytes per token read from a file beside the tokens
    SIDECAR_INPUT = "sidecar-input"  # those bytes reach the model
    SMEAR = "smear"  # the previous position mixed in, with or without a mask at document starts
    SELF_GENERATED = "self-generated"  # calibration on text that the model wrote
    TRAIN_CALIBRATION = "train-calibration"
    VAL_SELECTION = "val-selection"  # a validation score decides what is kept
    WARMUP = "warmup"  # steps on validation tokens whose state is thrown away
    EXTERNAL_WEIGHTS = "external-weights"
    BOUND = "bound"  # the reported number is a bound, not an exact likelihood
    LOSS_CUT = "loss-cut"  # a loss is capped, left out or replaced by how large it is itself
    EXTENT = "extent"  # how many tokens there are, and which loops leave some out, see `rules/coverage.py`
    LOOK = "look"  # the program looks whether it is being watched; "decides" says what hangs on it
    DOCS_DEFAULT = "docs-default"  # data preparation with fewer validation documents than the challenge has


@dataclass(frozen=True, slots=True)
class Observation:
    """Something seen in code that is live (or may be). `detail` holds short values for messages."""

    sight: Sight
    at: Location
    what: str
    path: tuple[Step, ...] = ()
    under: tuple[Setting, ...] = ()
    scores: tuple[int, ...] = ()  # the scores that it touches
    detail: tuple[tuple[str, str], ...] = ()
    certain: bool = True  # False: live code, but a condition around it could not be decided
    ok: bool = False  # seen, and done as the rules allow (a masked smear, a normalised tilt)

    def __getitem__(self, key: str) -> str:
        return dict(self.detail).get(key, "")


class ByteCount(StrEnum):
    """How a script counts the bytes of a token, against the correct accounting."""

    CANONICAL = "canonical"
    SPACE_TWICE = "space twice"  # the space is in the table and added again
    SPACE_ALWAYS = "space always"  # also counted where no space stands in the text
    SPACE_NEVER = "space never"
    FALLBACK_AS_TEXT = "fallback as text"  # a byte token counted as the length of its name or of U+FFFD
    CONTROL_COUNTED = "control counted"
    CONSTANT = "constant"  # a fixed number of bytes per token
    CHARACTERS = "characters"  # characters instead of UTF-8 bytes
    SIDECAR = "sidecar"  # read from a file beside the tokens
    RAW_BYTES = "raw bytes"  # the vocabulary is bytes, one each
    TABLE_FILE = "table file"  # read from a shipped table, which cannot be checked here
    OTHER = "other"  # differs from the correct accounting in another way
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ByteTable:
    """The byte accounting of one script: how it counts, where, and on which made-up tokens it differs.

    `inflation` is the estimated ratio of its total to the correct one on English text, None if unknown.
    `live` is whether the program's names lead there; `entered` whether the walk went there, None if it
    did not come to its end. `scores` are the scores taken in the function that adds the bytes up.
    """

    count: ByteCount
    at: Location
    what: str
    path: tuple[Step, ...] = ()
    live: bool = True
    inflation: float | None = None
    entered: bool | None = None
    scores: tuple[int, ...] = ()

    @property
    def in_use(self) -> bool:
        return self.live and self.entered is not False


@dataclass(frozen=True, slots=True)
class Suspect:
    """Code that would matter if it ran, and why it does not, or why nobody can tell."""

    at: Location
    what: str
    why: str
    dead: bool = True  # False: unknown


@dataclass(frozen=True, slots=True)
class Program:
    """What following one entry script showed. `problem` says what could not be followed, "" if nothing.

    `finished` is whether the walk came to the end of the script within its limits.
    """

    entry: str
    settings: tuple[Setting, ...] = ()
    events: tuple[Event, ...] = ()
    observations: tuple[Observation, ...] = ()
    byte_tables: tuple[ByteTable, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    loops: tuple[Location, ...] = ()  # where loop number i stands
    functions: tuple[str, ...] = ()  # qualified names of the functions that were entered
    shut: tuple[str, ...] = ()  # lines of branches that known conditions left out: "file:first-last"
    headline: tuple[int, ...] = ()  # the reports that print the number that the claim rests on
    rivals: tuple[int, ...] = ()  # others that it may rest on: no line of the log shows the claimed number
    assumed: bool = False  # switches that are off by default were taken as perhaps on, see `collect.py`
    finished: bool = True
    problem: str = ""
