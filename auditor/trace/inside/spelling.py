"""Text in a newer spelling than this Python reads: where it is refused, an older spelling of the same takes its place.

The older spellings are made outside, with all lines where they were, and are told apart by what they stand for.
"""

from __future__ import annotations

import builtins
import hashlib
import sys
from collections.abc import Mapping
from typing import Any


def install(texts: Mapping[str, str]) -> None:
    """`texts`: the older spelling of a text by the SHA-256 of its UTF-8. Without any, nothing is changed."""
    if not texts:
        return
    real_compile, real_exec = builtins.compile, builtins.exec

    def older(source: Any) -> str | None:
        if isinstance(source, str):
            source = source.encode("utf-8", "surrogatepass")
        if not isinstance(source, bytes | bytearray | memoryview):
            return None
        return texts.get(hashlib.sha256(bytes(source).removeprefix(b"\xef\xbb\xbf")).hexdigest())

    def compile_(source: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return real_compile(source, *args, **kwargs)
        except SyntaxError:
            other = older(source)
            if other is None:
                raise
        return real_compile(other, *args, **kwargs)

    def exec_(source: Any, globals: Any = None, locals: Any = None, /, **kwargs: Any) -> None:
        frame = sys._getframe(1)
        if globals is None:
            globals, locals = frame.f_globals, frame.f_locals if locals is None else locals
        other = older(source)
        if other is not None:
            source = compile_(source, "<string>", "exec", 0, True)
        if locals is None:
            real_exec(source, globals, **kwargs)
        else:
            real_exec(source, globals, locals, **kwargs)

    compile_.__name__ = compile_.__qualname__ = "compile"
    exec_.__name__ = exec_.__qualname__ = "exec"
    builtins.compile, builtins.exec = compile_, exec_  # type: ignore[assignment]
