"""Which folder is the submission: the one question that decides what everything else is about.

A change is asked five times, from the strongest sign to the weakest, and the first answer with an
added folder counts (folders that were only edited are kept on the way):

1. `records/track_*/NAME` at the root of the repository, whatever is in it;
2. the same below another directory (`parameter-golf/records/track_*/NAME`);
3. elsewhere: a directory with a changed submission.json, or `records/NAME` with a program in it;
4. elsewhere: a directory with a changed train_gpt*.py that has, there or in a directory above it
   (the root left out), a changed README or log. More than three of those are somebody's workshop;
5. the root, `records` or a track directory itself: with a changed submission.json, or with a changed
   train_gpt*.py and an added README or training log (there or in logs/). An edit of the challenge's
   own README and script says nothing.

A deletion alone never makes a folder. What lies below a folder belongs to it, so that `NAME/code/`
or a second copy `NAME/NAME/` is part of NAME. One exception: a NAME without a program or
submission.json of its own, above directories that have both, is a shelf, and those are the
submissions. Directories whose name begins with `.` or `_` are put aside by their owners.

A folder is *inherited* when main has, or had, exactly this content. If main had it before the head
was committed, it came in with a merge or a copy and is left out. If main got it later, it may be
this very submission, taken over by squashing, or the copy of a neighbour's: it is left out while
steps 1 to 3 find anything else, and is the submission when they do not.

A folder that stood on the base in another state is *modified*: somebody's record, edited. It is
audited too, after the added ones, since a change of a record can change what it claims; more than
five of them are a change of form (line endings, a rename), and are only named.
Within each group folders come in the order of their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from rules.evidence import Track

MAX_WORKSHOP = 3
MAX_EDITED = 5

_SCRIPT = re.compile(r"train_gpt[^/]*\.py")
_README = re.compile(r"readme[^/]*", re.IGNORECASE)
_LOG = re.compile(r"[^/]*\.log|[^/]*(log|train|seed)[^/]*\.txt", re.IGNORECASE)
_TRAINING_LOG = re.compile(r"[^/]*(train|seed)[^/]*\.(log|txt)|logs/[^/]*\.(log|txt)", re.IGNORECASE)
_TRACKS = {"track_10min_16mb": Track.RECORD, "track_non_record_16mb": Track.NON_RECORD}


class OnMain(Enum):
    """Whether main has, or had, a folder with exactly this content, and since when."""

    NEVER = 0
    BEFORE = 1  # before the head was committed
    AFTER = 2  # since then


@dataclass(frozen=True, slots=True)
class Found:
    """One record folder: its raw path ("" is the root) and how it stands to main."""

    path: str
    modified: bool = False
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Touched:
    """One changed file that exists at the head; `added` is False for an edit."""

    path: str
    added: bool


class View(Protocol):
    """What must be known of the whole tree beside the changed files. Paths are raw."""

    def files(self, folder: str) -> Iterable[str]:
        """Paths of all files below a folder at the head, relative to it."""

    def existed(self, folder: str) -> bool:
        """True when the folder stands on the base."""

    def on_main(self, folder: str) -> OnMain:
        """Whether main has this folder with exactly this content."""


def choose(touched: Sequence[Touched], view: View) -> tuple[Found, ...]:
    """The record folders of a change, added ones first; see this module's text for the rules."""
    live: dict[str, Found] = {}
    taken_over: dict[str, Found] = {}
    came_in: set[str] = set()
    for step, candidates in enumerate((_own_track, _other_track, _declared, _scripted, _containers)):
        if step == 3 and taken_over and not live:
            break
        for path in sorted(set(candidates(touched, view))):
            if path in live or any(is_below(path, f) for f in (*live, *taken_over, *came_in) if f):
                continue
            state = view.on_main(path)
            found = Found(
                path, modified=not is_container(path) and view.existed(path), inherited=state is not OnMain.NEVER
            )
            if state is OnMain.BEFORE:
                came_in.add(path)
            else:
                (taken_over if found.inherited else live)[path] = found
        if any(not f.modified for f in live.values()):
            break
    return tuple(sorted((live or taken_over).values(), key=lambda f: (f.modified, f.path)))


def workshop(touched: Sequence[Touched]) -> tuple[str, ...]:
    """Directories with programs and logs outside records/, when there are too many to be submissions."""
    places = tuple(sorted(set(_experiments(touched))))
    return places if len(places) > MAX_WORKSHOP else ()


def track(folder: str) -> Track:
    """The track that a folder's path names."""
    return next((_TRACKS[part] for part in folder.split("/") if part in _TRACKS), Track.UNKNOWN)


def is_below(path: str, folder: str) -> bool:
    """True for the folder itself and everything in it; "" is the root."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def is_container(path: str) -> bool:
    """True for directories that hold record folders of several people: the root, records/, the tracks."""
    parts = path.split("/")
    return not path or parts[-1] == "records" or _is_track(parts[-2:])


def not_its_own(folder: str) -> Callable[[str], bool]:
    """Which directories (relative to the folder) are left out of its listing: a container's records."""
    if not is_container(folder):
        return lambda _: False
    if _is_track(folder.split("/")[-2:]):
        return lambda _: True
    if not folder:
        return lambda path: path == "records" or path.endswith("/records")
    return lambda path: path.startswith("track_")


def owns(folder: str, path: str) -> bool:
    """True when a file at `path` is listed as part of `folder`."""
    if not is_below(path, folder):
        return False
    left_out = not_its_own(folder)
    inner = path[len(folder) + 1 :] if folder else path
    above = inner.split("/")[:-1]
    return not any(left_out("/".join(above[: i + 1])) for i in range(len(above)))


def _is_track(parts: Sequence[str]) -> bool:
    return len(parts) == 2 and parts[0] == "records" and parts[1].startswith("track_")


def _own_track(touched: Sequence[Touched], view: View) -> Iterator[str]:
    names = {"/".join(p[:3]) for p in _split(touched) if len(p) > 3 and _is_track(p[:2])}
    for name in names:
        yield from _shelf(name, view)


def _other_track(touched: Sequence[Touched], view: View) -> Iterator[str]:
    names = set()
    for p in _split(touched):
        at = next((i for i in range(1, len(p) - 3) if _is_track(p[i : i + 2])), None)
        if at is not None and not _hidden(p[:at]):
            names.add("/".join(p[: at + 3]))
    for name in names:
        yield from _shelf(name, view)


def _declared(touched: Sequence[Touched], view: View) -> Iterator[str]:
    for p in _split(touched):
        above = p[:-1]
        program = len(p) == 3 and p[0] == "records" and p[2].endswith(".py")
        if (program or p[-1] == "submission.json") and not _hidden(above) and not is_container("/".join(above)):
            yield _outermost_of_its_name(above)


def _scripted(touched: Sequence[Touched], view: View) -> Iterator[str]:
    found = set(_experiments(touched))
    yield from found if len(found) <= MAX_WORKSHOP else ()


def _experiments(touched: Sequence[Touched]) -> Iterator[str]:
    told = {"/".join(p[:-1]) for p in _split(touched) if _README.fullmatch(p[-1]) or _LOG.fullmatch(p[-1])}
    for p in _split(touched):
        if not _SCRIPT.fullmatch(p[-1]) or _hidden(p[:-1]) or _is_track(p[:2]):
            continue
        above = (p[:i] for i in range(len(p) - 1, 0, -1))
        nearest = next((f for f in above if "/".join(f) in told and not is_container("/".join(f))), None)
        if nearest is not None:
            yield _outermost_of_its_name(nearest)


def _containers(touched: Sequence[Touched], view: View) -> Iterator[str]:
    # Two signs are needed: a program, and words about a run of it.
    signs: dict[str, set[str]] = {}
    for t in touched:
        folder, _, name = t.path.rpartition("/")
        if name == "submission.json":
            signs.setdefault(folder, set()).update(("script", "words"))
        if _SCRIPT.fullmatch(name):
            signs.setdefault(folder, set()).add("script")
        if t.added and (_README.fullmatch(name) or _TRAINING_LOG.fullmatch(name)):
            signs.setdefault(folder, set()).add("words")
        if t.added and (folder == "logs" or folder.endswith("/logs")) and _TRAINING_LOG.fullmatch(f"logs/{name}"):
            signs.setdefault(folder[:-5].rstrip("/"), set()).add("words")
    yield from (f for f, found in signs.items() if is_container(f) and len(found) == 2)


def _outermost_of_its_name(parts: Sequence[str]) -> str:
    """`a/NAME` for `a/NAME/b/NAME`: a folder that was copied into itself."""
    return "/".join(parts[: list(parts).index(parts[-1]) + 1])


def _shelf(name: str, view: View) -> Iterator[str]:
    files = list(view.files(name))
    if any("/" not in f and (f == "submission.json" or f.endswith(".py")) for f in files):
        yield name
        return
    declared = {f.rpartition("/")[0] for f in files if f.endswith("/submission.json")}
    outermost = {d for d in declared if not any(is_below(d, o) for o in declared if o != d)}
    stands = [d for d in outermost if any(f.endswith(".py") and is_below(f, d) for f in files)]
    yield from (f"{name}/{d}" for d in stands) if stands else (name,)


def _split(touched: Sequence[Touched]) -> Iterator[list[str]]:
    return (t.path.split("/") for t in touched)


def _hidden(parts: Sequence[str]) -> bool:
    """True inside directories that their names put aside: `.cache`, `_template`, `_archive`."""
    return any(p.startswith((".", "_")) for p in parts)
