"""The library functions that turn packed data into text: base encodings, compressors, archives, JSON."""

from __future__ import annotations

import binascii
import codecs
import hashlib
import io
import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from auditor.unpack import decoders
from auditor.unpack.limits import Budget, Corrupt
from auditor.unpack.methods import call_method, size_of
from auditor.unpack.table import TABLE, op
from auditor.unpack.values import (
    UNKNOWN,
    Archive,
    Buffer,
    Decoder,
    Handle,
    Partial,
    Unknown,
    Value,
    tag,
    with_steps,
)

if TYPE_CHECKING:
    from auditor.unpack.machine import Machine


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
def _lzma(
    m: Machine, data: Value, format: Value = lzma.FORMAT_AUTO, memlimit: Value = None, filters: Value = None
) -> Value:
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


@op(
    "base64.b85encode",
    "base64.b64encode",
    "base64.b32encode",
    "base64.b16encode",
    "base64.a85encode",
    "binascii.hexlify",
)
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
    return Buffer(initial) if isinstance(initial, str | bytes | bytearray) else UNKNOWN


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
