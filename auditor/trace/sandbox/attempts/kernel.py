"""Attempts at doors of the kernel: mounts, namespaces, keys, modules, and calls that have opened kernels before."""

from __future__ import annotations

from auditor.trace.sandbox.attempts.registry import Attempt

GROUP = "kernel"


def attempt(name: str, title: str, code: str, *, harmless: bool = True) -> Attempt:
    return Attempt(name=name, group=GROUP, title=title, code="import os\n" + code, harmless=harmless)


ATTEMPTS = (
    attempt("mount", "mount something", 'door("mount", 0, 0, 0, 0x10000000, 0)'),
    attempt(
        "mount-tmpfs",
        "mount a file system over the work directory",
        'call("mount", b"x", b".", b"tmpfs", 0, 0); got("a mount")',
        harmless=False,
    ),
    attempt("umount", "take a mount away", 'door("umount2", b"/nonexistent-place", 2)'),
    attempt(
        "remount",
        "make what is read-only writable",
        'call("mount", b"none", b"/usr", 0, 0x1020, 0); got("a writable /usr")',
        harmless=False,
    ),
    attempt(
        "new-mounts",
        "use the newer calls for mounts",
        'for name in ("fsopen", "open_tree", "move_mount", "fsmount", "fsconfig", "fspick", "mount_setattr"): door(name, -1, 0, -1, 0, 0)',
    ),
    attempt("chroot", "change the root", 'door("chroot", b"/nonexistent-place")'),
    attempt("pivot-root", "exchange the root", 'door("pivot_root", b"/nonexistent-place", b"/nonexistent-place")'),
    attempt(
        "unshare-user",
        "make a user namespace to become its root",
        'call("unshare", 0x10000000); got("a user namespace")',
    ),
    attempt(
        "unshare-others",
        "make other namespaces",
        """
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000, 0x80):
    try: call("unshare", flag); got(hex(flag)); break
    except OSError: pass
""",
    ),
    attempt(
        "clone-user",
        "fork into a user namespace",
        """
pid = call("clone", 0x10000000 | 17, 0, 0, 0, 0)
if pid == 0: os._exit(0)
os.waitpid(pid, 0)
got("a child in a user namespace")
""",
    ),
    attempt(
        "clone3-user",
        "fork into a user namespace by the newer call",
        """
import struct
flags = ctypes.create_string_buffer(struct.pack("=8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64)
pid = call("clone3", flags, 64)
if pid == 0: os._exit(0)
os.waitpid(pid, 0)
got("a child in a user namespace")
""",
    ),
    attempt(
        "setns",
        "enter the namespaces of another process",
        """
for pid in (F["host"], F["victim"], 1, os.getppid()):
    for kind in ("mnt", "net", "pid", "user"):
        try: call("setns", os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), 0); got(kind)
        except OSError: pass
door("setns", -1, 0)
""",
        harmless=False,
    ),
    attempt("keyring", "keep a key in the kernel", 'call("add_key", b"user", b"mine", b"x", 1, -1); got("a key")'),
    attempt("keyring-read", "read the keys of the session", 'call("keyctl", 0, -3, 0); got("the session\'s keys")'),
    attempt("bpf", "load a program into the kernel", 'door("bpf", 0, 0, 0)'),
    attempt("perf", "watch the machine by its counters", 'door("perf_event_open", 0, 0, -1, -1, 0)'),
    attempt("io-uring", "queue calls past the filter", 'door("io_uring_setup", 0, 0)'),
    attempt(
        "userfaultfd",
        "hold the kernel up at a page",
        'fd = call("userfaultfd", 1); os.close(fd); got("a descriptor for page faults")',
    ),
    attempt(
        "kexec", "start another kernel", 'door("kexec_load", 0, 0, 0, -1); door("kexec_file_load", -1, -1, 0, 0, -1)'
    ),
    attempt(
        "module",
        "load a module",
        'door("init_module", 0, 0, 0); door("finit_module", -1, 0, 0); door("delete_module", 0, 0)',
    ),
    attempt("reboot", "reboot the machine", 'door("reboot", 0, 0, 0, 0)'),
    attempt(
        "clock",
        "set the clock of the machine",
        'door("clock_settime", -1, 0); door("settimeofday", -1, -1); door("adjtimex", 0)',
    ),
    attempt("hostname", "rename the machine", 'door("sethostname", 0, -1); door("setdomainname", 0, -1)'),
    attempt("swap", "turn swapping on and off", 'door("swapon", 0, 0); door("swapoff", 0)'),
    attempt("syslog", "read the log of the kernel", 'call("syslog", 10, 0, 0); got("the size of the log")'),
    attempt("fanotify", "watch all files of the machine", 'door("fanotify_init", 0xFFFFFFFF, 0)'),
    attempt("compare", "compare processes by their kernel addresses", 'door("kcmp", 0x7FFFFFFF, 0x7FFFFFFF, 0, 0, 0)'),
    attempt("personality", "change how the kernel treats it", 'call("personality", 0x0040000); got("fixed addresses")'),
    attempt(
        "memfd",
        "make a file that lies nowhere, and run it",
        'fd = call("memfd_create", b"x", 0); os.close(fd); got("a file in memory")',
    ),
    attempt(
        "system-v",
        "make shared memory that outlives it",
        'call("shmget", 0, 4096, 0o1600); got("shared memory")',
        harmless=False,
    ),
    attempt(
        "handles",
        "name files by numbers",
        'door("name_to_handle_at", -1, 0, 0, 0, 0); door("open_by_handle_at", -1, 0, 0)',
    ),
    attempt(
        "x32-table",
        "make a forbidden call by its second number",
        """
if os.uname().machine == "x86_64":
    for name, nr in (("unshare", F["nr"]["unshare"]), ("ptrace", 521), ("keyctl", F["nr"]["keyctl"])):
        ctypes.set_errno(0)
        r = libc.syscall(0x40000000 | nr, 0, 0, 0, 0)
        if r >= 0 or ctypes.get_errno() not in (1, 38): got(f"an answer to {name}")
""",
        harmless=False,
    ),
    attempt(
        "int80",
        "make a forbidden call through the 32-bit door",
        """
import mmap
if os.uname().machine == "x86_64":
    page = mmap.mmap(-1, 4096, prot=7)
    # eax = 310 (unshare), ebx = CLONE_FILES, int 0x80: harmless, and allowed to anybody
    page.write(b"\\x53\\xb8\\x36\\x01\\x00\\x00\\xbb\\x00\\x04\\x00\\x00\\xcd\\x80\\x5b\\xc3")
    function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    answer = function()
    if answer == 0: got("a call through the 32-bit door")
""",
    ),
    attempt(
        "unknown-calls",
        "make calls that are newer than the filter",
        """
for nr in (*range(457, 480), 510, 1000):
    ctypes.set_errno(0)
    r = libc.syscall(nr, -1, 0, 0, 0, 0, 0)
    if r >= 0 or ctypes.get_errno() != 38: got(f"an answer to call {nr}: errno {ctypes.get_errno()}"); break
""",
        harmless=False,
    ),
    attempt(
        "loosen-filter",
        "put a filter of its own in front that allows everything",
        """
import struct
code = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000), 8)
class Program(ctypes.Structure): _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
program = Program(1, ctypes.addressof(code))
libc.prctl(22, 2, ctypes.byref(program), 0, 0)
libc.prctl(38, 0, 0, 0, 0)
call("unshare", 0x10000000)
got("a user namespace")
""",
        harmless=False,
    ),
)
