"""The command line that makes bubblewrap build the child's world."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from auditor.trace.sandbox.box import Box
from auditor.trace.sandbox.view import SYSTEM, SYSTEM_FILES, interpreter, python_places

WORK, HOME, TEMPORARY, INSIDE_LAUNCHER = "/box/work", "/box/home", "/tmp", "/box/launcher.pyc"
INNER_USER = 1000  # what an ordinary caller looks like inside
GPU_FILES = (
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
    *(f"/dev/nvidia{n}" for n in range(16)),
    "/dev/nvidia-caps",
)
GPU_PLACES = ("/sys/module/nvidia",)  # the libraries are below /usr
EMPTY = Path("/sys/bus/pci/devices")  # gloo lists it and gives up if it cannot
ACCOUNTS = {
    "passwd": "root:x:0:0:root:/nonexistent:/bin/false\nbox:x:{uid}:{uid}:box:/box/home:/bin/sh\n",
    "group": "root:x:0:\nbox:x:{uid}:\n",
    "hosts": "127.0.0.1 localhost box\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


def program() -> str | None:
    """Where bubblewrap is; never looked for in the current folder."""
    return shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin")


def write_accounts(folder: Path, uid: int) -> None:
    """The few files below /etc that programs ask for, with nothing of the host in them."""
    folder.mkdir()
    for name, text in ACCOUNTS.items():
        (folder / name).write_text(text.format(uid=uid))
        (folder / name).chmod(0o644)


def arguments(
    bwrap: str, box: Box, places: dict[str, Path], uid: int | None, read_all: bool, fds: dict[str, int]
) -> list[str]:
    """bubblewrap's command up to the launcher.

    With `uid` we are root: no user namespace is needed, and the launcher becomes that user, so
    it keeps the two capabilities for that. Otherwise a user namespace gives the child a number of its own;
    there the first process of the namespace, which is bubblewrap's, runs as the same user, and its memory in
    /proc/1 could be written: that folder is covered.
    """
    argv = [bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    argv += ["--hostname", "box", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if uid is None:
        argv += ["--unshare-user", "--uid", str(INNER_USER), "--gid", str(INNER_USER)]
    else:
        kept = ("CAP_SETUID", "CAP_SETGID", *(("CAP_DAC_READ_SEARCH",) if read_all else ()))
        argv += [word for name in kept for word in ("--cap-add", name)]
    argv += ["--seccomp", str(fds["filter"]), "--info-fd", str(fds["info"])]
    for name in SYSTEM:
        if os.path.islink(name):
            argv += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            argv += ["--ro-bind", name, name]
    for name in (*SYSTEM_FILES, *(GPU_PLACES if "cuda" in box.devices else ())):
        if os.path.exists(name):
            argv += [*folders_above(Path(name)), "--ro-bind", name, name]
    argv += [*folders_above(EMPTY), "--perms", "0755", "--dir", str(EMPTY)]
    for name in ACCOUNTS:
        argv += ["--ro-bind", str(places["etc"] / name), f"/etc/{name}"]
    argv += ["--proc", "/proc", "--perms", "0555", "--tmpfs", "/proc/1", "--dev", "/dev"]
    argv += ["--perms", "1777", "--size", str(shared_memory(box)), "--tmpfs", "/dev/shm"]
    if "cuda" in box.devices:
        argv += [word for name in GPU_FILES for word in ("--dev-bind-try", name, name)]
    # Host paths come last: one of them may lie below the host's /tmp.
    argv += folders_above(Path(WORK))
    argv += ["--bind", str(places["work"]), WORK, "--bind", str(places["home"]), HOME]
    argv += ["--bind", str(places["tmp"]), TEMPORARY, "--ro-bind", str(places["launcher"]), INSIDE_LAUNCHER]
    for path in python_places():
        argv += [*folders_above(path), "--ro-bind", str(path), str(path)]
    for mount in box.read_only:
        at = Path(WORK, mount.inside) if mount.inside else mount.host
        argv += [*folders_above(at), "--ro-bind", str(mount.host), str(at)]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--"]
    return [*argv, str(interpreter()), "-I", "-S", INSIDE_LAUNCHER]


def folders_above(path: Path) -> list[str]:
    """Options that make the folders above a mount ones that any user may enter; bubblewrap would shut them."""
    return [word for folder in reversed(path.parents[:-1]) for word in ("--perms", "0755", "--dir", str(folder))]


def shared_memory(box: Box) -> int:
    """The size of /dev/shm: the watcher cannot see files in it that nobody maps, so it is bounded by itself."""
    return max(box.limits.memory_bytes // 4, 1 << 20)
