"""Attributes and methods of what is no plain constant: paths, open files, archives, modules, instances."""

from __future__ import annotations

import ast
import posixpath
from typing import TYPE_CHECKING

from auditor.unpack.limits import Stop
from auditor.unpack.methods import has_method
from auditor.unpack.table import CONSTANTS, TABLE, canonical
from auditor.unpack.values import (
    UNKNOWN,
    Archive,
    Bound,
    Buffer,
    Choice,
    Class,
    Code,
    Decoder,
    Function,
    Handle,
    Instance,
    Path,
    Ref,
    Scope,
    Spec,
    Unknown,
    Value,
    tag,
)

if TYPE_CHECKING:
    from auditor.unpack.machine import Machine


def attribute(m: Machine, owner: Value, name: str) -> Value:
    """The value of owner.name."""
    if isinstance(owner, Choice):
        return m.each(lambda o: attribute(m, o, name), [owner])
    if isinstance(owner, Ref):
        return _of_reference(m, owner, name)
    if isinstance(owner, Path):
        return _of_path(owner, name)
    if isinstance(owner, Instance):
        return _of_instance(owner, name)
    if isinstance(owner, Scope):  # a module of the folder, or globals()
        return owner.names.get(name, Bound(owner, name))
    if isinstance(owner, Class):
        return owner.scope.names.get(name, UNKNOWN)
    if isinstance(owner, Function):
        if name == "__doc__" and not isinstance(owner.node, ast.Lambda):
            return ast.get_docstring(owner.node, clean=False)
        return m.scope.module if name == "__globals__" else UNKNOWN
    if isinstance(owner, Spec):
        return owner if name == "loader" else {"name": owner.name, "origin": owner.path}.get(name, Bound(owner, name))
    if isinstance(owner, Handle) and name == "name":
        return owner.path
    if isinstance(owner, Unknown):
        return owner
    if has_method(owner, name) or isinstance(owner, Handle | Buffer | Archive | Decoder):
        return Bound(owner, name)
    return UNKNOWN


def _of_reference(m: Machine, owner: Ref, name: str) -> Value:
    if name == "__dict__":
        return owner
    full = canonical(f"{owner.name}.{name}")
    if full in CONSTANTS:
        return CONSTANTS[full]
    if full == "sys.argv":
        return [m.folder.script]
    if full.startswith("builtins.__loader__."):
        return Bound(Spec("__main__", m.folder.script), name)
    return Ref(full)


def _of_path(owner: Path, name: str) -> Value:
    last = posixpath.basename(owner.path)
    if name == "parent":
        return Path(posixpath.dirname(owner.path))
    if name == "parents":
        return _parents(owner.path)
    return {"name": last, "suffix": posixpath.splitext(last)[1], "stem": posixpath.splitext(last)[0]}.get(
        name, Bound(owner, name)
    )


def _parents(path: str) -> list[Path]:
    out: list[Path] = []
    while path not in ("/", "", "."):
        path = posixpath.dirname(path)
        out.append(Path(path))
    return out


def _of_instance(owner: Instance, name: str) -> Value:
    if name in owner.names:
        return owner.names[name]
    if name == "__dict__":
        return owner.names
    found = owner.cls.scope.names.get(name, UNKNOWN) if owner.cls else UNKNOWN
    return Bound(owner, name) if isinstance(found, Function) else found


def join_path(a: Path, b: str | Path) -> Path:
    return Path(posixpath.join(a.path, b.path if isinstance(b, Path) else b))


def bind(f: Function, args: list[Value], kwargs: dict[str, Value]) -> dict[str, Value]:
    """Parameter names with the values of one call; what is not given and has no default is unknown."""
    a = f.node.args
    names = [p.arg for p in (*a.posonlyargs, *a.args)]
    bound: dict[str, Value] = dict(zip(names, args, strict=False))
    if a.vararg:
        bound[a.vararg.arg] = tuple(args[len(names) :])
    offset = len(names) - len(f.defaults)
    for i, default in enumerate(f.defaults):
        bound.setdefault(names[offset + i], default)
    for p in a.kwonlyargs:
        bound[p.arg] = f.kw_defaults.get(p.arg, UNKNOWN)
        names.append(p.arg)
    extra = {}
    for k, v in kwargs.items():
        if k in names:
            bound[k] = v
        else:
            extra[k] = v
    if a.kwarg:
        bound[a.kwarg.arg] = extra
    for name in names:
        bound.setdefault(name, UNKNOWN)
    return bound


def instantiate(m: Machine, cls: Class, args: list[Value], kwargs: dict[str, Value]) -> Value:
    made = Instance(cls, {})
    init = cls.scope.names.get("__init__")
    if isinstance(init, Function):
        m.call_function(init, [made, *args], kwargs)
    return made


def method(m: Machine, owner: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """owner.name(*args, **kwargs) for an object of ours."""
    if isinstance(owner, Instance):
        found = owner.cls.scope.names.get(name) if owner.cls else None
        return m.call_function(found, [owner, *args], kwargs) if isinstance(found, Function) else UNKNOWN
    if isinstance(owner, Scope):
        return _of_names(m, owner, name, args)
    if isinstance(owner, Path):
        return _path_method(m, owner, name, args, kwargs)
    if isinstance(owner, Handle):
        return _handle_method(m, owner, name, args)
    if isinstance(owner, Buffer):
        return _buffer_method(m, owner, name, args)
    if isinstance(owner, Archive):
        return _archive_method(m, owner, name, args, kwargs)
    if isinstance(owner, Decoder):
        return _decode(m, owner, name, args)
    if isinstance(owner, Spec):
        return _loader_method(m, owner, name, args)
    return m.strange_call(name, owner, args, kwargs)


def _of_names(m: Machine, owner: Scope, name: str, args: list[Value]) -> Value:
    """globals() used as a dictionary."""
    if name in ("get", "__getitem__") and args and isinstance(args[0], str):
        return m.lookup(args[0], owner)
    if name == "update" and args and isinstance(args[0], dict):
        owner.names.update({k: v for k, v in args[0].items() if isinstance(k, str)})
    return UNKNOWN


def _path_method(m: Machine, owner: Path, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    path = owner.path
    if name == "read_bytes":
        return m.folder.read(path)
    if name == "read_text":
        return m.folder.text(path, str(kwargs.get("encoding") or (args[0] if args else "") or "utf-8"))
    if name in ("write_bytes", "write_text"):
        m.folder.write(path, args[0] if args else kwargs.get("data", UNKNOWN))
        return UNKNOWN
    if name == "open":
        mode = args[0] if args else kwargs.get("mode", "r")
        return open_file(m, path, mode, kwargs.get("encoding"))
    if name in ("resolve", "absolute", "expanduser"):
        return Path(m.folder.absolute(path))
    if name == "as_posix":
        return path
    if name in ("exists", "is_file"):
        return True if m.folder.exists(path) else UNKNOWN
    if name == "joinpath":
        return Path(posixpath.join(path, *(a.path if isinstance(a, Path) else a for a in args)))
    if name == "with_name":
        return Path(posixpath.join(posixpath.dirname(path), args[0]))
    if name == "with_suffix":
        return Path(posixpath.splitext(path)[0] + args[0])
    if name == "with_stem":
        return Path(posixpath.join(posixpath.dirname(path), args[0] + posixpath.splitext(path)[1]))
    return UNKNOWN


def open_file(m: Machine, path: Value, mode: Value = "r", encoding: Value = None) -> Value:
    """What open() gives: a handle on a file of the virtual folder."""
    if isinstance(path, Path):
        path = path.path
    if isinstance(path, Unknown) or not isinstance(path, str):
        return path if isinstance(path, Unknown) else UNKNOWN
    mode = mode if isinstance(mode, str) else "r"
    if "w" in mode or "x" in mode:
        m.folder.write(path, b"" if "b" in mode else "")
    return Handle(path, mode, encoding if isinstance(encoding, str) else "utf-8")


def _handle_method(m: Machine, h: Handle, name: str, args: list[Value]) -> Value:
    if name in ("write", "writelines"):
        pieces = args[0] if name == "writelines" and isinstance(args[0], list | tuple) else args[:1]
        for piece in pieces:
            m.folder.write(h.path, piece, append=True)
        return UNKNOWN
    if name in ("close", "flush", "fileno"):
        return None if name != "fileno" else UNKNOWN
    binary = "b" in h.mode
    content = m.folder.read(h.path) if binary else m.folder.text(h.path, h.encoding)
    if isinstance(content, Unknown):
        return content
    buffer = Buffer(content, h.pos)
    out = _buffer_method(m, buffer, name, args)
    h.pos = buffer.pos
    return out


def _is_data(value: Value) -> bool:
    return isinstance(value, str | bytes | bytearray)


def _buffer_method(m: Machine, b: Buffer, name: str, args: list[Value]) -> Value:
    content = b.content
    if not _is_data(content):
        return content if isinstance(content, Unknown) else UNKNOWN
    if name in ("getvalue", "getbuffer", "digest"):
        return content
    if name == "hexdigest":
        return content.hex()
    if name == "seek":
        whence = args[1] if len(args) > 1 else 0
        b.pos = max(0, args[0] + (0, b.pos, len(content))[whence])
        return b.pos
    if name == "tell":
        return b.pos
    if name in ("read", "read1"):
        size = args[0] if args and isinstance(args[0], int) and args[0] >= 0 else len(content)
        out = content[b.pos : b.pos + size]
        b.pos = min(len(content), b.pos + size)
        m.budget.moved(len(out))
        return tag(out, content)
    if name in ("readlines", "readline"):
        rest = content[b.pos :]
        m.budget.moved(len(rest))
        newline = "\n" if isinstance(rest, str) else b"\n"
        if name == "readline":
            line, end, _ = rest.partition(newline)
            b.pos += len(line) + len(end)
            return tag(line + end, content)
        b.pos = len(content)
        lines = rest.split(newline)
        m.budget.work(len(lines))
        full = [x + newline for x in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
        return [tag(x, content) for x in full]
    if name == "write" and args:
        b.content = m.binary("+", content if content or not isinstance(args[0], str) else "", args[0])
        return UNKNOWN
    return UNKNOWN


def _archive_method(m: Machine, a: Archive, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    if name == "namelist":
        return list(a.members)
    if name in ("read", "open") and args and isinstance(args[0], str):
        if args[0] not in a.members:
            raise KeyError(args[0])
        return a.members[args[0]] if name == "read" else Buffer(a.members[args[0]])
    if name in ("extractall", "extract"):
        place = args[-1] if args and (name == "extractall" or len(args) > 1) else kwargs.get("path", ".")
        place = place.path if isinstance(place, Path) else place
        for member, data in a.members.items():
            if isinstance(place, str) and (name == "extractall" or member == args[0]):
                m.folder.write(posixpath.join(place, member), data)
    return UNKNOWN


def _decode(m: Machine, d: Decoder, name: str, args: list[Value]) -> Value:
    """A decompressor object. Only the whole stream, fed at once or in parts, gives a known result."""
    if name in ("decompress", "process") and args:
        data = args[0]
        if isinstance(data, Unknown):
            return data
        if len(d.fed) + len(data) > 64_000_000:
            raise Stop("it feeds a decompressor with more than 64,000,000 bytes")
        d.fed += bytes(data)
        return TABLE[d.function](m, tag(d.fed, data), **d.kwargs)
    if name in ("stream_reader", "decompressobj") and d.function == "zstandard.decompress":
        return Buffer(TABLE[d.function](m, m.content(args[0]))) if name == "stream_reader" else d
    return b"" if name in ("flush", "finish") else UNKNOWN


def _loader_method(m: Machine, s: Spec, name: str, args: list[Value]) -> Value:
    if name in ("exec_module", "load_module"):
        names = args[0].names if args and isinstance(args[0], Instance) else {}
        names.setdefault("__file__", m.folder.absolute(s.path))
        m.run_path(s.path, Scope(names))
        return Instance(None, names)
    if name in ("get_data", "get_source"):
        path = args[0] if args and name == "get_data" else s.path
        return m.folder.read(path) if name == "get_data" else m.folder.text(path)
    if name in ("get_code", "source_to_code"):
        return Code(m.folder.text(s.path) if name == "get_code" else args[0])
    return UNKNOWN


def subscript(m: Machine, owner: Value, index: Value) -> Value:
    """owner[index]."""
    if isinstance(owner, Choice) or isinstance(index, Choice):
        return m.each(lambda o, i: subscript(m, o, i), [owner, index])
    if isinstance(owner, Ref) and isinstance(index, str):
        if owner.name == "sys.modules":
            return m.scope.module if index == "__main__" else Ref(index)
        return Ref(canonical(f"{owner.name}.{index}"))
    if isinstance(owner, Scope) and isinstance(index, str):
        return m.lookup(index, owner)
    if isinstance(owner, Unknown) or isinstance(index, Unknown):
        return owner if isinstance(owner, Unknown) else index
    if isinstance(owner, dict):
        return owner[m.key(index)]
    if isinstance(owner, str | bytes | bytearray | list | tuple | range):
        if isinstance(index, slice):
            m.budget.moved(len(range(*index.indices(len(owner)))))
        out = owner[index]
        if isinstance(owner, str | bytes | bytearray):
            return tag(out, owner, step="reverse" if isinstance(index, slice) and index.step == -1 else "")
        return out
    return UNKNOWN
