"""The everyday submissions, read from a clone of the challenge's repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditor import api
from auditor.audit import Audit
from auditor.submission import Repo, Target
from rules.finding import Finding, Status
from rules.registry import all_rules

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif("SCOREFIRST_CORPUS" not in os.environ, reason="SCOREFIRST_CORPUS does not point at a clone"),
]


@pytest.fixture(scope="module")
def clone() -> Iterator[Repo]:
    with Repo(Path(os.environ["SCOREFIRST_CORPUS"])) as repo:
        yield repo


def audit(clone: Repo, pr: int) -> Audit:
    (one,) = api.audit(Target(repo=clone.path, pr=pr), repo=clone)
    return one


def said(a: Audit, rule: str) -> list[Finding]:
    return [f for f in a.findings if f.rule.split("-")[0] == rule]


def test_398_fits(clone: Repo) -> None:
    a = audit(clone, 398)
    assert {f.status for rule in ("SIZE1", "TIME1", "TIME2") for f in said(a, rule)} == {Status.OK}


def test_462_has_neither_json_nor_logs(clone: Repo) -> None:
    (f,) = said(audit(clone, 462), "PKG2")
    assert f.status is Status.VIOLATION
    assert "submission.json" in f.message
    assert "log" in f.message


def test_518_is_over_the_cap_and_over_time_with_one_seed(clone: Repo) -> None:
    a = audit(clone, 518)
    (size,) = said(a, "SIZE1")
    assert size.status is Status.VIOLATION
    values = {e.value.split()[0]: str(e.at) for e in size.evidence if e.at}
    assert values["16,460,660"].startswith("train_50ep_seed1337.log:")
    assert values["15,530,000"].startswith("submission.json:")
    (time,) = said(a, "TIME2")
    assert time.status is Status.VIOLATION
    assert any(e.value.startswith("845") and str(e.at).startswith("submission.json:") for e in time.evidence)
    assert any("one seed" in f.message for f in said(a, "STAT2"))


def test_745_is_a_dispute_about_evaluation_time(clone: Repo) -> None:
    (f,) = said(audit(clone, 745), "TIME2")
    assert f.status is Status.DISPUTED
    assert f.disputes == ("D-08",)
    assert "507.8 s" in f.message
    assert f.locations


def test_merged_records_divide_by_the_length_of_the_text(clone: Repo) -> None:
    only = frozenset({"BPB1", "EVAL1"})
    found = {a.submission.folder: a for a in merged(clone, only)}
    assert len(found) >= 43
    for folder, a in found.items():
        bad = [f for f in a.findings if f.status in (Status.VIOLATION, Status.LIKELY)]
        assert not bad, (folder, bad)


def merged(clone: Repo, only: frozenset[str] = frozenset()) -> Iterator[Audit]:
    listed = subprocess.run(
        ["git", "-C", str(clone.path), "ls-tree", "--name-only", "main", "records/track_10min_16mb/"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for folder in listed:
        yield from api.audit(Target(repo=clone.path, ref="main", folder=folder), repo=clone, only=only)


def test_every_rule_answers_on_a_real_submission(clone: Repo) -> None:
    assert {f.rule for f in audit(clone, 745).findings} == {r.id for r in all_rules()}


@pytest.mark.parametrize("pr", [398, 462, 518])
def test_adaptation_before_the_score(clone: Repo, pr: int) -> None:
    (f,) = said(audit(clone, pr), "TTT1")
    assert f.status is Status.VIOLATION
    assert "step()" in str(f.locations[0].text)
    assert any("the same tokens are scored" in e.value for e in f.evidence)


def test_745_scores_first_but_mixes_an_entropy(clone: Repo) -> None:
    a = audit(clone, 745)
    assert {f.status for f in said(a, "TTT1") + said(a, "C3")} == {Status.OK}
    (f,) = said(a, "NG5")
    assert f.status is Status.LIKELY
    assert "entropy" in str(f.locations[0].text)
