"""The command line. Each command turns its options into one call of `auditor.api` and a report."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from auditor import cli_data, cli_eval, cli_reproduce
from auditor.audit import Audit, Waiver
from auditor.exit_codes import exit_code
from auditor.report.text import plain, shorten
from auditor.submission.base import AuditorError, NothingToAudit, UsageError
from auditor.submission.target import Target

if TYPE_CHECKING:
    from auditor.trace.cache import Cache

app = typer.Typer(
    name="scorefirst",
    help="Audits Parameter Golf submissions: is the score legal, is the number true, does it reproduce.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
sandbox = typer.Typer(help="The sealed place in which a submission's program runs.", no_args_is_help=True)
app.add_typer(sandbox, name="sandbox")
app.command("eval")(cli_eval.evaluate)
app.command()(cli_eval.roundtrip)
app.command()(cli_data.data)
app.command()(cli_reproduce.reproduce)
stderr = Console(stderr=True)


class Format(StrEnum):
    TERMINAL = "terminal"
    MD = "md"
    JSON = "json"
    SARIF = "sarif"
    HTML = "html"
    GITHUB = "github"


class Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


class FailOn(StrEnum):
    FATAL = "fatal"
    ELIGIBILITY = "eligibility"
    PACKAGING = "packaging"
    ADVISORY = "advisory"
    NEVER = "never"


Repo = Annotated[Path | None, typer.Option("--repo", help="A clone of the challenge's repository.", metavar="CLONE")]
Pr = Annotated[
    int | None, typer.Option("--pr", help="Number of a pull request whose head the clone holds.", metavar="N")
]
Ref = Annotated[str | None, typer.Option("--ref", help="A commit, branch or tag of the clone.", metavar="REF")]
Folder = Annotated[str | None, typer.Option("--folder", help="Only this record folder.", metavar="PATH")]
Edition = Annotated[
    str, typer.Option("--edition", help="Judge by the rules of a date, 'latest', or 'own' for the submission's day.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write the report here instead of printing it.", metavar="FILE")
]
Formats = Annotated[Format, typer.Option("--format", "-f", help="Form of the report.")]
Fail = Annotated[FailOn, typer.Option("--fail-on", help="Lowest severity that sets an exit code.")]
ExitZero = Annotated[bool, typer.Option("--exit-zero", help="Exit 0 whatever was found.")]
WaiverFile = Annotated[
    Path | None, typer.Option("--waivers", help="A maintainer's waiver file (TOML).", metavar="FILE")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show what passed and what could not be decided, too.")]
Devices = Annotated[Device, typer.Option("--device", help="What a run computes on: stand-ins, or this machine's GPU.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Ask this rule only; may be repeated.", metavar="RULE")]


NoCache = Annotated[bool, typer.Option("--no-cache", help="Run it again even if a trace of the same run is kept.")]
CacheFolder = Annotated[
    Path | None, typer.Option("--cache", help="Where traces are kept; by default the user's cache.", metavar="DIR")
]


@app.command()
def audit(
    path: Annotated[
        str | None, typer.Argument(help="A record folder, or the URL of a pull request.", metavar="FOLDER|URL")
    ] = None,
    repo: Repo = None,
    pr: Pr = None,
    ref: Ref = None,
    base: Annotated[
        str | None,
        typer.Option("--base", help="Audit every record folder that differs from this ref.", metavar="REF"),
    ] = None,
    folder: Folder = None,
    format: Formats = Format.TERMINAL,
    output: Output = None,
    edition: Edition = "latest",
    only: Only = None,
    waivers: WaiverFile = None,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Also run it, small and sealed off (needs torch), or only read it.")
    ] = False,
    device: Devices = Device.CPU,
    no_cache: NoCache = False,
    cache: CacheFolder = None,
    keep_evidence: Annotated[
        bool, typer.Option("--keep-evidence", help="Put the evidence into the JSON, so that it can be judged again.")
    ] = False,
    dispute_url: Annotated[
        str, typer.Option("--dispute-url", help="Where a reader can dispute a finding.", metavar="URL")
    ] = "",
    verbose: Verbose = False,
    fail_on: Fail = FailOn.ADVISORY,
    exit_zero: ExitZero = False,
) -> None:
    """Audit a submission: a folder, a pull request, a ref or a diff.

    Examples:

    * `scorefirst audit records/track_10min_16mb/2026-03-24_mine`

    * `scorefirst audit --repo parameter-golf --pr 745`

    * `scorefirst audit --repo . --base origin/main -f sarif -o audit.sarif`

    * `scorefirst audit https://github.com/openai/parameter-golf/pull/745 -f html -o audit.html`
    """
    from auditor import api
    from auditor.trace.ready import missing

    check_edition(edition)
    target = Target.from_options(path=path, repo=repo, pr=pr, ref=ref, base=base, folder=folder)
    keep = keep_evidence or format is Format.HTML
    rules_asked, let_pass = rule_names(only), load_waivers(waivers)
    if run and (why := missing(device.value)):
        raise UsageError(why)
    kept = trace_cache(cache, no_cache) if run else None
    with waiting("auditing") as tell:
        audits = list(
            api.audit(
                target,
                law=edition,
                only=rules_asked,
                waivers=let_pass,
                keep_evidence=keep,
                run=run,
                device=device.value,
                cache=kept,
                tell=tell,
            )
        )
    report(audits, format, output, verbose=verbose, dispute_url=dispute_url, keep_evidence=keep_evidence)
    raise typer.Exit(exit_code(audits, fail_on.value, always_zero=exit_zero or format is Format.SARIF))


@app.command()
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

    Needs torch: `pip install 'scorefirst[run]'`. The exit code is 0 if the run came to a number that is explained, 1 if not,
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
    raise typer.Exit(0 if all(t is not None and t.explained for _, t in traces) else 1)


@app.command()
def judge(
    file: Annotated[Path, typer.Argument(help="A JSON report made with --keep-evidence.", metavar="AUDIT.json")],
    edition: Edition = "latest",
    format: Formats = Format.TERMINAL,
    output: Output = None,
    only: Only = None,
    waivers: WaiverFile = None,
    verbose: Verbose = False,
    fail_on: Fail = FailOn.ADVISORY,
    exit_zero: ExitZero = False,
) -> None:
    """Judge stored evidence again, e.g. by the rules of another date.

    Example: `scorefirst judge audit.json --edition 2026-03-20`
    """
    from msgspec import MsgspecError

    from auditor import api
    from auditor.report.json_ import load

    law = "latest" if edition == "own" else edition
    check_edition(law)
    try:
        stored = load(read(file))
    except (ValueError, MsgspecError) as e:
        raise UsageError(f"{file} is no JSON report of this tool: {shorten(str(e), 300)}") from None
    except RecursionError:
        raise UsageError(f"{file} is no JSON report of this tool: it is nested too deeply") from None
    if not stored:
        raise NothingToAudit(f"{file} is an empty list of audits")
    audits = []
    for a in stored:
        if a.evidence is None:
            raise UsageError(f"{file} holds no evidence; make it with `scorefirst audit --format json --keep-evidence`")
        audits.append(
            api.judge_evidence(
                a.evidence, law=edition, only=rule_names(only), waivers=load_waivers(waivers), keep_evidence=True
            )
        )
    report(audits, format, output, verbose=verbose)
    raise typer.Exit(exit_code(audits, fail_on.value, always_zero=exit_zero or format is Format.SARIF))


@app.command()
def rules(
    name: Annotated[
        str | None, typer.Argument(help="A rule or dispute to explain, e.g. NG5 or D-06.", metavar="NAME")
    ] = None,
    edition: Edition = "latest",
    severity: Annotated[
        str | None, typer.Option("--severity", help="fatal, eligibility, packaging or advisory.")
    ] = None,
    authority: Annotated[
        str | None,
        typer.Option("--authority", help="readme, organizer, organizer-quoted, precedent, community, derived."),
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="prohibition, requirement, permission or dispute.")] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", help="Rules that this stage can decide: claims, source, trace.")
    ] = None,
    search: Annotated[str | None, typer.Option("--search", help="Words in the title or text.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the rules, filter them, or explain one.

    Examples:

    * `scorefirst rules`

    * `scorefirst rules NG5`

    * `scorefirst rules --severity fatal --edition 2026-03-20`
    """
    from auditor.explain import explain, list_rules
    from rules.finding import Severity
    from rules.rule import Authority, Kind

    check_edition(edition)
    choices = {"severity": Severity, "authority": Authority, "kind": Kind}
    asked = {"severity": severity, "authority": authority, "kind": kind}
    for option, value in asked.items():
        allowed = [str(c.value) for c in choices[option]] + (["dispute"] if option == "kind" else [])
        if value is not None and value not in allowed:
            raise UsageError(f"--{option} {value}: use one of {', '.join(allowed)}")
    if name:
        text = explain(name)
        (Console(width=None if sys.stdout.isatty() else 100)).print(text) if not as_json else print(
            list_rules(name=name, as_json=True)
        )
        return
    print_plain(
        list_rules(
            edition=edition,
            severity=severity,
            authority=authority,
            kind=kind,
            stage=stage,
            search=search,
            as_json=as_json,
        )
    )


@app.command()
def gate(
    base: Annotated[str, typer.Option("--base", help="The ref to compare with.", metavar="REF")] = "origin/main",
    ref: Annotated[str, typer.Option("--ref", help="The ref that is proposed.", metavar="REF")] = "HEAD",
    repo: Annotated[Path, typer.Option("--repo", help="The clone.", metavar="CLONE")] = Path("."),
    pr: Annotated[int | None, typer.Option("--pr", help="Number to name in the report.", metavar="N")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write audit.json, audit.sarif, audit.md and audit.html here.", metavar="DIR"),
    ] = None,
    waivers: Annotated[
        str, typer.Option("--waivers", help="Waiver file on the base ref.", metavar="PATH")
    ] = ".scorefirst/waivers.toml",
    edition: Edition = "latest",
    dispute_url: Annotated[
        str, typer.Option("--dispute-url", help="Where a reader can dispute a finding.", metavar="URL")
    ] = "",
    fail_on: Fail = FailOn.ELIGIBILITY,
    verbose: Verbose = False,
) -> None:
    """Audit what a branch adds, for CI. A change without record folders passes.

    Only `violation` and `likely` findings of at least `--fail-on` fail the gate; doubts never do.

    Example: `scorefirst gate --base origin/main --out scorefirst-report`
    """
    from auditor.gate import run_gate

    check_edition(edition)
    raise typer.Exit(
        run_gate(
            repo,
            base=base,
            ref=ref,
            pr=pr,
            out=out,
            waivers=waivers,
            law=edition,
            fail_on=fail_on.value,
            verbose=verbose,
            dispute_url=dispute_url,
        )
    )


@app.command()
def sweep(
    repo: Annotated[Path, typer.Option("--repo", help="A clone with the pull requests' heads.", metavar="CLONE")],
    out: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for results.jsonl and summary.md.", metavar="DIR")
    ],
    prs: Annotated[str, typer.Option("--prs", help="Which, e.g. 1-2149 or 398,462,518,745.", metavar="RANGE")] = "",
    open_only: Annotated[
        bool, typer.Option("--open", help="Only heads that are not yet part of the main branch.")
    ] = False,
    edition: Edition = "latest",
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes; 0 for one per core.")] = 0,
    engine: Annotated[str, typer.Option("--engine", help="local, or dask for a cluster.")] = "local",
    scheduler: Annotated[
        str, typer.Option("--scheduler", help="Address of the dask scheduler.", metavar="ADDRESS")
    ] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Start again instead of resuming.")] = False,
) -> None:
    """Audit many pull requests in parallel; can be stopped and resumed.

    Examples:

    * `scorefirst sweep --repo parameter-golf -o out`

    * `scorefirst sweep --repo parameter-golf --prs 1-500 --open -o out`

    * `scorefirst sweep --repo /shared/parameter-golf -o out --engine dask --scheduler tcp://head:8786`
    """
    from auditor.sweep import run_sweep

    check_edition(edition)
    run_sweep(
        repo, out, prs=prs, open_only=open_only, law=edition, jobs=jobs, engine=engine, scheduler=scheduler, fresh=fresh
    )


@app.command()
def unpack(
    path: Annotated[str, typer.Argument(help="A script, in the folder or in the clone.", metavar="FILE")],
    repo: Repo = None,
    ref: Ref = None,
    pr: Pr = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show steps, sizes and hashes instead of the text.")] = False,
) -> None:
    """Print the source inside a self-extracting script, without running it.

    Examples:

    * `scorefirst unpack train_gpt.py`

    * `scorefirst unpack --repo parameter-golf --pr 1394 records/track_10min_16mb/NAME/train_gpt.py`
    """
    from auditor.peek import unpack_file

    text = unpack_file(path, repo=repo, ref=ref, pr=pr, layers=layers)
    if sys.stdout.isatty():  # a pipe gets the exact text; a terminal must not obey what the script holds
        text = "\n".join(map(plain, text.splitlines()))
    print_plain(text)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the JSON report."""
    from auditor.report.json_ import schema_text

    print_plain(schema_text())


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


def report(
    audits: list[Audit],
    format: Format,
    output: Path | None,
    *,
    verbose: bool = False,
    dispute_url: str = "",
    keep_evidence: bool = True,
) -> None:
    """Render the audits and print or write them."""
    from auditor.report import Options, render

    color = output is None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = Console().width if color else 100
    text = render(
        format.value,
        audits,
        Options(verbose=verbose, color=color, width=width, dispute_url=dispute_url, keep_evidence=keep_evidence),
    )
    if output is None:
        print_plain(text)
        return
    write(output, text)
    say(f"wrote {output}")


def interval(text: str | None) -> tuple[int, int] | None:
    """`A-B`, both included."""
    if text is None:
        return None
    low, _, high = text.partition("-")
    if not (low.isdecimal() and high.isdecimal() and int(low) <= int(high) < 1 << 40):
        raise UsageError(f"--positions wants two numbers, the smaller one first, as in 500-900, not {text}")
    return int(low), int(high)


def trace_cache(folder: Path | None, off: bool) -> Cache | None:
    """Where traces are kept; None with `--no-cache`."""
    from auditor.trace.cache import Cache, default_folder

    if off and folder:
        raise UsageError("--cache and --no-cache exclude each other")
    return None if off else Cache(folder or default_folder(), say)


def settings(given: list[str] | None) -> dict[str, str]:
    """`NAME=VALUE`, each."""
    out = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier() or name.startswith("SCOREFIRST_") or "\0" in value:
            raise UsageError(f"--set wants the name of a variable and its value, as in TTT_ENABLED=1, not {text}")
        out[name] = value
    return out


def write(path: Path, text: str | bytes) -> None:
    """Write a report; an unwritable place is a clear error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    except OSError as e:
        raise UsageError(f"cannot write {path}: {e.strerror}") from None


def say(sentence: str) -> None:
    """One line on stderr, never wrapped: paths and commands in it can be copied."""
    stderr.print(plain(sentence), markup=False, highlight=False, soft_wrap=True)


def print_plain(text: str) -> None:
    """Print text as it is, whatever encoding the terminal has."""
    data = text if text.endswith("\n") else text + "\n"
    try:
        sys.stdout.buffer.write(data.encode(sys.stdout.encoding or "utf-8", "replace"))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as e:
        raise AuditorError(f"cannot write to standard output: {e.strerror}") from None


def rule_names(only: list[str] | None) -> frozenset[str]:
    """Short names of the rules asked for; an unknown one is an error of the call."""
    from rules.registry import find

    names = set()
    for name in only or ():
        try:
            names.add(find(name).id)
        except KeyError as e:
            raise UsageError(str(e.args[0])) from None
    return frozenset(names)


def check_edition(name: str) -> None:
    from rules.editions import edition as lookup

    if name != "own":
        try:
            lookup(name)
        except ValueError as e:
            raise UsageError(str(e)) from None


def load_waivers(file: Path | None) -> tuple[Waiver, ...]:
    from auditor import waivers

    return () if file is None else waivers.parse(read(file).decode("utf-8", "replace"), str(file))


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as e:
        raise UsageError(f"cannot read {file}: {e.strerror}") from None


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner on stderr while something takes long, if a person is looking; what is yielded changes its words."""
    if not stderr.is_terminal:
        yield lambda doing: None
        return
    with stderr.status(what) as status:
        yield lambda doing: status.update(Text(shorten(plain(f"{what}: {doing}"), 120)))


def main() -> None:
    """Run the command line; every expected error is one sentence and an exit code."""
    if sys.stdout is None:  # closed by the caller: the exit code still counts
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    elif isinstance(sys.stdout, TextIOWrapper):  # a letter the terminal lacks becomes "?"
        sys.stdout.reconfigure(errors="replace")
    try:
        app(standalone_mode=True)
    except NothingToAudit as e:
        say(f"nothing to audit: {e}")
        sys.exit(e.exit_code)
    except AuditorError as e:
        say(f"error: {e}")
        sys.exit(e.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as e:
        if "SCOREFIRST_DEBUG" in os.environ:
            raise
        what = traceback.extract_tb(e.__traceback__)[-1]
        say(
            f"error: scorefirst itself failed: {e!r} in {Path(what.filename).name}:{what.lineno}. Please report it, with "
            "the call and what SCOREFIRST_DEBUG=1 prints."
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
