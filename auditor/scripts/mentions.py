"""What a Python program does to the world outside: network modules, downloads, installs, system programs.

Read from the syntax tree, so that a word in a comment or docstring is no mention.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from auditor.scripts.shell import Use, split_line, uses
from auditor.unpack.parse import walk
from auditor.unpack.wordset import wordset

NETWORK = wordset(
    "requests urllib.request urllib3 http.client httplib2 aiohttp httpx boto3 botocore huggingface_hub paramiko ftplib smtplib "
    "telnetlib websocket websockets wandb mlflow comet_ml neptune gdown wget kagglehub google.cloud.storage s3fs gcsfs "
    "pycurl xmlrpc.client grpc zmq"
)
# socket is imported to ask for the host's name or a free port; only a connection counts.
_SOCKET_USE = frozenset({"connect", "connect_ex", "create_connection", "sendto"})
_DOWNLOADS = wordset(
    "requests.get requests.post requests.put requests.request requests.Session urllib.request.urlopen urllib.request.urlretrieve "
    "httpx.get httpx.post httpx.stream httpx.Client huggingface_hub.hf_hub_download huggingface_hub.snapshot_download "
    "huggingface_hub.hf_hub_url torch.hub.load torch.hub.load_state_dict_from_url torch.hub.download_url_to_file "
    "torch.utils.model_zoo.load_url datasets.load_dataset gdown.download wget.download nltk.download kagglehub.dataset_download "
    "tensorflow_datasets.load"
)
_DOWNLOAD_NAMES = frozenset({"hf_hub_download", "snapshot_download", "urlretrieve", "load_state_dict_from_url"})
_COMMANDS = wordset(
    "subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen subprocess.getoutput "
    "subprocess.getstatusoutput os.system os.popen asyncio.create_subprocess_exec asyncio.create_subprocess_shell pty.spawn"
)
_EXEC = wordset("os.execv os.execve os.execvp os.execvpe os.posix_spawn")
_SPREAD = wordset("os.execl os.execlp os.execle asyncio.create_subprocess_exec")
MAX_WORDS = 200


@dataclass
class _Module:
    """What names stand for in one file: imports, and the constants that were assigned to a name."""

    imports: dict[str, str] = field(default_factory=dict)
    values: dict[str, list[ast.expr]] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)


def python_uses(tree: ast.Module) -> Iterator[tuple[int, Use]]:
    """(line, use) for everything in a program that matters, in order of lines."""
    module = _survey(tree)
    found: dict[tuple[int, Use], None] = {}
    for node in walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in _network_imports(node, module):
                found[node.lineno, Use("network-import", name)] = None
        elif isinstance(node, ast.Call):
            for use in _of_call(node, module):
                found[node.lineno, use] = None
    yield from sorted(found, key=lambda item: item[0])


def _survey(tree: ast.Module) -> _Module:
    module = _Module()
    for node in walk(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                module.imports[a.asname or a.name.partition(".")[0]] = a.name if a.asname else a.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for a in node.names:
                module.imports[a.asname or a.name] = f"{node.module}.{a.name}"
        elif isinstance(node, ast.Assign):
            for t in node.targets:
                if isinstance(t, ast.Name):
                    module.values.setdefault(t.id, []).append(node.value)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and isinstance(node.target, ast.Name) and node.value:
            module.values.setdefault(node.target.id, []).append(node.value)
        elif isinstance(node, ast.FunctionDef):
            module.functions.add(node.name)
            defaults = node.args.defaults
            for arg, value in zip(node.args.args[len(node.args.args) - len(defaults) :], defaults, strict=True):
                module.values.setdefault(arg.arg, []).append(value)
        elif isinstance(node, ast.Attribute):
            module.attributes.add(node.attr)
    return module


def _network_imports(node: ast.Import | ast.ImportFrom, module: _Module) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [a.name for a in node.names]
    elif node.level:
        return
    else:
        names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
    seen: set[str] = set()
    for name in names:
        parts = name.split(".")
        hit = next((".".join(parts[:i]) for i in range(1, len(parts) + 1) if ".".join(parts[:i]) in NETWORK), "")
        if name.split(".")[0] == "socket" and module.attributes & _SOCKET_USE:
            hit = "socket"
        if hit and hit not in seen:
            seen.add(hit)
            yield hit


def dotted(node: ast.expr, imports: dict[str, str]) -> str:
    """The dotted name of a function, imports resolved; "" for anything that is no plain name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ("?." + ".".join(reversed(parts))) if parts else ""
    parts.append(imports.get(node.id, node.id))
    return ".".join(reversed(parts))


def _of_call(node: ast.Call, module: _Module) -> Iterator[Use]:
    name = dotted(node.func, module.imports)
    last = name.rpartition(".")[2]
    if (
        name in _DOWNLOADS
        or (last in _DOWNLOAD_NAMES and last not in module.functions)
        or (last == "from_pretrained" and last not in module.functions and not _is_local(node))
    ):
        yield Use("download", name.removeprefix("?."))
    elif name in _SPREAD:
        yield from _judge([_words(a, module) for a in node.args[int(name.startswith("os.")) :]])
    elif name in _COMMANDS or name in _EXEC:
        position = 1 if name in _EXEC else 0
        given = node.args[position] if len(node.args) > position else _keyword(node, "args")
        for value in _alternatives(given, module):
            if isinstance(value, ast.List | ast.Tuple):
                yield from _judge([_words(e, module) for e in value.elts[:MAX_WORDS]])
            elif value is not None:
                for line in _words(value, module).splitlines()[:MAX_WORDS]:
                    for words in split_line(line):
                        yield from uses(words)


def _keyword(node: ast.Call, name: str) -> ast.expr | None:
    return next((k.value for k in node.keywords if k.arg == name), None)


def _is_local(node: ast.Call) -> bool:
    """The call says itself that nothing is fetched: a path, or local files only."""
    flag = _keyword(node, "local_files_only")
    if isinstance(flag, ast.Constant) and flag.value is True:
        return True
    first = node.args[0] if node.args else None
    return isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.startswith((".", "/"))


def _alternatives(node: ast.expr | None, module: _Module, depth: int = 0) -> Iterator[ast.expr | None]:
    """The expressions that a command argument may stand for: through names, `or`, `+` and conditionals."""
    if depth > 4:
        return
    if isinstance(node, ast.Name):
        for value in module.values.get(node.id, [])[:20]:
            yield from _alternatives(value, module, depth + 1)
    elif isinstance(node, ast.IfExp):
        yield from _alternatives(node.body, module, depth + 1)
        yield from _alternatives(node.orelse, module, depth + 1)
    elif isinstance(node, ast.BinOp) and isinstance(node.left, ast.List | ast.Tuple):
        yield node.left
    elif isinstance(node, ast.BinOp) and isinstance(node.left, ast.Name | ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _alternatives(node.left, module, depth + 1)
    else:
        yield node


def _words(node: ast.expr, module: _Module, depth: int = 0) -> str:
    """The text of one argument; what is not constant in it is shown as an empty place."""
    if depth > 8:
        return ""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_words(v, module, depth + 1) if isinstance(v, ast.Constant) else "_" for v in node.values)
    if isinstance(node, ast.BinOp):
        return _words(node.left, module, depth + 1) + _words(node.right, module, depth + 1)
    if isinstance(node, ast.BoolOp):
        return next(filter(None, (_words(v, module, depth + 1) for v in node.values)), "")
    if isinstance(node, ast.Name):
        values = module.values.get(node.id, [])
        texts = [_words(v, module, depth + 1) for v in values[:5] if not isinstance(v, ast.List | ast.Tuple)]
        return next(filter(None, texts), "")
    if isinstance(node, ast.Attribute) and dotted(node, module.imports) == "sys.executable":
        return "python"
    if isinstance(node, ast.Call):
        name = dotted(node.func, module.imports)
        if name in ("shutil.which", "str") and node.args:
            return _words(node.args[0], module, depth + 1)
        if name in ("os.environ.get", "os.getenv") and len(node.args) > 1:
            return _words(node.args[1], module, depth + 1)
    return ""


def _judge(words: list[str]) -> Iterator[Use]:
    if words and words[0]:
        yield from uses(tuple(w or "_" for w in words))
