"""What a Python program needs to see of the machine, and nothing else of it."""

from __future__ import annotations

import marshal
import os
import secrets
import stat
import sys
import sysconfig
from collections.abc import Iterable
from functools import cache
from importlib.util import MAGIC_NUMBER
from pathlib import Path

from auditor.trace.sandbox.box import Box
from auditor.trace.sandbox.launcher import FIRST_UID

SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin")
SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/alternatives",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
)
GPU_LIBRARIES = ("/usr/local/nvidia/lib64", "/usr/local/nvidia/lib")  # where containers have the driver's
NOBODY = 65534
LAUNCHER = Path(__file__).with_name("launcher.py")


def interpreter() -> Path:
    """The Python that starts the launcher, free of any virtual environment."""
    return Path(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))


@cache
def compiled_launcher() -> bytes:
    """The launcher as a `.pyc` file for that interpreter: Python would compile a script anew at each start."""
    code = compile(LAUNCHER.read_bytes(), "launcher.py", "exec", dont_inherit=True)
    return MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def python_places() -> list[Path]:
    """The running Python's installation and its virtual environment, unless the system's folders hold them."""
    paths = sysconfig.get_paths()
    wanted = [sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix, paths["stdlib"], paths["platstdlib"]]
    wanted += [str(interpreter().parent)]
    return outermost(Path(p) for p in wanted if not p.startswith("/usr/") and p not in ("/usr", "/"))


def outermost(paths: Iterable[Path]) -> list[Path]:
    """The paths that exist and lie in none of the others."""
    kept: list[Path] = []
    for path in sorted({p for p in paths if p.exists()}, key=lambda p: len(p.parts)):
        if not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return kept


def environment(box: Box, home: str, temporary: str) -> dict[str, str]:
    """A clean environment: nothing of the caller's, the child's own folders, and what the box asks for."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": temporary,
        "USER": "box",
        "LOGNAME": "box",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **({"LD_LIBRARY_PATH": ":".join(GPU_LIBRARIES)} if "cuda" in box.devices else {}),
        **box.env,
    }


def new_user() -> int | None:
    """A user to become when we are root: one that exists for this run only; None for an ordinary user.

    Inside a user namespace that has no such number it is `nobody`, or, failing that, None.
    """
    if os.geteuid() != 0:
        return None
    fresh = FIRST_UID + secrets.randbelow(FIRST_UID)
    return next((uid for uid in (fresh, NOBODY) if mapped(uid, "uid_map") and mapped(uid, "gid_map")), None)


def mapped(number: int, table: str) -> bool:
    try:
        lines = Path("/proc/self", table).read_text().splitlines()
    except OSError:
        return False
    return any(int(first) <= number < int(first) + int(count) for first, _, count in map(str.split, lines))


def open_to_all(paths: Iterable[Path], *, from_root: bool) -> bool:
    """Whether any user can reach and read these paths themselves (`from_root`: every folder above them, too)."""
    for path in paths:
        chain = [path, *path.parents] if from_root else [path]
        for step in chain:
            try:
                mode = step.stat().st_mode
            except OSError:
                continue
            needed = stat.S_IXOTH if stat.S_ISDIR(mode) else 0
            needed |= stat.S_IROTH if step is path else 0
            if mode & needed != needed:
                return False
    return True


PYTHON_START = """\
import runpy, sys
sys.path[1:1] = [p for p in sys.argv[1].split(":") if p]
sys.argv = sys.argv[2:]
if sys.argv[0] == "-c":
    code = sys.argv.pop(1)
    exec(compile(code, "<given>", "exec"), {"__name__": "__main__"})
else:
    sys.path.insert(0, __import__("os").path.dirname(__import__("os").path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


def python_command(script: str, *arguments: str, packages: Iterable[Path] = (), code: str = "") -> tuple[str, ...]:
    """The command that runs a script (or `code`) under this Python, isolated.

    `-I -S`: no variable of the environment, no user's packages, no `.pth` file and no `sitecustomize` is obeyed;
    `packages` are the only places besides the standard library and the script's own folder that imports look in.
    """
    where = ":".join(map(str, packages))
    what = ("-c", code) if code else (script,)
    return (str(interpreter()), "-I", "-S", "-u", "-c", PYTHON_START, where, *what, *arguments)


def site_packages() -> list[Path]:
    """Where this Python's third-party packages lie."""
    paths = sysconfig.get_paths()
    return [p for p in dict.fromkeys(Path(paths[k]) for k in ("purelib", "platlib")) if p.is_dir()]
