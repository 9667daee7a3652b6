"""The configuration under which the claim was made: which settings the claimed run had, and how that is known.

A folder often documents several commands (ablations, data preparation, other folders' scripts) and
carries several logs. Only commands that run the entry script count. Where a log backs the claim, the
commands that contradict it are dropped, and what it dumps outranks what a command says. What is left
undecided is named in `unsure`: neither the command's value nor the code's default may be taken for granted.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from auditor.claims.commands import SHELL_FILES, read_commands
from auditor.claims.logs.passing import line_start, same_value
from rules import view
from rules.events import Setting
from rules.evidence import Command, Evidence, Run, Script, Words
from rules.place import Location

__all__ = ["Configuration", "configuration", "line_start"]

RANKS = 8  # the challenge's machine
MAX_PRINTED = 400
CONFIRMED = 3  # variables
LEAST_PRINT = 5  # characters
MAX_COMMANDS = 200
MAX_SHELL = 100_000  # characters of run scripts that are read

_ENV_NAME = re.compile(r"[\"']([A-Z][A-Z0-9_]{1,60})[\"']")
_OPTION = re.compile(r"[\"']--?([A-Za-z][\w-]{1,60})[\"']")
_UNKNOWN = re.compile(r"[$`]|<[^>]{0,80}>|\.\.\.|…|^\{|^\[")
_REFERENCE = re.compile(r"\$(?:(\w{1,80})|\{(\w{1,80})(?::?[-=]([^{}$`]{0,400}))?\})")
_PROCESSES = re.compile(r"--?nproc[_-]per[_-]node(?:=(\d{1,4}))?$")
_OF_ONE_RUN = re.compile(  # differs from run to run of one configuration
    r"(?:.*_)?(?:seed|run_id|run_name|name|log_?file|log_?dir|logs?|out(?:put)?_?dir|data_?(?:dir|path|root)|path|dir|port|addr"
    r"|tokenizer_path|checkpoint\w*|device|devices|threads|wandb\w*|nccl\w*|cuda_\w*|torch\w*|omp\w*|python\w*)"
)
_EXPORT = re.compile(r"(?m)^([ \t]*)(?:export|declare -x)[ \t]+([A-Za-z_]\w{0,80})=([^\n]{0,400})")
_ASSIGNED = re.compile(r"(?m)^[ \t]*(?:local |readonly |export )?([A-Za-z_]\w{0,80})=[\"']?([^\"'\n]{1,400})")
_BRANCH = re.compile(r"(?m)^[ \t]*(?:if|case|elif|else)\b")
_OTHER_WORK = re.compile(r"prepare|setup|download|install|build|tokeni|data|baseline|smoke|ablat")
_DATE = re.compile(r"\d{4}-\d\d-\d\d[_-]?")
_RANK_NAMES = frozenset(("rank", "local_rank", "world_size", "local_world_size", "master_addr", "master_port"))
_WORDS_OF_PROGRESS = frozenset(
    ("start", "started", "starting", "begin", "done", "end", "complete", "completed", "finished", "loading", "loaded")
)
_MISSING = Words("", Location(""))


@dataclass(frozen=True)
class Configuration:
    """What is known of the run that made the claim.

    `env` holds environment variables that were set for it, by exact name; `settings` its dump of
    hyper-parameters, names in lower case. `arguments` are the words behind the script in its command.
    `unsure` names variables (lower case) that some documented commands set and others do not, while
    no log decides; `agreed` is what all those that set such a variable set it to. `label` is the name of the log's result line that the claim rests on, `label_text`
    that line. `rivals` are other lines of it that the claim may rest on, where none shows its number. `printed` is how the lines of its log begin, in the form of `line_start`. With `open`, switches that
    nobody documented and whose default is off are not known either.
    """

    env: dict[str, Setting] = field(default_factory=dict)
    settings: dict[str, Setting] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    world_size: int = RANKS
    val_tokens: int | None = None
    label: str = ""
    label_text: str = ""
    rivals: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    unsure: frozenset[str] = frozenset()
    agreed: dict[str, str] = field(default_factory=dict)
    open: bool = False

    def decided(self, name: str) -> Setting | None:
        """What the claimed run had for a variable or a hyper-parameter, None where only the code's default is left."""
        return self.settings.get(name.lower()) or self.env.get(name)

    def printed_like(self, text: str) -> bool:
        """Whether a line of the claimed run's log begins like this text, the fixed first part of what a program prints.

        True shows that the code around that print ran; a text shorter than `LEAST_PRINT` shows nothing.
        """
        start = line_start(text)
        if len(start) < LEAST_PRINT:
            return False
        at = bisect_left(self._in_order, start)
        return at < len(self._in_order) and self._in_order[at].startswith(start)

    @cached_property
    def _in_order(self) -> list[str]:
        return sorted(self.printed)


@dataclass(frozen=True)
class _Candidate:
    """A documented command that runs the entry script, its variables resolved as far as they can be."""

    env: dict[str, Words]
    unknown: frozenset[str]  # variables that it sets to something that cannot be told
    arguments: tuple[str, ...]
    ranks: int | None
    foreign: bool = False  # it names a script of another record folder


def configuration(evidence: Evidence, entry: Script) -> Configuration:
    """The configuration of the claimed run, from its log, the documented commands and the run scripts."""
    run = claimed_run(evidence)
    known = _names(evidence, entry)
    settings = _logged(run, known) if run else {}
    ranks = int(run.world_size.value) if run and run.world_size else None
    candidates = _fitting(list(_candidates(evidence, entry)), settings, ranks)
    env, unsure, agreed = _merged(candidates, settings)
    arguments = candidates[0].arguments if len({c.arguments for c in candidates}) == 1 else ()
    told = {c.ranks for c in candidates if c.ranks and c.ranks > 1}
    result = view.headline(run, evidence) if run else None
    figure = result and (result.val_bpb or result.val_loss)
    return Configuration(
        env=env,
        settings=settings,
        arguments=arguments,
        world_size=ranks or (told.pop() if len(told) == 1 else RANKS),
        val_tokens=int(run.val_tokens.value) if run and run.val_tokens else None,
        label=result.name if result else "",
        label_text=figure.at.text if figure else "",
        rivals=tuple(
            ev.val_bpb.at.text for ev in (view.nearest(run, evidence) if run else []) if ev is not result and ev.val_bpb
        ),
        printed=run.starts[:MAX_PRINTED] if run else (),
        unsure=unsure,
        agreed=agreed,
    )


def claimed_run(evidence: Evidence) -> Run | None:
    """The log that stands for the claim: a backed one, else the one whose result is nearest; the fullest of several."""
    runs = view.claim_runs(evidence)
    claim = evidence.claims.val_bpb

    def order(run: Run) -> tuple[bool, float, int, int]:
        backed = view.backs(run, evidence) is not None
        bpb = run.result.val_bpb if run.result else None
        far = 0.0 if backed or not claim else abs(bpb.value - claim.value) if bpb else 1e9
        return not backed, far, -len(run.settings), -len(run.starts)

    return min(runs, key=order, default=None)


# Logs.


def _names(evidence: Evidence, entry: Script) -> frozenset[str]:
    """Names of environment variables and options in the program's text, in lower case."""
    texts = [entry.text, entry.shipped_text if entry.packed else ""]
    texts += [s.text for s in evidence.package.scripts if s.role == "module"]
    names = {n.lower() for text in texts for n in _ENV_NAME.findall(text)}
    names |= {n.lower().replace("-", "_") for text in texts for n in _OPTION.findall(text)}
    return frozenset(names)


def _logged(run: Run, known: frozenset[str]) -> dict[str, Setting]:
    """The dump of the run, and those single settings whose names the program takes from outside.

    Lines that carry several pairs are no dump for sure: `ttt:enabled lr:0.002` says nothing of a
    variable LR. So what they say counts only under a name that the program reads from outside, and
    only where it is a plain value.
    """
    out: dict[str, Setting] = {}
    for name, words in run.settings.items():
        if name in _RANK_NAMES or words.value.lower() in _WORDS_OF_PROGRESS:
            continue
        if _alone(name, words) or (name in known and len(name) > 4 and not re.search(r"\w[:=]", words.value)):
            value = words.value.strip("\"'")
            value = {"enabled": "True", "disabled": "False"}.get(value.lower(), value)
            out[name] = Setting(name, value, "log", words.at)
    for name, words in run.facts.items():
        if name in known and name not in out and len(name) > 4 and name not in _RANK_NAMES:
            out[name] = Setting(name, words.value, "log", words.at)
    return out


def _alone(name: str, words: Words) -> bool:
    """Whether the line says nothing but this setting, as lines of a dump do."""
    rest = words.at.text.lower().partition(name)[2].strip(" :=\"'")
    return rest.startswith(words.value.lower()[:200]) and len(rest) <= len(words.value) + 3


# Commands.


def _candidates(evidence: Evidence, entry: Script) -> Iterator[_Candidate]:
    """The documented commands that run the entry script, those of run scripts with what starts these.

    Where none is found, commands that run a training script that the folder does not hold (it was renamed
    for the submission, or a run script was left out), and those that name another record folder (ours may
    have been renamed; see `_fitting`).
    """
    targets = _targets(evidence, entry)
    folder = posixpath.basename(evidence.package.folder)
    documented = evidence.claims.commands
    found = False
    for c in documented:
        i = _script_at(c, targets, folder)
        if i is not None:
            found = True
            yield _resolved(c, i, {})
    left = MAX_SHELL
    for s in evidence.package.scripts:
        if s.role != "shell" or not s.path.endswith(SHELL_FILES) or "!" in s.path or len(s.text) > left:
            continue
        left -= len(s.text)
        if not any(posixpath.basename(t) in s.text for t in targets):
            continue
        outer = next((c.env for c in documented if _starts(c, s.path)), {})
        named = targets | _holders(s.text, targets)
        doubtful = _doubtful(s.text)
        for c in read_commands(s.text.encode("utf-8", "replace"), s.path)[:MAX_COMMANDS]:
            i = _script_at(c, named, folder)
            if i is not None:
                found = True
                yield _resolved(c, i, outer, doubtful)
    if not found:
        here = frozenset(posixpath.basename(s.path) for s in evidence.package.scripts)
        for c in documented:
            i = next((i for i, w in enumerate(c.args) if _left_out(w, here)), None)
            if i is not None:
                yield _resolved(c, i, {})
            elif (i := _script_at(c, targets, folder, foreign=True)) is not None:
                yield replace(_resolved(c, i, {}), foreign=not _same_name(c.args[i], folder))


def _same_name(path: str, folder: str) -> bool:
    """Whether the folder in a path has this folder's name or a part of it, dates left out."""
    other = posixpath.basename(posixpath.dirname(path.replace("\\", "/")))
    a, b = (_DATE.sub("", n).lower() for n in (other, folder))
    return min(len(a), len(b)) >= 6 and (a in b or b in a)


def _left_out(word: str, here: frozenset[str]) -> bool:
    """Whether a word of a command names a training script or a run script that is not in the folder."""
    name = posixpath.basename(word.replace("\\", "/"))
    kind = (name.endswith(".py") and "train" in name) or name.endswith(SHELL_FILES)
    away = "records/" in word or "mlx" in name or _OTHER_WORK.search(name)
    return kind and not away and name not in here


def _holders(text: str, targets: frozenset[str]) -> set[str]:
    """Shell variables, as `$NAME` and `${NAME}`, that hold the path of the entry script."""
    names = {m[1] for m in _ASSIGNED.finditer(text) if any(m[2].endswith(posixpath.basename(t)) for t in targets)}
    return {form for n in names for form in (f"${n}", f"${{{n}}}")}


def _doubtful(text: str) -> frozenset[str]:
    """Variables that a shell script exports in one of its branches or with several values."""
    branches = bool(_BRANCH.search(text))
    values: dict[str, set[str]] = {}
    out = set()
    for m in _EXPORT.finditer(text):
        values.setdefault(m[2], set()).add(m[3].strip())
        if m[1] and branches:
            out.add(m[2])
    return frozenset(out | {n for n, v in values.items() if len(v) > 1})


def _targets(evidence: Evidence, entry: Script) -> frozenset[str]:
    """The entry script and the scripts that load it."""
    found = {entry.path}
    for _ in range(3):
        found |= {s.path for s in evidence.package.scripts if s.path.endswith(".py") and found & set(s.imports)}
    return frozenset(found)


def _script_at(c: Command, targets: frozenset[str], folder: str, foreign: bool = False) -> int | None:
    """Index in `args` of the word that names the entry script, None if this command runs something else.

    With `foreign`, a script of the same name in another record folder.
    """
    for i, word in enumerate(c.args):
        if word in targets:
            return i
        if not word.endswith(".py"):
            continue
        path = word.replace("\\", "/")
        fits = any(path == t or path.endswith("/" + t) or posixpath.basename(path) == t for t in targets)
        away = "records/" in path and folder not in path.split("/") and not _UNKNOWN.search(path)
        return i if fits and away == foreign else None
    return None


def _starts(c: Command, path: str) -> bool:
    """Whether a command runs this shell script."""
    name = posixpath.basename(path)
    return any(posixpath.basename(w) == name for w in (c.program, *c.args))


def _resolved(c: Command, script: int, outer: Mapping[str, str], doubtful: frozenset[str] = frozenset()) -> _Candidate:
    env: dict[str, Words] = {}
    unknown: set[str] = set()
    for name, value in c.env.items():
        plain = _expand(value, {**{n: v for n, v in c.env.items() if n != name}, **outer})
        if plain is None or (name in doubtful and name not in outer):
            unknown.add(name)
        else:
            env[name] = Words(plain, c.at)
    for name, value in outer.items():
        if name not in c.env and not _UNKNOWN.search(value):
            env[name] = Words(value, c.at)
    return _Candidate(env, frozenset(unknown), c.args[script + 1 :], _ranks(c))


def _expand(value: str, env: Mapping[str, str]) -> str | None:
    """The value with shell references filled in, None where one of them is not known."""
    known = True

    def fill(m: re.Match[str]) -> str:
        nonlocal known
        outside = env.get(m[1] or m[2])
        if outside is not None and not _UNKNOWN.search(outside):
            return outside
        if m[3] is None:
            known = False
        return m[3] or ""

    plain = _REFERENCE.sub(fill, value)
    return None if not known or _UNKNOWN.search(plain) else plain


def _ranks(c: Command) -> int | None:
    """How many processes a command starts, None if it leaves that open."""
    for i, w in enumerate(c.args):
        if m := _PROCESSES.match(w):
            n = m[1] or (c.args[i + 1] if i + 1 < len(c.args) else "")
            return int(n) if n.isdecimal() and 0 < int(n) <= 4096 else None
    plain = posixpath.basename(c.program).startswith("python") and "-m" not in c.args
    return 1 if plain else None


# Which command it was.


def _fitting(candidates: list[_Candidate], settings: Mapping[str, Setting], ranks: int | None) -> list[_Candidate]:
    """The commands that fit the log best: the same ranks, then most variables that it confirms.

    One contradiction weighs as much as three confirmations, since a README may be older than its log
    in a detail, while an ablation's command differs from the claim's in one variable. Without a log, a
    command for the challenge's eight ranks goes before one for a small machine. A command of another
    folder counts only where the log confirms several of its variables and contradicts none.
    """

    def tally(c: _Candidate) -> tuple[int, int]:
        both = [(w.value, settings[n.lower()].value) for n, w in c.env.items() if n.lower() in settings and _lasting(n)]
        same = sum(same_value(a, b) for a, b in both)
        return len(both) - same, same

    def misfit(c: _Candidate) -> tuple[bool, int]:
        against, same = tally(c)
        return c.ranks is not None and c.ranks != (ranks or RANKS), 3 * against - same

    candidates = [c for c in candidates if not c.foreign or (tally(c)[0] == 0 and tally(c)[1] >= CONFIRMED)]
    if not candidates:
        return []
    best = min(map(misfit, candidates))
    return [c for c in candidates if misfit(c) == best]


def _merged(
    candidates: list[_Candidate], settings: Mapping[str, Setting]
) -> tuple[dict[str, Setting], frozenset[str], dict[str, str]]:
    """The variables on which the commands agree, and the names of those on which they do not.

    The last are values on which those agree that set a variable at all. A log's value takes the place of a contradicting one.
    """
    env: dict[str, Setting] = {}
    unsure: set[str] = set()
    agreed: dict[str, str] = {}
    for name in dict.fromkeys(n for c in candidates for n in (*c.env, *c.unknown)):
        logged = settings.get(name.lower())
        said = [c.env.get(name) for c in candidates]
        first = next((w for w in said if w), _MISSING)
        if all(w and same_value(w.value, first.value) for w in said):
            if logged and not same_value(first.value, logged.value):
                env[name] = Setting(name, _in_style(logged.value, first.value), "log", logged.at)
            else:
                env[name] = Setting(name, first.value, "command", first.at)
        elif logged:
            env[name] = Setting(name, _in_style(logged.value, first.value), "log", logged.at)
        elif _lasting(name):
            unsure.add(name.lower())
            if not any(name in c.unknown for c in candidates) and all(
                same_value(w.value, first.value) for w in said if w
            ):
                agreed[name] = first.value
    return env, frozenset(unsure), agreed


def _lasting(name: str) -> bool:
    """Whether a variable belongs to the configuration rather than to one run of it on one machine."""
    return not _OF_ONE_RUN.fullmatch(name.lower())


def _in_style(logged: str, written: str) -> str:
    """A logged truth value as the command would write it: programs print True for a variable set to 1."""
    if logged.lower() in ("true", "false") and written.strip().lower() not in ("true", "false"):
        return "1" if logged.lower() == "true" else "0"
    return logged
