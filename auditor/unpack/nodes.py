"""What following a file leaves behind: the texts that would run, and the code that could not be followed."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field

from auditor.unpack.values import Unknown, Value

SHORT = 200  # characters: a shorter plain string that is executed is glue, not a program


class Raised(Exception):
    """The code that is followed would raise here; `value` stands for the failed result."""

    def __init__(self, value: Unknown) -> None:
        super().__init__(value.why)
        self.value = value


@dataclass(eq=False)
class Node:
    """A text that would be executed, and the texts that it executes in turn.

    `steps` leads from the parent's text to this one. `name` is a file name where the code gave one.
    """

    text: str
    steps: tuple[str, ...] = ()
    name: str = ""
    line: int = 0
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    problem: str = ""
    encoding: str = "utf-8"
    sure: bool = True  # False in a function that nothing was seen to call

    @functools.cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def glue(self) -> bool:
        """A short plain string that is executed, such as an assignment; hardly a program."""
        return not self.steps and len(self.text) < SHORT

    @property
    def above(self) -> list[Node]:
        """This node and all that it lies in, innermost first."""
        out, node = [], self
        while True:
            out.append(node)
            if node.parent is None:
                return out
            node = node.parent


@dataclass(frozen=True, slots=True)
class Unread:
    """Code that would run but that could not be followed: where, in which text, and why."""

    node: Node
    line: int
    why: Unknown


@dataclass(slots=True)
class Frame:
    """What a function call has returned and yielded so far."""

    returns: list[Value] = field(default_factory=list)
    yields: list[Value] = field(default_factory=list)
