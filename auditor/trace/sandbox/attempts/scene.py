"""The host side of the check: secrets to steal, things to break, doors to knock at, and a look whether anything did."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditor.trace.sandbox.places import remove
from auditor.trace.sandbox.syscalls import NUMBERS, machine, number

VICTIM = "import sys, time; held = sys.stdin.readline(); print('up', id(held), flush=True); time.sleep(3600)"
VARIABLE = "SCOREFIRST_SECRET_OF_THE_HOST"


@dataclass
class Listener:
    """A socket of the host that nobody should reach."""

    name: str
    socket: socket.socket

    def visited(self) -> bool:
        """Whether anyone came since the last look."""
        came = False
        while True:
            try:
                if self.socket.type == socket.SOCK_DGRAM:
                    self.socket.recv(100)
                else:
                    self.socket.accept()[0].close()
            except BlockingIOError:
                return came
            came = True


@dataclass
class Scene:
    """All secrets are random and unlike each other; everything on disk is open to every user, so that only the sandbox
    stands in between."""

    folder: Path
    victim: subprocess.Popen[bytes]
    facts: dict[str, Any]
    mark: str
    secrets: dict[str, str] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)

    def leaked(self, *texts: bytes) -> str:
        """Which secret shows in what came out of the sandbox."""
        for what, secret in self.secrets.items():
            if any(secret.encode() in text for text in texts):
                return f"it read {what}"
        return ""

    def disturbed(self) -> str:
        """What has changed on the host, in words; an empty string if nothing."""
        visited = [x.name for x in self.listeners if x.visited()]
        if visited:
            return f"it reached the host by {' and '.join(visited)}"
        now = self.state()
        for what, value in self.before.items():
            if now[what] != value:
                return f"it changed {what}"
        alive = self.survivors()
        if alive:
            return f"{len(alive)} of its processes outlived it"
        return ""

    def state(self) -> dict[str, Any]:
        target = self.folder / "open" / "target"
        facts = target.stat() if target.exists() else None
        return {
            "a file of the host": facts
            and (target.read_bytes(), facts.st_mode, facts.st_uid, facts.st_nlink, facts.st_mtime_ns),
            "what it was given to read": (self.folder / "given.txt").read_text(),
            "the host's files": sorted(p.name for p in (self.folder / "open").iterdir()),
            "another process": (self.victim.poll(), stopped(self.victim.pid), self.knobs(self.victim.pid)),
            "the host's own process": self.knobs(os.getpid()),
            "the host's name": os.uname().nodename,
        }

    @staticmethod
    def knobs(pid: int) -> Any:
        import resource

        try:
            core = resource.prlimit(pid, resource.RLIMIT_CORE)
            return os.getpriority(os.PRIO_PROCESS, pid), sorted(os.sched_getaffinity(pid)), core
        except OSError:
            return None

    def survivors(self) -> list[int]:
        """Processes of this check that still run; a moment is given to those that are just dying."""
        found: list[int] = []
        for pause in (0, 0.05, 0.2):
            time.sleep(pause)
            found = [int(n) for n in os.listdir("/proc") if n.isdigit() and self.marked(n)]
            if not found:
                break
        return found

    def marked(self, pid: str) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                return self.mark.encode() in f.read()
        except OSError:
            return False

    def settle(self) -> None:
        """Remember how things are; differences from here on are somebody's doing."""
        self.before = self.state()


def stopped(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False


@contextmanager
def scene() -> Iterator[Scene]:
    """Set the scene up, take it down."""
    folder = Path(tempfile.mkdtemp(prefix="scorefirst-scene-"))
    with ExitStack() as stack:
        stack.callback(remove, folder)
        folder.chmod(0o755)
        known = {name: secrets.token_hex(12) for name in ("a file", "the environment", "memory", "a descriptor")}
        (folder / "secret").write_text(known["a file"])
        (folder / "given.txt").write_text("what is given to read")
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        target = folder / "open" / "target"
        target.write_text("as it was")
        target.chmod(0o666)
        inherited = folder / "inherited"
        inherited.write_text(known["a descriptor"])
        handle = os.open(inherited, os.O_RDONLY)
        stack.callback(os.close, handle)
        os.set_inheritable(handle, True)
        os.environ[VARIABLE] = known["the environment"]
        stack.callback(os.environ.pop, VARIABLE, None)
        victim = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", VICTIM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd=folder,
        )
        stack.callback(end, victim)
        assert victim.stdin
        assert victim.stdout
        victim.stdin.write(known["memory"].encode() + b"\n")
        victim.stdin.flush()
        address = int(victim.stdout.readline().split()[1])
        listeners = list(listening(folder))
        for listener in listeners:
            stack.callback(listener.socket.close)
        facts = {
            "secret": str(folder / "secret"),
            "open": str(folder / "open"),
            "target": str(target),
            "victim": victim.pid,
            "address": address,
            "host": os.getpid(),
            "handle": handle,
            "home": os.path.expanduser("~"),
            "uid": os.geteuid(),
            "tcp": port(listeners, "TCP"),
            "tcp6": port(listeners, "TCP over IPv6"),
            "udp": port(listeners, "UDP"),
            "unix": str(folder / "open" / "socket"),
            "datagrams": str(folder / "open" / "datagrams"),
            "abstract": abstract(listeners, "an abstract socket"),
            "abstract_datagrams": abstract(listeners, "an abstract datagram socket"),
            "nr": {name: number(name, machine()) for name in NUMBERS} if machine() else {},
        }
        made = Scene(folder, victim, facts, secrets.token_hex(12), known, listeners)
        made.settle()
        yield made


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def port(listeners: list[Listener], name: str) -> int:
    return next((int(x.socket.getsockname()[1]) for x in listeners if x.name == name), 0)


def abstract(listeners: list[Listener], name: str) -> str:
    """The name of an abstract socket, without the zero byte in front."""
    return next((x.socket.getsockname()[1:].decode() for x in listeners if x.name == name), "")


def listening(folder: Path) -> Iterator[Listener]:
    """Sockets of every kind that this host can listen on."""
    kinds: list[tuple[str, int, int, Any]] = [
        ("TCP", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        ("TCP over IPv6", socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
        ("UDP", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        ("a socket file", socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "open" / "socket")),
        ("an abstract socket", socket.AF_UNIX, socket.SOCK_STREAM, "\0scorefirst-" + secrets.token_hex(6)),
    ]
    kinds += [
        ("a datagram socket file", socket.AF_UNIX, socket.SOCK_DGRAM, str(folder / "open" / "datagrams")),
        ("an abstract datagram socket", socket.AF_UNIX, socket.SOCK_DGRAM, "\0scorefirst-" + secrets.token_hex(6)),
    ]
    for name, family, sort, address in kinds:
        try:
            made = socket.socket(family, sort)
            made.bind(address)
            if sort == socket.SOCK_STREAM:
                made.listen(8)
            if isinstance(address, str) and not address.startswith("\0"):
                os.chmod(address, 0o777)
        except OSError:
            continue  # e.g. a host without IPv6
        made.setblocking(False)
        yield Listener(name, made)
