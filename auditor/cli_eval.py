"""The commands `scorefirst eval` and `scorefirst roundtrip`: the score of an artifact, and its proof by decoding."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from auditor.cli_common import print_plain
from auditor.submission.base import UsageError

if TYPE_CHECKING:
    from evaluator.evaluate import Progress as Step
    from evaluator.run import Job, Outcome


class Mode(StrEnum):
    SLIDING = "sliding"
    TTT = "ttt"
    HEDGE = "hedge"
    BOTH = "ttt+hedge"


class Optimiser(StrEnum):
    SGD = "sgd"
    ADAMW = "adamw"


class Schedule(StrEnum):
    CONSTANT = "constant"
    CHUNKS = "cosine over chunks"
    STEPS = "cosine over steps"


class Multiply(StrEnum):
    OWN = "own"
    BF16 = "bf16"


Artifact = Annotated[Path, typer.Option("--artifact", help="The model: weights and sizes.", metavar="FILE")]
Shards = Annotated[
    str, typer.Option("--tokens", help="Validation shards, in the challenge's format.", metavar="FILE|PATTERN")
]
Modes = Annotated[Mode, typer.Option("--mode", help="What happens besides scoring.")]
Sequence = Annotated[int, typer.Option("--sequence", help="Tokens of a window.", min=1)]
Stride = Annotated[int, typer.Option("--stride", help="Positions that each window scores, but the first.", min=1)]
Chunk = Annotated[int, typer.Option("--chunk", help="Positions between two adaptations.", min=1)]
Epochs = Annotated[int, typer.Option("--epochs", help="Passes over each chunk that was scored.", min=1)]
Rate = Annotated[float, typer.Option("--rate", help="Learning rate of the adaptation.", min=0.0)]
Optimisers = Annotated[Optimiser, typer.Option("--optimiser", help="Of the adaptation.")]
Schedules = Annotated[Schedule, typer.Option("--schedule", help="Of the learning rate.")]
Batch = Annotated[int, typer.Option("--batch", help="Windows side by side.", min=1)]
Steps = Annotated[int, typer.Option("--step-sequences", help="Sequences in one step of the adaptation.", min=1)]
Frozen = Annotated[
    list[str] | None,
    typer.Option("--freeze", help="Parameters that stay: a regular expression; may be repeated.", metavar="REGEX"),
]
Rates = Annotated[
    list[str] | None,
    typer.Option("--rate-of", help="Another rate for some parameters; may be repeated.", metavar="REGEX=FACTOR"),
]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def evaluate(
    artifact: Artifact,
    tokens: Shards,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", help="SentencePiece model, to count bytes with.", metavar="FILE")
    ] = None,
    sidecar: Annotated[
        str | None, typer.Option("--sidecar", help="Bytes by token, in place of a tokenizer.", metavar="FILE|PATTERN")
    ] = None,
    mode: Modes = Mode.SLIDING,
    sequence: Sequence = 2048,
    stride: Stride = 64,
    chunk: Chunk = 32768,
    batch: Batch = 32,
    optimiser: Optimisers = Optimiser.SGD,
    rate: Rate = 0.002,
    epochs: Epochs = 1,
    schedule: Schedules = Schedule.CHUNKS,
    step_sequences: Steps = 32,
    freeze: Frozen = None,
    rate_of: Rates = None,
    multiply: Annotated[
        Multiply, typer.Option("--multiply", help="Type of matrix products: the model's own, or bf16 by autocast.")
    ] = Multiply.OWN,
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first so many tokens.", min=2)] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="Keep what is done here, and go on from it.", metavar="FILE")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw bpb along the stream (.svg or .png).", metavar="FILE")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score an artifact: bits per byte over sliding windows, with score-first adaptation and mixing if asked for.

    A token is learnt from only after it was scored: what adapts is handed scored tokens and no others. Several GPUs or hosts:
    start it by torchrun; totals do not depend on how many there are.

    Examples:

    * `scorefirst eval --artifact model.pt --tokens 'data/fineweb_val_*.bin' --tokenizer fineweb_1024_bpe.model`

    * `scorefirst eval --artifact model.pt --tokens val.bin --tokenizer t.model --mode ttt+hedge --plot curve.svg`

    * `scorefirst eval --artifact model.pt --tokens val.bin --tokenizer t.model --mode ttt --freeze '^layers\\.[01]\\.' --rate-of 'down=3'`

    * `torchrun --nproc_per_node 8 -m auditor.cli eval --artifact model.pt --tokens val.bin --tokenizer t.model --state run.state`
    """

    needed("torch", "numpy", "sentencepiece")
    if plot is not None and find_spec("matplotlib") is None:
        raise UsageError("--plot needs matplotlib: pip install 'scorefirst[plot]'")
    import torch

    from evaluator.adapt import Recipe
    from evaluator.evaluate import Plan
    from evaluator.run import Job, run

    with clear_errors():
        recipe = Recipe(
            optimiser.value, rate, epochs=epochs, sequence=sequence, batch=step_sequences, schedule=schedule.value,
            frozen=tuple(freeze or ()), rates=factors(rate_of),
        )  # fmt: skip
        plan = Plan(
            sequence, min(stride, sequence), chunk, batch, torch.bfloat16 if multiply is Multiply.BF16 else None
        )
        job = Job(artifact, tokens, tokenizer, sidecar, mode.value, plan, recipe, limit, state)
        with telling() as tell:
            outcome = run(job, tell)
    if int(os.environ.get("RANK", 0)):  # the first of several ranks speaks for all
        return
    if plot is not None:
        from evaluator.plot import draw

        plot.parent.mkdir(parents=True, exist_ok=True)
        draw(plot, {mode.value: outcome.result.curve})
    print_plain(as_object(job, outcome) if as_json else words(job, outcome))


def roundtrip(
    artifact: Artifact,
    tokens: Shards,
    output: Annotated[Path, typer.Option("--output", "-o", help="The coded file.", metavar="FILE")] = Path("coded.bin"),
    streams: Annotated[int, typer.Option("--streams", help="Streams side by side, cut from the tokens.", min=1)] = 64,
    length: Annotated[int, typer.Option("--length", help="Tokens of each stream.", min=3)] = 257,
    mode: Modes = Mode.BOTH,
    sequence: Sequence = 128,
    stride: Stride = 32,
    chunk: Chunk = 64,
    optimiser: Optimisers = Optimiser.SGD,
    rate: Rate = 0.002,
    epochs: Epochs = 1,
    as_json: Json = False,
) -> None:
    """Prove a score: code real text by it, and decode it in a fresh process that has no tokens.

    The bits in the file are what the score claims, or the score is not one. Exits 1 if the text does not come back. Runs on the CPU.

    Examples:

    * `scorefirst roundtrip --artifact model.pt --tokens val.bin -o coded.bin`

    * `scorefirst roundtrip --artifact model.pt --tokens val.bin --mode ttt --streams 8 --length 1025 --chunk 256`
    """

    needed("torch", "numpy", "constriction")
    from evaluator.adapt import Recipe
    from evaluator.evaluate import Plan
    from evaluator.roundtrip import Settings, prove
    from evaluator.shards import Tokens

    with clear_errors():
        ids = Tokens.open(tokens)
        if len(ids) < streams * length:
            raise UsageError(
                f"{tokens} has {len(ids):,} tokens: {streams} streams of {length} need {streams * length:,}"
            )
        cut = ids[: streams * length].astype("int64").reshape(streams, length)
        plan = Plan(sequence, min(stride, sequence), chunk)
        recipe = Recipe(optimiser.value, rate, epochs=epochs, sequence=sequence)
        settings = Settings(artifact, tuple(cut[:, 0].tolist()), length, mode.value, plan, recipe)
        console = Console(stderr=True)
        proof = prove(settings, cut, output, lambda t: console.print(t, style="dim") if console.is_terminal else None)
    if as_json:
        print_plain(json.dumps(asdict(proof) | {"excess": proof.excess}, indent=1))
    else:
        print_plain(
            f"{proof.tokens:,} tokens in {streams} streams: claimed {proof.claimed:,.1f} bits, coded {proof.coded:,} "
            f"({proof.excess:+.6%})\n"
            + (
                "decoded by a fresh process: the same tokens"
                if proof.equal
                else f"NOT decoded: {proof.problem or 'other tokens'}"
            )
        )
    if not proof.equal:
        raise typer.Exit(1)


def needed(*modules: str) -> None:
    if lacks := [m for m in modules if find_spec(m) is None]:
        raise UsageError(f"this command needs {' and '.join(lacks)}: pip install 'scorefirst[run]'")


def factors(given: list[str] | None) -> dict[str, float]:
    out = {}
    for text in given or ():
        name, _, factor = text.rpartition("=")
        try:
            out[name] = float(factor)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(f"--rate-of {text}: give REGEX=FACTOR, as in 'down=3'")
    return out


def words(job: Job, o: Outcome) -> str:
    t = o.result.totals
    lines = [
        f"bpb {t.bpb:.6f}   loss {t.loss:.6f} nats per token   ({job.mode})",
        f"{t.tokens:,} tokens, {t.bytes:,} bytes; {t.tokens / max(1e-9, o.timing.scored_s):,.0f} tokens/s; artifact {o.artifact_bytes:,} bytes",
        o.timing.words() + (f", {o.ranks} ranks" if o.ranks > 1 else ""),
    ]
    return "\n".join([*lines, o.regret] if o.regret else lines)


def as_object(job: Job, o: Outcome) -> str:
    t = o.result.totals
    said: dict[str, Any] = {
        "bpb": t.bpb, "loss": t.loss, "nats": t.nats, "tokens": t.tokens, "bytes": t.bytes, "mode": job.mode,
        "artifact_bytes": o.artifact_bytes, "ranks": o.ranks, "regret": o.regret, "timing": json.loads(o.timing.json()),
        "curve": [[x.nats, x.tokens, x.bytes] for x in o.result.curve],
    }  # fmt: skip
    return json.dumps(said, indent=1)


@contextmanager
def clear_errors() -> Iterator[None]:
    """The evaluator's errors as the command line's."""
    from evaluator.artifact import ArtifactError
    from evaluator.bytes import BytesError
    from evaluator.checkpoint import CheckpointError
    from evaluator.codec import CodecError
    from evaluator.shards import ShardError

    try:
        yield
    except (ArtifactError, BytesError, CheckpointError, CodecError, ShardError, ValueError) as e:
        raise UsageError(str(e)) from None


@contextmanager
def telling() -> Iterator[Callable[[Step], None]]:
    """A bar on stderr with the score so far, if a person is looking."""
    console = Console(stderr=True)
    if not console.is_terminal or int(os.environ.get("RANK", 0)):
        yield lambda step: None
        return
    columns = (
        TextColumn("scored"),
        BarColumn(),
        TextColumn(
            "{task.completed:,.0f} of {task.total:,.0f} tokens  bpb {task.fields[bpb]:.4f}  {task.fields[speed]:,.0f}/s"
        ),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("", total=None, bpb=float("nan"), speed=0.0)

        def tell(step: Step) -> None:
            speed = step.done / max(1e-9, step.seconds)
            bars.update(task, completed=step.done, total=step.all, bpb=step.bpb, speed=speed)

        yield tell
