"""First code of the traced process: puts the stand-ins in place and runs the script as `__main__`.

Called with the plan, a JSON file. It stands alone: nothing of the auditor is imported, and once the script
runs, nothing of this folder is to be found on the import path.
"""

from __future__ import annotations

import json
import os
import sys
import types


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as f:
        plan = json.load(f)
    ledger = int(os.environ["SCOREFIRST_LEDGER"])
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SCOREFIRST_")}
    os.environ.clear()
    os.environ.update(kept | plan["environment"])
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path = [p for p in sys.path if os.path.abspath(p) != here]
    sys.path.insert(0, os.path.dirname(here))
    import inside.standins

    sys.path.pop(0)
    entry = os.path.abspath(plan["entry"])
    sys.argv = [plan["entry"], *plan["arguments"]]
    sys.path.insert(0, os.path.dirname(entry))
    with open(entry, "rb") as script:
        source = script.read()
    main_module = types.ModuleType("__main__")
    main_module.__file__ = entry
    main_module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main_module
    code = compile(source, entry, "exec", dont_inherit=True)
    with inside.standins.running(plan, ledger):
        exec(code, main_module.__dict__)


if __name__ == "__main__":
    main()
