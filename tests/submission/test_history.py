"""What is compared with what: the base of open, merged, squashed and unrelated changes."""

from __future__ import annotations

import pytest

from auditor.submission import NothingToAudit, Repo, UsageError, all_prs
from auditor.submission.history import iso
from auditor.submission.sources import history
from tests.submission.repos import DAY, LAUNCH, NAME, OTHER, ROOT, Clone, record


def test_an_open_pull_request(clone: Clone) -> None:
    base = clone.heads["refs/heads/main"]
    head = clone.pull(7, record(NAME, "mine"))
    clone.commit("main", {"README.md": "edited since\n"})
    (one,) = clone.resolve(pr=7)
    p = one.package
    assert (p.folder, p.head, p.base, p.pr, p.source) == (NAME, head, base, 7, "#7")
    assert (p.inherited, p.modified, p.other_folders, p.outside) == (False, False, (), ())
    assert all(f.change == "A" for f in p.files)


def test_a_merged_pull_request(clone: Clone) -> None:
    base = clone.heads["refs/heads/main"]
    head = clone.pull(7, record(NAME, "mine"))
    main = clone.commit("main", {"README.md": "2\n"})
    clone.commit("main", record(NAME, "mine"), main, head)
    clone.commit("main", {f"{NAME}/README.md": "tidied up after the merge\n"})
    (one,) = clone.resolve(pr=7)
    assert (one.package.folder, one.package.base, one.package.inherited) == (NAME, base, False)
    assert all(f.change == "A" for f in one.files)


def test_a_merged_pull_request_that_had_merged_main_before(clone: Clone) -> None:
    draft = clone.pull(7, record(NAME, "draft"))
    main = clone.commit("main", record("records/track_10min_16mb/Third", "third"))
    head = clone.pull(7, {**record(NAME, "final"), **record("records/track_10min_16mb/Third", "third")}, draft, main)
    clone.commit("main", record(NAME, "final"), main, head)
    (one,) = clone.resolve(pr=7)
    assert (one.package.folder, one.package.base) == (NAME, main)


def test_one_branch_merged_within_another(clone: Clone) -> None:
    first = clone.pull(1, record(NAME, "one"))
    second = clone.pull(2, record("records/track_10min_16mb/Second", "two"), first)
    main = clone.heads["refs/heads/main"]
    clone.commit("main", {**record(NAME, "one"), **record("records/track_10min_16mb/Second", "two")}, main, second)
    assert clone.folders(1) == [NAME]
    assert clone.folders(2) == [NAME, "records/track_10min_16mb/Second"]


def test_a_squashed_pull_request(clone: Clone) -> None:
    clone.pull(7, {**record(NAME, "mine"), "train_gpt.py": "print('edited')\n"})
    clone.commit("main", record(NAME, "mine"))
    (one,) = clone.resolve(pr=7)
    assert (one.package.folder, one.package.inherited) == (NAME, True)


def test_a_folder_that_came_in_with_a_copy_of_main(clone: Clone) -> None:
    old = clone.heads["refs/heads/main"]
    third = "records/track_10min_16mb/Third"
    clone.commit("main", record(third, "third"))
    clone.pull(7, {**record(NAME, "mine"), **record(third, "third")}, old)
    (one,) = clone.resolve(pr=7)
    assert (one.package.folder, one.package.other_folders, one.package.outside) == (NAME, (), ())
    clone.pull(8, record(third, "third"), old)
    with pytest.raises(NothingToAudit, match="main has already"):
        clone.resolve(pr=8)


def test_a_copy_of_an_older_state_of_main(clone: Clone) -> None:
    old = clone.heads["refs/heads/main"]
    third = "records/track_10min_16mb/Third"
    clone.commit("main", record(third, "first try"))
    clone.commit("main", record(third, "second try"))
    clone.pull(7, {**record(NAME, "mine"), **record(third, "first try")}, old)
    assert clone.folders(7) == [NAME]


def test_no_common_ancestor(clone: Clone) -> None:
    clone.commit("refs/pull/7/head", {**ROOT, **record(NAME, "mine")})
    (one,) = clone.resolve(pr=7)
    assert one.package.folder == NAME
    assert one.package.base == clone.heads["refs/heads/main"]
    assert any("no common ancestor" in g.why for g in one.gaps)


def test_the_main_branch_itself(clone: Clone) -> None:
    main = clone.commit("main", record(NAME, "mine"))
    (one,) = clone.resolve(ref="main")
    assert (one.package.folder, one.package.head) == (NAME, main)
    head = clone.pull(7, {"x": "y"})
    clone.commit("main", {"x": "y"}, main, head)
    with pytest.raises(NothingToAudit, match="changes nothing"):
        clone.resolve(ref="main")


def test_the_first_commit_of_all(clone: Clone) -> None:
    (one,) = clone.resolve(ref="main")
    assert (one.package.folder, one.package.base) == (OTHER, "")


def test_base_and_ref(clone: Clone) -> None:
    clone.commit("release", record(NAME, "mine"), clone.heads["refs/heads/main"])
    clone.commit("topic", record("records/track_non_record_16mb/Late", "late"), clone.heads["refs/heads/release"])
    assert [s.package.folder for s in clone.resolve(base="release", ref="topic")] == [
        "records/track_non_record_16mb/Late"
    ]
    both = clone.resolve(base="main", ref="topic")
    assert [s.package.folder for s in both] == [NAME, "records/track_non_record_16mb/Late"]
    assert both[0].package.other_folders == ("records/track_non_record_16mb/Late",)
    assert both[0].package.source == "main..topic"


def test_dates(clone: Clone) -> None:
    clone.pull(7, {"notes.md": "an idea"}, when=LAUNCH + DAY)
    clone.pull(7, record(NAME, "draft"), clone.heads["refs/pull/7/head"], when=LAUNCH + 2 * DAY)
    clone.pull(7, {f"{NAME}/more.log": "x"}, clone.heads["refs/pull/7/head"], when=LAUNCH + 3 * DAY)
    (one,) = clone.resolve(pr=7)
    assert one.package.created == "2026-03-20T00:00:00Z"
    assert one.package.date == "2026-03-21T00:00:00Z"


@pytest.mark.parametrize("seconds", [0, -5, 10**12 - 1])
def test_dates_that_no_calendar_has(seconds: int) -> None:
    assert iso(seconds) == ""


def test_two_merge_bases_give_the_one_that_main_got_last(clone: Clone) -> None:
    start = clone.heads["refs/heads/main"]
    side = clone.commit("side", {"side": "1"}, start)
    main = clone.commit("main", {"main": "1"}, start)
    merged = clone.commit("main", {"side": "1"}, main, side)
    clone.pull(7, {**record(NAME, "mine"), "main": "1"}, side, main)
    (one,) = clone.resolve(pr=7)
    assert one.package.base == side
    assert one.package.base in clone.git("merge-base", "--all", merged, clone.heads["refs/pull/7/head"])


def test_a_shallow_clone_says_so(clone: Clone) -> None:
    old = clone.heads["refs/heads/main"]
    first = clone.pull(7, {"notes": "x"})
    clone.pull(7, record(NAME, "mine"), first)
    clone.commit("main", {"README.md": "2\n"})
    clone.lose(first)
    (one,) = clone.resolve(pr=7)
    assert one.package.folder == NAME
    assert any("shallow" in g.why for g in one.gaps)
    assert old  # the base is there, but cannot be reached


def test_all_pull_requests(clone: Clone) -> None:
    ten = clone.pull(10, {"a": "1"})
    nine = clone.pull(9, {"b": "1"})
    clone.git("update-ref", "refs/pull/9/merge", ten)
    clone.git("update-ref", "refs/remotes/up/pr/11", nine)
    clone.git("update-ref", "refs/remotes/up/pull/9/head", ten)
    main = clone.heads["refs/heads/main"]
    with Repo(clone.path) as repo:
        assert all_prs(repo) == [(9, nine), (10, ten), (11, nine)]
    clone.commit("main", {"a": "1"}, main, ten)
    with Repo(clone.path) as repo:
        assert all_prs(repo, open_only=True) == [(9, nine), (11, nine)]


def test_a_missing_pull_request_says_how_to_get_it(clone: Clone) -> None:
    with pytest.raises(UsageError, match=r"fetch origin refs/pull/3/head"):
        clone.resolve(pr=3)


def test_no_main_branch(clone: Clone) -> None:
    clone.pull(7, record(NAME, "mine"))
    main = clone.heads["refs/heads/main"]
    clone.git("update-ref", "refs/heads/trunk", main)
    clone.git("update-ref", "-d", "refs/heads/main")
    with pytest.raises(UsageError, match="--base"):
        clone.resolve(pr=7)
    assert [s.package.folder for s in clone.resolve(pr=7, base="trunk")] == [NAME]


def test_the_remote_s_main_branch_comes_first(clone: Clone) -> None:
    main = clone.heads["refs/heads/main"]
    clone.git("update-ref", "refs/remotes/origin/main", main)
    clone.commit("main", record(NAME, "mine"))
    (one,) = clone.resolve(ref="main")
    assert (one.package.folder, one.package.base) == (NAME, main)


def test_one_repo_serves_many_targets(clone: Clone) -> None:
    for n in (1, 2, 3):
        clone.pull(n, record(f"records/track_10min_16mb/Try{n}", str(n)))
    with Repo(clone.path) as repo:
        found = [s.package.folder for n, _ in all_prs(repo) for s in clone.resolve(repo, pr=n)]
        assert found == [f"records/track_10min_16mb/Try{n}" for n in (1, 2, 3)]
        assert len(repo.histories) == 1
        assert history(repo) is next(iter(repo.histories.values()))
