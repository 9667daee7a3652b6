"""Attempts on what a child gets from its parent, and on what its own start obeys."""

from __future__ import annotations

from auditor.trace.sandbox.attempts.registry import Attempt
from auditor.trace.sandbox.attempts.scene import Scene
from auditor.trace.sandbox.box import Outcome

GROUP = "inheritance"
PLANTED = "print('GOT to run before the program')\n"


def attempt(name: str, title: str, code: str, *, harmless: bool = False) -> Attempt:
    return Attempt(name=name, group=GROUP, title=title, code="import os\n" + code, harmless=harmless)


def nothing_planted_ran(scene: Scene, outcome: Outcome) -> str:
    return "a file of the work directory ran before the program" if b"before the program" in outcome.stdout else ""


ATTEMPTS = (
    attempt(
        "descriptors",
        "read descriptors that the parent has left open",
        """
for fd in range(3, 300):
    try: print(fd, os.pread(fd, 200, 0))
    except OSError: pass
try: print(os.read(F["handle"], 200))
except OSError: pass
""",
    ),
    attempt(
        "proc-descriptors",
        "open descriptors of other processes again",
        """
for pid in (F["host"], F["victim"], os.getppid(), 1):
    for fd in range(64):
        try: print(open(f"/proc/{pid}/fd/{fd}", "rb").read(200) if fd > 2 else "")
        except OSError: pass
for name in os.listdir("/proc/self/fd"):
    if int(name) > 3: print(name, os.readlink(f"/proc/self/fd/{name}"))
""",
        harmless=False,
    ),
    attempt(
        "environment",
        "read the environment of this and of other processes",
        """
print(dict(os.environ))
for pid in os.listdir("/proc") if os.access("/proc", os.R_OK) else []:
    if pid.isdigit():
        try: print(open(f"/proc/{pid}/environ").read())
        except OSError: pass
for pid in (F["host"], F["victim"], os.getppid(), 1):
    try: print(open(f"/proc/{pid}/environ").read())
    except OSError: pass
""",
        harmless=True,
    ),
    attempt(
        "terminal",
        "type into the terminal of the host",
        """
import fcntl, termios
for name in ("/dev/tty", "/dev/console", "/dev/tty1"):
    try: fd = os.open(name, os.O_RDWR)
    except OSError: continue
    got(f"the terminal {name}") if name != "/dev/console" else None
for fd in (0, 1, 2):
    for request in (termios.TIOCSTI, 0x541C, 0x5423):
        try: fcntl.ioctl(fd, request, b" "); got("typed into the terminal")
        except OSError as e:
            if e.errno not in (1, 25): got(str(e))
            if e.errno == 25: got("an ioctl that only the lack of a terminal stopped")
""",
    ),
    attempt(
        "own-terminal",
        "type into a terminal of its own with the calls that would type into others",
        """
import fcntl, pty, termios
master, slave = pty.openpty()
for request in (termios.TIOCSTI, 0x541C):
    try: fcntl.ioctl(slave, request, b"x"); got("typed")
    except OSError as e:
        if e.errno != 1: got(str(e))
""",
    ),
    Attempt(
        name="sitecustomize",
        group=GROUP,
        title="run code at the start by sitecustomize, usercustomize and .pth files",
        code="print('nothing else')",
        files=(
            ("sitecustomize.py", PLANTED),
            ("usercustomize.py", PLANTED),
            ("planted.pth", "import sys; " + PLANTED),
            ("runpy.py", PLANTED),
            ("json.py", PLANTED),
            ("pyvenv.cfg", "include-system-site-packages = true\n"),
            (".local/lib/python3/site-packages/planted.pth", "import sys; " + PLANTED),
        ),
        judge=nothing_planted_ran,
    ),
    attempt(
        "setuid",
        "become another user through setuid programs and calls",
        """
import subprocess, time
for change in (os.setuid, os.seteuid, os.setgid):
    if os.getuid() != 0:
        try: change(0); got("user 0")
        except OSError: pass
status = open("/proc/self/status").read() if os.access("/proc/self/status", os.R_OK) else "NoNewPrivs:\\t1"
if "NoNewPrivs:\\t1" not in status: got("a process that may gain privileges")
for name in ("su", "passwd", "mount", "newgrp", "chfn"):
    for folder in ("/usr/bin", "/bin"):
        if os.path.exists(f"{folder}/{name}") and os.getuid() != 0:
            p = subprocess.Popen([f"{folder}/{name}"], stdin=subprocess.PIPE, stdout=-3, stderr=-3)
            try:
                uids = next(x for x in open(f"/proc/{p.pid}/status") if x.startswith("Uid:")).split()
                if uids[2] == "0": got(f"user 0 by {name}")
            except (OSError, StopIteration): pass
            p.kill(); p.wait()
""",
    ),
    attempt(
        "capabilities",
        "hold a capability that changes anything",
        """
allowed = 1 << 2  # to read any file that is in sight
for line in open("/proc/self/status"):
    if line.startswith(("CapPrm", "CapEff", "CapAmb")) and int(line.split()[1], 16) & ~allowed: got(line)
""",
        harmless=True,
    ),
    attempt(
        "preload",
        "have a library of the submission loaded into a privileged program",
        """
import subprocess
os.environ["LD_PRELOAD"] = os.path.abspath("evil.so")
os.environ["LD_LIBRARY_PATH"] = os.getcwd()
open("evil.so", "wb").write(b"not a library")
subprocess.run(["/bin/true"])
for name in ("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/ld.so.conf.d/mine.conf"):
    try: os.close(os.open(name, os.O_WRONLY | os.O_CREAT)); got(name)
    except OSError: pass
""",
    ),
)
