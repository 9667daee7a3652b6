"""The calls by which a text comes to be executed, and the calls that lead there: files, imports, processes."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from auditor.unpack import objects
from auditor.unpack.table import CONSTANTS, canonical
from auditor.unpack.values import (
    UNKNOWN,
    Choice,
    Code,
    Instance,
    Path,
    Ref,
    Scope,
    Spec,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from auditor.unpack.machine import Machine

SINKS: dict[str, Callable[..., Value]] = {}
LONG = 500  # characters of constant text that vanish in a call nobody understands
MAX_MODULE = 300_000  # bytes of a sibling module that is followed for its helper functions
MAX_MODULES = 20
_NETWORK = ("requests", "urllib", "urllib3", "http", "socket", "aiohttp", "httpx", "ftplib", "huggingface_hub", "boto3")
_SEALED = {
    "marshal": "is compiled code (marshal), which cannot be read",
    "pickle": "comes out of pickle, which is not opened",
    "dill": "comes out of pickle (dill), which is not opened",
    "cloudpickle": "comes out of pickle (cloudpickle), which is not opened",
    "types.CodeType": "is a code object put together by hand, which cannot be read",
}


def sink(*names: str) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    def register(f: Callable[..., Value]) -> Callable[..., Value]:
        SINKS.update(dict.fromkeys(names, f))
        return f

    return register


def hiding(name: str, given: list[Value]) -> str:
    """Why the result of a call that is not understood hides something, "" if it need not."""
    top = name.partition(".")[0]
    if top in _SEALED or name in _SEALED:
        return _SEALED.get(name) or _SEALED[top]
    if top in _NETWORK:
        return f"is fetched from the network ({name})"
    for v in given:
        if (
            isinstance(v, str | bytes | bytearray)
            and len(v) >= LONG
            and name not in ("builtins.isinstance", "builtins.hash")
        ):
            shown = (name or "a call").removeprefix("builtins.")[:80]
            return f"passes through {shown}, which is not understood"
    return ""


def reference(m: Machine, name: str) -> Value:
    """The value behind a dotted name of a library."""
    full = canonical(name)
    if full in CONSTANTS:
        return CONSTANTS[full]
    if full == "sys.argv":
        return [m.folder.script]
    return Ref(full)


def _scope_of(m: Machine, space: Value) -> Scope | None:
    if isinstance(space, Scope):
        return space
    if isinstance(space, dict):
        return Scope(space)
    if isinstance(space, Instance):
        return Scope(space.names)
    return None if space is None else Scope()


@sink("builtins.exec")
def _exec(m: Machine, source: Value, globals: Value = None, locals: Value = None, /, **_: Value) -> Value:
    return m.run_value(source, _scope_of(m, globals))


@sink("builtins.eval")
def _eval(m: Machine, source: Value, globals: Value = None, locals: Value = None, /, **_: Value) -> Value:
    if isinstance(source, Code):
        if source.mode != "eval":
            return m.run_value(source, _scope_of(m, globals))
        source = source.source
    return m.evaluate_text(source, _scope_of(m, globals))


@sink("builtins.compile")
def _compile(m: Machine, source: Value, filename: Value = "", mode: Value = "exec", *_: Value, **__: Value) -> Value:
    if isinstance(source, Choice):
        return m.each(lambda s: _compile(m, s, filename, mode), [source])
    if isinstance(source, Unknown | Code):
        return source
    name = filename if isinstance(filename, str) and m.folder.absolute(filename) != m.folder.script else ""
    return Code(source, mode if isinstance(mode, str) else "exec", name.strip("<>")[:200])


@sink("ast.parse")
def _parse(m: Machine, source: Value, *_: Value, **__: Value) -> Value:
    return source if isinstance(source, Unknown) else Code(source)


@sink("types.FunctionType", "types.LambdaType")
def _function_type(m: Machine, code: Value, space: Value = None, *_: Value, **__: Value) -> Value:
    return m.run_value(code, _scope_of(m, space))


@sink("code.InteractiveInterpreter", "code.InteractiveConsole")
def _interpreter(m: Machine, *_: Value, **__: Value) -> Value:
    return Ref("code.interpreter")


@sink("code.interpreter.runcode", "code.interpreter.runsource", "code.interpreter.push")
def _runcode(m: Machine, code: Value, *_: Value, **__: Value) -> Value:
    return m.run_value(code)


@sink("runpy.run_path")
def _run_path(m: Machine, path: Value, *_: Value, **__: Value) -> Value:
    return m.run_path(path)


@sink("runpy.run_module", "builtins.__import__", "importlib.import_module")
def _import_by_name(m: Machine, name: Value, *_: Value, **__: Value) -> Value:
    if not isinstance(name, str):
        return name if isinstance(name, Unknown) else UNKNOWN
    module = import_module(m, name)
    return module if module is not None else Ref(canonical(name))


@sink("importlib.util.spec_from_file_location", "importlib.machinery.SourceFileLoader")
def _spec(m: Machine, name: Value, path: Value = "", *_: Value, **__: Value) -> Value:
    path = path.path if isinstance(path, Path) else path
    if isinstance(path, Unknown):
        return path
    return Spec(name if isinstance(name, str) else "", str(path))


@sink("importlib.util.module_from_spec", "types.ModuleType", "imp.new_module")
def _module(m: Machine, spec: Value = None, *_: Value, **__: Value) -> Value:
    return Instance(None, {})


@sink("importlib.load_source")
def _load_source(m: Machine, name: Value, path: Value, *_: Value) -> Value:
    return m.run_path(path)


@sink("builtins.getattr", "operator.attrgetter")
def _getattr(m: Machine, owner: Value, name: Value = None, *default: Value) -> Value:
    if isinstance(name, Choice):
        return m.each(lambda n: _getattr(m, owner, n, *default), [name])
    return objects.attribute(m, owner, str(name)) if isinstance(name, str) else UNKNOWN


@sink("builtins.get", "builtins.__getitem__", "builtins.__getattribute__")
def _of_builtins(m: Machine, name: Value, *_: Value) -> Value:
    return Ref(f"builtins.{name}") if isinstance(name, str) else UNKNOWN


@sink("sys.modules.get", "sys.modules.__getitem__")
def _of_modules(m: Machine, name: Value, *_: Value) -> Value:
    return objects.subscript(m, Ref("sys.modules"), name)


@sink("builtins.globals", "builtins.locals", "builtins.vars")
def _globals(m: Machine, owner: Value = None) -> Value:
    return owner if owner is not None else m.scope.module


@sink("builtins.open", "os.fdopen")
def _open(m: Machine, path: Value, mode: Value = "r", *_: Value, encoding: Value = None, **__: Value) -> Value:
    return objects.open_file(m, path, mode, encoding)


@sink("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath")
def _path(m: Machine, *parts: Value) -> Value:
    texts = [p.path if isinstance(p, Path) else p for p in parts] or ["."]
    unknown = next((t for t in texts if not isinstance(t, str)), None)
    return Path(posixpath.join(*texts)) if unknown is None else (unknown if isinstance(unknown, Unknown) else UNKNOWN)


@sink("os.path.join")
def _join(m: Machine, *parts: Value) -> Value:
    made = _path(m, *parts)
    return made.path if isinstance(made, Path) else made


def _on_path(function: Callable[[Machine, str], Value]) -> Callable[..., Value]:
    def run(m: Machine, path: Value = ".", *_: Value, **__: Value) -> Value:
        path = path.path if isinstance(path, Path) else path
        if not isinstance(path, str):
            return path if isinstance(path, Unknown) else UNKNOWN
        return function(m, path)

    return run


SINKS["os.path.dirname"] = _on_path(lambda m, p: posixpath.dirname(p))
SINKS["os.path.basename"] = _on_path(lambda m, p: posixpath.basename(p))
SINKS["os.path.splitext"] = _on_path(lambda m, p: posixpath.splitext(p))
SINKS["os.path.split"] = _on_path(lambda m, p: posixpath.split(p))
for _name in ("abspath", "realpath", "normpath", "expanduser"):
    SINKS[f"os.path.{_name}"] = _on_path(lambda m, p: m.folder.absolute(p))
SINKS["os.fspath"] = _on_path(lambda m, p: p)
for _name in ("os.path.exists", "os.path.isfile"):
    SINKS[_name] = _on_path(lambda m, p: True if m.folder.exists(p) else UNKNOWN)
SINKS["os.getcwd"] = lambda m: posixpath.dirname(m.folder.script)
SINKS["pathlib.Path.cwd"] = lambda m: Path(posixpath.dirname(m.folder.script))
for _name in ("mkdtemp", "TemporaryDirectory", "mktemp", "gettempdir"):
    SINKS[f"tempfile.{_name}"] = lambda m, *a, **k: m.folder.temporary()


@sink("tempfile.NamedTemporaryFile", "tempfile.TemporaryFile")
def _temporary_file(m: Machine, mode: Value = "w+b", *_: Value, **kwargs: Value) -> Value:
    suffix = kwargs.get("suffix", "")
    name = f"{m.folder.temporary()}/file{suffix if isinstance(suffix, str) else ''}"
    return objects.open_file(m, name, mode)


@sink("shutil.copy", "shutil.copyfile", "shutil.copy2", "shutil.move", "os.rename", "os.replace")
def _copy(m: Machine, source: Value, target: Value, *_: Value, **__: Value) -> Value:
    source, target = (p.path if isinstance(p, Path) else p for p in (source, target))
    if isinstance(source, str) and isinstance(target, str) and m.folder.exists(source):
        m.folder.write(target, m.folder.read(source))
    return UNKNOWN


@sink("sys.path.insert", "sys.path.append")
def _search(m: Machine, *args: Value) -> Value:
    place = args[-1] if args else UNKNOWN
    place = place.path if isinstance(place, Path) else place
    if isinstance(place, str) and place not in m.places:
        m.places.append(place)
    return None


@sink("inspect.getsource", "linecache.getlines")
def _source(m: Machine, what: Value = None, *_: Value) -> Value:
    name = what if isinstance(what, str) else m.folder.script
    return m.folder.text(name)


@sink("pkgutil.get_data")
def _get_data(m: Machine, package: Value, resource: Value) -> Value:
    return m.folder.read(resource) if isinstance(resource, str) else UNKNOWN


@sink("importlib.resources.files")
def _files(m: Machine, *_: Value) -> Value:
    return Path(posixpath.dirname(m.folder.script))


@sink("threading.Thread", "multiprocessing.Process")
def _thread(m: Machine, *_: Value, target: Value = None, args: Value = (), kwargs: Value = None, **__: Value) -> Value:
    if target is not None:
        m.call(
            target,
            list(args) if isinstance(args, list | tuple) else [UNKNOWN],
            kwargs if isinstance(kwargs, dict) else {},
        )
    return UNKNOWN


@sink("atexit.register")
def _register(m: Machine, function: Value, *args: Value, **kwargs: Value) -> Value:
    return m.call(function, list(args), kwargs)


@sink("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput")
def _shell(m: Machine, command: Value, *_: Value, **__: Value) -> Value:
    return _command(m, command)


@sink("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output", "subprocess.Popen")
def _subprocess(m: Machine, command: Value = None, *_: Value, **kwargs: Value) -> Value:
    return _command(m, command if command is not None else kwargs.get("args"))


@sink("os.execv", "os.execve", "os.execvp", "os.execvpe", "os.posix_spawn")
def _execv(m: Machine, program: Value, command: Value, *_: Value) -> Value:
    return _command(m, command)


@sink("os.execl", "os.execlp", "os.execle", "os.execlpe")
def _execl(m: Machine, program: Value, *command: Value) -> Value:
    return _command(m, list(command))


@sink("os.spawnv", "os.spawnvp", "os.spawnve")
def _spawnv(m: Machine, mode: Value, program: Value, command: Value, *_: Value) -> Value:
    return _command(m, command)


def _command(m: Machine, command: Value) -> Value:
    """A command line: Python files in it are run, and the text after -c."""
    if isinstance(command, Choice):
        return m.each(lambda c: _command(m, c), [command])
    if isinstance(command, str):
        try:
            words: list[Value] = list(shlex.split(command)) if len(command) < 100_000 else []
        except ValueError:
            words = list(command.split())
    elif isinstance(command, list | tuple):
        words = [w.path if isinstance(w, Path) else w for w in command]
    else:
        return UNKNOWN
    python = any(isinstance(w, str) and posixpath.basename(w).startswith(("python", "torchrun")) for w in words[:3])
    for i, word in enumerate(words):
        if python and word == "-c" and i + 1 < len(words):
            if isinstance(words[i + 1], str):
                m.run_value(words[i + 1], Scope())
            break
        if isinstance(word, str) and (
            word.endswith(".py") or (python and i and m.folder.absolute(word) in m.folder.written)
        ):
            if m.folder.exists(word):
                m.run_path(word)
            break
    return UNKNOWN


def import_module(m: Machine, name: str) -> Scope | None:
    """The names of a module that the code wrote or that stands beside the script; None for a library."""
    if len(name) > 200:
        return None
    relative = name.replace(".", "/")
    spots = [f"{place}/{relative}{end}" for place in ["", *m.places] for end in (".py", "/__init__.py")]
    for spot in (s.removeprefix("/") if s.startswith("/" + relative) else s for s in spots):
        full = m.folder.absolute(spot)
        if full in m.modules:
            return m.modules[full]
        if full in m.folder.written:
            scope = m.modules[full] = Scope({"__name__": name, "__file__": full})
            m.run_value(m.folder.read(full), scope, posixpath.basename(full))
            return scope
        found = m.folder.find(spot)
        if found is not None and found[0] != m.folder.own:
            scope = m.modules[full] = Scope({"__name__": name, "__file__": full})
            if len(found[1]) <= MAX_MODULE and len(m.modules) <= MAX_MODULES:
                m.learn(found[1], scope)
            return scope
    return None
