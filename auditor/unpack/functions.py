"""The functions of Python and its libraries that are understood: decoders, and pure building blocks.

`TABLE` maps a dotted name to a function of our own that takes the machine and the call's arguments. A
function missing from it gives an unknown value; nothing is ever looked up by reflection.
"""

from __future__ import annotations

import binascii
import codecs
import hashlib
import io
import itertools
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from auditor.unpack import decoders
from auditor.unpack.limits import MAX_ITEMS, Budget, Corrupt, Stop
from auditor.unpack.methods import call_method, check_format, deep_plain, size_of
from auditor.unpack.values import (
    UNKNOWN,
    Archive,
    Buffer,
    Decoder,
    Handle,
    Mutable,
    Partial,
    Unknown,
    Value,
    tag,
    with_steps,
)

if TYPE_CHECKING:
    from auditor.unpack.machine import Machine

TABLE: dict[str, Callable[..., Value]] = {}

# Other names of the same thing.
_SAME = {
    "posixpath": "os.path",
    "ntpath": "os.path",
    "backports.lzma": "lzma",
    "_lzma": "lzma",
    "_bz2": "bz2",
    "_codecs": "codecs",
    "compression.zlib": "zlib",
    "compression.lzma": "lzma",
    "compression.bz2": "bz2",
    "compression.gzip": "gzip",
    "compression.zstd": "zstandard",
    "backports.zstd": "zstandard",
    "pyzstd": "zstandard",
    "zstd": "zstandard",
    "brotlicffi": "brotli",
    "_brotli": "brotli",
    "brotlipy": "brotli",
    "io.open": "builtins.open",
    "_io.open": "builtins.open",
    "codecs.open": "builtins.open",
    "builtins.bytes.fromhex": "bytes.fromhex",
    "bytearray.fromhex": "bytes.fromhex",
    "builtins.bytearray.fromhex": "bytes.fromhex",
    "importlib.__import__": "builtins.__import__",
    "zstandard.uncompress": "zstandard.decompress",
    "simplejson": "json",
    "ujson": "json",
    "orjson": "json",
    "imp.load_source": "importlib.load_source",
}

CONSTANTS: dict[str, Value] = {
    **{f"lzma.{n}": v for n, v in vars(lzma).items() if n.isupper() and isinstance(v, int)},
    **{f"zlib.{n}": v for n, v in vars(zlib).items() if n.isupper() and isinstance(v, int)},
    "builtins.None": None,
    "os.sep": "/",
    "os.path.sep": "/",
    "os.linesep": "\n",
    "os.name": "posix",
    "sys.platform": "linux",
    "sys.byteorder": "little",
    "sys.maxsize": 2**63 - 1,
    "sys.executable": "/usr/bin/python3",
    "string.ascii_letters": "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "string.ascii_lowercase": "abcdefghijklmnopqrstuvwxyz",
    "string.ascii_uppercase": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "string.digits": "0123456789",
    "string.hexdigits": "0123456789abcdefABCDEF",
    "string.punctuation": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
}


def canonical(name: str) -> str:
    """One name for functions that go by several."""
    if name in _SAME:
        return _SAME[name]
    head, _, last = name.rpartition(".")
    return f"{_SAME[head]}.{last}" if head in _SAME else name


def op(*names: str) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    def register(f: Callable[..., Value]) -> Callable[..., Value]:
        TABLE.update(dict.fromkeys(names, f))
        return f

    return register


def raw(value: Value) -> bytes:
    """The bytes of an argument that a decoder takes; ASCII text stands for its bytes."""
    if isinstance(value, str):
        return value.encode("ascii")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, Buffer | Handle):
        raise TypeError("an open file")
    raise TypeError("no bytes")


def _decoder(step: str, decode: Callable[..., bytes], *names: str) -> None:
    def run(m: Machine, data: Value, **kwargs: Value) -> Value:
        return tag(decode(raw(data), m.budget, **kwargs), data, step=step)

    TABLE.update(dict.fromkeys(names, run))


_decoder("b85", decoders.un_b85, "base64.b85decode")
_decoder("b32", decoders.un_b32hex, "base64.b32hexdecode")
_decoder("hex", decoders.un_hex, "binascii.unhexlify", "binascii.a2b_hex")
_decoder("uu", decoders.un_uu_line, "binascii.a2b_uu")
_decoder("quopri", decoders.un_quopri, "binascii.a2b_qp", "quopri.decodestring")
_decoder("b64", decoders.un_urlsafe, "base64.urlsafe_b64decode")
_decoder("gzip", decoders.un_gzip, "gzip.decompress")
_decoder("bz2", decoders.un_bz2, "bz2.decompress")


@op("base64.b64decode", "base64.standard_b64decode", "base64.decodebytes", "base64.decodestring", "binascii.a2b_base64")
def _b64(m: Machine, s: Value, altchars: Value = None, validate: Value = False, **_: Value) -> Value:
    m.budget.moved(size_of(s))
    pair = raw(altchars) if altchars is not None else b""
    if altchars is not None and len(pair) != 2:
        raise Corrupt("b64: two other letters are needed")
    data = raw(s).translate(bytes.maketrans(pair, b"+/")) if pair else raw(s)
    return tag(decoders.un_b64(data, m.budget), s, step="b64")


@op("base64.a85decode")
def _a85(m: Machine, b: Value, *, foldspaces: Value = False, adobe: Value = False, **_: Value) -> Value:
    return tag(decoders.un_a85(raw(b), m.budget, bool(foldspaces), bool(adobe)), b, step="a85")


@op("base64.b32decode")
def _b32(m: Machine, s: Value, casefold: Value = False, map01: Value = None) -> Value:
    data = raw(s).upper() if casefold else raw(s)
    return tag(decoders.un_b32(data, m.budget), s, step="b32")


@op("base64.b16decode")
def _b16(m: Machine, s: Value, casefold: Value = False) -> Value:
    return tag(decoders.un_b16(raw(s), m.budget), s, step="b16")


@op("bytes.fromhex")
def _fromhex(m: Machine, s: Value) -> Value:
    return tag(decoders.un_hex(b"".join(raw(s).split()), m.budget), s, step="hex")


@op("lzma.decompress")
def _lzma(m: Machine, data: Value, format: Value = lzma.FORMAT_AUTO, memlimit: Value = None, filters: Value = None) -> Value:
    return tag(decoders.un_lzma(raw(data), m.budget, int(format), filters), data, step="lzma")


@op("zlib.decompress")
def _zlib(m: Machine, data: Value, wbits: Value = 15, bufsize: Value = 0) -> Value:
    return tag(decoders.un_zlib(raw(data), m.budget, int(wbits)), data, step="zlib")


@op("brotli.decompress")
def _brotli(m: Machine, string: Value) -> Value:
    return tag(decoders.un_brotli(raw(string), m.budget), string, step="brotli")


@op("zstandard.decompress")
def _zstd(m: Machine, data: Value, *_: Value, **__: Value) -> Value:
    return tag(decoders.un_zstd(raw(data), m.budget), data, step="zstd")


def _make_decoder(function: str, *names: str) -> None:
    def make(m: Machine, *args: Value, **kwargs: Value) -> Value:
        first = {"zlib.decompress": "wbits", "lzma.decompress": "format"}.get(function)
        if args and first:
            kwargs = {first: args[0], **kwargs}
        return Decoder(function, {k: v for k, v in kwargs.items() if k in ("wbits", "format", "filters")})

    TABLE.update(dict.fromkeys(names, make))


_make_decoder("zlib.decompress", "zlib.decompressobj")
_make_decoder("lzma.decompress", "lzma.LZMADecompressor")
_make_decoder("bz2.decompress", "bz2.BZ2Decompressor")
_make_decoder("brotli.decompress", "brotli.Decompressor")
_make_decoder("zstandard.decompress", "zstandard.ZstdDecompressor")

# Decompressors that open a file: the function that undoes them.
_OPENERS = {
    "lzma": "lzma.decompress",
    "gzip": "gzip.decompress",
    "bz2": "bz2.decompress",
    "zstandard": "zstandard.decompress",
}


def _opener(module: str) -> Callable[..., Value]:
    def open_compressed(m: Machine, *args: Value, **kwargs: Value) -> Value:
        source = kwargs.get("fileobj") or (args[0] if args else kwargs.get("filename", kwargs.get("file")))
        mode = kwargs.get("mode", args[1] if len(args) > 1 else "rb") or "rb"
        if isinstance(mode, str) and mode[:1] in "wax":
            return UNKNOWN
        data = m.content(source)
        if isinstance(data, Unknown):
            return data
        options = {k: v for k, v in kwargs.items() if k in ("format", "filters")} if module == "lzma" else {}
        out = TABLE[_OPENERS[module]](m, data, **options)
        if isinstance(mode, str) and "t" in mode:
            out = call_method(m.budget, out, "decode", [kwargs.get("encoding", "utf-8")], {})
        return Buffer(out)

    return open_compressed


for _module, _names in {
    "lzma": ("lzma.open", "lzma.LZMAFile"),
    "gzip": ("gzip.open", "gzip.GzipFile"),
    "bz2": ("bz2.open", "bz2.BZ2File"),
    "zstandard": ("zstandard.open", "zstandard.ZstdFile"),
}.items():
    TABLE.update(dict.fromkeys(_names, _opener(_module)))


@op("codecs.decode")
def _codecs_decode(m: Machine, obj: Value, encoding: Value = "utf-8", errors: Value = "strict") -> Value:
    if isinstance(obj, str) and codecs.lookup(encoding).name == "rot-13":
        return _rot13(m, obj)
    if known := decoders.byte_codec(encoding):
        return tag(known[1](raw(obj), m.budget), obj, step=known[0])
    return call_method(m.budget, raw_like(obj), "decode", [encoding, errors], {})


def raw_like(value: Value) -> Value:
    return value if isinstance(value, bytes | bytearray) else tag(raw(value), value)


@op("codecs.encode")
def _codecs_encode(m: Machine, obj: Value, encoding: Value = "utf-8", errors: Value = "strict") -> Value:
    if isinstance(obj, str) and codecs.lookup(encoding).name == "rot-13":
        return _rot13(m, obj)
    return call_method(m.budget, obj, "encode", [encoding, errors], {})


def _rot13(m: Machine, text: str) -> Value:
    m.budget.moved(len(text))
    return tag(codecs.encode(str(text), "rot13"), text, step="rot13")


@op("codecs.getdecoder", "codecs.getencoder")
def _getdecoder(m: Machine, encoding: Value) -> Value:
    from auditor.unpack.values import Ref  # the value is the plain function; its result is a pair

    return Partial(Ref("codecs.decode pair"), (), {"encoding": encoding})


@op("codecs.decode pair")
def _decode_pair(m: Machine, obj: Value, encoding: Value = "utf-8", errors: Value = "strict") -> Value:
    return (_codecs_decode(m, obj, encoding, errors), len(obj))


@op("base64.b85encode", "base64.b64encode", "base64.b32encode", "base64.b16encode", "base64.a85encode", "binascii.hexlify")
def _encode_base(m: Machine, s: Value, *args: Value) -> Value:
    return UNKNOWN  # an encoded text is no program


@op("binascii.crc32", "zlib.crc32", "zlib.adler32")
def _crc(m: Machine, data: Value, value: Value = 0) -> Value:
    m.budget.moved(len(raw(data)))
    return binascii.crc32(raw(data), int(value))


def _digest(name: str) -> Callable[..., Value]:
    def run(m: Machine, data: Value = b"", **_: Value) -> Value:
        m.budget.work(1 + len(raw(data)) // 16)
        return Buffer(hashlib.new(name, raw(data), usedforsecurity=False).digest())

    return run


for _name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512"):
    TABLE[f"hashlib.{_name}"] = _digest(_name)


@op("struct.unpack")
def _unpack(m: Machine, fmt: Value, data: Value) -> Value:
    m.budget.moved(struct.calcsize(fmt))
    return struct.unpack(fmt, raw(data))


@op("struct.pack")
def _pack(m: Machine, fmt: Value, *values: Value) -> Value:
    m.budget.moved(struct.calcsize(fmt))
    return tag(struct.pack(fmt, *values), step="pack")


@op("json.loads")
def _loads(m: Machine, text: Value, **_: Value) -> Value:
    """Deep nesting is a RecursionError, which the caller turns into an unknown."""
    m.budget.moved(len(text))
    m.budget.work(len(text) // 8)
    source = text.decode("utf-8") if isinstance(text, bytes | bytearray) else str(text)
    return _tag_all(json.loads(source), with_steps("", getattr(text, "steps", ())), m.budget)


@op("ast.literal_eval")
def _literal(m: Machine, text: Value) -> Value:
    m.budget.moved(len(text))
    return _tag_all(m.expression(str(text)), with_steps("", getattr(text, "steps", ())), m.budget)


@op("json.load")
def _load(m: Machine, file: Value, **_: Value) -> Value:
    data = m.content(file)
    return data if isinstance(data, Unknown) else _loads(m, data)


def _tag_all(value: Value, source: Value, budget: Budget, depth: int = 0) -> Value:
    budget.work(1)
    if depth > 50:
        raise RecursionError
    if isinstance(value, dict):
        return {k: _tag_all(v, source, budget, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_tag_all(v, source, budget, depth + 1) for v in value)
    return tag(value, source) if isinstance(value, str | bytes) else value


@op("io.BytesIO", "io.StringIO")
def _buffer(m: Machine, initial: Value = b"") -> Value:
    return Buffer(initial)


@op("zipfile.ZipFile")
def _zipfile(m: Machine, file: Value, mode: Value = "r", *_: Value, **__: Value) -> Value:
    data = m.content(file)
    if isinstance(data, Unknown):
        return data
    members = read_zip(bytes(data), m.budget)
    return Archive({k: tag(v, data, step="zip") for k, v in members.items()})


def read_zip(data: bytes, budget: Budget) -> dict[str, bytes]:
    """Member names and contents of a zip file. Sizes are measured, not believed."""
    if data.count(b"PK\x01\x02") > 5000:
        raise Corrupt("zip: more than 5,000 members")
    out: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                with archive.open(info) as member:
                    pieces: list[bytes] = []
                    while piece := member.read(decoders.CHUNK):
                        budget.decoded(len(piece))
                        budget.work(1 + len(piece) // 256)
                        pieces.append(piece)
                out[info.filename] = b"".join(pieces)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError) as e:
        raise Corrupt(f"zip: {e}") from None
    except (RuntimeError, NotImplementedError, ValueError, struct.error, MemoryError) as e:
        raise Corrupt(f"zip: {e}") from None
    return out


# Plain building blocks.


@op("builtins.bytes", "builtins.bytearray")
def _bytes(m: Machine, source: Value = b"", encoding: Value = None, errors: Value = "strict") -> Value:
    if isinstance(source, str):
        return call_method(m.budget, source, "encode", [encoding, errors], {})
    if isinstance(source, int):
        m.budget.moved(source)
        return bytes(source)
    items = source if isinstance(source, bytes | bytearray) else list(m.iterate(source))
    m.budget.moved(len(items))
    return tag(bytes(items), source, *(items if isinstance(items, list) and len(items) < 3 else ()), step="" if isinstance(source, bytes | bytearray) else "bytes")


def _bytearray(m: Machine, *args: Value, **kwargs: Value) -> Value:
    made = _bytes(m, *args, **kwargs)
    return tag(Mutable(made), made)


TABLE["builtins.bytearray"] = _bytearray
TABLE["builtins.memoryview"] = lambda m, data: data


@op("builtins.str")
def _str(m: Machine, value: Value = "", encoding: Value = None, errors: Value = "strict") -> Value:
    if encoding is not None:
        return call_method(m.budget, value, "decode", [encoding, errors], {})
    value = m.as_path(value) or value
    if isinstance(value, str):
        return value
    check_format("", [value], m.budget)
    return str(value)


@op("builtins.repr", "builtins.ascii")
def _repr(m: Machine, value: Value) -> Value:
    check_format("", [value], m.budget)
    return repr(value)


@op("builtins.format")
def _format(m: Machine, value: Value, spec: Value = "") -> Value:
    check_format(spec, [value], m.budget)
    return format(value, spec)


@op("builtins.int")
def _int(m: Machine, value: Value = 0, base: Value = None) -> Value:
    m.budget.moved(size_of(value))
    return int(value) if base is None else int(value, base)


TABLE["builtins.float"] = lambda m, value=0.0: float(value)
TABLE["builtins.bool"] = lambda m, value=False: m.truth(value) if m.truth(value) is not None else UNKNOWN
TABLE["builtins.chr"] = lambda m, n: chr(n)
TABLE["builtins.ord"] = lambda m, c: ord(c)
TABLE["builtins.hex"] = lambda m, n: hex(n)
TABLE["builtins.bin"] = lambda m, n: bin(n)
TABLE["builtins.abs"] = lambda m, n: abs(n)
TABLE["builtins.divmod"] = lambda m, a, b: divmod(a, b) if max(size_of(a), size_of(b)) < 512 else UNKNOWN
TABLE["builtins.slice"] = lambda m, *a: slice(*a)
TABLE["builtins.range"] = lambda m, *a: range(*a)
TABLE["builtins.print"] = lambda m, *a, **k: None


@op("builtins.len")
def _len(m: Machine, value: Value) -> Value:
    if not isinstance(value, str | bytes | bytearray | list | tuple | dict | set | frozenset | range):
        return UNKNOWN
    return len(value)


def _items(m: Machine, value: Value) -> list[Value]:
    out: list[Value] = []
    for v in m.iterate(value):
        m.budget.work(1)
        out.append(v)
        if len(out) > MAX_ITEMS:
            raise Stop(f"its code makes a list of more than {MAX_ITEMS:,} items")
    return out


@op("builtins.list")
def _list(m: Machine, value: Value = ()) -> Value:
    return _items(m, value)


@op("builtins.tuple")
def _tuple(m: Machine, value: Value = ()) -> Value:
    return tuple(_items(m, value))


@op("builtins.iter", "builtins.reversed", "builtins.sorted")
def _iter(m: Machine, value: Value, *args: Value) -> Value:
    return UNKNOWN if args else _items(m, value)


@op("builtins.reversed")
def _reversed(m: Machine, value: Value) -> Value:
    return _items(m, value)[::-1]


@op("builtins.sorted")
def _sorted(m: Machine, value: Value, *, key: Value = None, reverse: Value = False) -> Value:
    items = _items(m, value)
    keys = items if key is None else [m.call(key, [v], {}) for v in items]
    if not all(deep_plain(k, m.budget) for k in keys):
        return UNKNOWN
    m.budget.work(len(items) * 4)
    order = sorted(range(len(items)), key=lambda i: keys[i], reverse=bool(reverse))
    return [items[i] for i in order]


@op("builtins.next")
def _next(m: Machine, value: Value, default: Value = UNKNOWN) -> Value:
    if isinstance(value, list):
        return value.pop(0) if value else default
    return UNKNOWN


@op("builtins.set", "builtins.frozenset")
def _set(m: Machine, value: Value = ()) -> Value:
    return {m.key(v) for v in _items(m, value)}


@op("builtins.dict")
def _dict(m: Machine, value: Value = (), **kwargs: Value) -> Value:
    if isinstance(value, dict):
        return {**value, **kwargs}
    pairs = [tuple(_items(m, p)) for p in _items(m, value)]
    return {**{m.key(k): v for k, v in pairs}, **kwargs}


@op("builtins.sum")
def _sum(m: Machine, value: Value, start: Value = 0) -> Value:
    for v in m.iterate(value):
        start = m.binary("+", start, v)
    return start


@op("builtins.min", "builtins.max")
def _extreme(m: Machine, *args: Value, **kwargs: Value) -> Value:
    return UNKNOWN


@op("builtins.any", "builtins.all")
def _any(m: Machine, value: Value) -> Value:
    return UNKNOWN


@op("builtins.enumerate")
def _enumerate(m: Machine, value: Value, start: Value = 0) -> Value:
    return [(i, v) for i, v in enumerate(_items(m, value), start)]


@op("builtins.zip", "itertools.zip_longest")
def _zip(m: Machine, *values: Value, **_: Value) -> Value:
    out: list[Value] = []
    streams: list[Iterator[Value]] = [iter(m.iterate(v)) for v in values]
    for row in zip(*streams):  # noqa: B905 - as in the code that is followed, the shortest decides
        m.budget.work(len(row))
        out.append(row)
        if len(out) > MAX_ITEMS:
            raise Stop(f"its code makes a list of more than {MAX_ITEMS:,} items")
    return out


@op("builtins.map", "multiprocessing.map")
def _map(m: Machine, function: Value, *values: Value) -> Value:
    return [m.call(function, list(row), {}) for row in _zip(m, *values)]


@op("builtins.filter")
def _filter(m: Machine, function: Value, values: Value) -> Value:
    kept: list[Value] = []
    for v in _items(m, values):
        truth = m.truth(v if function is None else m.call(function, [v], {}))
        if truth is None:
            return UNKNOWN
        if truth:
            kept.append(v)
    return kept


@op("functools.reduce")
def _reduce(m: Machine, function: Value, values: Value, *start: Value) -> Value:
    items = [*start, *_items(m, values)]
    out = items[0]
    for v in items[1:]:
        out = m.call(function, [out, v], {})
    return out


@op("functools.partial")
def _partial(m: Machine, function: Value, *args: Value, **kwargs: Value) -> Value:
    return Partial(function, args, kwargs)


@op("itertools.cycle")
def _cycle(m: Machine, values: Value) -> Value:
    return itertools.cycle(_items(m, values))


@op("itertools.count")
def _count(m: Machine, start: Value = 0, step: Value = 1) -> Value:
    return itertools.count(start, step)


@op("itertools.repeat")
def _repeat(m: Machine, value: Value, times: Value = None) -> Value:
    return itertools.repeat(value) if times is None else [value] * min(int(times), MAX_ITEMS)


@op("itertools.chain")
def _chain(m: Machine, *values: Value) -> Value:
    return [x for v in values for x in _items(m, v)]


@op("itertools.chain.from_iterable")
def _flatten(m: Machine, values: Value) -> Value:
    return _chain(m, *_items(m, values))


@op("operator.xor")
def _xor(m: Machine, a: Value, b: Value) -> Value:
    return m.binary("^", a, b)


@op("operator.add", "operator.concat")
def _add(m: Machine, a: Value, b: Value) -> Value:
    return m.binary("+", a, b)


@op("builtins.str.maketrans", "builtins.bytes.maketrans")
def _maketrans(m: Machine, *args: Value) -> Value:
    m.budget.moved(sum(size_of(a) for a in args))
    if args and isinstance(args[0], bytes | bytearray):
        return bytes.maketrans(bytes(args[0]), bytes(args[1]))
    return str.maketrans(*args)


@op("builtins.int.from_bytes")
def _from_bytes(m: Machine, data: Value, byteorder: Value = "big", *, signed: Value = False) -> Value:
    items = bytes(data) if isinstance(data, bytes | bytearray) else bytes(_items(m, data))
    m.budget.moved(len(items))
    return int.from_bytes(items, byteorder, signed=bool(signed))


@op("re.sub")
def _re_sub(m: Machine, pattern: Value, repl: Value, string: Value, **_: Value) -> Value:
    """Only the removal of white space or of a plain word: a pattern of the submission is never run."""
    m.budget.moved(size_of(string))
    if repl in ("", b"") and pattern in (r"\s+", r"\s", rb"\s+", rb"\s"):
        return tag(string[:0].join(string.split()), string)
    if isinstance(pattern, str) and pattern.isalnum() and isinstance(repl, str) and repl.isalnum():
        return call_method(m.budget, string, "replace", [pattern, repl], {})
    return Unknown("passes through a regular expression, which is not followed", opaque=True)


@op("textwrap.dedent", "inspect.cleandoc")
def _dedent(m: Machine, text: Value) -> Value:
    m.budget.moved(len(text))
    lines = text.split("\n")
    indents = [len(x) - len(x.lstrip(" \t")) for x in lines if x.strip()]
    cut = min(indents, default=0)
    return tag("\n".join(x[cut:] if x.strip() else "" for x in lines), text)


