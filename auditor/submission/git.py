"""Reading a clone with git, without giving the clone a chance to run anything.

Two rules make that so. Every git process gets an environment of our own making: no `GIT_*` of the
caller, no system configuration, no prompts, no network protocol. And objects are read through an
empty git directory of ours that borrows only the clone's object store: the clone's own
configuration (hooks, file-system monitor, ssh command, promisor remotes, replaced objects) is
never loaded. An object the clone does not hold is then simply missing, and is never fetched.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

from auditor.submission.base import MAX_FILE, Unreadable, UsageError
from auditor.submission.names import show, unshow
from auditor.submission.target import check_ref

if TYPE_CHECKING:
    from auditor.submission.history import History

OPTIONS = (
    "--no-pager",
    "--no-replace-objects",
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.alternateRefsCommand=false"),
    *("-c", "credential.helper="),
)
_KEEP = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH")  # certificates of a company's proxy; nothing that runs
_CHUNK = 256  # object names a batch; 256 × 41 bytes stay below any pipe's buffer
_CACHED_TREES = 20_000
_PULL = re.compile(r"refs/pull/([1-9][0-9]{0,8})/head|refs/remotes/[^/]+/(?:pr|pull)/([1-9][0-9]{0,8})(?:/head)?")
_OID = re.compile(r"[0-9a-f]{40}")
_SECONDS = re.compile(r"[0-9]{1,12}")


def environment(protocols: str = "none") -> dict[str, str]:
    """The environment of a git process; `protocols` names the transports that it may use."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k in _KEEP}
    return env | {
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_ASKPASS": "false",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
        "SSH_ASKPASS": "false",
    }


def git(*args: str | Path, protocols: str = "none", timeout: float = 60.0, what: str = "") -> str:
    """The output of one git command; UsageError with git's own first words when it fails."""
    what = what or "git"
    try:
        done = subprocess.run(
            ["git", *OPTIONS, *args],
            env=environment(protocols),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
    except FileNotFoundError:
        raise UsageError("git is not installed: install git 2.31 or later") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"{what}: git gave no answer within {timeout:.0f} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise UsageError(f"{what}: {show(said[0][:300])}")
    return done.stdout.decode("utf-8", "surrogateescape")


class TooLarge(Unreadable):
    """The object is larger than the caller wanted to read."""


class Damaged(Unreadable):
    """git cannot read the object, or answered something else than what was asked."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a git tree: the mode (0o40000 is a directory), the raw name, the object."""

    mode: int
    name: str
    oid: str

    @property
    def is_tree(self) -> bool:
        return self.mode & 0o170000 == 0o040000


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. Times are seconds since 1970, as the commit says."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    authored: int
    committed: int


class Repo:
    """A clone, read through one `git cat-file --batch` (and one `--batch-check`) process.

    Use it as a context manager, or close it; a closed Repo opens again when it is read again. It
    may be shared by threads (one request at a time) and opens processes of its own after a fork.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise UsageError(f"{self.path} is no directory: --repo needs a clone of the challenge's repository")
        self._lock = threading.RLock()
        self._live: dict[str, subprocess.Popen[bytes]] = {}
        self._pid = os.getpid()
        self._trees: dict[str, tuple[Entry, ...] | None] = {}
        self._commits: dict[str, Commit | None] = {}
        self.histories: dict[str, History] = {}  # tip of a main branch → what is known of it
        weakref.finalize(self, _stop, self._live, self._pid)

    def __enter__(self) -> Repo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes. Reading again starts new ones."""
        with self._lock:
            _stop(self._live, self._pid)

    @cached_property
    def objects(self) -> str:
        """The clone's object store."""
        return self._ask("rev-parse", "--path-format=absolute", "--git-path", "objects").removesuffix("\n")

    @cached_property
    def refs(self) -> dict[str, str]:
        """Every branch and pull request of the clone: name → object, in git's order of names."""
        form = "--format=%(objectname) %(refname)"
        lines = self._ask("for-each-ref", form, "refs/heads", "refs/remotes", "refs/pull").split(
            "\n"
        )  # not splitlines: a name may hold U+2028
        return {name: oid for oid, _, name in (line.partition(" ") for line in lines if line)}

    @cached_property
    def pulls(self) -> dict[int, str]:
        """Every pull request of the clone: number → head. GitHub's own names win over tracking ones."""
        found: dict[int, str] = {}
        for name in sorted(self.refs, key=lambda n: not n.startswith("refs/pull/")):
            if m := _PULL.fullmatch(name):
                found.setdefault(int(m[1] or m[2]), self.refs[name])
        return found

    def resolve(self, name: str) -> str:
        """The full hash of the commit that a branch, tag or abbreviated hash names."""
        check_ref(name)
        try:
            oid = self._ask("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}").strip()
        except UsageError as e:
            said = f" ({e})" if "single revision" not in str(e) else ""
            raise UsageError(f"{self.path} has no commit, branch or tag {name!r}{said}") from None
        if len(oid) != 40:
            raise UsageError(f"{self.path}: only repositories with SHA-1 names are supported")
        return oid

    def commit(self, oid: str) -> Commit | None:
        """A commit, or None when the clone does not hold it (a shallow clone)."""
        if oid not in self._commits:
            data = self._of_kind(oid, "commit")
            self._commits[oid] = None if data is None else _parse_commit(oid, data)
        return self._commits[oid]

    def tree(self, oid: str) -> tuple[Entry, ...] | None:
        """The entries of a directory in git's order, or None when the clone does not hold it (or it is huge)."""
        if oid not in self._trees:
            if len(self._trees) > _CACHED_TREES:
                self._trees.clear()
            data = self._of_kind(oid, "tree")
            try:
                self._trees[oid] = None if data is None else tuple(_parse_tree(data))
            except ValueError:
                raise UsageError(f"{self.path}: directory {oid} is damaged") from None
        return self._trees[oid]

    def blob(self, oid: str, limit: int = MAX_FILE) -> bytes:
        """A file's bytes. Unreadable when the object is missing, no file, or larger than `limit`."""
        found = self._object(oid, limit)
        if found is None:
            raise Unreadable(f"the clone does not hold object {oid}")
        if found[0] != "blob":
            raise Unreadable(f"object {oid} is a {found[0]}, not a file")
        return found[1]

    def find(self, root: str, path: str) -> Entry | None:
        """What stands at a raw path below the directory `root`; "" is `root` itself."""
        here = Entry(0o040000, "", root)
        for part in path.split("/") if path else ():
            below = self.tree(here.oid) if here.is_tree else None
            step = next((e for e in below or () if e.name == part), None)
            if step is None:
                return None
            here = step
        return here

    def read_path(self, name: str, path: str) -> bytes | None:
        """The bytes of one file (shown path from the root) at a branch, tag or commit; None when there is no such file."""
        commit = self.commit(self.resolve(name))
        found = self.find(commit.tree, unshow(path)) if commit else None
        return self.blob(found.oid) if found and found.mode >> 12 == 0o10 else None

    def sizes(self, oids: Sequence[str]) -> Iterator[int | None]:
        """The size of each object in bytes; None for one that the clone does not hold."""
        for i in range(0, len(oids), _CHUNK):
            part = oids[i : i + _CHUNK]
            with self._lock:
                out = self._send("--batch-check", part)
                answers = [out.readline().split() for _ in part]
                if [a[:1] for a in answers] != [[oid.encode()] for oid in part]:
                    self.close()
                    raise UsageError(f"{self.path}: git cannot read the object store")
            yield from (int(a[2]) if len(a) == 3 else None for a in answers)

    def _of_kind(self, oid: str, kind: str) -> bytes | None:
        """The bytes of a commit or directory; None when it is not there."""
        try:
            found = self._object(oid, MAX_FILE) if oid else None
        except TooLarge:
            return None
        except Damaged as e:
            raise UsageError(f"{self.path}: {e}") from None
        return found[1] if found and found[0] == kind else None

    def _object(self, oid: str, limit: int) -> tuple[str, bytes] | None:
        with self._lock:
            out = self._send("--batch", (oid,))
            header = out.readline().split()
            if header == [oid.encode(), b"missing"]:
                return None
            if len(header) != 3 or header[0] != oid.encode():
                self.close()
                raise Damaged(f"git cannot read object {oid}")
            size = int(header[2])
            if size > limit:
                self.close()  # cheaper and safer than reading past the body
                raise TooLarge(f"{size:,} bytes are more than the {limit:,} that are read of one file")
            body = out.read(size + 1)
            if len(body) != size + 1:
                self.close()
                raise Damaged(f"object {oid} is damaged")
            return header[1].decode(), body[:-1]

    def _send(self, kind: str, oids: Sequence[str]) -> IO[bytes]:
        if self._pid != os.getpid():  # after a fork the parent's processes are not ours to use or to end
            self._live, self._pid = {}, os.getpid()
            weakref.finalize(self, _stop, self._live, self._pid)
        process = self._live.get(kind)
        if process is None or process.poll() is not None:
            process = self._live[kind] = _start(kind, self.objects)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("".join(f"{oid}\n" for oid in oids).encode())
            process.stdin.flush()
        except OSError as e:
            self.close()
            raise UsageError(f"{self.path}: the git process that reads the clone ended ({e})") from None
        return process.stdout

    def _ask(self, *args: str) -> str:
        return git("-C", self.path, *args, what=str(self.path))


def _start(kind: str, objects: str) -> subprocess.Popen[bytes]:
    with tempfile.TemporaryDirectory(prefix="scorefirst-") as own:
        (Path(own) / "HEAD").write_text("ref: refs/heads/none\n")
        (Path(own) / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        for name in ("objects", "refs"):
            (Path(own) / name).mkdir()
        process = subprocess.Popen(
            ["git", *OPTIONS, f"--git-dir={own}", "cat-file", kind],
            env=environment() | {"GIT_OBJECT_DIRECTORY": objects, "GIT_CONFIG_GLOBAL": "/dev/null"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=1 << 16,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        # One question, so that git has read its set-up before the directory goes.
        process.stdin.write(b"0" * 40 + b"\n")
        process.stdin.flush()
        answered = process.stdout.readline()
    if not answered:
        process.wait(10)
        raise UsageError(f"git cannot read the object store {objects}")
    return process


def _stop(live: dict[str, subprocess.Popen[bytes]], pid: int) -> None:
    while live:
        _, process = live.popitem()
        if pid != os.getpid():
            continue
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # the process may have gone first
                    pipe.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _parse_commit(oid: str, data: bytes) -> Commit:
    tree, parents, times = "", [], {"author": 0, "committer": 0}
    for line in data.split(b"\n\n", 1)[0].decode("utf-8", "replace").split("\n"):
        key, _, value = line.partition(" ")
        if key == "tree" and _OID.fullmatch(value):
            tree = value
        elif key == "parent" and _OID.fullmatch(value):
            parents.append(value)
        elif key in times:
            words = value.rsplit(" ", 2)
            times[key] = int(words[1]) if len(words) == 3 and _SECONDS.fullmatch(words[1]) else 0
    return Commit(oid, tree, tuple(parents), times["author"], times["committer"])


def _parse_tree(data: bytes) -> Iterator[Entry]:
    at = 0
    while at < len(data):
        space = data.index(b" ", at)
        nul = data.index(b"\0", space)
        if nul + 21 > len(data):
            raise ValueError("the last entry is cut off")
        yield Entry(
            int(data[at:space], 8),
            data[space + 1 : nul].decode("utf-8", "surrogateescape"),
            data[nul + 1 : nul + 21].hex(),
        )
        at = nul + 21
