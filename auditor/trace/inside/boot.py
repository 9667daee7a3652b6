"""First code of the traced process: puts the stand-ins in place and runs the script as `__main__`.

Called with the plan, a JSON file. It stands alone: nothing of the auditor is imported, and once the script
runs, nothing of this folder is to be found on the import path.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import types
from typing import Any


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as f:
        plan = json.load(f)
    ledgers = [int(os.environ[f"SCOREFIRST_LEDGER{rank or ''}"]) for rank in range(plan.get("processes", 1))]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SCOREFIRST_")}
    os.environ.clear()
    os.environ.update(kept | plan["environment"])
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path = [p for p in sys.path if os.path.abspath(p) != here]
    standins = load(here)
    entry = os.path.abspath(plan["entry"])
    sys.argv = [plan["entry"], *plan["arguments"]]
    sys.path.insert(0, os.path.dirname(entry))
    with open(entry, "rb") as script:
        source = script.read()
    main_module = types.ModuleType("__main__")
    main_module.__file__ = entry
    main_module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main_module
    with standins.running(plan, ledgers):
        exec(compile(source, entry, "exec", dont_inherit=True), main_module.__dict__)


def load(here: str) -> Any:
    """The stand-ins, imported from this folder alone; no module of them is left where a script would find it."""
    spec = importlib.util.spec_from_file_location(
        "inside", os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["inside"] = package
    spec.loader.exec_module(package)
    standins = importlib.import_module("inside.standins")
    for name in [n for n in sys.modules if n.partition(".")[0] == "inside"]:
        del sys.modules[name]
    return standins


if __name__ == "__main__":
    main()
