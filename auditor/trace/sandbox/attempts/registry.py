"""What an escape attempt is, and where all of them are listed.

Another module adds its own by `register(Attempt(...))`, e.g. the tracer those against its clock and its books.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from auditor.trace.sandbox.attempts.scene import Scene
from auditor.trace.sandbox.box import MB, Limit, Limits, Mode, Outcome

Judge = Callable[[Scene, Outcome], str]

SMALL = Limits(
    wall_s=30,
    cpu_s=15,
    memory_bytes=400 * MB,
    processes=64,
    output_bytes=1 * MB,
    file_bytes=16 * MB,
    disk_bytes=48 * MB,
    files=1000,
    open_files=256,
)


@dataclass(frozen=True)
class Attempt:
    """A program that tries to get out, and how to see from outside that it did not.

    `code` is Python. It finds `F`, the facts of the scene as a dictionary, `got(text)` to boast with, and `libc`,
    `call(name, ...)` and `door(name, ...)` for system calls. An OSError or MemoryError counts as a refusal. Whether
    it held is judged by the scene (nothing on the host changed, no secret came out), by the absence of a boast, and by
    `judge`, which gives the reason why it did not hold. `ends` are limits that may end it. `harmless` ones
    can be run unsealed, to show that they would succeed.
    """

    name: str
    group: str
    title: str
    code: str
    judge: Judge | None = None
    limits: Limits = SMALL
    ends: frozenset[Limit] = frozenset()
    must_end: bool = False  # ending by itself, unlimited, is an escape
    harmless: bool = False
    files: tuple[tuple[str, str], ...] = ()  # name and text of files that lie in the work directory
    only: frozenset[Mode] = field(default=frozenset(Mode))

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(f"name of an attempt: {self.name}")


_added: dict[str, Attempt] = {}


def register(attempt: Attempt) -> Attempt:
    """Add an attempt to those of `scorefirst sandbox check`."""
    if attempt.name in _added or any(a.name == attempt.name for a in built_in()):
        raise ValueError(f"there is already an attempt named {attempt.name}")
    _added[attempt.name] = attempt
    return attempt


def built_in() -> tuple[Attempt, ...]:
    """The attempts against the sandbox itself."""
    from auditor.trace.sandbox.attempts import files, inherited, kernel, network, processes, resources

    return tuple(a for m in (network, files, inherited, processes, kernel, resources) for a in m.ATTEMPTS)


def all_attempts() -> tuple[Attempt, ...]:
    """The built-in attempts, then the added ones."""
    return (*built_in(), *_added.values())
