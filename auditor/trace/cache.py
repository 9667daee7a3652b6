"""Finished traces, kept under a hash of everything that they follow from. JSON only, and read strictly: nothing is unpickled.

A run that a limit ended, or that was compared in vain, is not kept: on a less busy machine it may come out otherwise.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

import auditor
import rules
from auditor.trace.sandbox import mode
from rules.trace import Trace

MOST = 256_000_000  # bytes of all entries; the oldest go first
LARGEST = 64_000_000  # bytes of one
CUT_SHORT = "did not come to"  # as probes and sums say it
PACKAGES = ("scorefirst", "torch", "numpy", "sentencepiece", "triton", "flash-attn")
SOURCES = ("trace", "source", "unpack")


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """A file of the cache. `digest` is that of the bytes of `trace`."""

    key: str
    made: str
    digest: str
    trace: msgspec.Raw


@dataclass(frozen=True)
class Cache:
    """Traces below a folder. `warn` hears of entries that are damaged."""

    folder: Path
    warn: Callable[[str], None] = lambda sentence: None

    def through(self, key: str, make: Callable[[], Trace]) -> Trace:
        """The trace that is kept under a key, else a new one, which is then kept."""
        found, problem = self.read(key)
        if problem:
            self.warn(f"the cached trace {self.path(key).name} is damaged and is made anew: {problem}")
        if found is not None:
            return found
        made = make()
        if lasting(made):
            self.write(key, made)
        return made

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def read(self, key: str) -> tuple[Trace | None, str]:
        """(trace, "") if it is there, (None, why) if it is damaged, (None, "") if it is not there."""
        path = self.path(key)
        try:
            with path.open("rb") as f:
                data = f.read(LARGEST + 1)
        except OSError:
            return None, ""
        try:
            entry = msgspec.json.decode(data, type=Entry)
            if entry.key != key or hashlib.sha256(bytes(entry.trace)).hexdigest() != entry.digest:
                return None, "it is not what was written"
            trace = msgspec.json.decode(bytes(entry.trace), type=Trace)
            when = datetime.fromisoformat(entry.made).isoformat(" ", "minutes")
        except (msgspec.MsgspecError, ValueError, RecursionError) as e:
            return None, str(e)[:200]
        with contextlib.suppress(OSError):
            os.utime(path)  # what is used stays longest
        return replace(trace, cached=when), ""

    def write(self, key: str, trace: Trace) -> None:
        """Keep a trace; a folder that cannot be written to costs nothing but time."""
        body = msgspec.json.encode(trace)
        try:
            if msgspec.json.decode(body, type=Trace) != trace:  # a number that JSON has no word for
                return
        except msgspec.MsgspecError:
            return
        entry = Entry(key, datetime.now(UTC).isoformat(), hashlib.sha256(body).hexdigest(), msgspec.Raw(body))
        data = msgspec.json.encode(entry)
        if len(data) > LARGEST:
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(prefix=".new-", dir=self.folder)
            try:
                with os.fdopen(handle, "wb") as f:
                    f.write(data)
                os.replace(name, self.path(key))
            except OSError:
                os.unlink(name)
                raise
            self.shrink()

    def shrink(self, most: int = MOST) -> None:
        """Remove the oldest entries until the rest fits."""
        found = []
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(OSError):
                s = path.stat()
                found.append((s.st_mtime, s.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found)[:-1]:
            if total <= most:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


def lasting(t: Trace) -> bool:
    """Whether the same would come out again: a run that was compared may have been cut short by a limit, and did not come to its scores."""
    cut_short = any(CUT_SHORT in said for said in (*(p.problem for p in t.probes), *(s.problem for s in t.sums)))
    return t.ended.startswith("exit code") and not cut_short


def default_folder() -> Path:
    """Where this platform keeps what can be made again."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        base = Path(given)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path.home() / ".cache"
    return base / "scorefirst" / "traces"


def key(job: Any, **options: Any) -> str:
    """The name of a job's trace: a hash of what is run, how, by which programs, and of the options of the reading."""
    said = {"job": plain(job), "options": plain(options), "made by": dict(makers()), "sealed": mode().value}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def plain(x: Any) -> Any:
    """A value as JSON has it, the same for the same value."""
    if isinstance(x, bytes):
        return {"sha256": hashlib.sha256(x).hexdigest()}
    if is_dataclass(x) and not isinstance(x, type):
        return {f.name: plain(getattr(x, f.name)) for f in fields(x)}
    if isinstance(x, Mapping):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, Sequence) and not isinstance(x, str):
        return [plain(v) for v in x]
    if x is None or isinstance(x, str | int | float | bool):
        return x
    raise TypeError(f"a trace that depends on {type(x).__name__} cannot be named")


@cache
def makers() -> tuple[tuple[str, str], ...]:
    """The programs that a trace is made by, and a hash of our own."""
    return (
        ("python", f"{platform.python_implementation()} {sys.version}"),
        *_packages(),
        ("machine", platform.machine()),
        ("sources", sources()),
    )


def _packages() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, ""


def sources() -> str:
    """A hash of the texts that decide what a trace says."""
    ours = Path(auditor.__file__).parent
    found = [f for part in SOURCES for f in sorted((ours / part).rglob("*.py"))]
    found += sorted(Path(rules.__file__).parent.glob("*.py"))
    whole = hashlib.sha256()
    for f in found:
        data = f.read_bytes()
        whole.update(f"{f.relative_to(ours.parent)}\0{len(data)}\0".encode() + data)
    return whole.hexdigest()
