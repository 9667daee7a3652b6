"""Bounds on unpacking, counted in work and bytes so that a hostile file ends with one clear sentence."""

from __future__ import annotations

MAX_INPUT = 24_000_000  # bytes of a file that is looked at
MAX_DECODED = 64_000_000  # bytes that all decoding steps of one file may produce together
MAX_DEPTH = 8  # wrappers inside wrappers
MAX_WORK = 1_000_000  # units: about one per syntax node evaluated, one per 256 bytes moved
MAX_CALLS = 40  # nested calls of the file's own helper functions
MAX_ITEMS = 2_000_000  # length of a list that is built while following the code
MAX_BITS = 64_000_000  # size of an integer


class Stop(Exception):
    """Unpacking of this file ends here. The text is half a sentence: what was met and which limit."""


class Exhausted(Stop):
    """The work limit was passed, as opposed to a limit on bytes or depth."""


class Corrupt(Exception):
    """A decoding step failed on its input. The text says which step and why."""


class Budget:
    """Counts what unpacking one file has cost so far and raises `Stop` when a limit is passed."""

    def __init__(self, work: int = MAX_WORK, decoded: int = MAX_DECODED) -> None:
        self.work_left = work
        self.decoded_left = decoded
        self.work_limit = work
        self.decoded_limit = decoded

    def work(self, units: int = 1) -> None:
        """Charge `units` of work."""
        self.work_left -= units
        if self.work_left < 0:
            raise Exhausted(f"following its code takes more than {self.work_limit:,} steps")

    def moved(self, size: int) -> None:
        """Charge an operation that copies `size` bytes or characters; refuse one above the byte limit."""
        if size > self.decoded_limit:
            raise Stop(f"one step of its code makes more than {self.decoded_limit:,} bytes")
        self.work(1 + size // 256)

    def decoded(self, size: int) -> None:
        """Charge `size` bytes that came out of a decoder."""
        self.decoded_left -= size
        if self.decoded_left < 0:
            raise Stop(f"it unpacks to more than {self.decoded_limit:,} bytes")
