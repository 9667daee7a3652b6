"""What the commands share: options, and how they read, write and speak."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from auditor.audit import Waiver
from auditor.report.text import plain, shorten
from auditor.submission.base import AuditorError, UsageError

if TYPE_CHECKING:
    from auditor.trace.cache import Cache

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
