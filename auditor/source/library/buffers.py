"""How the bytes of a file get into memory other than by one call that returns them.

`readinto` and its kin fill memory that was set aside before, `mmap` shows a file as memory, and
`struct`, `array` and `bytearray` give the same bytes another form. The tokens stay the same tokens at
the same places: a loader that lost them would make every later slice look like all of the split.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from auditor.source.labels import Mark, Read
from auditor.source.library import files
from auditor.source.values import NONE, Args, Const, Data, Kw, LibObj, Seq, Value, all_labels, labels
from auditor.source.walk import Walk

SHARD = 1_000_000  # tokens; a window has thousands


def fill(w: Walk, target: Value, source: Value) -> None:
    """The memory of `target` now holds what `source` holds, from its first place on."""
    if not isinstance(target, Data) or target.root.holder is not None:
        return
    root = target.root
    root.lab = (root.lab if w.guards else 0) | labels(source) & ~w.marks.mask[Mark.PARAMETER]
    if isinstance(source, Data):
        root.tok, root.tag = source.tok, source.tag or root.tag
    w.version += 1


def copied(target: Data, source: Value, *, whole: bool) -> None:
    """A shard was copied into memory that held none: where its tokens lie is known if they fill it."""
    root = target.root
    if root.holder is not None or root.tok is not None or not isinstance(source, Data):
        return
    r = source.tok
    if isinstance(r, Read) and r.base == 0 and r.stop is not None and r.stop >= SHARD and not r.turns:
        root.tok = r if whole else replace(r, start=None, stop=None)


def file_of(w: Walk, v: Value) -> Value:
    """What an open file or a memory map of it holds."""
    found = files.load_tokens(w, v, {}) if isinstance(v, (LibObj, Const)) else None
    return v if found is None else found


def _same(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`bytes(x)`, `memoryview(x)`: the same bytes; of a number or of nothing, memory to be filled."""
    v = a[0] if a else NONE
    if isinstance(v, Data) and (v.tok is not None or v.root.site is not None):
        return v
    if isinstance(v, LibObj):
        return file_of(w, v)
    if isinstance(v, Const) and isinstance(v.v, (bytes, str)):
        return v
    return w.fresh(all_labels(a, k) & ~w.marks.mask[Mark.TURN])


def _array(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    return _same(w, p, a[1:], k, n)


def _unpacked(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`struct.unpack(form, data)`: the numbers in the data."""
    v = file_of(w, a[1]) if len(a) > 1 else NONE
    return v if isinstance(v, Data) and v.tok is not None else Data(all_labels(a, k))


def _read(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`os.read(fd, n)`, `mmap.mmap(fd, 0)`."""
    v = file_of(w, a[0]) if a else NONE
    return v if isinstance(v, Data) else Data(all_labels(a, k))


def _read_into(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    """`os.readv(fd, buffers)`."""
    if len(a) > 1:
        for target in a[1].items if isinstance(a[1], Seq) else [a[1]]:
            fill(w, target, file_of(w, a[0]))
    return Data()


def _copyto(w: Walk, p: str, a: Args, k: Kw, n: ast.AST | None) -> Value:
    from auditor.source.library import methods

    if len(a) > 1 and isinstance(a[0], Data):
        return methods.method(w, a[0], "copy_", [a[1]], {}, n)
    return NONE


FUNCTIONS = {
    "bytes": _same,
    "bytearray": _same,
    "memoryview": _same,
    "array.array": _array,
    "struct.unpack": _unpacked,
    "struct.unpack_from": _unpacked,
    "struct.iter_unpack": _unpacked,
    "os.read": _read,
    "os.pread": _read,
    "os.readv": _read_into,
    "os.preadv": _read_into,
    "mmap.mmap": _read,
    "numpy.copyto": _copyto,
}
