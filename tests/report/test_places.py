"""One folder has one name, and no path or address can lead anywhere else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.report.places import dispute_link, repo_folder, repo_path, uri, web_link, web_url
from rules.evidence import Location
from tests.report import samples

REPO = "https://github.com/openai/parameter-golf"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("records/track_10min_16mb/x", "records/track_10min_16mb/x"),
        ("records/track_10min_16mb/x/", "records/track_10min_16mb/x"),
        ("/home/kim/golf/records/track_10min_16mb/x", "records/track_10min_16mb/x"),
        ("../golf/records/track_10min_16mb/x", "records/track_10min_16mb/x"),
        ("C:\\golf\\records\\a\\x", "records/a/x"),
        ("/tmp/mine", "mine"),
        ("../mine", "mine"),
        ("here/mine", "here/mine"),
        ("", "."),
        ("/", "."),
    ],
)
def test_folder_names(folder: str, name: str) -> None:
    assert repo_folder(folder) == name


@given(st.text(), st.text())
def test_no_path_climbs_out_and_every_uri_is_plain(folder: str, file: str) -> None:
    path = repo_path(folder, file)
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert re.fullmatch(r"[A-Za-z0-9/._~%-]*", uri(path))


def test_link_to_a_line_and_to_unpacked_text() -> None:
    audit = samples.audit()
    base = f"{REPO}/blob/{samples.HEAD}/{samples.FOLDER}"
    assert web_link(REPO + "/", audit, Location("a b.log", 7)) == f"{base}/a%20b.log#L7"
    assert web_link(REPO, audit, Location("README.md", 7)) == f"{base}/README.md?plain=1#L7"
    assert web_link(REPO, audit, Location("train_gpt.py", 7, layer=1)) == f"{base}/train_gpt.py"
    assert web_link("", audit, Location("a.log", 7)) == ""


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://a.example/) [x](y",
        'https://a.example/"onload=',
        "https://a.example/\u202e",
        "",
    ],
)
def test_odd_addresses_are_dropped(url: str) -> None:
    assert web_url(url) == ""


def test_dispute_link_is_filled_in_and_escaped() -> None:
    audit = samples.audit(samples.DISPUTED, folder="records/a/x y&z#1")
    link = dispute_link(
        "https://e.example/new?title={rule}&body={folder}+{pr}+{fingerprint}", audit, "TIME2-eval", "ab"
    )
    assert link == "https://e.example/new?title=TIME2-eval&body=records%2Fa%2Fx%20y%26z%231+1234+ab"
    assert dispute_link("", audit, "TIME2-eval", "ab") == ""
