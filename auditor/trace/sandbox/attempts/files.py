"""Attempts on files that are not the child's."""

from __future__ import annotations

from auditor.trace.sandbox.attempts.registry import Attempt, Judge
from auditor.trace.sandbox.attempts.scene import Scene
from auditor.trace.sandbox.box import Outcome

GROUP = "files"


def attempt(name: str, title: str, code: str, *, harmless: bool = True, judge: Judge | None = None) -> Attempt:
    return Attempt(name=name, group=GROUP, title=title, code="import os\n" + code, harmless=harmless, judge=judge)


def no_hosts_accounts(scene: Scene, outcome: Outcome) -> str:
    return "it read the host's accounts" if b"daemon:" in outcome.stdout else ""


ATTEMPTS = (
    attempt("read", "read a file by its path", 'print(open(F["secret"]).read())'),
    attempt(
        "read-dots",
        "read it by way of many ..",
        'print(open("../" * 40 + F["secret"].lstrip("/")).read())',
    ),
    attempt(
        "read-symlink",
        "read it through a link in the work directory",
        'os.symlink(F["secret"], "link"); print(open("link").read())',
    ),
    attempt(
        "read-hardlink",
        "read it through a second name for it",
        'os.link(F["secret"], "name"); print(open("name").read())',
    ),
    attempt(
        "read-proc-root",
        "read it through the root of another process",
        """
for pid in (1, F["host"], F["victim"], os.getppid(), "self"):
    for way in ("root", "cwd/../.."):
        try: print(open(f"/proc/{pid}/{way}/{F['secret']}").read())
        except OSError: pass
""",
    ),
    attempt(
        "read-openat2",
        "read it from a descriptor of the root",
        """
fd = os.open("/", os.O_RDONLY | os.O_PATH)
print(os.read(os.open(F["secret"].lstrip("/"), os.O_RDONLY, dir_fd=fd), 100))
""",
    ),
    attempt(
        "read-by-handle",
        "open a file of the host by its number, past all paths",
        """
import struct
for root in (b".", b"/", b"/usr"):
    fd = os.open(root, os.O_RDONLY)
    for inode in (2, 64, 128):
        handle = ctypes.create_string_buffer(struct.pack("=IiII", 8, 1, inode, 0), 24)
        try:
            call("open_by_handle_at", fd, handle, os.O_RDONLY)
            got("a directory by its number")
        except OSError as e:
            if e.errno not in (1, 13, 38): got(f"an answer of the kernel: {e}")
""",
    ),
    attempt(
        "list-host",
        "list the folder of the host and its home",
        """
if os.path.isdir(os.path.dirname(F["secret"])) and os.listdir(os.path.dirname(F["secret"])): got("a listing")
if os.listdir(F["home"]) not in ([], [".pyenv"]): got("the home directory")
""",
    ),
    attempt(
        "accounts",
        "read the host's accounts and passwords",
        """
for name in ("/etc/passwd", "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/sudoers"):
    try: print(open(name).read())
    except OSError: pass
""",
        judge=no_hosts_accounts,
    ),
    attempt("write-new", "make a file on the host", 'open(F["open"] + "/new", "w").write("x")'),
    attempt("write-over", "write over a file of the host", 'open(F["target"], "w").write("broken")'),
    attempt("append", "append to a file of the host", 'open(F["target"], "a").write("more")'),
    attempt("truncate", "cut a file of the host", 'os.truncate(F["target"], 1)'),
    attempt("unlink", "delete a file of the host", 'os.unlink(F["target"])'),
    attempt(
        "rename-over",
        "move something over a file of the host",
        'open("mine", "w").write("x"); os.rename("mine", F["target"])',
    ),
    attempt("rename-away", "move a file of the host here", 'os.rename(F["target"], "here")'),
    attempt("link-out", "leave a link on the host", 'os.symlink("/etc/passwd", F["open"] + "/link")'),
    attempt("chmod", "change who may read a file of the host", 'os.chmod(F["target"], 0o7777)'),
    attempt("utime", "change the time of a file of the host", 'os.utime(F["target"], (1, 1))'),
    attempt("chown", "give a file of the host away", 'os.chown(F["target"], 12345, 12345)'),
    attempt(
        "xattr",
        "hang an attribute on a file of the host",
        'os.setxattr(F["target"], "user.mine", b"x"); got("an attribute")',
    ),
    attempt(
        "write-submission",
        "change what is given for reading",
        """
for how in ("w", "a", "r+"):
    try: open("given.txt", how).write("changed"); got("a changed file")
    except OSError: pass
print(open("given.txt").read())
""",
        harmless=False,
    ),
    attempt(
        "write-interpreter",
        "change Python itself and its packages",
        """
import sys, json
for name in (json.__file__, sys.executable, os.path.dirname(json.__file__) + "/new.py", "/usr/bin/new"):
    try:
        os.close(os.open(name, os.O_WRONLY | (os.O_CREAT if "new" in name else 0)))
        got(f"{name} for writing")
    except OSError: pass
""",
        harmless=False,
    ),
    attempt(
        "write-system",
        "change what the whole system loads",
        """
for name in ("/etc/ld.so.preload", "/etc/passwd", "/etc/hosts", "/root/.profile", "/var/spool/cron/mine", "/box/launcher.pyc"):
    for flags in (os.O_WRONLY, os.O_WRONLY | os.O_CREAT):
        try: os.close(os.open(name, flags)); got(f"{name} for writing")
        except OSError: pass
""",
        harmless=False,
    ),
    attempt(
        "write-proc-sys",
        "turn the knobs of the kernel",
        """
for name in ("kernel/core_pattern", "kernel/modprobe", "kernel/hostname", "vm/overcommit_memory", "fs/suid_dumpable"):
    try: os.close(os.open("/proc/sys/" + name, os.O_WRONLY)); got(name)
    except OSError: pass
try: os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY)); got("sysrq")
except OSError: pass
""",
    ),
    attempt(
        "write-sys",
        "write to /sys and to control groups",
        """
for top in ("/sys/kernel", "/sys/fs/cgroup", "/sys/module", "/sys/class", "/sys/devices/system/cpu"):
    for folder, _, names in os.walk(top):
        if folder.count("/") > 5: continue
        for name in names[:20]:
            try: os.close(os.open(f"{folder}/{name}", os.O_WRONLY)); got(f"{folder}/{name}"); raise SystemExit
            except OSError: pass
""",
    ),
    attempt(
        "device-nodes",
        "make and open devices",
        """
import stat
for kind, number in ((stat.S_IFCHR, os.makedev(1, 1)), (stat.S_IFBLK, os.makedev(254, 0)), (stat.S_IFBLK, os.makedev(8, 0))):
    try:
        os.mknod("device", 0o666 | kind, number)
        os.unlink("device")
        got("a device node")
    except OSError: pass
for name in ("/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/kvm", "/dev/fuse",
             "/dev/net/tun", "/dev/loop-control", "/dev/vsock", "/proc/kcore", "/dev/cpu/0/msr", "/dev/uinput"):
    try: os.close(os.open(name, os.O_RDONLY)); got(name)
    except OSError: pass
""",
    ),
)
