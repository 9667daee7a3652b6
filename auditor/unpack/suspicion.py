"""Whether a program could execute text that it carries or makes: a quick look that only says no for sure."""

from __future__ import annotations

import ast

from auditor.unpack.parse import walk
from auditor.unpack.wordset import wordset

_NAMES = wordset("exec eval compile __import__ __builtins__ __loader__ runpy builtins imp marshal")
# Ways to execute a text, ways to decode one, and ways to start Python on a file.
_EXECUTE = wordset(
    "exec_module load_module run_path run_module FunctionType CodeType import_module SourceFileLoader load_source "
    "spec_from_file_location spec_from_loader __builtins__ __subclasses__ source_to_code get_data runcode runsource "
    "InteractiveInterpreter"
)
_DECODE = wordset(
    "b85decode a85decode b64decode urlsafe_b64decode standard_b64decode b32decode b16decode unhexlify fromhex a2b_base64"
)
_START = wordset(
    "execv execve execvp execvpe execl execlp execle spawnv spawnl spawnlp posix_spawn system popen executable"
)
_ATTRIBUTES = _EXECUTE | _DECODE | _START
_PROGRAMS = ("python", "torchrun")
LONG = 300  # characters: with a word of more than 200 in it, nobody wrote the string by hand
WORD = 200
FEW = 20  # statements: so short a file is simply followed


def may_run_text(tree: ast.Module) -> bool:
    """False only for a program of some size without means to execute text and without an encoded literal."""
    return (
        len(tree.body) < FEW
        or has_means(tree)
        or any(
            isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and _encoded(node.value)
            for node in walk(tree)
        )
    )


def has_means(tree: ast.AST) -> bool:
    """True if a name, attribute, import or string of the program can execute text or start Python."""
    return _names_any(tree, _ATTRIBUTES) or any(
        isinstance(node, ast.Constant) and isinstance(node.value, str) and _tells(node.value) for node in walk(tree)
    )


def executes_text(tree: ast.AST) -> bool:
    """True if the program names a function that executes text, e.g. `exec`; starting a process is not enough."""
    return _names_any(tree, _EXECUTE)


def _names_any(tree: ast.AST, attributes: frozenset[str]) -> bool:
    for node in walk(tree):
        if isinstance(node, ast.Name):
            if node.id in _NAMES:
                return True
        elif isinstance(node, ast.Attribute):
            if node.attr in attributes or (node.attr in ("exec", "eval", "compile") and _is_builtins(node.value)):
                return True
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name.split(".")[-1] for a in node.names] + [getattr(node, "module", None) or ""]
            if any(n in _NAMES or n in attributes for n in names):
                return True
    return False


def _is_builtins(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("builtins", "__builtins__")


def _tells(value: str) -> bool:
    if value in ("exec", "eval", "compile", "builtins", "__builtins__", "runpy"):
        return True
    return len(value) < 200 and any(p in value for p in _PROGRAMS)


def _encoded(value: str | bytes) -> bool:
    if isinstance(value, bytes):
        return len(value) > LONG
    return len(value) > LONG and longest_word(value) > WORD


def longest_word(value: str) -> int:
    """Length of the longest stretch without white space, measured on the first 200,000 characters."""
    return max((len(w) for w in value[:200_000].split()), default=0)
