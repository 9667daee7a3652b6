"""The program files of a record folder: opened, sorted by what they are for, and searched for what matters.

Which of several scripts is the entry, the one that the claim comes from, is told in `script_entry`;
further versions and ablations get the role "other".
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace

from auditor.claims.commands import read_commands
from auditor.scripts.entry import Program, choose_entry, reach
from auditor.scripts.imports import NATIVE, needed_files
from auditor.scripts.mentions import python_uses
from auditor.scripts.shell import COMPRESSORS, documented_installs, joined_lines, split_script, uses
from auditor.source.plain.text import plain
from auditor.submission.base import Submission, Unreadable
from auditor.unpack import Unpacked, unpack
from auditor.unpack.content import Content, content
from auditor.unpack.limits import MAX_WORK, Budget
from auditor.unpack.parse import parse
from rules.evidence import Command, FileKind, Gap, Location, Mention, Script

SHELL = (".sh", ".bash", ".zsh", ".sbatch", ".slurm")
MAX_SCRIPTS = 300
MAX_BYTES = 64_000_000  # of all program files together
FOLDER_WORK = 10 * MAX_WORK  # for unpacking all files; then every further one gets only the least
LEAST_WORK = 20_000
MAX_LINE = 240
_VENDORED = re.compile(r"(?:^|/)(?:node_modules|site-packages|\.?venv|env|__pycache__|\.git|target|dist|build)/")
_PREPARES = re.compile(
    r"^(?:prepare|preprocess|download|tokeni[sz]e|retokeni[sz]e|pretokeni[sz]e|cached_|build_(?:\w{0,30}(?:vocab|token|data|shard)))|_tokenizer\.py$|data_prep"
)


def read_scripts(submission: Submission) -> tuple[tuple[Script, ...], tuple[Mention, ...], tuple[Gap, ...]]:
    """All program files with their roles, the mentions in those that run, and what could not be read.

    Texts that a packed file carries besides its program (bundled modules, C sources) are scripts too,
    under the path `file!name` and with size 0, since their bytes are counted with the file.
    """
    gaps: list[Gap] = []
    data = _read_files(submission, gaps)
    known = frozenset(f.path for f in submission.files)

    others: dict[str, bytes] = {}

    def sibling(path: str) -> bytes | None:
        if path in data or path not in known:
            return data.get(path)
        if path not in others:
            others[path] = submission.read(path)
        return others[path]

    programs: dict[str, Program] = {}
    work = FOLDER_WORK
    for path in [p for p in data if p.endswith(".py")]:
        budget = Budget(work=min(MAX_WORK, max(work, LEAST_WORK)))
        u = unpack(data[path], path, sibling, budget)
        work -= budget.work_limit - budget.work_left
        programs[path] = Program(path, len(data[path]), _sha256(data[path]), u, _needs(u, path, known), _content(u))
        gaps += [Gap("code that is made at run time", note, path) for note in u.notes]
    commands = _commands(submission, data)
    entry = choose_entry(programs, commands, _metadata(submission))
    running = reach([entry] if entry else [], programs)
    preparing = reach([p.path for p in programs.values() if _prepares(p)], programs)
    scripts = [s for p in programs.values() for s in _scripts(p, entry, running, preparing)]
    scripts += [_other_file(path, data[path], known) for path in data if not path.endswith(".py")]
    scripts.sort(key=lambda s: (s.role != "entry", s.path))
    mentions = [m for s in scripts if s.role in ("entry", "module", "prep") for m in _in_python(s)]
    trainers = {p.path for p in programs.values() if p.trains} | ({entry} if entry else set())
    for s in scripts:
        if s.role == "shell":
            mentions += _in_shell(s, trainers)
    mentions += _in_documents(submission)
    return tuple(scripts), tuple(dict.fromkeys(mentions)), tuple(gaps)


# Files.


def _wanted(path: str) -> bool:
    return path.endswith((".py", *SHELL)) or (path.endswith(NATIVE) and not path.endswith(".so"))


def _urgency(path: str) -> tuple[bool, int, bool, str]:
    """The order in which files are read: the usual entry, then by depth, training scripts first."""
    return path != "train_gpt.py", path.count("/"), not posixpath.basename(path).startswith("train"), path


def _read_files(submission: Submission, gaps: list[Gap]) -> dict[str, bytes]:
    """The bytes of every program file, those near the root first; a gap for each that cannot be read."""
    wanted = sorted((f for f in submission.files if _wanted(f.path)), key=lambda f: _urgency(f.path))
    own = [f for f in wanted if not _VENDORED.search(f.path)]
    if len(own) > MAX_SCRIPTS:
        gaps.append(Gap("program files", f"the folder holds {len(own)}; only {MAX_SCRIPTS} were read"))
    if len(own) < len(wanted):
        gaps.append(
            Gap("program files", f"{len(wanted) - len(own)} files of bundled libraries and builds were not read")
        )
    out: dict[str, bytes] = {}
    left = MAX_BYTES
    for f in own[:MAX_SCRIPTS]:
        if f.kind is not FileKind.FILE:
            gaps.append(Gap("program file", f"is a {f.kind.value}, its text is not at hand", f.path))
            continue
        if (f.size or 0) > left:
            gaps.append(Gap("program file", f"not read: the program files are more than {MAX_BYTES:,} bytes", f.path))
            continue
        try:
            out[f.path] = submission.read(f.path)
            left -= len(out[f.path])
        except Unreadable as e:
            gaps.append(Gap("program file", str(e), f.path))
    if not any(p.endswith(".py") for p in out):
        gaps += [
            Gap("notebook", "notebooks are not read", f.path) for f in submission.files if f.path.endswith(".ipynb")
        ]
    return out


def _read(submission: Submission, path: str) -> bytes:
    try:
        return submission.read(path)
    except Unreadable:
        return b""


def _documents(submission: Submission) -> Iterator[tuple[str, bytes]]:
    for f in submission.files:
        name = posixpath.basename(f.path).casefold()
        if f.path.count("/") == 0 and name.startswith("readme") and f.kind is FileKind.FILE:
            yield f.path, _read(submission, f.path)


def _metadata(submission: Submission) -> str:
    paths = [f.path for f in submission.files if f.path == "submission.json" and f.kind is FileKind.FILE]
    return _read(submission, paths[0]).decode("utf-8", "replace")[:200_000] if paths else ""


def _commands(submission: Submission, data: dict[str, bytes]) -> list[Command]:
    """Documented runs, those of the README first."""
    out: list[Command] = []
    for path, text in _documents(submission):
        out += read_commands(text, path)
    for path, text in data.items():
        if path.endswith((".sh", ".bash")):
            out += read_commands(text, path)
    return out


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _content(u: Unpacked) -> Content:
    return content(u.text) if u.text else Content()


def _needs(u: Unpacked, path: str, known: frozenset[str]) -> tuple[str, ...]:
    """Files it imports or runs, and files out of which its program was unpacked."""
    found: dict[str, None] = {}
    for text in dict.fromkeys((u.text, u.shipped_text, *(p.text for p in u.parts))):
        tree = plain(text).tree if text else None
        if tree is not None:
            found.update(dict.fromkeys(needed_files(tree, path, known)))
    read = {
        s.removeprefix("read ") for layers in (u.layers, *(p.layers for p in u.parts)) for x in layers for s in x.steps
    }
    found.update(dict.fromkeys(n for n in (*u.runs, *(x for x in u.loads if x in read)) if n in known))
    return tuple(n for n in found if n != path)


# Scripts.


def _scripts(p: Program, entry: str, running: set[str], preparing: set[str]) -> Iterator[Script]:
    role = "entry" if p.path == entry else "module" if p.path in running else "other"
    if role == "other" and p.path in preparing and not p.trains:
        role = "prep"
    u = p.unpacked
    yield Script(
        path=p.path,
        role=role,
        sha256=p.sha256,
        size=p.size,
        text=u.text,
        shipped_text=u.shipped_text,
        layers=u.layers,
        imports=p.needs,
        problem="" if u.syntax_error else u.problem,
        syntax_error=u.syntax_error,
    )
    inner = "module" if role == "entry" else role
    for part in u.parts:
        kind = "native" if part.name.endswith(NATIVE) else "shell" if part.name.endswith(SHELL) else inner
        yield Script(
            f"{p.path}!{part.name}",
            kind,
            _sha256(part.text.encode("utf-8", "surrogatepass")),
            0,
            part.text,
            layers=part.layers,
        )


def _prepares(p: Program) -> bool:
    """Data preparation: it writes shards or a tokenizer, or is named after that, and does not train."""
    return not p.trains and (p.content.writes_shards or bool(_PREPARES.search(posixpath.basename(p.path).casefold())))


def _other_file(path: str, data: bytes, known: frozenset[str]) -> Script:
    text = data.decode("utf-8", "replace")
    role = "shell" if path.endswith(SHELL) else "native"
    imports = tuple(n for n in _included(text, path) if n in known) if role == "native" else ()
    return Script(path, role, _sha256(data), len(data), text, text, imports=imports)


_INCLUDE = re.compile(r"^[ \t]{0,20}#[ \t]{0,5}include[ \t]{0,5}\"([^\"\n]{1,200})\"", re.MULTILINE)


def _included(text: str, path: str) -> Iterator[str]:
    for m in _INCLUDE.finditer(text):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(path), m[1]))


# Mentions.


def _place(script: Script, lines: list[str], line: int) -> Location:
    text = lines[line - 1].strip()[:MAX_LINE] if 0 < line <= len(lines) else ""
    return Location(script.path.partition("!")[0], line, text, len(script.layers))


def _in_python(script: Script) -> Iterator[Mention]:
    tree = plain(script.text).tree if script.text else None
    if tree is None or script.path.endswith((*NATIVE, *SHELL)):
        return
    lines = script.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for line, use in python_uses(tree):
        yield Mention(use.kind, use.what, _place(script, lines, line))
    if script.layers and "!" not in script.path:  # what the wrapper itself does
        yield from _in_python(replace(script, text=script.shipped_text, layers=()))


def _in_shell(script: Script, trainers: set[str]) -> Iterator[Mention]:
    """Mentions of a shell script. One that starts no training is set-up: its installs are documentation."""
    basenames = {posixpath.basename(t) for t in trainers}
    lines = script.text.split("\n")
    commands = list(split_script(script.text))
    words = {posixpath.basename(w) for c in commands for w in c.words if w.endswith(".py")}
    runs = bool(words & basenames) or any("train" in w for w in words)
    for c in commands:
        found = [(c.line, u) for u in uses(c.words)]
        if c.document and any("python" in w for w in c.words):
            tree = parse(c.document).tree
            found += [(c.document_line + n - 1, u) for n, u in python_uses(tree)] if tree is not None else []
        for line, use in found:
            if use.kind == "binary" and use.what not in COMPRESSORS:
                continue
            kind = "install-doc" if use.kind == "install" and not runs else use.kind
            yield Mention(kind, use.what, _place(script, lines, line))


def _in_documents(submission: Submission) -> Iterator[Mention]:
    for path, data in _documents(submission):
        for number, line in joined_lines(data.decode("utf-8", "replace")):
            for what in documented_installs(line):
                yield Mention("install-doc", what, Location(path, number, line.strip()[:MAX_LINE]))
