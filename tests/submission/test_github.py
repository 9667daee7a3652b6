"""Fetching from a URL, with a repository on disk in the place of github.com."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.submission import Target, UsageError, github, resolve
from tests.submission.repos import NAME, Clone, record

URL = "https://github.com/some-one/parameter-golf/pull/7"


def test_a_pull_request_is_fetched_into_the_cache(clone: Clone, tmp_path: Path) -> None:
    clone.git("config", "uploadpack.allowFilter", "true")
    clone.git("symbolic-ref", "HEAD", "refs/heads/main")
    head = clone.pull(7, record(NAME, "mine"))
    cache = tmp_path / "cache"
    for _ in range(2):  # the second time the cache is there already
        where, number = github.fetch(URL, cache, clone.path.as_uri(), "file")
    assert (where, number) == (cache / "some-one+parameter-golf.git", 7)
    (one,) = resolve(Target(repo=where, pr=number))
    assert (one.package.folder, one.package.head) == (NAME, head)
    assert one.read("train_gpt.py") == b"print('mine')\n"
    head = clone.pull(7, {f"{NAME}/more.log": "x"}, head)
    github.fetch(URL, cache, clone.path.as_uri(), "file")
    assert [s.package.head for s in resolve(Target(repo=where, pr=number))] == [head]


def test_a_url_resolves_like_the_clone(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone.pull(7, record(NAME, "mine"))
    monkeypatch.setattr(github, "fetch", lambda url: (clone.path, 7))
    (one,) = resolve(Target(url=URL))
    assert (one.package.folder, one.package.pr, one.package.source) == (NAME, 7, URL)


def test_without_a_network_there_is_one_clear_error(tmp_path: Path) -> None:
    nowhere = (tmp_path / "missing.git").as_uri()
    with pytest.raises(UsageError, match=r"use --repo CLONE --pr 7") as e:
        github.fetch(URL, tmp_path / "cache", nowhere, "file")
    assert "\n" not in str(e.value)


def test_other_protocols_are_refused(clone: Clone, tmp_path: Path) -> None:
    clone.pull(7, record(NAME, "mine"))
    with pytest.raises(UsageError, match="not allowed"):
        github.fetch(URL, tmp_path / "cache", clone.path.as_uri())
    mark = tmp_path / "ran"
    with pytest.raises(UsageError, match="not allowed"):
        github.fetch(URL, tmp_path / "cache2", f"ext::touch {mark}")
    assert not mark.exists()


def test_the_cache_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert github.cache_root() == tmp_path / "scorefirst"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert github.cache_root() == tmp_path / "home/.cache/scorefirst"
