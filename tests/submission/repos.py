"""Small repositories for tests, written with `git fast-import`: one process a commit, any file name, any mode."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from auditor.submission import Repo, Submission, Target, resolve

DAY = 86_400
LAUNCH = 1_773_792_000  # 2026-03-18T00:00:00Z
NAME = "records/track_10min_16mb/2026-03-20_Mine"
OTHER = "records/track_10min_16mb/2026-03-18_Theirs"
ENV = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")} | {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Submodule:
    oid: str


Content = str | bytes | Link | Submodule | None


def record(folder: str, note: str = "") -> dict[str, Content]:
    """A whole record folder of our own writing."""
    return {
        f"{folder}/README.md": f"# {folder} {note}\n",
        f"{folder}/submission.json": '{"val_bpb": 1.2, "name": "' + note + '"}',
        f"{folder}/train_gpt.py": f"print('{note}')\n",
        f"{folder}/train_seed42.log": "step:1/2 val_loss:2.0 val_bpb:1.2\n",
    }


ROOT: dict[str, Content] = {
    "README.md": "the challenge\n",
    "train_gpt.py": "print('baseline')\n",
    **record(OTHER, "theirs"),
}


@dataclass
class Clone:
    """A bare repository; `commit` adds one commit to a ref and returns its hash."""

    path: Path
    clock: int = LAUNCH
    heads: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path.exists():
            return
        self.git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", str(self.path), inside=False)

    def git(self, *args: str, stdin: bytes = b"", inside: bool = True) -> str:
        place = (f"--git-dir={self.path}",) if inside else ()
        done = subprocess.run(["git", *place, *args], input=stdin, capture_output=True, check=True, env=ENV)
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def commit(self, ref: str, files: dict[str, Content], *parents: str, when: int = 0) -> str:
        """Apply `files` (None deletes) on top of the first parent; without parents, of the ref itself."""
        name = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
        self.clock = when or self.clock + 3600
        parents = parents or tuple(h for h in (self.heads.get(name),) if h)
        who = f"A U Thor <a@example.org> {self.clock} +0000\n".encode()
        script = [
            f"reset {name}\n\n".encode(),
            f"commit {name}\nmark :1\n".encode(),
            b"author ",
            who,
            b"committer ",
            who,
            b"data 1\nx\n",
        ]
        script += [f"{'merge' if i else 'from'} {p}\n".encode() for i, p in enumerate(parents)]
        script += [_operation(path, content) for path, content in files.items()]
        script += [b"\nget-mark :1\n"]
        self.heads[name] = self.git("fast-import", "--quiet", "--force", "--cat-blob-fd=1", stdin=b"".join(script))
        return self.heads[name]

    def pull(self, number: int, files: dict[str, Content], *parents: str, when: int = 0) -> str:
        """A pull request's head; it starts at main unless parents are given."""
        parents = parents or (self.heads["refs/heads/main"],)
        return self.commit(f"refs/pull/{number}/head", files, *parents, when=when)

    def lose(self, rev: str) -> str:
        """Take an object out of the store, as in a partial clone."""
        oid = self.git("rev-parse", rev)
        (self.path / "objects" / oid[:2] / oid[2:]).unlink()
        return oid

    def resolve(self, repo: Repo | None = None, **named: object) -> list[Submission]:
        return list(resolve(Target(repo=self.path, **named), repo))  # type: ignore[arg-type]

    def folders(self, number: int) -> list[str]:
        return [s.package.folder for s in self.resolve(pr=number)]


def _operation(path: str, content: Content) -> bytes:
    raw = path.encode("utf-8", "surrogateescape")
    quoted = b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'
    if content is None:
        return b"D " + quoted + b"\n"
    if isinstance(content, Submodule):
        return f"M 160000 {content.oid} ".encode() + quoted + b"\n"
    mode = b"120000" if isinstance(content, Link) else b"100644"
    text = content.target if isinstance(content, Link) else content
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return b"M " + mode + b" inline " + quoted + f"\ndata {len(data)}\n".encode() + data + b"\n"
