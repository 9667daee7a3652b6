"""Command lines, in shell scripts and in Python: what they install, fetch, or start.

Text is split into simple commands and never run. A command is judged by its first word, after
assignments, `sudo`, `env` and the like are taken off.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from auditor.unpack.wordset import wordset

MAX_LINE = 8_000  # characters of one logical line
MAX_LINES = 20_000
MAX_TEXT = 500_000  # characters of a shell script
_INSTALLERS = wordset(
    "pip pip3 pipx uv poetry conda mamba micromamba apt apt-get aptitude apk yum dnf zypper pacman brew npm pnpm yarn "
    "gem cargo easy_install snap"
)
_INSTALL = frozenset({"install", "add", "sync", "-S", "-Sy", "-Syu", "ci"})
_FETCHERS = wordset("wget curl aria2c axel gdown azcopy rclone sftp ftp kaggle lftp")
_CLOUD = {
    "aws": ("s3",),
    "gsutil": ("cp", "rsync"),
    "gcloud": ("storage",),
    "hf": ("download",),
    "huggingface-cli": ("download",),
}
_GIT_FETCH = frozenset({"clone", "pull", "fetch", "lfs", "submodule"})
_SHELLS = frozenset({"bash", "sh", "zsh", "dash"})
_WRAPPERS = wordset(
    "sudo env nohup time exec command nice ionice setsid stdbuf timeout numactl taskset eval srun then do else if ! while until { ("
)
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]{0,6}")
# Part of every Linux image, of the GPU driver, or of Python: starting them tells nothing.
HARMLESS = wordset(
    "torchrun nvidia-smi rocm-smi accelerate deepspeed mpirun srun echo printf cat ls cp mv rm mkdir rmdir ln touch pwd cd "
    "true false test sleep kill pkill killall ps top free df du uname hostname nproc lscpu lspci date whoami id which env "
    "head tail grep sed awk sort uniq wc tr cut find xargs tee md5sum sha256sum stat file chmod chown export set source "
    "git clear tput stty ulimit sync lsof netstat ip ifconfig ldconfig getconf locale uptime vmstat numactl taskset nvcc tar"
)
# Programs that a run script starts and that matter: compressors.
COMPRESSORS = wordset(
    "lrzip zpaq xz unxz lzma zstd unzstd brotli bzip2 gzip gunzip 7z 7za paq8px cmix lpaq9 lzip plzip pixz rar unrar"
)
_HEREDOC = re.compile(r"<<-?\s{0,3}[\"']?([A-Za-z_]\w{0,40})[\"']?")
_OPERATORS = frozenset({"&&", "||", ";", "|", "|&", "&", ";;", "(", ")", "\n"})


@dataclass(frozen=True, slots=True)
class Use:
    """What a command does that matters: `kind` as in `rules.evidence.Mention`, and a short name for it."""

    kind: str
    what: str


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple command of a shell script: its line, its words, and a here-document fed to it."""

    line: int
    words: tuple[str, ...]
    document: str = ""
    document_line: int = 0


def joined_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number of the first line, text) with lines that end in a backslash joined to the next."""
    lines = text.split("\n")[:MAX_LINES]
    i = 0
    while i < len(lines):
        first, line = i, lines[i].rstrip()
        i += 1
        while line.endswith("\\") and i < len(lines) and len(line) < MAX_LINE:
            line = line[:-1].rstrip() + " " + lines[i].strip()
            i += 1
        yield first + 1, line


def split_script(text: str) -> Iterator[Simple]:
    """The simple commands of a shell script in order; comments are dropped."""
    lines = text[:MAX_TEXT].split("\n")[:MAX_LINES]
    i = 0
    while i < len(lines):
        first, line = i, lines[i].rstrip("\r")
        while line.endswith("\\") and i + 1 < len(lines) and len(line) < MAX_LINE:
            i += 1
            line = line[:-1] + " " + lines[i].rstrip("\r")
        i += 1
        document, start = "", i
        if (m := _HEREDOC.search(line)) and "<<<" not in line:
            end = next((j for j in range(i, len(lines)) if lines[j].strip() == m[1]), len(lines))
            document, i = "\n".join(lines[i:end]), end + 1
            line = line[: m.start()] + line[m.end() :]
        for words in split_line(line):
            yield Simple(first + 1, words, document, start + 1)


def split_line(line: str) -> Iterator[tuple[str, ...]]:
    """The simple commands of one line."""
    if len(line) > MAX_LINE:
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        tokens = list(lexer)
    except ValueError:  # a quote that closes on another line
        tokens = line.split("#", 1)[0].split()
    words: list[str] = []
    for t in tokens:
        if t in _OPERATORS:
            if words:
                yield tuple(words)
            words = []
        else:
            words.append(t)
    if words:
        yield tuple(words)


def uses(words: tuple[str, ...], depth: int = 0) -> Iterator[Use]:
    """What one simple command installs, fetches or starts. Harmless commands give nothing."""
    words = _peel(words)
    if not words:
        return
    name, args = posixpath.basename(words[0]), words[1:]
    if name in _SHELLS and depth < 3:
        for flag, text in pairwise(args):
            if re.fullmatch(r"-[a-z]{0,3}c", flag):
                for inner in split_line(text):
                    yield from uses(inner, depth + 1)
                return
        return
    if _PYTHON.fullmatch(name):
        if args[:2] == ("-m", "pip") and any(a in _INSTALL for a in args[2:4]):
            yield Use("install", _short(("pip", *args[2:])))
        return
    if name in _INSTALLERS:
        plain = [a for a in args if not a.startswith("-")] + [a for a in args if a.startswith("-S")]
        if any(a in _INSTALL for a in plain[:2]):
            yield Use("install", _short((name, *args)))
    elif name == "git":
        verb = next((a for a in args if not a.startswith("-")), "")
        if verb in _GIT_FETCH and (
            verb not in ("lfs", "submodule") or {"pull", "fetch", "clone", "update"} & set(args)
        ):
            yield Use("download", _short((name, *args)))
    elif name in _FETCHERS or (name in _CLOUD and args[:1] and args[0] in _CLOUD[name]):
        if not any("localhost" in a or "127.0.0.1" in a for a in args) and "--version" not in args:
            yield Use("download", _short((name, *args)))
    elif name in ("rsync", "scp"):
        if any(re.match(r"[\w.@-]{1,80}:", a) for a in args):
            yield Use("download", _short((name, *args)))
    elif name not in HARMLESS and re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,60}", name) and not name.endswith((".py", ".sh")):
        yield Use("binary", name)


def _peel(words: tuple[str, ...]) -> tuple[str, ...]:
    """Take assignments and wrappers such as `sudo` off the front."""
    for i, w in enumerate(words[:50]):
        if re.match(r"[A-Za-z_]\w{0,80}=", w) or w.startswith("-") or re.fullmatch(r"\d+[smh]?", w):
            continue
        if posixpath.basename(w) not in _WRAPPERS:
            return words[i:]
    return ()


def _short(words: tuple[str, ...]) -> str:
    """A command in at most 80 characters."""
    text = " ".join(w for w in words if w)
    return text if len(text) <= 80 else text[:77] + "..."


_DOCUMENTED = re.compile(
    r"\b((?:python3? -m )?(?:pip3?|pipx|uv pip|uv|conda|mamba|apt|apt-get|apk|yum|dnf|brew|npm) {1,3}(?:install|add)\b[^`\n|&;#]{0,100})"
)


def documented_installs(line: str) -> Iterator[str]:
    """Installation commands that a line of a document names, wherever they stand in it."""
    for m in _DOCUMENTED.finditer(line[:4_000]):
        yield " ".join(m[1].split())[:80]
