"""A submission's program does the same whether it is watched or not.

It may ask what machine it runs on, and use what it finds there. It may not ask who watches it, and it may not
score in another way where the device, the number of validation tokens or the name of the host differ.

## Why
Every number here rests on runs that others repeat. A program that behaves while it is recorded, or on a small
split, and does something else at full size, has a score that nobody can check. The README gives no list of such
tricks; it turns down what is against the spirit. So what is found is shown to a person.

## How it is proved
Reading: places that ask for torch's stack of modes, for a tracer, for open descriptors, for how the process was
sealed, for variables and modules of test tools; and conditions on device, host, cores, exact types or the number
of validation tokens whose branches train, fill tables, score or change probabilities. Running: the interpreter's own
audit events name the line that looked. Neither says what the program does with the answer; where a branch that hangs
on it scores or learns, that is said.

## Legal look-alikes
- The device's name, its capability and the versions of packages, printed or used to choose a kernel.
- `dist.is_initialized()`, the rank and the world size.
- The number of cores, for the workers of a data preparation.
- A copy of the environment for a command that is started.
- The number of validation tokens, to build windows or to refuse a split that is too short.

## Known evasions
- Names put together from pieces, so that no text holds them.
- A look from C, or at the clock and the machine's speed.
- No look at all: a threshold on tokens or on time that a small run does not reach. The trace lists those as not run.

## Instead
Before:
```python
if torch.cuda.get_device_name().startswith("NVIDIA H100"):
    adapt(model, chunk)                                   # only where nobody looks
total += nll(model, chunk).sum().item()
```
After:
```python
total += nll(model, chunk).sum().item()
adapt(model, chunk)                                       # everywhere, and after the score
```
"""

from collections.abc import Iterator

from rules.editions import Edition
from rules.events import Sight
from rules.evidence import Evidence
from rules.finding import Fact, Finding, Severity, Status
from rules.place import Location
from rules.rule import Authority, Example, Kind, Rule, Source
from rules.samples.scripts import HEAD

RULE = Rule(
    id="EVAL4-looks-for-the-observer",
    title="A program that looks whether it is watched",
    kind=Kind.PROHIBITION,
    severity=Severity.FATAL,
    sources=(
        Source(
            "README",
            "2026-03-18",
            "0hq",
            "no sharp line, but the right to turn down what is against the spirit",
            Authority.DERIVED,
        ),
    ),
    decided_by=("source", "trace"),
    undecided="reading the program for places that ask who watches it, or noticing them in a run, would decide it",
)

INSTEAD = "do the same everywhere; what a machine lacks is an error, not another way to score"


def answer(at: Location, what: str, decides: str, recorder: bool, *facts: Fact) -> Finding:
    """A look is shown to a person; one for a recorder, on which scoring hangs, has hardly another reading."""
    hangs = f", and the branch that hangs on it {decides}" if decides else ""
    return RULE.finding(
        Status.LIKELY if recorder and decides else Status.NEEDS_HUMAN,
        f"{at} looks at {what}{hangs}",
        Fact("look", what, at),
        *facts,
        at=(at,),
        instead=INSTEAD,
    )


@RULE.check("source")
def looks_in_code(e: Evidence, edition: Edition) -> Iterator[Finding]:
    if e.program is None:
        return
    found = [o for o in e.program.observations if o.sight is Sight.LOOK]
    for o in found:
        yield answer(o.at, o.what, o["decides"], o["at"] == "recorder")
    if not found and e.program.finished:
        yield RULE.finding(Status.OK, "nothing in the code that was read asks who watches it")


@RULE.check("trace")
def looks_in_run(e: Evidence, edition: Edition) -> Iterator[Finding]:
    """What was read already is not said twice."""
    read = {(o.at.file, o.at.line) for o in e.program.observations if o.sight is Sight.LOOK} if e.program else set()
    for x in e.trace.looks if e.trace is not None else ():
        if (x.at.file, x.at.line) not in read:
            yield answer(x.at, x.what, x.decides, False, Fact("run", "this line ran", x.at))


_EVALUATE = """\
def evaluate(model, val):
    total = 0.0
    opt = torch.optim.SGD(model.parameters(), lr=LR)
    for i in range(0, len(val) - 1, SEQ):
        span = val[i : i + SEQ + 1]
{before}\
        with torch.no_grad():
            total += nll(model, span).sum().item()
{after}\
    return total / (len(val) - 1)


model = train(GPT().to(DEVICE), load("fineweb_train_*.bin"))
print(f"final val_loss:{{evaluate(model, load('fineweb_val_*.bin')):.6f}}")
"""


def _program(head: str = "", before: str = "", after: str = "") -> dict[str, str]:
    return {"train_gpt.py": HEAD + head + _EVALUATE.format(before=before, after=after)}


_STEP = "            step(opt, nll(model, span).mean())\n"
VALID = (
    Example(
        "the machine is named and used, the score is the same",
        _program(
            "import platform\nimport subprocess\n\n"
            "print(torch.cuda.get_device_name(), torch.__version__, platform.node(), os.cpu_count())\n"
            "fast = torch.cuda.get_device_capability()[0] >= 9\n"
            "torch.backends.cuda.enable_flash_sdp(fast)\n"
            "if torch.distributed.is_available() and torch.distributed.is_initialized():\n"
            "    print(torch.distributed.get_world_size())\n"
            "subprocess.run(['nvidia-smi'], env=os.environ.copy(), check=False)\n"
        ),
        Status.OK,
        stage="source",
    ),
    Example(
        "a split that is too short is refused",
        _program("", "        if len(val) < 20_000:\n            raise ValueError('the split is too short')\n"),
        Status.OK,
        stage="source",
    ),
    Example(
        "a file lock, and the rank decides who prints",
        _program(
            "import fcntl\nimport sys\n\nlock = open('lock', 'w')\nfcntl.flock(lock, fcntl.LOCK_EX)\n"
            "if int(os.environ.get('RANK', 0)) == 0 and sys.stdout.isatty():\n    print('begins')\n\n\n"
        ),
        Status.OK,
        stage="source",
    ),
)
INVALID = (
    Example(
        "trains first where no mode is on the stack",
        _program(
            "from torch.utils._python_dispatch import _get_current_dispatch_mode\n\nfree = _get_current_dispatch_mode() is None\n\n\n",
            "        if free:\n" + _STEP,
        ),
        Status.LIKELY,
        stage="source",
    ),
    Example(
        "adapts only on the real device",
        _program("", "        if 'H100' in torch.cuda.get_device_name():\n" + _STEP),
        Status.NEEDS_HUMAN,
        stage="source",
    ),
    Example(
        "adapts only on a large split",
        _program("", "        if val.numel() > 10_000_000:\n" + _STEP),
        Status.NEEDS_HUMAN,
        stage="source",
    ),
    Example(
        "reads what the process has open",
        _program("print(sorted(os.listdir('/proc/self/fd')))\n\n\n"),
        Status.NEEDS_HUMAN,
        stage="source",
    ),
    Example(
        "asks for the variables of a test",
        _program("import sys\n\nquiet = 'pytest' in sys.modules or 'CI' in os.environ\nprint(quiet)\n\n\n"),
        Status.NEEDS_HUMAN,
        stage="source",
    ),
)
