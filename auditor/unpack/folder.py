"""The files a wrapper may touch, without a disk: itself, what stands beside it, and what it writes."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from auditor.unpack.limits import MAX_INPUT, Budget
from auditor.unpack.source import text_codec
from auditor.unpack.values import Unknown, Value, tag

ROOT = "/submission"  # where the record folder is thought to stand


def _lines(text: str) -> str:
    """Text with universal newlines and without a byte order mark."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


class Folder:
    """A view of the record folder in which writes go to memory.

    `own` is the script's path in the folder, `data` its bytes; `sibling` gives the bytes of another file
    of the folder, or None. `loads` lists the siblings that were read, in order.
    """

    def __init__(self, own: str, data: bytes, sibling: Callable[[str], bytes | None], budget: Budget) -> None:
        self.own = own
        self._data = data
        self._sibling = sibling
        self._budget = budget
        self._seen: dict[str, bytes | None] = {own: data}
        self.written: dict[str, Value] = {}
        self.loads: list[str] = []
        self._made = 0

    @property
    def script(self) -> str:
        """The value of `__file__`."""
        return f"{ROOT}/{self.own}"

    def absolute(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.script), path))

    def temporary(self) -> str:
        """A new folder for temporary files."""
        self._made += 1
        return f"/tmp/{self._made}"

    def name_of(self, text: str) -> str:
        """The base name of a written file with this content, "" if there is none."""
        for full, content in self.written.items():
            if isinstance(content, str) and len(content) == len(text) and content == text:
                return posixpath.basename(full)
        return ""

    def relative(self, path: str) -> str:
        """The path inside the record folder, "" for a place outside it."""
        full = self.absolute(path)
        return full[len(ROOT) + 1 :] if full.startswith(ROOT + "/") else ""

    def _candidates(self, path: str) -> list[str]:
        """Paths in the record folder that `path` may mean: relative to the script, else to the folder."""
        first = self.relative(path)
        second = posixpath.normpath(path) if not path.startswith("/") else ""
        return [p for p in dict.fromkeys((first, second)) if p and not p.startswith("..")]

    def find(self, path: str) -> tuple[str, bytes] | None:
        """(path in the record folder, bytes) of a shipped file, without noting it as loaded."""
        if len(path) > 1000:
            return None
        for name in self._candidates(path):
            if name not in self._seen:
                self._budget.work(50)
                data = self._sibling(name)
                self._seen[name] = data if data is None or len(data) <= MAX_INPUT else None
            found = self._seen[name]
            if found is not None:
                return name, found
        return None

    def is_whole(self, name: str, content: Value) -> bool:
        """Whether this is all of a shipped file, as bytes or as text with universal newlines."""
        data = self._seen.get(name)
        if data is None or not isinstance(content, str):
            return data is not None and bytes(content) == data
        return any(_lines(data.decode(e, "replace")) == _lines(content) for e in ("utf-8", "latin-1"))

    def exists(self, path: str) -> bool:
        return self.absolute(path) in self.written or self.find(path) is not None

    def read(self, path: str) -> Value:
        """The bytes of a file, or an `Unknown` that says it is not there."""
        full = self.absolute(path)
        if full in self.written:
            content = self.written[full]
            if isinstance(content, str):
                self._budget.moved(len(content))
                return tag(content.encode("utf-8", "surrogatepass"), content)
            return content
        found = self.find(path)
        if found is None:
            shown = self.relative(path) or posixpath.normpath(path)
            return Unknown(f"is read from {shown[-80:]}, which the folder does not hold", opaque=True)
        name, data = found
        self._budget.moved(len(data))
        if name != self.own and name not in self.loads:
            self.loads.append(name)
        return tag(data, step=f"read {name}")

    def text(self, path: str, encoding: str = "utf-8") -> Value:
        """Like `read`, as text with universal newlines."""
        data = self.read(path)
        if isinstance(data, Unknown):
            return data
        name = text_codec(encoding) or "utf-8"
        try:
            text = data.decode(name)
        except (UnicodeError, ValueError):
            return Unknown(f"is not valid {name} text", opaque=True)
        return tag(text.replace("\r\n", "\n").replace("\r", "\n"), data)

    def write(self, path: str, content: Value, append: bool = False) -> None:
        """Keep what the code writes. Content that is not constant makes the whole file unknown."""
        full = self.absolute(path)
        before = self.written.get(full)
        if isinstance(content, bytearray):
            content = tag(bytes(content), content)
        if not append or before is None or (before == "" or before == b""):
            self.written[full] = content
        elif any(isinstance(before, t) and isinstance(content, t) for t in (str, bytes)):
            self._budget.moved(len(before) + len(content))
            self.written[full] = tag(before + content, before, content)
        else:
            self.written[full] = content if isinstance(content, Unknown) else Unknown()
