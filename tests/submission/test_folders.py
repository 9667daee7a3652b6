"""`choose` on lists of names alone: what would a reviewer call the submission?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from auditor.submission.folders import OnMain, Touched, choose, owns, track, workshop
from rules.evidence import Track

T = "records/track_10min_16mb"


@dataclass
class View:
    all: list[str]
    base: set[str] = field(default_factory=set)
    main: dict[str, OnMain] = field(default_factory=dict)

    def files(self, folder: str) -> Iterable[str]:
        return [p[len(folder) + 1 :] for p in self.all if p.startswith(f"{folder}/")]

    def existed(self, folder: str) -> bool:
        return folder in self.base

    def on_main(self, folder: str) -> OnMain:
        return self.main.get(folder, OnMain.NEVER)


def chosen(*paths: str, edits: tuple[str, ...] = (), unchanged: tuple[str, ...] = (), **state: object) -> list[str]:
    touched = [*(Touched(p, True) for p in paths), *(Touched(p, False) for p in edits)]
    view = View([*paths, *edits, *unchanged], **state)  # type: ignore[arg-type]
    return [f.path for f in choose(touched, view)]


@pytest.mark.parametrize(
    ("paths", "folders"),
    [
        ([f"{T}/Mine/README.md"], [f"{T}/Mine"]),
        ([f"{T}/Mine/code/train_gpt.py", f"{T}/Mine/logs/a/b.log"], [f"{T}/Mine"]),
        ([f"{T}/Mine/train_gpt.py", f"{T}/Mine/Mine/submission.json", f"{T}/Mine/Mine/train_gpt.py"], [f"{T}/Mine"]),
        ([f"{T}/B/train_gpt.py", f"{T}/A/train_gpt.py"], [f"{T}/A", f"{T}/B"]),
        # a shelf, and a folder that only looks like one
        ([f"{T}/G/A/submission.json", f"{T}/G/A/t.py", f"{T}/G/B/submission.json", f"{T}/G/B/t.py", f"{T}/G/x.md"], [f"{T}/G/A", f"{T}/G/B"]),
        ([f"{T}/G/meta/submission.json", f"{T}/G/code/train_gpt.py", f"{T}/G/README.md"], [f"{T}/G"]),
        ([f"{T}/records/track_10min_16mb/Mine/submission.json", f"{T}/records/track_10min_16mb/Mine/t.py"], [f"{T}/records/track_10min_16mb/Mine"]),
        # odd places
        ([f"parameter-golf/{T}/Mine/train_gpt.py"], [f"parameter-golf/{T}/Mine"]),
        (["records/Mine/submission.json"], ["records/Mine"]),
        (["records/Mine/train_gpt.py", "records/Mine/x.bin"], ["records/Mine"]),
        (["log/submission.json", "log/train_gpt.py", "log/README.md"], ["log"]),
        (["submissions/me/train_gpt.py", "submissions/me/README.md"], ["submissions/me"]),
        (["final/mine/train_gpt.py", "final/mine/readme.md", "final/README.md"], ["final/mine"]),
        (["Mine/README.md", "Mine/code/train_gpt_v2.py"], ["Mine"]),
        (["registros/pista/Mine/README.md", "registros/pista/Mine/registros/pista/Mine/train_gpt.py", "registros/pista/Mine/registros/pista/Mine/a.log"], ["registros/pista/Mine"]),
        # a proper record folder outranks everything around it
        ([f"{T}/Mine/train_gpt.py", "junk/submission.json", f"junk/{T}/X/submission.json", "lab/train_gpt.py", "lab/README.md"], [f"{T}/Mine"]),
        # the root
        (["submission.json", "train_gpt.py"], [""]),
        (["train_gpt_mine.py", "train_seed42.log"], [""]),
        (["train_gpt_mine.py", "logs/0a1b.txt"], [""]),
        (["records/track_10min_16mb/submission.json", "records/track_10min_16mb/train_gpt.py"], [T]),
        # nothing
        (["README.md", "docs/idea.md"], []),
        (["train_gpt_mine.py", "notes.md", "server.log"], []),
        ([f"{T}/train.py"], []),
        (["_template/submission.json", ".cache/submission.json", ".hidden/train_gpt.py", ".hidden/README.md"], []),
        (["tools/check.py", "tools/README.md"], []),
        ([f"lab/{i}/{n}" for i in range(4) for n in ("train_gpt.py", "run.log")], []),
    ],
)  # fmt: skip
def test_added_files(paths: list[str], folders: list[str]) -> None:
    assert chosen(*paths) == folders


def test_an_edit_of_the_challenge_s_own_files_is_no_submission() -> None:
    assert chosen(edits=("README.md", "train_gpt.py", "train_gpt_mlx.py")) == []


def test_added_folders_come_before_edited_ones() -> None:
    edits = (f"{T}/A/README.md", f"{T}/C/README.md")
    assert chosen(f"{T}/B/train_gpt.py", edits=edits, base={f"{T}/A", f"{T}/C"}) == [f"{T}/B", f"{T}/A", f"{T}/C"]


def test_an_added_folder_in_an_odd_place_comes_before_an_edited_record() -> None:
    found = chosen("submission/submission.json", edits=(f"{T}/A/README.md",), base={f"{T}/A"})
    assert found == ["submission", f"{T}/A"]


def test_a_file_added_to_somebody_s_folder_makes_it_modified() -> None:
    touched = [Touched(f"{T}/A/mine.py", True)]
    (found,) = choose(touched, View([f"{T}/A/mine.py"], {f"{T}/A"}))
    assert found.modified


def test_folders_that_main_had_before_are_left_out() -> None:
    paths = (f"{T}/Old/train_gpt.py", f"{T}/Mine/train_gpt.py")
    assert chosen(*paths, main={f"{T}/Old": OnMain.BEFORE}) == [f"{T}/Mine"]
    assert chosen(paths[0], main={f"{T}/Old": OnMain.BEFORE}) == []
    assert chosen(paths[0], "submission.json", "train_gpt.py", main={f"{T}/Old": OnMain.BEFORE}) == [""]


def test_folders_that_main_got_later_stay_when_nothing_else_is_found() -> None:
    paths = (f"{T}/Taken/train_gpt.py", f"{T}/Mine/train_gpt.py")
    later = {f"{T}/Taken": OnMain.AFTER}
    assert chosen(*paths, main=later) == [f"{T}/Mine"]
    assert chosen(paths[0], "train_gpt.py", "train_seed1.log", main=later) == [f"{T}/Taken"]
    (found,) = choose([Touched(paths[0], True)], View([paths[0]], main=later))
    assert found.inherited


def test_a_workshop_is_named() -> None:
    touched = [Touched(f"lab/{i}/{n}", True) for i in range(4) for n in ("train_gpt.py", "run.log")]
    assert workshop(touched) == ("lab/0", "lab/1", "lab/2", "lab/3")
    assert workshop(touched[:4]) == ()


def test_a_container_leaves_other_people_s_folders_out() -> None:
    assert owns("", "data/x.py")
    assert not owns("", f"{T}/A/train_gpt.py")
    assert owns(T, f"{T}/train.py")
    assert not owns(T, f"{T}/A/train.py")
    assert owns("records", "records/lab/x.py")
    assert not owns("records", f"{T}/A/train.py")
    assert owns(f"{T}/A", f"{T}/A/records/x.py")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (f"{T}/A", Track.RECORD),
        (f"fork/{T}/A", Track.RECORD),
        ("records/track_non_record_16mb/A", Track.NON_RECORD),
        ("records/A", Track.UNKNOWN),
        ("", Track.UNKNOWN),
    ],
)
def test_track(folder: str, expected: Track) -> None:
    assert track(folder) is expected
