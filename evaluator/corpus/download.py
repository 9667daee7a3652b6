"""One file over HTTPS: resumed where it broke off, verified, and put in place only when it is whole and right.

The checksum comes from the hub, before the first byte: the sha256 of a large file (header `X-Linked-Etag`, or its Git LFS
pointer), the Git blob id of a small one (`ETag`). A file without either is not fetched.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any, Protocol

from evaluator.corpus.base import CorpusError, Progress, Tell, silent

BLOCK = 1 << 20
TIMEOUT = 60.0  # seconds without a byte
RETRIES = 5  # attempts in a row that bring nothing new
HOPS = 5
NO_NETWORK = "without a network build a small corpus with `scorefirst data --offline`, or copy the shards here"
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
PASSING = (429, 500, 502, 503, 504)  # statuses that may be gone in a moment
HEADERS = {"User-Agent": "scorefirst", "Accept-Encoding": "identity"}


class Hash(Protocol):
    """What hashlib gives."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True)
class Remote:
    """A file as the hub announces it. `checksum` has 64 hex digits (sha256) or 40 (Git blob id)."""

    url: str
    size: int
    checksum: str
    commit: str | None = None

    def hasher(self) -> Hash:
        """A hash that ends at `checksum` when it is fed the file."""
        return hashlib.sha256() if len(self.checksum) == 64 else hashlib.sha1(b"blob %d\0" % self.size)


def fetch(
    url: str,
    target: Path,
    *,
    tell: Tell = silent,
    limit: int = 1 << 40,
    retries: int = RETRIES,
    wait: Callable[[float], None] = time.sleep,
) -> Remote:
    """Bring a file here unless it is here already, whole and right.

    What a broken attempt brought stays beside the target as a hidden `.part` file and is taken up by the next. Raises CorpusError
    when there is no network, the file is not there, is larger than `limit` bytes, has no checksum or another one than announced.
    """
    try:
        remote = _patiently(lambda: look(url), url, retries, wait)
        if remote.size > limit:
            raise CorpusError(f"{url}: {remote.size:,} bytes, more than the {limit:,} expected; check the address")
        if target.is_symlink():
            raise CorpusError(f"{target}: a symbolic link; move it away")
        if target.is_file() and target.stat().st_size == remote.size and _digest(target, remote) == remote.checksum:
            tell(Progress(target.name, remote.size, remote.size))
            return remote
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{remote.checksum[:16]}.part")
        with part.open("ab+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CorpusError(f"{part}: another process is fetching it; wait for that one") from None
            _fill(file, remote, target.name, tell, retries, wait)
            os.fsync(file.fileno())
            os.replace(part, target)
    except OSError as e:
        raise CorpusError(f"{target}: {e.strerror or e}; choose another place or make room") from None
    return remote


def look(url: str) -> Remote:
    """Size and checksum of a file, from the headers that the hub sends before it hands over to its store."""
    at, commit = url, None
    for _ in range(HOPS):
        status, headers = _head(at)
        commit = headers.get("X-Repo-Commit") or commit
        checksum = _checksum(headers.get("X-Linked-Etag")) or (
            _checksum(headers.get("ETag")) if status == 200 else None
        )
        size = headers.get("X-Linked-Size") or (headers.get("Content-Length") if status == 200 else None)
        if checksum and size and size.isdecimal():
            return Remote(url, int(size), checksum, commit)
        if status == 200:
            break
        onward = urllib.parse.urljoin(at, headers.get("Location") or "")
        _check_onward(at, onward)
        at = onward
    return _pointer(url, commit)


def _pointer(url: str, commit: str | None) -> Remote:
    """Size and sha256 from a file's Git LFS pointer, which the hub shows under /raw/."""
    raw = url.replace("/resolve/", "/raw/", 1)
    if raw != url:
        with _open(urllib.request.Request(raw, headers=HEADERS)) as answer:
            text = answer.read(1024).decode("utf-8", "replace")
        oid, size = re.search(r"^oid sha256:([0-9a-f]{64})$", text, re.M), re.search(r"^size (\d{1,15})$", text, re.M)
        if oid and size:
            return Remote(url, int(size[1]), oid[1], commit)
    raise CorpusError(f"{url}: no checksum is announced, so it could not be verified; fetch it by hand")


def _fill(file: IO[bytes], remote: Remote, name: str, tell: Tell, retries: int, wait: Callable[[float], None]) -> None:
    """Bring `file` to the whole, right content of `remote`; continue with what it holds."""
    file.seek(0)
    hasher, done = remote.hasher(), 0
    while done < remote.size and (block := file.read(min(BLOCK, remote.size - done))):
        hasher.update(block)
        done += len(block)
    file.truncate(done)
    without = 0
    while done < remote.size:
        before = done
        try:
            with _get(remote, done) as answer:
                if done and not _continues(answer, done):
                    file.truncate(0)
                    hasher, done, before = remote.hasher(), 0, 0
                while block := answer.read(min(BLOCK, remote.size - done + 1)):
                    if done + len(block) > remote.size:
                        file.truncate(0)
                        raise CorpusError(
                            f"{remote.url}: more than the {remote.size:,} bytes announced; try again later"
                        )
                    file.write(block)
                    hasher.update(block)
                    done += len(block)
                    tell(Progress(name, done, remote.size))
                why = "it broke off"
        except BROKEN as e:
            if isinstance(e, urllib.error.HTTPError) and e.code == 416:  # what is here cannot be continued
                file.truncate(0)
                hasher, done, before = remote.hasher(), 0, 0
            elif isinstance(e, urllib.error.HTTPError) and e.code not in PASSING:
                raise CorpusError(f"{remote.url}: HTTP {e.code}; check the address") from None
            why = _reason(e)
        file.flush()
        without = 0 if done > before else without + 1
        if done < remote.size:
            if without > retries:
                raise CorpusError(
                    f"{remote.url}: {done:,} of {remote.size:,} bytes are here ({why}); run the same command again to go on"
                )
            wait(min(2.0**without, 30.0))
    if hasher.hexdigest() != remote.checksum:
        file.truncate(0)
        raise CorpusError(
            f"{remote.url}: its checksum is {hasher.hexdigest()}, announced was {remote.checksum}; nothing was kept, try again"
        )
    tell(Progress(name, done, remote.size))


def _continues(answer: Any, done: int) -> bool:
    """Whether an answer goes on at byte `done`, rather than from the start."""
    begins = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", answer.headers.get("Content-Range") or "")
    return answer.status == 206 and begins is not None and int(begins[1]) == done


def _digest(path: Path, remote: Remote) -> str:
    hasher = remote.hasher()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def _checksum(tag: str | None) -> str | None:
    """The checksum inside an ETag, if it is one that can be verified."""
    found = re.fullmatch(r'(?:W/)?"?([0-9a-f]{64}|[0-9a-f]{40})"?', tag or "")
    return found[1] if found else None


def _patiently(call: Callable[[], Remote], url: str, retries: int, wait: Callable[[float], None]) -> Remote:
    """Call; again after errors of the server that pass. A network that is not there is said at once."""
    for attempt in range(retries + 1):
        try:
            return call()
        except urllib.error.HTTPError as e:
            if e.code not in PASSING or attempt == retries:
                raise CorpusError(f"{url}: HTTP {e.code}; check the address, or try again later") from None
        except BROKEN as e:
            raise CorpusError(f"{url}: cannot be reached ({_reason(e)}); {NO_NETWORK}") from None
        wait(min(2.0 ** (attempt + 1), 30.0))
    raise AssertionError("the last attempt returns or raises")


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


class _Onward(urllib.request.HTTPRedirectHandler):
    """Follows to HTTPS, or within plain HTTP where that was asked for."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        _check_onward(req.full_url, newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


class _Stay(urllib.request.HTTPRedirectHandler):
    """Shows a redirect instead of following it."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


def _check_onward(old: str, new: str) -> None:
    scheme = urllib.parse.urlsplit(new).scheme
    if scheme != "https" and not (scheme == "http" and urllib.parse.urlsplit(old).scheme == "http"):
        raise CorpusError(f"{old}: leads to {new[:200]}, which is not HTTPS; check the address")


def _open(request: urllib.request.Request) -> Any:
    return urllib.request.build_opener(_Onward).open(request, timeout=TIMEOUT)


def _get(remote: Remote, start: int) -> Any:
    onward = {"Range": f"bytes={start}-"} if start else {}
    return _open(urllib.request.Request(remote.url, headers={**HEADERS, **onward}))


def _head(url: str) -> tuple[int, Message]:
    request = urllib.request.Request(url, method="HEAD", headers=HEADERS)
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=TIMEOUT) as answer:
            return int(answer.status), answer.headers
    except urllib.error.HTTPError as e:
        if e.code in (301, 302, 303, 307, 308):
            return e.code, e.headers
        raise
