from __future__ import annotations

from pathlib import Path

import pytest

from auditor.submission import Target, UsageError
from auditor.submission.target import parse_url

HERE = Path("x")


@pytest.mark.parametrize(
    "url",
    [
        "http://github.com/a/b/pull/1",
        "https://github.com/a/b/pull/1/",
        "https://github.com/a/b/pull/1/files",
        "https://github.com/a/b/pull/01",
        "https://github.com/a/b/pull/-1",
        "https://github.com/a/b/pull/1?x=y",
        "https://github.com.evil.org/a/b/pull/1",
        "https://user@github.com/a/b/pull/1",
        "https://github.com:443/a/b/pull/1",
        "https://github.com/-a/b/pull/1",
        "https://github.com/a/../pull/1",
        "https://github.com/a/b/issues/1",
        "https://github.com/a/b/pull/1\n",
        "ext::sh -c id% https://github.com/a/b/pull/1",
        "git@github.com:a/b.git",
    ],
)
def test_only_the_exact_form_of_a_url(url: str) -> None:
    with pytest.raises(UsageError, match="OWNER/NAME"):
        Target(url=url).check()


def test_a_url_is_taken_apart() -> None:
    assert parse_url("https://github.com/some-one/parameter-golf/pull/745") == ("some-one", "parameter-golf", 745)


@pytest.mark.parametrize("name", ["-x", "--upload-pack=touch /tmp/x", "a..b", "HEAD:train_gpt.py", ":/fix", "a\nb"])
def test_refs_that_git_could_misread(name: str) -> None:
    for target in (Target(repo=HERE, ref=name), Target(repo=HERE, base=name)):
        with pytest.raises(UsageError, match="no name of a commit"):
            target.check()


@pytest.mark.parametrize(
    "target",
    [
        Target(),
        Target(path=HERE, repo=HERE, pr=1),
        Target(path=HERE, url="https://github.com/a/b/pull/1"),
        Target(repo=HERE),
        Target(pr=1),
        Target(path=HERE, ref="main"),
        Target(repo=HERE, pr=1, ref="main"),
        Target(repo=HERE, pr=0),
    ],
)
def test_exactly_one_place(target: Target) -> None:
    with pytest.raises(UsageError):
        target.check()


@pytest.mark.parametrize(
    ("target", "source", "arguments"),
    [
        (Target(path=HERE, folder="a"), "x", ("x", "--folder", "a")),
        (Target(repo=HERE, pr=7), "#7", ("--repo", "x", "--pr", "7")),
        (Target(repo=HERE, ref="topic"), "topic", ("--repo", "x", "--ref", "topic")),
        (Target(repo=HERE, base="main"), "main..HEAD", ("--repo", "x", "--base", "main")),
        (
            Target(url="https://github.com/a/b/pull/1"),
            "https://github.com/a/b/pull/1",
            ("https://github.com/a/b/pull/1",),
        ),
    ],
)
def test_a_target_can_be_named_again(target: Target, source: str, arguments: tuple[str, ...]) -> None:
    target.check()
    assert (target.source, target.arguments) == (source, arguments)


def test_options_of_a_command_line() -> None:
    assert Target.from_options("https://github.com/a/b/pull/1").url == "https://github.com/a/b/pull/1"
    assert Target.from_options("some/folder").path == Path("some/folder")
    with pytest.raises(UsageError, match="OWNER/NAME"):
        Target.from_options("https://example.org/a/b/pull/1")
    with pytest.raises(UsageError):
        Target.from_options("some/folder", repo=HERE, pr=1)
