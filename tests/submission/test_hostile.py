"""A clone and its objects are hostile: nothing of theirs runs, and nothing of theirs takes for ever."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from auditor.submission import NothingToAudit, Repo, Target, Unreadable, UsageError, resolve
from auditor.submission.git import TooLarge, environment
from auditor.submission.trees import diff, walk
from tests.submission.repos import ENV, NAME, ROOT, Clone, record


def arm(clone: Clone, tmp_path: Path) -> Path:
    """Put everything into a clone's configuration that could start a program; each leaves a mark at this path."""
    mark = tmp_path / "ran"
    tool = tmp_path / "tool.sh"
    tool.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{mark}'\nexit 1\n")
    tool.chmod(0o755)
    hooks = clone.path / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "reference-transaction", "pre-auto-gc", "post-index-change", "fsmonitor-watchman"):
        (hooks / name).write_text(tool.read_text())
        (hooks / name).chmod(0o755)
    settings = {
        "core.fsmonitor": str(tool),
        "core.sshCommand": str(tool),
        "core.pager": str(tool),
        "core.gitProxy": str(tool),
        "core.alternateRefsCommand": str(tool),
        "core.askPass": str(tool),
        "diff.external": str(tool),
        "diff.x.textconv": str(tool),
        "filter.x.smudge": str(tool),
        "credential.helper": f"!{tool}",
        "pager.rev-parse": "true",
        "pager.for-each-ref": "true",
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
        "remote.origin.url": f"ext::{tool} x",
        "remote.origin.promisor": "true",
        "remote.origin.partialclonefilter": "blob:none",
        "extensions.partialClone": "origin",
        "core.repositoryFormatVersion": "1",
        "alias.cat-file": f"!{tool}",
        "uploadpack.packObjectsHook": str(tool),
    }
    with open(clone.path / "config", "a") as f:
        for key, value in settings.items():
            section, _, rest = key.partition(".")
            sub, _, name = rest.rpartition(".")
            f.write(f'[{section} "{sub}"]\n\t{name} = "{value}"\n' if sub else f'[{section}]\n\t{name} = "{value}"\n')
    (clone.path / "info").mkdir(exist_ok=True)
    (clone.path / "info" / "attributes").write_text("* diff=x filter=x\n")
    return mark


def test_the_trap_works(clone: Clone, tmp_path: Path) -> None:
    """Without our precautions the same clone does run its tool, so the test below can fail."""
    clone.pull(7, {f"{NAME}/model.bin": "weights"})
    blob = clone.lose(f"refs/pull/7/head:{NAME}/model.bin")
    mark = arm(clone, tmp_path)
    subprocess.run(
        ["git", f"--git-dir={clone.path}", "cat-file", "-p", blob],
        capture_output=True,
        check=False,
        timeout=20,
        env=ENV,
    )
    assert mark.exists()


def test_a_clone_s_configuration_never_runs(clone: Clone, tmp_path: Path) -> None:
    clone.pull(7, {**record(NAME, "mine"), f"{NAME}/model.bin": "weights"})
    clone.lose(f"refs/pull/7/head:{NAME}/model.bin")
    mark = arm(clone, tmp_path)
    for named in ({"pr": 7}, {"ref": "refs/pull/7/head"}, {"base": "main", "ref": "refs/pull/7/head"}):
        (one,) = clone.resolve(**named)
        assert one.read("train_gpt.py") == b"print('mine')\n"
        with pytest.raises(Unreadable, match="absent"):
            one.read("model.bin")
    with pytest.raises(UsageError):
        clone.resolve(ref="0" * 40)
    assert not mark.exists()


def test_the_caller_s_git_environment_is_not_used(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.pull(7, record(NAME, "mine"))
    elsewhere = Clone(tmp_path / "elsewhere.git")
    elsewhere.commit("main", {"x": "y"})
    mark = tmp_path / "ran"
    monkeypatch.setenv("GIT_DIR", str(elsewhere.path))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(elsewhere.path / "objects"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.pager")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"touch {mark}")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", f"touch {mark}")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    assert clone.folders(7) == [NAME]
    assert not mark.exists()
    assert not (tmp_path / "trace").exists()
    ours = {k for k in environment() if k.startswith("GIT_")}
    assert not ours & {"GIT_DIR", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "GIT_TRACE", "GIT_OBJECT_DIRECTORY"}


def test_options_are_not_injected(clone: Clone, tmp_path: Path) -> None:
    mark = tmp_path / "out"
    for name in (f"--output={mark}", "-v", "--git-dir=/"):
        with pytest.raises(UsageError, match="no name of a commit"):
            clone.resolve(ref=name)
        with pytest.raises(UsageError, match="no name of a commit"):
            Repo(clone.path).resolve(name)
    assert not mark.exists()


def test_replaced_objects_are_not_believed(clone: Clone) -> None:
    head = clone.pull(7, record(NAME, "mine"))
    other = clone.pull(8, record("records/track_10min_16mb/Harmless", "x"))
    clone.git("replace", head, other)
    assert clone.folders(7) == [NAME]


def test_a_place_that_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such|not a git repository|no directory"):
        list(resolve(Target(repo=tmp_path, pr=1)))
    with pytest.raises(UsageError, match="no directory"):
        Repo(tmp_path / "missing")


def test_a_missing_head_names_the_repository(clone: Clone) -> None:
    (clone.path / "packed-refs").write_text(
        f"# pack-refs with: peeled fully-peeled sorted\n{'1' * 40} refs/pull/7/head\n"
    )
    with pytest.raises(UsageError, match=r"clone\.git.*fetch it"):
        clone.resolve(pr=7)


def test_a_damaged_object_names_the_repository(clone: Clone) -> None:
    clone.pull(7, record(NAME, "mine"))
    tree = clone.git("rev-parse", f"refs/pull/7/head:{NAME}")
    file = clone.path / "objects" / tree[:2] / tree[2:]
    file.chmod(0o644)
    file.write_bytes(b"no zlib at all")
    with pytest.raises(UsageError, match=rf"clone\.git does not hold enough to tell what #7 submits \({NAME}/"):
        clone.resolve(pr=7)


def test_a_damaged_file_costs_only_itself(clone: Clone) -> None:
    text = "".join(f"line {i}\n" for i in range(90))
    clone.pull(7, {**record(NAME, "mine"), f"{NAME}/notes.txt": text})
    blob = clone.git("rev-parse", f"refs/pull/7/head:{NAME}/notes.txt")
    file = clone.path / "objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-40])
    (one,) = clone.resolve(pr=7)
    with pytest.raises(Unreadable, match=blob):
        one.read("notes.txt")
    assert one.read("train_gpt.py") == b"print('mine')\n"


def test_a_cut_off_tree(clone: Clone) -> None:
    oid = clone.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=b"100644 a\0" + b"x" * 7)
    with Repo(clone.path) as repo, pytest.raises(UsageError, match=r"clone\.git.*damaged"):
        repo.tree(oid)


def test_an_answer_to_another_question_is_not_believed(clone: Clone) -> None:
    """As after an interrupt between question and answer: the next reader must not get the old bytes."""
    clone.pull(7, {"a": "one", "b": "two"})
    a, b = (clone.git("rev-parse", f"refs/pull/7/head:{n}") for n in "ab")
    with Repo(clone.path) as repo:
        assert repo.blob(a) == b"one"
        repo._send("--batch", (a,))
        with pytest.raises(Unreadable, match="cannot read"):
            repo.blob(b)
        assert repo.blob(b) == b"two"
        repo._send("--batch-check", (a,))
        with pytest.raises(UsageError):
            list(repo.sizes([b]))
        assert list(repo.sizes([b])) == [3]


def test_a_branch_name_cannot_pose_as_a_pull_request(clone: Clone) -> None:
    head = clone.pull(7, record(NAME, "mine"))
    evil = clone.commit("evil", record("records/track_10min_16mb/Evil", "evil"), clone.heads["refs/heads/main"])
    clone.git("update-ref", f"refs/heads/x\u2028{evil}\u00a0refs/pull/7/head", evil)
    clone.git("update-ref", f"refs/heads/a\x85{evil}", evil)
    with Repo(clone.path) as repo:
        assert repo.pulls == {7: head}


def test_a_tree_that_names_itself_a_billion_times(clone: Clone) -> None:
    """Ten entries a level, ten levels: 10^10 files behind ten small objects."""
    blob = clone.git("hash-object", "-w", "--stdin", stdin=b"x")
    tree = clone.git("mktree", stdin="".join(f"100644 blob {blob}\tf{i}\n" for i in range(10)).encode())
    for _ in range(9):
        tree = clone.git("mktree", stdin="".join(f"040000 tree {tree}\td{i}\n" for i in range(10)).encode())
    started = time.monotonic()
    with Repo(clone.path) as repo:
        said: list[str] = []
        listed = list(walk(repo, tree, lambda p, w: said.append(w), 500))
        changed = diff(repo, "", tree, lambda p, w: said.append(w), 500)
    assert len(listed) <= 500
    assert len(changed) <= 500
    assert said == [
        "more than 500 files; the rest was not looked at",
        "more than 500 changed files; the rest was not looked at",
    ]
    assert time.monotonic() - started < 5


def test_very_deep_directories(clone: Clone) -> None:
    deep = "/".join(["d"] * 300)
    clone.pull(7, {**record(NAME, "mine"), f"{NAME}/{deep}/x.py": "x"})
    (one,) = clone.resolve(pr=7)
    assert "train_gpt.py" in {f.path for f in one.files}
    assert any("nested deeper than 64" in g.why for g in one.gaps)


def test_a_body_that_is_too_large_is_not_read(clone: Clone) -> None:
    clone.pull(7, {"big": b"x" * 3_000_000, "small": "y"})
    big, small = (clone.git("rev-parse", f"refs/pull/7/head:{n}") for n in ("big", "small"))
    with Repo(clone.path) as repo:
        with pytest.raises(TooLarge, match="3,000,000 bytes"):
            repo.blob(big, limit=1_000_000)
        assert repo.blob(small) == b"y"  # the next answer is not the rest of the last one
        assert list(repo.sizes([big, "2" * 40, small])) == [3_000_000, None, 1]


def test_commit_objects_with_nonsense_in_them(clone: Clone) -> None:
    tree = clone.git("rev-parse", "main^{tree}")
    text = f"tree {tree}\nparent refs/heads/main\nparent {'z' * 40}\nauthor a <a@b> {'9' * 5000} +0000\ncommitter a <a@b> -1 +0000\n\nx\n"
    head = clone.git("hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=text.encode())
    with Repo(clone.path) as repo:
        commit = repo.commit(head)
        assert commit is not None
        assert (commit.parents, commit.authored, commit.committed) == ((), 0, 0)


def test_processes_end(clone: Clone) -> None:
    clone.pull(7, record(NAME, "mine"))
    repo = Repo(clone.path)
    with repo:
        (one,) = clone.resolve(repo, pr=7)
        one.read("train_gpt.py")
        live = list(repo._live.values())
        assert len(live) == 2
        assert all(p.poll() is None for p in live)
    assert all(p.poll() is not None for p in live)
    assert one.read("README.md").startswith(b"# ")  # a closed Repo opens again
    again = list(repo._live.values())
    del repo, one
    assert all(p.wait(5) is not None for p in again)


def test_a_submission_can_be_read_after_resolving(clone: Clone) -> None:
    clone.pull(7, record(NAME, "mine"))
    one = list(resolve(Target(repo=clone.path, pr=7)))[0]  # noqa: RUF015
    assert one.read("train_gpt.py") == b"print('mine')\n"


def test_threads_share_one_repo(clone: Clone) -> None:
    clone.pull(7, {**record(NAME, "mine"), **{f"{NAME}/{i}.txt": str(i) * 5000 for i in range(40)}})
    with Repo(clone.path) as repo:
        (one,) = clone.resolve(repo, pr=7)
        barrier = threading.Barrier(4)

        def work(k: int) -> bool:
            barrier.wait(10)
            return all(one.read(f"{i}.txt") == (str(i) * 5000).encode() for i in range(40))

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(4)))


def test_a_forked_worker_has_processes_of_its_own(clone: Clone) -> None:
    clone.pull(7, record(NAME, "mine"))
    with Repo(clone.path) as repo:
        (one,) = clone.resolve(repo, pr=7)
        child = os.fork()
        if child == 0:
            os._exit(0 if one.read("train_gpt.py") == b"print('mine')\n" else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert one.read("README.md").startswith(b"# ")


def test_reading_one_path_at_a_ref(clone: Clone) -> None:
    with Repo(clone.path) as repo:
        assert repo.read_path("main", "README.md") == str(ROOT["README.md"]).encode()
        assert repo.read_path("main", "missing") is None
        assert repo.read_path("main", "records") is None


def test_a_worktree_is_a_clone_too(clone: Clone, tmp_path: Path) -> None:
    clone.pull(7, record(NAME, "mine"))
    tree = tmp_path / "tree"
    clone.git("worktree", "add", "--quiet", "--detach", str(tree), "main")
    assert [s.package.folder for s in resolve(Target(repo=tree, pr=7))] == [NAME]
    with pytest.raises(NothingToAudit, match=r"main\.\.HEAD changes nothing"):
        list(resolve(Target(repo=tree, base="main")))
