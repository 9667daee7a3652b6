"""Any module of the source analyser may be the first that is imported, although several of them use each other."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import auditor.source

# The modules are forgotten before each import, so that each really comes first. Code is compiled once: sixty
# interpreters would need half a minute.
SCRIPT = """
import importlib, sys
from importlib.machinery import SourceFileLoader

compile_once, codes = SourceFileLoader.get_code, {}

def get_code(loader, name):
    if name not in codes:
        codes[name] = compile_once(loader, name)
    return codes[name]

SourceFileLoader.get_code = get_code
for name in sys.argv[1:]:
    for known in [m for m in sys.modules if m.startswith("auditor.source")]:
        del sys.modules[known]
    try:
        importlib.import_module(name)
    except (ImportError, AttributeError) as problem:
        print(name, problem)
"""


def test_any_module_may_come_first() -> None:
    names = [m.name for m in pkgutil.iter_modules(auditor.source.__path__, "auditor.source.")]
    assert "auditor.source.assign" in names
    done = subprocess.run([sys.executable, "-c", SCRIPT, *names], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
