"""Attempts on other processes, and to outlive the run."""

from __future__ import annotations

from auditor.trace.sandbox.attempts.registry import SMALL, Attempt
from auditor.trace.sandbox.box import Limit, Limits

GROUP = "processes"
BRIEF = Limits(wall_s=6, cpu_s=6, memory_bytes=SMALL.memory_bytes, processes=64)


def attempt(
    name: str,
    title: str,
    code: str,
    *,
    harmless: bool = True,
    ends: frozenset[Limit] = frozenset(),
    must_end: bool = False,
    limits: Limits = SMALL,
) -> Attempt:
    code = "import os, signal\n" + code
    return Attempt(name, GROUP, title, code, harmless=harmless, ends=ends, must_end=must_end, limits=limits)


ATTEMPTS = (
    attempt("signal-victim", "stop another process", 'os.kill(F["victim"], signal.SIGSTOP)'),
    attempt(
        "signal-host",
        "signal the host and every process above this one",
        """
for pid in {F["host"], os.getppid(), os.getsid(os.getppid()) if os.getppid() > 1 else 1} - {1, 0}:
    try: os.kill(pid, 0); got(f"a signal to process {pid}")
    except OSError: pass
""",
    ),
    attempt("signal-group", "stop another group of processes", 'os.killpg(F["victim"], signal.SIGSTOP)'),
    attempt(
        "signal-pidfd",
        "signal through a descriptor of a process",
        'signal.pidfd_send_signal(os.pidfd_open(F["victim"]), signal.SIGSTOP)',
    ),
    attempt(
        "signal-thread",
        "signal a thread of another process",
        """
nr = {"x86_64": 234, "aarch64": 131}[os.uname().machine]  # tgkill
if libc.syscall(nr, F["victim"], F["victim"], 19) == 0: got("a signal to a thread")
""",
    ),
    attempt(
        "kill-watcher",
        "kill what watches and ends this run",
        """
parent = os.getppid()
for pid in {parent, 1} if os.getpid() > 1 else ():
    if pid == 1 and parent != 1: continue
    try:
        os.kill(pid, signal.SIGSTOP)
        state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
        if state == "T": got("the watcher to stop")
    except OSError: pass
""",
        harmless=False,
    ),
    attempt(
        "slow-down",
        "push another process to the end of the queue",
        'os.setpriority(os.PRIO_PROCESS, F["victim"], 19)',
    ),
    attempt(
        "affinity",
        "take the processors from another process",
        'os.sched_setaffinity(F["victim"], {min(os.sched_getaffinity(0))})',
    ),
    attempt(
        "foreign-limits",
        "lower the limits of another process",
        'import resource; resource.prlimit(F["victim"], resource.RLIMIT_CORE, (0, 0))',
        harmless=False,
    ),
    attempt(
        "raise-limits",
        "raise its own limits",
        """
import resource
for what in ("DATA", "CPU", "NPROC", "FSIZE", "NOFILE"):
    which = getattr(resource, "RLIMIT_" + what)
    soft, hard = resource.getrlimit(which)
    try:
        resource.setrlimit(which, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if hard != resource.RLIM_INFINITY: got(f"more of {what}")
    except (OSError, ValueError): pass
""",
        harmless=False,
    ),
    attempt("ptrace", "trace another process", 'call("ptrace", 16, F["victim"], 0, 0); got("a traced process")'),
    attempt(
        "read-memory",
        "read the memory of another process",
        """
class Piece(ctypes.Structure): _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]
buffer = ctypes.create_string_buffer(200)
here, there = Piece(ctypes.addressof(buffer), 200), Piece(F["address"], 200)
try: call("process_vm_readv", F["victim"], ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
finally: print(buffer.raw)
""",
    ),
    attempt(
        "proc-memory",
        "read the memory of another process as a file",
        """
fd = os.open(f"/proc/{F['victim']}/mem", os.O_RDONLY)
print(os.pread(fd, 200, F["address"]))
""",
    ),
    attempt(
        "write-memory",
        "write into the memory of another process",
        """
class Piece(ctypes.Structure): _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]
buffer = ctypes.create_string_buffer(1)
here, there = Piece(ctypes.addressof(buffer), 1), Piece(F["address"] + 100, 1)
call("process_vm_writev", F["victim"], ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
got("a write")
""",
        harmless=False,
    ),
    attempt(
        "steal-descriptor",
        "take a descriptor out of another process",
        """
door("pidfd_getfd", -1, 0, 0)
fd = os.pidfd_open(F["victim"])
call("pidfd_getfd", fd, 0, 0)
got("a descriptor")
""",
    ),
    attempt(
        "first-process",
        "take over the first process of its own namespace, which no filter binds",
        """
for name in ("mem", "environ", "syscall"):
    for pid in {1, os.getppid()} - {os.getpid()}:
        try: os.close(os.open(f"/proc/{pid}/{name}", os.O_RDWR)); got(f"/proc/{pid}/{name}") if name == "mem" else None
        except OSError: pass
if call("ptrace", 16, 1, 0, 0) == 0: got("a traced first process")
""",
    ),
    attempt(
        "daemon",
        "fork twice, leave the session and live on",
        """
import time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(s, signal.SIG_IGN)
        libc.prctl(1, 0)  # no signal when the parent ends
        for fd in range(3): os.close(fd)
        time.sleep(300)
    os._exit(0)
os.wait()
""",
    ),
    attempt(
        "many-daemons",
        "leave a family of processes that keep forking behind",
        """
import time
def live(depth):
    until = time.monotonic() + 300
    while time.monotonic() < until:
        try:
            if os.fork() == 0:
                os.setsid()
                if depth < 3: live(depth + 1)
                os._exit(0)
            os.waitpid(-1, os.WNOHANG)
        except OSError: time.sleep(0.01)
if os.fork() == 0:
    live(0)
time.sleep(0.3)
""",
        harmless=False,
        ends=frozenset({Limit.PROCESSES}),
    ),
    attempt(
        "held-output",
        "keep the run from ending by a process that holds its output open",
        """
import time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(300)
""",
        limits=BRIEF,
    ),
    attempt(
        "sleep",
        "sleep past the limit",
        'import time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60); got("more time")',
        ends=frozenset({Limit.WALL}),
        must_end=True,
        limits=Limits(wall_s=2),
    ),
    attempt(
        "stopped",
        "stop itself, so that it never ends",
        "os.kill(os.getpid(), signal.SIGSTOP); import time; time.sleep(60)",
        ends=frozenset({Limit.WALL}),
        must_end=True,
        limits=Limits(wall_s=2),
    ),
    attempt(
        "closed-output",
        "close all it has open and go on",
        "os.closerange(0, 256); import time; time.sleep(60)",
        ends=frozenset({Limit.WALL}),
        must_end=True,
        limits=Limits(wall_s=2),
    ),
)
