"""The command `scorefirst reproduce`."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from auditor.cli_common import print_plain, say, settings, stderr, waiting, write
from auditor.submission.base import UsageError
from auditor.submission.target import Target


class Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


class Format(StrEnum):
    TERMINAL = "terminal"
    MD = "md"
    JSON = "json"


class Seal(StrEnum):
    AUTO = "auto"
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    UNSEALED = "unsealed"


INTERRUPTED = 130  # as shells have it


def reproduce(
    path: Annotated[
        str | None, typer.Argument(help="A record folder, or the URL of a pull request.", metavar="FOLDER|URL")
    ] = None,
    repo: Annotated[
        Path | None, typer.Option("--repo", help="A clone of the challenge's repository.", metavar="CLONE")
    ] = None,
    pr: Annotated[
        int | None, typer.Option("--pr", help="Number of a pull request whose head the clone holds.", metavar="N")
    ] = None,
    ref: Annotated[
        str | None, typer.Option("--ref", help="A commit, branch or tag of the clone.", metavar="REF")
    ] = None,
    folder: Annotated[str | None, typer.Option("--folder", help="Only this record folder.", metavar="PATH")] = None,
    seeds: Annotated[
        str, typer.Option("--seeds", help="Which, e.g. 1337,42; by default those that the claim names.", metavar="LIST")
    ] = "",
    small: Annotated[
        bool, typer.Option("--small", help="On the CPU with stand-ins and small sizes: does it run at all.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="The folder with the shards, or one with datasets/ and tokenizers/.", metavar="DIR"
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option("--tokenizer", help="The SentencePiece model of those shards.", metavar="FILE")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where finished seeds and their logs are kept; ./reproduced/NAME.", metavar="DIR"),
    ] = None,
    gpus: Annotated[
        int | None, typer.Option("--gpus", help="How many; by default all that the claimed batch fits on.", min=1)
    ] = None,
    device: Annotated[Device, typer.Option("--device", help="cpu: for programs that need no GPU.")] = Device.CUDA,
    wall: Annotated[
        float | None,
        typer.Option(
            "--wall",
            help="The most that one seed may take, in seconds; 120 with --small, else 1,800 and more on fewer GPUs.",
        ),
    ] = None,
    script: Annotated[
        str, typer.Option("--script", help="The script to run, where the folder holds several.", metavar="FILE")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A variable of the program's environment; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    mode: Annotated[
        Seal, typer.Option("--mode", help="How it is sealed off; unsealed runs it with your own rights.")
    ] = Seal.AUTO,
    format: Annotated[Format, typer.Option("--format", "-f", help="Form of the report.")] = Format.TERMINAL,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the report here instead of printing it.", metavar="FILE"),
    ] = None,
) -> None:
    """Run a submission's own script again, sealed off, and set what comes out against the claim.

    In full: on this machine's GPUs through torchrun, with the settings of the documented command, one run for each seed. Finished
    seeds are kept and not run again; Ctrl-C ends the run in progress only. The exit code is 0 if it ran and nothing is flagged.

    With `--small`: on the CPU, to see whether it runs at all. Such a run's bpb means nothing about the claim.

    Examples:

    * `scorefirst reproduce records/track_10min_16mb/2026-03-24_mine --small`

    * `scorefirst reproduce --repo parameter-golf --pr 745 --data datasets/fineweb10B_sp1024 --tokenizer fineweb_1024_bpe.model`

    * `scorefirst reproduce --repo parameter-golf --pr 745 --data data --seeds 1337,42 --out rerun-745 -f md -o rerun-745.md`
    """
    from auditor.trace.ready import missing

    given, wanted = settings(set_), numbers(seeds)
    if wall is not None and wall <= 0:
        raise UsageError("--wall wants a positive number of seconds")
    full_only = {"--data": data, "--tokenizer": tokenizer, "--out": out, "--gpus": gpus}
    if small and (used := [name for name, value in full_only.items() if value is not None]):
        raise UsageError(f"--small makes its own data and keeps no state: leave out {', '.join(used)}")
    target = Target.from_options(path=path, repo=repo, pr=pr, ref=ref, base=None, folder=folder)
    if why := missing("cpu"):
        raise UsageError(why)
    from auditor.reproduce.report import as_json, as_markdown, as_text
    from auditor.reproduce.whole import Options
    from auditor.reproduce.whole import reproduce as run_again
    from auditor.trace.sandbox import Mode

    options = Options(
        seeds=wanted,
        small=small,
        data=data,
        tokenizer=tokenizer,
        out=out,
        script=script,
        gpus=gpus,
        device=device.value,
        wall_s=wall,
        mode=None if mode is Seal.AUTO else Mode(mode.value),
        given=given,
    )
    try:
        with waiting("reproducing") as tell:
            found = list(run_again(target, options, tell))
    except KeyboardInterrupt:
        say(
            "interrupted: the run in progress was ended; finished seeds are kept, and the same command goes on from there"
        )
        raise typer.Exit(INTERRUPTED) from None
    color = output is None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = stderr.width if color else 140
    text = {
        Format.JSON: lambda: as_json(found),
        Format.MD: lambda: as_markdown(found),
        Format.TERMINAL: lambda: as_text(found, color=color, width=width),
    }[format]()
    if output is None:
        print_plain(text)
    else:
        write(output, text)
        say(f"wrote {output}")
    raise typer.Exit(0 if all(r.good for r in found) else 1)


def numbers(text: str) -> tuple[int, ...]:
    """`1337,42` as numbers, each once."""
    words = [w for w in text.replace(" ", ",").split(",") if w]
    if not all(w.isdecimal() and int(w) < 1 << 32 for w in words):
        raise UsageError(f"--seeds wants numbers, as in 1337,42, not {text}")
    return tuple(dict.fromkeys(map(int, words)))
