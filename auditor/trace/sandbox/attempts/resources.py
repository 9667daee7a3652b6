"""Attempts to use up the machine."""

from __future__ import annotations

from dataclasses import replace

from auditor.trace.sandbox.attempts.registry import SMALL, Attempt, Judge
from auditor.trace.sandbox.attempts.scene import Scene
from auditor.trace.sandbox.box import MB, Limit, Limits, Outcome

GROUP = "resources"


def bounded(*, memory: int = 0, tasks: int = 0, processor: float = 0) -> Judge:
    """Judge by what the watcher saw from outside."""

    def judge(scene: Scene, outcome: Outcome) -> str:
        if memory and outcome.peak_memory > memory:
            return f"it held {outcome.peak_memory // MB} MB"
        if tasks and outcome.peak_tasks > tasks:
            return f"it ran {outcome.peak_tasks} threads"
        if processor and outcome.cpu_s > processor:
            return f"it used {outcome.cpu_s:.1f} s of processor time"
        return ""

    return judge


def attempt(
    name: str,
    title: str,
    code: str,
    *ends: Limit,
    limits: Limits = SMALL,
    judge: Judge | None = None,
    must_end: bool = True,
) -> Attempt:
    return Attempt(
        name, GROUP, title, "import os\n" + code, judge=judge, limits=limits, ends=frozenset(ends), must_end=must_end
    )


MEMORY = bounded(memory=5 * SMALL.memory_bytes)  # on a busy machine the watcher is late

ATTEMPTS = (
    attempt(
        "fork-bomb",
        "fork without end",
        """
import time
until = time.monotonic() + 4
while time.monotonic() < until:
    try:
        os.fork()
    except OSError: time.sleep(0.005)
time.sleep(1)
""",
        Limit.PROCESSES,
        Limit.CPU,
        judge=bounded(tasks=2 * SMALL.processes),
        must_end=False,
    ),
    attempt(
        "thread-bomb",
        "start threads without end",
        """
import threading, time
started = 0
try:
    for _ in range(2000):
        threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
        started += 1
except RuntimeError: pass
if started > 200: got(f"{started} threads")
time.sleep(0.2)
""",
        Limit.PROCESSES,
        judge=bounded(tasks=2 * SMALL.processes),
        must_end=False,
    ),
    attempt(
        "memory",
        "take memory without end",
        """
kept = []
for _ in range(3000):
    kept.append(bytearray(os.urandom(1024)) * 4096)
got("12 GB")
""",
        Limit.MEMORY,
        judge=MEMORY,
    ),
    attempt("memory-at-once", "take all memory in one piece", 'x = bytearray(60 << 30); got("60 GB")', Limit.MEMORY),
    attempt(
        "memory-in-children",
        "take memory in many processes",
        """
import time
for _ in range(40):
    if os.fork() == 0:
        x = bytearray(b"1" * (100 << 20))
        time.sleep(20)
        os._exit(0)
time.sleep(20)
got("4 GB")
""",
        Limit.MEMORY,
        judge=MEMORY,
    ),
    attempt(
        "memory-shared",
        "take shared memory, which no limit of a process counts",
        """
import mmap
kept = []
for _ in range(200):
    m = mmap.mmap(-1, 16 << 20)
    for at in range(0, 16 << 20, 4096): m[at] = 1
    kept.append(m)
got("3.2 GB")
""",
        Limit.MEMORY,
        judge=MEMORY,
    ),
    attempt(
        "memory-files",
        "take memory as files that lie in memory",
        """
written = 0
for folder in ("/dev/shm", "/run", "/dev", "/"):
    try:
        for n in range(100):
            with open(f"{folder}/fill{n}", "wb") as f:
                for _ in range(15): written += f.write(b"1" * (1 << 20))
    except OSError: pass
if written > 400 << 20: got(f"{written >> 20} MB of files in memory")
""",
        Limit.MEMORY,
        must_end=False,
    ),
    attempt(
        "memory-pipes",
        "take memory of the kernel by full pipes",
        """
import fcntl
filled, kept = 0, []
try:
    for _ in range(2000):
        r, w = os.pipe()
        kept.append((r, w))
        os.set_blocking(w, False)
        try: fcntl.fcntl(w, 1031, 1 << 20)
        except OSError: pass
        try:
            while True: filled += os.write(w, b"1" * 65536)
        except BlockingIOError: pass
except OSError: pass
if filled > 400 << 20: got(f"{filled >> 20} MB in pipes")
""",
        must_end=False,
    ),
    attempt("spin", "compute without end", "while True: pass", Limit.CPU, limits=replace(SMALL, cpu_s=2)),
    attempt(
        "spin-in-children",
        "compute in children that are thrown away one after the other",
        """
import signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody collects their times
until = time.monotonic() + 25
while time.monotonic() < until:
    pid = os.fork()
    if pid == 0:
        end = time.process_time() + 0.3
        while time.process_time() < end: pass
        os._exit(0)
    try: os.waitpid(pid, 0)
    except OSError: pass
got("more time")
""",
        Limit.CPU,
        limits=replace(SMALL, cpu_s=2),
        judge=bounded(processor=6),
    ),
    attempt("output", "write without end", 'while True: os.write(1, b"x" * 65536)', Limit.OUTPUT),
    attempt("errors", "write errors without end", 'while True: os.write(2, b"x" * 65536)', Limit.OUTPUT),
    attempt(
        "channel",
        "write to the ledger without end",
        'while True: os.write(int(os.environ["SCOREFIRST_LEDGER"]), b"x" * 65536)',
        Limit.CHANNEL,
    ),
    attempt(
        "large-file",
        "write one large file",
        """
with open("large", "wb", 0) as f:
    while f.tell() < 200 << 20: f.write(b"1" * (1 << 20))
got("200 MB in one file")
""",
        Limit.DISK,
        must_end=False,
    ),
    attempt(
        "sparse-file",
        "make a file of a terabyte",
        'f = open("sparse", "w"); os.truncate(f.fileno(), 1 << 40); got("a terabyte")',
        must_end=False,
    ),
    attempt(
        "many-files",
        "fill the disk with files",
        """
import time
for folder in (".", os.environ["HOME"], os.environ["TMPDIR"]):
    for n in range(40):
        with open(f"{folder}/f{n}", "wb") as f: f.write(b"1" * (15 << 20))
time.sleep(3)
got("1.8 GB in files")
""",
        Limit.DISK,
        limits=replace(SMALL, wall_s=60),
    ),
    attempt(
        "deleted-files",
        "fill the disk with files that no folder shows",
        """
import time
kept = []
for n in range(60):
    f = open("hidden", "wb", 0)
    os.unlink("hidden")
    f.write(b"1" * (15 << 20))
    kept.append(f)
time.sleep(3)
got("900 MB in deleted files")
""",
        Limit.DISK,
        limits=replace(SMALL, wall_s=60),
    ),
    attempt(
        "empty-files",
        "make files without number",
        """
import time
for n in range(200000): open(f"e{n}", "w").close()
time.sleep(3)
got("200000 files")
""",
        Limit.DISK,
    ),
    attempt(
        "descriptors-flood",
        "open files without end",
        """
kept = []
try:
    while len(kept) < 5000: kept.append(os.dup(0))
except OSError: pass
if len(kept) > 1000: got(f"{len(kept)} descriptors")
""",
        must_end=False,
    ),
    attempt(
        "deep-folders",
        "leave a tree that is too deep, and too closed, to remove",
        """
for _ in range(900):
    os.mkdir("d")
    open("f", "w").close()
    os.chdir("d")
os.mkdir("shut")
os.chmod("shut", 0)
""",
        Limit.DISK,
        limits=replace(SMALL, files=5000),
        must_end=False,
    ),
)
