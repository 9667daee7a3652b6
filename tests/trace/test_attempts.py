"""What is tried again after a failed run, how sizes are found and made small, and the names of failures."""

import textwrap
from dataclasses import replace

import pytest

from auditor.trace.attempts import attempt, wanted
from auditor.trace.constants import smaller
from auditor.trace.execute import Job, Plan, Traced
from auditor.trace.failures import BROKEN, NETWORK, NEWER, NO_NUMBER, failure
from auditor.trace.knobs import QUIET, Knobs, arguments, defaults, knobs
from auditor.trace.ledger import Record
from auditor.trace.sandbox import Limit, Mode, Outcome
from auditor.trace.world import World


def run(stdout: str = "", stderr: str = "", limit: Limit = Limit.NONE, plan: Plan | None = None) -> Traced:
    code = None if limit else int(bool(stderr))
    outcome = Outcome(Mode.UNSEALED, code, None, limit, 1.0, 1.0, 0, 1, stdout.encode(), stderr.encode())
    records = tuple(Record(i, "print", fields={"text": line}) for i, line in enumerate(stdout.splitlines()))
    return Traced(outcome, records, World(None, 1024, None, {}, {}), Knobs(), plan=plan or Plan())  # type: ignore[arg-type]


TOO_NARROW = "Traceback\nValueError: head_dim=16 must be divisible by 128\n"


def test_a_run_that_breaks_is_tried_in_full_width_and_then_with_its_own_defaults() -> None:
    plans: list[Plan] = []

    def once(job: Job) -> Traced:
        plans.append(job.plan)
        return run(stderr=TOO_NARROW) if job.plan.claimed else run(stdout="val_bpb: 1.2345")

    job, done = attempt(Job("a.py", {}, ""), once)
    assert plans == [Plan(), Plan(widths=False), Plan(widths=False, claimed=False)]
    assert job.plan == plans[-1]
    assert done.outcome.ok
    assert job.plan.words() == "layers in full width, the program's own defaults"


def test_where_there_are_ranks_none_need_seem_to_be_there() -> None:
    plans: list[Plan] = []

    def once(job: Job) -> Traced:
        plans.append(job.plan)
        return run(stderr="ValueError: this needs WORLD_SIZE=8, got 2\n")

    attempt(Job("a.py", {}, "", ranks=2), once)
    assert {p.ranks for p in plans} == {1}
    assert len(plans) == 3


def test_the_first_run_stands_where_nothing_does_better() -> None:
    calls: list[Plan] = []

    def once(job: Job) -> Traced:
        calls.append(job.plan)
        return run(stdout="step 1\n" * (3 - len(calls)), stderr=TOO_NARROW)

    job, _ = attempt(Job("a.py", {}, ""), once)
    assert len(calls) == 3
    assert job.plan == Plan()


@pytest.mark.parametrize(
    ("failed", "first"),
    [
        (run(stderr="ValueError: this needs WORLD_SIZE=8, got 1\n"), Plan(ranks=8)),
        (run(stderr="ValueError: invalid literal for int() with base 10: 'full'\n"), Plan(claimed=False)),
        (run(stdout="val_bpb:nan"), Plan(widths=False)),
        (run(stdout="val_bpb:1.5", limit=Limit.WALL), Plan(constants=True, hurried=True)),
        (run(stderr="RuntimeError: shape '[-1, 128]' is invalid for input of size 32\n"), Plan(roomy=True)),
        (run(stderr="ValueError: 128 local tokens are not divisible by seq_len=512\n"), Plan(roomy=True)),
        (run(stderr="ValueError: model_dim=64 must be divisible by 3\n"), Plan(widths=False)),
        (run(stderr="ModuleNotFoundError: No module named 'mlx'\n"), None),
        (run(stdout="val_bpb:1.2345"), None),
    ],
)
def test_what_a_failure_points_to(failed: Traced, first: Plan | None) -> None:
    assert next(wanted(Plan(), failed), None) == first


def test_built_in_sizes_are_made_small_and_lines_stay() -> None:
    text = textwrap.dedent(
        """\
        SEQ_LEN = 2048; BATCH_SIZE = 8; LR = 6e-4; VAL_EVERY = 50; steps = 5
        TRAIN_STEPS, NUM_LAYERS = 6000, 11  # é
        class Config:
            model_dim: int = 512
        def calibrate(model, num_seqs=64, *, seq_len=2048, temperature=0.8):
            return calibrate(model, num_seqs=32 * 2, seq_len=SEQ_LEN)
        """
    )
    small, changed = smaller(text)
    assert small.splitlines() == [
        "SEQ_LEN = 128; BATCH_SIZE = 2; LR = 6e-4; VAL_EVERY = 50; steps = 5",
        "TRAIN_STEPS, NUM_LAYERS = 4, 11  # é",
        "class Config:",
        "    model_dim: int = 128",
        "def calibrate(model, num_seqs=2, *, seq_len=128, temperature=0.8):",
        "    return calibrate(model, num_seqs=2, seq_len=SEQ_LEN)",
    ]
    assert changed["NUM_SEQS (line 6)"] == ("32 * 2", "2")
    assert smaller("def f(:") == ("def f(:", {})


def test_settings_that_are_read_through_a_function_of_the_program() -> None:
    text = textwrap.dedent(
        """\
        import os
        def E(name, default): return int(os.environ.get(name, default))
        G = os.environ.get
        a, b, c = E("MODEL_DIM", 512), G("TRAIN_SEQ_LEN", "2048"), E("SWITCH", 0)
        layers = [int(x) for x in G("LAYERS", "").split(",") if x]
        """
    )
    assert dict(defaults(text)) == {"MODEL_DIM": "512", "TRAIN_SEQ_LEN": "2048", "SWITCH": "0", "LAYERS": ""}
    small = knobs(text, {"SWITCH": "True", "LAYERS": "[3, 4]", "MODEL_DIM": "full"})
    assert (
        small.environment.items()
        >= {"SWITCH": "1", "LAYERS": "3,4", "MODEL_DIM": "128", "TRAIN_SEQ_LEN": "128"}.items()
    )
    assert "LAYERS" not in knobs(text, {"LAYERS": "(9"}).environment
    assert "MODEL_DIM" not in knobs(text, {}, widths=False).reduced


def test_widths_keep_what_they_are_divided_into() -> None:
    text = (
        "env = os.environ.get; "
        'd = int(env("MODEL_DIM", 528)); h = int(env("NUM_HEADS", 4)); r = int(env("ROPE_DIMS", 24))'
    )
    assert knobs(text, {}).environment["MODEL_DIM"] == "192"


def test_options_of_the_command_line() -> None:
    text = textwrap.dedent(
        """\
        p.add_argument("--steps", type=int,
                       default=2000)
        p.add_argument("--data-dir", default="data")
        p.add_argument("--val-every", type=int, default=100)
        p.add_argument("-s", "--seq-len", type=int, default=1024)
        """
    )
    words, changed = arguments(text, ("--steps", "500", "--unknown", "3", "--data-dir=/x"))
    assert words == ("--steps", "500", "--data-dir=/x", "--steps", "4", "--seq-len", "128")
    assert changed == {"--steps": ("500", "4"), "--seq-len": ("1024", "128")}
    assert arguments("no parser", ("a", "--b")) == (("a", "--b"), {})


@pytest.mark.parametrize(
    ("failed", "name"),
    [
        (run(stdout="done"), NO_NUMBER),
        (run(limit=Limit.WALL), "ended by its wall limit"),
        (
            run(stderr="ModuleNotFoundError: No module named 'fla.ops'"),
            "needs the package fla.ops, which cannot be stood in for",
        ),
        (run(stderr="  x\nSyntaxError: f-string: expecting '}'"), f"{NEWER}: f-string: expecting '}}'"),
        (
            run(stderr="FileNotFoundError: [Errno 2] No such file or directory: 'a.pt'"),
            "needs a file that is not there: No such file or directory: 'a.pt'",
        ),
        (run(stderr="subprocess.CalledProcessError: Command '['git', 'clone', 'x']' returned"), "needs the network"),
        (run(stderr="torch.AcceleratorError: CUDA error: no"), "needs a real GPU: AcceleratorError: CUDA error: no"),
        (
            replace(run(stderr="torch.AcceleratorError: CUDA error: no"), device="cuda"),
            "AcceleratorError: CUDA error: no",
        ),
        (run(stderr="ValueError: odd"), "ValueError: odd"),
    ],
)
def test_failures_have_plain_names(failed: Traced, name: str) -> None:
    assert failure(failed) == name


def test_a_run_that_is_never_small_enough_does_less_and_then_an_eighth_of_it() -> None:
    plans: list[Plan] = []

    def once(job: Job) -> Traced:
        plans.append(job.plan)
        return run(limit=Limit.WALL, plan=job.plan)

    attempt(Job("a.py", {}, ""), once)
    less = Plan(constants=True, hurried=True)
    assert plans == [Plan(), less, replace(less, ranks=8)]
    text = 'import os\nos.environ.get("ITERATIONS", "20"); os.environ.get("WARMUP_STEPS", "20"); os.environ.get("TTT_EPOCHS", "3")'
    assert {n: v for n, v in knobs(text, {}, hurried=True).environment.items() if n not in QUIET} == {
        "ITERATIONS": "2",
        "WARMUP_STEPS": "0",
        "TTT_EPOCHS": "1",
    }


def test_names_of_what_cannot_be_helped() -> None:
    assert failure(run(stderr="NameError: name 'EMA' is not defined\n")).startswith(BROKEN)
    assert failure(run(stderr="ConnectionError: Couldn't reach 'a/b' on the Hub: Max retries exceeded\n")) == NETWORK
