"""Decoders that stop: each takes bytes and a budget and yields at most what the budget allows.

Every function raises `Corrupt` for input that the real decoder would refuse and `Stop` when the output
would pass the limit; none allocates by a size that the input merely claims.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import codecs
import lzma
import quopri
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import brotli
import zstandard

from auditor.unpack.limits import Budget, Corrupt, Stop

CHUNK = 1 << 20
MAX_DICTIONARY = 1 << 28  # bytes of history an lzma or zstd stream may ask for
_FILTERS = frozenset(
    v for n, v in vars(lzma).items() if n.startswith("FILTER_") and isinstance(v, int)
)  # delta, the branch filters, lzma1, lzma2


def _collect(pieces: Iterator[bytes], budget: Budget) -> bytes:
    out: list[bytes] = []
    for piece in pieces:
        budget.decoded(len(piece))
        budget.work(1 + len(piece) // 256)
        out.append(piece)
    return b"".join(out)


def _streams(data: bytes, make: Callable[[], Any], budget: Budget, step: str, many: bool) -> bytes:
    """Run one stream, or all concatenated ones; what follows the last whole stream is ignored."""

    def pieces() -> Iterator[bytes]:
        rest, first = data, True
        while rest:
            budget.work(1 + len(rest) // 256)
            stream = make()
            try:
                piece = stream.decompress(rest, CHUNK)
                while True:
                    yield piece
                    if stream.eof:
                        break
                    piece = stream.decompress(getattr(stream, "unconsumed_tail", b""), CHUNK)
                    if not piece and not stream.eof:
                        raise Corrupt(f"{step}: the compressed data ends early")
            except (lzma.LZMAError, OSError, zlib.error, ValueError) as e:
                if first:
                    raise Corrupt(f"{step}: {e}") from None
                return
            if not many:
                return
            rest, first = stream.unused_data, False

    if not data:
        raise Corrupt(f"{step}: there is no compressed data")
    return _collect(pieces(), budget)


def un_lzma(data: bytes, budget: Budget, format: int = lzma.FORMAT_AUTO, filters: object = None) -> bytes:
    """lzma.decompress: containers .xz and .lzma, or raw streams with a list of filters."""
    chain = _filters(filters) if filters is not None else None
    if (format == lzma.FORMAT_RAW) != (chain is not None):
        raise Corrupt("lzma: a raw stream needs filters, and only a raw stream takes them")
    memory = None if chain is not None else MAX_DICTIONARY * 2

    def make() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(format=format, memlimit=memory, filters=chain)

    try:
        return _streams(data, make, budget, "lzma", many=True)
    except (TypeError, OverflowError, MemoryError) as e:
        raise Corrupt(f"lzma: {e}") from None


def _filters(value: object) -> list[Mapping[str, Any]]:
    """A filter chain as the lzma module takes it, its dictionary sizes checked."""
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= 4:
        raise Corrupt("lzma: the filters are no list of one to four filters")
    chain: list[Mapping[str, Any]] = []
    for f in value:
        if not isinstance(f, dict) or f.get("id") not in _FILTERS:
            raise Corrupt("lzma: a filter has no known id")
        if not all(isinstance(k, str) and isinstance(v, int) for k, v in f.items()):
            raise Corrupt("lzma: a filter has a property that is no number")
        if not 0 <= f.get("dict_size", 0) <= MAX_DICTIONARY:
            raise Stop(f"an lzma filter asks for a dictionary of {f['dict_size']:,} bytes")
        chain.append(f)
    return chain


def un_zlib(data: bytes, budget: Budget, wbits: int = 15) -> bytes:
    """zlib.decompress with any `wbits` that zlib itself knows (raw, zlib, gzip, automatic)."""
    if not (wbits == 0 or 8 <= abs(wbits) <= 15 or 24 <= wbits <= 31 or 40 <= wbits <= 47):
        raise Corrupt(f"zlib: {wbits} is no window size")
    return _streams(data, lambda: zlib.decompressobj(wbits), budget, "zlib", many=False)


def un_gzip(data: bytes, budget: Budget) -> bytes:
    """gzip.decompress: all members, zero padding between them allowed."""
    return _streams(data, lambda: zlib.decompressobj(31), budget, "gzip", many=True)


def un_bz2(data: bytes, budget: Budget) -> bytes:
    return _streams(data, bz2.BZ2Decompressor, budget, "bz2", many=True)


def un_brotli(data: bytes, budget: Budget) -> bytes:
    def pieces() -> Iterator[bytes]:
        stream = brotli.Decompressor()
        for i in range(0, len(data), 4096):
            yield stream.process(data[i : i + 4096], output_buffer_limit=CHUNK)
            while not stream.can_accept_more_data():
                yield stream.process(b"", output_buffer_limit=CHUNK)
            if stream.is_finished():
                return
        while not stream.is_finished():
            piece = stream.process(b"", output_buffer_limit=CHUNK)
            if not piece and not stream.is_finished():
                raise Corrupt("brotli: the compressed data ends early")
            yield piece

    try:
        return _collect(pieces(), budget)
    except brotli.error as e:
        raise Corrupt(f"brotli: {e}") from None


def un_zstd(data: bytes, budget: Budget) -> bytes:
    """The first zstd frame, as ZstdDecompressor.decompress gives it, with or without a declared size."""

    def pieces() -> Iterator[bytes]:
        frame = zstandard.ZstdDecompressor(max_window_size=MAX_DICTIONARY).decompressobj()
        for i in range(0, len(data), 1024):  # 4 bytes may stand for 128 kB, so 1024 for 32 MB at most
            yield frame.decompress(data[i : i + 1024])
            if frame.eof:
                return
        raise Corrupt("zstd: the compressed data ends early")

    try:
        return _collect(pieces(), budget)
    except zstandard.ZstdError as e:
        raise Corrupt(f"zstd: {e}") from None


def _base(step: str, decode: Callable[[bytes], bytes]) -> Callable[[bytes, Budget], bytes]:
    def un_base(data: bytes, budget: Budget) -> bytes:
        budget.work(1 + len(data) // 64)
        try:
            out = decode(data)
        except (ValueError, TypeError, OverflowError) as e:
            raise Corrupt(f"{step}: {e}") from None
        budget.decoded(len(out))
        return out

    return un_base


un_b85 = _base("b85", base64.b85decode)
un_b64 = _base("b64", base64.b64decode)
un_urlsafe = _base("b64", base64.urlsafe_b64decode)
un_b32 = _base("b32", base64.b32decode)
un_b32hex = _base("b32", base64.b32hexdecode)
un_b16 = _base("b16", lambda d: base64.b16decode(d, casefold=True))
un_hex = _base("hex", binascii.unhexlify)
un_quopri = _base("quopri", quopri.decodestring)


def un_uu(data: bytes, budget: Budget) -> bytes:
    """The uu codec: a begin line, encoded lines, an end line."""
    budget.work(1 + len(data) // 64)
    lines = data.split(b"\n")
    start = next((i for i, line in enumerate(lines) if line.startswith(b"begin ")), -1)
    if start < 0:
        raise Corrupt("uu: no begin line")
    out: list[bytes] = []
    for line in lines[start + 1 :]:
        if line.strip() == b"end":
            break
        out.append(un_uu_line(line, budget))
    return b"".join(out)


def un_uu_line(data: bytes, budget: Budget) -> bytes:
    budget.work(1 + len(data) // 64)
    try:
        out = binascii.a2b_uu(data)
    except ValueError as e:
        raise Corrupt(f"uu: {e}") from None
    budget.decoded(len(out))
    return out


def un_a85(data: bytes, budget: Budget, foldspaces: bool = False, adobe: bool = False) -> bytes:
    return _base("a85", lambda d: base64.a85decode(d, foldspaces=foldspaces, adobe=adobe))(data, budget)


# Byte-to-byte codecs under every name codecs.decode takes.
_BYTE_CODECS: dict[str, tuple[str, Callable[[bytes, Budget], bytes]]] = {
    "base64": ("b64", _base("b64", binascii.a2b_base64)),
    "hex": ("hex", un_hex),
    "zlib": ("zlib", un_zlib),
    "bz2": ("bz2", un_bz2),
    "quopri": ("quopri", un_quopri),
    "uu": ("uu", un_uu),
}


def byte_codec(name: str) -> tuple[str, Callable[[bytes, Budget], bytes]] | None:
    """(step, decoder) of a byte-to-byte codec such as "hex_codec", or None if the name is none of them."""
    try:
        return _BYTE_CODECS.get(codecs.lookup(name).name)
    except (LookupError, ValueError):
        return None
