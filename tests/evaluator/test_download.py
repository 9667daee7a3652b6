"""Fetching from a hub that breaks off, lies, redirects or is not there."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.corpus import download
from evaluator.corpus.base import CorpusError, Progress
from evaluator.corpus.download import fetch, look
from evaluator.corpus.official import Source, fetch_official
from evaluator.shards import ShardError, Tokens, write_shard
from tests.evaluator.hub import Hub, serving

CONTENT = random.Random(1).randbytes(300_000)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(download, "BLOCK", 10_000)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(Hub({"big.bin": CONTENT, "small.json": b"{}"}, large={"big.bin"})) as hub:
        yield hub


def url(hub: Hub, name: str = "big.bin") -> str:
    return f"{hub.address}/datasets/x/y/resolve/main/{name}"


def get(hub: Hub, target: Path, name: str = "big.bin", **more: Any) -> list[float]:
    waits: list[float] = []
    fetch(url(hub, name), target, wait=waits.append, **more)
    return waits


def ranges(hub: Hub) -> list[str]:
    return [r for m, _, r in hub.seen if m == "GET" and r]


def test_large_and_small_files_arrive_whole(hub: Hub, tmp_path: Path) -> None:
    told: list[Progress] = []
    get(hub, tmp_path / "deep" / "b.bin", tell=told.append)
    get(hub, tmp_path / "s.json", "small.json")
    assert (tmp_path / "deep" / "b.bin").read_bytes() == CONTENT
    assert (tmp_path / "s.json").read_bytes() == b"{}"
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["b.bin"]
    assert told[-1] == Progress("b.bin", 300_000, 300_000)
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert look(url(hub)).commit == "c0ffee"


def test_what_is_here_is_verified_not_fetched(hub: Hub, tmp_path: Path) -> None:
    target = tmp_path / "b.bin"
    get(hub, target)
    hub.seen.clear()
    get(hub, target)
    assert all(m == "HEAD" for m, _, _ in hub.seen)
    target.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))  # same size, another byte
    get(hub, target)
    assert target.read_bytes() == CONTENT


def test_a_broken_download_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.breaks = [70_000, 50_000]
    get(hub, tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == CONTENT
    assert set(ranges(hub)) == {"bytes=70000-", "bytes=120000-"}


def test_a_second_run_goes_on_with_what_the_first_brought(hub: Hub, tmp_path: Path) -> None:
    hub.breaks = [70_000] + [0] * 9
    with pytest.raises(CorpusError, match=r"70,000 of 300,000 bytes are here.*run the same command again"):
        get(hub, tmp_path / "b.bin", retries=2)
    assert not (tmp_path / "b.bin").exists()
    hub.breaks, hub.seen = [], []
    get(hub, tmp_path / "b.bin")
    assert set(ranges(hub)) == {"bytes=70000-"}
    assert (tmp_path / "b.bin").read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1


def test_a_server_without_ranges_starts_again(hub: Hub, tmp_path: Path) -> None:
    hub.ranges, hub.breaks = False, [70_000]
    get(hub, tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == CONTENT


def test_a_part_that_cannot_be_continued_starts_again(hub: Hub, tmp_path: Path) -> None:
    hub.unsatisfiable, hub.breaks = True, [70_000]
    get(hub, tmp_path / "b.bin")
    assert ranges(hub) == ["bytes=70000-"] * 2  # asked, and sent on to the store
    assert (tmp_path / "b.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_keeps_nothing(hub: Hub, tmp_path: Path) -> None:
    for name in ("big.bin", "small.json"):
        hub.lies = {"big.bin": "a" * 64, "small.json": "b" * 40}
        with pytest.raises(CorpusError, match=r"its checksum is .*nothing was kept"):
            get(hub, tmp_path / name, name)
        assert not (tmp_path / name).exists()
        hub.lies = {}
        get(hub, tmp_path / name, name)
        assert (tmp_path / name).read_bytes() == hub.files[name]


def test_a_spoiled_part_is_found_out(hub: Hub, tmp_path: Path) -> None:
    part = tmp_path / f".b.bin.{look(url(hub)).checksum[:16]}.part"
    part.write_bytes(b"x" * 100_000)
    with pytest.raises(CorpusError, match="checksum"):
        get(hub, tmp_path / "b.bin")
    get(hub, tmp_path / "b.bin")
    part.write_bytes(CONTENT + b"more")  # longer than the file: cut to it
    (tmp_path / "b.bin").unlink()
    get(hub, tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == CONTENT


def test_the_checksum_may_come_from_the_pointer_but_must_come(hub: Hub, tmp_path: Path) -> None:
    hub.no_checksum = True
    with pytest.raises(CorpusError, match="no checksum is announced"):
        get(hub, tmp_path / "b.bin")
    hub.pointers = True
    get(hub, tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == CONTENT


def test_passing_errors_are_waited_for_and_lasting_ones_are_not(hub: Hub, tmp_path: Path) -> None:
    hub.failures = [503, 429]
    assert get(hub, tmp_path / "b.bin") == [2.0, 4.0]
    with pytest.raises(CorpusError, match=r"HTTP 404; check the address"):
        get(hub, tmp_path / "n.bin", "nothing.bin")
    hub.failures = [500] * 9
    with pytest.raises(CorpusError, match="HTTP 500"):
        get(hub, tmp_path / "c.bin", retries=2)


def test_no_network_is_said_at_once(hub: Hub, tmp_path: Path) -> None:
    with serving(Hub()) as gone:
        pass
    with pytest.raises(CorpusError, match=r"cannot be reached.*scorefirst data --offline"):
        get(gone, tmp_path / "b.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("onward", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_a_redirect_leads_to_http_only(hub: Hub, tmp_path: Path, onward: str) -> None:
    hub.onward = onward
    with pytest.raises(CorpusError, match=r"not HTTPS|HTTP 302"):
        get(hub, tmp_path / "b.bin")
    hub.no_checksum = True
    with pytest.raises(CorpusError, match=r"not HTTPS|HTTP 302"):
        get(hub, tmp_path / "b.bin")


def test_limits_and_places(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="more than the 10 expected"):
        get(hub, tmp_path / "b.bin", limit=10)
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="choose another place"):
        get(hub, tmp_path / "file" / "b.bin")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(CorpusError, match="symbolic link"):
        get(hub, tmp_path / "link")
    assert (tmp_path / "file").read_text() == ""


@pytest.fixture
def official(hub: Hub, tmp_path: Path) -> Source:
    def shard(*ids: int) -> bytes:
        return write_shard(tmp_path / "t.bin", np.array(ids)).read_bytes()

    folder = "datasets/datasets/fineweb10B_sp1024/"
    manifest = {
        "datasets": [
            {"name": "other"},
            {"name": "fineweb10B_sp1024", "tokenizer_name": "t", "stats": {"files_val": 1, "files_train": 2}},
        ],
        "tokenizers": [{"name": "t", "model_path": "tokenizers/t.model", "vocab_size": 1024}],
    }
    hub.files = {
        "datasets/manifest.json": json.dumps(manifest).encode(),
        "datasets/tokenizers/t.model": b"model",
        f"{folder}fineweb_val_000000.bin": shard(1, 5, 6),
        f"{folder}fineweb_train_000000.bin": shard(1, 7),
        f"{folder}fineweb_train_000001.bin": shard(1, 8),
    }
    hub.large = {n for n in hub.files if not n.endswith("json")}
    return Source("x/y", endpoint=hub.address)


def test_the_official_data_lie_as_the_scripts_expect(hub: Hub, official: Source, tmp_path: Path) -> None:
    got = fetch_official(tmp_path / "data", train_shards=2, source=official)
    assert got.folder == tmp_path / "data" / "datasets" / "fineweb10B_sp1024"
    assert Tokens.open(got.folder / "fineweb_val_*.bin")[:].tolist() == [1, 5, 6]
    assert Tokens.open(got.folder / "fineweb_train_*.bin")[:].tolist() == [1, 7, 1, 8]
    assert [p.read_bytes() for p in got.tokenizer] == [b"model"]
    assert (got.vocabulary, got.commit) == (1024, "c0ffee")
    assert all("/c0ffee/" in p for m, p, _ in hub.seen if "fineweb_" in p and "resolve" in p)  # one commit for all
    with pytest.raises(CorpusError, match="2 training shards exist, 3 were asked for"):
        fetch_official(tmp_path / "data", train_shards=3, source=official)
    with pytest.raises(CorpusError, match=r"no fineweb10B_sp4096; it has other, fineweb10B_sp1024"):
        fetch_official(tmp_path / "data", "sp4096", source=official)
    with pytest.raises(CorpusError, match="no variant"):
        fetch_official(tmp_path / "data", "../sp1", source=official)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b'"tokenizers/t.model"', b'"tokenizers/../../../t.model"', "no place of a tokenizer"),
        (b'"tokenizers/t.model"', b'"/etc/t.model"', "no place of a tokenizer"),
        (b'"files_val": 1', b'"files_val": "1"', "does not say how many"),
        (b'"files_val": 1', b'"files_val": 1e9', "does not say how many"),
        (b'{"datasets"', b"<html>", "no JSON"),
        (b'"datasets"', b'"nothing"', "it has none"),
    ],
)
def test_a_manifest_is_not_trusted(
    hub: Hub, official: Source, tmp_path: Path, old: bytes, new: bytes, what: str
) -> None:
    manifest = hub.files["datasets/manifest.json"]
    hub.files["datasets/manifest.json"] = manifest.replace(old, new, 1)
    assert hub.files["datasets/manifest.json"] != manifest
    with pytest.raises(CorpusError, match=what):
        fetch_official(tmp_path / "data", source=official)


def test_a_shard_that_is_none_is_said(hub: Hub, official: Source, tmp_path: Path) -> None:
    name = "datasets/datasets/fineweb10B_sp1024/fineweb_val_000000.bin"
    hub.files[name] = hub.files[name][:-2]
    with pytest.raises(ShardError, match="cut short"):
        fetch_official(tmp_path / "data", source=official)
    hub.files[name] = write_shard(tmp_path / "t.bin", [1, 2000]).read_bytes()
    with pytest.raises(ShardError, match="id 2000 at token 1 is beyond the vocabulary of 1,024"):
        fetch_official(tmp_path / "data", source=official)


def test_the_hub_can_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert (
        Source().url("manifest.json").startswith("https://mirror.example/datasets/willdepueoai/parameter-golf/resolve/")
    )
    monkeypatch.delenv("HF_ENDPOINT")
    assert Source().url("manifest.json", "abc").endswith("/resolve/abc/datasets/manifest.json")
