"""Why a run did not come to its number, in a plain name that others of its kind share."""

from __future__ import annotations

import re

from auditor.trace.execute import Traced

LAST_WORDS = 200
_ERROR = re.compile(
    r"^((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Interrupt|Exit|Warning|NotImplemented\w*))\b:?[ \t]*(.*)$",
    re.M,
)
_NETWORK = re.compile(
    r"\bgit'?,? '?clone|Temporary failure in name|Name or service not known|Network is unreachable|URLError|Max retries"
)
_NEWER = re.compile(r"f-string|invalid syntax|expected ':'|unterminated")
_GPU = re.compile(r"CUDA error|no NVIDIA driver|CUDA driver|triton|nvrtc|cuBLAS|cudnn", re.I)

NO_NUMBER = "came to its end without a number"
NEWER = "written for a newer Python than this machine's"
BROKEN = "uses a name that it never defines"
NETWORK = "needs the network"
ALONE = "needs other files"


def failure(run: Traced) -> str:
    """The class of a failure in a few words, and what was said last."""
    if run.outcome.limit:
        return run.outcome.words()
    if run.outcome.ok:
        return NO_NUMBER
    if _NETWORK.search(run.stderr[-4000:]):
        return NETWORK
    kind, text = error(run.stderr)
    if not kind:
        return run.outcome.words()
    said = f"{kind}: {text}"
    if kind in ("ModuleNotFoundError", "ImportError") and (m := re.search(r"No module named '([\w.]+)'", text)):
        return f"needs the package {m[1]}, which cannot be stood in for"
    if kind == "SyntaxError" and _NEWER.search(text):
        return f"{NEWER}: {text}"[:LAST_WORDS]
    if kind == "NameError":
        return f"{BROKEN}: {said}"[:LAST_WORDS]
    if kind == "FileNotFoundError":
        return f"needs a file that is not there: {text.partition('] ')[2] or text}"[:LAST_WORDS]
    if _GPU.search(said) and run.device != "cuda":
        return f"needs a real GPU: {said}"[:LAST_WORDS]
    return said[:LAST_WORDS]


def error(stderr: str) -> tuple[str, str]:
    """(kind, text) of the last error that was printed, empty if none."""
    errors = _ERROR.findall(stderr)
    if not errors:
        return "", ""
    kind, text = errors[-1]
    return kind.rsplit(".", 1)[-1], text
