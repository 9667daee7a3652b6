"""Looks that a run notices though no text holds them, and everyday doings that are none."""

from __future__ import annotations

import pytest

pytest.importorskip("numpy")
pytest.importorskip("torch")
pytest.importorskip("sentencepiece")

from rules import eval4_looks_for_the_observer as eval4
from rules.editions import LATEST
from rules.evidence import Evidence, Package
from rules.finding import Status
from rules.samples.scripts import HEAD
from tests.trace.test_whole import line, traced

LOOKS = """\
import gc
import importlib
import pathlib
import sys

fd = "/".join(["", "proc", "self", "f" + "d"])
print(len(os.listdir(fd)))
print(len(list(pathlib.Path(fd).iterdir())))
try:
    open("/proc/self/" + "maps").read(10)
except OSError:
    print("no maps")
others = getattr(gc, "get_" + "referrers")(HEAD_OF)
print(os.environ.get("SCORE" + "FIRST_X", "none"))
getattr(sys, "set" + "trace")(None)
if sys.gettrace() is not None:
    print("watched")
"""
EVERYDAY = """\
import collections
import dataclasses
import inspect
import logging
import platform
import subprocess
import sys

logging.basicConfig(stream=sys.stdout)
logging.getLogger("x").warning("begins")
Pair = collections.namedtuple("Pair", "a b")


@dataclasses.dataclass
class Args:
    a: int = 1


print(open("/proc/self/status").read()[:4], platform.node()[:0], torch.cuda.get_device_name(), os.cpu_count() > 0)
print(os.path.exists("/proc/meminfo"), len(os.environ.copy()) > 0, {**os.environ}["PATH"] != "")
subprocess.run(["true"], env=dict(os.environ), check=False)
with open(sys.argv[0]) as f:
    print(len(f.read()) > 0, os.fstat(f.fileno()).st_size > 0)
print(torch.distributed.is_initialized(), sys.modules["torch"] is torch, len(inspect.getsource(Args)) > 0)
"""


def test_each_look_is_noticed_where_it_stands() -> None:
    text = HEAD + "HEAD_OF = []\n" + LOOKS
    t = traced(text, probing=False)
    assert t.failure.startswith("came to its end without a number"), t.failure
    parts = ("os.listdir(fd)", "pathlib.Path(fd)", "open(", "get_", "SCORE", "set", "if sys.gettrace")
    assert [x.at.line for x in t.looks] == [line(text, p) for p in parts]
    findings = list(eval4.looks_in_run(Evidence(Package("x"), trace=t), LATEST))
    assert [f.status for f in findings] == [Status.NEEDS_HUMAN] * len(parts)


def test_everyday_code_looks_for_nobody() -> None:
    t = traced(HEAD + EVERYDAY, probing=False)
    assert t.failure.startswith("came to its end without a number"), t.failure
    assert t.looks == ()
