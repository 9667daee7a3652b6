"""The directories of one run: made, handed to the child, and removed whatever the child left there."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from auditor.submission.base import AuditorError
from auditor.trace.sandbox import bubblewrap
from auditor.trace.sandbox.box import Box, Mode, SandboxFailed
from auditor.trace.sandbox.filter import assemble
from auditor.trace.sandbox.syscalls import machine
from auditor.trace.sandbox.view import compiled_launcher, environment, interpreter, new_user, open_to_all, python_places


@dataclass(frozen=True)
class Places:
    """Where things are on the host, which user the child becomes, and its environment."""

    work: Path
    home: Path
    temporary: Path
    etc: Path
    launcher: Path
    uid: int | None
    read_all: bool
    env: dict[str, str]
    filter: bytes

    @property
    def writable(self) -> tuple[Path, ...]:
        return self.work, self.home, self.temporary


@contextmanager
def places(box: Box, mode: Mode) -> Iterator[Places]:
    """Make the directories; remove all but the caller's own afterwards."""
    base = Path(tempfile.mkdtemp(prefix="scorefirst-box-"))
    try:
        work = box.work.resolve() if box.work else base / "work"
        home, temporary = base / "home", base / "tmp"
        uid = None if mode is Mode.UNSEALED else new_user()
        base.chmod(0o711)
        bubblewrap.write_accounts(base / "etc", bubblewrap.INNER_USER if uid is None else uid)
        for folder in (work, home, temporary):
            if folder is not box.work and not folder.is_dir():
                folder.mkdir(mode=0o700)
        (base / "launcher.pyc").write_bytes(compiled_launcher())
        (base / "launcher.pyc").chmod(0o644)
        for mount in box.read_only:
            no_links(work, mount.inside)
        if mode is not Mode.BUBBLEWRAP:
            link_mounts(box, work)
        if uid is not None:
            for folder in (work, home, temporary):
                give(folder, uid)
        inside = (bubblewrap.HOME, bubblewrap.TEMPORARY) if mode is Mode.BUBBLEWRAP else (str(home), str(temporary))
        yield Places(
            work=work,
            home=home,
            temporary=temporary,
            etc=base / "etc",
            launcher=base / "launcher.pyc",
            uid=uid,
            read_all=uid is not None and not visible(box, mode, base),
            env=environment(box, *inside),
            filter=assemble(mode, machine(), "cuda" in box.devices) if mode is not Mode.UNSEALED else b"",
        )
    finally:
        remove(base)


def visible(box: Box, mode: Mode, base: Path) -> bool:
    """Whether a user without rights can read all that the box shows. In a mount namespace only the mounts matter."""
    shown = [interpreter(), *python_places(), *(m.host for m in box.read_only)]
    if mode is Mode.BUBBLEWRAP:
        return open_to_all(shown, from_root=False)
    return open_to_all(shown, from_root=True) and open_to_all(
        [base.parent, *([box.work.parent] if box.work else [])], from_root=True
    )


def no_links(work: Path, inside: str) -> None:
    """An earlier run in the same directory may have left links: nothing is put where they lead."""
    at = work
    for part in Path(inside).parts:
        at = at / part
        if at.is_symlink():
            raise SandboxFailed(f"there is a link in the work directory where {inside} belongs")


def link_mounts(box: Box, work: Path) -> None:
    """Without a mount namespace, a place in the work directory is a link to the host's path, made anew for each run."""
    for mount in box.read_only:
        if mount.inside:
            at = work / mount.inside
            try:
                at.parent.mkdir(parents=True, exist_ok=True)
                at.symlink_to(mount.host)
            except OSError as e:
                raise SandboxFailed(f"cannot place {mount.host} at {mount.inside}: {e.strerror}") from None


def give(folder: Path, uid: int) -> None:
    """Make a user the owner of a folder and all in it; links are not followed."""
    os.chown(folder, uid, uid, follow_symlinks=False)
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(os.path.join(root, name), uid, uid, follow_symlinks=False)


def remove(base: Path) -> None:
    """Remove a tree that a hostile program has written: any depth, any permissions, never through a link."""
    with suppress(OSError, RecursionError):
        shutil.rmtree(base)
    if os.path.lexists(base):  # too deep for Python, or folders that their owner may not enter
        for tool in (["chmod", "-R", "u+rwx"], ["rm", "-rf", "--one-file-system"]):
            subprocess.run([*tool, "--", str(base)], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def take(work: Path, name: str, most: int) -> bytes:
    """Read a file that the child left; links, devices, pipes and what is too large are refused."""
    folder = os.open(work, os.O_PATH | os.O_DIRECTORY)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    *above, last = Path(name).parts
    try:
        for part in above:
            if part == "..":
                raise AuditorError(f"{name} leads out of the work directory")
            deeper = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = deeper
        fd = os.open(last, flags, dir_fd=folder)
    except OSError as e:
        raise AuditorError(f"cannot read {name} of the run: {e.strerror}") from None
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise AuditorError(f"{name} of the run is no plain file")
    with os.fdopen(fd, "rb") as f:
        data = f.read(most + 1)
    if len(data) > most:
        raise AuditorError(f"{name} of the run is larger than {most} bytes")
    return data
