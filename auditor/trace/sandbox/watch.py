"""Watches a tree of processes from outside: memory, processor time, number, and what it writes to disk."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from auditor.trace.sandbox.box import MB, Limit, Limits

TICKS = os.sysconf("SC_CLK_TCK")
QUICK, SLOW = 0.02, 0.4  # seconds between looks at processes, and at files
RESIDENT = ("RssAnon", "RssShmem", "VmSwap", "VmPTE")
SPARE = (
    16  # threads beyond the limit that are ours, or just ending; more mean that the kernel's own limit does not bind
)
FLOOR = 64 * MB  # with less left on the machine, memory or disk, the run is ended, whoever used it up
PROC = Path("/proc")


@dataclass
class Watcher:
    """Adds up what the processes below `root` use and says which limit they have passed.

    `root` itself is ours (bubblewrap or the keeper) and does not count.
    """

    root: int
    limits: Limits
    folders: tuple[Path, ...]
    peak_memory: int = 0
    peak_tasks: int = 0
    _processor: dict[tuple[int, int], float] = field(default_factory=dict)  # (pid, start) -> seconds seen
    _next_files: float = 0.0

    @property
    def cpu_s(self) -> float:
        """Seconds of all processes seen, those that have ended included."""
        return sum(self._processor.values())

    def look(self) -> Limit:
        """One look; the limit that is passed, if any."""
        pids = below(self.root)
        tasks = sum(self._note(pid) for pid in pids)
        self.peak_tasks = max(self.peak_tasks, tasks)
        memory = self._memory(pids)
        self.peak_memory = max(self.peak_memory, memory)
        if memory > self.limits.memory_bytes or available_memory() < FLOOR:
            return Limit.MEMORY
        if self.cpu_s > self.limits.cpu_s:
            return Limit.CPU
        if tasks > self.limits.processes + SPARE:
            return Limit.PROCESSES
        if time.monotonic() >= self._next_files:
            began = time.thread_time()
            if self._disk(pids):
                return Limit.DISK
            self._next_files = time.monotonic() + SLOW + 4 * (time.thread_time() - began)
        return Limit.NONE

    def _note(self, pid: int) -> int:
        """Take down a process's time; gives its number of threads."""
        try:
            fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return 0
        seconds = (int(fields[11]) + int(fields[12])) / TICKS
        self._processor[pid, int(fields[19])] = seconds
        return int(fields[17])

    def _memory(self, pids: list[int]) -> int:
        """What the processes hold. Pages that forks share are divided among them, once it matters."""
        each = {pid: resident(pid) for pid in pids}
        if sum(each.values()) <= self.limits.memory_bytes:
            return sum(each.values())
        total = 0
        for pid in sorted(pids, key=each.__getitem__, reverse=True):
            total += proportional(pid)  # slow for large processes: enough is enough
            if total > self.limits.memory_bytes:
                break
        return total

    def _disk(self, pids: list[int]) -> bool:
        size, count = written(self.folders, self.limits.files)
        size += sum(unlinked(pid) for pid in pids)
        if size > self.limits.disk_bytes or count > self.limits.files:
            return True
        try:
            return any(s.f_bavail * s.f_frsize < FLOOR for s in map(os.statvfs, self.folders))
        except OSError:
            return False


def below(root: int) -> list[int]:
    """All living descendants of a process."""
    found: list[int] = []
    fresh = [root]
    while fresh:
        fresh = [child for pid in fresh for child in children(pid)]
        found += fresh
        if len(found) > 100_000:  # process numbers were reused while we looked
            break
    return found


def children(pid: int) -> list[int]:
    kids: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return kids
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children", "rb") as f:
                kids += map(int, f.read().split())
        except OSError:
            continue
    return kids


def resident(pid: int) -> int:
    """Bytes of memory that only this process, or shared memory, accounts for; files on disk do not count."""
    try:
        text = (PROC / str(pid) / "status").read_text(errors="replace")
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if line.split(":")[0] in RESIDENT)


def proportional(pid: int) -> int:
    """Like `resident`, with each shared page divided by the number of its users."""
    total = 0
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text(errors="replace")
    except OSError:
        return resident(pid)
    for line in text.splitlines():
        if line.split(":")[0] in ("Pss_Anon", "Pss_Shmem", "SwapPss"):
            total += int(line.split()[1]) << 10
    return total


def available_memory() -> int:
    with open("/proc/meminfo") as f:
        for line in f:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 1 << 62


def written(folders: tuple[Path, ...], most: int) -> tuple[int, int]:
    """Bytes and number of the entries in some folders; stops when there are more than `most`."""
    size = count = 0
    waiting = [str(f) for f in folders]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                count += 1
                if count > most:
                    return size, count
                try:
                    facts = entry.stat(follow_symlinks=False)
                    size += facts.st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                except OSError:
                    continue
    return size, count


def unlinked(pid: int) -> int:
    """Bytes of deleted files that a process still holds open."""
    size = 0
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return 0
    for name in names:
        try:
            facts = os.stat(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if facts.st_nlink == 0 and facts.st_blocks:
            size += facts.st_blocks * 512
    return size


def tasks_of_user(uid: int) -> int:
    """How many threads a user runs: what RLIMIT_NPROC counts."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == uid:
                    total += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue
    return total
