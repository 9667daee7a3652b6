"""The sealed place in which a submission's own program runs.

`run(Box(...), command)` gives an `Outcome`, in the strongest `Mode` that the machine has:

- box.py        what the caller says and gets back
- session.py    one run: start, read, watch, end
- launcher.py   the last trusted steps inside; filter.py, bubblewrap.py, sealing.py say what they do
- watch.py      limits that the kernel does not keep for a tree of processes
- places.py     the directories of a run; view.py what is seen of the machine
- detect.py     which mode works here
- check.py      `scorefirst sandbox check`: attempts/ holds programs that try to get out
"""

from auditor.trace.sandbox.box import Box, Channel, Limit, Limits, Mode, Mount, NoSandbox, Outcome, SandboxFailed
from auditor.trace.sandbox.detect import mode, why_not
from auditor.trace.sandbox.places import take
from auditor.trace.sandbox.session import run
from auditor.trace.sandbox.view import python_command, site_packages

__all__ = [
    "Box",
    "Channel",
    "Limit",
    "Limits",
    "Mode",
    "Mount",
    "NoSandbox",
    "Outcome",
    "SandboxFailed",
    "mode",
    "python_command",
    "run",
    "site_packages",
    "take",
    "why_not",
]
