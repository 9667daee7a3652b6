"""Runs a command in a box, watches it, ends it, and leaves nothing of it behind."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from auditor.trace.sandbox import watch
from auditor.trace.sandbox.box import Box, Channel, Limit, Mode, Outcome, SandboxFailed
from auditor.trace.sandbox.places import Places, places
from auditor.trace.sandbox.sealing import command_line
from auditor.trace.sandbox.watch import Watcher

Tell = Callable[[str, bytes], None]
PIECE = 1 << 16
PATIENCE = 10.0  # seconds for the sandbox itself to start, and to end


def run(box: Box, command: Sequence[str], *, mode: Mode | None = None, tell: Tell | None = None) -> Outcome:
    """Run a command; give how it ended, when nothing of it runs any more.

    The mode is the strongest that this machine has. `tell(stream, bytes)` hears stdout and stderr as
    they come. Raises `NoSandbox` where nothing can seal the run, `SandboxFailed` if the setting up failed.
    """
    if mode is None:
        from auditor.trace.sandbox.detect import mode as detected

        mode = detected()
    with ExitStack() as stack:
        where = stack.enter_context(places(box, mode))
        session = Session(box, mode, tell)
        stack.callback(session.close)
        session.start(where, command)
        try:
            session.follow()
        finally:  # also on Ctrl-C
            session.end()
        return session.outcome()


@dataclass
class Line:
    """One open channel: our end of its socket and what waits to be sent."""

    channel: Channel
    end: socket.socket
    received: int = 0
    waiting: bytearray = field(default_factory=bytearray)


class Session:
    """One run, from the first descriptor to the last process."""

    def __init__(self, box: Box, mode: Mode, tell: Tell | None) -> None:
        self.box, self.mode, self.tell = box, mode, tell
        self.limit = Limit.NONE
        self.output = {"stdout": bytearray(), "stderr": bytearray()}
        self.status = bytearray()
        self.info = bytearray()
        self.selector = selectors.DefaultSelector()
        self.resources = ExitStack()
        self.resources.callback(self.selector.close)
        self.process: subprocess.Popen[bytes] | None = None
        self.watcher: Watcher | None = None
        self.life: int | None = None
        self.inner = -1  # descriptor of the first process of the namespace
        self.began = time.monotonic()
        self.wall_s = 0.0
        self.used = (0.0, 0.0)

    def start(self, where: Places, command: Sequence[str]) -> None:
        """Start the launcher; its descriptors become ours to read."""
        given: list[int] = []

        def ours(fd: int) -> int:
            self.resources.callback(close_quietly, fd)
            return fd

        def pipe(name: str) -> int:
            read, write = os.pipe()
            given.append(write)
            os.set_blocking(ours(read), False)
            self.selector.register(read, selectors.EVENT_READ, name)
            return write

        with ExitStack() as until_started:
            until_started.callback(close_all, given)
            env = dict(where.env)
            lines: list[int] = []
            for channel in self.box.channels:
                host, child = socket.socketpair()
                self.resources.callback(host.close)
                host.setblocking(False)
                given.append(child.detach())
                lines.append(given[-1])
                env[channel.variable] = str(given[-1])
                self.selector.register(host, selectors.EVENT_READ, Line(channel, host))
            fds = {"stdout": pipe("stdout"), "stderr": pipe("stderr"), "status": pipe("status")}
            if self.mode is Mode.BUBBLEWRAP:
                fds["info"] = pipe("info")
                read, write = os.pipe()
                given.append(read)
                fds["filter"] = read
                os.write(write, where.filter)
                os.close(write)
            else:
                read, self.life = os.pipe()
                given.append(read)
                fds["life"] = read
            argv = command_line(self.box, self.mode, where, fds, lines, command)
            passed = [fd for name, fd in fds.items() if name not in ("stdout", "stderr")] + lines
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=fds["stdout"],
                stderr=fds["stderr"],
                pass_fds=passed,
                env=env,
                cwd="/",
                start_new_session=True,
            )
        finished = ours(os.pidfd_open(self.process.pid))
        self.selector.register(finished, selectors.EVENT_READ, "finished")
        self.watcher = Watcher(self.process.pid, self.box.limits, where.writable)

    def follow(self) -> None:
        """Read, answer and watch until the program or a limit ends the run."""
        assert self.watcher
        next_look = 0.0
        while not self.limit:
            now = time.monotonic()
            if now - self.began > self.box.limits.wall_s:
                self.limit = Limit.WALL
                return
            if now >= next_look:
                spent = time.thread_time()
                self.limit = self.limit or self.watcher.look()
                # Looking takes at most a fifth of our time; on a busy machine, where we wait, it is not looked less often.
                next_look = now + max(watch.QUICK, 4 * (time.thread_time() - spent))
            until = min(next_look, self.began + self.box.limits.wall_s)
            if self.serve(max(0.0, until - time.monotonic())):
                return

    def serve(self, timeout: float) -> bool:
        """Handle what is ready; true when the program has ended."""
        ended = False
        for key, events in self.selector.select(timeout):
            if key.data == "finished":
                ended = True
            elif isinstance(key.data, Line):
                self.talk(key.data, events)
            else:
                self.hear(key.data, key.fd)
        return ended

    def hear(self, name: str, fd: int) -> None:
        try:
            data = os.read(fd, PIECE)
        except BlockingIOError:
            return
        if not data:
            self.selector.unregister(fd)
            return
        if name == "status":
            self.status += data[:PIECE]
        elif name == "info":
            self.info += data
            self.find_inner()
        else:
            room = self.box.limits.output_bytes - sum(map(len, self.output.values()))
            kept = data[: max(room, 0)]
            self.output[name] += kept
            if self.tell and kept:
                self.tell(name, kept)
            if len(data) > room:
                self.limit = self.limit or Limit.OUTPUT

    def find_inner(self) -> None:
        with suppress(ValueError, KeyError, OSError):
            if self.inner < 0:
                self.inner = os.pidfd_open(int(json.loads(self.info)["child-pid"]))
                self.resources.callback(close_quietly, self.inner)

    def talk(self, line: Line, events: int) -> None:
        """Take what came over a channel and send what waits for it."""
        try:
            if events & selectors.EVENT_READ:
                data = line.end.recv(PIECE)
                if not data:
                    self.selector.unregister(line.end)
                    return
                line.received += len(data)
                if line.received > line.channel.limit:
                    self.limit = self.limit or Limit.CHANNEL
                    return
                line.waiting += line.channel.take(data) or b""
                if len(line.waiting) > line.channel.limit:
                    self.limit = self.limit or Limit.CHANNEL
            if line.waiting:
                sent = line.end.send(line.waiting)
                del line.waiting[:sent]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self.selector.unregister(line.end)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.waiting else 0)
        self.selector.modify(line.end, wanted, line)

    def end(self) -> None:
        """Kill what still runs and wait until it is gone; then read what is left in the pipes."""
        process = self.process
        if process is None:
            return
        if self.watcher:
            self.watcher.look()
        if self.mode is Mode.BUBBLEWRAP:
            self.end_namespace(process)
        else:
            self.end_keeper(process)
        self.wall_s = time.monotonic() - self.began
        self.drain()

    def drain(self) -> None:
        """Read what the dead have left in the pipes, within the limits."""
        while self.limit not in (Limit.OUTPUT, Limit.CHANNEL):
            ready = [key for key, _ in self.selector.select(0) if key.data not in ("finished", "info")]
            if not ready:
                return
            for key in ready:
                if isinstance(key.data, Line):
                    self.talk(key.data, selectors.EVENT_READ)
                else:
                    self.hear(key.data, key.fd)

    def end_namespace(self, process: subprocess.Popen[bytes]) -> None:
        """With its first process a namespace dies; that one is gone only after all others."""
        if self.inner < 0:
            for key, _ in self.selector.select(0):
                if key.data == "info":
                    self.hear("info", key.fd)
        if self.inner >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.inner, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
        if self.inner >= 0:
            gone = selectors.DefaultSelector()
            gone.register(self.inner, selectors.EVENT_READ)
            gone.select(PATIENCE)
            gone.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def end_keeper(self, process: subprocess.Popen[bytes]) -> None:
        """The keeper sweeps when its life line is cut; if it does not, we do."""
        if self.life is not None:
            os.close(self.life)
            self.life = None
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            for pid in watch.below(process.pid):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()

    def close(self) -> None:
        if self.life is not None:
            os.close(self.life)
        self.resources.close()

    def outcome(self) -> Outcome:
        """What the run came to; a sandbox that never got to the program is an error."""
        assert self.process
        assert self.watcher
        told = self.status.decode("utf-8", "replace").strip()
        stderr = bytes(self.output["stderr"])
        if "error:" in told or (not told and not self.limit):
            said = told.partition("error:")[2] or stderr.decode("utf-8", "replace") or f"exit {self.process.returncode}"
            raise SandboxFailed(f"the sandbox ({self.mode.value}) could not start the program: {said.strip()[:500]}")
        returned = self.process.returncode
        number = -returned if returned < 0 else returned - 128 if 128 < returned <= 128 + signal.SIGRTMAX else None
        limit = self.limit
        if number == signal.SIGXCPU:  # the kernel was faster than we
            limit = limit or Limit.CPU
        return Outcome(
            mode=self.mode,
            code=returned if number is None else None,
            signal=number,
            limit=limit,
            wall_s=self.wall_s,
            cpu_s=self.watcher.cpu_s,
            peak_memory=self.watcher.peak_memory,
            peak_tasks=self.watcher.peak_tasks,
            stdout=bytes(self.output["stdout"]),
            stderr=stderr,
        )


def close_quietly(fd: int) -> None:
    with suppress(OSError):
        os.close(fd)


def close_all(fds: list[int]) -> None:
    for fd in fds:
        close_quietly(fd)
