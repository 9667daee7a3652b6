"""Run commands that a README or a shell script documents, parsed and never run.

Code blocks and inline code are split into shell statements; `export X=1` lines, assignments in
front of a command, `env`, and wrappers such as `nohup` or `timeout 600` are understood. Variables
are left as written (`$s`), since their value is not known without running the shell. Package
installation is not a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from auditor.claims import markdown
from rules.evidence import Command, Location

MAX_COMMANDS = 200
MAX_BLOCK = 100_000  # characters
MAX_TOKENS = 4_000
SHELL_FILES = (".sh", ".bash", ".zsh", ".sbatch", ".slurm")

_SHELL_LANGUAGES = frozenset(
    (
        "",
        "bash",
        "sh",
        "shell",
        "zsh",
        "console",
        "shell-session",
        "shellsession",
        "terminal",
        "powershell",
        "ps1",
        "ps",
        "cmd",
        "bat",
        "text",
        "txt",
        "fish",
        "slurm",
    )
)
_RUNNERS = frozenset(
    (
        "torchrun",
        "python",
        "python3",
        "accelerate",
        "deepspeed",
        "bash",
        "sh",
        "zsh",
        "source",
        ".",
        "srun",
        "mpirun",
        "uv",
        "poetry",
        "conda",
        "modal",
        "make",
        "sbatch",
        "just",
        "runpodctl",
    )
)
_WRAPPERS = {  # name → options that take a value; numeric operands are skipped too
    "nohup": (),
    "time": ("-f", "-o"),
    "sudo": ("-u",),
    "exec": (),
    "command": (),
    "nice": ("-n",),
    "ionice": ("-c", "-n"),
    "timeout": ("-k", "-s", "--signal", "--kill-after"),
    "stdbuf": ("-o", "-e", "-i"),
    "numactl": ("-N", "-m", "-C"),
    "setsid": (),
    "caffeinate": (),
    "taskset": ("-c",),
    "unbuffer": (),
    "script": (),
}
_WORDS_BEFORE = frozenset(("do", "then", "else", "if", "while", "!", "{", "(", "until", "elif", "&"))
_ASSIGN = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,80})\+?=")
_POWERSHELL = re.compile(r"\$env:([A-Za-z_][A-Za-z0-9_]{0,80})=?$", re.IGNORECASE)
_PYTHON = re.compile(r"(?:.{0,200}[/\\])?(?:python(?:3(?:\.\d{1,2})?)?|torchrun|accelerate|deepspeed|py)(?:\.exe)?")
_SCRIPT = re.compile(r"[^\s]{0,400}\.(?:py|sh|bash|ps1)")
_HEREDOC = re.compile(r"(?<!<)<<(?!<)-?\s{0,3}[\"']?([A-Za-z_]\w{0,40})[\"']?")
_INLINE = re.compile(r"(?<!`)`([^`\n]{6,2000})`(?!`)")
_PROMPT = re.compile(r"\s*(?:\([\w.-]{1,40}\)\s{0,3})?(?:[\w.@:~/\[\]-]{0,60}[$%#]|PS [^>]{0,80}>|>{1,3})\s+(?=\S)")
_OPERATORS = ("&&", "||", ";;", "|&", "|", ";", "&", "\n", "(", ")")


@dataclass(slots=True)
class _Statement:
    """Words between two operators, with the line that the first one stands on."""

    line: int
    words: list[str] = field(default_factory=list)


def read_commands(data: bytes, file: str) -> tuple[Command, ...]:
    """The documented runs, in order. A file ending as a shell script does is read as one. Never raises."""
    found: list[Command] = []
    seen: set[tuple[object, ...]] = set()
    for command in _all(markdown.read(data, file), file):
        key = (command.program, tuple(sorted(command.env.items())), command.args)
        if key not in seen:
            seen.add(key)
            found.append(command)
        if len(found) >= MAX_COMMANDS:
            break
    return tuple(found)


def _all(text: markdown.Text, file: str) -> Iterator[Command]:
    if file.endswith(SHELL_FILES):
        yield from _script(text.lines, 1, text)
        return
    places: list[tuple[int, Iterator[Command]]] = []
    for block in text.blocks:
        if block.language in _SHELL_LANGUAGES:
            places.append((block.line, _script(list(block.lines), block.line, text)))
    for first, lines in _logical_lines(text.prose):
        if _reads_as_run(lines):
            places.append((first, _script(lines, first, text)))
    for line in text.prose:
        for m in _INLINE.finditer(line.text):
            if _SCRIPT.search(m[1]) and " " in m[1].strip():
                places.append((line.number, _script([m[1]], line.number, text)))
    for table in text.tables:
        for number, _ in table.rows:
            for m in _INLINE.finditer(text.lines[number - 1]):
                if _SCRIPT.search(m[1]) and " " in m[1].strip():
                    places.append((number, _script([m[1].replace("\\|", "|")], number, text)))
    for _, commands in sorted(places, key=lambda p: p[0]):
        yield from commands


def _logical_lines(prose: list[markdown.Line]) -> Iterator[tuple[int, list[str]]]:
    """Prose lines joined where they end in a backslash: commands that stand outside a code block."""
    group: list[markdown.Line] = []
    for line in prose:
        if group and line.number == group[-1].number + 1 and group[-1].text.rstrip().endswith("\\"):
            group.append(line)
            continue
        if group:
            yield group[0].number, [x.text.rstrip() for x in group]
        group = [line]
    if group:
        yield group[0].number, [x.text.rstrip() for x in group]


def _reads_as_run(lines: list[str]) -> bool:
    """Whether unmarked text is a command: assignments, then a Python launcher and a script."""
    first = lines[0]
    prompt = _PROMPT.match(first)
    words = " ".join([first[prompt.end() :] if prompt else first, *lines[1:]]).split()[:MAX_TOKENS]
    rest = iter([w for w in words if w != "\\"])
    head = next((w for w in rest if not _ASSIGN.match(w)), "")
    return head in ("torchrun", "python", "python3") and any(_SCRIPT.fullmatch(w) for w in rest)


def _script(lines: list[str], first: int, text: markdown.Text) -> Iterator[Command]:
    """The runs in one piece of shell. Exported variables hold from their line to its end."""
    exported: dict[str, str] = {}
    for statement in _statements(lines, first):
        yield from _interpret(statement.words, exported, text.at(statement.line))


def _interpret(words: list[str], exported: dict[str, str], at: Location, depth: int = 0) -> Iterator[Command]:
    words = list(words)
    while words and words[0] in _WORDS_BEFORE:
        words.pop(0)
    if not words or words[0] in ("for", "case", "function", "done", "fi", "in"):
        return
    if words[0] in ("export", "set", "declare", "setx") and len(words) > 1:
        for w in words[1:]:
            if m := _ASSIGN.match(w):
                exported[m[1]] = w[m.end() :]
        return
    if words[0] == "unset":
        for w in words[1:]:
            exported.pop(w, None)
        return
    if m := _POWERSHELL.match(words[0].partition("=")[0]):
        value = words[0].partition("=")[2] or " ".join(words[1:]).lstrip("= ")
        exported[m[1]] = value.strip("\"'")
        return
    env = dict(exported)
    own: dict[str, str] = {}
    words = _peel(words, own)
    env.update(own)
    if not words:
        return
    if words[0] in ("bash", "sh", "zsh") and len(words) > 2 and re.fullmatch(r"-[a-z]{0,3}c", words[1]) and depth < 3:
        inner_env = dict(env)
        for statement in _statements([words[2]], at.line or 1):
            yield from _interpret(statement.words, inner_env, at, depth + 1)
        return
    command = _run(words, env, at)
    if command is not None:
        yield command


def _peel(words: list[str], env: dict[str, str]) -> list[str]:
    """Take assignments, `env` and wrappers off the front of a command."""
    for _ in range(MAX_TOKENS):
        if not words:
            return words
        head = words[0]
        if m := _ASSIGN.match(head):
            env[m[1]] = head[m.end() :]
            words = words[1:]
        elif head in ("env", "/usr/bin/env"):
            words = words[1:]
            while words and words[0].startswith("-"):
                words = words[2:] if words[0] in ("-u", "-C", "-S") else words[1:]
        elif head.startswith("$") and len(words) > 1 and not _SCRIPT.fullmatch(words[1]):
            words = words[1:]  # `env $COMMON SEED=1 torchrun …`: what it holds is unknown
        elif head in _WRAPPERS:
            takes = _WRAPPERS[head]
            words = words[1:]
            while words and (words[0].startswith("-") or re.fullmatch(r"\d+(?:\.\d+)?[smhd]?", words[0])):
                words = words[2:] if words[0] in takes else words[1:]
        else:
            return words
    return words


def _run(words: list[str], env: dict[str, str], at: Location) -> Command | None:
    """The command, if it runs a program of the submission."""
    program, args = words[0], words[1:]
    name = re.split(r"[/\\]", program)[-1].lower().removesuffix(".exe")
    if program.startswith(("./", "../", "/")) and _SCRIPT.fullmatch(program):
        return Command(program, env, tuple(args), at)
    if name not in _RUNNERS and not _PYTHON.fullmatch(program):
        return None
    if name in ("uv", "poetry", "conda"):
        if args[:1] != ["run"]:
            return None
    elif name in ("bash", "sh", "zsh", "source", ".", "sbatch"):
        target = next((a for a in args if not a.startswith("-")), "")
        if not _SCRIPT.fullmatch(target) and not target.endswith((".sbatch", ".slurm")):
            return None
    elif name == "make":
        if not args or args[0] in ("install", "clean", "test", "lint", "build", "setup"):
            return None
    elif name in ("modal", "just"):
        if args[:1] != ["run"]:
            return None
    elif not _runs_a_script(name, args):
        return None
    return Command(program, env, tuple(args), at)


def _runs_a_script(name: str, args: list[str]) -> bool:
    """Whether a Python launcher is given a script or a module; not `-c`, not `-m pip`."""
    for i, a in enumerate(args):
        if a in ("-c", "-", "-V", "--version", "-h", "--help", "<<"):
            return False
        if a == "-m":
            module = args[i + 1] if i + 1 < len(args) else ""
            return bool(module) and module.split(".")[0] not in (
                "pip",
                "venv",
                "py_compile",
                "compileall",
                "ensurepip",
                "json",
                "ast",
                "pytest",
                "zipfile",
                "http",
            )
        if (
            _SCRIPT.fullmatch(a)
            or re.fullmatch(r"\$\{?\w{1,60}\}?", a)
            or (a.startswith(("$", "<")) and name != "torchrun")
        ):
            return True
    return False


# --- splitting ---------------------------------------------------------------------------------


def _statements(lines: list[str], first: int) -> Iterator[_Statement]:
    """Split shell text into statements. Comments, redirections and here-documents are dropped."""
    current = _Statement(first)
    for line, word, is_operator in _tokens(lines, first):
        if is_operator:
            if current.words:
                yield current
            current = _Statement(line)
        else:
            if not current.words:
                current.line = line
            current.words.append(word)
    if current.words:
        yield current


def _tokens(lines: list[str], first: int) -> Iterator[tuple[int, str, bool]]:
    """(line, text, is an operator). Quotation marks are removed as the shell would."""
    source = "\n".join(_without_prompts(_without_heredocs(lines)))[:MAX_BLOCK]
    i, line, n, count = 0, first, len(source), 0
    while i < n and count < MAX_TOKENS:
        c = source[i]
        if c in " \t":
            i += 1
        elif source.startswith(("\\\n", "`\n", "^\n"), i):  # the last two: PowerShell, cmd
            i += 2
            line += 1
        elif c == "#" and (i == 0 or source[i - 1] in " \t\n;"):
            end = source.find("\n", i)
            i = end if end >= 0 else n
        elif not _PLACEHOLDER.match(source, i) and (m := _REDIRECT.match(source, i)):
            i = m.end()
        elif operator := next((o for o in _OPERATORS if source.startswith(o, i)), ""):
            yield line, operator, True
            count += 1
            line += operator.count("\n")
            i += len(operator)
        else:
            start_line = line
            word, i = _word(source, i)
            if word[0] is not None:
                yield start_line, word[0], False
            line += word[1]
            count += 1


_PLACEHOLDER = re.compile(r"<[A-Za-z0-9][\w ./-]{0,60}>")  # `SEED=<seed>` in a README
_REDIRECT = re.compile(r"(?:\d|&)?(?:>>|>&|>|<(?!<))\s{0,4}(?:&?\d\b|[^\s;&|<>()]{1,400})?")


def _word(source: str, i: int) -> tuple[tuple[str | None, int], int]:
    """One word from `i`: its text without quotation marks (None if there is none), the line breaks in it, its end."""
    out: list[str] = []
    breaks = 0
    n = len(source)
    while i < n:
        c = source[i]
        if c == "\\" and i + 1 < n:
            if source[i + 1] == "\n":
                break
            keep = "\\" if source[i + 1].isalnum() or source[i + 1] == "." else ""  # a Windows path
            out.append(keep + source[i + 1])
            i += 2
        elif c in "'\"":
            end = i + 1
            while end < n and source[end] != c:
                end += 2 if c == '"' and source[end] == "\\" else 1
            end = min(end, n)
            body = source[i + 1 : end]
            breaks += body.count("\n")
            out.append(body.replace('\\"', '"').replace("\\\n", "") if c == '"' else body)
            i = end + 1
        elif source.startswith("$(", i) or source.startswith("${", i):
            end = _closing(source, i + 1)
            body = source[i:end]
            breaks += body.count("\n")
            out.append(body)
            i = end
        elif c == "<" and (m := _PLACEHOLDER.match(source, i)):
            out.append(m[0])
            i = m.end()
        elif c in " \t\n;&|()<>":
            break
        else:
            out.append(c)
            i += 1
    if i < n and not out and source[i] in "<>":
        i += 1
    return ("".join(out)[:2_000] if out else None, breaks), min(i, n)


def _closing(source: str, i: int) -> int:
    """End of the bracket that opens at `i`, counting nested ones; at most 400 characters on."""
    opening = source[i]
    closing = ")" if opening == "(" else "}"
    depth = 0
    for k in range(i, min(len(source), i + 400)):
        if source[k] == opening:
            depth += 1
        elif source[k] == closing:
            depth -= 1
            if not depth:
                return k + 1
    return min(len(source), i + 1)


def _without_heredocs(lines: list[str]) -> list[str]:
    """Blank the bodies of here-documents: they are data of another program."""
    out: list[str] = []
    until = ""
    for x in lines:
        if until:
            if x.strip() == until:
                until = ""
            out.append("")
            continue
        m = _HEREDOC.search(x)
        if m:
            until = m[1]
            x = f"{x[: m.start()]} - {x[m.end() :]}"  # as in `python -`: the program comes from standard input
        out.append(x)
    return out


def _without_prompts(lines: list[str]) -> list[str]:
    """`$ torchrun …` and `user@host:~$ …` without the prompt; quotes of a block quote removed."""
    return [x[m.end() :] if (m := _PROMPT.match(x)) and not x.lstrip().startswith("#") else x for x in lines]
