"""The challenge's token shards: 256 int32 of header (magic 20240520, version 1, token count), then uint16 ids.

Files are mapped, not read: a stream over many shards costs the memory of the slice that is asked for. What a header says
about the size is compared with the file and never trusted. A mapped file must not be cut short while it is in use.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import glob, has_magic
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Uint16 = npt.NDArray[np.uint16]

MAGIC, VERSION, HEADER_BYTES = 20240520, 1, 1024
MAX_TOKENS = 2**31 - 1  # what the header's int32 can say
MAX_VOCABULARY = 2**16
CHUNK = 1 << 22  # tokens looked at in one go
SIDECAR = "_bytes_"  # names of sidecars begin like those of the shards they belong to
POINTER = b"version https://git-lfs"


class ShardError(ValueError):
    """A shard cannot be used: one sentence that names the file and says what to do."""


@dataclass(frozen=True)
class Shard:
    """One mapped file: `ids` (count,) uint16, read-only."""

    path: Path
    ids: Uint16 = field(repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ids)


def open_shard(path: Path | str, *, follow_links: bool = False) -> Shard:
    """Map a shard after checking its header against the file.

    Raises ShardError for a missing file, a directory, a symbolic link (unless `follow_links`: a link is how a train shard can
    be the validation shard), another format or version, a count that is not the file's, and no tokens at all.
    """
    path = Path(path)
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            if not follow_links:
                raise ShardError(f"{path}: a symbolic link to {os.readlink(path)}; name that file itself")
            mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ShardError(f"{path}: a directory; name its files, e.g. {path}/fineweb_val_*.bin")
        if not stat.S_ISREG(mode):
            raise ShardError(f"{path}: not a regular file; give a token shard")
        with path.open("rb") as file:
            header, size = file.read(HEADER_BYTES), os.fstat(file.fileno()).st_size
            count = _count(path, header, size)
            ids = np.memmap(file, dtype="<u2", mode="r", offset=HEADER_BYTES, shape=(count,))
    except OSError as e:
        raise ShardError(f"{path}: {e.strerror or e}; check the path, or fetch it with `scorefirst data`") from None
    return Shard(path, ids.view(np.ndarray))


def _count(path: Path, header: bytes, size: int) -> int:
    """The token count of a header, if the file holds exactly these tokens."""
    if header.startswith(POINTER):
        raise ShardError(f"{path}: a Git LFS pointer, not the shard itself; run `git lfs pull` or fetch it again")
    if len(header) < HEADER_BYTES:
        raise ShardError(f"{path}: {size:,} bytes are less than a header of {HEADER_BYTES:,}; fetch or write it again")
    magic, version, count = np.frombuffer(header, dtype="<i4", count=3).tolist()
    if magic != MAGIC:
        swapped = int(np.frombuffer(header, dtype=">i4", count=1)[0]) == MAGIC
        what = (
            "its numbers are big-endian; write it little-endian" if swapped else "give a token shard of the challenge"
        )
        raise ShardError(f"{path}: magic number {magic} instead of {MAGIC}: {what}")
    if version != VERSION:
        raise ShardError(f"{path}: version {version} of the format; only version {VERSION} (uint16 tokens) is known")
    if count == 0:
        raise ShardError(f"{path}: no tokens in it; fetch or write it again")
    if count < 0:
        raise ShardError(f"{path}: a count of {count:,} tokens; fetch or write it again")
    there = size - HEADER_BYTES
    if there < 2 * count:
        raise ShardError(
            f"{path}: cut short: {count:,} tokens announced, {there // 2:,} there; fetch or write it again"
        )
    if there > 2 * count:
        raise ShardError(f"{path}: {there - 2 * count:,} bytes behind its {count:,} tokens; fetch or write it again")
    return int(count)


@dataclass(frozen=True)
class Tokens:
    """The tokens of some shards, in order, as one stream of N ids that slices like an array.

    A slice inside one shard is a view of the mapped file; one across shards is a copy of just these tokens. With a
    `vocabulary` the ids of each slice are compared with it as they are read.
    """

    shards: tuple[Shard, ...]
    vocabulary: int | None = None
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.shards:
            raise ShardError("no shards; name at least one file")
        if self.vocabulary is not None and not 0 < self.vocabulary <= MAX_VOCABULARY:
            raise ShardError(
                f"{self.shards[0].path}: uint16 tokens cannot have a vocabulary of {self.vocabulary:,}; give the tokenizer's"
            )
        object.__setattr__(self, "_starts", (0, *accumulate(len(s) for s in self.shards)))

    @classmethod
    def open(
        cls,
        files: str | Path | Iterable[str | Path],
        *,
        vocabulary: int | None = None,
        follow_links: bool = False,
    ) -> Tokens:
        """Map a file, a glob pattern (sorted by name) or several files in the order given; see `matching`."""
        paths = matching(str(files)) if isinstance(files, str | Path) else [Path(f) for f in files]
        return cls(tuple(open_shard(p, follow_links=follow_links) for p in paths), vocabulary)

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, span: slice) -> Uint16:
        start, stop, step = span.indices(len(self))
        if step != 1:
            raise ShardError(f"{self.shards[0].path}: a stream is read in steps of 1, not {step}")
        parts = [
            self._part(i, max(start, begin) - begin, min(stop, end) - begin)
            for i, (begin, end) in enumerate(pairwise(self._starts))
            if begin < stop and start < end and start < stop
        ]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint16)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All tokens in memory: only when numpy is asked for that."""
        return np.array(self[:], dtype=dtype)

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[int, Uint16]]:
        """(start, ids) of consecutive slices of at most `size` tokens."""
        for start in range(0, len(self), size):
            yield start, self[start : start + size]

    def check(self) -> None:
        """Read everything once and compare with the vocabulary. Raises ShardError with the place of the first bad id."""
        for _ in self.chunks():
            pass

    def _part(self, i: int, start: int, stop: int) -> Uint16:
        ids = self.shards[i].ids[start:stop]
        if self.vocabulary is not None:
            for at in range(0, len(ids), CHUNK):
                part = ids[at : at + CHUNK]
                if int(part.max()) >= self.vocabulary:
                    bad = at + int(np.argmax(part >= self.vocabulary))
                    raise ShardError(
                        f"{self.shards[i].path}: id {int(ids[bad])} at token {start + bad:,} is beyond the vocabulary of "
                        f"{self.vocabulary:,}; use the tokenizer that made the shard"
                    )
        return ids


def matching(pattern: str) -> list[Path]:
    """The files of a glob pattern, sorted by name; a plain name is itself.

    Byte sidecars (`…_bytes_…`) match the pattern of the shards they belong to and are left out unless the pattern names them. Raises
    ShardError when nothing matches and when a number between the first and the last is missing: a gap would
    be skipped unseen.
    """
    if Path(pattern).exists() or not has_magic(pattern):
        return [Path(pattern)]
    found = sorted(Path(p) for p in glob(pattern) if SIDECAR in Path(pattern).name or SIDECAR not in Path(p).name)
    if not found:
        raise ShardError(f"{pattern}: no such files; check the path, or fetch them with `scorefirst data`")
    for a, b in pairwise(found):
        one, two = (re.fullmatch(r"(.*?)(\d+)\.bin", p.name) for p in (a, b))
        if one and two and one[1] == two[1] and int(two[2]) != int(one[2]) + 1:
            raise ShardError(
                f"{a.with_name(f'{one[1]}{int(one[2]) + 1:0{len(one[2])}d}.bin')}: missing between {a.name} and {b.name}; "
                "fetch it, or name the files one by one"
            )
    return found


def write_shard(path: Path | str, ids: npt.NDArray[Any] | Sequence[int]) -> Path:
    """Write ids, shape (N,), as a shard: first beside it, then put in place whole. Returns the path.

    Raises ShardError for no tokens, more than the header can say, and ids that are no uint16.
    """
    path = Path(path)
    values = np.asarray(ids)
    if values.ndim != 1 or not 0 < len(values) <= MAX_TOKENS or values.dtype.kind not in "iu":
        raise ShardError(
            f"{path}: {values.shape} values of type {values.dtype} make no shard; give a row of 1 to {MAX_TOKENS:,} integers"
        )
    if int(values.min()) < 0 or int(values.max()) >= MAX_VOCABULARY:
        bad = int(values.min()) if int(values.min()) < 0 else int(values.max())
        raise ShardError(f"{path}: id {bad} is no uint16; use a vocabulary of at most {MAX_VOCABULARY:,}")
    header = np.zeros(HEADER_BYTES // 4, dtype="<i4")
    header[:3] = MAGIC, VERSION, len(values)
    beside = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            beside = file.name
            file.write(header.tobytes())
            for at in range(0, len(values), CHUNK):
                file.write(values[at : at + CHUNK].astype("<u2").tobytes())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException as e:
        if beside:
            Path(beside).unlink(missing_ok=True)
        if isinstance(e, OSError):
            raise ShardError(f"{path}: cannot be written: {e.strerror}; choose another place") from None
        raise
    return path


class ShardWriter:
    """Writes a stream of any length as numbered shards of `size` tokens: `{prefix}_000000.bin`, … in a folder."""

    def __init__(self, folder: Path, prefix: str, size: int = 100_000_000) -> None:
        if not 0 < size <= MAX_TOKENS:
            raise ShardError(f"{folder}: shards of {size:,} tokens; choose 1 to {MAX_TOKENS:,}")
        self.folder, self.prefix, self.size = folder, prefix, size
        self.paths: list[Path] = []
        self.tokens = 0
        self._kept: list[Uint16] = []
        self._waiting = 0

    def add(self, ids: npt.NDArray[Any] | Sequence[int]) -> None:
        """Append ids; full shards are written at once."""
        values = np.asarray(ids)
        if values.size and (int(values.min()) < 0 or int(values.max()) >= MAX_VOCABULARY):
            raise ShardError(
                f"{self.folder}: ids of {self.prefix} are no uint16; use a vocabulary of at most {MAX_VOCABULARY:,}"
            )
        self._kept.append(values.astype(np.uint16))
        self._waiting += len(values)
        self.tokens += len(values)
        while self._waiting >= self.size:
            self._write(self.size)

    def close(self) -> list[Path]:
        """Write what is left and return all paths."""
        if self._waiting:
            self._write(self._waiting)
        return self.paths

    def _write(self, count: int) -> None:
        held = np.concatenate(self._kept)
        self.paths.append(write_shard(self.folder / f"{self.prefix}_{len(self.paths):06d}.bin", held[:count]))
        self._kept, self._waiting = [held[count:]], len(held) - count
