"""`unpack`: from the bytes of a Python file to the program inside, layer by layer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from auditor.unpack.content import Content, content
from auditor.unpack.decoding import read_zip
from auditor.unpack.folder import ROOT, Folder
from auditor.unpack.limits import MAX_INPUT, Budget, Corrupt, Exhausted, Stop
from auditor.unpack.machine import Machine
from auditor.unpack.nodes import Node
from auditor.unpack.parse import parse
from auditor.unpack.source import Source, read_source
from auditor.unpack.suspicion import executes_text
from auditor.unpack.values import Scope, steps_of, tag
from rules.evidence import Layer

_END_OF_ZIP = b"PK\x05\x06"
PROGRAM = 1_000  # statements and expressions: no decoder is that long
WRAPPER = 100  # statements and expressions: a text with fewer that leads to another one is only its wrapping


@dataclass(frozen=True, slots=True)
class Part:
    """A further text that the file carries: a bundled module, a C source, one of several payloads."""

    name: str
    text: str
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a Python file turned out to be.

    `text` is the program: the innermost text that trains or, failing that, carries the most code; for
    plain source it is the source. `layers` lead from the file to it. `loads` are sibling files that were
    read, `runs` those of them that are executed as they stand (then `text` is the loader). `parts` are
    further texts it carries. `problem` is one sentence, "" if all went well; `notes` are remarks on code
    that is made at run time. `syntax_error` says why Python refuses the program, "" if it does not
    (`problem` names that too). `encoding` is how `shipped_text` was decoded.
    """

    text: str
    shipped_text: str
    layers: tuple[Layer, ...] = ()
    loads: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()
    syntax_error: str = ""
    encoding: str = "utf-8"


def unpack(data: bytes, path: str, sibling: Callable[[str], bytes | None], budget: Budget | None = None) -> Unpacked:
    """Open a Python file without executing anything.

    `path` is its place in the record folder and `sibling` reads other files there (None if absent).
    `budget` limits the work; the usual one is used by default. Never raises for bad input: `problem`
    says what is wrong.
    """
    if len(data) > MAX_INPUT:
        return Unpacked("", "", problem=f"{path} holds {len(data):,} bytes; files above {MAX_INPUT:,} are not read")
    budget = budget or Budget()
    packed = _zip_members(data, budget)
    if isinstance(packed, str):
        return Unpacked("", "", problem=f"{path} {packed}")
    source = read_source(data) if packed is None else Source("", "utf-8")
    if source.problem and not source.text:
        return Unpacked("", "", problem=f"{path} {source.problem}")
    root = Node(source.text, encoding=source.encoding)
    machine = Machine(Folder(path, data, _guarded(sibling), budget), budget, root)
    machine.refused = source.problem
    problem = _follow(machine, root, packed)
    first = source.problem or root.problem
    problem = f"{path} {first}" if first else f"{path} {problem}" if problem else ""
    return _result(machine, root, path, problem)


def _follow(machine: Machine, root: Node, packed: dict[str, bytes] | None) -> str:
    """Let the machine run its course; half a sentence if it was stopped."""
    try:
        if packed is None:
            machine.run_text(root, machine.scope)
        else:
            _run_zip(machine, packed)
    except Stop as e:
        at = machine.stopped
        if isinstance(e, Exhausted) and at is not None and _is_program(at):
            machine.notes.append(
                f"was searched for packed code for {machine.budget.work_limit:,} steps and not to its end"
            )
            return ""
        return f"is not unpacked any further: {e}"
    except (RecursionError, MemoryError):
        return "cannot be followed: its code is nested too deeply"
    except Exception as e:  # a mistake of ours must not lose the audit, and must be seen
        return f"could not be followed, a defect of the unpacker ({e!r:.200}); please report it"
    return ""


def _is_program(node: Node) -> bool:
    """True for a text that is long to follow because it is a program of its own, not a decoder."""
    tree = parse(node.text).tree
    found = content(node.text)
    return found.trains or found.weight > PROGRAM or tree is None or not executes_text(tree)


def _guarded(sibling: Callable[[str], bytes | None]) -> Callable[[str], bytes | None]:
    def read(name: str) -> bytes | None:
        try:
            return sibling(name)
        except Exception:  # a file that cannot be read is an absent one to the code that wants it
            return None

    return read


def _zip_members(data: bytes, budget: Budget) -> dict[str, bytes] | str | None:
    """Members of a zip application, which Python runs under any file name; None if the file is none."""
    if _END_OF_ZIP not in data[-66_000:]:
        return None
    try:
        members = read_zip(data, budget)
    except Corrupt:
        return None
    except Stop as e:
        return f"is a zip file that is not opened: {e}"
    return members if "__main__.py" in members else None


def _run_zip(machine: Machine, members: dict[str, bytes]) -> None:
    for name, content_ in members.items():
        machine.folder.write(f"/zip/{name}", tag(content_, step="zip"))
    machine.places.append("/zip")
    machine.run_value(
        machine.folder.read("/zip/__main__.py"), Scope({"__file__": machine.folder.script}), "__main__.py"
    )


def _walk(node: Node) -> list[Node]:
    out, todo = [], [node]
    while todo:
        at = todo.pop()
        out.append(at)
        todo.extend(reversed(at.children))
    return out


def _result(machine: Machine, root: Node, path: str, problem: str) -> Unpacked:
    notes = [f"{path} {n}" for n in machine.notes]
    nodes = _walk(root)
    nodes += _written(machine, nodes)
    program = max(nodes, key=_preference) if len(nodes) > 1 else root
    for n in nodes:
        if n is not root and n.problem and not problem:
            problem = f"{path}: a text unpacked from it {n.problem}"
    for u in sorted(machine.unread, key=lambda u: not all(n.sure for n in u.node.above)):
        where = f"{path}:{u.line}" + (" (unpacked)" if u.node is not root else "")
        sentence = f"{where} runs code that {u.why.why}"
        if u.why.opaque:
            problem = problem or sentence
        elif sentence not in notes:
            notes.append(sentence)
    between = [n for n in program.above if n in (program, root) or (not n.name and content(n.text).weight < WRAPPER)]
    parts = [
        Part(_part_name(n, i), n.text, _layers(n))
        for i, n in enumerate(nodes)
        if i and n not in between and not _is_glue(n)
    ]
    trainers = sum(content(n.text).rank[0] == 3 for n in nodes) if len(nodes) > 1 else 0
    if trainers > 1:
        notes.append(f"{path} carries {trainers} texts that train and evaluate; one of them is taken as the program")
    return Unpacked(
        text=program.text,
        shipped_text=root.text,
        layers=_layers(program),
        loads=tuple(machine.folder.loads),
        runs=tuple(machine.runs),
        parts=tuple(parts),
        problem=problem,
        notes=tuple(notes),
        syntax_error=machine.refused if program is root and machine.refused else _syntax_error(program.text),
        encoding=root.encoding,
    )


def _syntax_error(text: str) -> str:
    parsed = parse(text)
    return f"{parsed.problem} (line {parsed.line})" if parsed.tree is None and parsed.line else ""


def _preference(node: Node) -> tuple[int, int, int]:
    """Training scripts first, of these the one that surely runs and lies innermost, then size."""
    if not node.name.endswith(".py") and "." in node.name.rpartition("/")[2]:
        return -1, 0, 0  # a C source or the like
    kind, weight = content(node.text).rank
    if kind < 3 and any(_is_larger(content(n.text), weight) for n in node.above[1:]):
        return -1, 0, weight  # a function or two that a program runs from a text
    if kind < 3 and weight < WRAPPER and any(not c.glue or content(c.text).weight > weight for c in node.children):
        return -1, 0, weight
    depth = len(node.above) if all(n.sure for n in node.above) else 0
    return (3, depth, weight) if kind == 3 else (kind, 0, weight)


def _is_larger(around: Content, weight: int) -> bool:
    """Whether a text does something of its own and is more than the wrapper of one of this weight."""
    return around.rank[0] > 0 and around.weight > max(weight, WRAPPER)


def _layers(node: Node) -> tuple[Layer, ...]:
    chain = [n for n in reversed(node.above) if n.parent is not None]
    return tuple(Layer(n.steps or ("literal",), n.digest, len(n.text.encode("utf-8", "surrogatepass"))) for n in chain)


def _is_glue(node: Node) -> bool:
    return node.glue and not node.name.endswith(_SOURCES)


def _part_name(node: Node, index: int) -> str:
    return node.name or f"text{index}"


_SOURCES = (".py", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".sh", ".rs")
_TEMPORARY = re.compile(r"^/tmp/\d+/")


def _written(machine: Machine, nodes: list[Node]) -> list[Node]:
    """Source files that the code writes from constants and that are not among the texts it runs."""
    known = {n.digest for n in nodes}
    out: list[Node] = []
    for full, value in machine.folder.written.items():
        if not full.endswith(_SOURCES) or not isinstance(value, str | bytes) or not value:
            continue
        text = read_source(value).text if isinstance(value, bytes) else str(value)
        name = _TEMPORARY.sub("", full).removeprefix(ROOT + "/").removeprefix("/")
        node = Node(text, steps_of(value), name, parent=nodes[0])
        if text and node.digest not in known:
            known.add(node.digest)
            out.append(node)
    return out
