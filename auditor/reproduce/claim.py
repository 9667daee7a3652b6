"""What is to be run again, and what it claims."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from auditor.claims.collect import read_claims
from auditor.reproduce.figures import Figures, claimed
from auditor.scripts import read_scripts
from auditor.source.config import Configuration, configuration
from auditor.submission import Target, resolve
from auditor.submission.base import AuditorError, Submission, UsageError
from auditor.trace.knobs import defaults
from rules.events import Setting
from rules.evidence import Evidence, Script

USUAL_SEEDS = (1337,)  # where nobody names one: the challenge script's own default
_RANK_NAMES = frozenset(
    ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES")
)


@dataclass(frozen=True)
class Claim:
    """A submission, its script, and what it says of each seed."""

    submission: Submission
    evidence: Evidence
    entry: Script
    config: Configuration
    figures: tuple[Figures, ...]

    @property
    def folder(self) -> str:
        return self.evidence.package.folder

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that the claim names."""
        return tuple(dict.fromkeys(f.seed for f in self.figures if f.seed is not None))


def claims(target: Target, script: str, tell: Callable[[str], None]) -> Iterator[Claim]:
    """The claim of each folder that a target names. Raises AuditorError where a folder has no script, or several."""
    for submission in resolve(target):
        tell(f"{submission.package.folder}: reading it")
        scripts, mentions, _ = read_scripts(submission)
        said, _ = read_claims(submission)
        package = replace(submission.package, scripts=chosen(scripts, script), mentions=mentions)
        evidence = Evidence(package, said)
        entry = the_script(evidence, script)
        yield Claim(submission, evidence, entry, configuration(evidence, entry), claimed(evidence))


def chosen(scripts: tuple[Script, ...], wanted: str) -> tuple[Script, ...]:
    """The scripts with the one that the user names as the entry."""
    if not wanted or not any(s.path == wanted for s in scripts):
        return scripts
    roles = [
        replace(s, role="entry" if s.path == wanted else "module" if s.role == "entry" else s.role) for s in scripts
    ]
    return tuple(sorted(roles, key=lambda s: s.role != "entry"))


def the_script(evidence: Evidence, wanted: str = "") -> Script:
    """The script to run; a clear error where there is none or where nobody can tell which."""
    package = evidence.package
    where = package.folder or "the folder"
    if wanted and package.script(wanted) is None:
        names = ", ".join(s.path for s in package.scripts if s.path.endswith(".py")) or "no Python file"
        raise UsageError(f"--script {wanted}: {where} has {names}")
    entry = package.entry
    if entry is None:
        raise AuditorError(f"{where} holds no script that trains and evaluates; name one with --script FILE")
    if entry.syntax_error or not entry.text:
        raise AuditorError(
            f"{where}: {entry.path} cannot be run: {entry.syntax_error or entry.problem or 'it is empty'}"
        )
    others = [s.path for s in rivals(evidence, entry)]
    if others and not wanted:
        raise AuditorError(
            f"{where} holds several scripts that may be the entry ({', '.join(sorted((entry.path, *others)))}) and no command "
            "names one: choose with --script FILE"
        )
    return entry


def rivals(evidence: Evidence, entry: Script) -> list[Script]:
    """Other training scripts in the root, where neither the usual name nor a documented command decides."""
    words = {posixpath.basename(w) for c in evidence.claims.commands for w in (c.program, *c.args)}
    if entry.path == "train_gpt.py" or posixpath.basename(entry.path) in words or "/" in entry.path:
        return []
    return [
        s
        for s in evidence.package.scripts
        if s.role == "other" and "/" not in s.path and s.path.startswith("train") and s.path.endswith(".py")
    ]


def settings(config: Configuration) -> tuple[dict[str, str], dict[str, str]]:
    """(what the documented command sets, what of it is left out and why).

    Ranks and visible devices are this machine's affair, and a path of the author's machine means nothing here.
    """
    out, left = {}, {}
    for name, s in config.env.items():
        if name in _RANK_NAMES:
            left[name] = "set by the launcher here"
        elif s.value.startswith(("/", "~")) or s.value.startswith("../"):
            left[name] = f"{s.value} is a path of another machine"
        elif name != "SEED":
            out[name] = s.value
    return out, left


def undocumented(config: Configuration, text: str) -> dict[str, tuple[str, str]]:
    """(default, logged value) of variables for which the claimed log shows another value than the program's own default,
    and which no documented command sets: the command alone does not make the claimed run."""
    out = {}
    for name, default in defaults(text):
        logged = config.settings.get(name.lower())
        if not logged or not default or name in config.env or name == "SEED" or not plain(default):
            continue
        if alone(name, logged) and not equal(default, logged.value):
            out[name] = (default, logged.value)
    return out


def alone(name: str, logged: Setting) -> bool:
    """Whether the log's line says nothing but this setting. Other lines state what a program made of several."""
    words = re.split(r"[\s:=\"',]+", logged.at.text.strip(" \"',{}"))
    return len(words) == 2 and words[0].lower() == name.lower()


def plain(value: str) -> bool:
    """Whether a default is written as a number or a truth value; expressions and paths are not compared."""
    return number(value) is not None


def number(value: str) -> float | None:
    try:
        return {"true": 1.0, "false": 0.0}.get(value.lower()) if value.isalpha() else float(value.replace("_", ""))
    except ValueError:
        return None


def equal(a: str, b: str) -> bool:
    """Whether two spellings are one value."""
    x, y = number(a), number(b)
    return x == y if x is not None and y is not None else y is None  # a word for a number is no contradiction
