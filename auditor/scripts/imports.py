"""Which files of the record folder a program needs: modules it imports, files it runs, C sources it builds."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable, Iterator

from auditor.scripts.mentions import dotted
from auditor.unpack.parse import walk
from auditor.unpack.wordset import wordset

NATIVE = (".c", ".cc", ".cpp", ".cxx", ".cu", ".cuh", ".h", ".hpp", ".so", ".rs")
_LOADERS = wordset(
    "CDLL LoadLibrary PyDLL load_library spec_from_file_location SourceFileLoader load_source run_path import_module __import__ "
    "exec compile system run Popen call check_call check_output execv execvp load load_inline CUDAExtension CppExtension Extension"
)
_RUNNERS = wordset("system run Popen call check_call check_output execv execvp run_path exec compile")


def needed_files(tree: ast.Module, path: str, files: Iterable[str]) -> tuple[str, ...]:
    """Paths of the folder's files that the program at `path` imports, loads, runs or builds, in order of use."""
    names = {f for f in files if f != path}
    found: dict[str, None] = {}
    base = posixpath.dirname(path)
    words = _path_words(tree)
    for node in walk(tree):
        if isinstance(node, ast.Import):
            for a in node.names:
                found.update(dict.fromkeys(_modules(a.name, base, 0, names)))
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found.update(dict.fromkeys(_modules(module, base, node.level, names)))
            for a in node.names:
                full = f"{module}.{a.name}" if module else a.name
                found.update(dict.fromkeys(_modules(full, base, node.level, names, exact=True)))
        elif isinstance(node, ast.Call):
            found.update(dict.fromkeys(_of_call(node, base, names, words)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(NATIVE):
            found.update(dict.fromkeys(_named(node.value, base, names, words)))
    return tuple(f for f in found if f != path)


def _modules(name: str, base: str, level: int, names: set[str], exact: bool = False) -> Iterator[str]:
    """Files behind a dotted module name: beside the script, at the folder's root, or in its packages."""
    for _ in range(max(level - 1, 0)):
        base = posixpath.dirname(base)
    parts = [p for p in name.split(".") if p][:12]
    places = [base] if level else list(dict.fromkeys((base, "")))
    for place in places:
        hits: list[str] = []
        for i in range(len(parts) if exact else 1, len(parts) + 1):
            stem = posixpath.join(place, *parts[:i]) if parts[:i] else place
            for end in (".py", "/__init__.py", ".so"):
                if stem + end in names:
                    hits.append(stem + end)
        if not parts and posixpath.join(base, "__init__.py") in names:
            hits.append(posixpath.join(base, "__init__.py"))
        if hits:
            yield from hits
            return


def _of_call(node: ast.Call, base: str, names: set[str], words: set[str]) -> Iterator[str]:
    last = dotted(node.func, {}).rpartition(".")[2]
    if last not in _LOADERS:
        return
    for argument in (*node.args, *(k.value for k in node.keywords)):
        for at in walk(argument):
            if isinstance(at, ast.Constant) and isinstance(at.value, str) and len(at.value) < 1000:
                if last in ("import_module", "__import__"):
                    yield from _modules(at.value, base, 0, names)
                for word in at.value.split():
                    if word.endswith((".py", *NATIVE)) and (last in _RUNNERS or not word.endswith(".sh")):
                        yield from _named(word, base, names, words)


def _path_words(tree: ast.Module) -> set[str]:
    """Every part of every short string that may be a path."""
    out: set[str] = set()
    for node in walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 300:
            out.update(node.value.replace("\\", "/").split("/"))
    return out


def _named(text: str, base: str, names: set[str], words: set[str]) -> Iterator[str]:
    """The file that a path in the program means.

    A path may be put together from parts, so a file in a folder below also fits if the program
    names each folder on the way.
    """
    clean = posixpath.normpath(text.replace("\\", "/")).lstrip("/")
    for candidate in (posixpath.normpath(posixpath.join(base, clean)), clean):
        if candidate in names:
            yield candidate
            return
    last = posixpath.basename(clean)
    inside = base + "/" if base else ""
    near = [n for n in sorted(names) if n.startswith(inside) and set(n[len(inside) :].split("/")[:-1]) <= words]
    if last.endswith(".so"):  # built from a source of the same name
        stem = last.removesuffix(".so").removeprefix("lib").strip("_")
        yield from (
            n
            for n in near
            if n.endswith(NATIVE[:6]) and posixpath.splitext(posixpath.basename(n))[0].strip("_") == stem
        )
        return
    yield from [n for n in near if posixpath.basename(n) == last][:1]
