"""`scorefirst trace` and `scorefirst sandbox`: running a submission's program, and the place in which it runs."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from auditor.cli_common import (
    CacheFolder,
    Device,
    Devices,
    Folder,
    NoCache,
    Pr,
    Ref,
    Repo,
    Verbose,
    print_plain,
    say,
    settings,
    trace_cache,
    waiting,
    write,
)
from auditor.exit_codes import UNEXPLAINED
from auditor.submission.base import UsageError
from auditor.submission.target import Target

sandbox = typer.Typer(help="The sealed place in which a submission's program runs.", no_args_is_help=True)


def trace(
    path: Annotated[
        str | None, typer.Argument(help="A record folder, or the URL of a pull request.", metavar="FOLDER|URL")
    ] = None,
    repo: Repo = None,
    pr: Pr = None,
    ref: Ref = None,
    folder: Folder = None,
    wall: Annotated[float, typer.Option("--wall", help="The most that one run may take, in seconds.")] = 120.0,
    device: Devices = Device.CPU,
    ranks: Annotated[
        int, typer.Option("--ranks", help="Run it as so many processes that exchange what they have.", min=1, max=8)
    ] = 1,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A variable of the program's environment; may be repeated.", metavar="NAME=VALUE"),
    ] = None,
    no_probes: Annotated[bool, typer.Option("--no-probes", help="Run once; do not compare with other runs.")] = False,
    no_cache: NoCache = False,
    cache: CacheFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    page: Annotated[Path | None, typer.Option("--html", help="Write a page with the timeline here.")] = None,
    drawing: Annotated[Path | None, typer.Option("--svg", help="Write the timeline of the first run here.")] = None,
    bitmap: Annotated[
        Path | None, typer.Option("--png", help="Write that timeline here as a PNG (needs Pillow).")
    ] = None,
    positions: Annotated[
        str | None, typer.Option("--positions", help="Show the timeline of these tokens only.", metavar="A-B")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Run a submission's program small, sealed off and unchanged, and show what it did with validation tokens.

    Needs torch: `pip install 'scorefirst[run]'`. The exit code is 0 if each run came to a number that is explained, 4 if not,
    and 3 if there is nothing to run.

    Examples:

    * `scorefirst trace records/track_10min_16mb/2026-03-24_mine`

    * `scorefirst trace --repo parameter-golf --pr 745 --wall 300`

    * `scorefirst trace records/track_10min_16mb/2026-03-24_mine --html trace.html --positions 500-900`

    * `scorefirst trace records/track_10min_16mb/2026-03-24_mine --set TTT_ENABLED=1`
    """
    from auditor.trace.ready import missing

    between, given = interval(positions), settings(set_)
    if ranks > 1 and device is Device.CUDA:
        raise UsageError("--ranks with --device cuda is not possible: each rank would need a GPU of its own")
    if why := missing(device.value):
        raise UsageError(why)
    if bitmap and find_spec("PIL") is None:
        raise UsageError("--png needs Pillow: pip install 'scorefirst[png]'; --svg needs nothing")
    from auditor.report import trace_html
    from auditor.report.trace_text import trace_json, trace_text
    from auditor.trace.alone import trace_target
    from auditor.trace.ways import Ways

    target = Target.from_options(path=path, repo=repo, pr=pr, ref=ref, base=None, folder=folder)
    with waiting("tracing") as tell:
        ways = Ways(
            wall_s=wall,
            probing=not no_probes,
            device=device.value,
            ranks=ranks,
            given=given,
            cache=trace_cache(cache, no_cache),
        )
        traces = list(trace_target(target, ways, tell, say))
    if page:
        write(page, trace_html.page(traces, between))
    if drawing:
        pictures = [p for _, t in traces if t and (p := trace_html.svg(t, between))]
        if not pictures:
            raise UsageError("nothing was written down, so there is no timeline to draw")
        write(drawing, pictures[0])
    if bitmap:
        from auditor.report import timelines
        from auditor.report.png import png

        drawn = next((d for _, t in traces if t and (d := timelines.picture(t, between))), None)
        if drawn is None:
            raise UsageError("nothing was written down, so there is no timeline to draw")
        write(bitmap, png(drawn))
    color = sys.stdout.isatty()
    print_plain(trace_json(traces) if as_json else trace_text(traces, verbose=verbose, color=color, positions=between))
    if all(t is None for _, t in traces):
        raise typer.Exit(3)
    raise typer.Exit(0 if all(t is not None and t.explained for _, t in traces) else UNEXPLAINED)


def interval(text: str | None) -> tuple[int, int] | None:
    """`A-B`, both included."""
    if text is None:
        return None
    low, _, high = text.partition("-")
    if not (low.isdecimal() and high.isdecimal() and int(low) <= int(high) < 1 << 40):
        raise UsageError(f"--positions wants two numbers, the smaller one first, as in 500-900, not {text}")
    return int(low), int(high)


@sandbox.command("check")
def sandbox_check(
    mode: Annotated[
        str, typer.Option("--mode", help="bubblewrap, landlock, or auto for the strongest that works here.")
    ] = "auto",
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only this attempt or group; may be repeated.", metavar="NAME")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Run programs that try to get out of the sandbox, and say which of them it held.

    Each attempt is judged from outside: by the host's files, sockets and processes, and by secrets that must not come out.
    `--mode unsealed` makes the harmless attempts without a sandbox, to show that they would succeed. The exit
    code is 1 unless every attempt held.

    Examples:

    * `scorefirst sandbox check`

    * `scorefirst sandbox check --mode landlock --only network -v`
    """
    from auditor.trace.sandbox.check_report import report_check

    with waiting("trying to escape") as tell:
        text, held = report_check(mode, only or (), verbose=verbose, tell=tell, color=sys.stdout.isatty())
    print_plain(text)
    raise typer.Exit(0 if held else 1)
