"""The last trusted steps before the program: run inside the sandbox as `python -I -S launcher.pyc SPEC COMMAND...`.

Imports nothing of ours, so that nothing of ours has to be visible inside, and of the library only what is written in C: json,
typing, enum and their like would take half of the time of a start. SPEC is a dictionary, in hex as `marshal` writes it:

- `status`: descriptor that hears "ready" just before the program starts, or "error: ..." instead;
- `cwd`: where the program starts;
- `keep`: further descriptors that the program inherits; all others are closed;
- `rlimits`: names of `resource` constants with their value;
- `uid`: user and group to become, or null; `read_all` keeps the one capability to read files of others;
- `landlock`: {"abi": n, "rules": [[path, kind], ...]} with kind read, write or device, or null;
- `seccomp`: the filter as hex, or null where bubblewrap loads it;
- `life`: descriptor whose end of file means that the host is gone, or null. With it the launcher
  forks and stays behind as the keeper: it adopts every orphan and kills all of them in the end.
"""

from __future__ import annotations

import marshal
import os
import resource
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # checkers take the name for true; nothing is imported at run time
    from collections.abc import Iterable
    from typing import Any

signal: Any = __import__("_signal")  # the module in C, without the enumerations of `signal`

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 22, 24
PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER, PR_CAP_AMBIENT = 8, 38, 36, 47
CAP_DAC_READ_SEARCH = 2
FIRST_UID = 2_000_000_000  # users from here on are made up for one run and have no other process

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE, IOCTL_DEV = 1, 2, 4, 8, 1 << 14, 1 << 15
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
KINDS = {
    "read": EXECUTE | READ_FILE | READ_DIR,
    "write": ((1 << 15) - 1) & ~(MAKE_CHAR | MAKE_BLOCK),
    "device": READ_FILE | WRITE_FILE | IOCTL_DEV,
}


def main() -> None:
    spec, command = marshal.loads(bytes.fromhex(sys.argv[1])), sys.argv[2:]
    status: int = spec["status"]
    life: int | None = spec["life"]
    try:
        close_others([0, 1, 2, status, *spec["keep"], *([] if life is None else [life])])
        if life is not None:
            prctl(PR_SET_CHILD_SUBREAPER, 1)
            signal.signal(signal.SIGTERM, lambda number, frame: None)
            alarm, wake = os.pipe()
            signal.set_wakeup_fd(set_nonblocking(wake))
            signal.signal(signal.SIGCHLD, lambda number, frame: None)
            child = os.fork()
            if child:
                close_others([life, alarm, wake])
                keep(child, life, alarm, spec["uid"])
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for fd in (life, alarm, wake):
                os.close(fd)
            os.setsid()
        be_first_to_die()  # not the keeper: it has to outlive them
        seal(spec)
        if life is not None:  # only now: a change of user clears it
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.set_inheritable(status, False)
        for fd in spec["keep"]:
            os.set_inheritable(fd, True)
        os.write(status, b"ready\n")
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        os.execvp(command[0], command)
    except BaseException as e:
        os.write(status, f"error: {type(e).__name__}: {e}\n".encode())
        os._exit(126)


def seal(spec: dict[str, Any]) -> None:
    """Limits, user, Landlock, filter; each takes away what the next does not need any more."""
    for name, value in spec["rlimits"].items():
        limit(getattr(resource, name, None), value)
    landlock = spec["landlock"]
    if spec["uid"] is not None or landlock:
        drop_privileges(spec["uid"], spec["read_all"], bounding=bool(landlock))
    os.chdir(spec["cwd"])
    if landlock or spec["seccomp"]:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    if landlock:
        restrict_files(landlock["abi"], landlock["rules"])
    if spec["seccomp"]:
        load_filter(bytes.fromhex(spec["seccomp"]))


def close_others(kept: Iterable[int]) -> None:
    first = 0
    for fd in sorted(kept):
        if first < fd:  # an empty range would close everything
            os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 1 << 20)


def be_first_to_die() -> None:
    """When the machine runs out of memory, this tree goes first."""
    try:
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write("1000")
    except OSError:
        pass


def limit(which: int | None, value: int) -> None:
    if which is None:
        return
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    top = value + 3 if which == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else value
    resource.setrlimit(which, (value, top))


def drop_privileges(uid: int | None, read_all: bool, *, bounding: bool) -> None:
    """Become an ordinary user without capabilities, except the one to read when `read_all`.

    The `bounding` set is emptied, too, where bubblewrap has not done it already.
    """
    if uid is None and os.geteuid() != 0:
        return
    if read_all:
        prctl(PR_SET_KEEPCAPS, 1)
    for capability in range(64) if bounding else ():
        if not (read_all and capability == CAP_DAC_READ_SEARCH):
            prctl(PR_CAPBSET_DROP, capability, must=False)
    if uid is not None:
        try:
            os.setgroups([])
        except PermissionError:
            if os.getgroups() not in ([], [os.getgid()]):
                raise
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if uid is None or read_all:
        set_capabilities(1 << CAP_DAC_READ_SEARCH if read_all else 0)
    if read_all:
        prctl(PR_CAP_AMBIENT, 2, CAP_DAC_READ_SEARCH)


def set_capabilities(mask: int) -> None:
    import ctypes

    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, data):
        raise OSError(ctypes.get_errno(), "cannot give up capabilities")


def prctl(option: int, *arguments: int, must: bool = True) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    padded = [ctypes.c_ulong(a) for a in (*arguments, 0, 0, 0, 0)[:4]]
    if libc.prctl(ctypes.c_int(option), *padded) and must:
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


def landlock_abi() -> int:
    """The version of Landlock that the kernel speaks; 0 without it."""
    import ctypes

    return max(0, int(ctypes.CDLL(None, use_errno=True).syscall(LANDLOCK_CREATE, None, 0, 1)))


def restrict_files(abi: int, rules: list[tuple[str, str]]) -> None:
    """Forbid every file but those of `rules`, every TCP port, and signals and abstract sockets that lead outside."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    handled = HANDLED[min(abi, 5)]

    def call(number: int, *arguments: Any) -> int:
        result: int = libc.syscall(number, *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), f"Landlock refused call {number}")
        return result

    words = [handled, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0][: 1 if abi < 4 else 2 if abi < 6 else 3]
    attributes = (ctypes.c_uint64 * len(words))(*words)
    ruleset = call(LANDLOCK_CREATE, attributes, ctypes.sizeof(attributes), 0)
    for path, kind in rules:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        access = KINDS[kind] & handled
        if not os.path.isdir(path):
            access &= OF_A_FILE
        beneath = access.to_bytes(8, sys.byteorder) + fd.to_bytes(4, sys.byteorder)  # packed in the kernel, too
        call(LANDLOCK_ADD, ruleset, 1, ctypes.create_string_buffer(beneath, 12), 0)
        os.close(fd)
    call(LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def load_filter(code: bytes) -> None:
    import ctypes

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    buffer = ctypes.create_string_buffer(code, len(code))
    loaded = Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(loaded), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        raise OSError(ctypes.get_errno(), "the kernel refused the filter of system calls")


def set_nonblocking(fd: int) -> int:
    os.set_blocking(fd, False)
    return fd


def keep(child: int, life: int, alarm: int, uid: int | None) -> None:
    """Wait for the program or for the host's end, then leave no process behind; never returns."""
    status = None
    while status is None:
        ready = select.select([life, alarm], [], [])[0]
        if life in ready:
            break
        os.read(alarm, 4096)
        status = reap(child)[0]
    ended = sweep(child, uid)
    status = ended if status is None else status
    if status is None:
        os._exit(126)
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def reap(child: int) -> tuple[int | None, bool]:
    """Collect what has ended; gives the program's status, if it is among them, and whether any child is left."""
    status = None
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status, False
        if pid == 0:
            return status, True
        if pid == child:
            status = raw


def sweep(child: int, uid: int | None) -> int | None:
    """Kill all descendants until none is left; gives the program's status if it ends only now."""
    status, left = reap(child)
    while left:
        if uid is not None and uid >= FIRST_UID:
            kill_user(uid)
        found = descendants(os.getpid())
        for number in (signal.SIGSTOP, signal.SIGKILL):  # a stopped process forks no more
            for pid in found:
                try:
                    os.kill(pid, number)
                except (ProcessLookupError, PermissionError):
                    continue
        ended, left = reap(child)
        status = ended if status is None else status
        select.select([], [], [], 0.002 if left else 0)
    return status


def kill_user(uid: int) -> None:
    """One process of that user kills all others of it: no race with forks, the kernel holds them back meanwhile."""
    helper = os.fork()
    if helper == 0:
        try:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(helper, 0)


def descendants(root: int) -> list[int]:
    """All processes below one, found in /proc."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as f:
                    parents[int(name)] = int(f.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
    found, fresh = set[int](), {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return sorted(found)


if __name__ == "__main__":
    main()
