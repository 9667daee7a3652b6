"""A data hub on this machine: serves files as a hub does, and misbehaves when told to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """What it serves under /datasets/x/y/resolve/<revision>/, and how.

    Large files are behind a redirect to /store/, as on a hub. `breaks` closes the connection after so many bytes of an
    answer, once per entry; `seen` keeps (method, path, range).
    """

    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    ranges: bool = True
    unsatisfiable: bool = False  # answers every range with 416
    breaks: list[int] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)  # statuses to answer with first
    lies: dict[str, str] = field(default_factory=dict)  # checksums announced instead of the true ones
    no_checksum: bool = False
    pointers: bool = False
    onward: str = ""  # where large files lead instead
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve until the block ends; `hub.address` says where."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(False)

        def do_GET(self) -> None:
            self.answer(True)

        def answer(self, body: bool) -> None:
            hub.seen.append((self.command, self.path, self.headers.get("Range", "")))
            if hub.failures:
                self.plain(hub.failures.pop(0))
                return
            name = self.path.removeprefix("/store/").split("/resolve/")[-1].split("/raw/")[-1]
            name = name.split("/", 1)[1] if not self.path.startswith("/store/") else name
            if name not in hub.files:
                self.plain(404)
                return
            content = hub.files[name]
            sha = hub.lies.get(name) or hashlib.sha256(content).hexdigest()
            if "/raw/" in self.path:
                text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize {len(content)}\n".encode()
                self.send(200, text if hub.pointers else b"something else", {}, body)
            elif name in hub.large and not self.path.startswith("/store/"):
                headers = {"Location": hub.onward or f"/store/{name}", "X-Repo-Commit": "c0ffee"}
                if not hub.no_checksum:
                    headers |= {"X-Linked-Etag": f'"{sha}"', "X-Linked-Size": str(len(content))}
                self.send(302, b"", headers, body)
            else:
                blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
                tag = {} if hub.no_checksum else {"ETag": f'"{hub.lies.get(name) or blob}"'}
                if name in hub.large:
                    tag = {"ETag": '"0123456789abcdef0123456789abcdef"'}  # a store's own
                self.part(content, {**tag, "X-Repo-Commit": "c0ffee"}, body)

        def part(self, content: bytes, headers: dict[str, str], body: bool) -> None:
            wanted = self.headers.get("Range", "")
            if hub.ranges and wanted:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if hub.unsatisfiable:
                    self.plain(416)
                    return
                headers = {**headers, "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
                self.send(206, content[start:], headers, body)
            else:
                self.send(200, content, headers, body)

        def plain(self, status: int) -> None:
            self.send(status, b"", {}, False)

        def send(self, status: int, content: bytes, headers: dict[str, str], body: bool) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body and hub.breaks and content:
                self.wfile.write(content[: hub.breaks.pop(0)])
                self.close_connection = True
            elif body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
