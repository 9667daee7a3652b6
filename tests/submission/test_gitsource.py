"""Listing and reading a record folder out of git: every kind of file, and names nobody expects."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from auditor.submission import NothingToAudit, Submission, Unreadable
from auditor.submission import gitsource as gitsource_module
from rules.evidence import FileKind, Track
from tests.submission.repos import NAME, OTHER, Clone, Content, Link, Submodule, record

OID = "a" * 64


def pointer(size: int) -> str:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize {size}\n"


def submit(clone: Clone, files: dict[str, Content]) -> Submission:
    clone.pull(7, {**record(NAME, "mine"), **{f"{NAME}/{p}": c for p, c in files.items()}})
    (one,) = clone.resolve(pr=7)
    return one


def why(one: Submission, path: str) -> str:
    with pytest.raises(Unreadable) as e:
        one.read(path)
    return str(e.value)


def test_files_are_listed_and_read(clone: Clone) -> None:
    one = submit(clone, {"logs/a.txt": "hello\n", "empty": ""})
    assert [f.path for f in one.files] == [
        "README.md",
        "empty",
        "logs/a.txt",
        "submission.json",
        "train_gpt.py",
        "train_seed42.log",
    ]
    fact = one.package.file("logs/a.txt")
    assert fact is not None
    assert (fact.size, fact.kind, fact.change, len(fact.blob)) == (6, FileKind.FILE, "A", 40)
    assert (one.read("logs/a.txt"), one.read("empty")) == (b"hello\n", b"")
    assert one.package.track is Track.RECORD
    assert one.gaps == ()


def test_what_was_read_is_remembered_once_and_in_order(clone: Clone) -> None:
    one = submit(clone, {})
    assert not one.files_read
    one.read("train_gpt.py")
    one.read("README.md")
    one.read("train_gpt.py")
    why(one, "missing.py")
    assert one.files_read == ("train_gpt.py", "README.md")


def test_a_modified_folder_lists_unchanged_files_too(clone: Clone) -> None:
    clone.pull(
        7, {f"{OTHER}/README.md": "edited\n", f"{OTHER}/train_gpt.py": None, f"{OTHER}/train.py": "print('new')\n"}
    )
    (one,) = clone.resolve(pr=7)
    assert one.package.modified
    assert {f.path: f.change for f in one.files} == {
        "README.md": "M",
        "submission.json": "",
        "train.py": "A",
        "train_seed42.log": "",
    }


def test_a_moved_file_is_a_rename(clone: Clone) -> None:
    clone.pull(7, {**record(NAME, "mine"), f"{OTHER}/train_gpt.py": None, f"{NAME}/train_gpt.py": "print('theirs')\n"})
    (one,) = clone.resolve(pr=7)
    fact = one.package.file("train_gpt.py")
    assert fact is not None
    assert fact.change == "R"
    assert one.package.outside == (f"{OTHER}/train_gpt.py",)


def test_a_file_that_became_a_link_has_changed_type(clone: Clone) -> None:
    clone.pull(7, {f"{OTHER}/README.md": Link("submission.json")})
    (one,) = clone.resolve(pr=7)
    assert {f.path: f.change for f in one.files}["README.md"] == "T"


def test_only_deletions_are_no_submission(clone: Clone) -> None:
    clone.pull(7, dict.fromkeys(record(OTHER)))
    with pytest.raises(NothingToAudit, match="only deletes"):
        clone.resolve(pr=7)


def test_added_and_edited_folders(clone: Clone) -> None:
    clone.pull(
        7, {**record(NAME, "mine"), f"{OTHER}/README.md": "edited\n", "train_gpt.py": "print('x')\n", "LICENSE": "y"}
    )
    mine, theirs = clone.resolve(pr=7)
    assert (mine.package.folder, mine.package.modified) == (NAME, False)
    assert (theirs.package.folder, theirs.package.modified) == (OTHER, True)
    assert mine.package.other_folders == (OTHER,)
    assert theirs.package.other_folders == (NAME,)
    assert mine.package.outside == theirs.package.outside == ("LICENSE", "train_gpt.py")


def test_many_edited_folders_are_only_named(clone: Clone) -> None:
    names = [f"records/track_10min_16mb/2026-03-19_{i}" for i in range(6)]
    clone.commit("main", {k: v for n in names for k, v in record(n, n).items()})
    edits: dict[str, Content] = {f"{n}/README.md": "line endings\r\n" for n in names}
    clone.pull(7, {**record(NAME, "mine"), **edits})
    (one,) = clone.resolve(pr=7)
    assert (one.package.folder, len(one.package.other_folders)) == (NAME, 6)
    assert [g.what for g in one.gaps] == ["edited folders"]
    clone.pull(8, edits)
    with pytest.raises(NothingToAudit, match="edits 6 record folders and adds none"):
        clone.resolve(pr=8)
    (picked,) = clone.resolve(pr=8, folder=names[3])
    assert (picked.package.folder, picked.package.modified) == (names[3], True)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train_gpt.py": "print('x')\n"}, "only the root training script is changed.*--folder .*train_gpt.py"),
        ({"README.md": "x\n", "docs/a.md": "x"}, "only touches documents.*README.md, docs/a.md"),
        ({"train_gpt.py": "print('x')\n", "tool.py": "x"}, "beside other files the root training script"),
        ({"records/track_10min_16mb/train.py": "x"}, "lies loose in records/track_10min_16mb"),
        ({"tool.py": "x"}, "no record folder"),
        ({f"lab/{i}/{n}": "x" for i in range(4) for n in ("train_gpt.py", "a.log")}, "4 directories outside records/"),
        ({f"tools/{i}.py": "x" for i in range(9)}, "and 4 more"),
    ],
)
def test_nothing_says_what_was_changed(clone: Clone, files: dict[str, Content], said: str) -> None:
    clone.pull(7, files)
    with pytest.raises(NothingToAudit, match=f"^#7 .*{said}"):
        clone.resolve(pr=7)


def test_the_folder_filter(clone: Clone) -> None:
    late = "records/track_non_record_16mb/Late"
    clone.pull(7, {**record(NAME, "mine"), **record(late, "late"), "train_gpt.py": "print('mine')\n"})
    for name in (late, "Late", f"/{late}/"):
        (one,) = clone.resolve(pr=7, folder=name)
        assert (one.package.folder, one.package.other_folders) == (late, (NAME,))
    (root,) = clone.resolve(pr=7, folder=".")
    assert {f.path: f.change for f in root.files} == {"README.md": "", "train_gpt.py": "M"}
    assert root.package.folder == "."
    (theirs,) = clone.resolve(pr=7, folder=OTHER)  # not changed, but asked for
    assert (theirs.package.folder, theirs.package.inherited) == (OTHER, True)
    with pytest.raises(NothingToAudit, match="has no folder Nowhere"):
        clone.resolve(pr=7, folder="Nowhere")


def test_an_absent_object(clone: Clone) -> None:
    clone.pull(7, {**record(NAME, "mine"), f"{NAME}/model.bin": "weights"})
    blob = clone.lose(f"refs/pull/7/head:{NAME}/model.bin")
    (one,) = clone.resolve(pr=7)
    fact = one.package.file("model.bin")
    assert fact is not None
    assert (fact.kind, fact.size, fact.blob) == (FileKind.ABSENT, None, blob)
    assert "absent from the clone" in why(one, "model.bin")
    assert [(g.what, g.file) for g in one.gaps] == [("file", "model.bin")]
    assert one.read("train_gpt.py") == b"print('mine')\n"


def test_an_absent_directory_is_a_gap(clone: Clone) -> None:
    clone.pull(7, {**record(NAME, "mine"), f"{NAME}/deep/a.py": "x"})
    clone.lose(f"refs/pull/7/head:{NAME}/deep")
    (one,) = clone.resolve(pr=7)
    assert "train_gpt.py" in {f.path for f in one.files}
    assert ("deep/", "the clone does not hold this directory, or it is too large") in {
        (g.file, g.why) for g in one.gaps
    }


def test_a_pointer_s_size_is_a_claim(clone: Clone) -> None:
    one = submit(
        clone,
        {
            "model.bin": pointer(15_900_000),
            "fake.txt": pointer(1).replace("oid", "odd"),
            "talk.md": "version https://git-lfs.github.com/spec/v1\n" + "word " * 20,
        },
    )
    fact = one.package.file("model.bin")
    assert fact is not None
    assert (fact.kind, fact.size, fact.declared) == (FileKind.LFS_POINTER, 15_900_000, True)
    assert "LFS pointer" in why(one, "model.bin")
    assert {one.package.file(n).kind for n in ("fake.txt", "talk.md")} == {FileKind.FILE}  # type: ignore[union-attr]


def test_links_stay_inside(clone: Clone) -> None:
    one = submit(
        clone,
        {
            "a.py": Link("train_gpt.py"),
            "logs/b.py": Link("../a.py"),
            "dir": Link("logs"),
            "up": Link("../2026-03-18_Theirs/train_gpt.py"),
            "sly": Link("logs/../../../x"),
            "root": Link("/etc/passwd"),
            "loop": Link("loop2"),
            "loop2": Link("loop"),
            "gone": Link("nowhere"),
            "logs/c.txt": "c",
        },
    )
    assert one.read("a.py") == one.read("logs/b.py") == one.read("dir/b.py") == b"print('mine')\n"
    assert one.read("dir/c.txt") == b"c"
    for path in ("up", "sly", "root"):
        assert "leaves the record folder" in why(one, path)
    assert "circles" in why(one, "loop")
    assert "not in the record folder" in why(one, "gone")
    fact = one.package.file("root")
    assert fact is not None
    assert (fact.kind, fact.size) == (FileKind.SYMLINK, len("/etc/passwd"))


@pytest.mark.parametrize(
    "path",
    ["../2026-03-18_Theirs/train_gpt.py", "/etc/passwd", "", "a//b", "./train_gpt.py", "..", "logs", "train_gpt.py/x"],
)
def test_paths_outside_are_refused(clone: Clone, path: str) -> None:
    assert "record folder" in why(submit(clone, {"logs/a": "x"}), path)


def test_a_submodule(clone: Clone) -> None:
    one = submit(clone, {"lib": Submodule("b" * 40)})
    fact = one.package.file("lib")
    assert fact is not None
    assert (fact.kind, fact.size) == (FileKind.SUBMODULE, None)
    assert "submodule" in why(one, "lib")


def test_a_large_file_is_listed_but_not_read(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitsource_module, "MAX_FILE", 1000)
    one = submit(clone, {"big.bin": "x" * 1001, "fits.bin": "x" * 1000})
    assert "1,001 bytes" in why(one, "big.bin")
    assert len(one.read("fits.bin")) == 1000


def test_odd_names(clone: Clone) -> None:
    names = [
        "with space.py",
        "new\nline.py",
        "tab\t.py",
        'quote".py',
        "back\\slash.py",
        "latin-\udce9.py",
        "unicode-\u5b57.py",
        "-rf",
        "\u202eevil.py",
    ]
    one = submit(clone, dict.fromkeys(names, "x"))
    listed = {f.path for f in one.files}
    assert {
        "with space.py",
        r"new\x0aline.py",
        r"back\\slash.py",
        r"latin-\xe9.py",
        "unicode-\u5b57.py",
        "-rf",
    } <= listed
    assert all(one.read(p) == b"x" for p in listed - {r.rpartition("/")[2] for r in record(NAME)})
    json.dumps(asdict(one.package), ensure_ascii=False).encode("utf-8")


def test_an_odd_folder_name(clone: Clone) -> None:
    folder = "records/track_10min_16mb/2026 \udcff\nmine"
    clone.pull(7, {**record(folder, "x"), "out\nside": "x"})
    (one,) = clone.resolve(pr=7)
    assert one.package.folder == r"records/track_10min_16mb/2026 \xff\x0amine"
    assert one.package.outside == (r"out\x0aside",)
    (again,) = clone.resolve(pr=7, folder=one.package.folder)
    assert again.files == one.files


def test_names_that_clash(clone: Clone) -> None:
    one = submit(clone, {"Model.py": "1", "model.py": "2"})
    assert [(g.what, g.file) for g in one.gaps] == [("case clash", "model.py")]
    assert (one.read("Model.py"), one.read("model.py")) == (b"1", b"2")


def test_names_that_git_refuses_to_check_out(clone: Clone) -> None:
    """A tree written by hand may name `..` or `.git`; whoever writes files out must never see those names."""
    blob = clone.git("hash-object", "-w", "--stdin", stdin=b"evil")
    entries = [
        (b"..", blob),
        (b".git", blob),
        (b"a/b", blob),
        (b"same", blob),
        (b"same", blob),
        (b"submission.json", blob),
    ]
    tree = clone.git(
        "hash-object",
        "-w",
        "-t",
        "tree",
        "--literally",
        "--stdin",
        stdin=b"".join(b"100644 " + n + b"\0" + bytes.fromhex(o) for n, o in entries),
    )
    for name in ("Mine", "track_10min_16mb", "records"):
        line = f"040000 tree {tree}\t{name}\0"
        tree = clone.git("mktree", "-z", stdin=line.encode())
    head = clone.git(
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit-tree",
        "-m",
        "x",
        "-p",
        clone.heads["refs/heads/main"],
        tree,
    )
    clone.git("update-ref", "refs/pull/7/head", head)
    (one,) = clone.resolve(pr=7)
    assert [f.path for f in one.files] == ["same", "submission.json"]
    assert {g.file for g in one.gaps if g.what == "files"} == {"..", ".git", "a/b", "same"}


def test_many_files_are_cut_with_a_gap(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitsource_module, "MAX_FILES", 20)
    one = submit(clone, {f"many/{i:03}": "x" for i in range(50)})
    assert 10 < len(one.files) <= 20
    assert any("more than 20 files" in g.why for g in one.gaps)


def test_outside_names_are_capped(clone: Clone) -> None:
    clone.pull(7, {**record(NAME, "mine"), **{f"junk/{i:03}": str(i) for i in range(250)}})
    (one,) = clone.resolve(pr=7)
    assert len(one.package.outside) == 200
    assert one.package.outside[0] == "junk/000"


def test_a_large_directory_does_not_hide_the_program_beside_it(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gitsource_module, "_SHELF_FILES", 10)
    nested = {"a/submission.json": "{}", "a/train_gpt.py": "x", **{f"b/{i}": "x" for i in range(30)}}
    assert submit(clone, dict(nested)).package.folder == NAME
