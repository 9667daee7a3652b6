"""Whether programs can be run here at all."""

from __future__ import annotations

from importlib.util import find_spec

NEEDED = ("torch", "numpy", "sentencepiece")


def missing() -> str:
    """What stands in the way of running a submission, in a sentence; "" if nothing does."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        return f"running a submission needs {', '.join(lacking)}: pip install 'scorefirst[run]'"
    from auditor.trace.sandbox import NoSandbox, mode

    try:
        mode()
    except NoSandbox as e:
        return str(e)
    return ""
