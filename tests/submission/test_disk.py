"""Record folders on disk, hostile ones included."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from auditor.submission import NothingToAudit, Submission, Target, Unreadable, UsageError, resolve
from auditor.submission import disk as disk_module
from rules.evidence import FileKind, Track
from tests.submission.repos import NAME, OTHER, record
from tests.submission.test_gitsource import pointer, why


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def plain(folder: str, note: str = "") -> dict[str, str]:
    return {path: str(text) for path, text in record(folder, note).items()}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return write(tmp_path / "checkout", {"train_gpt.py": "print()", "README.md": "x", **plain(NAME), **plain(OTHER)})


def only(path: Path, folder: str = "") -> Submission:
    (one,) = resolve(Target(path=path, folder=folder))
    return one


def test_a_record_folder(checkout: Path) -> None:
    one = only(checkout / NAME)
    p = one.package
    assert (p.folder, p.track, p.head, p.date, p.source) == (NAME, Track.RECORD, "", "", str(checkout / NAME))
    assert [(f.path, f.change, f.blob) for f in one.files][0] == ("README.md", "", "")  # noqa: RUF015
    assert one.read("train_gpt.py") == b"print('')\n"
    assert one.files_read == ("train_gpt.py",)


def test_a_checkout_holds_each_of_its_folders(checkout: Path) -> None:
    found = list(resolve(Target(path=checkout)))
    assert [s.package.folder for s in found] == [OTHER, NAME]
    assert found[0].package.other_folders == (NAME,)
    assert only(checkout, "2026-03-20_Mine").package.folder == NAME
    with pytest.raises(NothingToAudit, match="no record folder Elsewhere; it holds"):
        only(checkout, "Elsewhere")


def test_a_track_directory(checkout: Path) -> None:
    write(checkout, plain("records/track_non_record_16mb/Slow"))
    assert [s.package.folder for s in resolve(Target(path=checkout / "records/track_10min_16mb"))] == [OTHER, NAME]
    assert [s.package.track for s in resolve(Target(path=checkout / "records"))][-1] is Track.NON_RECORD


def test_a_folder_outside_any_repository(tmp_path: Path) -> None:
    one = only(write(tmp_path / "mine", {"submission.json": "{}", "code/train_gpt.py": "x"}))
    assert (one.package.folder, one.package.track) == ("mine", Track.UNKNOWN)
    assert [f.path for f in one.files] == ["code/train_gpt.py", "submission.json"]
    assert only(write(tmp_path / "bare", {"run.py": "x"})).package.folder == "bare"
    assert only(write(tmp_path / "nested", {"sub/mine/submission.json": "{}"})).package.folder == "sub/mine"


def test_a_shelf_on_disk(tmp_path: Path) -> None:
    write(
        tmp_path,
        {f"records/track_10min_16mb/G/{n}/{f}": "x" for n in "AB" for f in ("submission.json", "train_gpt.py")},
    )
    assert [s.package.folder for s in resolve(Target(path=tmp_path))] == [
        f"records/track_10min_16mb/G/{n}" for n in "AB"
    ]


def test_places_without_a_record_folder(tmp_path: Path) -> None:
    write(tmp_path / "docs", {"README.md": "x"})
    with pytest.raises(NothingToAudit, match=r"no submission\.json"):
        only(tmp_path / "docs")
    with pytest.raises(UsageError, match="no directory"):
        only(tmp_path / "missing")
    with pytest.raises(UsageError, match="name the folder"):
        only(tmp_path / "docs" / "README.md")


def test_links_never_lead_out(checkout: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    folder = checkout / NAME
    links = {
        "in.py": "train_gpt.py",
        "abs": str(secret),
        "up": "../../../../secret.txt",
        "dirlink": str(tmp_path),
        "near": "../2026-03-18_Theirs",
        "loop": "loop",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    one = only(folder)
    assert one.read("in.py") == b"print('')\n"
    for path in ("abs", "up", "dirlink", "dirlink/secret.txt", "near/train_gpt.py"):
        assert "leaves the record folder" in why(one, path)
    assert "circles" in why(one, "loop")
    assert {f.path for f in one.files if f.kind is FileKind.SYMLINK} == set(links)
    assert not any("secret" in f.path for f in one.files)


def test_a_directory_swapped_for_a_link_after_listing(checkout: Path, tmp_path: Path) -> None:
    folder = checkout / NAME
    write(folder, {"logs/a.txt": "mine"})
    write(tmp_path / "elsewhere", {"a.txt": "secret"})
    one = only(folder)
    (folder / "logs").rename(folder / "old")
    (folder / "logs").symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in why(one, "logs/a.txt")
    (folder / "train_gpt.py").unlink()
    (folder / "train_gpt.py").symlink_to(tmp_path / "elsewhere" / "a.txt")
    assert "cannot be read" in why(one, "train_gpt.py")


def test_fifos_sockets_and_devices_do_not_hang(checkout: Path) -> None:
    folder = checkout / NAME
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(folder)  # a socket's path is short
        try:
            s.bind("sock")
        finally:
            os.chdir(here)
        found: list[Submission] = []
        worker = threading.Thread(target=lambda: found.append(only(folder)), daemon=True)
        worker.start()
        worker.join(10)
        assert found, "listing hangs on a FIFO"
    assert {(g.file, g.why) for g in found[0].gaps} == {
        ("pipe", "a FIFO: not opened"),
        ("sock", "a socket: not opened"),
    }
    assert "pipe" not in {f.path for f in found[0].files}
    assert "not in the record folder" in why(found[0], "pipe")


def test_a_file_swapped_for_a_fifo_after_listing(checkout: Path) -> None:
    one = only(checkout / NAME)
    (checkout / NAME / "train_gpt.py").unlink()
    os.mkfifo(checkout / NAME / "train_gpt.py")
    said: list[str] = []
    worker = threading.Thread(target=lambda: said.append(why(one, "train_gpt.py")), daemon=True)
    worker.start()
    worker.join(10)
    assert said == ["train_gpt.py is no regular file"]


def test_a_file_that_grows_is_bounded(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_module, "MAX_FILE", 1000)
    one = only(checkout / NAME)
    (checkout / NAME / "train_gpt.py").write_text("x" * 5000)
    assert "larger than the 1,000 bytes" in why(one, "train_gpt.py")
    (checkout / NAME / "train_gpt.py").write_text("x" * 1000)
    assert len(one.read("train_gpt.py")) == 1000
    (checkout / NAME / "train_gpt.py").unlink()
    assert "cannot be read" in why(one, "train_gpt.py")


def test_many_files_are_cut_with_a_gap(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_module, "MAX_FILES", 20)
    write(checkout / NAME, {f"many/{i:03}": "x" for i in range(50)})
    one = only(checkout / NAME)
    assert 10 < len(one.files) <= 20
    assert any("more than 20 files" in g.why for g in one.gaps)


def test_a_pointer_on_disk(checkout: Path) -> None:
    write(checkout / NAME, {"model.bin": pointer(15_000_000)})
    one = only(checkout / NAME)
    fact = one.package.file("model.bin")
    assert fact is not None
    assert (fact.kind, fact.size, fact.declared) == (FileKind.LFS_POINTER, 15_000_000, True)
    assert "LFS pointer" in why(one, "model.bin")


def test_git_directories_and_deep_ones(checkout: Path) -> None:
    deep = "/".join(["d"] * 80)
    write(checkout / NAME, {".git/config": "x", "sub/.git/config": "x", f"{deep}/x.py": "x"})
    one = only(checkout / NAME)
    assert not any(".git" in f.path or "x.py" in f.path for f in one.files)
    assert any("nested deeper" in g.why for g in one.gaps)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes only on POSIX")
def test_odd_names_on_disk(checkout: Path) -> None:
    folder = os.fsencode(checkout / NAME)
    for name in (b"new\nline.py", b"back\\slash.py", b"latin-\xe9.py"):
        with open(os.path.join(folder, name), "w") as f:
            f.write("x")
    one = only(checkout / NAME)
    for shown in (r"new\x0aline.py", r"back\\slash.py", r"latin-\xe9.py"):
        assert one.read(shown) == b"x"


def test_no_git_is_run_for_a_folder(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert only(checkout / NAME).read("README.md").startswith(b"# ")


def test_an_unreadable_file(checkout: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (checkout / NAME / "train_gpt.py").chmod(0)
    with pytest.raises(Unreadable, match="Permission"):
        only(checkout / NAME).read("train_gpt.py")
