"""One run: what goes in, what comes out, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from auditor.submission.base import AuditorError, UsageError
from auditor.trace.sandbox import (
    Box,
    Channel,
    Limit,
    Limits,
    Mode,
    Mount,
    Outcome,
    SandboxFailed,
    python_command,
    run,
    take,
)
from tests.trace.sandbox.conftest import available

ROOT = Path(__file__).parents[3]
BRIEF = Limits(wall_s=60)


def python(code: str, mode: Mode, *arguments: str, box: Box | None = None) -> Outcome:
    return run(box or Box(limits=BRIEF), python_command("", *arguments, code=code), mode=mode)


def test_what_it_prints_and_how_it_ends(mode: Mode) -> None:
    heard: list[tuple[str, bytes]] = []
    command = python_command(
        "", "word", code="import sys; print('out', sys.argv[1]); print('err', file=sys.stderr); sys.exit(5)"
    )
    outcome = run(Box(limits=BRIEF), command, mode=mode, tell=lambda name, data: heard.append((name, data)))
    assert (outcome.mode, outcome.code, outcome.signal, outcome.limit) == (mode, 5, None, Limit.NONE)
    assert outcome.stdout == b"out word\n"
    assert outcome.stderr == b"err\n"
    assert b"".join(data for name, data in heard if name == "stdout") == outcome.stdout
    assert outcome.words() == "exit code 5"
    assert 0 < outcome.wall_s < 60


def test_a_death_by_signal(mode: Mode) -> None:
    outcome = python("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", mode)
    assert (outcome.code, outcome.signal) == (None, signal.SIGTERM)
    assert outcome.words() == "ended by SIGTERM"


def test_a_clean_environment_and_empty_places(sealed: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_HOST", "x")
    code = """
import os, tempfile
print(sorted(os.environ), os.listdir("."), os.listdir(os.environ["HOME"]), os.environ["GIVEN"])
for place in (".", os.path.expanduser("~"), tempfile.gettempdir()): open(place + "/mine", "w").write("x")
"""
    outcome = python(code, sealed, box=Box(limits=BRIEF, env={"GIVEN": "value"}))
    assert outcome.ok, outcome.stderr
    assert b"TOKEN_OF_THE_HOST" not in outcome.stdout
    assert outcome.stdout.endswith(b"[] [] value\n")


def test_it_runs_as_nobody_we_know(sealed: Mode) -> None:
    outcome = python("import os; print(os.getuid(), os.geteuid(), os.getgroups())", sealed)
    assert not outcome.stdout.startswith(b"0 ")
    if sealed is Mode.LANDLOCK and os.geteuid():
        assert int(outcome.stdout.split()[0]) == os.geteuid()


def test_the_work_directory_stays(mode: Mode, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "train.py").write_text("open('result', 'w').write(open('train.py').readline()[:4])\n")
    assert run(Box(work=work, limits=BRIEF), python_command("train.py"), mode=mode).ok
    assert take(work, "result", 100) == b"open"


def test_mounts_can_be_read_and_not_written(sealed: Mode, tmp_path: Path) -> None:
    given, data = tmp_path / "given.py", tmp_path / "data"
    given.write_text("VALUE = 7\n")
    data.mkdir()
    (data / "shard.bin").write_bytes(b"tokens")
    box = Box(read_only=(Mount(given, "given.py"), Mount(data, "in/data"), Mount(data)), limits=BRIEF)
    code = f"""
import sys
sys.path.insert(0, "")
import given
print(given.VALUE, open("in/data/shard.bin").read(), open({str(data / "shard.bin")!r}).read())
for name in ("given.py", "in/data/shard.bin", "in/data/new"):
    try: open(name, "w").write("x")
    except OSError: print("refused")
"""
    outcome = python(code, sealed, box=box)
    assert outcome.stdout == b"7 tokens tokens\nrefused\nrefused\nrefused\n", outcome.stderr
    assert given.read_text() == "VALUE = 7\n"


def test_links_of_an_earlier_run_are_not_followed(mode: Mode, tmp_path: Path) -> None:
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    work.mkdir()
    elsewhere.mkdir()
    (work / "in").symlink_to(elsewhere)
    with pytest.raises(SandboxFailed, match="a link in the work directory"):
        run(Box(work=work, read_only=(Mount(ROOT, "in/data"),)), ["/bin/true"], mode=mode)
    assert not list(elsewhere.iterdir())


def test_a_channel_goes_both_ways(mode: Mode) -> None:
    heard: list[bytes] = []

    def reply(data: bytes) -> bytes:
        heard.append(data)
        return b"tokens " + data

    code = """
import os
s = int(os.environ["SCOREFIRST_LEDGER"])
for n in range(3):
    os.write(s, b"commit %d" % n)
    print(os.read(s, 100).decode())
os.write(s, b"last")
"""
    outcome = python(code, mode, box=Box(limits=BRIEF, channels=(Channel("ledger", reply),)))
    assert outcome.stdout == b"tokens commit 0\ntokens commit 1\ntokens commit 2\n", outcome.stderr
    assert b"".join(heard) == b"commit 0commit 1commit 2last"


def test_a_large_book_arrives_whole(sealed: Mode) -> None:
    size = 0

    def count(data: bytes) -> None:
        nonlocal size
        size += len(data)

    code = "import os; [os.write(int(os.environ['SCOREFIRST_LEDGER']), b'x' * 100_000) for _ in range(200)]"
    outcome = python(code, sealed, box=Box(limits=BRIEF, channels=(Channel("ledger", count),)))
    assert outcome.ok
    assert size >= 200 * 1000


@pytest.mark.parametrize(
    ("limits", "code", "limit"),
    [
        (Limits(wall_s=1), "import time; time.sleep(60)", Limit.WALL),
        (Limits(wall_s=60, cpu_s=1), "while True: pass", Limit.CPU),
        (Limits(wall_s=60, output_bytes=10_000), "while True: print('x' * 1000)", Limit.OUTPUT),
        (Limits(wall_s=60, memory_bytes=150 << 20), "x = bytearray(b'1') * (400 << 20); import time; time.sleep(60)", Limit.MEMORY),
        (Limits(wall_s=60, files=100), "import time; [open(str(n), 'w') for n in range(500)]; time.sleep(60)", Limit.DISK),
    ],
    ids=lambda x: x.value if isinstance(x, Limit) else "",
)  # fmt: skip
def test_limits(sealed: Mode, limits: Limits, code: str, limit: Limit) -> None:
    outcome = python(code, sealed, box=Box(limits=limits))
    assert outcome.limit is limit
    assert outcome.words() == f"ended by its {limit.value} limit"
    assert len(outcome.stdout) <= limits.output_bytes
    assert outcome.wall_s < 30


def test_what_it_used_is_measured(sealed: Mode) -> None:
    code = (
        "import time; x = bytearray(b'1') * (100 << 20)\nwhile time.process_time() < 0.6: pass\nimport os; os._exit(0)"
    )
    outcome = python(code, sealed)
    assert 100 << 20 < outcome.peak_memory < 250 << 20
    assert 0.2 < outcome.cpu_s < 5


def test_memory_shared_by_forks_counts_once(sealed: Mode) -> None:
    code = """
import os, time
x = bytearray(b"1") * (100 << 20)
for _ in range(4):
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
time.sleep(1)
print("done")
"""
    outcome = python(code, sealed, box=Box(limits=Limits(wall_s=60, memory_bytes=300 << 20)))
    assert outcome.stdout == b"done\n", outcome.words()


def test_threads_forks_and_pipes_work(sealed: Mode) -> None:
    code = """
import os, subprocess, sys, threading
found = []
threads = [threading.Thread(target=found.append, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
pid = os.fork()
if pid == 0: os._exit(3)
print(len(found), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout, end="")
"""
    outcome = python(code, sealed)
    assert outcome.stdout == b"8 3\n42\n", outcome.stderr


def test_shared_memory_and_local_sockets_in_namespaces() -> None:
    code = """
import multiprocessing as mp, socket
from multiprocessing import shared_memory
if __name__ == "__main__":
    s = shared_memory.SharedMemory(create=True, size=1 << 20)
    s.buf[0] = 5
    again = shared_memory.SharedMemory(s.name)
    with mp.get_context("fork").Pool(2) as pool: print(again.buf[0], sum(pool.map(abs, [-1, -2])))
    again.close(); s.close(); s.unlink()
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    client.sendall(b"rank 1")
    print(server.accept()[0].recv(10), socket.getaddrinfo(socket.gethostname(), 1)[0][4][0])
"""
    outcome = python(code, available(Mode.BUBBLEWRAP))
    assert outcome.stdout == b"5 3\nb'rank 1' 127.0.0.1\n", outcome.stderr


def test_a_command_that_is_not_there(mode: Mode) -> None:
    with pytest.raises(SandboxFailed, match="could not start the program: FileNotFoundError"):
        run(Box(), ["/no/such/program"], mode=mode)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM], ids=lambda s: s.name)
def test_when_the_host_ends_so_does_the_child(mode: Mode, number: signal.Signals, tmp_path: Path) -> None:
    beat = tmp_path / "work" / "beat"
    beat.parent.mkdir()
    code = """
import os, signal, time
for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(s, signal.SIG_IGN)
if os.fork() == 0: os.setsid()
while True: open("beat", "a").write("."); time.sleep(0.02)
"""
    host = f"""
from pathlib import Path
from auditor.trace.sandbox import *
run(Box(work=Path({str(beat.parent)!r})), python_command("", code={code!r}), mode=Mode({mode.value!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", host], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: beat.exists() and beat.stat().st_size > 5)
        process.send_signal(number)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == -number
    wait_for(lambda: not grows(beat))


def wait_for(condition: object, seconds: float = 30) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def grows(path: Path) -> bool:
    before = path.stat().st_size
    time.sleep(0.3)
    return path.stat().st_size > before


def test_nothing_of_a_run_stays(mode: Mode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(os.listdir("/proc/self/fd"))
    code = """
import os
os.symlink("/usr", "link")
for _ in range(700): os.mkdir("d"); os.chdir("d")
os.mkdir("shut"); os.chmod("shut", 0)
"""
    assert python(code, mode).ok
    assert not list(tmp_path.iterdir())
    assert Path("/usr/bin").is_dir()
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "make",
    [
        lambda work, out: (work / "file").symlink_to(out),
        lambda work, out: (work / "file").mkdir(),
        lambda work, out: os.mkfifo(work / "file"),
        lambda work, out: (work / "file").write_bytes(b"x" * 200),
        lambda work, out: None,
    ],
    ids=["link", "directory", "pipe", "too large", "missing"],
)
def test_what_a_run_leaves_is_taken_with_care(make: object, tmp_path: Path) -> None:
    assert callable(make)
    outside = tmp_path / "outside"
    outside.write_text("secret")
    work = tmp_path / "work"
    work.mkdir()
    make(work, outside)
    with pytest.raises(AuditorError):
        take(work, "file", 100)
    with pytest.raises(AuditorError):
        take(work, "../outside", 100)


def test_calls_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="wall_s"):
        Limits(wall_s=0)
    with pytest.raises(UsageError, match="absolute"):
        Mount(Path("relative"))
    with pytest.raises(UsageError, match="below it"):
        Mount(Path("/usr"), "../out")
    with pytest.raises(UsageError, match="tpu"):
        Box(devices=("tpu",))
