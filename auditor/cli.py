"""The command line. Each command turns its options into one call of `auditor.api` and a report."""

from __future__ import annotations

import os
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from auditor import cli_data, cli_eval, cli_reproduce, cli_trace
from auditor.audit import Audit
from auditor.cli_common import (
    CacheFolder,
    Device,
    Devices,
    Edition,
    ExitZero,
    Fail,
    FailOn,
    Folder,
    Format,
    Formats,
    NoCache,
    Only,
    Output,
    Pr,
    Ref,
    Repo,
    Verbose,
    WaiverFile,
    check_edition,
    load_waivers,
    print_plain,
    read,
    rule_names,
    say,
    trace_cache,
    waiting,
    write,
)
from auditor.exit_codes import exit_code
from auditor.report.text import plain, shorten
from auditor.submission.base import AuditorError, NothingToAudit, UsageError
from auditor.submission.target import Target

app = typer.Typer(
    name="scorefirst",
    help="Audits Parameter Golf submissions: is the score legal, is the number true, does it reproduce.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(cli_trace.trace)
app.add_typer(cli_trace.sandbox, name="sandbox")
app.command("eval")(cli_eval.evaluate)
app.command()(cli_eval.roundtrip)
app.command()(cli_data.data)
app.command()(cli_reproduce.reproduce)


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
        bool | None,
        typer.Option(
            "--run/--no-run",
            envvar="SCOREFIRST_RUN",
            help="Also run it, small and sealed off, or only read it.",
            show_default="run where torch is installed",
        ),
    ] = None,
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

    * `scorefirst audit --repo . --base origin/main --no-run -f sarif -o audit.sarif`

    * `scorefirst audit https://github.com/openai/parameter-golf/pull/745 -f html -o audit.html`
    """
    from auditor import api
    from auditor.trace.ready import missing

    check_edition(edition)
    target = Target.from_options(path=path, repo=repo, pr=pr, ref=ref, base=base, folder=folder)
    keep = keep_evidence or format is Format.HTML
    rules_asked, let_pass = rule_names(only), load_waivers(waivers)
    why = missing(device.value)
    if why and (run or device is not Device.CPU):
        raise UsageError(why)
    if run is None:
        run = not why and asks_a_run(rules_asked)
        if why:
            say(f"only read, and not run: {why}")
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


def asks_a_run(names: frozenset[str]) -> bool:
    """Whether some rule asked for looks at a run; no names stand for all rules."""
    from rules.registry import all_rules

    asked = [r for r in all_rules() if not names or r.id in names]
    return any("trace" in stages for r in asked for stages, _ in r.checks)


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
