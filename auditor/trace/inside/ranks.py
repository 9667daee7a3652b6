"""Several ranks: processes forked before the program starts, and one between them that hands round what they give each other.

There is no network in the sandbox. Each rank has one end of a socket pair; all that goes over it is in order, so that every run takes
the same course. With the data go the clocks, so that the host can put the ranks' books together: `t` tells what
came before what, `known` whose weights or gradients a rank has heard of. Totals and flags are small and carry no weights.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

LENGTH = struct.Struct("<Q")
LOOK = 0.1  # seconds between looks at who has ended
GONE = "Connection closed by peer"


class Exchange:
    """A rank's end."""

    def __init__(self, rank: int, size: int, end: socket.socket) -> None:
        self.rank, self.size, self.end = rank, size, end
        self.t = 0
        self.known = [0] * size
        self.clock: Any = None  # the script's, once it is there
        self.before: Callable[[], None] = lambda: None  # what is not yet in the book is written before the clocks move
        self.turns: dict[int, int] = {}
        self.lock = threading.Lock()

    def stamp(self) -> dict[str, Any]:
        """What a record in the book says of its time."""
        return {"t": self.t, "known": list(self.known)}

    def swap(self, group: int, ranks: Sequence[int], data: Any, *, flows: bool = False) -> list[Any]:
        """What all ranks of a group give, in their order. `flows`: it may carry what a rank has learned."""
        with self.lock:
            turn = self.turns[group] = self.turns.get(group, 0) + 1
            self._send("all", (group, turn), tuple(ranks), data, flows)
            answer = receive(self.end)
            if not answer:
                raise RuntimeError(GONE)
            return self._heard(pickle.loads(answer))

    def post(self, to: int, tag: int, data: Any, *, flows: bool) -> None:
        with self.lock:
            self._send("post", (self.rank, to, tag), (), data, flows)

    def take(self, of: int, tag: int) -> Any:
        with self.lock:
            self._send("take", (of, self.rank, tag), (), None, False)
            answer = receive(self.end)
            if not answer:
                raise RuntimeError(GONE)
            return self._heard(pickle.loads(answer))[0]

    def _send(self, kind: str, key: tuple[int, ...], ranks: tuple[int, ...], data: Any, flows: bool) -> None:
        self.before()
        if flows:
            self.known[self.rank] += 1
        mine = (self.t, list(self.known) if flows else None, self.clock.now if self.clock else 0.0, data)
        send(self.end, pickle.dumps((kind, key, ranks, pickle.dumps(mine))))

    def _heard(self, messages: Sequence[bytes]) -> list[Any]:
        given = [pickle.loads(m) for m in messages]
        self.t = max(self.t, *(g[0] for g in given)) + 1
        for _, known, now, _ in given:
            if known:
                self.known = list(map(max, self.known, known))
            if self.clock:
                self.clock.now = max(self.clock.now, now)
        return [g[3] for g in given]


def send(end: socket.socket, message: bytes) -> None:
    end.sendall(LENGTH.pack(len(message)) + message)


def receive(end: socket.socket) -> bytes:
    """One message, empty where there will be none."""
    head = _exactly(end, LENGTH.size)
    return _exactly(end, LENGTH.unpack(head)[0]) if head else b""


def _exactly(end: socket.socket, count: int) -> bytes:
    out = bytearray()
    while len(out) < count:
        try:
            piece = end.recv(min(count - len(out), 1 << 20))
        except ConnectionError:
            return b""
        if not piece:
            return b""
        out += piece
    return bytes(out)


def split(size: int) -> Exchange:
    """Become `size` processes. The one that was here before stays between them and ends with them."""
    pairs = [socket.socketpair() for _ in range(size)]
    children = []
    for rank in range(size):
        pid = os.fork()
        if not pid:
            for other, (here, there) in enumerate(pairs):
                here.close()
                if other != rank:
                    there.close()
            return Exchange(rank, size, pairs[rank][1])
        children.append(pid)
    for _, there in pairs:
        there.close()
    code = 1
    try:
        code = Between([here for here, _ in pairs], children).serve()
    finally:
        os._exit(code)


class Between:
    """Waits until all of a group have given, then gives to all."""

    def __init__(self, ends: list[socket.socket], children: list[int]) -> None:
        self.ends = ends
        self.living = dict(enumerate(children))
        self.waiting: dict[tuple[Any, ...], dict[int, bytes]] = {}
        self.posted: dict[tuple[int, ...], deque[bytes]] = {}
        self.wanted: set[tuple[int, ...]] = set()

    def serve(self) -> int:
        """The run's exit code: 0, or that of the first rank that failed, with which the others end."""
        with selectors.DefaultSelector() as selector:
            for rank, end in enumerate(self.ends):
                selector.register(end, selectors.EVENT_READ, rank)
            while self.living:
                for key, _ in selector.select(LOOK):
                    message = receive(self.ends[key.data])
                    if message:
                        self.heard(key.data, *pickle.loads(message))
                    else:
                        selector.unregister(key.fileobj)
                if code := self.ended():
                    return code
        return 0

    def heard(self, rank: int, kind: str, key: tuple[int, ...], ranks: tuple[int, ...], data: bytes) -> None:
        if kind == "all":
            given = self.waiting.setdefault((*key, ranks), {})
            given[rank] = data
            if set(given) == set(ranks):
                del self.waiting[*key, ranks]
                answer = pickle.dumps([given[r] for r in ranks])
                for r in ranks:
                    self.answer(r, answer)
            elif not set(ranks) - set(given) <= set(self.living):
                self.answer(rank, b"")
        elif kind == "post":
            self.posted.setdefault(key, deque()).append(data)
        else:
            self.wanted.add(key)
        for key in [k for k in self.wanted if self.posted.get(k)]:
            self.wanted.discard(key)
            self.answer(key[1], pickle.dumps([self.posted[key].popleft()]))

    def answer(self, rank: int, message: bytes) -> None:
        try:
            send(self.ends[rank], message)
        except OSError:  # it has ended meanwhile
            return

    def ended(self) -> int:
        """Collect the ranks that have ended; who waits for one of them waits no longer."""
        for rank, pid in list(self.living.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            del self.living[rank]
            code = os.waitstatus_to_exitcode(status)
            if code:
                for other in self.living.values():
                    os.kill(other, signal.SIGKILL)
                return code if code > 0 else 128 - code
            for key, given in list(self.waiting.items()):
                if rank in key[-1] and rank not in given:
                    del self.waiting[key]
                    for r in given:
                        self.answer(r, b"")
            for k in [k for k in self.wanted if k[0] == rank]:
                self.wanted.discard(k)
                self.answer(k[1], b"")
        return 0
