"""Where the program looks whether it is watched: noticed by the interpreter's own audit events, which nobody can ask for.

What has hardly another use in a training script: other objects and frames, tracing, what the process has open and how it
was sealed. Looks that raise no event (torch's stack of modes) are told from the text, and from whether their line ran.
"""

from __future__ import annotations

import os
import re
import sys
from types import FrameType
from typing import Any

from .book import Book

WHAT = {
    "gc.get_objects": "objects and frames that are not its own",
    "gc.get_referrers": "objects and frames that are not its own",
    "gc.get_referents": "objects and frames that are not its own",
    "sys._current_frames": "objects and frames that are not its own",
    "sys.settrace": "who traces it",
    "sys.setprofile": "who traces it",
}
PATHS = frozenset(("open", "os.listdir", "os.scandir"))
SEALED = re.compile(
    r"/proc/(?:self|thread-self|\d+)/(?:fd|fdinfo|maps|smaps|environ|cmdline|mountinfo|mounts|ns|cgroup|attr|task|root|exe)\b"
    r"|/dev/fd\b|/\.dockerenv\Z"
)
OPEN = "how its own process was started and sealed, or what it has open"
NAMES = re.compile(
    r"(?i)(?:^|_)(?:scorefirst|pytest|sandbox\w*|landlock|bwrap|bubblewrap|seccomp|tracer|auditor)(?:$|_)"
)
BETWEEN = ("os", "io", "glob", "pathlib", "posixpath", "genericpath", "inspect", "_collections_abc", "traceback")
MOST = 50


class Looks:
    def __init__(self, book: Book) -> None:
        self.book = book
        self.busy = False
        self.known: set[tuple[str, int, str]] = set()
        self.here = os.path.dirname(os.path.abspath(__file__))
        self.between = tuple(f"{os.path.dirname(os.__file__)}/{n}.py" for n in BETWEEN)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in WHAT and event not in PATHS:
            return
        if self.busy:
            return
        self.busy = True
        try:
            if event in WHAT:
                self.note(WHAT[event])
            elif args and isinstance(args[0], str | bytes) and SEALED.search(os.path.normpath(os.fsdecode(args[0]))):
                self.note(OPEN)
        finally:
            self.busy = False

    def named(self, name: object) -> None:
        """A variable of the environment is read."""
        if isinstance(name, str) and NAMES.search(name):
            self.note(f"the variable {name}")

    def note(self, what: str) -> None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not self.book.mine(frame.f_code):
            file = frame.f_code.co_filename
            if not file.startswith((self.here, "<frozen")) and not file.endswith(self.between):
                return  # a library looks, for itself
            frame = frame.f_back
        if frame is None:
            return
        key = (frame.f_code.co_filename, frame.f_lineno, what)
        if key not in self.known and len(self.known) < MOST:
            self.known.add(key)
            self.book.write("look", what=what, where=self.book.where())


def install(book: Book) -> None:
    looks = Looks(book)
    environment = type(os.environ)
    read = environment.__getitem__

    def __getitem__(self: Any, key: Any) -> Any:
        looks.named(key)
        return read(self, key)

    environment.__getitem__ = __getitem__  # type: ignore[method-assign]
    sys.addaudithook(looks.hook)
